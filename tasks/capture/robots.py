"""What robots.txt allows (RFC 9309), asked once an origin."""

import re
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING

from tasks.capture.decode import read_payload
from tasks.capture.fetch import Recorder
from tasks.capture.policy import Target, parse_url
from tasks.errors import TearsheetError

if TYPE_CHECKING:
    from protego import Protego

__all__ = ["Robots", "RobotsAnswer"]

_MAX_BYTES = 512 * 1024  # RFC 9309, 2.5: at least 500 KiB
_PRODUCT = re.compile(r"[A-Za-z_-]+")  # RFC 9309, 2.2.1


@dataclass(frozen=True, slots=True)
class RobotsAnswer:
    """Whether a URL may be fetched by a machine, why, and how long to wait between requests where the site says so."""

    allowed: bool
    reason: str
    crawl_delay_s: float | None = None
    read: bool = True  # False: nobody knows what the site wishes, so not allowed for now


class Robots:
    """The robots.txt files of the origins met so far; one may serve many threads."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        product = _PRODUCT.match(recorder.settings.agent)
        self._product = product[0] if product else "Tearsheet"
        self._answers: dict[str, RobotsAnswer | Protego] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def allows(self, url: str) -> RobotsAnswer:
        """The answer for `url`. Raises UrlRefused where it is no URL.

        | robots.txt | answer |
        | --- | --- |
        | 2xx | what it says |
        | 4xx but 429 | allowed: there is none |
        | 429, 5xx, no answer, a broken-off one | not allowed for now |
        """
        target = parse_url(url)
        rules = self._rules(target)
        if isinstance(rules, RobotsAnswer):
            return rules
        allowed = bool(rules.can_fetch(target.url, self._product))
        delay = rules.crawl_delay(self._product)
        where = f"{target.origin}/robots.txt"
        return RobotsAnswer(allowed, f"{'allowed' if allowed else 'disallowed'} by {where}", delay)

    def _rules(self, target: Target) -> "RobotsAnswer | Protego":
        with self._guard:
            lock = self._locks.setdefault(target.origin, threading.Lock())
        with lock:  # so that many pages of one origin ask once
            if target.origin not in self._answers:
                self._answers[target.origin] = self._fetch(f"{target.origin}/robots.txt")
            return self._answers[target.origin]

    def _fetch(self, url: str) -> "RobotsAnswer | Protego":
        from protego import Protego  # only scheduled runs ask

        try:
            capture = self._recorder.capture(url)
        except TearsheetError as error:
            return RobotsAnswer(False, f"robots.txt could not be read: {error}", read=False)
        try:
            status, truncated = capture.page.status, capture.page.truncated
            if 400 <= status < 500 and status != 429:
                return RobotsAnswer(True, f"no robots.txt: {url} answered {status}")
            if not 200 <= status < 300 or truncated in ("time", "disconnect", "unspecified"):
                why = f"robots.txt could not be read: {url} answered {truncated or status}"
                return RobotsAnswer(False, why, read=False)
            payload = read_payload(capture.page, _MAX_BYTES)
        finally:
            capture.close()
        return Protego.parse(payload.decode("utf-8-sig", "replace"))
