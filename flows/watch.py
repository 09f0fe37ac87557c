"""The flow that archives what one source of watch.toml names and the store does not hold yet."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import replace
from typing import Annotated, Any
from uuid import UUID

from prefect import State, flow
from prefect.artifacts import acreate_markdown_artifact, acreate_table_artifact
from prefect.client.orchestration import get_client
from prefect.client.schemas.objects import FlowRun
from prefect.concurrency.asyncio import ConcurrencySlotAcquisitionError, concurrency
from prefect.deployments.flow_runs import arun_deployment
from prefect.states import Completed, Failed
from pydantic import Field

from flows.cli_common import heard
from tasks.errors import SettingsError, TearsheetError
from tasks.logs import about
from tasks.pipeline import Outcome, open_tools
from tasks.settings import config_dirs, load_settings
from tasks.sources import load_sources, named
from tasks.steps import code, run_id, run_settings, tracked
from tasks.watching import Report, watch_source

BEGIN_S = 600.0  # a wide run whose shares all wait for so long gives its place to them
ASK_S = 5.0  # between two looks at them
Share = Annotated[int, Field(ge=0)]
Shares = Annotated[int, Field(ge=1)]


@flow(name="watch-wide", flow_run_name="{name} in {shares}", persist_result=False)
async def watch_wide(name: str, shares: Shares = 2, store: str | None = None) -> State[Any]:
    """Archive the pages of the source `name` that are due in several runs of its deployment beside each other.

    Args:
        name: a source of watch.toml; its deployment watch/<name> must be served, or have workers
        shares: runs, each with its share of the hosts: no two of them ask one host
        store: as of `watch`

    Fails where one of the runs does, or where none of them has begun after ten minutes: it takes a place itself, among
    those that run at once, and wide runs in all of them would wait for each other. Its shares run then all the same.
    """
    parameters = [{"name": name, "share": number, "shares": shares} for number in range(shares)]
    if store:
        parameters = [{**one, "store": store} for one in parameters]
    made = await asyncio.gather(*(arun_deployment(f"watch/{name}", parameters=one, timeout=0) for one in parameters))
    runs = await _ended([run.id for run in made])
    failed = [run for run in runs if run.state is None or not run.state.is_completed()]
    told = "; ".join(f"share {number}: {run.state.name if run.state else 'lost'}" for number, run in enumerate(runs))
    return Failed(message=told) if failed else Completed(message=told)


async def _ended(ids: Sequence[UUID], begin_s: float = BEGIN_S) -> list[FlowRun]:
    """The runs when all of them have ended; or as they wait, where none has begun after `begin_s`."""
    until = time.monotonic() + begin_s
    async with get_client() as client:
        while True:
            runs = [await client.read_flow_run(id_) for id_ in ids]
            states = [run.state for run in runs]
            if all(state and state.is_final() for state in states):
                return runs
            if time.monotonic() > until and all(state and state.is_scheduled() for state in states):
                return runs
            await asyncio.sleep(ASK_S)


@flow(name="watch", flow_run_name="{name}", persist_result=False)
async def watch(name: str, store: str | None = None, share: Share = 0, shares: Shares = 1) -> State[Any]:
    """Archive the pages of the source `name` that are due.

    Args:
        name: a source of watch.toml
        store: folder or s3://bucket/prefix; default: the source's, else the setting `store`
        share: visit only this share of the hosts, counted from 0: for several workers beside each other
        shares: of how many

    Fails where the source cannot be read or none of the pages tried was archived; where only some failed the run
    completes as "Incomplete" and the artifact lists them; where one is under way on this machine, as "Skipped". The
    state's data is the Report.
    """
    try:
        _check_share(share, shares)
        async with _a_slot(load_settings().watch_limit):
            report = await asyncio.to_thread(_watch, name, store, (share, shares))
    except TearsheetError as error:
        if error.code == "under-way":  # the run before takes longer than its interval
            return Completed(name="Skipped", message=str(error))
        return Failed(message=str(error))
    await acreate_markdown_artifact(key=f"watch-{name}", markdown=_as_markdown(report), description=str(report))
    if report.outcomes:
        await acreate_table_artifact(key=f"watch-{name}-pages", table=_as_table(report), description=str(report))
    if report.good:
        return Completed(message=str(report), data=report)
    if report.archived:
        return Completed(name="Incomplete", message=str(report), data=report)
    return Failed(message=str(report), data=report)


def _check_share(share: int, shares: int) -> None:
    """Raises SettingsError for a share that no host is in: its run would visit nothing, and pass for a good one."""
    if not 0 <= share < shares:
        remedy = f"Shares are counted from 0: the last one of {shares} is {shares - 1}"
        raise SettingsError(f"there is no share {share} of {shares}", where="share", remedy=remedy)


@contextlib.asynccontextmanager
async def _a_slot(limit: str) -> AsyncIterator[None]:
    """A slot of a global concurrency limit, waited for; none where no limit is named. SettingsError where it is not
    there: a limit that is not kept to is worse than none."""
    if not limit:
        yield
        return
    async with contextlib.AsyncExitStack() as stack:
        try:
            await stack.enter_async_context(concurrency(limit, occupy=1, strict=True))
        except ConcurrencySlotAcquisitionError as error:
            raise SettingsError(
                f"no such global concurrency limit is active: {limit}",
                where="watch_limit",
                remedy=f"`prefect gcl create {limit} --limit 4 --active` makes it",
            ) from error
        yield


def _watch(name: str, store: str | None, share: tuple[int, int]) -> Report:
    dirs = config_dirs()
    source = named(load_sources(dirs), name)
    settings = run_settings(store or source.store or None)
    settings = replace(settings, mode=source.mode or settings.mode)  # a browser is there where the source wants one
    with about(run=run_id(), source=name), open_tools(settings, dirs, heard=heard()) as tools:
        return watch_source(source, tools, run=tracked(settings), share=share)


def _as_markdown(report: Report) -> str:
    """What the run's page shows: alarms, the counts, what changed, what failed, what robots.txt keeps from us."""
    lines = [f"# {code(report.source)}", ""]
    lines += [f"- **{alarm.code}**: {code(alarm.what)}" for alarm in report.alarms]
    lines += ["", "| pages | |", "| --- | ---: |", *(f"| {what} | {count:,} |" for what, count in _counts(report))]
    lines += ["", f"A page took: {_times(report)}."] if report.outcomes else []
    for title, items in (
        ("Changed", [(outcome.url, outcome.change) for outcome in report.outcomes if outcome.change]),
        ("Failed", [(outcome.url, _why(outcome)) for outcome in report.failed]),
        ("Disallowed by robots.txt", list(report.plan.disallowed)),
        ("Slowest hosts", [(host, f"{seconds} s a page") for host, seconds in report.slowest()]),
    ):
        lines += ["", f"## {title}", ""] if items else []
        lines += [f"- {code(what)}: {code(why)}" for what, why in items[:_TOLD]]
        lines += [f"- {len(items) - _TOLD:,} more: see the report in the store"] if len(items) > _TOLD else []
    return "\n".join(lines)


_TOLD = 200  # lines of a kind in an artifact


def _counts(report: Report) -> Iterator[tuple[str, int]]:
    plan = report.plan
    yield "found", plan.found
    yield "held already, not due", plan.held
    yield from report.kinds.items()
    yield "disallowed by robots.txt", len(plan.disallowed)
    yield "left for the next run", plan.left


def _times(report: Report) -> str:
    """One line on how long a page took."""
    told = report.page_seconds()
    return ", ".join(f"{which} {seconds} s" for which, seconds in told.items())


def _why(outcome: Outcome) -> str:
    if outcome.error:
        return str(outcome.error)
    return ", ".join(outcome.verdict.reasons if outcome.verdict else ()) or "bad verdict"


def _as_table(report: Report) -> list[dict[str, str]]:
    """One row a page, those that failed first."""
    ordered = sorted(report.outcomes, key=lambda outcome: outcome.good)
    return [
        {
            "url": outcome.url,
            "verdict": outcome.kind,
            "version": str(outcome.version or ""),
            "words": str(outcome.words or ""),
            "change": outcome.change,
            "id": outcome.ref.id if outcome.ref else "",
        }
        for outcome in ordered[:_TOLD]
    ]
