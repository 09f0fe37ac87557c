"""Which bundles are of one article: those that its URLs lead to, and no others.

The URL asked for finds every bundle that answers for it, under any of its names. From there the history goes on only
by what the article is called (its canonical URL, else the one that answered), and to a URL it had before, if that one
has led nowhere else since. A URL such as /latest that leads to another article each day joins none of them.
"""

import sqlite3
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.catalog.entries import Entry, families, shown
from tasks.catalog.tables import entries_where

__all__ = ["Version", "answering", "history", "newest_good", "numbered"]

_ROUNDS = 8  # moves of an article from one URL to another that are followed


def answering(db: sqlite3.Connection, key: str) -> tuple[Entry, ...]:
    """All bundles, oldest first, of the captures that answer for one URL."""
    return _whole(db, _numbers(db, "SELECT number FROM page WHERE key = ?", [key]))


def history(db: sqlite3.Connection, keys: Iterable[str]) -> tuple[Entry, ...]:
    """All bundles, oldest first, of the article that these URLs name."""
    found = set[int]()
    for key in keys:
        found |= _of_article(db, key)
    return _whole(db, found)


def _of_article(db: sqlite3.Connection, key: str) -> set[int]:
    found = _numbers(db, "SELECT number FROM page WHERE key = ?", [key])
    names = _names(db, "number", found)
    if len(names - {key}) > 1:  # it led to several articles: it is none of them
        return found
    for _ in range(_ROUNDS):
        called = _numbers(db, "SELECT number FROM page WHERE name = 1 AND key IN ({})", names)
        found |= called
        more = _moved(db, called, names)
        if more <= names:
            break
        names |= more
    return found


def _moved(db: sqlite3.Connection, numbers: set[int], names: set[str]) -> set[str]:
    """Other URLs that the article had or has: those asked for that led here and nowhere else."""
    more = set[str]()
    for asked in _texts(db, "SELECT DISTINCT key FROM page WHERE asked = 1 AND number IN ({})", numbers):
        led = _names(db, "number", _numbers(db, "SELECT number FROM page WHERE asked = 1 AND key = ?", [asked]))
        if len(led - {asked}) <= 1:
            more |= led
    return more


def _names(db: sqlite3.Connection, column: str, values: Iterable[int]) -> set[str]:
    return _texts(db, f"SELECT DISTINCT key FROM page WHERE name = 1 AND {column} IN ({{}})", values)  # noqa: S608


def _whole(db: sqlite3.Connection, numbers: set[int]) -> tuple[Entry, ...]:
    """The bundles of the captures that these are of."""
    captures = _texts(db, "SELECT DISTINCT capture FROM bundle WHERE number IN ({})", numbers)
    found = [entry for part in _parts(captures) for entry in entries_where(db, f"capture IN ({_marks(part)})", part)]
    return tuple(sorted(found, key=lambda entry: entry.id))


# ------------------------------------------------------------------ many values in one question
def _numbers(db: sqlite3.Connection, query: str, values: Iterable[str]) -> set[int]:
    return {row[0] for part in _parts(values) for row in db.execute(query.format(_marks(part)), part)}


def _texts(db: sqlite3.Connection, query: str, values: Iterable[int]) -> set[str]:
    return {row[0] for part in _parts(values) for row in db.execute(query.format(_marks(part)), part)}


def _parts(values: Iterable[int] | Iterable[str]) -> list[list[int | str]]:
    every = list[int | str](values)
    return [every[at : at + 500] for at in range(0, len(every), 500)]


def _marks(part: list[int | str]) -> str:
    return ", ".join("?" * len(part))


# ------------------------------------------------------------------ what each is
@dataclass(frozen=True, slots=True)
class Version:
    """One bundle in the history of its article."""

    number: int  # from 1, the oldest
    entry: Entry
    kind: str  # version, derived (a version cleaned anew), bad (its verdict), tombstone
    newest: bool  # this one answers for the article

    def as_json(self) -> dict[str, Any]:
        """The fields of `versions --json`."""
        entry = self.entry
        return {
            "number": self.number,
            "id": entry.id,
            "kind": self.kind,
            "newest": self.newest,
            "captured_at": entry.captured_at,
            "verdict": entry.verdict.value,
            "reasons": list(entry.reasons),
            "quarantine": entry.quarantine,
            "title": entry.title,
            "words": entry.words,
            "observed": entry.observed,
            "seen_at": entry.seen_at or None,
            "parent": entry.parent or None,
            "tombstone": entry.tombstone or None,
            "urls": [{"url": page.url, "why": list(page.why)} for page in entry.urls],
        }


def numbered(found: Iterable[Entry]) -> tuple[Version, ...]:
    """The bundles of one article, oldest first, with what each is."""
    entries = tuple(found)
    best = newest_good(entries)
    return tuple(Version(at, entry, _kind(entry), entry is best) for at, entry in enumerate(entries, 1))


def newest_good(found: Iterable[Entry], at: datetime | None = None) -> Entry | None:
    """The bundle that answers for an article: of its newest good capture, not after `at`, the one that is shown."""
    stamp = f"{at:%Y%m%d%H%M%S}" if at else "9"
    standing = (shown(family) for family in families(found))
    fitting = [entry for entry in standing if entry.good and entry.id[:14] <= stamp]
    return max(fitting, key=lambda entry: entry.capture, default=None)


def _kind(entry: Entry) -> str:
    if entry.tombstone:
        return "tombstone"
    if not entry.verdict.good:
        return "bad"
    return "derived" if entry.parent else "version"
