"""The order of the stages of one watch run: what a source names, less what is not due, archived politely.

discover → plan → archive in shards, each told to the store when it is done → those that failed for now once more →
report. Like tasks/pipeline.py this takes how a stage is run as a parameter; a shard, never a URL, is one stage here,
because recorders of task runs lose some of them at five a URL and a thousand URLs.
"""

from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime

from tasks.capture.decode import read_payload
from tasks.errors import CaptureFailed, CaptureTransient, TransientError
from tasks.pipeline import Outcome, Plainly, Run, Tools, capture_stage
from tasks.sources import Fetched, Source, discover
from tasks.watching.alarms import HELD_AGAINST, facts_of, find_alarms
from tasks.watching.plan import Plan, plan_stage, robots_of
from tasks.watching.report import Report, pages_event, report_event
from tasks.watching.shards import archive_shard, make_shards, share_of
from tasks.watching.state import Watched, open_watched

__all__ = ["discover_stage", "watch_source"]

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
    """One run of `source`; `heard` is told each page's outcome as it comes.

    Once `stopped` says so, no further page is begun. With `share` (number, of how many) only that share of the hosts
    is visited: for several workers beside each other. Raises a TearsheetError where the feed, the list or the store's
    listing cannot be read: then nothing was archived.
    """
    run = run or Plainly(tools.settings)
    tools = _for(source, tools)
    with open_watched(tools.store, tools.settings, now=now) as watched:
        urls = run(discover_stage, source, tools)
        urls = share_of(urls, *share)
        job = _Job(source, tools, run, watched, heard, stopped, now)
        return job.report(job.work(run(plan_stage, source, urls, tools, watched, now(), share)))


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
        outcomes |= {outcome.url: outcome for outcome in self._archived(plan.due)}
        again = [url for url, outcome in outcomes.items() if _may_pass(outcome) and url in set(plan.due)]
        if again and not self.stopped():
            outcomes |= {outcome.url: outcome for outcome in self._archived(again)}
        return list(outcomes.values())

    def _archived(self, urls: Iterable[str]) -> Iterator[Outcome]:
        for shard in make_shards(urls):
            if self.stopped():
                return
            outcomes = self.run(archive_shard, shard, self.tools, self.heard, self.stopped)
            self._tell(outcomes)
            yield from outcomes

    def _tell(self, outcomes: Iterable[Outcome]) -> None:
        """Note the visits in the store: from here on a run that is killed does not make them again."""
        if found := list(outcomes):
            event = pages_event(self.source.name, self.id, found, self.now())
            self.watched.note(event, self.tools.store.put_event(event))

    def report(self, outcomes: list[Outcome]) -> Report:
        """What the run did, as the store keeps it."""
        assert self.plan  # work has made it
        name, now = self.source.name, self.now()
        facts = facts_of(outcomes, self.plan.found)
        earlier = self.watched.reports(name, HELD_AGAINST)
        alarms = find_alarms(now.timestamp(), facts, earlier, self.watched.newest(name, _NEWEST))
        report = Report(
            source=name,
            run=self.id,
            plan=self.plan,
            outcomes=tuple(outcomes),
            alarms=tuple(alarms),
            next_due_at=self.watched.next_due(name),
            stopped=len(outcomes) < len(self.plan.due) + len(self.plan.unread),
        )
        event = report_event(report, facts, now)
        self.watched.note(event, self.tools.store.put_event(event))
        return report


def _may_pass(outcome: Outcome) -> bool:
    return isinstance(outcome.error, TransientError) and not outcome.waiting


def _unread(url: str, why: str) -> Outcome:
    return Outcome(url, error=CaptureTransient(why, where=url, remedy="The next run tries again", code="robots"))


# ------------------------------------------------------------------ discover
def discover_stage(source: Source, tools: Tools) -> tuple[str, ...]:
    """The URLs that `source` names now; feeds and lists are fetched under the policy, with retries."""
    return discover(source, lambda url: _fetch(url, tools))


def _fetch(url: str, tools: Tools) -> Fetched:
    """What the URL of a feed or list answers; CaptureTransient or CaptureFailed for anything but a whole 200.

    Who wrote watch.toml named it: robots.txt is asked for the pages that it lists.
    """
    with closing(Plainly(tools.settings)(capture_stage, url, replace(tools, robots=None))) as capture:
        page = capture.page
        if page.status != 200 or page.truncated:
            what = f"the answer was cut ({page.truncated})" if page.truncated else f"the answer was {page.status}"
            kind = CaptureTransient if page.status in (429, 500, 502, 503, 504) else CaptureFailed
            raise kind(what, where=url, remedy="Open it in a browser; correct watch.toml if it moved", code="feed")
        payload = read_payload(page, tools.settings.max_decoded_bytes)
        return Fetched(capture.final_url, payload, page.header("content-type"))
