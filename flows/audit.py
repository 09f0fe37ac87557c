"""The flow that audits a store, by default its rolling share."""

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from itertools import islice
from typing import Any, Literal

from prefect import State, flow
from prefect.artifacts import acreate_table_artifact
from prefect.states import Completed, Failed

from flows.runners import Runner, make_runner
from tasks.auditing import CODES, Checked, Plan, Reading, Report, Turn, audit_store, check_turns
from tasks.errors import TearsheetError
from tasks.settings import Settings
from tasks.steps import run_here, run_settings, spread, tracked
from tasks.store import open_store

SHOWN = 200  # findings that the artifact names
SHARD_BUNDLES = 50  # read as one task, where the runner is not thread


@flow(name="audit", persist_result=False)
async def audit(
    store: str | None = None,
    level: Literal["size", "checksum", "full"] = "full",
    period_days: int | None = None,
    limit: int = 0,
    max_bytes: int = 0,
    repair_from: str | None = None,
    anew: bool = False,
    runner: Runner = "thread",
    workers: int = 2,
) -> State[Any]:
    """Check that a store holds all that it should, unchanged.

    Args:
        store: folder or s3://bucket/prefix; default: the setting `store`
        level: size, checksum or full
        period_days: at the level full, read the share that makes each bundle be read once in so many days; 0: all;
            default: the setting `audit_period_d` at the level full
        limit: read at most so many bundles in full; 0: no bound
        max_bytes: read at most so many bytes of them; 0: no bound
        repair_from: a store to put back from what is missing or changed
        anew: do not go on with a full audit that was broken off
        runner: thread: in this process; or process, dask, dask:tcp://host:8786, as of `reclean`
        workers: shards under way at once, where the runner is not thread

    Fails where anything is wrong; the artifact lists it. The state's data is the Report.
    """
    try:
        bounds, where = (limit, max_bytes, anew), (runner, workers)
        report = await asyncio.to_thread(_audit, store, level, period_days, bounds, repair_from, where)
    except TearsheetError as error:
        return Failed(message=str(error), data=error)
    await acreate_table_artifact(key="audit", table=_as_table(report), description=str(report))
    state = Completed if report.good else Failed
    return state(message=str(report), data=report)


def audit_tracked(**parameters: Any) -> Report:
    """The report of one run of the flow in this process. Raises what kept the run from its work."""
    report: Report = run_here(audit, **parameters)
    return report


def _audit(
    store: str | None,
    level: str,
    period_days: int | None,
    bounds: tuple[int, int, bool],
    repair_from: str | None,
    where: tuple[str, int],
) -> Report:
    settings = run_settings(store)
    if period_days is None:
        period_days = settings.audit_period_d if level == "full" else 0
    limit, max_bytes, anew = bounds
    with ExitStack() as stack:
        opened = stack.enter_context(open_store(settings.store, settings))
        other = stack.enter_context(open_store(repair_from, settings)) if repair_from else None
        plan = Plan(level, period_days, limit, max_bytes, anew)
        if where[0] == "thread":
            return tracked(settings)(audit_stage, opened, plan, other)
        return audit_store(opened, plan, repair_from=other, reading=_elsewhere(where, settings, level))


def _elsewhere(where: tuple[str, int], settings: Settings, level: str) -> Reading:
    """Bundles read in shards on a task runner; a shard that is lost ends the audit, which the next run goes on with."""
    chosen, workers = make_runner(*where), where[1]

    def reading(turns: Iterator[Turn]) -> Iterator[Checked]:
        calls = ((shard, settings, level) for shard in _shards(turns))
        for found in spread(audit_shard, calls, chosen, at_once=workers + 1, settings=settings):
            if isinstance(found, BaseException):
                raise found
            yield from found

    return reading


def _shards(turns: Iterator[Turn]) -> Iterator[tuple[Turn, ...]]:
    while shard := tuple(islice(turns, SHARD_BUNDLES)):
        yield shard


def audit_shard(shard: tuple[Turn, ...], settings: Settings, level: str) -> tuple[Checked, ...]:
    """What is wrong with some bundles, read by whichever worker has them; a call can be repeated."""
    with open_store(settings.store, settings) as store:
        return tuple(check_turns(store, shard, level))


def audit_stage(store: Any, plan: Plan, other: Any) -> Report:
    """One audit; tried again on what may pass, it goes on where it ended."""
    return audit_store(store, plan, repair_from=other)


def _as_table(report: Report) -> list[dict[str, Any]]:
    """A row for each finding, or one that says that there is none; Prefect shows values as text."""
    rows = [
        {
            "severity": "repaired" if finding.repaired else finding.severity,
            "code": finding.code,
            "key": finding.key,
            "meaning": CODES[finding.code].meaning,
            "expected": finding.expected,
            "found": finding.found,
            "next": finding.repair or finding.remedy(report.store),
        }
        for finding in report.findings[:SHOWN]
    ]
    more = sum(report.counts.values()) - len(rows)
    rows += [{"severity": "", "code": "", "key": "", "meaning": f"and {more:,} more"}] if more > 0 else []
    return rows or [{"severity": "", "code": "", "key": "", "meaning": "nothing found"}]
