"""A site on loopback whose every path a test names, with a status, a delay, headers; it counts what it was asked."""

import threading
import time
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass(frozen=True)
class Answer:
    body: bytes = b"x"
    kind: str = "image/png"
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0


class Site:
    """A context manager; `asked` has the path and headers of each request."""

    def __init__(self, answers: dict[str, Answer], *, delay_s: float = 0.0) -> None:
        self.answers, self.delay_s = answers, delay_s
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.at_once, self.most_at_once, self.lock = 0, 0, threading.Lock()
        site = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                site.answer(self)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.pair = f"127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})

    def url(self, path: str) -> str:
        return f"http://{self.pair}{path}"

    def paths(self) -> list[str]:
        return [path for path, _ in self.asked]

    def answer(self, handler: BaseHTTPRequestHandler) -> None:
        answer = self.answers.get(handler.path, Answer(b"no such thing", "text/plain", 404))
        with self.lock:
            self.asked.append((handler.path, {name.lower(): value for name, value in handler.headers.items()}))
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        time.sleep(self.delay_s + answer.delay_s)
        with self.lock:
            self.at_once -= 1
        handler.send_response(answer.status)
        for name, value in (
            {"Content-Type": answer.kind, "Content-Length": str(len(answer.body))} | answer.headers
        ).items():
            handler.send_header(name, value)
        handler.end_headers()
        handler.wfile.write(answer.body)

    def __enter__(self) -> "Site":
        self.thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()
