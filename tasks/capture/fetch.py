"""The recorder: URLs in, exchanges out, with the policy asked before every connection and every redirect."""

import dataclasses
import re
import socket
import time
from collections.abc import Callable, Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING
from urllib.parse import urljoin

from tasks.capture.clock import read_clock
from tasks.capture.connect import Connection, Pool, TlsContext, open_connection
from tasks.capture.hosts import ASKS_TO_WAIT, Hosts, retry_after_s
from tasks.capture.policy import Policy, Resolver, Target, parse_url
from tasks.capture.wire import Limits, Received, receive
from tasks.errors import CaptureFailed, CaptureTransient, SettingsError, TearsheetError
from tasks.records import Capture, Exchange, Validators
from tasks.settings import Settings

if TYPE_CHECKING:
    import ssl

__all__ = ["Recorder"]

_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ACCEPT = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
_HEADER = re.compile(r"[\x20-\x7e\xa0-\xff\t]*")


def _utc_now() -> datetime:
    return datetime.now(UTC)


class Recorder:
    """Fetches pages and keeps every byte; one may serve many threads, and keeps connections alive between them.

    No cookie, credential or header of one exchange ever goes into another.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        resolver: Resolver | None = None,
        ssl_context: "ssl.SSLContext | None" = None,
        clock: Callable[[], datetime] = _utc_now,
        hosts: Hosts | None = None,
    ) -> None:
        self.settings = settings
        self.hosts = hosts or Hosts(settings)  # every request passes it
        self.policy = Policy(settings.allow, frozenset(settings.ports), resolver or socket.getaddrinfo)
        self._tls, self._pool, self._clock = TlsContext(ssl_context), Pool(), clock
        self._headers = (
            ("User-Agent", _header("user_agent", settings.agent)),
            ("Accept", _ACCEPT),
            ("Accept-Language", _header("accept_language", settings.accept_language)),
            ("Accept-Encoding", "gzip"),  # what every reader of WARC files can undo
            ("Connection", "keep-alive"),
        )

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Every connection closed; captures already made stay readable."""
        self.hosts.close()
        self._pool.close()

    def capture(self, url: str, known: Validators | None = None) -> Capture:
        """One visit to `url`, when its host's turn has come: each redirect an exchange, the page last.

        Where the way leads to the URL of `known`, that is asked for only unless it is still the same.
        Raises UrlRefused, CaptureTransient or CaptureFailed; an error on a later hop names the way there.
        """
        target = parse_url(url)
        self.hosts.page(target)
        exchanges = self._way(target, known=known)
        conditional = known is not None and exchanges[-1].url == known.url
        return Capture(url, exchanges, self.settings.agent, clock=read_clock(), conditional=conditional)

    def follow(
        self,
        url: str,
        headers: Iterable[tuple[str, str]] = (),
        *,
        max_body_bytes: int | None = None,
        deadline: float | None = None,
    ) -> tuple[Exchange, ...]:
        """The exchanges on the way to what answers at `url`, each redirect one, at least one; the caller closes them.

        `max_body_bytes` and `deadline`, by time.monotonic(), may only lower the limits of the settings.
        """
        limits = self._limits(max_body_bytes)
        return self._way(parse_url(url), headers=tuple(headers), limits=limits, deadline=deadline)

    def _way(
        self,
        target: Target,
        *,
        known: Validators | None = None,
        headers: tuple[tuple[str, str], ...] = (),
        limits: Limits | None = None,
        deadline: float | None = None,
    ) -> tuple[Exchange, ...]:
        exchanges: list[Exchange] = []
        try:
            while True:
                asking = known.headers if known and known.url == target.url else headers
                exchanges.append(self._exchange(target, asking, limits, deadline))
                following = _following(exchanges, self.settings.max_redirects)
                if following is None:
                    return tuple(exchanges)
                target = following
                if exchanges[-1].url.startswith("https:") and target.scheme == "http":
                    exchanges[-1] = _flagged(exchanges[-1], "https-downgrade")
        except BaseException as error:
            for exchange in exchanges:
                exchange.body.close()
            if isinstance(error, TearsheetError) and exchanges:
                raise _on_the_way(error, exchanges) from error
            raise

    def exchange(
        self,
        url: str,
        headers: Iterable[tuple[str, str]] = (),
        *,
        max_body_bytes: int | None = None,
        deadline: float | None = None,
    ) -> Exchange:
        """One GET without redirects; `headers` replace ours of the same name. The caller closes the body.

        A body of more than `max_body_bytes`, or that is not there by `deadline` of time.monotonic(), is cut there.
        """
        return self._exchange(parse_url(url), tuple(headers), self._limits(max_body_bytes), deadline)

    def _limits(self, max_body_bytes: int | None) -> Limits:
        """Those of the settings, but for a lower one of bodies."""
        if max_body_bytes is None or max_body_bytes >= self.settings.max_body_bytes:
            return self.settings
        return dataclasses.replace(self.settings, max_body_bytes=max_body_bytes)

    def hops(self, url: str, *, max_redirects: int, max_body_bytes: int) -> Iterator[Exchange]:
        """The exchanges from `url` on, each as it ends; the last one may be a redirect that was one too many.

        Raises as `capture` does, after those before were given. The caller closes their bodies.
        """
        seen: list[Exchange] = []
        following: Target | None = parse_url(url)
        while following:
            seen.append(self.exchange(following.url, max_body_bytes=max_body_bytes))
            yield seen[-1]
            try:
                following = _following(seen, max_redirects)
            except CaptureFailed:  # too many, or round in a circle
                return

    def _exchange(
        self,
        target: Target,
        headers: tuple[tuple[str, str], ...],
        limits: Limits | None = None,
        deadline: float | None = None,
    ) -> Exchange:
        """One exchange, when the host may be asked; where it answers that it wants a rest, it gets one."""
        request = _request(target, self._headers, headers)
        with self.hosts.request(target, deadline):
            exchange = self._fetch(target, request, limits or self.settings, deadline)
        if exchange.status in ASKS_TO_WAIT:
            self.hosts.rest(target, retry_after_s(exchange.header("retry-after"), exchange.ended_at) or 0.0)
        return exchange

    def _fetch(self, target: Target, request: bytes, limits: Limits, deadline: float | None) -> Exchange:
        connection = self._pool.take(target.origin)
        if connection is not None:
            try:
                return self._over(connection, target, request, limits, deadline)
            except CaptureTransient as error:
                if error.code != "no-response":
                    raise  # the server had begun to answer: a second request would be a second visit
        timeout_s = min(self.settings.connect_timeout_s, self.settings.total_timeout_s)
        if deadline is not None:
            timeout_s = max(0.01, min(timeout_s, deadline - time.monotonic()))
        return self._over(open_connection(target, self.policy, self._tls, timeout_s), target, request, limits, deadline)

    def _over(
        self, connection: Connection, target: Target, request: bytes, limits: Limits, deadline: float | None
    ) -> Exchange:
        started_at, started = self._clock(), time.monotonic()
        ends = started + self.settings.total_timeout_s
        deadline = ends if deadline is None else min(ends, deadline)
        received = None
        try:
            received = receive(connection, request, url=target.url, limits=limits, deadline=deadline)
        finally:
            if received is not None and received.reusable:
                self._pool.give(target.origin, connection)
            else:
                connection.sock.close()
        return _as_exchange(
            received, target, request, connection, started_at, time.monotonic() - started, self._clock()
        )


