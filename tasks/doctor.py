"""Whether this machine can archive: each part looked at for real, with what to do where it is not well."""

import os
import secrets
import shutil
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal
from urllib.parse import quote

from tasks.capture.browser import find_chromium
from tasks.capture.browser.chromium import Chromium
from tasks.capture.clock import read_clock
from tasks.catalog.cache import cache_folder
from tasks.clean import load_rules
from tasks.errors import MissingPart, SettingsError, TearsheetError
from tasks.outbox import Outbox, outbox_folder
from tasks.prefect_api import LOST_RUNS, PrefectApi, PrefectUnavailable, api_of
from tasks.settings import Settings, config_dirs, load_settings
from tasks.sources import Source, load_sources
from tasks.store import open_store
from tasks.store.objects import Content

__all__ = ["Finding", "examine"]

SCARCE_BYTES, FULL_BYTES = 5 << 30, 500 << 20  # room below which is a warning, and below which is a failure

Level = Literal["ok", "warn", "fail"]
_PROBE = b"tearsheet doctor\n"


@dataclass(frozen=True, slots=True)
class Finding:
    """What was found of one thing; `remedy` says what to do, where it is not ok."""

    check: str
    level: Level
    what: str
    remedy: str = ""

    def as_json(self) -> dict[str, Any]:
        """The fields."""
        return asdict(self)

    def __str__(self) -> str:
        """One line for people, and one below it with what to do."""
        line = f"{self.level:5} {self.check:10} {self.what}"
        return f"{line}\n                 → {self.remedy}" if self.remedy else line


@dataclass(frozen=True, slots=True)
class _Case:
    """What the checks look at."""

    settings: Settings
    dirs: tuple[Path, ...]
    sources: tuple[Source, ...]
    api: PrefectApi | None


def examine(
    config: str | None = None, *, store: str | None = None, environ: Mapping[str, str] = os.environ
) -> Iterator[Finding]:
    """Every finding, one check after the other; a check that cannot be made is a finding, too."""
    try:
        settings, dirs = load_settings(config, environ, store=store), config_dirs(config, environ)
    except SettingsError as error:
        yield _failed("settings", error)
        return
    yield Finding("settings", "ok", f"read from {', '.join(map(str, dirs))}")
    sources: tuple[Source, ...] = ()
    try:
        sources = load_sources(dirs)
        yield Finding("sources", "ok", f"watch.toml names {_count(len(sources), 'source')}")
    except SettingsError as error:
        yield _failed("sources", error)
    case = _Case(settings, dirs, sources, api_of(environ))
    for name, check in _CHECKS.items():
        try:
            yield from check(case)
        except TearsheetError as error:
            yield _failed(name, error)
        except OSError as error:  # a folder that may not be looked into, a program that cannot be run
            yield Finding(name, "fail", str(error), "See to that place; the other checks were made")


def _failed(check: str, error: TearsheetError, level: Level = "fail") -> Finding:
    return Finding(check, level, f"{error.where}: {error.what}" if error.where else error.what, error.remedy)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"


# ------------------------------------------------------------------ configuration
def _rules(case: _Case) -> Iterator[Finding]:
    found = load_rules(case.dirs)
    yield Finding("rules", "ok", _count(len(found.rules), "cleaning rule"))


def _agent(case: _Case) -> Iterator[Finding]:
    settings = case.settings
    if settings.contact or settings.user_agent:
        yield Finding("agent", "ok", settings.agent)
    else:
        remedy = "Set `contact` to an address or URL of yours, so that a site's owner can write before blocking you"
        yield Finding("agent", "warn", f"{settings.agent}, which names nobody", remedy)
    if settings.robots != "obey":
        remedy = 'Set robots = "obey" unless you have reasons, such as a legal duty to archive'
        yield Finding("robots", "warn", f"scheduled runs do not obey robots.txt: {settings.robots}", remedy)
    else:
        yield Finding("robots", "ok", f"obeyed in scheduled runs; by hand: {settings.robots_by_hand}")


