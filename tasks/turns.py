"""Which page of many comes next: one whose host may be asked now, so that no slow host holds up the others.

A page that waits for its host takes a worker's place. Where pages come in any other order, a few hosts with a long
Crawl-delay soon hold every place, and the rest of the list stands still behind them.
"""

import heapq
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from math import inf
from typing import Protocol

from tasks.capture.policy import Target, parse_url
from tasks.errors import UrlRefused

__all__ = ["Pacing", "Turns", "host_of"]


class Pacing(Protocol):
    """How a host wants to be asked; tasks.capture.hosts.Hosts is one."""

    def rests_s(self, target: Target) -> float:
        """Seconds until its next page may begin."""

    def apart_s(self, target: Target) -> float:
        """Seconds between the beginnings of two of its pages."""


@dataclass(slots=True)
class _Queue:
    """The pages of one host that have not had their turn."""

    host: str
    urls: deque[str] = field(default_factory=deque)
    under_way: int = 0
    not_before: float = 0.0  # the page taken last may not be at its gate yet
    set_aside: bool = True  # not among those that may have a turn, nor among those that wait for their time


class Turns:
    """Pages by host; each host's keep their order. Safe in threads; `take` for one only."""

    def __init__(
        self,
        urls: Iterable[str | None],
        pacing: Pacing,
        *,
        per_host: int,
        ahead: int,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """`urls` is read when no page read so far may have its turn, up to `ahead` pages before that.

        A None in it says that no page is named just now, and ends nothing.
        """
        self._unread, self._pacing, self._per_host, self._ahead = iter(urls), pacing, per_host, ahead
        self._clock, self._guard = clock, threading.Lock()
        self._queues: dict[str, _Queue] = {}
        self._ready: deque[_Queue] = deque()
        self._waiting: list[tuple[float, int, _Queue]] = []  # a heap: when it is ready, what breaks a tie, which
        self._held, self._ties, self._all_read = 0, 0, False

    def take(self) -> str | None:
        """The next page; None where none may begin now."""
        while True:
            with self._guard:
                if (url := self._next()) is not None:
                    return url
                if self._all_read or self._held >= self._ahead:
                    return None
            try:
                url = next(self._unread)  # may wait for whoever names pages
            except StopIteration:
                self._all_read = True
                continue
            if url is None:
                return None
            with self._guard:
                self._put(url)

    def free(self, url: str) -> None:
        """The page that was taken asks its host for nothing more."""
        with self._guard:
            queue = self._queues[host_of(url)]
            queue.under_way -= 1
            self._turn_of(queue)
            if not queue.urls and not queue.under_way:
                del self._queues[queue.host]

    @property
    def left(self) -> bool:
        """Whether there may be pages that were not taken."""
        return self._held > 0 or not self._all_read

    def wait_s(self) -> float:
        """Seconds until the next page may begin, if none is done before; inf: then only."""
        with self._guard:
            return max(0.0, self._waiting[0][0] - self._clock()) if self._waiting else inf

    def _put(self, url: str) -> None:
        host = host_of(url)
        queue = self._queues.get(host) or self._queues.setdefault(host, _Queue(host))
        queue.urls.append(url)
        self._held += 1
        self._turn_of(queue)

    def _turn_of(self, queue: _Queue) -> None:
        """Let a host that was set aside have its turns again, where it may."""
        if queue.set_aside and queue.urls and queue.under_way < self._per_host:
            queue.set_aside = False
            self._wait(queue, queue.not_before)

    def _next(self) -> str | None:
        now = self._clock()
        while self._waiting and self._waiting[0][0] <= now:
            self._ready.append(heapq.heappop(self._waiting)[2])
        while self._ready:
            queue = self._ready.popleft()
            target = _target(queue.urls[0])
            if target and (rests_s := self._pacing.rests_s(target)) > 0:
                self._wait(queue, now + rests_s)
                continue
            url = queue.urls.popleft()
            self._held -= 1
            queue.under_way += 1
            queue.not_before = now + (self._pacing.apart_s(target) if target else 0.0)
            queue.set_aside = True
            self._turn_of(queue)
            return url
        return None

    def _wait(self, queue: _Queue, until: float) -> None:
        if until <= self._clock():
            self._ready.append(queue)
            return
        self._ties += 1
        heapq.heappush(self._waiting, (until, self._ties, queue))


def _target(url: str) -> Target | None:
    try:
        return parse_url(url)
    except UrlRefused:  # whoever captures it says so, and asks no host
        return None


def host_of(url: str) -> str:
    """The host of a URL, with its port where that is no common one; the empty string where it is no URL."""
    target = _target(url)
    return target.authority if target else ""
