#!/usr/bin/env python3
"""Push and pull beside a bare boto3 loop that makes the same requests, on a real SeaweedFS, in one go.

    python -m tests.bench.store [-n 1000] [--threads 8] [--rounds 4] [--large-mb 1000] [--json]

Push: the bundle (with SHA-256 and If-None-Match), read back and hashed, then the manifest, which commits it; once as
`archive` does, once as `tearsheet push` does, which verifies each bundle (fixity) before. Pull: the bare loop gets the
bundle and hashes it; ours reads the manifest too, and leaves a file on disk. All take turns, round by round, so that
nobody has the emptier server. The large bundle goes up and down in a process of its own whose peak memory is read.
Exit 1 where a bar is missed.
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
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Any

from tasks.outbox import Outbox, deliver
from tasks.records import Bundle, Capture, Digest
from tasks.settings import load_settings
from tasks.store import open_store
from tasks.store.base import Store
from tasks.store.layout import bundle_key, manifest_key
from tasks.store.local import LocalS3
from tests.bundle.samples import AGENT, HTML, exchange, pack
from tests.store.kit import DAY

BARS = {"push": 0.8, "push_command": 0.8, "pull": 0.7}  # ours per bare, at least
BARE = {"push": "push", "push_command": "push", "pull": "pull"}  # what each is held against
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
    """Bundles a second of each side, each way."""
    bundles = [real_bundle(folder / "work", number) for number in range(args.n + 1)]
    spent: Counter[tuple[str, str]] = Counter()
    settings = load_settings(store="s3://bench/command")
    with (
        ThreadPoolExecutor(args.threads) as pool,
        open_store("s3://bench/ours", settings) as store,
        open_store(settings.store, settings) as other,
    ):
        bare, outbox = Bare(s3, args.threads), Outbox(settings)
        bare.push(bundles[-1])  # connects
        for opened in (store, other):
            push(opened, bundles[-1])  # makes store.json

        def command(part: list[Bundle]) -> None:
            found = deliver(other, [bundle.path for bundle in part], outbox, workers=args.threads)
            assert all(done.ref and done.ref.created for done in found)

        for at in range(args.rounds):
            part, out = bundles[at : args.n : args.rounds], folder / f"out{at}"
            ways: list[tuple[tuple[str, str], Callable[[], object]]] = [
                (("bare", "push"), partial(each, pool, bare.push, part)),
                (("ours", "push"), partial(each, pool, partial(push, store), part)),
                (("ours", "push_command"), partial(command, part)),
                (("bare", "pull"), partial(each, pool, bare.pull, part)),
                (
                    ("ours", "pull"),
                    partial(each, pool, lambda bundle, out=out: store.fetch_bundle(bundle.id, out), part),
                ),
            ]
            for key, way in ways if at % 2 == 0 else [*reversed(ways[:3]), *reversed(ways[3:])]:
                started = time.perf_counter()
                way()
                spent[key] += time.perf_counter() - started
    rates = {f"{side}_{way}_per_s": round(args.n / seconds, 1) for (side, way), seconds in sorted(spent.items())}
    ratios = {f"{way}_ratio": round(spent["bare", BARE[way]] / spent["ours", way], 2) for way in BARS}
    size = sum(bundle.size for bundle in bundles) // len(bundles)
    return {"bundles": args.n, "mean_bytes": size, "threads": args.threads} | rates | ratios


def real_bundle(folder: Path, number: int) -> Bundle:
    """A packed capture of some 300 KB, most of it a comment that hardly compresses, with its manifest beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    noise = base64.b64encode(random.Random(number).randbytes(SIZE)).decode()
    url = f"https://news.example/{number}"
    html = HTML.replace("</article>", f"<p>{TEXT}</p></article>").replace("</body>", f"<!-- {noise} --></body>")
    capture = Capture(url, (exchange(html.encode(), url=url, started_at=datetime.now(UTC)),), AGENT)
    bundle = pack(folder, capture=capture)
    bundle.path.with_suffix(".json").write_bytes(bundle.manifest)
    return bundle


def each(pool: ThreadPoolExecutor, work: Callable[[Bundle], object], bundles: list[Bundle]) -> None:
    for _ in pool.map(work, bundles):
        pass


def push(store: Store, bundle: Bundle) -> None:
    assert store.put_bundle(bundle).created


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
