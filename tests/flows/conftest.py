"""A site and a real Prefect server on loopback, and what the tests ask of them. No process outlives its fixture."""

import contextlib
import functools
import http.server
import importlib.util
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

PROSE = (
    "The harbour board voted on Tuesday evening to keep the old crane standing for another ten years. "
    "Engineers had warned that its foot was rusting, and the repair will cost more than the board has put aside. "
    "A fund set up by former dock workers will pay a third of the sum, its chair told the meeting. "
)
ARTICLE = (
    "<!doctype html><html lang=en><head><title>{title}</title></head><body><nav><a href=/>Home</a></nav>"
    "<article><h1>{title}</h1>" + f"<p>{PROSE}</p>" * 3 + "</article></body></html>"
)
FEED = (
    "<?xml version='1.0'?><rss version='2.0'><channel><title>Harbour</title><link>/</link><description>d</description>"
    "<item><title>1</title><link>/crane</link></item><item><title>2</title><link>/ferry#top</link></item>"
    "<item><title>3</title><link>/private/minutes</link></item><item><title>4</title><link>/gone</link></item>"
    "</channel></rss>"
)
PAGES = {
    "/crane": ("text/html", ARTICLE.format(title="The crane stays `here` <b>")),
    "/ferry": ("text/html", ARTICLE.format(title="A ferry is late")),
    "/feed.xml": ("application/rss+xml", FEED),
    "/robots.txt": ("text/plain", "User-agent: *\nDisallow: /private/\n"),
}
STATUS = {"/busy": 503}


class _Site(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        kind, text = PAGES.get(self.path, ("text/html", "<title>Not here</title><p>Nothing to see.</p>"))
        body = text.encode()
        self.send_response(200 if self.path in PAGES else STATUS.get(self.path, 404))
        self.send_header("Content-Type", f"{kind}; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: object) -> None:
        """Nothing: the tests look at what was stored."""


@pytest.fixture(scope="session")
def site() -> Iterator[str]:
    """host:port of a small site with a feed and a robots.txt."""
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Site) as server:
        thread = threading.Thread(target=functools.partial(server.serve_forever, poll_interval=0.05))
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


@dataclass(frozen=True)
class Prefect:
    """A running server: its API, and the environment that makes other processes use it."""

    url: str
    environ: Mapping[str, str]
    folder: Path

    def ask(self, path: str, body: Any = None) -> Any:
        """The JSON that a GET, or with a `body` a POST, of `path` answers; asked again while the database is locked."""
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, headers={"Content-Type": "application/json"})
        for wait_s in (0.5, 1, 2, 4, None):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    return json.load(answer)
            except urllib.error.HTTPError as error:
                error.close()
                if error.code != 503 or wait_s is None:
                    raise
                time.sleep(wait_s)
        return None

    def runs_of(self, flow: str) -> list[dict[str, Any]]:
        """The runs of a flow, earliest first."""
        wanted = {"flows": {"name": {"any_": [flow]}}, "sort": "EXPECTED_START_TIME_ASC"}
        return self.ask("/flow_runs/filter", wanted)

    def run_python(self, code: str, **environ: str) -> str:
        """What a process running `code` against this server prints."""
        done = subprocess.run(
            [sys.executable, "-W", "ignore", "-c", code],
            env={**self.environ, **environ},
            cwd=self.folder,
            capture_output=True,
            text=True,
            timeout=240,
        )
        assert done.returncode == 0, done.stderr
        return done.stdout


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def until(what: str, ready: Callable[[], Any], timeout_s: float) -> Any:
    """The first true answer of `ready`; fails when there is none in time."""
    deadline = time.monotonic() + timeout_s
    while time.monotonic() < deadline:
        with contextlib.suppress(urllib.error.URLError, ConnectionError):
            if answer := ready():
                return answer
        time.sleep(0.25)
    pytest.fail(f"waited {timeout_s} s for {what}")


@contextlib.contextmanager
def process(command: list[str], log: Path, environ: Mapping[str, str], cwd: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A process with a group of its own, asked to end and then made to with all that it started."""
    with log.open("wb") as out:
        started = subprocess.Popen(
            command, env=dict(environ), cwd=cwd, stdout=out, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            yield started
        finally:
            with contextlib.suppress(ProcessLookupError):
                started.send_signal(signal.SIGINT)
            with contextlib.suppress(subprocess.TimeoutExpired):
                started.wait(15)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(started.pid, signal.SIGKILL)
            started.wait()


@pytest.fixture(scope="session")
def prefect(tmp_path_factory: pytest.TempPathFactory, site: str) -> Iterator[Prefect]:
    """A Prefect server with a database of its own; the site may be fetched, and retries do not wait."""
    folder = tmp_path_factory.mktemp("prefect")
    port = free_port()
    url = f"http://127.0.0.1:{port}/api"
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "TEARSHEET_"))}
    environ |= {
        "DO_NOT_TRACK": "1",
        "PREFECT_API_URL": url,
        "PREFECT_HOME": str(folder / "home"),
        "PREFECT_PROFILES_PATH": str(folder / "profiles.toml"),
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PYTHONPATH": str(Path(__file__).parents[2]),
        "TEARSHEET_ALLOW": site,
        "TEARSHEET_RETRY_WAIT_S": "0",
        "TEARSHEET_STORE": str(folder / "store"),
    }
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with process(command, folder / "server.log", environ, folder):
        server = Prefect(url, environ, folder)
        until("the Prefect server", lambda: server.ask("/health"), 90)
        yield server


CLUSTER = """
import sys
from distributed import LocalCluster
if __name__ == "__main__":
    with LocalCluster(n_workers=2, threads_per_worker=1, host="127.0.0.1", dashboard_address=None) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()
"""


@pytest.fixture(params=["thread", "process", "dask", "dask:tcp"])
def runner(request: pytest.FixtureRequest, tmp_path: Path, prefect: Prefect) -> Iterator[str]:
    """A kind of runner; of the last one the scheduler of a cluster of two workers, in processes of their own."""
    kind = str(request.param)
    if kind.startswith("dask") and not importlib.util.find_spec("prefect_dask"):
        pytest.skip("prefect-dask is not installed: pip install 'tearsheet[dask]'")
    if kind != "dask:tcp":
        yield kind
        return
    script = tmp_path / "cluster.py"
    script.write_text(CLUSTER)
    command = [sys.executable, "-W", "ignore", str(script)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=prefect.environ
    ) as cluster:
        assert cluster.stdin
        assert cluster.stdout
        yield f"dask:{cluster.stdout.readline().strip()}"
        cluster.stdin.close()
