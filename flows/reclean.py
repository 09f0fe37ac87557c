"""The flow that cleans stored bundles anew with the rules of now, in shards on threads, processes or Dask."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from datetime import date
from typing import Any

from prefect import State, flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.settings import PREFECT_API_URL
from prefect.states import Completed, Failed
from prefect.task_runners import TaskRunner

from flows.runners import Runner, make_runner
from tasks.errors import PermanentError, SettingsError, TearsheetError
from tasks.recleaning import Due, Job, Recleaned, Report, check_rules, due_by_id, due_of_all, reclean_shard
from tasks.settings import config_dirs
from tasks.steps import START_A_SERVER, code, run_here, run_settings, spread
from tasks.store import open_store
from tasks.workers import make_shards

SHARD_BUNDLES = 50  # of one task: one row in Prefect's record, which loses some of thousands
SHOWN = 200  # bundles that the artifact names of each kind


@flow(name="reclean", persist_result=False)
async def reclean(
    ids: list[str] | None = None,
    store: str | None = None,
    host: str = "",
    since: date | None = None,
    until: date | None = None,
    dry_run: bool = False,
    runner: Runner = "process",
    workers: int = 2,
) -> State[Any]:
    """Clean stored bundles with the rules in force now; store a derived bundle where that changes anything.

    Args:
        ids: bundles; none: all of the store, narrowed by host (with its sub-domains), since and until (days, UTC)
        store: folder or s3://bucket/prefix; default: the setting `store`
        host: only captures of this host
        since: only captures of this day and later
        until: only captures of this day and earlier
        dry_run: compare only
        runner: thread, process, dask (needs the extra `dask`: a cluster on this machine), or dask:tcp://host:8786, the
            scheduler of a cluster whose workers have Tearsheet and reach the store
        workers: threads or processes; shards under way at once

    Fails where nothing could be done; where only some bundles need a look the run completes as "Incomplete" and the
    artifact lists them. The state's data is the Report.
    """
    try:
        report = await asyncio.to_thread(_reclean, ids, store, (host, since, until), dry_run, runner, workers)
    except TearsheetError as error:
        return Failed(message=str(error), data=error)
    await acreate_markdown_artifact(key="reclean", markdown=_as_markdown(report), description=str(report))
    if report.good:
        return Completed(message=str(report), data=report)
    if any(item.good for item in report.found):
        return Completed(name="Incomplete", message=str(report), data=report)
    return Failed(message=str(report), data=report)


def reclean_tracked(heard: Callable[[Recleaned], None], stop: threading.Event, **parameters: Any) -> Report:
    """The report of one run of the flow in this process, each bundle told to `heard`; no shard is begun after `stop`.

    Raises what kept the run from its work; SettingsError where no server is named and `runner` is not thread, for each
    process would start a passing server of its own.
    """
    if parameters["runner"] != "thread" and not PREFECT_API_URL.value():
        what = f"the {parameters['runner']} task runner needs a Prefect server"
        raise SettingsError(what, where="PREFECT_API_URL", remedy=START_A_SERVER)
    token = _LISTENER.set((heard, stop))
    try:
        report: Report = run_here(reclean, **parameters)
        return report
    finally:
        _LISTENER.reset(token)


# Who listens to a run in this process; parameters of a flow go to the server, and must not hold such a thing.
_LISTENER: ContextVar[tuple[Callable[[Recleaned], None], threading.Event] | None] = ContextVar("listener", default=None)


def _reclean(
    ids: list[str] | None,
    store: str | None,
    wanted: tuple[str, date | None, date | None],
    dry_run: bool,
    runner: Runner,
    workers: int,
) -> Report:
    chosen = make_runner(runner, workers)
    heard, stop = _LISTENER.get() or ((lambda item: None), threading.Event())
    job = Job(run_settings(store), config_dirs(), dry_run=dry_run)
    check_rules(job)
    due = _due(job, ids, wanted)
    found = list(due.problems)
    for item in due.problems:
        heard(item)
    for item in _spread(due, job, chosen, workers, stop):
        heard(item)
        found.append(item)
    return Report(tuple(found), stopped=stop.is_set())


def _due(job: Job, ids: list[str] | None, wanted: tuple[str, date | None, date | None]) -> Due:
    host, since, until = wanted
    with open_store(job.settings.store, job.settings) as store:
        return due_of_all(store, host=host, since=since, until=until) if ids is None else due_by_id(store, ids)


def _spread(due: Due, job: Job, runner: TaskRunner[Any], workers: int, stop: threading.Event) -> Iterator[Recleaned]:
    """What became of the bundles, shard by shard; a shard that was lost gives a problem for each of its bundles."""
    shards = make_shards(due.ids, max(1, min(SHARD_BUNDLES, len(due.ids) // (workers * 2))))
    begun: list[tuple[str, ...]] = []

    def calls() -> Iterator[tuple[Any, ...]]:
        for shard in shards:
            if stop.is_set():
                return
            begun.append(shard)
            yield shard, job

    results = spread(reclean_shard, calls(), runner, at_once=workers + 1, settings=job.settings)
    for number, result in enumerate(results):
        if isinstance(result, BaseException):
            yield from (_lost(id_, result) for id_ in begun[number])
        else:
            yield from result


def _lost(id_: str, error: BaseException) -> Recleaned:
    what = f"the task that cleaned it failed: {type(error).__name__}: {error}"
    return Recleaned(id_, error=PermanentError(what, where=id_, remedy="Run `tearsheet reclean` with this id"))


def _as_markdown(report: Report) -> str:
    """What the run's page shows: the counts, then the bundles that need a look and those that changed."""
    counts = Counter(item.status for item in report.found)
    lines = ["# Cleaned anew", "", "| bundles | |", "| --- | ---: |"]
    lines += [f"| {status} | {count:,} |" for status, count in sorted(counts.items())]
    for status in ("problem", "worse", "changed"):
        items = [item for item in report.found if item.status == status]
        lines += ["", f"## {status.capitalize()}", ""] if items else []
        for item in items[:SHOWN]:
            words = f"+{item.added:,} −{item.removed:,} words"
            lines.append(f"- {code(item.id)}: {code(str(item.error) if item.error else f'{item.new_id}, {words}')}")
        lines += [f"- and {len(items) - SHOWN:,} more"] if len(items) > SHOWN else []
    return "\n".join(lines)
