"""The tables of the local catalog in SQLite, and rows in and out of them.

Everything here is derived from the store. The searched text is kept apart, compressed; the index of its words is
contentless: FTS5 keeps no second copy, so that deleting means handing it the same words again.
"""

import json
import sqlite3
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import asdict, fields, replace
from typing import Any

from tasks.catalog.entries import Entry, Record, shown
from tasks.catalog.identity import host_of_key, identity
from tasks.catalog.words import fold, words_of
from tasks.records import VerdictKind

__all__ = [
    "SCHEMA",
    "bury",
    "create_tables",
    "entries_where",
    "entry_of",
    "forget",
    "meta",
    "put_meta",
    "put_record",
    "site_tokens",
    "text_of",
]

SCHEMA = 1  # user_version of the file; one with another number is made anew
_TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE bundle(
    number INTEGER PRIMARY KEY,
    id TEXT NOT NULL UNIQUE,
    capture TEXT NOT NULL,          -- id of the bundle that the capture itself made
    manifest BLOB NOT NULL,         -- digest of its manifest
    epoch INTEGER NOT NULL,         -- of the last rebuild that found it
    host TEXT NOT NULL, verdict TEXT NOT NULL, language TEXT NOT NULL, section TEXT NOT NULL, authors TEXT NOT NULL,
    shown INTEGER NOT NULL,         -- 1: it stands for its capture
    entry TEXT NOT NULL             -- the rest, JSON
);
CREATE INDEX bundle_capture ON bundle(capture);
CREATE INDEX bundle_shown ON bundle(shown, id);
CREATE INDEX bundle_host ON bundle(host, id);
CREATE TABLE page(
    key TEXT NOT NULL, number INTEGER NOT NULL, url TEXT NOT NULL, why TEXT NOT NULL,
    asked INTEGER NOT NULL,         -- 1: the URL that the capture was of
    name INTEGER NOT NULL,          -- 1: what the article is called: its canonical URL, else the one that answered
    PRIMARY KEY (key, number, url)
) WITHOUT ROWID;
CREATE INDEX page_number ON page(number);
CREATE TABLE body(number INTEGER PRIMARY KEY, text BLOB NOT NULL);
CREATE VIRTUAL TABLE word USING fts5(title, text, author, section, site, language, content='', tokenize='ascii');
CREATE TABLE observation(
    key TEXT PRIMARY KEY, bundle TEXT NOT NULL, at TEXT NOT NULL, url TEXT NOT NULL, verdict TEXT NOT NULL
) WITHOUT ROWID;
CREATE INDEX observation_bundle ON observation(bundle, at);
CREATE TABLE tombstone(bundle TEXT PRIMARY KEY, at TEXT NOT NULL, reason TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE late(key TEXT PRIMARY KEY) WITHOUT ROWID;                          -- events that need no second reading
CREATE TABLE pending(bundle TEXT PRIMARY KEY, day TEXT NOT NULL) WITHOUT ROWID; -- announced, no manifest yet
CREATE TABLE broken(name TEXT PRIMARY KEY, what TEXT NOT NULL) WITHOUT ROWID;   -- manifests and events not readable
"""
_FIELDS = [item.name for item in fields(Entry)]


def create_tables(db: sqlite3.Connection, store_id: str) -> None:
    """The empty tables of one store's catalog."""
    for statement in _TABLES.split("\nCREATE "):
        db.execute(f"CREATE {statement}" if statement.strip() else "")
    put_meta(db, "store", store_id)
    put_meta(db, "epoch", "1")
    db.execute(f"PRAGMA user_version = {SCHEMA}")


def meta(db: sqlite3.Connection, key: str) -> str:
    """One of the catalog's notes on itself; empty where there is none."""
    row = db.execute("SELECT value FROM meta WHERE key = ?", (key,)).fetchone()
    return str(row[0]) if row else ""


def put_meta(db: sqlite3.Connection, key: str, value: str) -> None:
    """Note something."""
    db.execute("INSERT INTO meta VALUES (?, ?) ON CONFLICT(key) DO UPDATE SET value = excluded.value", (key, value))


# ------------------------------------------------------------------ one bundle in
def put_record(db: sqlite3.Connection, record: Record, manifest: bytes, *, epoch: int) -> None:
    """Put a bundle in, or, with the same manifest, only note that it was found; `manifest` is the digest of that."""
    entry = record.entry
    row = db.execute("SELECT number, manifest FROM bundle WHERE id = ?", (entry.id,)).fetchone()
    if row and row[1] == manifest:
        db.execute("UPDATE bundle SET epoch = ? WHERE number = ? AND epoch < ?", (epoch, row[0], epoch))
        return
    if row:
        forget(db, row[0])
    grave = db.execute("SELECT at, reason FROM tombstone WHERE bundle = ?", (entry.id,)).fetchone()
    if grave:
        record = Record(_buried(entry, *grave), "")
    number = _insert(db, record.entry, manifest, epoch)
    if not grave:
        text = record.text.encode("utf-8", "surrogatepass")
        db.execute("INSERT INTO body VALUES (?, ?)", (number, zlib.compress(text, 6)))
        db.execute(_INSERT_WORDS, (number, *_searched(record)))
    _choose_shown(db, entry.capture)


_INSERT_WORDS = "INSERT INTO word(rowid, title, text, author, section, site, language) VALUES (?, ?, ?, ?, ?, ?, ?)"
_DELETE_WORDS = (
    "INSERT INTO word(word, rowid, title, text, author, section, site, language) VALUES ('delete', ?, ?, ?, ?, ?, ?, ?)"
)


def _insert(db: sqlite3.Connection, entry: Entry, manifest: bytes, epoch: int) -> int:
    authors = "\n".join(map(fold, entry.authors))
    host = _plain(host_of_key(identity(entry.final_url)))
    values = (
        entry.id, entry.capture, manifest, epoch, host, entry.verdict.value, _plain(entry.language.lower()),
        _plain(fold(entry.section)), _plain(authors), _as_json(entry),
    )  # fmt: skip
    done = db.execute("INSERT INTO bundle VALUES (NULL, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, ?)", values)
    number = int(done.lastrowid or 0)
    last = len(entry.urls) - 1
    pages = [
        (_plain(page.key), number, _plain(page.url), " ".join(page.why), int(at == 0), int(at == last and page.alike))
        for at, page in enumerate(entry.urls)
    ]
    db.executemany("INSERT OR IGNORE INTO page VALUES (?, ?, ?, ?, ?, ?)", pages)
    return number


def _choose_shown(db: sqlite3.Connection, capture: str) -> None:
    """Mark the bundle that stands for a capture: see `shown`."""
    rows = db.execute("SELECT number, id, entry FROM bundle WHERE capture = ?", (capture,)).fetchall()
    if rows:
        first = shown(entry_of(row[2]) for row in rows)
        marks = [(int(row[1] == first.id), row[0]) for row in rows]
        db.executemany("UPDATE bundle SET shown = ? WHERE number = ?", marks)


def _as_json(entry: Entry) -> str:
    """The entry without what other columns and tables tell; ASCII, for a page may hold what UTF-8 cannot."""
    return json.dumps({name: value for name, value in asdict(entry).items() if value not in ("", (), 0)})


def _plain(text: str) -> str:
    """Text that SQLite takes: half of a surrogate pair becomes a question mark."""
    return text.encode("utf-8", "replace").decode("utf-8") if not text.isascii() else text


# ------------------------------------------------------------------ words
def _searched(record: Record) -> tuple[str, ...]:
    """The columns of the index: words with blanks between them."""
    entry = record.entry
    joined = (_plain(words_of(text)) for text in _columns(record))
    return (*joined, " ".join(site_tokens(host_of_key(identity(entry.final_url)))), language_tokens(entry.language))


def _columns(record: Record) -> tuple[str, ...]:
    entry = record.entry
    return entry.title, record.text, " \u2028 ".join(entry.authors), entry.section


def site_tokens(host: str) -> Iterator[str]:
    """One word for a host and each domain above it; a dot would part them."""
    labels = host.lower().replace(":", ".").split(".")
    for at in range(len(labels)):
        yield _plain("\u2024".join(labels[at:]).replace("-", "\u2010").replace("_", "\u2017"))


def language_tokens(language: str) -> str:
    """The language, and the language without its region."""
    low = fold(language).replace("_", "-")
    return " ".join(dict.fromkeys((_plain(low.replace("-", "\u2010")), _plain(low.partition("-")[0]))))


# ------------------------------------------------------------------ one bundle out
def forget(db: sqlite3.Connection, number: int) -> None:
    """Take a bundle out with all that is kept of it."""
    (entry,) = db.execute("SELECT entry FROM bundle WHERE number = ?", (number,)).fetchone()
    _take_words(db, number, entry_of(entry))
    db.execute("DELETE FROM page WHERE number = ?", (number,))
    db.execute("DELETE FROM bundle WHERE number = ?", (number,))
    _choose_shown(db, entry_of(entry).capture)


def _take_words(db: sqlite3.Connection, number: int, entry: Entry) -> None:
    row = db.execute("SELECT text FROM body WHERE number = ?", (number,)).fetchone()
    if row:
        db.execute(_DELETE_WORDS, (number, *_searched(Record(entry, _text(row[0])))))
        db.execute("DELETE FROM body WHERE number = ?", (number,))


def bury(db: sqlite3.Connection, bundle: str, at: str, reason: str) -> None:
    """Take out the words of a bundle that was taken down; its id and URLs stay, marked."""
    row = db.execute("SELECT number, entry FROM bundle WHERE id = ?", (bundle,)).fetchone()
    if not row or entry_of(row[1]).tombstone:
        return
    entry = entry_of(row[1])
    _take_words(db, row[0], entry)
    db.execute("DELETE FROM observation WHERE bundle = ?", (bundle,))
    gone = _buried(entry, at, reason)
    db.execute("UPDATE bundle SET entry = ?, section = '', authors = '' WHERE number = ?", (_as_json(gone), row[0]))
    _choose_shown(db, entry.capture)


def _buried(entry: Entry, at: str, reason: str) -> Entry:
    tombstone = f"{at} {reason}".strip()
    return replace(entry, title="", authors=(), section="", published="", text_sha256="", words=0, tombstone=tombstone)


# ------------------------------------------------------------------ rows out
def entry_of(text: str, observed: int = 0, seen_at: str = "") -> Entry:
    """The entry of a row."""
    table: dict[str, Any] = json.loads(text)
    table |= {"observed": observed, "seen_at": seen_at or ""} if observed else {}
    for name, default in _DEFAULTS.items():
        table.setdefault(name, default)
    table["verdict"] = VerdictKind(table["verdict"])
    for name in ("reasons", "authors"):
        table[name] = tuple(table[name])
    return Entry(**table)


_DEFAULTS: dict[str, Any] = {
    name: () if name in ("reasons", "authors") else 0 if name in ("words", "size", "generation", "observed") else ""
    for name in _FIELDS
}


_OBSERVED = (
    "(SELECT count(*) FROM observation o WHERE o.bundle = b.id),"
    " (SELECT max(at) FROM observation o WHERE o.bundle = b.id)"
)


def entries_where(
    db: sqlite3.Connection, where: str, values: Iterable[Any] = (), tail: str = "ORDER BY id"
) -> Iterator[Entry]:
    """Entries, with their observations, whose row fits."""
    query = f"SELECT entry, {_OBSERVED} FROM bundle b WHERE {where} {tail}"  # noqa: S608 conditions of ours
    return (entry_of(*row) for row in db.execute(query, tuple(values)))


def text_of(db: sqlite3.Connection, number: int) -> str:
    """The text of a bundle; empty where it is gone."""
    row = db.execute("SELECT text FROM body WHERE number = ?", (number,)).fetchone()
    return _text(row[0]) if row else ""


def _text(blob: bytes) -> str:
    return zlib.decompress(blob).decode("utf-8", "surrogatepass")