# ------------------------------------------------------------------ store
def _stores(case: _Case) -> Iterator[Finding]:
    """The store of the settings, and those that sources have of their own; one that fails hides no other."""
    for location in dict.fromkeys([case.settings.store, *(one.store for one in case.sources if one.store)]):
        try:
            yield from _store(location, case.settings)
        except TearsheetError as error:
            yield _failed("store", error)


def _store(location: str, settings: Settings) -> Iterator[Finding]:
    """A probe object is written, read back and deleted; of an S3 server it is tried out what it can do."""
    folder = f"v1/probe/{secrets.token_hex(8)}"
    with open_store(location, settings) as store:
        objects = store.objects
        can = objects.probe(folder)
        objects.adopt(can)
        key = f"{folder}/doctor"
        objects.create(key, Content.of_bytes(_PROBE))
        back = b"".join(objects.read(key))
        try:
            objects.delete(key)
            deletes = True
        except TearsheetError:
            deletes = False
        told = ", ".join(f"{name.replace('_', ' ')}: {_word(value)}" for name, value in sorted(can.items()))
    if back != _PROBE:
        yield Finding("store", "fail", f"{store.location} gave back other bytes", "Do not use this server")
        return
    yield Finding("store", "ok", f"{store.location} takes and gives; {told}")
    if not deletes:
        yield Finding("store", "warn", "deleting is forbidden", "`remove` and `gc` need it; nothing else does")
    if can["create_only"] != "native":
        remedy = "Let one writer at a time store the same page, and publish with --alone"
        yield Finding("store", "warn", "the server cannot create conditionally", remedy)


def _word(value: Any) -> str:
    return {True: "yes", False: "no"}.get(value, str(value)) if isinstance(value, bool) else str(value)


def _outbox(case: _Case) -> Iterator[Finding]:
    outbox = Outbox(case.settings)
    waiting = outbox.waiting()
    if waiting:
        yield Finding("outbox", "warn", f"{_count(len(waiting), 'bundle')} waiting", "`tearsheet push` delivers")
    else:
        yield Finding("outbox", "ok", "nothing waits")
    for count, place, folder in outbox.elsewhere():
        remedy = "Push them with that store in --store, and delete what nobody wants"
        yield Finding("outbox", "warn", f"{_count(count, 'bundle')} waiting for {place} in {folder}", remedy)


def _disk(case: _Case) -> Iterator[Finding]:
    folders = {"cache": cache_folder(case.settings), "outbox": outbox_folder(case.settings)}
    folders["temporary files"] = Path(tempfile.gettempdir())
    if "://" not in case.settings.store:
        folders["store"] = Path(case.settings.store).expanduser()
    for name, folder in folders.items():
        there = next(path for path in (folder.absolute(), *folder.absolute().parents) if path.exists())
        free = shutil.disk_usage(there).free
        level: Level = "fail" if free < FULL_BYTES else "warn" if free < SCARCE_BYTES else "ok"
        remedy = "" if level == "ok" else f"Make room, or put {name} elsewhere"
        if not os.access(there, os.W_OK):
            level, remedy = "fail", f"Make {there} writable for this user"
        yield Finding("disk", level, f"{name}: {free / (1 << 30):,.1f} GB free in {folder}", remedy)


# ------------------------------------------------------------------ machine
def _clock(case: _Case) -> Iterator[Finding]:
    synchronised = read_clock().synchronized
    if synchronised:
        yield Finding("clock", "ok", "the kernel holds it for synchronised")
    elif synchronised is None:
        yield Finding("clock", "ok", "the system does not tell whether it is synchronised")
    else:
        remedy = "Run chrony or systemd-timesyncd: every bundle says when it was made, and that its clock was not set"
        yield Finding("clock", "warn", "not synchronised", remedy)


