"""Searching: what FTS5 finds, ranked, with the place of each word in the original text."""

import sqlite3
from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from tasks.catalog.entries import Entry
from tasks.catalog.query import Phrase, Query, until_stamp
from tasks.catalog.tables import entries_where, text_of
from tasks.catalog.words import Word, words

__all__ = ["Hit", "Snippet", "mark", "search"]

_WEIGHTS = "8.0, 1.0, 4.0, 2.0, 0.0, 0.0"  # of title, text, author, section, site, language
_AROUND = 12  # words shown before and after what was found
_FIRST = 100  # rows asked for at once: of one article there may be many versions


@dataclass(frozen=True, slots=True)
class Snippet:
    """A stretch of a text, and where in it the words stand that were looked for."""

    text: str
    marks: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True)
class Hit:
    """One result."""

    entry: Entry
    score: float  # higher is better
    title: Snippet
    snippet: Snippet


class _Row(NamedTuple):
    number: int
    score: float
    id: str
    stands: int  # 1: it is the bundle shown of its capture, and good
    name: str | None  # what its article is called


def search(db: sqlite3.Connection, query: Query, *, limit: int, every: bool) -> tuple[Hit, ...]:
    """The best `limit` results; `every`: any bundle, else of each article one good one, the newest of those near it."""
    best: dict[str, _Row] = {}
    size, offset = max(_FIRST, limit * 4), 0
    while len(best) < limit:
        rows = _rows(db, query, size, offset)
        for row in rows:
            if every or row.stands:
                key = str(row.number) if every else row.name or str(row.number)
                first = best.setdefault(key, row)
                if row.id > first.id:
                    best[key] = row._replace(score=first.score)
        if len(rows) < size:
            break
        offset, size = offset + size, size * 4
    chosen = sorted(best.values(), key=lambda row: (-row.score, row.id))[:limit]
    return tuple(_hit(db, row, query) for row in chosen)


def _rows(db: sqlite3.Connection, query: Query, size: int, offset: int) -> list[_Row]:
    """So many rows that fit, from `offset` on, the best first."""
    condition, values = "", list[Any]()
    if query.since:
        condition, values = " AND b.id >= ?", [f"{query.since:%Y%m%d}"]
    if query.until:
        condition, values = condition + " AND b.id < ?", [*values, until_stamp(query.until)]
    join = " JOIN bundle b ON b.number = word.rowid" if condition else ""
    scored = f"SELECT word.rowid AS number, -bm25(word, {_WEIGHTS}) AS score FROM word{join}"  # noqa: S608
    ranked = f"{scored} WHERE word MATCH ?{condition} ORDER BY score DESC, number LIMIT ? OFFSET ?"
    name = "(SELECT key FROM page p WHERE p.number = r.number AND p.name = 1)"
    stands = "b.shown = 1 AND b.verdict IN ('ok', 'partial')"
    rows = db.execute(
        f"SELECT r.number, r.score, b.id, {stands}, {name} FROM ({ranked}) r JOIN bundle b ON b.number = r.number"  # noqa: S608
        " ORDER BY r.score DESC, r.number",
        (query.match, *values, size, offset),
    )
    return [_Row(*row) for row in rows]


# ------------------------------------------------------------------ what is shown
def _hit(db: sqlite3.Connection, row: _Row, query: Query) -> Hit:
    entry = next(entries_where(db, "number = ?", (row.number,)))
    title = Snippet(entry.title, tuple(mark(list(words(entry.title)), query.wanted)))
    return Hit(entry, round(row.score, 3), title, snippet(text_of(db, row.number), query.wanted))


def mark(found: list[Word], wanted: tuple[Phrase, ...]) -> Iterator[tuple[int, int]]:
    """Where phrases stand in a text of these words: start and end, in order, none in another."""
    spans: list[tuple[int, int]] = []
    firsts = {phrase.words[0] for phrase in wanted if len(phrase.words) > 1 or not phrase.begins}
    starts = tuple(phrase.words[0] for phrase in wanted if len(phrase.words) == 1 and phrase.begins)
    for at, word in enumerate(found):
        if word.text in firsts or (starts and word.text.startswith(starts)):
            for phrase in wanted:
                if _stands(phrase, found, at):
                    spans.append((word.start, max(word.end, found[at + len(phrase.words) - 1].end)))
    end = -1
    for start, stop in sorted(spans, key=lambda span: (span[0], -span[1])):
        if start >= end:
            yield start, stop
            end = stop


def _stands(phrase: Phrase, found: list[Word], at: int) -> bool:
    last = len(phrase.words) - 1
    if at + last >= len(found):
        return False
    for number, word in enumerate(phrase.words):
        text = found[at + number].text
        if text != word and not (number == last and phrase.begins and text.startswith(word)):
            return False
    return True


def snippet(text: str, wanted: tuple[Phrase, ...]) -> Snippet:
    """The stretch of a text in which most of what was looked for stands; its beginning where none does."""
    found = list(words(text))
    marks = list(mark(found, wanted))
    if not found:
        return Snippet("", ())
    first = _densest(marks, text) if marks else 0
    starts = [word.start for word in found]
    center = bisect_left(starts, marks[first][0]) if marks else 0
    low, high = max(0, center - _AROUND), min(len(found) - 1, center + 2 * _AROUND)
    start, end = found[low].start if low else 0, found[high].end if high < len(found) - 1 else len(text)
    end = min(end, start + 600)
    head, tail = "… " if start else "", " …" if end < len(text) else ""
    shift = len(head) - start
    kept = tuple((one + shift, other + shift) for one, other in marks if one >= start and other <= end)
    cut = "".join(" " if sign.isspace() else sign for sign in text[start:end])
    return Snippet(f"{head}{cut}{tail}", kept)


def _densest(marks: list[tuple[int, int]], text: str) -> int:
    """The number of the mark after which most different words stand near by."""
    best, most = 0, 0
    for number, (start, _) in enumerate(marks[:200]):
        near = {text[one:other].casefold() for one, other in marks[number : number + 20] if one < start + 200}
        if len(near) > most:
            best, most = number, len(near)
    return best
