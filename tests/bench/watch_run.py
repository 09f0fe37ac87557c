"""Watch runs over real pages on 50 hosts of loopback into a real SeaweedFS, beside a plain script in the same run.

    python -m tests.bench.watch_run -n 1000 --peer-python PYTHON

Measured: URLs per CPU second and per second beside the plain script (sequential, two processes); the largest memory;
a second run over unchanged pages; a run with 100 ms latency and two requests at once a host, beside the limit that
politeness sets; and one with the hosts' pages so far apart that the CPU is no limit. Needs the shared test material
(TEARSHEET_TEST_SHARED); the plain script needs requests, warcio, trafilatura and boto3 in the interpreter that
--peer-python names.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tasks.store.local import LocalS3
from tests.bench.end_to_end import SHARED, free_port, wait_for

ROOT, HOSTS = Path(__file__).parents[2], 50
APART_S = 10.0  # 5 pages a second: the CPU can do more
WATCHER = """
import json, resource, socket, sys, time
from tasks.pipeline import open_tools
from tasks.settings import config_dirs, load_settings
from tasks.sources import Source
from tasks.watching import watch_source

store, port, file, at_once, apart_s = sys.argv[1:]
urls = tuple(open(file).read().split())
hosts = {url.split("/")[2] for url in urls}
settings = load_settings(
    store=store, robots="ignore", mode="page", host_interval_s=float(apart_s),
    host_at_once=int(at_once), per_host=int(at_once), allow=tuple(hosts), soft404_probe="never",
    workers=max(8, min(64, int(at_once) * len(hosts))),
)
def here(host, port, *more, **most):
    return socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)
started = time.monotonic()
with open_tools(settings, config_dirs(environ={}), resolver=here) as tools:
    report = watch_source(Source(name="bench", kind="urls", urls=urls, revisit=(0.001,)), tools)
print(json.dumps({"kinds": report.kinds, "seconds": time.monotonic() - started}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--peer-python", default=sys.executable)
    parser.add_argument("--no-peer", action="store_true")
    args = parser.parse_args()
    if not (SHARED / "bench" / "e2e").is_dir():
        print(f"no shared test material at {SHARED}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as folder, LocalS3(Path(folder) / "s3", bucket="e2e") as s3:
        env = {**os.environ, **s3.environ, "S3_ENDPOINT": s3.endpoint, "TEARSHEET_CACHE": f"{folder}/cache"}
        with site() as port:
            urls = listed(port, args.n)
            peers = {} if args.no_peer else {"plain": [], "plain, 2 processes": ["--processes", "2"]}
            rates = {}
            for name, more in peers.items():
                command = [
                    args.peer_python,
                    str(SHARED / "bench/e2e/baseline.py"),
                    "--store",
                    f"s3://e2e/{name[-1]}",
                    *more,
                ]
                rates[name] = shown(name, measured(command, env, stdin="\n".join(urls)), args.n)
            rates["ours"] = shown("ours", watched(urls, port, "s3://e2e/ours", env, folder), args.n)
            first = rates["ours"]
            second = watched(urls, port, "s3://e2e/ours", env, folder)
            shown("ours, again", second, args.n)
            few = watched(urls[: args.n // 5], port, "s3://e2e/few", env, folder)
            shown(f"ours, {args.n // 5} pages", few, args.n // 5)
        for name in peers:
            print(f"URLs per CPU second, ours to {name}: {first['per_cpu'] / rates[name]['per_cpu']:.2f} (bar: 2)")
        print(f"second run {first['seconds'] / second['seconds']:.1f} times as fast (bar: 5)")
        with site("--delay-ms", "100") as port:
            urls = listed(port, args.n)
            slow = watched(urls, port, "s3://e2e/slow", env, folder, at_once=2)
            shown("ours, 100 ms latency, 2 at once a host", slow, args.n)
            print(f"pages a second {args.n / slow['seconds']:.1f}; politeness allows {HOSTS * 2 / 0.1:.0f}")
            polite(urls[: 6 * HOSTS], port, env, folder)
    return 0


def polite(urls: list[str], port: int, env: dict[str, str], folder: str) -> None:
    """A run whose hosts' pages are APART_S apart: the last of each host cannot begin before its turn."""
    found = watched(urls, port, "s3://e2e/polite", env, folder, at_once=2, apart_s=APART_S)
    shown(f"ours, {APART_S:.0f} s between the pages of a host", found, len(urls))
    least_s = (-(-len(urls) // HOSTS) - 1) * APART_S
    print(f"{least_s:.0f} s of {found['seconds']:.1f} s are what politeness wants: {least_s / found['seconds']:.0%}")


def listed(port: int, count: int) -> list[str]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/index.txt") as answer:
        return answer.read().decode().split()[:count]


@contextmanager
def site(*more: str) -> Iterator[int]:
    port = free_port()
    command = [sys.executable, str(SHARED / "bench/e2e/site_server.py"), str(port), str(SHARED / "corpus"), *more]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL) as process:
        try:
            wait_for(f"http://127.0.0.1:{port}/index.txt")
            yield port
        finally:
            process.terminate()


def watched(
    urls: list[str], port: int, store: str, env: dict[str, str], folder: str, at_once: int = 6, apart_s: float = 0.0
) -> dict[str, Any]:
    file = Path(folder) / "urls.txt"
    named = [url.replace("127.0.0.1", f"desk-{number % HOSTS}.example") for number, url in enumerate(urls)]
    file.write_text("\n".join(named))
    command = [sys.executable, "-W", "ignore", "-c", WATCHER, store, str(port), str(file), str(at_once), str(apart_s)]
    return measured(command, env)


def measured(command: list[str], env: dict[str, str], stdin: str = "") -> dict[str, Any]:
    """Wall seconds, CPU seconds and the largest MB of a command with its children; what it printed last."""
    started = time.monotonic()
    process = subprocess.Popen(
        command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, cwd=ROOT
    )
    assert process.stdin
    assert process.stdout
    with process.stdin as pipe:
        pipe.write(stdin)
    out = process.stdout.read()
    process.stdout.close()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    last = out.strip().splitlines()[-1] if out.strip() else "{}"
    cpu = used.ru_utime + used.ru_stime
    told = json.loads(last) if last.startswith("{") else {}
    return {
        "seconds": time.monotonic() - started,
        "cpu": cpu,
        "mb": used.ru_maxrss / 1024,
        "told": told.get("kinds", ""),
    }


def shown(name: str, found: dict[str, Any], count: int) -> dict[str, Any]:
    found["per_cpu"] = count / found["cpu"]
    print(
        f"{name:40} {count / found['seconds']:6.1f} URLs/s  {found['per_cpu']:6.1f} per CPU s  {found['mb']:5.0f} MB  "
        f"{found['told']}",
        flush=True,
    )
    return found


if __name__ == "__main__":
    sys.exit(main())