def _header(key: str, value: str) -> str:
    if not _HEADER.fullmatch(value):
        raise SettingsError(f"{key} cannot be sent: {value!r}", where=key, remedy="Use one line of Latin-1 characters")
    return value


def _request(target: Target, ours: tuple[tuple[str, str], ...], given: tuple[tuple[str, str], ...]) -> bytes:
    """The exact bytes of the request."""
    for name, value in given:
        if not _HEADER.fullmatch(f"{name}{value}"):
            raise ValueError(f"no header: {name!r}: {value!r}")
    replaced = {name.lower() for name, _value in given}
    headers = [("Host", target.authority), *(pair for pair in ours if pair[0].lower() not in replaced), *given]
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    return f"GET {target.path} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")


def _as_exchange(
    received: Received,
    target: Target,
    request: bytes,
    connection: Connection,
    started_at: datetime,
    elapsed_s: float,
    ended_at: datetime,
) -> Exchange:
    head = received.head
    return Exchange(
        url=target.url,
        started_at=started_at,
        request=request,
        response_head=head.raw,
        body=received.body,
        status=head.status,
        headers=head.headers,
        ip=connection.ip,
        block_digest=received.block_digest,
        payload_digest=received.payload_digest,
        payload_size=received.payload_size,
        chunked=head.chunked,
        truncated=received.truncated,
        interim=received.interim,
        flags=received.flags,
        tls=connection.tls,
        first_byte_s=received.first_byte_s,
        elapsed_s=elapsed_s,
        ended_at=ended_at,
    )


# ------------------------------------------------------------------ redirects
def _following(exchanges: list[Exchange], max_redirects: int) -> Target | None:
    """Where the last exchange leads to, or None where it is the page.

    Raises UrlRefused, or CaptureFailed with code redirect-loop or too-many-redirects.
    """
    last = exchanges[-1]
    location = last.header("location")
    if last.status not in _REDIRECTS or not location:
        return None
    following = parse_url(_joined(last.url, location))
    if any(exchange.url == following.url for exchange in exchanges):
        raise CaptureFailed(
            f"the redirects go round in a circle, back to {following.url}",
            where=last.url,
            remedy="Name the page itself, or see whether it wants a login",
            code="redirect-loop",
        )
    if len(exchanges) > max_redirects:
        raise CaptureFailed(
            f"more than {max_redirects} redirects",
            where=last.url,
            remedy="Name the page itself, or raise max_redirects",
            code="too-many-redirects",
        )
    return following


def _joined(base: str, location: str) -> str:
    """A Location header as an absolute URL; servers send UTF-8 and spaces there."""
    try:
        location = location.encode("latin-1").decode("utf-8")
    except UnicodeDecodeError:
        pass  # then it is Latin-1, as the standard has it
    location = location.strip().replace(" ", "%20")
    try:
        return urljoin(base, location)
    except ValueError:
        return location  # no URL; parse_url says why


def _flagged(exchange: Exchange, flag: str) -> Exchange:
    return dataclasses.replace(exchange, flags=(*exchange.flags, flag))


def _on_the_way(error: TearsheetError, exchanges: list[Exchange]) -> TearsheetError:
    way = " → ".join(exchange.url for exchange in exchanges)
    return type(error)(f"{error.what} (redirected by {way})", where=error.where, remedy=error.remedy, code=error.code)
