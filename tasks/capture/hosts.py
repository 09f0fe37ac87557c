"""Keeping to what a host can bear: so many requests at once, pages so far apart, and a rest where it asks for one.

One gate serves all captures of a Recorder. A host is named by `Target.authority`, so that http and https share one.
"""

import contextlib
import re
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from math import inf
from typing import Protocol

from tasks.capture.policy import Target
from tasks.errors import CaptureTransient

__all__ = ["Hosts", "Manners", "retry_after_s"]

ASKS_TO_WAIT = frozenset({429, 503})  # answers whose Retry-After counts: RFC 6585, 4; RFC 9110, 15.6.4
_LOOK_EVERY_S = 0.25  # how soon a wait notices that it shall end
_TOLD_FROM_S = 3.0  # shorter waits are not worth a line
_UNANSWERED = 3  # requests in a row, after which a host is down
# What of CaptureTransient says that nobody answered; a head or a body that broke off is an answer.
_NOBODY = frozenset({"dns", "dns-timeout", "connect", "connect-timeout", "no-response", "timeout"})
_OF_ONE_URL = frozenset({"no-response", "timeout"})  # may be: the host took the connection, and others may do well
_SECONDS = re.compile(r"[0-9]+", re.ASCII)
_MAX_DIGITS = 9  # of seconds; more is for ever


class Manners(Protocol):
    """The settings that bound what is asked of one host; tasks.settings.Settings is one."""

    @property
    def host_at_once(self) -> int:
        """Requests under way at once."""

    @property
    def host_interval_s(self) -> float:
        """Least seconds between the beginnings of two pages."""

    @property
    def host_rest_s(self) -> float:
        """Most seconds that a Retry-After is kept to."""

    @property
    def host_wait_s(self) -> float:
        """Seconds after which a page gives up waiting."""

    @property
    def host_down_s(self) -> float:
        """Seconds for which a host that does not answer is left alone."""

    @property
    def crawl_delay_max_s(self) -> float:
        """Most seconds that a Crawl-delay is kept to."""


@dataclass(slots=True, eq=False)
class _Host:
    """What is known of one host; times are those of the gate's clock."""

    under_way: int = 0
    delay_s: float = 0.0  # its Crawl-delay
    next_page_at: float = -inf
    rests_until: float = -inf
    unanswered: set[object] = field(default_factory=set)  # requests in a row; a URL that a connection died of once
    why: str = ""  # what the last of these ended with
    down_until: float = -inf
    requests: deque[object] = field(default_factory=deque)  # those that wait, first come first served
    pages: deque[object] = field(default_factory=deque)


