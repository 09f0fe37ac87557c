"""The flow that audits a store, by default its rolling share."""

import asyncio
from contextlib import ExitStack
from typing import Any, Literal

from prefect import State, flow
from prefect.artifacts import acreate_table_artifact
from prefect.states import Completed, Failed

from tasks.auditing import CODES, Plan, Report, audit_store
from tasks.errors import TearsheetError
from tasks.steps import check_server_answers, run_settings, tracked
from tasks.store import open_store

SHOWN = 200  # findings that the artifact names


@flow(name="audit", persist_result=False)
async def audit(
    store: str | None = None,
    level: Literal["size", "checksum", "full"] = "full",
    period_days: int | None = None,
    limit: int = 0,
    max_bytes: int = 0,
    repair_from: str | None = None,
    anew: bool = False,
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

    Fails where anything is wrong; the artifact lists it. The state's data is the Report.
    """
    try:
        report = await asyncio.to_thread(_audit, store, level, period_days, (limit, max_bytes, anew), repair_from)
    except TearsheetError as error:
        return Failed(message=str(error), data=error)
    await acreate_table_artifact(key="audit", table=_as_table(report), description=str(report))
    state = Completed if report.good else Failed
    return state(message=str(report), data=report)


def audit_tracked(**parameters: Any) -> Report:
    """The report of one run of the flow in this process. Raises what kept the run from its work."""
    check_server_answers()
    return asyncio.run(_tracked(parameters))


async def _tracked(parameters: dict[str, Any]) -> Report:
    state = await audit(**parameters, return_state=True)
    result: Any = await state.aresult(raise_on_failure=False)
    if isinstance(result, BaseException):
        raise result
    report: Report = result
    return report


def _audit(
    store: str | None, level: str, period_days: int | None, bounds: tuple[int, int, bool], repair_from: str | None
) -> Report:
    settings = run_settings(store)
    if period_days is None:
        period_days = settings.audit_period_d if level == "full" else 0
    limit, max_bytes, anew = bounds
    with ExitStack() as stack:
        opened = stack.enter_context(open_store(settings.store, settings))
        other = stack.enter_context(open_store(repair_from, settings)) if repair_from else None
        plan = Plan(level, period_days, limit, max_bytes, anew)
        return tracked(settings)(audit_stage, opened, plan, other)


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
