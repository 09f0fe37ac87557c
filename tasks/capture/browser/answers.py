"""What one page's requests are answered with: the exchanges of our own recorder, each URL fetched once.

| request | answer |
| --- | --- |
| the page and its redirects | the exchanges of the capture, once; a reload would change what was seen: refused |
| another page in its place | followed like a redirect where the page has no article of its own; else refused |
| GET of http or https | fetched within the limits, kept beside the page, handed on decoded |
| preflight of CORS (OPTIONS) | allowed, by us: what the server says on the request itself decides |
| POST and the like, beacons, prefetch, event streams | refused, and noted |
| whatever the policy forbids, or that fails | failed, and noted as missing |
"""

import base64
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import Future
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urljoin

from tasks.capture.decode import read_payload
from tasks.capture.fetch import Recorder
from tasks.capture.policy import parse_url
from tasks.errors import CaptureTransient, TearsheetError
from tasks.records import Capture, Exchange, Missing, Requisites

__all__ = ["Answer", "Answers"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
# Of the connection, or undone by the time the browser has the body.
_NOT_HANDED_ON = frozenset(
    {"content-encoding", "transfer-encoding", "content-length", "connection", "keep-alive", "alt-svc", "trailer"}
    | {"proxy-connection", "upgrade", "strict-transport-security", "report-to", "nel", "reporting-endpoints"}
)
# The recorder's own, what would ask for less than the whole, and secrets.
_NOT_SENT = frozenset(
    {"host", "connection", "content-length", "user-agent", "accept-encoding", "accept-language", "cookie"}
    | {"range", "if-match", "if-none-match", "if-modified-since", "if-unmodified-since", "if-range"}
    | {"upgrade-insecure-requests", "purpose", "te", "proxy-connection", "proxy-authorization", "keep-alive"}
)
_STREAMS = {"Ping": "beacon", "CSPViolationReport": "beacon", "EventSource": "event-stream", "WebSocket": "websocket"}
_TOLD = 1000  # refused or missing ones that are named


@dataclass(frozen=True, slots=True)
class Answer:
    """What the browser is to get: status, headers and body; or, with `error`, a failure of this kind."""

    status: int = 0
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes = b""
    error: str = ""  # of Network.ErrorReason


_REFUSED = Answer(error="BlockedByClient")
_STAY = Answer(status=204)  # a document with this status leaves the one before in its place
_PREFLIGHT = Answer(
    status=204,
    headers=(
        ("Access-Control-Allow-Origin", "*"),
        ("Access-Control-Allow-Methods", "GET, HEAD"),
        ("Access-Control-Allow-Headers", "*"),
    ),
)


class Answers:
    """The answers to one page. `answer` may be called by many threads; `deadline` is by time.monotonic()."""

    def __init__(self, capture: Capture, recorder: Recorder, deadline: float, *, lead_on: bool = False) -> None:
        self.recorder, self.settings, self.deadline = recorder, recorder.settings, deadline
        self.page, self.stopped = capture.final_url, threading.Event()
        self._way = {exchange.url: exchange for exchange in capture.exchanges}
        self._there = {exchange.url for exchange in capture.beside}
        self._guard, self._reading = threading.Lock(), threading.Lock()
        self._fetched: dict[str, Future[Exchange]] = {}
        self._missing: dict[str, str] = {}
        self._refused: dict[str, str] = {}
        self._led: dict[str, str] = {}  # id of a request: the URL that it was for before a redirect
        self._bytes, self._more, self._given = 0, 0, set[str]()
        self._lead_on = lead_on  # scripts of the page may lead to another one
        self._led_on: list[Exchange] = []
        self.left_early = False  # it would have gone to another page before it was loaded: what follows was not parsed

    # ---------------------------------------------------------------- one request
    def answer(self, params: Mapping[str, Any], *, main_frame: str, loaded: bool) -> Answer:
        """The answer to a Fetch.requestPaused event; `loaded`: the page that asks is."""
        request, kind = params["request"], params.get("resourceType", "")
        if kind == "Document" and params.get("frameId") == main_frame:
            return self._document(request, loaded)
        if request["method"] == "OPTIONS":
            return _PREFLIGHT
        if reason := _no_request_of_ours(request, kind):
            self._note(self._refused, request["url"], reason)
            return _REFUSED
        via = self._led.get(params.get("networkId", ""), self.page)
        return self._other(request, via, params.get("networkId", ""))

    def _document(self, request: Mapping[str, Any], loaded: bool) -> Answer:
        """The page itself, or one that it leads on to; any further document of its frame is not this page."""
        url = self._normal(request["url"])
        exchange = self._way.get(url) or self._led_to(url, request)
        if exchange is None or url in self._given or request["method"] != "GET":
            self._note(self._refused, request["url"], "another-page" if url != self.page else "reload")
            self.left_early |= not loaded
            return _STAY
        self._given.add(url)
        return self._handed_on(exchange, self.settings.max_decoded_bytes)

    def _led_to(self, url: str, request: Mapping[str, Any]) -> Exchange | None:
        """The next page on the way, where pages may lead on and this one can be had."""
        if not (url and self._lead_on and request["method"] == "GET") or self.stopped.is_set():
            return None
        if len(self._led_on) >= self.settings.max_redirects:
            return None
        try:
            exchange = self.recorder.exchange(url, deadline=self.deadline)
        except TearsheetError as error:
            self._note(self._missing, url, error.code)
            return None
        exchange = replace(exchange, via=self.page)
        with self._guard:
            self._led_on.append(exchange)
            self._way[exchange.url] = exchange
        self.page = exchange.url
        return exchange

    def once_more(self) -> None:
        """The page may be asked for again."""
        self._given.clear()
        self.left_early = False

    def _other(self, request: Mapping[str, Any], via: str, network_id: str) -> Answer:
        url = self._normal(request["url"])
        try:
            exchange = self._way.get(url) or self._exchange(url or request["url"], request["headers"], via)
        except TearsheetError as error:
            self._note(self._missing, url or request["url"], error.code)
            return Answer(error="TimedOut" if isinstance(error, CaptureTransient) else "BlockedByClient")
        if exchange.status in _REDIRECTS:
            self._led[network_id] = exchange.url
        elif (reason := _lacks(exchange)) and not _is_unasked_icon(url, self.page):
            self._note(self._missing, exchange.url, reason)
        answer = self._handed_on(exchange, self.settings.requisite_bytes)
        if len(answer.body) >= self.settings.requisite_bytes:  # the page had no more of it, whatever the WARC has
            self._note(self._missing, exchange.url, "decoded-over-limit")
        return answer

    @staticmethod
    def _normal(url: str) -> str:
        try:
            return parse_url(url).url
        except TearsheetError:
            return ""

    def _exchange(self, url: str, headers: Mapping[str, str], via: str) -> Exchange:
        """The exchange of this URL, fetched by whoever asks first."""
        with self._guard:
            future = self._fetched.get(url)
            ours = future is None
            if future is None:
                self._check_limits(url)
                future = self._fetched[url] = Future()
        if ours:
            try:
                future.set_result(self._fetch(url, headers, via))
            except BaseException as error:
                future.set_exception(error)
        return future.result()

    def _check_limits(self, url: str) -> None:
        """Raises CaptureTransient with the limit that forbids a further request as its code."""
        reason = ""
        if self.stopped.is_set() or time.monotonic() >= self.deadline:
            reason = "over-time"
        elif len(self._fetched) >= self.settings.browser_requests:
            reason = "over-requests"
        elif self._bytes >= self.settings.browser_bytes:
            reason = "over-bytes"
        if reason:
            raise CaptureTransient("the page asks for too much", where=url, remedy="", code=reason)

    def _fetch(self, url: str, headers: Mapping[str, str], via: str) -> Exchange:
        sent = [(name, value) for name, value in headers.items() if _is_sent(name)]
        limit = self.settings.requisite_bytes
        try:
            exchange = self.recorder.exchange(url, sent, max_body_bytes=limit, deadline=self.deadline)
        except ValueError:  # a header that cannot be sent
            exchange = self.recorder.exchange(url, max_body_bytes=limit, deadline=self.deadline)
        with self._guard:
            self._bytes += exchange.body.size
        return replace(exchange, via=via)

    def _handed_on(self, exchange: Exchange, limit: int) -> Answer:
        headers = tuple(_browser_headers(exchange))
        if exchange.status in _REDIRECTS:
            return Answer(exchange.status, headers)
        with self._reading:  # one reader of a body at a time
            return Answer(exchange.status, headers, read_payload(exchange, limit))

    def _note(self, notes: dict[str, str], url: str, reason: str) -> None:
        with self._guard:
            if len(notes) < _TOLD:
                notes.setdefault(url[:2000], reason)
            elif url not in notes:
                self._more += 1

    # ---------------------------------------------------------------- what became of it
    def led_on(self) -> tuple[Exchange, ...]:
        """What the page has led on to, the last of them the page to be kept; nothing where none answered."""
        whole = self._led_on and self._led_on[-1].status not in _REDIRECTS
        return tuple(self._led_on) if whole else ()

    def exchanges(self) -> Iterator[Exchange]:
        """All else that came, in the order in which it was asked for; the caller closes them."""
        yield from () if self.led_on() else self._led_on
        for future in self._fetched.values():
            if future.done() and not future.exception():
                exchange = future.result()
                if exchange.url in self._there:
                    exchange.body.close()  # robots.txt, which was asked before
                else:
                    yield exchange

    def requisites(self) -> Requisites:
        """What the page asked for, and what of it did not come."""
        missing = [Missing(url, reason) for url, reason in self._missing.items()]
        missing += [Missing(self.page, f"over-notes-{self._more}-more")] if self._more else []
        late = [
            Missing(url, "over-time")
            for url, future in self._fetched.items()
            if not future.done() and url not in self._missing
        ]
        return Requisites(len(self._fetched.keys() | self._missing.keys()) + bool(self._more), (*missing, *late))

    def refused(self) -> tuple[Missing, ...]:
        """Requests that an archive does not make."""
        with self._guard:
            return tuple(Missing(url, reason) for url, reason in self._refused.items())

    def close(self) -> None:
        """Give all bodies back."""
        for exchange in (*self.led_on(), *self.exchanges()):
            exchange.body.close()


def _no_request_of_ours(request: Mapping[str, Any], kind: str) -> str:
    """Why an archive does not make this request; the empty string where it does."""
    headers = {name.lower(): value.lower() for name, value in request["headers"].items()}
    if kind in _STREAMS:
        return _STREAMS[kind]
    if kind == "Prefetch" or "prefetch" in headers.get("sec-purpose", "") + headers.get("purpose", ""):
        return "prefetch"
    if request["method"] not in ("GET", "HEAD"):
        return f"method-{request['method'].lower()}"
    return "event-stream" if headers.get("accept") == "text/event-stream" else ""


def _is_sent(name: str) -> bool:
    name = name.lower()
    return name not in _NOT_SENT and not name.startswith(("sec-", ":"))


def _lacks(exchange: Exchange) -> str:
    """Why an answer is not what the page wanted; the empty string where it is."""
    if not 200 <= exchange.status < 300 and exchange.status != 304:
        return f"status-{exchange.status}"
    return f"truncated-{exchange.truncated}" if exchange.truncated else ""


def _is_unasked_icon(url: str, page: str) -> bool:
    """Whether it is the icon that browsers ask every site for, whether its pages name one or not."""
    return url == urljoin(page, "/favicon.ico")


def _browser_headers(exchange: Exchange) -> Iterator[tuple[str, str]]:
    for name, value in exchange.headers:
        if name == "location":
            value = urljoin(exchange.url, value.strip())
        if name not in _NOT_HANDED_ON and value.isprintable():
            yield name, value


def as_fulfilled(request_id: str, answer: Answer) -> dict[str, Any]:
    """The parameters of Fetch.fulfillRequest."""
    return {
        "requestId": request_id,
        "responseCode": answer.status,
        "responseHeaders": [{"name": name, "value": value} for name, value in answer.headers],
        "body": base64.b64encode(answer.body).decode(),
    }
