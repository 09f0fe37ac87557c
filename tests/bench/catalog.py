"""How quick the catalog is: a store of synthetic manifests, then rebuild, URL look-ups, searches and refreshes.

    .venv/bin/python tests/bench/catalog.py --bundles 100000

The store is a folder in the layout of every store (manifests alone: a catalog reads nothing else); with --s3 a real
SeaweedFS is started, and every manifest is put there. Texts have some 120 words of a Zipf-like vocabulary, so that a
common word stands in nearly all of them. Each figure has its bar beside it; exit 1 where one is missed.
"""

import argparse
import json
import multiprocessing
import os
import random
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from pathlib import Path

from tasks.catalog import Heard, open_catalog, parse_query
from tasks.settings import Settings, load_settings
from tasks.store import Store, open_store
from tasks.store.layout import manifest_key
from tasks.store.local import LocalS3
from tasks.store.objects import Content

WORDS = 120
DAYS = 400
VOCABULARY = [f"w{number}" for number in range(30_000)]
WEIGHTS = [1 / (number + 3) for number in range(30_000)]
QUERIES = (
    "w0", "w0 w1 w2", '"w0 w1"', "w25000", "rare500", "w9*", "site:site5.example w0", "author:12 w3", "w1 -w0",
    "w0 since:2026-09-01",
)  # fmt: skip
BARS = {"URL look-up": 0.005, "search": 0.05, "refresh": 2.0}


