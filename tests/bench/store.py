#!/usr/bin/env python3
"""Push and pull beside a bare boto3 loop that makes the same requests, on a real SeaweedFS, in one go.

    python -m tests.bench.store [-n 1000] [--threads 8] [--rounds 4] [--large-mb 1000] [--json]

Push: the bundle (with SHA-256 and If-None-Match), read back and hashed, then the manifest, which commits it. Pull: the
bare loop gets the bundle and hashes it; ours reads the manifest too, and leaves a file on disk. Both take turns, round
by round, so that neither has the emptier server. The large bundle goes up and down in a process of its own whose peak
memory is read. Exit 1 where a bar is missed.
"""

import argparse
import base64
import hashlib
import json
import os
import random
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tasks.records import Bundle, Digest
from tasks.settings import load_settings
from tasks.store import open_store
from tasks.store.base import Store
from tasks.store.layout import bundle_key, manifest_key
from tasks.store.local import LocalS3
from tests.store.kit import DAY, make_bundle

BARS = {"push": 0.8, "pull": 0.7}  # ours per bare, at least
BAR_RSS_MB = 200
SIZE = 300_000
TEXT = "The tide came in, later than foretold. " * 150  # the clean text that makes up most of a manifest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-n", type=int, default=1000, help="bundles of 300 KB for each side")
    parser.add_argument("--threads", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=4)
    parser.add_argument("--large-mb", type=int, default=1000, help="0: leave it out")
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--child", nargs=2, metavar=("LOCATION", "MB"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.child:
        return child(args.child[0], int(args.child[1]))
    with tempfile.TemporaryDirectory() as folder, LocalS3(Path(folder, "s3"), bucket="bench") as s3:
        os.environ |= s3.environ
        found = small(Path(folder), s3, args) | (large(args.large_mb) if args.large_mb else {})
    return report(found, as_json=args.json)


# ------------------------------------------------------------------ many small bundles
def small(folder: Path, s3: LocalS3, args: argparse.Namespace) -> dict[str, Any]:
    """Bundles a second of both sides, each way."""
    bundles = [make_bundle(folder / "work", number, size=SIZE, text=TEXT) for number in range(args.n)]
    spent = {(side, way): 0.0 for side in ("bare", "ours") for way in BARS}
    with ThreadPoolExecutor(args.threads) as pool, open_store("s3://bench/ours", load_settings()) as store:
        bare = Bare(s3, args.threads)
        for side in (bare.push, lambda bundle: push(store, bundle)):
            side(make_bundle(folder / "work", args.n, size=SIZE))  # connects, and makes store.json
        for at in range(args.rounds):
            part = bundles[at :: args.rounds]
            out = folder / f"out{at}"
            sides: list[tuple[tuple[str, str], Callable[[Bundle], object]]] = [
                (("bare", "push"), bare.push),
                (("ours", "push"), lambda bundle: push(store, bundle)),
                (("bare", "pull"), bare.pull),
                (("ours", "pull"), lambda bundle, out=out: store.fetch_bundle(bundle.id, out)),
            ]
            for key, side in sides if at % 2 == 0 else [sides[1], sides[0], sides[3], sides[2]]:
                spent[key] += timed(pool, side, part)
    rates = {f"{side}_{way}_per_s": round(args.n / seconds, 1) for (side, way), seconds in spent.items()}
    ratios = {f"{way}_ratio": round(spent["bare", way] / spent["ours", way], 2) for way in BARS}
    return {"bundles": args.n, "threads": args.threads} | rates | ratios


def timed(pool: ThreadPoolExecutor, work: Callable[[Bundle], object], bundles: Iterable[Bundle]) -> float:
    started = time.perf_counter()
    for _ in pool.map(work, bundles):
        pass
    return time.perf_counter() - started


def push(store: Store, bundle: Bundle) -> None:
    assert store.put_bundle(bundle, today=DAY).created


class Bare:
    """What a script would do with boto3 as it comes."""

    def __init__(self, s3: LocalS3, threads: int) -> None:
        import boto3
        from botocore.config import Config

        config = Config(s3={"addressing_style": "path"}, max_pool_connections=threads)
        self.client: Any = boto3.client("s3", endpoint_url=s3.endpoint, config=config)

    def push(self, bundle: Bundle) -> None:
        data = bundle.path.read_bytes()
        self.put(bundle_key(bundle.id), data)
        answer = self.client.get_object(Bucket="bench", Key=f"bare/{bundle_key(bundle.id)}")
        assert hashlib.sha256(answer["Body"].read()).hexdigest() == bundle.sha256.removeprefix("sha256:")
        self.put(manifest_key(bundle.id), bundle.manifest)

    def put(self, key: str, data: bytes) -> None:
        checksum = base64.b64encode(hashlib.sha256(data).digest()).decode()
        self.client.put_object(Bucket="bench", Key=f"bare/{key}", Body=data, IfNoneMatch="*", ChecksumSHA256=checksum)

    def pull(self, bundle: Bundle) -> None:
        answer = self.client.get_object(Bucket="bench", Key=f"bare/{bundle_key(bundle.id)}")
        assert hashlib.sha256(answer["Body"].read()).hexdigest() == bundle.sha256.removeprefix("sha256:")


# ------------------------------------------------------------------ one large bundle
def large(megabytes: int) -> dict[str, Any]:
    """Peak memory of a process that pushes and pulls one bundle of so many MB, and how fast."""
    command = [sys.executable, "-m", "tests.bench.store", "--child", "s3://bench/large", str(megabytes)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def child(location: str, megabytes: int) -> int:
    with tempfile.TemporaryDirectory() as folder, open_store(location, load_settings()) as store:
        bundle = large_bundle(Path(folder), megabytes)
        started = time.perf_counter()
        store.put_bundle(bundle, today=DAY)
        pushed = time.perf_counter()
        store.fetch_bundle(bundle.id, Path(folder, "out"))
        pulled = time.perf_counter()
    rss_mb = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    speeds = {"large_push_mb_s": megabytes / (pushed - started), "large_pull_mb_s": megabytes / (pulled - pushed)}
    print(json.dumps({"large_mb": megabytes, "rss_mb": round(rss_mb)} | {k: round(v, 1) for k, v in speeds.items()}))
    return 0


def large_bundle(folder: Path, megabytes: int) -> Bundle:
    """Like make_bundle, written piece by piece."""
    digest, source = hashlib.sha256(), random.Random(megabytes)
    path = folder / "large"
    with path.open("wb") as out:
        for _ in range(megabytes):
            piece = source.randbytes(1_000_000)
            digest.update(piece)
            out.write(piece)
    id_ = f"20261123101500-{digest.hexdigest()[:16]}"
    sha256, size = Digest(f"sha256:{digest.hexdigest()}"), megabytes * 1_000_000
    manifest = json.dumps({"id": id_, "sha256": sha256, "bytes": size}).encode()
    return Bundle(id_, path.rename(folder / f"{id_}.wacz"), sha256, size, manifest)


# ------------------------------------------------------------------ what was found
def report(found: dict[str, Any], *, as_json: bool) -> int:
    missed = [way for way, bar in BARS.items() if found[f"{way}_ratio"] < bar]
    if found.get("rss_mb", 0) >= BAR_RSS_MB:
        missed.append("rss")
    found["missed"] = missed
    print(json.dumps(found) if as_json else "\n".join(f"{name:18} {value}" for name, value in found.items()))
    return 1 if missed else 0


if __name__ == "__main__":
    sys.exit(main())
