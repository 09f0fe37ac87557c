"""The order of the stages of one watch run: what a source names, less what the store holds, archived politely.

discover → plan (drop what is held, ask robots.txt, keep to the limit) → archive in shards, one after the other.
Like tasks/pipeline.py this takes how a stage is run as a parameter; a shard, never a URL, is one stage here, because
recorders of task runs lose some of them at five a URL and a thousand URLs.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tasks.capture.decode import read_payload
from tasks.capture.robots import Robots
from tasks.catalog import Entry, Heard, families, identity, open_catalog, stop_at
from tasks.errors import CaptureFailed, CaptureTransient, UrlRefused
from tasks.pipeline import Outcome, Plainly, Run, Tools, archive_pages, capture_stage, host_of
from tasks.sources import Fetched, Source, discover

__all__ = [
    "Plan",
    "Report",
    "archive_shard",
    "discover_stage",
    "held_urls",
    "make_shards",
    "plan_stage",
    "watch_source",
]

SHARD_URLS = 50  # pages archived in one stage: one row in a run's record


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run will do, before it does it."""

    found: int  # URLs that the source names
    held: int  # of these, the store has them
    disallowed: tuple[tuple[str, str], ...]  # (URL, why) by robots.txt; archived all the same under `report`
    unread: tuple[tuple[str, str], ...]  # (URL, why) whose robots.txt could not be read: not for now, a failure
    due: tuple[str, ...]  # to be archived now
    left: int  # beyond the source's limit: for the next run
    delays_s: Mapping[str, float]  # host → least time between two captures


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did; the truth per URL."""

    source: str
    plan: Plan
    outcomes: tuple[Outcome, ...]  # without their texts

    @property
    def archived(self) -> int:
        """Pages stored with a good verdict."""
        return sum(outcome.good for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """What was not stored, or stored with a bad verdict."""
        return tuple(outcome for outcome in self.outcomes if not outcome.good)

    @property
    def good(self) -> bool:
        """Whether everything due was archived well."""
        return not self.failed

    def __str__(self) -> str:
        """One line for people."""
        plan = self.plan
        return (
            f"{self.source}: {plan.found} found, {plan.held} held, {self.archived} archived, "
            f"{len(self.failed)} failed, {len(plan.disallowed)} disallowed by robots.txt, {plan.left} left over"
        )

    def as_json(self) -> dict[str, Any]:
        """The report's fields, with one object for each page tried."""
        return {
            "source": self.source,
            "found": self.plan.found,
            "held": self.plan.held,
            "archived": self.archived,
            "failed": len(self.failed),
            "disallowed": [{"url": url, "reason": reason} for url, reason in self.plan.disallowed],
            "left": self.plan.left,
            "pages": [outcome.as_json() for outcome in self.outcomes],
        }


def watch_source(
    source: Source,
    tools: Tools,
    *,
    run: Run | None = None,
    heard: Callable[[Outcome], None] = lambda outcome: None,
) -> Report:
    """One run of `source`; `heard` is told each page's outcome as it comes.

    Raises a TearsheetError where the feed, the list or the store's listing cannot be read: then nothing was archived.
    """
    run = run or Plainly(tools.settings)
    tools = replace(tools, robots=_robots(tools))
    urls = run(discover_stage, source, tools)
    plan = run(plan_stage, source, urls, tools)
    outcomes = [_unread(url, why) for url, why in plan.unread]
    for outcome in outcomes:
        heard(outcome)
    for shard in make_shards(plan.due):
        outcomes += run(archive_shard, shard, tools, heard)
    return Report(source.name, plan, tuple(outcomes))


def _robots(tools: Tools) -> Robots:
    """robots.txt under the policy of scheduled runs."""
    return (tools.robots or Robots(tools.recorder)).under(tools.settings.robots)


def _unread(url: str, why: str) -> Outcome:
    return Outcome(url, error=CaptureTransient(why, where=url, remedy="The next run tries again", code="robots"))


# ------------------------------------------------------------------ discover
def discover_stage(source: Source, tools: Tools) -> tuple[str, ...]:
    """The URLs that `source` names now; feeds and lists are fetched under the policy, with retries."""
    return discover(source, lambda url: _fetch(url, tools), datetime.now(UTC)).urls


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


