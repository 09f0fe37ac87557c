"""What `list` filters by."""

import sqlite3
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import islice
from typing import Any

from tasks.catalog.entries import Entry
from tasks.catalog.identity import host_of_key, identity
from tasks.catalog.tables import entries_where
from tasks.catalog.words import fold
from tasks.records import VerdictKind

__all__ = ["Filters", "host_named", "listed"]

_BATCH = 500


@dataclass(frozen=True, slots=True)
class Filters:
    """Which bundles; empty: all."""

    host: str = ""  # with its sub-domains
    section: str = ""  # a part of its name
    author: str = ""  # a part of the name of one of them
    since: date | None = None  # captured on this day (UTC) or later
    until: date | None = None
    verdict: str = ""
    language: str = ""  # with its regions
    limit: int | None = None  # the newest
    every: bool = False  # also bundles that another one of the capture stands for
    quarantine: bool = False  # only those with a bad verdict


def host_named(text: str) -> str:
    """A host as the catalog spells it, of a host or a URL that a user gives."""
    return host_of_key(identity(text if "://" in text else f"https://{text}/"))


def listed(db: sqlite3.Connection, filters: Filters) -> Iterator[Entry]:
    """The entries that fit, oldest first."""
    where, values = _condition(filters)
    if filters.limit is not None:
        query = f"SELECT min(id) FROM (SELECT id FROM bundle WHERE {where} ORDER BY id DESC LIMIT ?)"  # noqa: S608
        (first,) = db.execute(query, (*values, filters.limit)).fetchone()
        if first is None or not filters.limit:
            return
        where, values = f"{where} AND id >= ?", (*values, first)
    last = ""
    while batch := list(
        islice(entries_where(db, f"{where} AND id > ?", (*values, last), f"ORDER BY id LIMIT {_BATCH}"), _BATCH)
    ):
        yield from batch
        last = batch[-1].id


def _condition(filters: Filters) -> tuple[str, tuple[Any, ...]]:
    """The SQL condition on a row, and its values."""
    parts: list[tuple[str, tuple[Any, ...]]] = [("1", ())]
    if not filters.every:
        parts.append(("shown = 1", ()))
    if filters.host:
        host = host_named(filters.host)
        parts.append(("(host = ? OR substr(host, -?) = ?)", (host, len(host) + 1, f".{host}")))
    for column, value in (("section", filters.section), ("authors", filters.author)):
        if value:
            parts.append((f"instr({column}, ?) > 0", (fold(value),)))
    if filters.since:
        parts.append(("id >= ?", (f"{filters.since:%Y%m%d}",)))
    if filters.until:
        parts.append(("id < ?", (f"{filters.until + timedelta(days=1):%Y%m%d}",)))
    if filters.verdict:
        parts.append(("verdict = ?", (filters.verdict,)))
    if filters.quarantine:
        good = tuple(kind.value for kind in VerdictKind if kind.good)
        parts += [("verdict != ?", (kind,)) for kind in good]
        parts.append(("id NOT IN (SELECT bundle FROM tombstone)", ()))
    if filters.language:
        language = filters.language.lower()
        parts.append(
            (
                "(language = ? OR substr(language, 1, ?) IN (?, ?))",
                (language, len(language) + 1, f"{language}-", f"{language}_"),
            )
        )
    return " AND ".join(sql for sql, _ in parts), tuple(value for _, some in parts for value in some)
