"""A watch run as a Prefect flow beside the plain one: CPU of the client, and what the server has recorded.

    python -m tests.bench.tracked -n 1000

Bars: at most 10 % more CPU, Prefect's import aside; at most 100 task runs, none missing, none stuck. Needs the shared
test material (TEARSHEET_TEST_SHARED).
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.bench.end_to_end import SHARED, free_port
from tests.bench.watch_run import listed, measured, site

FLOW = "import asyncio, sys; from flows.watch import watch; asyncio.run(watch('bench', store=sys.argv[1]))"
_SETTLED_S = 90.0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1000)
    args = parser.parse_args()
    if not (SHARED / "bench" / "e2e").is_dir():
        print(f"no shared test material at {SHARED}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as name, site() as port:
        folder = Path(name)
        (folder / "urls.txt").write_text("\n".join(listed(port, args.n)))
        (folder / "watch.toml").write_text('[sources.bench]\nlist = "urls.txt"\ncron = "0 0 1 1 *"\n')
        (folder / "settings.toml").write_text('robots = "ignore"\nmode = "page"\nsoft404_probe = "never"\n')
        env = {**os.environ, "TEARSHEET_CONFIG": name, "TEARSHEET_ALLOW": f"127.0.0.1:{port}"}
        env |= {"TEARSHEET_CACHE": f"{name}/cache", "PREFECT_HOME": f"{name}/home"}
        python = [sys.executable, "-W", "ignore"]
        plain = measured([*python, "-m", "flows.cli", "watch", "run", "bench", "--store", f"{name}/plain"], env)
        with prefect_server(env) as (api, server):
            env["PREFECT_API_URL"] = api
            imports = measured([*python, "-c", "import flows.watch"], env)
            tracked = measured([*python, "-c", FLOW, f"{name}/tracked"], env)
            states = settled(api)
            server_cpu = cpu_of(server)
        more = tracked["cpu"] - imports["cpu"] - plain["cpu"]
        bundles = [len(list(folder.glob(f"{kind}/v1/bundles/*/*/*/*.json"))) for kind in ("plain", "tracked")]
        print(
            f"bundles {bundles}; client CPU s: plain {plain['cpu']:.1f}, tracked {tracked['cpu']:.1f}, "
            f"Prefect's import {imports['cpu']:.1f}: overhead {100 * more / plain['cpu']:.1f} % (bar: 10 %)"
        )
        print(
            f"task runs {dict(states)} (bar: at most 100, all COMPLETED); server CPU {server_cpu:.1f} s with its start"
        )
    return 0


@contextmanager
def prefect_server(env: dict[str, str]) -> Iterator[tuple[str, int]]:
    """The API's URL and the process id of a server of its own."""
    port = free_port()
    quiet = {**env, "DO_NOT_TRACK": "1", "PREFECT_SERVER_ANALYTICS_ENABLED": "false"}
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)]
    with subprocess.Popen(command, env=quiet, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            api = f"http://127.0.0.1:{port}/api"
            wait_until_healthy(api)
            yield api, process.pid
        finally:
            process.terminate()


def wait_until_healthy(api: str, for_s: float = 90.0) -> None:
    ends = time.monotonic() + for_s
    while True:
        try:
            urllib.request.urlopen(f"{api}/health", timeout=5).close()
            return
        except OSError:
            if time.monotonic() > ends:
                raise
            time.sleep(0.5)


def settled(api: str) -> "Counter[str]":
    """The task runs by state, once none is under way or nothing changes any more."""
    ends, states = time.monotonic() + _SETTLED_S, Counter[str]()
    while time.monotonic() < ends:
        states = Counter(row["state_type"] for row in asked(f"{api}/task_runs/filter", {"limit": 200}))
        if states and set(states) <= {"COMPLETED", "FAILED"}:
            time.sleep(3)
            if states == Counter(row["state_type"] for row in asked(f"{api}/task_runs/filter", {"limit": 200})):
                return states
        time.sleep(1)
    return states


def asked(url: str, body: dict[str, Any]) -> Any:
    request = urllib.request.Request(url, json.dumps(body).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.loads(answer.read())


def cpu_of(pid: int) -> float:
    """CPU seconds of a process and the children that it has waited for; those that run are added."""
    ticks = os.sysconf("SC_CLK_TCK")
    seconds = 0.0
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(entry.name) == pid or int(fields[1]) == pid:
                seconds += sum(map(int, fields[11:15])) / ticks
    return seconds


if __name__ == "__main__":
    sys.exit(main())
