#!/usr/bin/env python3
"""`tearsheet up` from cold to ready, then one flow run of archive/default to stored; a second round starts warm.

    python tests/bench/up.py [--runs 3]

Prints each time, and whether cold to ready <= 30 s and each run <= 15 s. Writes the .pyc files first, as installers do.
"""

import argparse
import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tasks.demo import SITE, serving  # noqa: E402
from tasks.prefect_api import PrefectApi  # noqa: E402

READY_S, STORED_S = 30.0, 15.0
ENDED = ("COMPLETED", "FAILED", "CRASHED", "CANCELLED")


@contextlib.contextmanager
def up(data: Path, environ: dict[str, str]) -> Iterator[dict[str, Any]]:
    """What `tearsheet up --json` says once it is ready."""
    command = [sys.executable, "-m", "flows.cli", "up", "--data", str(data), "--json"]
    with subprocess.Popen(command, env=environ, stdout=subprocess.PIPE, cwd=ROOT) as process:
        assert process.stdout
        try:
            yield json.loads(process.stdout.readline())
        finally:
            process.send_signal(signal.SIGTERM)


def archived(api: PrefectApi, url: str) -> tuple[float, str]:
    """Seconds from the POST to the end of the run, and what it says."""
    deployment = api.ask("/deployments/name/archive/default")["id"]
    begun = time.perf_counter()
    wanted = {"parameters": {"url": url, "force": True}, "state": {"type": "SCHEDULED"}}
    run = api.ask(f"/deployments/{deployment}/create_flow_run", wanted)["id"]
    while True:
        state = api.ask(f"/flow_runs/{run}")["state"]
        if state["type"] in ENDED:
            return time.perf_counter() - begun, f"{state['type']}: {state['message']}"
        time.sleep(0.1)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=3)
    runs, good = parser.parse_args().runs, True
    with tempfile.TemporaryDirectory() as folder, serving(SITE) as pair:
        environ = {name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TEARSHEET_"))}
        environ |= {"TEARSHEET_ALLOW": pair, "PYTHONPATH": str(ROOT)}
        subprocess.run([sys.executable, "-c", "import flows.deployments, prefect.server.api.server"], env=environ)
        for kind in ("cold", "warm"):
            begun = time.perf_counter()
            with up(Path(folder) / "data", environ) as said:
                ready = time.perf_counter() - begun
                print(f"{kind}: ready in {ready:.1f} s (load {os.getloadavg()[0]:.1f})", flush=True)
                good &= ready <= READY_S
                for _ in range(runs):
                    took, state = archived(PrefectApi(said["api"], timeout_s=30), f"http://{pair}/library-roof.html")
                    print(f"  stored in {took:.1f} s: {state[:110]}", flush=True)
                    good &= took <= STORED_S and state.startswith("COMPLETED")
    print("within the bars" if good else "NOT within the bars")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
