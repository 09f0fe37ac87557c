"""A proxy before an S3 server, on loopback, that does to chosen requests what networks and other servers do."""

import re
import socket
import socketserver
import struct
import threading
from collections.abc import Callable
from dataclasses import dataclass

__all__ = ["FaultProxy", "Request"]


@dataclass(frozen=True)
class Request:
    number: int  # from 1
    method: str
    path: str
    head: bytes

    def has(self, header: str) -> bool:
        return f"\r\n{header}:".encode() in self.head.lower()


Plan = Callable[[Request], str | None]


def _answer(status: str, code: str) -> bytes:
    body = f"<Error><Code>{code}</Code><Message>m</Message></Error>".encode()
    head = f"HTTP/1.1 {status}\r\nContent-Type: application/xml\r\nConnection: close\r\nContent-Length: {len(body)}"
    return f"{head}\r\n\r\n".encode() + body


ANSWERS = {  # fault → answer in place of the server's
    "slow-down": _answer("503 Slow Down", "SlowDown"),
    "not-implemented": _answer("501 Not Implemented", "NotImplemented"),
    "unsupported-header": _answer("400 Bad Request", "InvalidRequest"),
    "forbidden": _answer("403 Forbidden", "AccessDenied"),
    "conflict": _answer("409 Conflict", "ConditionalRequestConflict"),
    "not-s3": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 11\r\n\r\n<h1>hi</h1>",
}


class FaultProxy(socketserver.ThreadingTCPServer):
    """`plan` names a fault per request, or None: one of ANSWERS, reset (before the server sees it), lost (after it
    has answered), cut (half the body), flip (one bit of the body).
    """

    daemon_threads = False

    def __init__(self, upstream: str, plan: Plan) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        host, _, port = upstream.removeprefix("http://").partition(":")
        self.upstream, self.plan = (host, int(port)), plan
        self.requests: list[Request] = []
        self.lock = threading.Lock()
        self.thread = threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.02})

    @property
    def endpoint(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}"

    def __enter__(self) -> "FaultProxy":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.thread.join()
        self.server_close()

    def handle_error(self, request: object, client_address: object) -> None:
        """Broken connections are what this is for."""

    def next_request(self, head: bytes) -> Request:
        method, path, _ = head.split(b"\r\n", 1)[0].decode().split(" ", 2)
        with self.lock:
            self.requests.append(Request(len(self.requests) + 1, method, path, head))
            return self.requests[-1]


class _Handler(socketserver.BaseRequestHandler):
    server: FaultProxy

    def handle(self) -> None:
        self.request.settimeout(10)
        message = b""
        while b"\r\n\r\n" not in message:
            if not (piece := self.request.recv(65536)):
                return
            message += piece
        head, _, body = message.partition(b"\r\n\r\n")
        if b"expect: 100-continue" in head.lower():
            self.request.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
        while len(body) < int(length[1] if length else 0):
            if not (piece := self.request.recv(262144)):
                return
            body += piece
        request = self.server.next_request(head)
        self.reply(self.server.plan(request), head, body)

    def reply(self, fault: str | None, head: bytes, body: bytes) -> None:
        if fault in ANSWERS:
            return self.request.sendall(ANSWERS[fault])
        if fault == "reset":
            return self.reset()
        answer_head, _, answer = self.forward(head, body).partition(b"\r\n\r\n")
        if fault == "lost":
            return self.reset()
        if fault == "flip":
            answer = answer[: len(answer) // 2] + bytes([answer[len(answer) // 2] ^ 1]) + answer[len(answer) // 2 + 1 :]
        cut = len(answer) // 2 if fault == "cut" else len(answer)
        return self.request.sendall(answer_head + b"\r\n\r\n" + answer[:cut])  # closing ends it

    def forward(self, head: bytes, body: bytes) -> bytes:
        head = re.sub(rb"(?i)\r\nexpect:[^\r]*", b"", head)  # answered by us already
        with socket.create_connection(self.server.upstream, 10) as upstream:
            upstream.sendall(head + b"\r\nConnection: close\r\n\r\n" + body)
            answer = b""
            while piece := upstream.recv(262144):
                answer += piece
            return answer

    def reset(self) -> None:
        self.request.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.request.close()
