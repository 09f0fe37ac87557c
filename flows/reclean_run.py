"""What `tearsheet reclean` does once its arguments are parsed: say how it runs, run, print each bundle, sum up."""

import os
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import date
from pathlib import Path

from tasks.present import Talk, diff_text, print_json, recleaned_line
from tasks.recleaning import Due, Job, Recleaned, Report, due_by_id, due_of_all, reclean_plainly
from tasks.settings import Settings
from tasks.store import Store, open_store
from tasks.workers import cpus

_FEW = 20  # bundles for which starting other processes takes longer than it saves


@dataclass(frozen=True, slots=True)
class Wanted:
    """The arguments of the command."""

    ids: tuple[str, ...] | None  # None: all
    host: str
    since: date | None
    until: date | None
    dry_run: bool
    diff: bool
    runner: str | None  # None: whichever suits
    workers: int | None


def run_reclean(
    wanted: Wanted,
    settings: Settings,
    dirs: tuple[Path, ...],
    *,
    tracked: bool,
    json: bool,
    stop: threading.Event,
    config: str | None,
) -> Report:
    """The report, after all of it was printed."""
    if tracked:
        return _tracked(wanted, settings, json=json, stop=stop, config=config)
    with open_store(settings.store, settings) as store:
        due = _due(wanted, store)
    runner = wanted.runner or ("process" if len(due.ids) >= _FEW else "thread")
    workers = wanted.workers or (cpus() if runner == "process" else 1)
    job = Job(settings, dirs, dry_run=wanted.dry_run, diff=wanted.diff)
    total = len(due.ids) + len(due.problems)
    with Talk(total, doing="cleaning") as talk:
        talk.say(f"running without Prefect, {runner} workers: {workers} (--track records the run there)")
        told = _teller(talk, json=json)
        found: list[Recleaned] = []
        for item in _all(due, job, runner, workers, stop):
            told(item)
            found.append(replace(item, diff=None))
        report = Report(tuple(found), stopped=stop.is_set())
        talk.say(str(report))
    return report


def _due(wanted: Wanted, store: Store) -> Due:
    if wanted.ids is not None:
        return due_by_id(store, wanted.ids)
    return due_of_all(store, host=wanted.host, since=wanted.since, until=wanted.until)


def _all(due: Due, job: Job, runner: str, workers: int, stop: threading.Event) -> Iterator[Recleaned]:
    yield from due.problems
    yield from reclean_plainly(due.ids, job, runner=runner, workers=workers, stop=stop)


def _tracked(wanted: Wanted, settings: Settings, *, json: bool, stop: threading.Event, config: str | None) -> Report:
    from flows.reclean import reclean_tracked

    if config:
        os.environ["TEARSHEET_CONFIG"] = config
    runner = wanted.runner or ("process" if os.environ.get("PREFECT_API_URL") else "thread")
    workers = wanted.workers or cpus()
    with Talk(None, doing="cleaning") as talk:
        talk.say(f"running as a Prefect flow on {workers} workers ({runner})")
        report = reclean_tracked(
            _teller(talk, json=json),
            stop,
            ids=list(wanted.ids) if wanted.ids is not None else None,
            store=settings.store,
            host=wanted.host,
            since=wanted.since,
            until=wanted.until,
            dry_run=wanted.dry_run,
            runner=runner,
            workers=workers,
        )
        talk.say(str(report))
    return report


def _teller(talk: Talk, *, json: bool) -> Callable[[Recleaned], None]:
    """Prints one bundle."""
    colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")

    def tell(item: Recleaned) -> None:
        if json:
            print_json(item.as_json())
        else:
            print(recleaned_line(item), flush=True)  # noqa: T201 the command's own output
            if item.diff:
                print(diff_text(item.diff, colour=colour), flush=True)  # noqa: T201
        talk.advance(item.id)

    return tell
