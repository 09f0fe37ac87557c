"""One exchange over an open connection: a request out, a response in, every byte kept and digested on the way."""

import time
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Protocol

from tasks.capture.body import SpooledBody
from tasks.capture.chunks import Dechunker
from tasks.capture.connect import Connection
from tasks.capture.head import HEAD_END, Head, parse_head
from tasks.errors import CaptureFailed, CaptureTransient
from tasks.records import Digest

__all__ = ["Limits", "Received", "receive"]

_READ_BYTES = 1 << 16


class Limits(Protocol):
    """The settings that bound one exchange; tasks.settings.Settings is one."""

    @property
    def idle_timeout_s(self) -> float:
        """Seconds without a byte."""

    @property
    def max_header_bytes(self) -> int:
        """Bytes of all heads of one response, interim ones too."""

    @property
    def max_body_bytes(self) -> int:
        """Bytes of the body on the wire."""


@dataclass(slots=True)
class Received:
    """A response; `reusable` says whether the connection is clean for another exchange."""

    head: Head
    interim: tuple[bytes, ...]
    body: SpooledBody
    first_byte_s: float
    block_digest: Digest
    payload_digest: Digest
    payload_size: int
    truncated: str
    flags: tuple[str, ...]
    reusable: bool


def receive(connection: Connection, request: bytes, *, url: str, limits: Limits, deadline: float) -> Received:
    """The response to `request`, at the latest at `deadline` (time.monotonic()).

    A body that is cut off is kept, and `truncated` says why. Raises CaptureTransient (no-response, timeout,
    header-truncated) or CaptureFailed (not-http, header-too-large) where no whole head came.
    """
    source = _Source(connection, limits.idle_timeout_s, deadline)
    started = time.monotonic()
    head, interim, rest = _read_heads(source, request, url, limits.max_header_bytes)
    with_body = _Receiving(head, limits.max_body_bytes)
    try:
        _read_body(source, head, rest, with_body)
    except BaseException:
        with_body.body.close()
        raise
    return with_body.finish(interim, source.first_byte_at - started)


class _Source:
    """The receiving end of a connection with its two time limits."""

    def __init__(self, connection: Connection, idle_s: float, deadline: float) -> None:
        self.sock, self.idle_s, self.deadline = connection.sock, idle_s, deadline
        self.first_byte_at = 0.0

    def send(self, data: bytes) -> None:
        self._wait_at_most()
        self.sock.sendall(data)

    def read(self) -> bytes:
        """Some bytes, or none at the end. Raises TimeoutError at either limit, other OSErrors as they come."""
        self._wait_at_most()
        data = self.sock.recv(_READ_BYTES)
        if not self.first_byte_at:
            self.first_byte_at = time.monotonic()
        return data

    def _wait_at_most(self) -> None:
        left = self.deadline - time.monotonic()
        if left <= 0:
            raise TimeoutError("total")
        self.sock.settimeout(min(self.idle_s, left))


# ------------------------------------------------------------------ heads
def _read_heads(source: _Source, request: bytes, url: str, max_bytes: int) -> tuple[Head, list[Head], bytes]:
    """The final head, the interim ones before it, and the bytes of the body that came along."""
    data = b""
    interim: list[Head] = []
    try:
        source.send(request)
        while True:
            raw, data = _read_head(source, data, url, max_bytes)
            max_bytes -= len(raw)
            head = parse_head(raw)
            if head is None:
                raise _not_http(url, raw)
            if not head.interim:
                return head, interim, data
            interim.append(head)
    except TimeoutError:
        what = "no whole answer in time" if source.first_byte_at else "no answer in time"
        raise CaptureTransient(what, where=url, remedy="Try later, or raise idle_timeout_s", code="timeout") from None
    except OSError as error:
        raise _no_response(url, error.strerror or str(error), begun=bool(source.first_byte_at)) from None


def _read_head(source: _Source, data: bytes, url: str, max_bytes: int) -> tuple[bytes, bytes]:
    look_from = 0
    while not (end := HEAD_END.search(data, look_from)):
        if len(data) > max_bytes:
            raise _header_too_large(url)
        if not data.startswith(b"HTTP/"[: len(data)]):
            raise _not_http(url, data)
        look_from = max(0, len(data) - 3)
        more = source.read()
        if not more:
            raise _no_response(url, "the connection was closed", begun=bool(data))
        data += more
    if end.end() > max_bytes:
        raise _header_too_large(url)
    return data[: end.end()], data[end.end() :]


