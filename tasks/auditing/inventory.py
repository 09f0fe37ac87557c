"""What one listing of a store gave, by kind, in a temporary database on disk: memory does not grow with the store."""

import re
import sqlite3
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import Any, NamedTuple

from tasks.errors import NotFound
from tasks.records import BUNDLE_ID
from tasks.store.events import EVENT_KEY
from tasks.store.layout import (
    CLAIMS,
    EVENTS,
    INDEX,
    PROBES,
    SOURCES,
    STORE_KEY,
    TOMBSTONES,
    bundle_key,
    manifest_key,
)
from tasks.store.objects import Listed

__all__ = ["Inventory", "Item", "kind_of", "stamp"]

_ATTACHMENT = re.compile(r"(.*)\.warc\.gz")
_SOURCE = re.compile(SOURCES + r"([0-9a-f]{64})\.(?:wacz|warc|warc\.gz)")
_QUICK = "PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -8000;"
_TABLES = """
CREATE TABLE objects (kind TEXT, name TEXT, key TEXT, size INT, at TEXT, PRIMARY KEY (kind, name, key)) WITHOUT ROWID;
CREATE TABLE covered (name TEXT PRIMARY KEY, at TEXT) WITHOUT ROWID;
CREATE TABLE done (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE unsound (name TEXT PRIMARY KEY, at TEXT) WITHOUT ROWID;
CREATE TABLE named (name TEXT PRIMARY KEY, key TEXT) WITHOUT ROWID;
CREATE TABLE tombstones (name TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE used (name TEXT PRIMARY KEY, key TEXT) WITHOUT ROWID;
"""
_DUE = """
SELECT o.name, o.key, o.size, o.at, max(coalesce(c.at, ''), o.at) AS read FROM objects o
LEFT JOIN covered c ON c.name = o.name
LEFT JOIN unsound u ON u.name = o.name AND u.at > coalesce(c.at, '')
LEFT JOIN objects w ON w.kind = 'wacz' AND w.name = o.name
LEFT JOIN done d ON d.name = o.name
WHERE o.kind IN ('manifest', 'source') AND d.name IS NULL
ORDER BY u.name IS NULL, coalesce(w.at <= read, 1), coalesce(nullif(read, ''), substr(o.name, 1, 14)), o.name LIMIT ?
"""


class Item(NamedTuple):
    """One object of the inventory."""

    name: str  # of a bundle its id, of an event its stem, of a source its sha256
    key: str
    size: int
    at: str  # yyyymmddhhmmss of its last change, UTC; empty where the server does not say


def kind_of(key: str) -> tuple[str, str]:
    """Kind and name of a key; what belongs nowhere is `extra`, what stands under a wrong day `misplaced`."""
    if key == STORE_KEY:
        return "store", key
    for prefix, kind in ((INDEX, "index"), (CLAIMS, "claim"), (PROBES, "probe"), (TOMBSTONES, "tombstone")):
        if key.startswith(prefix):
            return kind, key
    if match := _SOURCE.fullmatch(key):
        return "source", match[1]
    if EVENT_KEY.fullmatch(key):
        return "event", key.removesuffix(".json")
    if (match := _ATTACHMENT.fullmatch(key)) and key.startswith(EVENTS) and EVENT_KEY.fullmatch(f"{match[1]}.json"):
        return "attachment", match[1]
    return _of_a_bundle(key)


def _of_a_bundle(key: str) -> tuple[str, str]:
    stem, _, ending = key.rpartition("/")[2].rpartition(".")
    if not BUNDLE_ID.fullmatch(stem) or ending not in ("json", "wacz"):
        return "extra", key
    try:
        right = manifest_key(stem) if ending == "json" else bundle_key(stem)
    except NotFound:
        return "extra", key
    if key != right:
        return "misplaced", key
    return ("manifest" if ending == "json" else "wacz"), stem