# ------------------------------------------------------------------ plan
def plan_stage(source: Source, urls: tuple[str, ...], tools: Tools) -> Plan:
    """What is due of `urls`: not held by the store, allowed by robots.txt, within the source's limit."""
    attempts = tools.settings.attempts
    with open_catalog(tools.store, tools.settings, heard=Heard(broken=stop_at)) as catalog:
        new = [url for url in urls if identity(url) not in held_urls(catalog.answering(url), attempts)]
    asking = _Asking(_robots(tools), tools.settings.crawl_delay_max_s)
    due: list[str] = []
    left = 0
    for at, url in enumerate(new):
        if len(due) == source.limit:
            left = len(new) - at
            break
        if asking.may(url):
            due.append(url)
    return Plan(
        found=len(urls),
        held=len(urls) - len(new),
        disallowed=tuple(asking.disallowed),
        unread=tuple(asking.unread),
        due=tuple(due),
        left=left,
        delays_s=asking.delays_s,
    )


class _Asking:
    """What robots.txt says of one URL after the other, noted as the policy (obey, report, ignore) wants it."""

    def __init__(self, robots: Robots, max_delay_s: float) -> None:
        self.robots, self.policy, self.max_delay_s = robots, robots.policy, max_delay_s
        self.disallowed: list[tuple[str, str]] = []
        self.unread: list[tuple[str, str]] = []
        self.delays_s: dict[str, float] = {}

    def may(self, url: str) -> bool:
        """Whether `url` may be archived now."""
        if self.policy == "ignore":
            return True
        try:
            answer = self.robots.allows(url)
        except UrlRefused:
            return True  # the capture refuses it too, and its outcome says why
        if answer.crawl_delay_s:
            self.delays_s[host_of(url)] = min(answer.crawl_delay_s, self.max_delay_s)
        if answer.allowed:
            return True
        (self.disallowed if answer.read or self.policy == "report" else self.unread).append((url, answer.reason))
        return self.policy == "report"


def held_urls(bundles: Iterable[Entry], attempts: int) -> set[str]:
    """The URLs, as `identity` spells them, of which there is a good capture, one that was taken down (it shall not come
    back), or `attempts` bad ones.

    `bundles` come oldest first; those of one capture count as one, however often it was cleaned anew.
    """
    good: set[str] = set()
    bad: Counter[str] = Counter()
    for family in families(bundles):
        pages = frozenset[str]().union(*(entry.pages for entry in family))
        if any(entry.good or entry.tombstone for entry in family):
            good |= pages
        else:
            bad.update(pages)
    return good | {url for url, count in bad.items() if count >= attempts}


# ------------------------------------------------------------------ archive
def make_shards(urls: Iterable[str], size: int = SHARD_URLS) -> Iterator[tuple[str, ...]]:
    """The URLs in groups of at most `size`, a host's URLs in as few of them as they fit.

    Within a shard hosts take turns, so that a slow one does not hold up the rest.
    """
    by_host: defaultdict[str, list[str]] = defaultdict(list)
    for url in urls:
        by_host[host_of(url)].append(url)
    grouped = [url for host in by_host.values() for url in host]
    for start in range(0, len(grouped), size):
        yield _in_turn(grouped[start : start + size])


def _in_turn(urls: list[str]) -> tuple[str, ...]:
    """The URLs with hosts taking turns; order within a host is kept."""
    turns: Counter[str] = Counter()
    keyed: list[tuple[int, str]] = []
    for url in urls:
        host = host_of(url)
        keyed.append((turns[host], url))
        turns[host] += 1
    return tuple(url for _, url in sorted(keyed, key=lambda pair: pair[0]))


def archive_shard(urls: tuple[str, ...], tools: Tools, heard: Callable[[Outcome], None]) -> tuple[Outcome, ...]:
    """The outcomes of a shard's pages, each told to `heard`; texts are left out: the store has them."""
    outcomes = []
    for outcome in archive_pages(urls, tools, run=Plainly(tools.settings)):
        heard(outcome)
        outcomes.append(replace(outcome, text=""))
    return tuple(outcomes)
