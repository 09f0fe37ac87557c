"""A proxy before an S3 server, on loopback, that does to chosen requests what networks and other servers do."""

import re
import select
import socket
import socketserver
import struct
import threading
import time
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


PATIENCE_S = 20.0
TRICKLE_S = 0.05
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
    "skewed": _answer("403 Forbidden", "RequestTimeTooSkewed"),
    "not-s3": b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 11\r\n\r\n<h1>hi</h1>",
}


class FaultProxy(socketserver.ThreadingTCPServer):
    """`plan` names a fault per request, or None: one of ANSWERS, or

    reset     the connection breaks before the server sees the request; lost: after it has answered
    hang      no answer, until the client gives up
    cut       half the body, then the end; stall: then silence; trickle: byte by byte
    flip      one bit of the body is another; flip@n: of its byte n
    longer    the head promises a byte more than comes; shorter: one less than it is
    no-sums   the head tells neither digest nor tag
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
        self.request.settimeout(PATIENCE_S)
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
        if fault == "hang":
            return self.silence()
        answer_head, _, answer = self.forward(head, body).partition(b"\r\n\r\n")
        if fault == "lost":
            return self.reset()
        answer_head, answer = changed(fault or "", answer_head, answer)
        if fault == "trickle" and answer:
            return self.trickle(answer_head, answer)
        end = len(answer) // 2 if fault in ("cut", "stall") else len(answer)
        self.request.sendall(answer_head + b"\r\n\r\n" + answer[:end])  # closing ends it
        if fault == "stall" and answer:
            self.silence()
        return None

    def silence(self) -> None:
        """Returns when the client has gone."""
        select.select([self.request], [], [], PATIENCE_S)

    def trickle(self, head: bytes, answer: bytes) -> None:
        self.request.sendall(head + b"\r\n\r\n")
        for at in range(len(answer)):
            self.request.sendall(answer[at : at + 1])
            time.sleep(TRICKLE_S)

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


def changed(fault: str, head: bytes, body: bytes) -> tuple[bytes, bytes]:
    """An answer as it arrives with one of the faults that change its bytes."""
    if fault.startswith("flip") and body:
        at = int(fault.partition("@")[2] or len(body) // 2) % len(body)
        body = body[:at] + bytes([body[at] ^ 1]) + body[at + 1 :]
    if fault in ("longer", "shorter") and body:
        head = re.sub(
            rb"(?i)(\r\ncontent-length: *)\d+", rb"\g<1>%d" % (len(body) + (1 if fault == "longer" else -1)), head
        )
    if fault.endswith("no-sums"):
        head = re.sub(rb"(?i)\r\n(x-amz-checksum-[a-z0-9]+|etag):[^\r]*", b"", head)
    return head, body
