"""Two workers beside each other, each with its share of the hosts: no host is asked faster, no page twice."""

import subprocess
import sys
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.watching.test_runs import STORY

HOSTS, PAGES, APART_S = 6, 3, 1.0
_JITTER = 0.5  # of that: a page passes the gate some time before its request goes out, on a busy machine

WORKER = (
    f"HOSTS, PAGES, APART_S = {HOSTS}, {PAGES}, {APART_S}"
    + """
import socket, sys
from pathlib import Path
from tasks.pipeline import open_tools
from tasks.settings import config_dirs, load_settings
from tasks.sources import Source
from tasks.watching import watch_source

folder, port, share, shares = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
hosts = [f"desk-{number}.example" for number in range(HOSTS)]
urls = tuple(f"http://{host}:{port}/story-{page}" for host in hosts for page in range(PAGES))
settings = load_settings(
    environ={}, store=str(folder / "store"), cache=str(folder / f"cache-{share}"), robots="ignore", mode="page",
    allow=tuple(f"{host}:{port}" for host in hosts), host_interval_s=APART_S, soft404_probe="never", sign=False,
)
def here(host, port, *more, **most):
    return socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)
with open_tools(settings, config_dirs(environ={}), resolver=here) as tools:
    source = Source(name="desks", cron="", urls=urls)
    heard = lambda outcome: print(outcome.url, outcome.kind, flush=True)
    watch_source(source, tools, heard=heard, share=(share, shares))
"""
)


class Desks:
    """A server for all hosts; `asked` has host, path and time of each request."""

    def __init__(self) -> None:
        asked: list[tuple[str, str, float]] = []
        self.asked = asked

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append((self.headers["Host"], self.path, time.monotonic()))
                body = STORY.replace('<link rel="canonical" href="/library-roof.html">', "").encode()
                body = body.replace(b"buckets", f"buckets for {self.headers['Host']}{self.path}".encode())
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = str(self.server.server_address[1])
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})


@pytest.fixture
def desks() -> Iterator[Desks]:
    made = Desks()
    made.thread.start()
    yield made
    made.server.shutdown()
    made.thread.join()
    made.server.server_close()


def worker(folder: Path, desks: Desks, share: int, shares: int = 2) -> "subprocess.Popen[str]":
    command = [sys.executable, "-W", "ignore", "-c", WORKER, str(folder), desks.port, str(share), str(shares)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2])


def ended(process: "subprocess.Popen[str]") -> str:
    with process:
        out, _ = process.communicate(timeout=120)
    return out


def closest_s(desks: Desks) -> float:
    """The least time between the beginnings of two pages of one host."""
    by_host: defaultdict[str, list[float]] = defaultdict(list)
    for host, _, at in desks.asked:
        by_host[host].append(at)
    return min(later - earlier for times in by_host.values() for earlier, later in pairwise(sorted(times)))


def bundles(folder: Path) -> int:
    """How many are committed; a worker that is killed may leave a WACZ without its manifest, which is none."""
    return len(list((folder / "store").glob("v1/bundles/*/*/*/*.json")))


def test_two_workers_ask_no_host_faster_and_no_page_twice(desks: Desks, tmp_path: Path) -> None:
    for process in [worker(tmp_path, desks, 0), worker(tmp_path, desks, 1)]:
        assert ended(process).count(" ok") >= PAGES
    asked = Counter((host, path) for host, path, _ in desks.asked)
    assert set(asked.values()) == {1}
    assert len(asked) == bundles(tmp_path) == HOSTS * PAGES
    assert closest_s(desks) >= APART_S * _JITTER


def test_workers_that_did_not_share_the_hosts_would_ask_them_twice_as_fast(desks: Desks, tmp_path: Path) -> None:
    """The case that the others could not see without their shares."""
    for process in [worker(tmp_path / "a", desks, 0, 1), worker(tmp_path / "b", desks, 0, 1)]:
        ended(process)
    assert len(desks.asked) == 2 * HOSTS * PAGES
    assert closest_s(desks) < APART_S * _JITTER


def test_when_one_worker_is_killed_its_next_run_does_the_rest_and_nothing_twice(desks: Desks, tmp_path: Path) -> None:
    first, second = worker(tmp_path, desks, 0), worker(tmp_path, desks, 1)
    assert second.stdout
    second.stdout.readline()
    second.kill()
    ended(second)
    ended(first)
    again = ended(worker(tmp_path, desks, 1))
    assert again.count(" ok") < HOSTS * PAGES
    assert bundles(tmp_path) == HOSTS * PAGES
    assert closest_s(desks) >= APART_S * _JITTER