def manifest(number: int, at: datetime) -> tuple[str, bytes]:
    """Id and manifest of one made-up bundle."""
    rng = random.Random(number)
    digest = sha256(str(number).encode()).hexdigest()
    id_, url = f"{at:%Y%m%d%H%M%S}-{digest[:16]}", f"https://site{number % 97}.example/2026/story-{number % 60_000}"
    drawn = rng.choices(VOCABULARY, WEIGHTS, k=WORDS)
    text = " ".join([*drawn, *([f"rare{number}"] if number % 500 == 0 else [])])

    def said(value: object) -> dict[str, object]:
        return {"value": value, "source": "meta:x"}

    table = {
        "format": "tearsheet-manifest/1", "id": id_, "sha256": f"sha256:{digest}", "bytes": 20_000 + number % 999,
        "url": url, "final_url": url, "captured_at": f"{at:%Y-%m-%dT%H:%M:%SZ}", "status": 200,
        "verdict": {"kind": "ok" if number % 20 else "blocked", "reasons": []}, "media_type": "text/html",
        "title": said(" ".join(drawn[:7])), "authors": said([f"Author {number % 300}"]),
        "published": None, "modified": None,
        "site": None, "canonical_url": said(url), "language": said("en"), "description": None, "section": said("news"),
        "tags": None, "image": None, "words": WORDS, "removed_chars": 0, "removed": {}, "text": text,
        "text_sha256": f"sha256:{sha256(text.encode()).hexdigest()}",
        "members": {"article/article.txt": {"sha256": f"sha256:{digest}", "bytes": 700}},
        "software": "tearsheet/0.1.0", "rules": f"sha256:{digest}",
    }  # fmt: skip
    return id_, json.dumps(table, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def moments(count: int) -> Iterator[datetime]:
    """When each was captured: spread over DAYS that end two weeks ago."""
    start = datetime.now(UTC).replace(microsecond=0) - timedelta(days=DAYS + 14)
    return (start + timedelta(seconds=DAYS * 86400 * number // count) for number in range(count))


def fill(store: Store, count: int, *, plainly: Path | None) -> None:
    """Put the manifests there; into a folder `plainly`, without waiting for the disk at each."""
    for number, at in enumerate(moments(count)):
        put(store, number, at, plainly)


def put(store: Store, number: int, at: datetime, plainly: Path | None) -> str:
    id_, data = manifest(number, at)
    if plainly:
        path = plainly / manifest_key(id_)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    else:
        store.objects.create(manifest_key(id_), Content.of_bytes(data))
    return id_


def timed(work: Callable[[], object], times: int = 15) -> tuple[float, float]:
    """Median and longest of some calls, in seconds."""
    took = []
    for _ in range(times):
        began = time.perf_counter()
        work()
        took.append(time.perf_counter() - began)
    return statistics.median(took), max(took)


def rebuild_alone(location: str, settings: Settings, result: "multiprocessing.Queue[tuple[float, int]]") -> None:
    """The rebuild in a process of its own, for its peak memory."""
    began = time.perf_counter()
    with open_store(location, settings) as store, open_catalog(store, settings, heard=Heard(say=print)) as catalog:
        catalog.info()
    result.put((time.perf_counter() - began, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss))


def measure(location: str, settings: Settings, count: int, plainly: Path | None) -> bool:
    with open_store(location, settings) as store:
        store._ready_to_write()
        began = time.perf_counter()
        fill(store, count, plainly=plainly)
        print(f"{count:,} manifests put in {time.perf_counter() - began:.1f} s")
    result: multiprocessing.Queue[tuple[float, int]] = multiprocessing.get_context("spawn").Queue()
    process = multiprocessing.get_context("spawn").Process(target=rebuild_alone, args=(location, settings, result))
    process.start()
    took, peak = result.get()
    process.join()
    print(f"first build: {took:.1f} s, {count / took:,.0f} manifests/s, peak RSS {peak / 1024:.0f} MB")
    with open_store(location, settings) as store:
        return questions(store, settings, count) & refreshes(store, settings, count, plainly)


def questions(store: Store, settings: Settings, count: int) -> bool:
    good = True
    with open_catalog(store, settings) as catalog:
        print(f"file: {catalog.info().size / 1e6:.0f} MB")
        number = count // 2 + 1
        url = f"http://www.site{number % 97}.example/2026/story-{number % 60_000}/?utm_source=bench"
        good &= told("URL look-up", *timed(lambda: catalog.latest([url])))
        assert catalog.latest([url]), "the URL must be there"
        for text in QUERIES:
            query = parse_query(text)
            found = len(catalog.search(query))
            good &= told("search", *timed(lambda query=query: catalog.search(query)), f"{text!r}: {found} results")
    return good


def refreshes(store: Store, settings: Settings, count: int, plainly: Path | None) -> bool:
    good = True
    for turn in range(3):
        now = datetime.now(UTC)
        for number in range(100):
            put(store, count + turn * 100 + number, now - timedelta(seconds=number), plainly)
        began = time.perf_counter()
        with open_catalog(store, settings, fresh=False) as catalog:
            read = catalog.refresh()
        took = time.perf_counter() - began
        assert read == 100, read
        good &= told("refresh", took, took, "after 100 new bundles")
    none = timed(lambda: open_catalog(store, settings).close(), 5)
    print(f"opening without anything new: {none[0] * 1000:.1f} ms")
    return good


def told(what: str, median: float, longest: float, more: str = "") -> bool:
    good = median < BARS[what]
    figures = f"median {median * 1000:.2f} ms, longest {longest * 1000:.2f} ms, bar {BARS[what] * 1000:.0f} ms"
    print(f"{'ok  ' if good else 'MISS'} {what} {more}: {figures}")
    return good


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bundles", type=int, default=100_000)
    parser.add_argument("--s3", action="store_true", help="into a real SeaweedFS, not a folder")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="tearsheet-bench-") as folder:
        cache = str(Path(folder) / "cache")
        if not args.s3:
            settings = load_settings(environ={}, store=f"{folder}/store", cache=cache)
            return 0 if measure(settings.store, settings, args.bundles, Path(settings.store)) else 1
        with LocalS3(Path(folder) / "s3", bucket="bench") as server:
            os.environ.update(server.environ)
            settings = load_settings(environ=server.environ, store="s3://bench/store", cache=cache)
            return 0 if measure(settings.store, settings, args.bundles, None) else 1


if __name__ == "__main__":
    sys.exit(main())
