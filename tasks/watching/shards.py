"""The pages of a run in parts: of the time that one process takes, and of the hosts for several workers.

| for | what |
| --- | --- |
| one process, with one gate per host | one stream of pages; the next so many that are done are a shard |
| several workers, each with a gate of its own | a share of the hosts each, so that no two workers ask one host |

A shard is one stage, and one row in a run's record. It is cut by what is done, not by what is to be done: else a shard
would end with its slowest page, and all the others wait for that.
"""

import hashlib
from collections.abc import Callable, Generator, Iterable, Iterator
from dataclasses import replace
from itertools import islice

from tasks.many_pages import archive_pages
from tasks.pipeline import Outcome, Plainly, Tools
from tasks.turns import host_of

__all__ = ["SHARD_URLS", "archive_shard", "archive_stream", "share_of"]

SHARD_URLS = 50  # pages archived in one stage


def share_of(urls: Iterable[str], share: int, shares: int) -> tuple[str, ...]:
    """The URLs of one share of the hosts, counted from 0: a host is always in the same one of so many shares."""
    return tuple(url for url in urls if shares == 1 or _share(host_of(url), shares) == share)


def _share(host: str, shares: int) -> int:
    return int.from_bytes(hashlib.sha256(host.encode()).digest()[:8]) % shares


def archive_stream(
    urls: Iterable[str], tools: Tools, stopped: Callable[[], bool] = lambda: False
) -> Generator[Outcome, None, None]:
    """The outcomes of pages as they are done, without their texts: the store has them.

    Once `stopped` says so no further page is begun.
    """
    for outcome in archive_pages(urls, tools, run=Plainly(tools.settings), stopped=stopped):
        yield replace(outcome, text="")


def archive_shard(stream: Iterator[Outcome], heard: Callable[[Outcome], None]) -> tuple[Outcome, ...]:
    """The next outcomes of the stream, each told to `heard`; fewer than SHARD_URLS: there are no more."""
    outcomes = []
    for outcome in islice(stream, SHARD_URLS):
        heard(outcome)
        outcomes.append(outcome)
    return tuple(outcomes)
