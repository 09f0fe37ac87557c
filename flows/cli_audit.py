"""Commands that look after a store: audit, replicate, gc."""

import os
import re
import signal
import sys
import threading
from typing import TYPE_CHECKING, Annotated, Any, Literal

import typer

from flows.cli_common import Config, Json, Store
from tasks.settings import load_settings

if TYPE_CHECKING:
    from tasks.auditing import Plan, Report
    from tasks.settings import Settings

__all__ = ["add_commands"]

_PERIOD = re.compile(r"([1-9][0-9]{0,3})(d|w)?")


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    app.command(epilog="Example: tearsheet audit --period 30d --store s3://bucket/prefix")(audit)
    app.command(epilog="Example: tearsheet replicate --store archive --to s3://bucket/prefix")(replicate)
    app.command(epilog="Example: tearsheet gc --apply --store s3://bucket/prefix")(gc)


def audit(
    level: Annotated[
        Literal["size", "checksum", "full"] | None,
        typer.Option(help="Look at all bundles: sizes, recorded digests, or every byte. [full, this period's share]"),
    ] = None,
    period: Annotated[
        str | None, typer.Option(help="Read the share that makes each bundle be read once in it: 30d. [audit_period_d]")
    ] = None,
    limit: Annotated[int, typer.Option(min=0, help="Read at most so many bundles in full; 0: no bound.")] = 0,
    max_bytes: Annotated[int, typer.Option("--bytes", min=0, help="Read at most so many bytes of them.")] = 0,
    repair_from: Annotated[
        str | None, typer.Option(help="Put back what is missing or changed from this store, once it is verified.")
    ] = None,
    anew: Annotated[bool, typer.Option("--anew", help="Do not go on with a full audit that was broken off.")] = False,
    track: Annotated[
        bool, typer.Option("--track", help="As a Prefect flow run, even without PREFECT_API_URL.")
    ] = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Check that the store holds all that it should, unchanged; note what was read in the store itself."""
    from tasks.auditing import Plan
    from tasks.present import Talk, print_json

    settings = load_settings(config, store=store)
    days = _days(period) if period else (0 if level else settings.audit_period_d)
    if days and level not in (None, "full"):
        raise typer.BadParameter("--period reads in full: leave --level, or write --level full")
    plan = Plan(level or "full", days, limit, max_bytes, anew)
    tracked = track or bool(os.environ.get("PREFECT_API_URL"))
    with Talk(None, doing="auditing") as talk:
        talk.say("running as a Prefect flow" if tracked else "running without Prefect (--track records the run there)")
        if tracked:
            report = _track(plan, settings, repair_from, config, json=json)
        else:
            report = _plain(plan, settings, repair_from, talk, json=json)
        if report.gone_on:
            talk.say(f"went on with the audit that was broken off: {report.gone_on:,} were read before")
        print_json(report.as_json()) if json else talk.say(str(report))
    raise typer.Exit(0 if report.good else 1)


def _plain(plan: "Plan", settings: "Settings", repair_from: str | None, talk: Any, *, json: bool) -> "Report":
    from contextlib import ExitStack

    from tasks.auditing import audit_store
    from tasks.store import open_store

    def progress(done: int, total: int, name: str) -> None:
        talk.advance(name, total)

    with ExitStack() as stack:
        opened = stack.enter_context(open_store(settings.store, settings))
        other = stack.enter_context(open_store(repair_from, settings)) if repair_from else None
        told, stop = _teller(settings.store, json=json), _stop_on_interrupt()
        return audit_store(opened, plan, repair_from=other, heard=told, progress=progress, stop=stop)


def _track(plan: "Plan", settings: "Settings", repair_from: str | None, config: str | None, *, json: bool) -> "Report":
    from flows.audit import audit_tracked

    if config:
        os.environ["TEARSHEET_CONFIG"] = config
    report = audit_tracked(
        store=settings.store,
        level=plan.level,
        period_days=plan.period_days,
        limit=plan.limit,
        max_bytes=plan.max_bytes,
        repair_from=repair_from,
        anew=plan.anew,
    )
    told = _teller(settings.store, json=json)
    for finding in report.findings:
        told(finding)
    return report


def _teller(store: str, *, json: bool) -> Any:
    """Prints one finding; for people with what to do where something is to be done."""
    from tasks.present import print_json, printable

    def tell(finding: Any) -> None:
        if json:
            print_json(finding.as_json(store))
            return
        print(printable(str(finding)), flush=True)
        if finding.repair:
            print(printable(f"          {finding.repair}"), flush=True)
        elif not finding.good:
            print(printable(f"          {finding.remedy(store)}"), flush=True)

    return tell


def _days(text: str) -> int:
    match = _PERIOD.fullmatch(text.strip())
    if not match:
        raise typer.BadParameter(f"{text!r} is no period; write 30d, or 4w")
    return int(match[1]) * (7 if match[2] == "w" else 1)


def replicate(
    to: Annotated[str, typer.Option("--to", help="The copy: folder or s3://bucket/prefix; a new one is made.")],
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Copy to another store what that one lacks, each object verified; nothing there is deleted or overwritten."""
    from tasks.present import Talk, print_json, printable
    from tasks.replicating import Trouble
    from tasks.replicating import replicate as copy_store
    from tasks.store import open_store

    settings = load_settings(config, store=store)

    def heard(trouble: Trouble) -> None:
        row = {"code": trouble.code, "key": trouble.key, "what": trouble.what, "bad": trouble.bad}
        print_json(row) if json else print(printable(str(trouble)), flush=True)

    with (
        Talk(None, doing="copying") as talk,
        open_store(settings.store, settings) as source,
        open_store(to, settings) as target,
    ):
        stop = _stop_on_interrupt()
        report = copy_store(source, target, heard=heard, progress=lambda done, key: talk.advance(key), stop=stop)
        print_json(report.as_json()) if json else talk.say(str(report))
    raise typer.Exit(0 if report.good else 1)


def gc(
    apply: Annotated[bool, typer.Option("--apply", help="Delete what was marked and is an orphan still.")] = False,
    days: Annotated[float, typer.Option(min=1, help="Leave what is younger: its writer may be at work.")] = 7,
    wait_hours: Annotated[float, typer.Option(min=1, help="Leave what was marked later than so many hours ago.")] = 24,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Mark what writers left behind (bundles without manifest, unfinished uploads); a day later --apply deletes it."""
    from tasks.collecting import Orphan, collect, mark
    from tasks.present import Talk, print_json, printable
    from tasks.store import open_store

    settings = load_settings(config, store=store)

    def heard(orphan: Orphan) -> None:
        print_json(orphan.as_json()) if json else print(printable(str(orphan)), flush=True)

    with open_store(settings.store, settings) as opened:
        if apply:
            found = collect(opened, days=days, wait_hours=wait_hours, heard=heard)
        else:
            found = mark(opened, days=days, heard=heard)
    states = ", ".join(f"{found.count(state):,} {state}" for state in ("marked", "waits", "deleted", "kept"))
    Talk().say(f"{settings.store}: {states}" if found.orphans else f"{settings.store}: nothing to do")
    if not apply and found.orphans:
        Talk().say(f"nothing was deleted; after {wait_hours:g} hours: tearsheet gc --apply --store {settings.store}")
    raise typer.Exit(1 if found.count("kept") else 0)


def _stop_on_interrupt() -> threading.Event:
    """Set by the first Ctrl-C or SIGTERM: what is under way finishes. A second Ctrl-C ends at once."""
    stop = threading.Event()

    def interrupted(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("stopping: finishing what is under way (Ctrl-C again to drop it)", file=sys.stderr)
        stop.set()

    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    return stop