def _not_http(url: str, data: bytes) -> CaptureFailed:
    what = f"the answer is not HTTP/1: {data[:40]!r}"
    return CaptureFailed(what, where=url, remedy="See whether a web server listens there", code="not-http")


def _header_too_large(url: str) -> CaptureFailed:
    what = "the head of the answer is larger than max_header_bytes"
    return CaptureFailed(what, where=url, remedy="Raise that setting if the site is trusted", code="header-too-large")


def _no_response(url: str, why: str, *, begun: bool) -> CaptureTransient:
    what = f"the answer broke off in its head: {why}" if begun else f"no answer: {why}"
    code = "header-truncated" if begun else "no-response"
    return CaptureTransient(what, where=url, remedy="Try again later", code=code)


# ------------------------------------------------------------------ body
@dataclass(slots=True)
class _Receiving:
    """A body as it comes in, with its digests; nothing past `room` is kept."""

    head: Head
    room: int
    body: SpooledBody = field(default_factory=SpooledBody)
    truncated: str = ""
    flags: list[str] = field(default_factory=list)
    complete: bool = False
    block: "_Hash" = field(default_factory=sha256)
    payload: "_Hash" = field(default_factory=sha256)
    payload_size: int = 0

    def __post_init__(self) -> None:
        self.block.update(self.head.raw)

    def keep(self, data: bytes) -> bytes:
        """What of `data` was kept: all, or up to the size limit, where the body is then truncated."""
        room = self.room - self.body.size
        if len(data) > room:
            data, self.truncated = data[:room], "length"
        self.body.write(data)
        self.block.update(data)
        return data

    def count(self, payload: bytes) -> None:
        """`payload` digested as part of the entity body."""
        self.payload.update(payload)
        self.payload_size += len(payload)

    def finish(self, interim: list[Head], first_byte_s: float) -> Received:
        """The whole response."""
        flags = self.head.flags + tuple(dict.fromkeys(f"interim-{head.status}" for head in interim)) + tuple(self.flags)
        return Received(
            head=self.head,
            interim=tuple(head.raw for head in interim),
            body=self.body,
            first_byte_s=first_byte_s,
            block_digest=Digest(f"sha256:{self.block.hexdigest()}"),
            payload_digest=Digest(f"sha256:{self.payload.hexdigest()}"),
            payload_size=self.payload_size,
            truncated=self.truncated,
            flags=flags,
            reusable=self.complete and self.head.keeps_alive and not self.flags,
        )


class _Hash(Protocol):
    def update(self, data: bytes, /) -> object: ...

    def hexdigest(self) -> str: ...


def _read_body(source: _Source, head: Head, rest: bytes, into: _Receiving) -> None:
    read = _read_chunked if head.chunked else _read_to_end if head.length is None else _read_counted
    try:
        read(source, rest, into)
    except TimeoutError:
        into.truncated = "time"
    except OSError as error:
        into.truncated = "disconnect"
        into.flags.append(f"broken-off-{type(error).__name__}")


def _read_counted(source: _Source, data: bytes, into: _Receiving) -> None:
    left = into.head.length or 0
    while True:
        if len(data) > left:
            into.flags.append("extra-bytes")
            data = data[:left]
        kept = into.keep(data)
        into.count(kept)
        left -= len(kept)
        if into.truncated:
            return
        if not left:
            into.complete = True
            return
        data = source.read()
        if not data:
            into.truncated = "disconnect"
            return


def _read_to_end(source: _Source, data: bytes, into: _Receiving) -> None:
    while True:
        into.count(into.keep(data))
        if into.truncated:
            return
        data = source.read()
        if not data:
            into.complete = True
            return


def _read_chunked(source: _Source, data: bytes, into: _Receiving) -> None:
    framing = Dechunker()
    while True:
        room = into.room - into.body.size
        used = framing.feed(data[:room])
        into.keep(data[:used])
        for piece in framing.payload:
            into.count(piece)
        if framing.broken:
            into.flags.append("bad-chunk")
            into.truncated = "unspecified"  # no one can tell what belongs to the message from here on
        elif framing.done:
            into.complete = True
            if used < len(data):
                into.flags.append("extra-bytes")
        elif used < len(data):
            into.truncated = "length"
        if into.truncated or into.complete:
            return
        data = source.read()
        if not data:
            into.truncated = "disconnect"
            return
