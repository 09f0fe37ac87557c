"""What one run will do: of all that a source names, and of all that it has named before, what is due now.

| page | due |
| --- | --- |
| named now, never seen, not in the store | new |
| named now or before, its last visit failed or was bad | again, as tasks/watching/due.py says |
| named before, its plan of visits wants it | visit |
| in the store, whoever archived it | as if this source had: its visits count from then |
| taken down | never |
"""

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime

from tasks.capture.robots import Robots
from tasks.catalog import Catalog, Entry, Heard, families, identity, open_catalog, stop_at
from tasks.errors import UrlRefused
from tasks.pipeline import Tools
from tasks.sources import Source
from tasks.turns import host_of
from tasks.watching.due import GONE, Seen, Visits, next_visit
from tasks.watching.shards import share_of
from tasks.watching.state import Watched

__all__ = ["Plan", "held_urls", "plan_stage", "visits_of"]


@dataclass(frozen=True, slots=True)
class Plan:
    """What one run will do, before it does it."""

    found: int  # URLs that the source names
    held: int  # of these, the store has them and they are not due
    disallowed: tuple[tuple[str, str], ...]  # (URL, why) by robots.txt; archived all the same under `report`
    unread: tuple[tuple[str, str], ...]  # (URL, why) whose robots.txt could not be read: not for now, a failure
    due: tuple[str, ...]  # to be archived now
    left: int  # beyond the source's limit, or when the run was stopped: for the next run
    again: int = 0  # of those due, pages that were visited before
    stopped: bool = False  # before all hosts were asked for their robots.txt


def visits_of(source: Source, tools: Tools) -> Visits:
    """How pages of a source are visited again."""
    return Visits(tuple(source.revisit), source.adaptive, tools.settings.attempts)


def plan_stage(
    source: Source,
    urls: tuple[str, ...],
    tools: Tools,
    watched: Watched,
    now: datetime,
    share: tuple[int, int] = (0, 1),
    stopped: Callable[[], bool] = lambda: False,
) -> Plan:
    """What is due of `urls` and of what the source named before: allowed by robots.txt, within the source's limit.

    Of the latter only what is on this share of the hosts. Once `stopped` says so no further host is asked.
    """
    moment, visits = now.timestamp(), visits_of(source, tools)
    watched.plan(source.name, visits)
    with open_catalog(tools.store, tools.settings, heard=Heard(broken=stop_at)) as catalog:
        new = list(_new(source, urls, catalog, watched, visits))
        before = set(new)
        again = share_of(_again(source, catalog, watched, visits, moment), *share)
        asking = _Asking(robots_of(tools), stopped)
        due = _within(source.limit, (*new, *again), asking)
    refused = len(asking.disallowed) * (asking.policy == "obey") + len(asking.unread)
    left = max(0, len(new) + len(again) - len(due) - refused)
    waiting = sum(url not in before for url in due)
    named_again = len(set(urls) & {url for url in due if url not in before})
    return Plan(
        found=len(urls),
        held=len(urls) - len(new) - named_again,
        disallowed=tuple(asking.disallowed),
        unread=tuple(asking.unread),
        due=tuple(due),
        left=left,
        again=waiting,
        stopped=asking.broke_off,
    )


def _within(limit: int | None, urls: Sequence[str], asking: "_Asking") -> list[str]:
    """The first pages that may be archived, at most `limit`; only of these are the hosts asked."""
    due: list[str] = []
    start = 0
    while start < len(urls) and (limit is None or len(due) < limit):
        size = _LOOKED_AT if limit is None else min(_LOOKED_AT, limit - len(due))
        part = urls[start : start + size]
        asking.ask_hosts(part)
        if asking.broke_off:
            break
        due += filter(asking.may, part)
        start += size
    return due


def robots_of(tools: Tools) -> Robots:
    """robots.txt under the policy of scheduled runs."""
    return (tools.robots or Robots(tools.recorder)).under(tools.settings.robots)


