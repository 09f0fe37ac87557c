"""Snapshots: which segments hold the rows of the store, and up to when. Each is a new object, numbered."""

import json
import re
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from tasks.errors import FixityError, FormatError, NotFound
from tasks.records import BUNDLE_ID, Digest
from tasks.store import Store
from tasks.store.layout import INDEX
from tasks.store.objects import keys

__all__ = [
    "DATA",
    "EMPTY",
    "LINKS",
    "SEGMENT_KEY",
    "SNAPSHOTS",
    "Segment",
    "Snapshot",
    "links_folder",
    "links_key",
    "newest",
    "numbers",
    "read_snapshot",
    "segment_gone",
    "segment_key",
    "snapshot_key",
    "stored_snapshot",
]

FORMAT = "tearsheet-snapshot/1"
DATA, SNAPSHOTS, LINKS = f"{INDEX}data/", f"{INDEX}snapshots/", f"{INDEX}symlinks/"
SEGMENT_KEY = re.compile(DATA + r"(([0-9]{6})/([0-9]{1,2})-([0-9a-f]{64})\.parquet)")
_SNAPSHOT_KEY = re.compile(SNAPSHOTS + r"([0-9]{20})\.json")
_DAY = re.compile(r"[0-9]{8}")


@dataclass(frozen=True, slots=True)
class Segment:
    """One Parquet file of rows whose ids are of one month."""

    key: str
    sha256: Digest
    bytes: int
    rows: int
    first_day: str  # yyyymmdd, of the ids in it
    last_day: str

    @property
    def month(self) -> str:
        """yyyymm, as its key has it."""
        return self.key.removeprefix(DATA)[:6]


@dataclass(frozen=True, slots=True)
class Snapshot:
    """The segments that hold each bundle of the store once, and how far the store was looked through."""

    number: int  # from 1; 0: none was ever published
    made_at: str  # RFC 3339, whole seconds, UTC
    through: str  # the day (yyyymmdd) on which the store was looked through; empty: never
    pending: tuple[tuple[str, str], ...]  # id and day of `late` events whose manifest was not there yet
    segments: tuple[Segment, ...]

    @property
    def rows(self) -> int:
        """How many bundles there are, tombstones included."""
        return sum(segment.rows for segment in self.segments)

    @property
    def data(self) -> bytes:
        """As it is stored: canonical JSON and a newline."""
        entry = {
            "format": FORMAT,
            "number": self.number,
            "made_at": self.made_at,
            "through": self.through,
            "rows": self.rows,
            "pending": [list(pair) for pair in self.pending],
            "segments": [asdict(segment) for segment in self.segments],
        }
        return json.dumps(entry, sort_keys=True, separators=(",", ":")).encode() + b"\n"


EMPTY = Snapshot(0, "", "", (), ())


def segment_key(month: str, rows: int, sha256: Digest) -> str:
    """The key of a segment. Its level tells its size: it has 8^level rows or more."""
    return f"{DATA}{month}/{(rows.bit_length() - 1) // 3}-{sha256.removeprefix('sha256:')}.parquet"


def snapshot_key(number: int) -> str:
    """The key of the snapshot of that number."""
    return f"{SNAPSHOTS}{number:020}.json"


def links_key(number: int) -> str:
    """The key of the list of a snapshot's segments that Hive's SymlinkTextInputFormat reads."""
    return f"{LINKS}{number:020}/segments.txt"


def links_folder(store: Store, snapshot: Snapshot) -> str:
    """The URL of the folder that holds that list; empty for a store that is no bucket, where there is none."""
    if not store.location.startswith("s3://"):
        return ""
    return f"{store.location}{links_key(snapshot.number).rpartition('/')[0]}/"


def numbers(store: Store) -> Iterator[int]:
    """The numbers of all snapshots that there are, in any order."""
    return (int(match[1]) for key in keys(store.objects, SNAPSHOTS) if (match := _SNAPSHOT_KEY.fullmatch(key)))


def segment_gone(error: NotFound) -> FixityError:
    """What to say of a segment that is not there though the newest snapshot names it."""
    remedy = "Someone deleted it: `tearsheet catalog publish --rebuild` makes all of them anew"
    return FixityError("the newest snapshot names a segment that is gone", where=error.where, remedy=remedy)


def newest(store: Store) -> Snapshot:
    """The newest snapshot; EMPTY where none was ever published."""
    number = max(numbers(store), default=0)
    return stored_snapshot(store, number) if number else EMPTY


def stored_snapshot(store: Store, number: int) -> Snapshot:
    """The snapshot of that number; NotFound, or FormatError where it is damaged."""
    key = snapshot_key(number)
    try:
        return read_snapshot(b"".join(store.objects.read(key)), number)
    except NotFound:
        remedy = "`tearsheet catalog publish` makes one"
        raise NotFound("no such snapshot", where=f"{store.location.rstrip('/')}/{key}", remedy=remedy) from None


def read_snapshot(data: bytes, number: int) -> Snapshot:
    """The snapshot in `data`; FormatError where it is none, or not the one of that number."""
    try:
        entry = json.loads(data)
        if entry["format"] != FORMAT or entry["number"] != number or not _fits(_DAY, entry["through"]):
            raise ValueError
        pending = tuple((_checked(BUNDLE_ID, id_), _checked(_DAY, day)) for id_, day in entry["pending"])
        segments = tuple(_segment(item) for item in entry["segments"])
        return Snapshot(number, str(entry["made_at"]), entry["through"], pending, segments)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise FormatError(
            f"not a snapshot of the format {FORMAT}",
            where=snapshot_key(number),
            remedy="`tearsheet catalog publish --rebuild` makes a new one from the store",
        ) from None


def _segment(item: Any) -> Segment:
    found = Segment(
        key=_checked(SEGMENT_KEY, item["key"]),
        sha256=Digest(item["sha256"]),
        bytes=int(item["bytes"]),
        rows=int(item["rows"]),
        first_day=_checked(_DAY, item["first_day"]),
        last_day=_checked(_DAY, item["last_day"]),
    )
    if not found.key.endswith(f"-{found.sha256.removeprefix('sha256:')}.parquet"):
        raise ValueError
    return found


def _fits(pattern: re.Pattern[str], value: object) -> bool:
    return isinstance(value, str) and bool(pattern.fullmatch(value))


def _checked(pattern: re.Pattern[str], value: Any) -> str:
    if not _fits(pattern, value):
        raise ValueError
    return str(value)
