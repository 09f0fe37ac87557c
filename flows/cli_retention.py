"""The commands that take bundles down, and that forbid it: remove, lift, hold."""

import getpass
import sys
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from flows.cli_common import Config, Json, Store, warn
from tasks import logs
from tasks.settings import load_settings

if TYPE_CHECKING:
    from tasks.removing import Decision, Removal
    from tasks.store import Store as OpenStore
    from tasks.store.events import Event

__all__ = ["add_commands"]

_MAX_CHARS = 2000  # of a reason

Id = Annotated[str, typer.Argument(metavar="ID", help="Id of one bundle.")]
Reason = Annotated[str, typer.Option("--reason", help="Why; stored, and shown to whoever asks for the bundle.")]
By = Annotated[str, typer.Option("--by", help="Who decided it; stored with the reason. [your login name]")]


def add_commands(app: typer.Typer) -> None:
    """Register the commands of this file."""
    example = "Example: tearsheet remove 20260314073000-5f0c9d1e2a3b4c5d --reason 'court order 7 O 12/26' --dry-run"
    app.command("remove", epilog=example)(remove)
    example = "Example: tearsheet lift 20260314073000-5f0c9d1e2a3b4c5d --reason 'the order was set aside'"
    app.command("lift", epilog=example)(lift)
    example = "Example: tearsheet hold 20260314073000-5f0c9d1e2a3b4c5d on --reason 'evidence in 7 O 12/26'"
    app.command("hold", epilog=example)(hold)


# ------------------------------------------------------------------ remove
def remove(
    ids: Annotated[list[str], typer.Argument(help="Ids of stored bundles.")],
    reason: Reason,
    by: By = "",
    family: Annotated[bool, typer.Option("--family", help="Also all other bundles of the same capture.")] = False,
    article: Annotated[bool, typer.Option("--article", help="Also all other captures of the same URL.")] = False,
    bypass_governance: Annotated[
        bool, typer.Option("--bypass-governance", help="Delete in spite of governance locks, if you may.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show what would go; change nothing.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask; needed without a terminal.")] = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Take bundles down for good: a tombstone says who, when and why; all else is deleted, old versions included."""
    from tasks.present import Talk
    from tasks.removing import plan_removals
    from tasks.removing import remove as remove_bundle
    from tasks.store import open_store

    decision = _decision(reason, by)
    if not (yes or dry_run or _on_terminal()):
        raise typer.BadParameter("without a terminal to ask on, --yes is needed (or --dry-run)")
    settings, talk = load_settings(config, store=store), Talk()
    with open_store(settings.store, settings) as opened:
        wanted = _with_related(opened, ids, family=family, article=article)
        plan = plan_removals(opened, wanted, bypass_governance=bypass_governance, heard=talk.say)
        _show(plan, opened.location)
        going = not dry_run and any(removal.keys for removal in plan)
        if going and not yes and not typer.confirm("Delete this for good?", err=True):
            talk.say("nothing was removed")
            raise typer.Exit(1)
        for removal in plan:
            tombstone = removal.tombstone
            if not dry_run:
                tombstone = remove_bundle(opened, removal, decision, bypass_governance=bypass_governance)
            _print_removal(removal, tombstone, dry_run=dry_run, json=json)


def _with_related(opened: "OpenStore", ids: list[str], *, family: bool, article: bool) -> list[str]:
    """The ids, those that are related first: while one is named that stands, a rerun finds what belongs to it."""
    from tasks.related import article_of, family_of

    found = list[str]()
    for id_ in ids:
        found += article_of(opened, id_, broken=warn) if article else ()
        found += family_of(opened, id_) if family else ()
    return [*(id_ for id_ in dict.fromkeys(found) if id_ not in ids), *ids]


def _show(plan: "tuple[Removal, ...]", location: str) -> None:
    """What is about to go, and what stays though it holds the same page, on stderr."""
    from tasks.present import printable

    for removal in plan:
        page = f"  {removal.url}" if removal.url else ""
        logs.say(printable(f"in {location}: {removal.id}{page}: {_objects(removal)}"))
        for key in removal.kept:
            logs.say(f"  STAYS: {key}, which other bundles need, holds this page, too")
        for other in removal.siblings:
            logs.say(f"  STAYS: {other} holds the same capture; --family takes it down as well")


def _print_removal(removal: "Removal", tombstone: "Event | None", *, dry_run: bool, json: bool) -> None:
    from tasks.present import print_json, printable

    state = "removed before" if not removal.keys else "would go" if dry_run else "removed"
    if json:
        told = {**tombstone.detail, "at": f"{tombstone.at:%Y-%m-%dT%H:%M:%SZ}"} if tombstone else {}
        said = {name: told[name] for name in ("at", "by", "reason") if name in told}
        print_json({**removal.as_json(), "state": state, **said})
    else:
        why = f"; {tombstone.at:%Y-%m-%d %H:%M} UTC: {tombstone.detail.get('reason', '')}" if tombstone else ""
        print(printable(f"{state:9}  {removal.id}  {_objects(removal)}{why}"))


def _objects(removal: "Removal") -> str:
    return f"{len(removal.keys):,} object{'s' if len(removal.keys) != 1 else ''}"


def _on_terminal() -> bool:
    return bool(sys.stdin and sys.stdin.isatty() and sys.stderr.isatty())


# ------------------------------------------------------------------ lift, hold
def lift(id_: Id, reason: Reason, by: By = "", store: Store = None, json: Json = False, config: Config = None) -> None:
    """Lift the tombstone of a removed bundle, so that a copy of it may be stored again."""
    from tasks.present import print_json
    from tasks.removing import lift as lift_tombstone
    from tasks.store import open_store

    decision, settings = _decision(reason, by), load_settings(config, store=store)
    with open_store(settings.store, settings) as opened:
        event = lift_tombstone(opened, id_, decision)
    if json:
        print_json({"id": id_, "state": "lifted", "event": event.key})
    else:
        print(f"lifted     {id_}: a copy of it may be stored again")


def hold(
    id_: Id,
    state: Annotated[Literal["on", "off"], typer.Argument(help="Set the hold, or lift it.")],
    reason: Reason,
    by: By = "",
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Put a bundle under a legal hold, or lift it: while it is on nobody can delete it. Needs S3 Object Lock."""
    from tasks.present import print_json
    from tasks.removing import hold as hold_bundle
    from tasks.store import open_store

    decision, settings = _decision(reason, by), load_settings(config, store=store)
    with open_store(settings.store, settings) as opened:
        event = hold_bundle(opened, id_, decision, on=state == "on")
    if json:
        print_json({"id": id_, "state": state, "event": event.key})
    else:
        print(f"hold {state:3}   {id_}")


def _decision(reason: str, by: str) -> "Decision":
    """Who and why, each in one line; misuse where the reason says nothing or too much."""
    from tasks.removing import Decision

    reason, by = " ".join(reason.split()), " ".join(by.split())
    if not reason or len(reason) > _MAX_CHARS:
        raise typer.BadParameter(f"--reason has {len(reason)} characters; give 1 to {_MAX_CHARS}")
    return Decision(reason, by or _login())


def _login() -> str:
    try:
        return getpass.getuser()
    except (KeyError, OSError):  # a container without such a user
        return "unknown"
