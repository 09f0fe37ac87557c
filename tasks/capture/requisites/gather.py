"""Fetching what a page needs, several things at once, the most important first, until all is there or a limit is met.

A sheet is read as soon as it came, and what it loads joins the queue. What does not come is named with its reason.
"""

import heapq
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass, field, replace

from tasks.capture.decode import read_payload
from tasks.capture.fetch import Recorder
from tasks.capture.requisites.page import page_requisites
from tasks.capture.requisites.sheets import sheet_requisites
from tasks.capture.requisites.wanted import KINDS, Wanted
from tasks.errors import CaptureTransient, TearsheetError
from tasks.records import Capture, Exchange, Missing, Requisites

__all__ = ["gather"]

_ACCEPT = {  # what browsers send; without it servers of pictures give other formats, or none
    "style": "text/css,*/*;q=0.1",
    "image": "image/avif,image/webp,image/apng,image/svg+xml,image/*,*/*;q=0.8",
}
_CHARSET = "charset="
_TOLD = 1000  # missing ones named one by one; a page that names more is hostile


@dataclass(slots=True)
class _Came:
    """What one request gave: the exchanges, why it is missing nevertheless, and what a sheet loads in turn."""

    exchanges: tuple[Exchange, ...] = ()
    reason: str = ""
    loads: list[Wanted] = field(default_factory=list)
    may_pass: bool = False  # what is wrong may be over by now


def gather(capture: Capture, html: str, recorder: Recorder, *, clock: Callable[[], float] = time.monotonic) -> Capture:
    """The capture with the requisites of its page beside it, in the order in which page and sheets name them.

    Never raises for one that does not come: it is in `requisites.missing`.
    """
    job = _Gathering(capture, recorder, clock)
    try:
        job.want(page_requisites(html, capture.final_url), level=1)
        job.run()
    except BaseException:
        job.close()
        raise
    return replace(
        capture,
        mode="requisites",
        beside=(*capture.beside, *job.exchanges()),
        requisites=Requisites(len(job.wanted) + bool(job.more), job.missing()),
    )


