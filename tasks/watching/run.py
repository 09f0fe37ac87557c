"""The order of the stages of one watch run: what a source names, less what is not due, archived politely.

discover → plan → archive in shards, each told to the store when it is done → those that failed for now once more →
report. Like tasks/pipeline.py this takes how a stage is run as a parameter; a shard, never a URL, is one stage here,
because recorders of task runs lose some of them at five a URL and a thousand URLs.
"""

import contextlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tasks.errors import CaptureTransient, TransientError
from tasks.pipeline import Outcome, Plainly, Run, Tools
from tasks.records import Validators, digest_of
from tasks.sources import Discovery, NotModified, Source, discover
from tasks.watching.alarms import HELD_AGAINST, facts_of, find_alarms, known_facts
from tasks.watching.fetch import fetch_source
from tasks.watching.plan import Plan, plan_stage, robots_of
from tasks.watching.report import Report, pages_event, report_event
from tasks.watching.shards import SHARD_URLS, archive_shard, archive_stream, share_of
from tasks.watching.state import Watched, alone, open_watched

__all__ = ["discover_stage", "watch_source"]

NOT_MODIFIED = "the source has not changed since the last run"
_NEWEST = 21  # pages whose first visits tell how often new ones come


def _utc_now() -> datetime:
    return datetime.now(UTC)


def watch_source(
    source: Source,
    tools: Tools,
    *,
    run: Run | None = None,
    heard: Callable[[Outcome], None] = lambda outcome: None,
    stopped: Callable[[], bool] = lambda: False,
    share: tuple[int, int] = (0, 1),
    now: Callable[[], datetime] = _utc_now,
) -> Report:
    """One run of `source`; `heard` is told each page's outcome once, as it comes; of one tried twice the second.

    Once `stopped` says so, no further page is begun. With `share` (number, of how many) only that share of the hosts
    is visited: for several workers beside each other. Raises CaptureTransient `under-way` where this very run is under
    way on this machine, and a TearsheetError where the feed, the list or the store's listing cannot be read: then
    nothing was archived. Where the store cannot be told of a shard, or `heard` raises, that ends the run: pages under
    way are finished first, and the next run finds in the store what this one archived.
    """
    run = run or Plainly(tools.settings)
    tools = _for(source, tools)
    tools.store.capabilities()  # a new store gets its id now: what is learnt of it is kept under that
    with (
        alone(tools.store, tools.settings, source.name, share),
        open_watched(tools.store, tools.settings, now=now) as watched,
    ):
        discovery = run(discover_stage, source, tools, watched, now())
        urls = share_of(discovery.urls, *share)
        job = _Job(source, tools, run, watched, heard, stopped, now)
        outcomes = job.work(run(plan_stage, source, urls, tools, watched, now(), share, stopped))
        return job.report(outcomes, discovery, share)


def _for(source: Source, tools: Tools) -> Tools:
    """The tools under the policy of scheduled runs, with the source's own mode."""
    settings = replace(tools.settings, mode=source.mode or tools.settings.mode)
    return replace(tools, robots=robots_of(tools), settings=settings)