class Hosts:
    """The gate; safe in threads. `clock` gives seconds, `pause` waits so many on a condition and may return early."""

    def __init__(
        self,
        manners: Manners,
        *,
        clock: Callable[[], float] = time.monotonic,
        pause: Callable[[threading.Condition, float], object] = threading.Condition.wait,
        say: Callable[[str], None] = lambda line: None,
    ) -> None:
        self.manners, self.say = manners, say
        self._clock, self._pause = clock, pause
        self._changed = threading.Condition()
        self._hosts: dict[str, _Host] = {}
        self._ends: list[Callable[[], bool]] = []
        self._closed = False

    @contextlib.contextmanager
    def until(self, stopped: Callable[[], bool]) -> Iterator[None]:
        """Within it no one goes on waiting once `stopped` says so."""
        self._ends.append(stopped)
        try:
            yield
        finally:
            self._ends.remove(stopped)

    def close(self) -> None:
        """Whoever waits gives up."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def pace(self, target: Target, delay_s: float) -> None:
        """Keep pages apart by the Crawl-delay of the host's robots.txt, where that is longer than our interval."""
        with self._changed:
            self._host(target).delay_s = min(delay_s, self.manners.crawl_delay_max_s)

    def rest(self, target: Target, seconds: float) -> None:
        """No request to the host for so long, bounded by the settings."""
        with self._changed:
            host = self._host(target)
            host.rests_until = max(host.rests_until, self._clock() + min(seconds, self.manners.host_rest_s))

    def page(self, target: Target) -> None:
        """Returns when another page of the host may be begun. This machine's own pages need not be spaced out.

        Raises CaptureTransient where that would take longer than `host_wait_s`, or where the run ends first.
        """
        with self._changed:
            host = self._host(target)
            self._wait(target, host.pages, lambda: max(host.next_page_at, host.rests_until))
            host.next_page_at = self._clock() + self._apart_s(target, host)

    def rests_s(self, target: Target) -> float:
        """Seconds until the next page of the host may begin; 0: now, or nothing is known of it, or it is down: then
        its pages fail at once."""
        with self._changed:
            host, now = self._hosts.get(target.authority), self._clock()
            return max(0.0, max(host.next_page_at, host.rests_until) - now) if host and host.down_until <= now else 0.0

    def apart_s(self, target: Target) -> float:
        """Seconds between the beginnings of two pages of the host, as far as is known yet; 0 while it is down."""
        with self._changed:
            host = self._hosts.get(target.authority) or _Host()
            return 0.0 if self._clock() < host.down_until else self._apart_s(target, host)

    def once_more(self) -> None:
        """Hosts that are down may be asked again now; the first silence, and they are left alone as before."""
        with self._changed:
            for host in self._hosts.values():
                host.down_until = -inf

    def _apart_s(self, target: Target, host: _Host) -> float:
        return 0.0 if _is_this_machine(target.host) else max(self.manners.host_interval_s, host.delay_s)

    @contextlib.contextmanager
    def request(self, target: Target, deadline: float | None = None) -> Iterator[None]:
        """One request to the host, begun when it may be, by `deadline` of the clock; raises as `page` does.

        What the block raises tells whether the host answers; not where a deadline of ours may have cut it short.
        """
        with self._changed:
            host, at_once = self._host(target), self.manners.host_at_once
            self._wait(target, host.requests, lambda: inf if host.under_way >= at_once else host.rests_until, deadline)
            host.under_way += 1
        nobody: CaptureTransient | None = None
        try:
            yield
        except CaptureTransient as error:
            nobody = error if error.code in _NOBODY else None
            raise
        finally:
            with self._changed:
                host.under_way -= 1
                if not nobody:
                    host.unanswered.clear()
                elif deadline is None:
                    self._unanswered(target, host, nobody)
                self._changed.notify_all()

    def _unanswered(self, target: Target, host: _Host, error: CaptureTransient) -> None:
        why = host.why = error.what
        if len(host.unanswered) < _UNANSWERED:
            host.unanswered.add(target.url if error.code in _OF_ONE_URL else object())
        if len(host.unanswered) < _UNANSWERED or not self.manners.host_down_s:
            return
        known, host.down_until = self._clock() < host.down_until, self._clock() + self.manners.host_down_s
        if not known:
            self.say(f"{target.authority} does not answer ({why}): left alone for {self.manners.host_down_s:.0f} s")

    def _host(self, target: Target) -> _Host:
        return self._hosts.setdefault(target.authority, _Host())

    def _wait(
        self, target: Target, queue: deque[object], ready_at: Callable[[], float], deadline: float | None = None
    ) -> None:
        """Returns, first come first served, when `ready_at` (inf: when someone else is done) has come."""
        ours, give_up_at, told = object(), self._clock() + self.manners.host_wait_s, False
        give_up_at = give_up_at if deadline is None else min(give_up_at, deadline)
        queue.append(ours)
        try:
            while True:
                now, at = self._clock(), ready_at() if queue[0] is ours else inf
                if now < self._host(target).down_until:
                    raise _is_down(target, self._host(target).why)
                if at <= now:
                    return
                if now >= give_up_at or give_up_at < at < inf:
                    raise _no_turn(target, f"its host shall not be asked for another {at - now:.0f} s", at)
                if self._closed or any(stopped() for stopped in self._ends):
                    raise CaptureTransient(
                        "the run was stopped before its turn", where=target.url, remedy="Run it again", code="stopped"
                    )
                if not told and _TOLD_FROM_S <= at - now < inf:
                    told = True
                    self.say(f"waiting {at - now:.0f} s for {target.authority}")
                self._pause(self._changed, min(at - now, give_up_at - now, _LOOK_EVERY_S))
        finally:
            queue.remove(ours)
            self._changed.notify_all()


def _is_down(target: Target, why: str) -> CaptureTransient:
    what, remedy = f"its host has not answered just now ({why})", "Try later, or set host_down_s to 0"
    return CaptureTransient(what, where=target.url, remedy=remedy, code="host-down")


def _no_turn(target: Target, what: str, at: float) -> CaptureTransient:
    what = what if at < inf else "its turn did not come: too many pages of its host wait"
    return CaptureTransient(what, where=target.url, remedy="Try later, or raise host_wait_s", code="host-wait")


def _is_this_machine(host: str) -> bool:
    return host in ("localhost", "::1") or host.startswith("127.")


def retry_after_s(value: str, now: datetime | None = None) -> float | None:
    """The seconds that a Retry-After header asks for (RFC 9110, 10.2.3: seconds or a date); None where it has neither.

    A number without end is inf, a date gone by 0.
    """
    value = value.strip()
    if _SECONDS.fullmatch(value):
        return float(value) if len(value) <= _MAX_DIGITS else inf
    try:
        then = parsedate_to_datetime(value)
    except (ValueError, TypeError, OverflowError):
        return None
    return max(0.0, (then.replace(tzinfo=then.tzinfo or UTC) - (now or datetime.now(UTC))).total_seconds())
