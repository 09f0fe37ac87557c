#!/usr/bin/env python3
"""Kill the client, and the server under eight writers, at random moments; count what was acknowledged and is not there.

    python -m tests.bench.kills [--runs 20] [--seed 1] [--json]

Half of the runs kill a process that pushes with eight threads; half kill SeaweedFS while eight threads push, and start
it again on the same folder. After each run every acknowledged bundle must be listed and read back exactly, every listed
one must be whole, and a rerun must store the rest. Exit 1 where anything is lost, changed or unlisted.
"""

import argparse
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path

from tasks.errors import TearsheetError
from tasks.records import Bundle
from tasks.settings import load_settings
from tasks.store import Store, open_store
from tasks.store.local import LocalS3
from tests.store.kit import DAY, make_bundle

WRITERS = 8
ROOT = Path(__file__).parents[2]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=20)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    parser.add_argument("--writer", nargs=2, metavar=("LOCATION", "FOLDER"), help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.writer:
        return write_on(args.writer[0], Path(args.writer[1]))
    total: Counter[str] = Counter()
    for run in range(args.runs):
        kill = kill_client if run % 2 == 0 else kill_server
        with tempfile.TemporaryDirectory() as folder:
            found = kill(Path(folder), random.Random(args.seed * 1000 + run))
        total += found
        print(f"{run + 1:3} {kill.__name__:12} {dict(found)}", file=sys.stderr, flush=True)
    bad = sum(total[name] for name in ("lost", "changed", "unlisted", "not_converged"))
    names = ("acknowledged", "visible_unacknowledged", "lost", "changed", "unlisted", "not_converged")
    result = {"runs": args.runs} | {name: total[name] for name in names}
    print(json.dumps(result) if args.json else "\n".join(f"{name:22} {value:,}" for name, value in result.items()))
    return 1 if bad else 0


# ------------------------------------------------------------------ the two ways to die
def kill_client(folder: Path, chance: random.Random) -> Counter[str]:
    """A process with eight writers killed at a random moment."""
    with LocalS3(folder / "s3", bucket="kills") as s3, environment(s3):
        command = [sys.executable, "-m", "tests.bench.kills", "--writer", "s3://kills/x", str(folder / "work")]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as writer:
            assert writer.stdout is not None
            acknowledged = {writer.stdout.readline().strip()}  # it is under way
            time.sleep(chance.uniform(0, 1.5))
            writer.send_signal(signal.SIGKILL)
            acknowledged |= {line.strip() for line in writer.stdout if line.endswith("\n")}
        return judge(folder, acknowledged - {""})


def kill_server(folder: Path, chance: random.Random) -> Counter[str]:
    """SeaweedFS killed at a random moment under eight writers, and started again."""
    s3, acknowledged, stop = LocalS3(folder / "s3", bucket="kills"), set[str](), threading.Event()
    try:
        s3.start()
        with environment(s3):
            writing = threading.Thread(target=write_until, args=(stop, folder / "work", acknowledged))
            writing.start()
            while not acknowledged and writing.is_alive():
                time.sleep(0.01)
            time.sleep(chance.uniform(0, 2))
            os.kill(s3.pid, signal.SIGKILL)
            time.sleep(chance.uniform(0, 0.3))  # writers meet a server that is gone
            stop.set()
            writing.join()
        s3.stop()
        s3.start()
        with environment(s3):
            return judge(folder, acknowledged)
    finally:
        stop.set()
        s3.stop()


@contextmanager
def environment(s3: LocalS3) -> Iterator[None]:
    """The server's address and credentials, for us and for those we start."""
    before = dict(os.environ)
    os.environ.update(s3.environ)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


# ------------------------------------------------------------------ the writers
def bundle_number(folder: Path, number: int) -> Bundle:
    """The same bundle for the same number, of 2 KB to 2 MB."""
    return make_bundle(folder, number, size=random.Random(number).choice((2_000, 30_000, 300_000, 2_000_000)))


def write_until(stop: threading.Event, folder: Path, acknowledged: set[str]) -> None:
    """Eight writers, each on numbers of its own, until `stop` or an error; a dead server's errors end a writer."""
    settings = replace(load_settings(), store_timeout_s=3.0, store_total_s=3.0)

    def writer(first: int) -> None:
        for number in range(first, 10_000, WRITERS):
            if stop.is_set():
                return
            bundle = bundle_number(folder, number)
            with suppress(TearsheetError):
                store.put_bundle(bundle, today=DAY)
                acknowledged.add(bundle.id)

    with open_store("s3://kills/x", settings) as store, ThreadPoolExecutor(WRITERS) as pool:
        for done in [pool.submit(writer, first) for first in range(WRITERS)]:
            done.result()


def write_on(location: str, folder: Path) -> int:
    """The process that is killed: says each id once it is acknowledged."""
    with open_store(location, load_settings()) as store, ThreadPoolExecutor(WRITERS) as pool:

        def write(number: int) -> None:
            bundle = bundle_number(folder, number)
            store.put_bundle(bundle, today=DAY)
            sys.stdout.write(f"{bundle.id}\n")
            sys.stdout.flush()

        list(pool.map(write, range(10_000)))
    return 0


# ------------------------------------------------------------------ the judge
def judge(folder: Path, acknowledged: set[str]) -> Counter[str]:
    """What is wrong with the store after a kill; then all that was begun is stored again."""
    found = Counter({"acknowledged": len(acknowledged)})
    paths = sorted((folder / "work").glob("*.wacz"))
    begun = {path.stem: bundle_number(folder / "again", int(path.stem[8:14])) for path in paths}
    with open_store("s3://kills/x", load_settings()) as store:
        listed = set(store.list_ids())
        found["visible_unacknowledged"] = len(listed - acknowledged)
        found["unlisted"] = len(acknowledged - listed)
        for id_ in listed | acknowledged:
            found[state(store, begun[id_], folder / "out")] += 1
        for bundle in begun.values():
            store.put_bundle(bundle, today=DAY)
        whole = sum(state(store, bundle, folder / "rerun") == "exact" for bundle in begun.values())
        found["not_converged"] = len(begun) - whole + len(set(begun) ^ set(store.list_ids()))
    return found


def state(store: Store, bundle: Bundle, out: Path) -> str:
    try:
        copy = store.fetch_bundle(bundle.id, out)
        same = copy.read_bytes() == bundle.path.read_bytes() and store.read_manifest(bundle.id) == bundle.manifest
    except TearsheetError:
        return "lost"
    return "exact" if same else "changed"


if __name__ == "__main__":
    sys.exit(main())