def _chromium(case: _Case) -> Iterator[Finding]:
    """Started for real."""
    modes = {case.settings.mode, *(source.mode for source in case.sources)}
    needed = not modes.isdisjoint(("browser", "auto"))
    try:
        path = find_chromium(case.settings.chromium)
    except MissingPart as error:
        yield _failed("chromium", error, "fail" if needed else "warn")
        return
    browser = Chromium(path, lambda method, params, session: None)
    try:
        product, alone = browser.product, browser.alone
    finally:
        browser.close()
    where = "in a network namespace of its own" if alone else "kept off the network by flags alone"
    sandbox = "without its sandbox, for root has none" if os.geteuid() == 0 else "in its sandbox"
    remedy = ""
    if os.geteuid() == 0:
        remedy = "Run as a user other than root: Chromium's sandbox then holds what a page may break"
    elif not alone:
        remedy = "Allow user namespaces (sysctl kernel.unprivileged_userns_clone=1, or an AppArmor profile)"
    yield Finding("chromium", "warn" if remedy else "ok", f"{product} starts, {where}, {sandbox}", remedy)


# ------------------------------------------------------------------ Prefect
def _prefect(case: _Case) -> Iterator[Finding]:
    if not case.api:
        remedy = "For schedules: `tearsheet up`, or set PREFECT_API_URL"
        yield Finding("prefect", "warn" if case.sources else "ok", "no server is named: runs go without one", remedy)
        return
    version = case.api.ask("/admin/version")
    yield Finding("prefect", "ok", f"{case.api.url} answers, version {version}")
    deployed = case.api.deployments()
    yield from _deployed(deployed, case.sources)
    if case.settings.watch_limit:
        yield from _limit(case.api, case.settings.watch_limit)
    if not case.api.ask("/automations/filter", {"automations": {"name": {"any_": [LOST_RUNS]}}}):
        remedy = "`tearsheet up` makes an automation for it; README (Lost runs) shows it for other servers"
        yield Finding("prefect", "warn", "runs whose process was killed stay Running for good", remedy)


def _deployed(deployed: Mapping[str, Mapping[str, Any]], sources: Sequence[Source]) -> Iterator[Finding]:
    wanted = ["archive/default", *(f"watch/{source.name}" for source in sources)]
    missing = [name for name in wanted if name not in deployed]
    unserved = [name for name in wanted if name in deployed and deployed[name].get("status") != "READY"]
    if missing:
        remedy = "`tearsheet serve`, or `prefect deploy --all`; start it anew after a change of watch.toml"
        yield Finding("prefect", "fail", f"not deployed: {', '.join(missing)}", remedy)
    if unserved:
        remedy = "Is `tearsheet serve`, or a worker of the pool, running?"
        yield Finding("prefect", "fail", f"deployed, but nobody serves it: {', '.join(unserved)}", remedy)
    if left := [name for name in sorted(deployed.keys() - set(wanted)) if _piles_up(name, deployed[name])]:
        remedy = "`prefect deployment delete NAME`, unless another machine is to serve it: its runs pile up meanwhile"
        yield Finding("prefect", "warn", f"scheduled, but neither in watch.toml nor served: {', '.join(left)}", remedy)
    if not missing and not unserved:
        yield Finding("prefect", "ok", f"{_count(len(wanted), 'deployment')} served")


def _piles_up(name: str, deployment: Mapping[str, Any]) -> bool:
    """Whether runs of a source are scheduled that nobody takes: it was removed while its deployment was not paused."""
    scheduled = any(one.get("active") for one in deployment.get("schedules") or ())
    return (
        name.startswith("watch/") and scheduled and not deployment.get("paused") and deployment.get("status") != "READY"
    )


def _limit(api: PrefectApi, name: str) -> Iterator[Finding]:
    """Without it every run of `watch` fails."""
    try:
        active = api.ask(f"/v2/concurrency_limits/{quote(name, safe='')}").get("active")
    except PrefectUnavailable as error:
        if error.code != "404":
            raise
        active = False
    if not active:
        remedy = f"`prefect gcl create {name} --limit 4 --active` makes it: every run of `watch` fails without"
        yield Finding("prefect", "fail", f"watch_limit: no such global concurrency limit is active: {name}", remedy)


_CHECKS: Mapping[str, Callable[[_Case], Iterator[Finding]]] = {
    "rules": _rules,
    "agent": _agent,
    "store": _stores,
    "outbox": _outbox,
    "disk": _disk,
    "clock": _clock,
    "chromium": _chromium,
    "prefect": _prefect,
}
