#!/usr/bin/env python3
"""`audit --level full` beside a bare loop that gets and hashes the same objects, and its memory as the store grows.

    python tests/bench/audit.py [-n 100 1000] [--kb 300] [--on s3|folder] [--threads 8] [--rounds 3]

Makes stores of so many bundles (real ones, small pages, with a body of random bytes of about --kb), then runs in turn,
each in a process of its own: the bare loop over every bundle and manifest, a bare loop over the bundles alone, and the
audit. S3 is a SeaweedFS on this machine, so that all share its processors.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from datetime import UTC, datetime
from pathlib import Path
from statistics import median

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tasks.clean import load_rules  # noqa: E402
from tasks.settings import load_settings  # noqa: E402
from tasks.store import open_store  # noqa: E402
from tasks.store.events import Event  # noqa: E402
from tasks.store.folder import FolderObjects  # noqa: E402
from tasks.store.layout import bundle_key, manifest_key  # noqa: E402
from tasks.store.local import LocalS3  # noqa: E402
from tests.recleaning_kit import capture, html, job_for, packed  # noqa: E402

MOST = """
def most():
    with open("/proc/self/status") as status:  # ru_maxrss would be that of the parent, too
        return int(next(row for row in status if row.startswith("VmHWM")).split()[1]) / 1024
"""
BARE = """
import hashlib, json, sys, time
from concurrent.futures import ThreadPoolExecutor
from tasks.settings import load_settings
from tasks.store import open_store
location, threads, endings = sys.argv[1], int(sys.argv[2]), tuple(sys.argv[3].split(","))
with open_store(location, load_settings()) as store:
    keys = [row.key for row in store.objects.listing("v1/bundles/") if row.key.endswith(endings)]
    objects = store.objects
    s3 = hasattr(objects, "client")
    def get(key):
        digest, size = hashlib.sha256(), 0
        if s3:
            with objects.client.get_object(Bucket=objects.bucket, Key=objects.prefix + key)["Body"] as body:
                while piece := body.read(1 << 20):
                    digest.update(piece); size += len(piece)
        else:
            with open(objects.folder / key, "rb") as body:
                while piece := body.read(1 << 20):
                    digest.update(piece); size += len(piece)
        return size
    started, cpu = time.monotonic(), time.process_time()
    with ThreadPoolExecutor(threads) as pool:
        size = sum(pool.map(get, keys))
    took, cpu = time.monotonic() - started, time.process_time() - cpu
print(json.dumps({"bytes": size, "s": took, "cpu": cpu, "mb": most()}))
"""
AUDIT = """
import json, sys, time
from tasks.auditing import Plan, audit_store
from tasks.settings import load_settings
from tasks.store import open_store
with open_store(sys.argv[1], load_settings()) as store:
    store.id  # the connection is made, as in the bare loop
    started, cpu = time.monotonic(), time.process_time()
    report = audit_store(store, Plan(period_days=0, anew=True))
    took, cpu = time.monotonic() - started, time.process_time() - cpu
assert report.good, report
print(json.dumps({"bytes": report.bytes, "s": took, "cpu": cpu, "mb": most()}))
"""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, nargs="+", default=[100, 1000])
    parser.add_argument("--kb", type=int, default=300)
    parser.add_argument("--on", choices=["s3", "folder"], default="s3")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=3)
    args = parser.parse_args()
    with ExitStack() as stack:
        scratch = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        if args.on == "s3":
            server = stack.enter_context(LocalS3(scratch / "s3", bucket="bench"))
            os.environ.update(server.environ)
        for count in args.n:
            location = f"s3://bench/{count}" if args.on == "s3" else str(scratch / str(count))
            fill(location, scratch / "packing", count, args.kb << 10)
            measure(location, count, args.threads, args.rounds)
    return 0


def fill(location: str, folder: Path, count: int, size: int) -> None:
    """Real bundles: each page of its own second, a comment of random bytes makes them as large as asked."""
    folder.mkdir(exist_ok=True)
    job = job_for(str(folder / "unused"))
    rules = load_rules(job.dirs)

    def put(number: int) -> None:
        more = b"<!--" + random.Random(number).randbytes(size).replace(b"-", b"+") + b"-->" if size else b""
        bundle = packed(folder, capture(html(number) + more, number), job, rules=rules)
        if isinstance(store.objects, FolderObjects):  # put_bundle waits for the disk, which is not what is measured
            written = {bundle_key(bundle.id): bundle.path.read_bytes(), manifest_key(bundle.id): bundle.manifest}
            for key, data in written.items():
                (store.objects.folder / key).parent.mkdir(parents=True, exist_ok=True)
                (store.objects.folder / key).write_bytes(data)
        else:
            store.put_bundle(bundle, today=datetime.strptime(bundle.id[:8], "%Y%m%d").date())  # no `late` event
        bundle.path.unlink()

    with open_store(location, load_settings()) as store, ThreadPoolExecutor(4) as pool:
        store.put_event(Event("fixity", datetime.now(UTC)))  # makes the store
        list(pool.map(put, range(1, count + 1)))


def measure(location: str, count: int, threads: int, rounds: int) -> None:
    runs: dict[str, list[dict[str, float]]] = {"bare, all": [], "bare, bundles": [], "audit full": []}
    for _ in range(rounds):
        runs["bare, all"].append(run(BARE, location, str(threads), ".wacz,.json"))
        runs["bare, bundles"].append(run(BARE, location, str(threads), ".wacz"))
        runs["audit full"].append(run(AUDIT, location))
    took = {name: median(row["s"] for row in rows) for name, rows in runs.items()}
    for name, rows in runs.items():
        spread = " ".join(f"{row['s']:.2f}" for row in rows)
        rate, mega = count / took[name], rows[0]["bytes"] / took[name] / 1e6
        cpu_ms, largest = median(row["cpu"] for row in rows) / count * 1000, max(row["mb"] for row in rows)
        print(
            f"{count:6} bundles  {name:13}  {rate:7.1f} bundles/s  {mega:6.1f} MB/s  {cpu_ms:.2f} ms CPU each  "
            f"largest {largest:.0f} MB  ({spread} s)",
            flush=True,
        )
    cpu = {name: median(row["cpu"] for row in rows) for name, rows in runs.items()}
    ratios = " and ".join(f"{took[name] / took['audit full']:.2f} of {name}" for name in ("bare, all", "bare, bundles"))
    print(
        f"{count:6} bundles  the audit is {ratios} (of its CPU: {cpu['bare, all'] / cpu['audit full']:.2f})", flush=True
    )


def run(code: str, *args: str) -> dict[str, float]:
    done = subprocess.run(
        [sys.executable, "-c", MOST + code, *args], cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True
    )
    row: dict[str, float] = json.loads(done.stdout)
    return row


if __name__ == "__main__":
    sys.exit(main())
