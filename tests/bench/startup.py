#!/usr/bin/env python3
"""Start-up, felt: one `tearsheet archive` of a loopback page into a folder, beside the imports that it cannot avoid.

    python tests/bench/startup.py [--rounds 7]

Each round runs both as fresh processes, in turn; prints the medians and whether ours ≤ 1.5 × imports + 0.5 s.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))
from tasks.demo import SITE, serving

IMPORTS = [sys.executable, "-c", "import bs4, lxml.html, warcio, typer"]


def timed(command: list[str], env: dict[str, str]) -> float:
    """Wall seconds of one fresh process."""
    start = time.perf_counter()
    subprocess.run(command, env=env, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return time.perf_counter() - start


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=7)
    rounds = parser.parse_args().rounds
    tearsheet = str(Path(sys.executable).parent / "tearsheet")
    ours, imports = [], []
    with tempfile.TemporaryDirectory() as folder, serving(SITE) as pair:
        env = {
            key: value for key, value in os.environ.items() if key not in ("PREFECT_API_URL", "PYTHONDONTWRITEBYTECODE")
        }
        env["TEARSHEET_ALLOW"] = pair
        command = [tearsheet, "archive", f"http://{pair}/library-roof.html", "--store", folder]
        timed(command, env)  # writes the .pyc files
        for _ in range(rounds):
            imports.append(timed(IMPORTS, env))
            ours.append(timed(command, env))
    bar = 1.5 * statistics.median(imports) + 0.5
    print(f"imports {statistics.median(imports):.2f} s, archive {statistics.median(ours):.2f} s, bar {bar:.2f} s")
    return 0 if statistics.median(ours) <= bar else 1


if __name__ == "__main__":
    sys.exit(main())