class _Gathering:
    """One page's requisites while they come."""

    def __init__(self, capture: Capture, recorder: Recorder, clock: Callable[[], float]) -> None:
        self.recorder, self.settings, self.clock = recorder, recorder.settings, clock
        self.page = capture.final_url
        self.deadline = clock() + self.settings.requisites_s
        self.wanted: dict[str, Wanted] = {}
        self.came: dict[str, _Came] = {}
        self.requests, self.bytes, self.more = 0, 0, 0
        self._there = {exchange.url for exchange in (*capture.exchanges, *capture.beside)}
        self._levels: dict[str, int] = {}
        self._queue: list[tuple[int, int, str]] = []  # urgency, order, URL

    def want(self, found: Iterable[Wanted], *, level: int) -> None:
        """Queue what was not asked for yet."""
        for one in found:
            if one.url in self.wanted or one.url in self._there:
                continue
            if len(self.wanted) >= self.settings.requisites_max + _TOLD:
                self.more += 1
                continue
            self.wanted[one.url], self._levels[one.url] = one, level
            if one.kind == "style" and level > self.settings.requisites_levels:
                self.came[one.url] = _Came(reason="over-levels")
                continue
            heapq.heappush(self._queue, (KINDS.index(one.kind), len(self.wanted), one.url))

    def run(self) -> None:
        """Fetch until nothing is left or a limit is met."""
        at_once = self.settings.requisites_at_once
        pending: dict[Future[_Came], str] = {}
        with ThreadPoolExecutor(at_once, thread_name_prefix="requisite") as pool:
            while self._queue or pending:
                while self._queue and len(pending) < at_once:
                    url = heapq.heappop(self._queue)[2]
                    if reason := self._over():
                        self.came[url] = _Came(reason=reason)
                        continue
                    self.requests += 1
                    pending[pool.submit(self._fetch, self.wanted[url])] = url
                for future in wait(pending, return_when=FIRST_COMPLETED).done if pending else ():
                    self._take(pending.pop(future), future.result())

    def _over(self) -> str:
        """The limit that forbids a further request, or the empty string."""
        if self.requests >= self.settings.requisites_max:
            return "over-requests"
        if self.bytes >= self.settings.requisites_bytes:
            return "over-bytes"
        return "over-time" if self.clock() >= self.deadline else ""

    def _take(self, url: str, came: _Came) -> None:
        self.came[url] = came
        self.bytes += sum(exchange.body.size for exchange in came.exchanges)
        self.want(came.loads, level=self._levels[url] + 1)

    # ---------------------------------------------------------------- in another thread
    def _fetch(self, one: Wanted) -> _Came:
        """One requisite, tried again once where the trouble may pass."""
        headers = [("Accept", _ACCEPT.get("image" if one.kind in ("size", "icon") else one.kind, "*/*"))]
        if referer := _referer(self.page, one.url):
            headers.append(("Referer", referer))
        came = self._tried(one, headers)
        return self._tried(one, headers) if came.may_pass and self.clock() < self.deadline else came

    def _tried(self, one: Wanted, headers: list[tuple[str, str]]) -> _Came:
        limit = self.settings.requisite_bytes
        try:
            return self._judged(
                one, self.recorder.follow(one.url, headers, max_body_bytes=limit, deadline=self.deadline)
            )
        except TearsheetError as error:
            return _Came(reason=error.code, may_pass=isinstance(error, CaptureTransient))

    def _judged(self, one: Wanted, exchanges: tuple[Exchange, ...]) -> _Came:
        exchanges = (replace(exchanges[0], via=one.via), *exchanges[1:])
        answer, reason = exchanges[-1], ""
        if not 200 <= answer.status < 300 or answer.status == 206:
            reason = f"status-{answer.status}"
        elif answer.truncated:
            reason = f"truncated-{answer.truncated}"
        loads = self._loads(answer) if one.kind == "style" and 200 <= answer.status < 300 else []
        return _Came(exchanges, reason, loads)

    def _loads(self, answer: Exchange) -> list[Wanted]:
        """What a sheet loads."""
        data = read_payload(answer, self.settings.requisite_bytes)
        charset = answer.header("content-type").lower().partition(_CHARSET)[2].partition(";")[0].strip("\"' ")
        return sheet_requisites(data, answer.url, charset=charset)

    # ---------------------------------------------------------------- what became of it
    def _in_order(self) -> Iterator[str]:
        """The URLs in the order of the page, then of each sheet, whatever came first."""
        waiting = [url for url, one in self.wanted.items() if one.via == self.page]
        seen = set(waiting)
        while waiting:
            url = waiting.pop(0)
            yield url
            for one in self.came[url].loads:
                if one.url in self.wanted and one.url not in seen:
                    seen.add(one.url)
                    waiting.append(one.url)

    def exchanges(self) -> Iterator[Exchange]:
        """All that came, each URL once: what two redirects lead to is kept where it came first."""
        seen = set(self._there)
        for url in self._in_order():
            for exchange in self.came[url].exchanges:
                if exchange.url in seen:
                    exchange.body.close()
                else:
                    seen.add(exchange.url)
                    yield exchange

    def missing(self) -> tuple[Missing, ...]:
        """What did not come, or not whole."""
        found = [Missing(url, self.came[url].reason) for url in self._in_order() if self.came[url].reason]
        if self.more:
            found.append(Missing(self.page, f"over-requests-{self.more}-more"))
        return tuple(found)

    def close(self) -> None:
        """Give all bodies back."""
        for came in self.came.values():
            for exchange in came.exchanges:
                exchange.body.close()


def _referer(page: str, url: str) -> str:
    """What browsers send by default: https://www.w3.org/TR/referrer-policy/ strict-origin-when-cross-origin."""
    here, there = page.split("/")[:3], url.split("/")[:3]
    if here[0] == "https:" and there[0] == "http:":
        return ""
    return page if here == there else "/".join(here) + "/"