class Inventory:
    """The objects of a store as they were listed, and what its events say of them. One thread's; close it."""

    def __init__(self) -> None:
        self.db = sqlite3.connect("")  # a temporary file that goes with the connection
        self.db.executescript(_QUICK + _TABLES)

    def add(self, listing: Iterable[Listed]) -> None:
        """Take a listing in."""
        self.db.executemany("INSERT OR REPLACE INTO objects VALUES (?, ?, ?, ?, ?)", map(_row, listing))

    def note(self, table: str, *values: str) -> None:
        """One row for `table`; of the tables with a time the latest counts."""
        marks = ", ".join("?" * len(values))
        keep = "ON CONFLICT DO UPDATE SET at = max(at, excluded.at)" if table in ("covered", "unsound") else ""
        verb = "INSERT" if keep else "INSERT OR IGNORE"
        self.db.execute(f"{verb} INTO {table} VALUES ({marks}) {keep}", values)

    def count(self, kind: str) -> int:
        """How many objects of a kind there are."""
        return int(self.db.execute("SELECT count(*) FROM objects WHERE kind = ?", (kind,)).fetchone()[0])

    def count_of(self, table: str) -> int:
        """How many rows a table has."""
        return int(self.db.execute(f"SELECT count(*) FROM {table}").fetchone()[0])  # noqa: S608 names of ours

    def clear(self, table: str) -> None:
        """No row is left of a table."""
        self.db.execute(f"DELETE FROM {table}")  # noqa: S608 names of ours

    def items(self, *kinds: str) -> Iterator[Item]:
        """The objects of some kinds, by name."""
        marks = ", ".join("?" * len(kinds))
        query = f"SELECT name, key, size, at FROM objects WHERE kind IN ({marks}) ORDER BY kind, name, key"  # noqa: S608
        return self._rows(query, *kinds)

    def get(self, kind: str, name: str) -> Item | None:
        """One object."""
        found = self._rows("SELECT name, key, size, at FROM objects WHERE kind = ? AND name = ?", kind, name)
        return next(found, None)

    def without(self, kind: str, partner: str) -> Iterator[Item]:
        """Objects of a kind without the one of the kind `partner` that has the same name."""
        return self._rows(
            "SELECT o.name, o.key, o.size, o.at FROM objects o LEFT JOIN objects p ON p.kind = ? AND p.name = o.name "
            "WHERE o.kind = ? AND p.name IS NULL ORDER BY o.name",
            partner,
            kind,
        )

    def has(self, table: str, name: str) -> bool:
        """Whether a table has a row of that name."""
        return self.db.execute(f"SELECT 1 FROM {table} WHERE name = ?", (name,)).fetchone() is not None  # noqa: S608

    def due(self, limit: int) -> Iterator[Item]:
        """Bundles (by their manifests) and sources to read in full, at most `limit`.

        First go those found unsound, then those whose data changed since they were read, for nothing ever should, then
        the longest unread. What no audit has read counts as read when it was committed: it was read back then.
        """
        return self._rows(_DUE, limit)

    def count_read_since(self, at: str) -> int:
        """How many bundles and sources were read in full later than `at`."""
        return int(self.db.execute("SELECT count(*) FROM covered WHERE at > ?", (at,)).fetchone()[0])

    def vanished(self) -> Iterator[tuple[str, str]]:
        """Id, and the event that names it, of each bundle of which nothing is there, not even a tombstone."""
        return iter(
            self.db.execute(
                "SELECT n.name, n.key FROM named n LEFT JOIN tombstones t ON t.name = n.name "
                "LEFT JOIN objects o ON o.kind = 'manifest' AND o.name = n.name "
                "WHERE t.name IS NULL AND o.name IS NULL ORDER BY n.name"
            )
        )

    def unused_sources(self) -> Iterator[Item]:
        """Sources that no bundle is known to be made from."""
        return self._rows(
            "SELECT o.name, o.key, o.size, o.at FROM objects o LEFT JOIN used u ON u.name = o.name "
            "WHERE o.kind = 'source' AND u.name IS NULL ORDER BY o.name"
        )

    def still_there(self) -> Iterator[Item]:
        """Objects of bundles that were taken down."""
        return self._rows(
            "SELECT o.name, o.key, o.size, o.at FROM objects o JOIN tombstones t ON t.name = o.name "
            "WHERE o.kind IN ('manifest', 'wacz') ORDER BY o.name, o.key"
        )

    def close(self) -> None:
        """The temporary file goes."""
        self.db.close()

    def __enter__(self) -> "Inventory":
        return self

    def __exit__(self, *exc: object) -> None:
        self.close()

    def _rows(self, query: str, *values: Any) -> Iterator[Item]:
        return (Item(*row[:4]) for row in self.db.execute(query, values))


def _row(listed: Listed) -> tuple[str, str, str, int, str]:
    kind, name = kind_of(listed.key)
    return kind, name, listed.key, listed.size, stamp(listed.modified_at)


def stamp(at: datetime | None) -> str:
    """yyyymmddhhmmss in UTC, to the microsecond where there is one; the empty string for None."""
    return f"{at.astimezone(UTC):%Y%m%d%H%M%S.%f}" if at else ""
