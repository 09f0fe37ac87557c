"""A server on 127.0.0.1, on a port of its own. Who asks for another name, as DNS rebinding does, gets nothing."""

import contextlib
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tasks.errors import PermanentError

__all__ = ["Answered", "Asked", "Loopback", "refused"]

HOST = "127.0.0.1"
_PIECE = 1 << 20
_QUIET_S = 60.0  # seconds after which a connection that asks nothing is closed
_RANGE = re.compile(r"bytes=([0-9]{0,18})-([0-9]{0,18})")
_HEADER_TEXT = re.compile(r"[\x20-\x7e]*")


@dataclass(frozen=True, slots=True)
class Asked:
    """A request: GET, HEAD or OPTIONS."""

    method: str
    path: str  # with its query
    headers: Mapping[str, str]  # names lower-case

    def header(self, name: str) -> str:
        """The value of a header, or the empty string."""
        return self.headers.get(name, "")


@dataclass(frozen=True, slots=True)
class Answered:
    """The answer to one; of a body of 200 a range may be asked for."""

    status: int
    headers: tuple[tuple[str, str], ...] = ()
    body: bytes | Path = b""


def refused(status: int, text: str, *headers: tuple[str, str]) -> Answered:
    """An answer of one line."""
    return Answered(status, (("Content-Type", "text/plain; charset=utf-8"), *headers), f"{text}\n".encode())


class Loopback:
    """A running server; `answer` is set before it is asked anything. A context manager: afterwards the port is free."""

    def __init__(self, port: int = 0) -> None:
        self.answer: Callable[[Asked], Answered] = lambda asked: refused(404, "nothing here")
        loopback = self

        class Handler(_Handler):
            owner = loopback

        try:
            self._server = _Server((HOST, port), Handler)
        except (OSError, OverflowError) as error:
            reason = getattr(error, "strerror", None) or str(error)
            remedy = "Name another one with --port, or none"
            raise PermanentError(f"cannot listen there: {reason}", where=f"port {port}", remedy=remedy) from None
        self.pair = f"{HOST}:{self._server.server_address[1]}"
        self.origin = f"http://{self.pair}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)

    def __enter__(self) -> "Loopback":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing: the browser went away."""


class _Handler(BaseHTTPRequestHandler):
    owner: Loopback
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "tearsheet", ""
    timeout = _QUIET_S

    def do_GET(self) -> None:
        with contextlib.suppress(ConnectionError, TimeoutError):  # the browser went away
            self._give(self._answer())

    do_HEAD = do_OPTIONS = do_GET  # noqa: N815 the names that the standard library calls

    def _answer(self) -> Answered:
        if self.headers.get("Host") != self.owner.pair:
            return refused(403, "wrong host")
        path = self.path
        if not path.startswith("/"):  # a proxy's form
            parts = urlsplit(path)
            path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            return self.owner.answer(Asked(self.command, path, headers))
        except Exception as error:  # one record that cannot be read never ends the server
            return refused(500, f"cannot be read: {type(error).__name__}")

    def _give(self, answered: Answered) -> None:
        body = answered.body
        size = body.stat().st_size if isinstance(body, Path) else len(body)
        status, headers, start, stop = answered.status, list(answered.headers), 0, size
        if status == 200:
            headers.append(("Accept-Ranges", "bytes"))
            status, start, stop = _ranged(self.headers.get("Range", ""), size)
            if status == 206:
                headers.append(("Content-Range", f"bytes {start}-{stop - 1}/{size}"))
            elif status == 416:
                headers.append(("Content-Range", f"bytes */{size}"))
        self.send_response(status)
        for name, value in (*headers, ("Cache-Control", "no-store"), ("X-DNS-Prefetch-Control", "off")):
            if _HEADER_TEXT.fullmatch(value):
                self.send_header(name, value)
        if status not in (204, 304):
            self.send_header("Content-Length", str(stop - start))
        self.end_headers()
        if self.command != "HEAD" and status not in (204, 304):
            for piece in _pieces(body, start, stop):
                self.wfile.write(piece)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


def _ranged(asked: str, size: int) -> tuple[int, int, int]:
    """Status, first byte, byte after the last: of one range, else of the whole."""
    match = _RANGE.fullmatch(asked.strip())
    if not match or not (match[1] or match[2]):
        return 200, 0, size
    if match[1]:
        start, stop = int(match[1]), min(int(match[2]) + 1, size) if match[2] else size
    else:
        start, stop = max(0, size - int(match[2])), size
    return (206, start, stop) if start < stop else (416, 0, 0)


def _pieces(body: bytes | Path, start: int, stop: int) -> Iterator[bytes]:
    if isinstance(body, bytes):
        yield body[start:stop]
        return
    with body.open("rb") as file:
        file.seek(start)
        while start < stop and (piece := file.read(min(_PIECE, stop - start))):
            start += len(piece)
            yield piece