# ------------------------------------------------------------------ new and again
def _new(source: Source, urls: Iterable[str], catalog: Catalog, watched: Watched, visits: Visits) -> Iterator[str]:
    """The URLs that nobody has visited; what the store holds of the others is learnt."""
    for url in urls:
        if watched.seen(source.name, url):
            continue
        found = _in_store(url, catalog, visits)
        if found is None:
            yield url
        else:
            watched.learn(source.name, [found])


def _again(source: Source, catalog: Catalog, watched: Watched, visits: Visits, now: float) -> list[str]:
    """The URLs whose next visit has come, the longest due first."""
    found = watched.due(source.name, now)
    return [seen.url for seen in found if not _is_done(seen, source, catalog, watched, visits, now)]


def _is_done(seen: Seen, source: Source, catalog: Catalog, watched: Watched, visits: Visits, now: float) -> bool:
    """Whether a page was taken down, or visited since by a run that could not say so, and is not due for that."""
    found = _in_store(seen.url, catalog, visits)
    if found is None or (found.kind != GONE and found.last_at <= seen.last_at):
        return False
    watched.learn(source.name, [found])
    due = next_visit(found, visits)
    return due is None or due > now


def _in_store(url: str, catalog: Catalog, visits: Visits) -> Seen | None:
    """What the store tells of a page: its captures and the visits that found it unchanged; None where it has none."""
    bundles = catalog.answering(url)
    held = held_urls(bundles, visits.attempts)
    if not bundles or (identity(url) not in held and not any(entry.good for entry in bundles)):
        return _tried(url, bundles)
    first = min(_seconds(entry.captured_at) for entry in bundles)
    good = [entry for entry in bundles if entry.good]
    if not good:
        taken_down = any(entry.tombstone for entry in bundles)
        return Seen(url, first, first, first, GONE if taken_down else "error", visits.attempts)
    last = max(_seconds(entry.seen_at or entry.captured_at) for entry in good)
    changed = max(_seconds(entry.captured_at) for entry in good)
    return Seen(url, first, max(last, changed), changed, good[-1].verdict.value, 0, good[-1].words)


def _tried(url: str, bundles: tuple[Entry, ...]) -> Seen | None:
    """A page of which the store has bad captures, but not as many as are tried."""
    if not bundles:
        return None
    count, last = len(list(families(bundles))), max(_seconds(entry.captured_at) for entry in bundles)
    return Seen(url, last, last, last, bundles[-1].verdict.value, count)


def _seconds(moment: str) -> float:
    return datetime.fromisoformat(moment).timestamp()


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


# ------------------------------------------------------------------ robots.txt
_LOOKED_AT = 1000  # pages at once
_HOSTS_AT_ONCE = 32  # asked for their robots.txt; of ten thousand a few do not answer, and none shall wait for these


class _Asking:
    """What robots.txt says of one URL after the other, noted as the policy (obey, report, ignore) wants it."""

    def __init__(self, robots: Robots, stopped: Callable[[], bool]) -> None:
        self.robots, self.policy, self.stopped = robots, robots.policy, stopped
        self.disallowed: list[tuple[str, str]] = []
        self.unread: list[tuple[str, str]] = []
        self.broke_off = False

    def ask_hosts(self, urls: Iterable[str]) -> None:
        """Ask the hosts of these pages, many at once: what they say is known when `may` looks."""
        first = {host_of(url): url for url in urls if self.policy != "ignore"}
        with ThreadPoolExecutor(_HOSTS_AT_ONCE, thread_name_prefix="robots") as pool:
            list(pool.map(self._ask, first.values()))

    def _ask(self, url: str) -> None:
        if self.broke_off or self.stopped():
            self.broke_off = True
            return
        with suppress(UrlRefused):  # the capture refuses it too, and its outcome says why
            self.robots.allows(url)

    def may(self, url: str) -> bool:
        """Whether `url` may be archived now."""
        if self.policy == "ignore":
            return True
        try:
            answer = self.robots.allows(url)
        except UrlRefused:
            return True  # the capture refuses it too, and its outcome says why
        if answer.allowed:
            return True
        if answer.read:
            self.disallowed.append((url, answer.reason))
        elif self.policy == "obey":
            self.unread.append((url, answer.reason))
        return self.policy == "report"