class _Job:
    """One run under way."""

    def __init__(
        self,
        source: Source,
        tools: Tools,
        run: Run,
        watched: Watched,
        heard: Callable[[Outcome], None],
        stopped: Callable[[], bool],
        now: Callable[[], datetime],
    ) -> None:
        self.source, self.tools, self.run, self.watched = source, tools, run, watched
        self.heard, self.stopped, self.now = heard, stopped, now
        self.id = f"{now():%Y%m%d%H%M%S}"
        self.plan: Plan | None = None

    def work(self, plan: Plan) -> list[Outcome]:
        """The outcomes of all that is due, the store told of each shard."""
        self.plan = plan
        unread = [_unread(url, why) for url, why in plan.unread]
        for outcome in unread:
            self.heard(outcome)
        self._tell(unread)
        outcomes = {outcome.url: outcome for outcome in unread}
        outcomes |= {outcome.url: outcome for outcome in self._archived(plan.due, self._heard_if_final)}
        due = set(plan.due)
        again = [url for url, outcome in outcomes.items() if _may_pass(outcome) and url in due]
        second: dict[str, Outcome] = {}
        if again and not self.stopped():
            self.tools.recorder.hosts.once_more()  # a moment has passed: it may have been our network's fault
            second = {outcome.url: outcome for outcome in self._archived(again, self.heard, told=_may_pass)}
        for url in again:
            if url not in second:  # the run was stopped before
                self.heard(outcomes[url])
        return list((outcomes | second).values())

    def _heard_if_final(self, outcome: Outcome) -> None:
        if not _may_pass(outcome):
            self.heard(outcome)

    def _archived(
        self,
        urls: Iterable[str],
        heard: Callable[[Outcome], None],
        told: Callable[[Outcome], bool] = lambda outcome: False,
    ) -> Iterator[Outcome]:
        """The outcomes of these pages; the store is told of all but those that `told` says it was told of."""
        with contextlib.closing(archive_stream(urls, self.tools, self.stopped)) as stream:
            there_is_more = True
            while there_is_more:
                outcomes = self.run(archive_shard, stream, heard)
                self._tell(outcome for outcome in outcomes if not (told(outcome) or _is_unvisited(outcome)))
                yield from outcomes
                there_is_more = len(outcomes) == SHARD_URLS

    def _tell(self, outcomes: Iterable[Outcome]) -> None:
        """Note the visits in the store: from here on a run that is killed does not make them again."""
        if found := list(outcomes):
            event = pages_event(self.source.name, self.id, found, self.now())
            self.watched.note(event, self.tools.store.put_event(event))

    def report(self, outcomes: list[Outcome], discovery: Discovery, share: tuple[int, int]) -> Report:
        """What the run did, as the store keeps it; it is held against earlier runs of the same share of the hosts."""
        assert self.plan  # work has made it
        name, now = self.source.name, self.now()
        earlier = self.watched.reports(name, HELD_AGAINST, share)
        facts = facts_of(outcomes, _found(discovery, earlier))
        alarms = find_alarms(now.timestamp(), facts, earlier, self.watched.newest(name, _NEWEST))
        report = Report(
            source=name,
            run=self.id,
            plan=self.plan,
            outcomes=tuple(outcomes),
            passed_over=len(discovery.passed_over),
            notes=discovery.notes,
            validators=discovery.validators if share[1] == 1 else None,
            asked_as=_asked_as(self.source),
            share=share,
            alarms=tuple(alarms),
            next_due_at=self.watched.next_due(name),
            stopped=self._was_stopped(outcomes),
        )
        event = report_event(report, facts, now)
        self.watched.note(event, self.tools.store.put_event(event))
        return report

    def _was_stopped(self, outcomes: Sequence[Outcome]) -> bool:
        assert self.plan
        missing = len(self.plan.due) + len(self.plan.unread) - len(outcomes)
        return self.plan.stopped or missing > 0 or any(map(_is_unvisited, outcomes))


def _found(discovery: Discovery, earlier: Sequence[Mapping[str, Any]]) -> int:
    """How many pages the source names, on whatever hosts; as many as last time where it has not changed."""
    last = known_facts(earlier[:1])
    return last[0]["found"] if NOT_MODIFIED in discovery.notes and last else len(discovery.found)


def _asked_as(source: Source) -> str:
    """What decides which pages of its source are wanted: where that is another than last time, all of it is read."""
    wanted = (source.kind, source.at, source.column, source.include, source.exclude, source.max_age_s)
    return digest_of(repr(wanted).encode("utf-8", "backslashreplace"))


def _may_pass(outcome: Outcome) -> bool:
    return isinstance(outcome.error, TransientError) and not outcome.waiting


def _is_unvisited(outcome: Outcome) -> bool:
    """Whether the run was stopped while the page waited for its host: nobody was asked, so that it was no try."""
    return outcome.error is not None and outcome.error.code == "stopped"


def _unread(url: str, why: str) -> Outcome:
    return Outcome(url, error=CaptureTransient(why, where=url, remedy="The next run tries again", code="robots"))


# ------------------------------------------------------------------ discover
def discover_stage(source: Source, tools: Tools, watched: Watched, now: datetime) -> Discovery:
    """What `source` names now; its feed or list is fetched under the policy, with retries.

    Where all that it named last time was seen to, it is asked only unless it is still the same: then it names nothing.
    """
    known = _validators(watched.reports(source.name, 1), _asked_as(source))
    try:
        return discover(source, lambda url: fetch_source(url, tools.recorder, tools.settings, known), now)
    except NotModified:
        return Discovery(notes=(NOT_MODIFIED,), validators=known)


def _validators(reports: Sequence[Mapping[str, Any]], asked_as: str) -> Validators | None:
    """What the last run was told to ask with, unless it left something over, or wanted other pages of it."""
    last = reports[0] if reports else {}
    told = last.get("validators")
    over = any(last.get(name) for name in ("left", "stopped", "unread", "barred"))
    if not isinstance(told, dict) or over or last.get("asked_as") != asked_as:
        return None
    return Validators(str(told.get("url")), str(told.get("etag") or ""), str(told.get("last_modified") or ""))
