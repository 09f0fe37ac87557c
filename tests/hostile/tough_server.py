"""A loopback web server that answers as servers should not, and remembers every byte that it sent.

A case is a generator of bytes to send and of the steps below, named by the first part of the path: CASES, or others.
"""

import socket
import ssl
import struct
import threading
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.hostile.cases import CASES, Case, Close, Pause, Request, Reset, Step, Wait

_REMEMBERED = 16 << 20  # bytes a path; endless answers are not kept beyond


@dataclass(slots=True)
class _Client:
    sock: socket.socket
    thread: threading.Thread | None = None


class ToughServer:
    """Serves `cases` on a free loopback port, or at `address`, until closed; with `tls` over that context."""

    def __init__(
        self,
        tls: ssl.SSLContext | None = None,
        *,
        cases: Mapping[str, Case] = CASES,
        address: tuple[str, int] = ("127.0.0.1", 0),
    ) -> None:
        self.cases = cases
        self._tls, self._sent = tls, defaultdict[str, bytearray](bytearray)
        self._requests, self._lock = defaultdict[str, list[bytes]](list), threading.Lock()
        self._clients: list[_Client] = []
        self._closing = threading.Event()
        self._listener = socket.create_server(address, backlog=128)
        self.port: int = self._listener.getsockname()[1]
        self.connections = 0
        self._accepting = threading.Thread(target=self._accept)
        self._accepting.start()

    def __enter__(self) -> "ToughServer":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def pair(self) -> str:
        """What TEARSHEET_ALLOW names it by."""
        return f"127.0.0.1:{self.port}"

    def url(self, path: str) -> str:
        """The URL of a path that starts with a slash."""
        return f"{'https' if self._tls else 'http'}://{self.pair}{path}"

    def sent(self, path: str) -> bytes:
        """Every byte sent for `path` so far, all answers joined."""
        with self._lock:
            return bytes(self._sent[path])

    def requests(self, path: str) -> list[bytes]:
        """The heads of the requests for `path`."""
        with self._lock:
            return list(self._requests[path])

    def close(self) -> None:
        """Every connection and thread ended."""
        self._closing.set()
        for sock in (self._listener, *(client.sock for client in self._clients)):
            try:
                sock.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass  # the other side, or a case, was first
        self._accepting.join()
        self._listener.close()
        for client in self._clients:
            if client.thread:
                client.thread.join()

    def _accept(self) -> None:
        while not self._closing.is_set():
            try:
                sock, _address = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            client = _Client(sock)
            client.thread = threading.Thread(target=self._serve, args=(client,))
            self._clients = [other for other in self._clients if other.thread and other.thread.is_alive()]
            self._clients.append(client)
            client.thread.start()

    def _serve(self, client: _Client) -> None:
        try:
            client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self._tls:
                client.sock = self._tls.wrap_socket(client.sock, server_side=True)
            for count, request in enumerate(_requests_of(client.sock)):
                if not self._answer(client.sock, request, count):
                    return
        except OSError:
            return  # clients that stop early are part of the test
        finally:
            client.sock.close()

    def _answer(self, sock: socket.socket, head: bytes, count: int) -> bool:
        path = head.split(b" ", 2)[1].decode("latin-1")
        with self._lock:
            self._requests[path].append(head)
            visit = len(self._requests[path])
        name, _, rest = path.partition("?")[0].lstrip("/").partition("/")
        request = Request(head, path, rest, path.partition("?")[2], visit=visit, on_connection=count)
        return all(self._do(sock, path, step) for step in self.cases.get(name, CASES["404"])(request))

    def _do(self, sock: socket.socket, path: str, step: Step) -> bool:
        if isinstance(step, bytes):
            with self._lock:
                if len(self._sent[path]) < _REMEMBERED:
                    self._sent[path] += step
            sock.sendall(step)
            return True
        if isinstance(step, Pause):
            return not self._closing.wait(step.seconds)
        if isinstance(step, Wait):
            self._closing.wait()
        elif isinstance(step, Reset):
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif isinstance(step, Close):
            _close_gently(sock)
        return False


def _close_gently(sock: socket.socket) -> None:
    """The end of what we send, then of the connection: nothing sent may be lost in a reset."""
    if isinstance(sock, ssl.SSLSocket):
        sock = sock.unwrap()
    sock.shutdown(socket.SHUT_WR)
    sock.settimeout(2)
    while sock.recv(65536):
        pass


def _requests_of(sock: socket.socket) -> Iterator[bytes]:
    data = b""
    while True:
        while b"\r\n\r\n" not in data:
            more = sock.recv(65536)
            if not more:
                return
            data += more
            if data.startswith(b"\x16"):  # a TLS hello on a plain port: answer as web servers do
                sock.sendall(b"HTTP/1.1 400 Bad Request\r\n\r\n")
                return
        head, _, data = data.partition(b"\r\n\r\n")
        yield head
