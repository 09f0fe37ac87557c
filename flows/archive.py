"""The flow that archives one URL."""

import asyncio
from dataclasses import replace
from typing import Any, Literal

from prefect import State, flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.states import Completed, Failed

from flows.cli_common import heard
from tasks.errors import TearsheetError
from tasks.logs import about
from tasks.pipeline import Outcome, archive_page, open_tools
from tasks.settings import config_dirs
from tasks.steps import code, run_here, run_id, run_settings, tracked


@flow(name="archive", flow_run_name="{url}", persist_result=False)
async def archive(
    url: str,
    store: str | None = None,
    mode: Literal["page", "requisites", "browser", "auto"] | None = None,
    force: bool = False,
) -> State[Any]:
    """Capture, clean, pack, verify and store the page at `url`.

    Args:
        url: the page to archive
        store: folder or s3://bucket/prefix; default: the setting `store`
        mode: page: the page alone; requisites: and what it needs to be seen; browser: as Chromium draws it; auto:
            browser where the page has scripts and no article to speak of; default: the setting `mode`
        force: store a bundle even where nothing changed or most words are gone

    Fails with a plain message where nothing was stored or the verdict is bad. The state's data is the Outcome.
    """
    try:
        outcome = await asyncio.to_thread(_archive, url, store, mode, force)
    except TearsheetError as error:  # settings, rules or store: no page was tried
        outcome = Outcome(url, error=error)
    await acreate_markdown_artifact(key="archive", markdown=_as_markdown(outcome), description=url)
    if outcome.good:
        return Completed(message=_summary(outcome), data=outcome)
    return Failed(message=str(outcome.error or _summary(outcome)), data=outcome)


def archive_tracked(url: str, store: str | None = None, *, mode: str | None = None, force: bool = False) -> Outcome:
    """The outcome of one run of the flow in this process, recorded by the server that is named, else by a passing one.

    Raises SettingsError where the server that is named does not answer.
    """
    outcome: Outcome = run_here(archive, url=url, store=store, mode=mode, force=force)
    return outcome


def _archive(url: str, store: str | None, mode: str | None, force: bool) -> Outcome:
    settings = run_settings(store)
    settings = replace(settings, mode=mode or settings.mode)
    with about(run=run_id(), url=url), open_tools(settings, config_dirs(), heard=heard()) as tools:
        return archive_page(url, tools, run=tracked(settings), force=force)


def _summary(outcome: Outcome) -> str:
    if not outcome.verdict or not outcome.ref:
        return "not stored"
    if outcome.observation:
        return f"unchanged since {outcome.ref.id}"
    stored = "stored as" if outcome.ref.created else "already stored as"
    reasons = f" ({', '.join(outcome.verdict.reasons)})" if outcome.verdict.reasons else ""
    return f"{outcome.verdict.kind}{reasons}, {stored} {outcome.ref.key}"


def _as_markdown(outcome: Outcome) -> str:
    """What the run's page shows: title, verdict with reasons, key, and what was removed by concept."""
    lines = [f"# {code(outcome.title or outcome.final_url or outcome.url)}", "", f"- URL: {code(outcome.url)}"]
    if outcome.final_url and outcome.final_url != outcome.url:
        lines.append(f"- answered by: {code(outcome.final_url)}")
    if outcome.verdict:
        reasons = ", ".join(outcome.verdict.reasons)
        lines.append(f"- verdict: **{outcome.verdict.kind}**{': ' + code(reasons) if reasons else ''}")
    if outcome.version:
        lines.append(f"- version: {outcome.version}")
    if outcome.observation:
        lines.append(f"- unchanged: observation {code(outcome.observation)}")
    if outcome.ref:
        known = "" if outcome.ref.created else " (was there already)"
        lines.append(f"- key: {code(outcome.ref.key)}, {outcome.ref.size:,} bytes{known}")
    if outcome.robots:
        lines.append(f"- robots.txt: {code(outcome.robots)}")
    if outcome.error:
        lines.append(f"- error: {code(str(outcome.error))}")
    lines += [f"- problem: {code(str(problem))}" for problem in outcome.problems]
    lines += ["", f"{outcome.words:,} words kept.", ""]
    if outcome.removed:
        lines += ["| removed | characters |", "| --- | ---: |"]
        lines += [f"| {concept} | {chars:,} |" for concept, chars in sorted(outcome.removed.items())]
    return "\n".join(lines)
