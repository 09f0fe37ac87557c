"""What robots.txt allows (RFC 9309), asked once an origin and day."""

import dataclasses
import re
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.capture.body import KeptBody
from tasks.capture.decode import read_payload
from tasks.capture.fetch import Recorder
from tasks.capture.policy import Target, parse_url
from tasks.errors import CaptureFailed, CaptureTransient, TearsheetError, UrlRefused
from tasks.records import Exchange, RobotsNote

if TYPE_CHECKING:
    from protego import Protego

__all__ = ["Asked", "Robots", "RobotsAnswer"]

_MAX_BYTES = 512 * 1024  # RFC 9309, 2.5: at least 500 KiB
_MAX_REDIRECTS = 5  # RFC 9309, 2.3.1.2; what lies beyond counts as not there
_KEPT_S = 24 * 3600.0  # RFC 9309, 2.4: no longer than a day
_ASKED_AGAIN_S = 300.0  # where it could not be read
_PATH = "/robots.txt"
_PRODUCT = re.compile(r"[A-Za-z_-]+")  # RFC 9309, 2.2.1


@dataclass(frozen=True, slots=True)
class RobotsAnswer:
    """Whether a URL may be fetched by a machine, why, and how long to wait between requests where the site says so."""

    allowed: bool
    reason: str
    crawl_delay_s: float | None = None
    read: bool = True  # False: nobody knows what the site wishes, so not allowed for now
    exchanges: tuple[Exchange, ...] = ()  # that it was learned from; their bodies are shared


@dataclass(frozen=True, slots=True)
class Asked:
    """What goes into the capture of a page of what robots.txt said before."""

    note: RobotsNote
    exchanges: tuple[Exchange, ...]


@dataclass(frozen=True, slots=True)
class _Known:
    """What is known of one origin."""

    rules: "RobotsAnswer | Protego"
    exchanges: tuple[Exchange, ...]
    until: float


class _Cache:
    """The origins met so far, shared by all that ask under one policy or another."""

    def __init__(self) -> None:
        self.known: dict[str, _Known] = {}
        self.locks: dict[str, threading.Lock] = {}
        self.guard = threading.Lock()


class Robots:
    """The robots.txt files of the origins met so far, and what is made of them; one may serve many threads.

    `policy` is obey, report or ignore; `clock` gives seconds.
    """

    def __init__(
        self, recorder: Recorder, policy: str = "report", *, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.policy = policy
        self._recorder, self._clock, self._cache = recorder, clock, _Cache()
        product = _PRODUCT.match(recorder.settings.agent)
        self._product = product[0] if product else "Tearsheet"

    def under(self, policy: str) -> "Robots":
        """The same files under another policy."""
        other = Robots(self._recorder, policy, clock=self._clock)
        other._cache = self._cache
        return other

    def ask(self, url: str) -> Asked | None:
        """What a capture of `url` notes of robots.txt; None where nobody asks: under `ignore`, for a robots.txt itself,
        for what is no URL (the capture says so).

        Under `obey` raises CaptureFailed where it forbids the page, CaptureTransient where it could not be read.
        """
        try:
            if self.policy == "ignore" or parse_url(url).path == _PATH:
                return None
            answer = self.allows(url)
        except UrlRefused:
            return None
        if self.policy == "obey" and not answer.allowed:
            if not answer.read:
                raise CaptureTransient(answer.reason, where=url, remedy="Try again later", code="robots")
            raise CaptureFailed(
                answer.reason, where=url, remedy="Leave it, or set robots to report where you may", code="robots"
            )
        return Asked(RobotsNote(self.policy, answer.allowed, answer.reason), answer.exchanges)

    def allows(self, url: str) -> RobotsAnswer:
        """The answer for `url`; a Crawl-delay spaces out the host's pages from now on.

        | robots.txt | answer |
        | --- | --- |
        | 2xx | what it says, as far as it came within 512 KiB |
        | 4xx but 429; more than five redirects | allowed: there is none |
        | 429, 5xx, no answer, a broken-off one | not allowed for now |

        Raises UrlRefused where it is no URL.
        """
        target = parse_url(url)
        known = self._known(target)
        if isinstance(known.rules, RobotsAnswer):
            return known.rules
        allowed = bool(known.rules.can_fetch(target.url, self._product))
        delay = known.rules.crawl_delay(self._product)
        if delay:
            self._recorder.hosts.pace(target, delay)
        reason = f"{'allowed' if allowed else 'disallowed'} by {target.origin}{_PATH}"
        return RobotsAnswer(allowed, reason, delay, exchanges=known.exchanges)

    def _known(self, target: Target) -> _Known:
        cache = self._cache
        with cache.guard:
            lock = cache.locks.setdefault(target.origin, threading.Lock())
        with lock:  # so that many pages of one origin ask once
            known = cache.known.get(target.origin)
            if known is None or known.until <= self._clock():
                known = cache.known[target.origin] = self._fetch(target.origin + _PATH)
            return known

    def _fetch(self, url: str) -> _Known:
        exchanges: list[Exchange] = []
        try:
            for hop in self._recorder.hops(url, max_redirects=_MAX_REDIRECTS, max_body_bytes=_MAX_BYTES):
                exchanges.append(_kept(hop))
            rules = _rules(url, exchanges)
        except TearsheetError as error:
            rules = RobotsAnswer(False, f"robots.txt could not be read: {error}", read=False)
        if isinstance(rules, RobotsAnswer):
            rules = dataclasses.replace(rules, exchanges=tuple(exchanges))
        unread = isinstance(rules, RobotsAnswer) and not rules.read
        return _Known(rules, tuple(exchanges), self._clock() + (_ASKED_AGAIN_S if unread else _KEPT_S))


def _kept(exchange: Exchange) -> Exchange:
    """The exchange with its body in memory."""
    with exchange.body.open() as body:
        data = body.read()
    exchange.body.close()
    return dataclasses.replace(exchange, body=KeptBody(data))


def _rules(url: str, exchanges: list[Exchange]) -> "RobotsAnswer | Protego":
    """What the file says that the last of these exchanges brought; or the answer that its absence is."""
    from protego import Protego  # only where someone asks

    last = exchanges[-1]
    status, truncated = last.status, last.truncated
    if 300 <= status < 400 and last.header("location"):
        return RobotsAnswer(True, f"no robots.txt: {url} leads nowhere within {_MAX_REDIRECTS} redirects")
    if 400 <= status < 500 and status != 429:
        return RobotsAnswer(True, f"no robots.txt: {url} answered {status}")
    if not 200 <= status < 300 or truncated in ("time", "disconnect", "unspecified"):
        return RobotsAnswer(False, f"robots.txt could not be read: {url} answered {truncated or status}", read=False)
    return Protego.parse(read_payload(last, _MAX_BYTES).decode("utf-8-sig", "replace"))
