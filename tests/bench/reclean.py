#!/usr/bin/env python3
"""Stored bundles of corpus pages cleaned anew: bundles a second and memory, by workers.

    python tests/bench/reclean.py [-n 1000] [--workers 1 2] [--keep FOLDER]

Packs the pages of the shared test material (TEARSHEET_TEST_SHARED) into a folder store as `archive` would, without
network, with our rules less one concept; then runs `tearsheet reclean --all` over a copy of it with all of them: once
where some change, and once more where all are unchanged.
"""

import argparse
import gzip
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tasks.clean.rules import RuleSet, load_rules  # noqa: E402
from tasks.settings import config_dirs  # noqa: E402
from tasks.store import open_store  # noqa: E402
from tests.recleaning_kit import capture, job_for, packed  # noqa: E402

SHARED = Path(os.environ.get("TEARSHEET_TEST_SHARED", ROOT.parent / "shared"))
LEFT_OUT = "promo"  # the concept that the stored bundles were cleaned without


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1000)
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--runner", default="process")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the packed store for the next run")
    args = parser.parse_args()
    if not (SHARED / "corpus").is_dir():
        print(f"no shared test material at {SHARED}", file=sys.stderr)
        return 2
    with tempfile.TemporaryDirectory() as scratch:
        packed_store = (args.keep or Path(scratch)) / "packed"
        if not packed_store.is_dir():
            made = pack_all(packed_store, Path(scratch), args.n)
            print(f"packed {made} bundles")
        for workers in args.workers:
            store = Path(scratch) / f"store-{workers}"
            shutil.copytree(packed_store, store)
            for run in ("newer rules", "again"):
                measure(run, store, args.runner, workers)
            shutil.rmtree(store)
    return 0


def pack_all(store: Path, scratch: Path, count: int) -> int:
    """Bundles of the first so many pages, each of its own second."""
    rules = RuleSet(rule for rule in load_rules(config_dirs(environ={})).rules if rule.concept != LEFT_OUT)
    job = job_for(str(store))
    pages = sorted((SHARED / "corpus").glob("*/*.html.gz"))[:count]
    with open_store(str(store), job.settings) as opened:
        for number, page in enumerate(pages, 1):
            visit = capture(gzip.decompress(page.read_bytes()), number, url=f"https://news.example/{number}")
            opened.put_bundle(packed(scratch, visit, job, rules=rules))
    return len(pages)


def measure(run: str, store: Path, runner: str, workers: int) -> None:
    command = [sys.executable, "-m", "flows.cli", "reclean", "--all", "--store", str(store), "--json"]
    command += ["--runner", runner, "--workers", str(workers)]
    environ = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    before, started = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    done = subprocess.run(command, cwd=ROOT, env=environ, stdout=subprocess.PIPE, text=True)
    took_s, after = time.monotonic() - started, resource.getrusage(resource.RUSAGE_CHILDREN)
    counts = Counter(json.loads(line)["status"] for line in done.stdout.splitlines())
    total = sum(counts.values())
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(
        f"{run:12} {runner} × {workers}: {total / took_s:6.1f} bundles/s, {took_s:.1f} s, "
        f"{cpu_s / total * 1000:.1f} ms CPU a bundle, largest process {after.ru_maxrss // 1024} MB, {dict(counts)}",
        flush=True,
    )


if __name__ == "__main__":
    sys.exit(main())
