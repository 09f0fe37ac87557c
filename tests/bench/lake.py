#!/usr/bin/env python3
"""The catalog as Parquet: seconds, bytes and memory of publishing, then times of queries in DuckDB.

    python tests/bench/lake.py [-n 100000] [--words 120] [--s3] [--keep FOLDER]

Makes a folder store (with --s3: one in a real SeaweedFS) of so many synthetic manifests over 90 days, with texts of so
many words; publishes it, publishes again after 100 more, rebuilds it, fetches the segments, and queries them.
"""

import argparse
import hashlib
import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

import duckdb

ROOT = Path(__file__).parents[2]
sys.path.insert(0, str(ROOT))
from tasks.settings import load_settings  # noqa: E402
from tasks.store import Store, open_store  # noqa: E402
from tasks.store.layout import manifest_key  # noqa: E402
from tasks.store.local import LocalS3  # noqa: E402
from tasks.store.objects import Content  # noqa: E402
from tests.lake.kit import manifest  # noqa: E402

ENDS = ("dge", "bour", "ncil", "rary", "f", "ry")
WORDS = [f"{start}{end}" for start in ("bri", "har", "cou", "lib", "roo", "fer") for end in ENDS]
DAYS = 90


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=100_000)
    parser.add_argument("--words", type=int, default=120)
    parser.add_argument("--s3", action="store_true")
    parser.add_argument("--keep", type=Path, help="a folder that keeps the store for the next run")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch, location(args, Path(scratch)) as place:
        now = datetime.now(UTC)
        with open_store(place, load_settings()) as store:
            if not any(store.objects.listing("v1/bundles/")):
                started = time.perf_counter()
                fill(store, args.n, args.words, now)
                print(f"filled: {args.n:,} manifests in {time.perf_counter() - started:.1f} s")
        publish("publish", place)
        publish("again, nothing new", place)
        with open_store(place, load_settings()) as store:
            fill(store, 100, args.words, now, first=random.randrange(10**9), today=True)
        publish("again, 100 new", place)
        publish("rebuild", place, "--rebuild")
        query(place, Path(scratch) / "lake")
    return 0


@contextmanager
def location(args: argparse.Namespace, scratch: Path) -> Iterator[str]:
    """The store: a folder, or a bucket of a server that runs as long."""
    if not args.s3:
        yield str((args.keep or scratch) / "store")
        return
    with LocalS3(scratch / "s3", bucket="bench") as server:
        os.environ.update(server.environ)
        yield f"s3://{server.bucket}/bench"


def fill(store: Store, count: int, words: int, now: datetime, *, first: int = 0, today: bool = False) -> None:
    """Manifests alone, which is all that publishing reads."""
    store.capabilities()

    def put(number: int) -> None:
        rng = random.Random(number)
        sha256 = hashlib.sha256(str(number).encode()).hexdigest()
        at = now - timedelta(seconds=rng.randrange(3600 if today else DAYS * 86_400))
        host = f"{'www.' if number % 3 else ''}site{int(rng.paretovariate(1)) % 500}.example"
        url = f"https://{host}/{at:%Y/%m}/{'-'.join(rng.choices(WORDS, k=6))}-{number}"
        made = manifest(
            id_ := f"{at:%Y%m%d%H%M%S}-{sha256[:16]}",
            sha256,
            rng.randrange(50_000, 500_000),
            url=url,
            final_url=url,
            title={"value": " ".join(rng.choices(WORDS, k=9)), "source": "h1"},
            authors={"value": [" ".join(rng.choices(WORDS, k=2)).title()], "source": "byline"},
            published={"value": f"{at:%Y-%m-%d}", "source": "time"},
            text=" ".join(rng.choices(WORDS, k=words)),
        )
        store.objects.create(manifest_key(id_), Content.of_bytes(made))

    with ThreadPoolExecutor(8) as pool:
        for _ in pool.map(put, range(first, first + count)):
            pass


def publish(what: str, place: str, *options: str) -> None:
    """Publish in a process of its own, for its peak memory."""
    code = (
        "import sys; sys.argv = ['tearsheet', *sys.argv[1:]]\n"
        "from flows.cli import main\n"
        "try: main()\n"
        "finally: print(next(line for line in open('/proc/self/status') if line.startswith('VmHWM')).split()[1])"
    )
    started = time.perf_counter()
    command = [sys.executable, "-c", code, "catalog", "publish", "--store", place, "--json", *options]
    ran = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True)
    seconds = time.perf_counter() - started
    line, peak = ran.stdout.splitlines()
    done = json.loads(line)
    print(
        f"{what}: {seconds:.1f} s, peak {int(peak) // 1024} MB; {done['rows']:,} rows in {done['segments']} segments, "
        f"{done['bytes']:,} bytes; {done['added']:,} new"
    )


def query(place: str, folder: Path) -> None:
    """Times of the two queries that a catalog is for."""
    command = [sys.executable, "-m", "flows.cli", "catalog", "segments", "--store", place, "-o", str(folder)]
    started = time.perf_counter()
    subprocess.run(command, capture_output=True, cwd=ROOT, check=True)
    print(f"fetch: {time.perf_counter() - started:.1f} s")
    con = duckdb.connect()
    table = f"read_parquet('{folder}/*/*.parquet')"
    rows = con.execute(
        f"select url, url_surtkey, bundle_id from {table} using sample 20 rows (reservoir, 1)"
    ).fetchall()
    for what, sql, values in (
        ("url exact", f"select title from {table} where url = ?", [row[0] for row in rows]),
        ("SURT exact", f"select title from {table} where url_surtkey = ?", [row[1] for row in rows]),
        ("id exact", f"select title from {table} where bundle_id = ?", [row[2] for row in rows]),
        (
            "domain + 7 days",
            f"select title from {table} where url_surtkey like ? and fetch_time > now() - interval 7 day",
            [row[1].partition(")")[0] + ")%" for row in rows],
        ),
    ):
        times = []
        for value in values:
            started = time.perf_counter()
            con.execute(sql, [value]).fetchall()
            times.append(time.perf_counter() - started)
        print(f"{what}: median {statistics.median(times) * 1000:.1f} ms, slowest {max(times) * 1000:.1f} ms")


if __name__ == "__main__":
    sys.exit(main())
