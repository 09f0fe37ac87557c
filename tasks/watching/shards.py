"""The pages of a run in shards: a shard is one stage, and one row in a run's record.

| for | shards are |
| --- | --- |
| one process, whose requests share one gate per host | cut from all pages, hosts taking turns: none holds up the rest |
| several workers, each with a gate of its own | of one share of the hosts each, so that no two workers ask one host |
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from tasks.pipeline import Outcome, Plainly, Tools, archive_pages, host_of

__all__ = ["SHARD_URLS", "archive_shard", "make_shards", "share_of"]

SHARD_URLS = 50  # pages archived in one stage


def make_shards(urls: Iterable[str], size: int = SHARD_URLS) -> Iterator[tuple[str, ...]]:
    """The URLs in groups of at most `size`, hosts taking turns; the order within a host is kept."""
    ordered = _in_turn(urls)
    for start in range(0, len(ordered), size):
        yield ordered[start : start + size]


def share_of(urls: Iterable[str], share: int, shares: int) -> tuple[str, ...]:
    """The URLs of one share of the hosts, counted from 0: a host is always in the same one of so many shares."""
    return tuple(url for url in urls if shares == 1 or _share(host_of(url), shares) == share)


def _share(host: str, shares: int) -> int:
    return int.from_bytes(hashlib.sha256(host.encode()).digest()[:8]) % shares


def _in_turn(urls: Iterable[str]) -> tuple[str, ...]:
    turns: Counter[str] = Counter()
    keyed: list[tuple[int, str]] = []
    for url in urls:
        host = host_of(url)
        keyed.append((turns[host], url))
        turns[host] += 1
    return tuple(url for _, url in sorted(keyed, key=lambda pair: pair[0]))


def archive_shard(
    urls: tuple[str, ...], tools: Tools, heard: Callable[[Outcome], None], stopped: Callable[[], bool] = lambda: False
) -> tuple[Outcome, ...]:
    """The outcomes of a shard's pages, each told to `heard`; texts are left out: the store has them.

    Once `stopped` says so no further page is begun.
    """
    outcomes = []
    for outcome in archive_pages(_until(urls, stopped), tools, run=Plainly(tools.settings)):
        heard(outcome)
        outcomes.append(replace(outcome, text=""))
    return tuple(outcomes)


def _until(urls: tuple[str, ...], stopped: Callable[[], bool]) -> Iterator[str]:
    for url in urls:
        if stopped():
            return
        yield url
