"""The live segments of the newest snapshot as local files."""

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path

from tasks.errors import NotFound, StoreUnavailable
from tasks.lake.snapshot import DATA, SEGMENT_KEY, Segment, Snapshot, newest, numbers, segment_gone
from tasks.store import Store
from tasks.store.disk import os_errors, write_new

__all__ = ["fetch_segments", "live_segments"]

_TRIES = 5
_PIECE = 1 << 20


def live_segments(store: Store) -> Snapshot:
    """The newest snapshot; NotFound where none was ever published."""
    snapshot = newest(store)
    if not snapshot.number:
        remedy = "`tearsheet catalog publish` makes them"
        raise NotFound("no segments were ever published", where=store.location, remedy=remedy)
    return snapshot


def fetch_segments(
    store: Store, folder: Path, *, progress: Callable[[str], None] = lambda key: None
) -> list[tuple[Segment, Path]]:
    """`<folder>/<yyyymm>/<level>-<sha256>.parquet` of each live segment, each held against its digest.

    What is there already is not fetched again. Segments that are no longer live are removed from the folder, so that
    a query over all of its files sees each row once; no other file is touched.
    """
    for _ in range(_TRIES):
        snapshot = live_segments(store)
        try:
            return _fetch(store, snapshot, folder, progress)
        except NotFound as error:
            if max(numbers(store)) == snapshot.number:
                raise segment_gone(error) from None
    raise StoreUnavailable(
        f"newer snapshots came {_TRIES} times", where=store.location, remedy="Run the same again in a while"
    )


def _fetch(
    store: Store, snapshot: Snapshot, folder: Path, progress: Callable[[str], None]
) -> list[tuple[Segment, Path]]:
    wanted = {folder / segment.key.removeprefix(DATA): segment for segment in snapshot.segments}
    for path, segment in wanted.items():
        if not _is_whole(path, segment):
            with os_errors(path):
                path.unlink(missing_ok=True)
            write_new(path, store.objects.read(segment.key), sha256=segment.sha256)
        progress(segment.key)
    for path in _segment_files(folder):
        if path not in wanted:
            with os_errors(path):
                path.unlink(missing_ok=True)
    return [(segment, path) for path, segment in wanted.items()]


def _is_whole(path: Path, segment: Segment) -> bool:
    with os_errors(path):
        if not path.is_file() or path.stat().st_size != segment.bytes:
            return False
        digest = hashlib.sha256()
        with path.open("rb") as source:
            while piece := source.read(_PIECE):
                digest.update(piece)
    return f"sha256:{digest.hexdigest()}" == segment.sha256


def _segment_files(folder: Path) -> Iterator[Path]:
    for path in folder.glob("[0-9]*/*.parquet"):
        if SEGMENT_KEY.fullmatch(DATA + path.relative_to(folder).as_posix()):
            yield path
