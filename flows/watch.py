"""The flow that archives what one source of watch.toml names and the store does not hold yet."""

import asyncio
from typing import Any

from prefect import State, flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.states import Completed, Failed

from flows.cli_common import heard
from tasks.errors import TearsheetError
from tasks.logs import about
from tasks.pipeline import open_tools
from tasks.settings import config_dirs
from tasks.sources import load_sources, named
from tasks.steps import code, run_id, run_settings, tracked
from tasks.watching import Report, watch_source


@flow(name="watch", flow_run_name="{name}", persist_result=False)
async def watch(name: str, store: str | None = None) -> State[Any]:
    """Archive the new pages of the source `name`.

    Args:
        name: a source of watch.toml
        store: folder or s3://bucket/prefix; default: the source's, else the setting `store`

    Fails where the source cannot be read or none of the pages tried was archived; where only some failed the run
    completes as "Incomplete" and the artifact lists them. The state's data is the Report.
    """
    try:
        report = await asyncio.to_thread(_watch, name, store)
    except TearsheetError as error:
        return Failed(message=str(error))
    await acreate_markdown_artifact(key=f"watch-{name}", markdown=_as_markdown(report), description=str(report))
    if report.good:
        return Completed(message=str(report), data=report)
    if report.archived:
        return Completed(name="Incomplete", message=str(report), data=report)
    return Failed(message=str(report), data=report)


def _watch(name: str, store: str | None) -> Report:
    dirs = config_dirs()
    source = named(load_sources(dirs), name)
    settings = run_settings(store or source.store or None)
    with about(run=run_id(), source=name), open_tools(settings, dirs, heard=heard()) as tools:
        return watch_source(source, tools, run=tracked(settings))


def _as_markdown(report: Report) -> str:
    """What the run's page shows: the counts, then what failed and what robots.txt keeps from us."""
    plan = report.plan
    counts = {
        "found": plan.found,
        "held already": plan.held,
        "archived": report.archived,
        "failed": len(report.failed),
        "disallowed by robots.txt": len(plan.disallowed),
        "left for the next run": plan.left,
    }
    lines = [f"# {code(report.source)}", "", "| pages | |", "| --- | ---: |"]
    lines += [f"| {what} | {count:,} |" for what, count in counts.items()]
    lines += ["", "## Failed", ""] if report.failed else []
    for outcome in report.failed:
        why = str(outcome.error) if outcome.error else ", ".join(outcome.verdict.reasons if outcome.verdict else ())
        lines.append(f"- {code(outcome.url)}: {code(why or 'bad verdict')}")
    lines += ["", "## Disallowed by robots.txt", ""] if plan.disallowed else []
    lines += [f"- {code(url)}: {code(reason)}" for url, reason in plan.disallowed]
    return "\n".join(lines)
