"""What is known of the pages of each source: a local file, derived from the events of the store.

Each shard of a run is an event `watch` with one row a page, each run an event `report`. Whoever opens the file reads
the events that it lacks; a file that is damaged or of another version is made anew. So a run may go on on another
machine, and one that was killed has lost what it did since its last shard at most.
"""

import contextlib
import fcntl
import json
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import astuple
from datetime import UTC, datetime, timedelta
from itertools import islice
from pathlib import Path
from typing import Any

from tasks.catalog import identity
from tasks.catalog.cache import cache_folder
from tasks.errors import CaptureTransient, DiskFull, FormatError, NotFound
from tasks.settings import Settings
from tasks.store import Store
from tasks.store.base import read_ahead
from tasks.store.events import Event, is_of
from tasks.store.layout import EVENTS
from tasks.store.objects import keys
from tasks.watching.due import GOOD, Seen, Visits, next_visit

__all__ = ["REPORT", "WATCH", "Watched", "alone", "open_watched"]

WATCH, REPORT = "watch", "report"  # kinds of events
_SCHEMA = "1"
_MARGIN = timedelta(days=2)  # clocks differ, and a run past midnight writes under the day before
_BATCH = 5_000
_EVENTS = 200  # put in at once
_TABLES = """
CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT) WITHOUT ROWID;
CREATE TABLE read(key TEXT PRIMARY KEY) WITHOUT ROWID;
CREATE TABLE page(
  source TEXT, key TEXT, url TEXT,
  first_at REAL, last_at REAL, changed_at REAL, kind TEXT, tries INT, words INT, next_at REAL,
  PRIMARY KEY(source, key)) WITHOUT ROWID;
CREATE INDEX page_due ON page(source, next_at) WHERE next_at IS NOT NULL;
CREATE TABLE report(source TEXT, at REAL, data TEXT, PRIMARY KEY(source, at)) WITHOUT ROWID;
"""
_COLUMNS = "url, first_at, last_at, changed_at, kind, tries, words"
_INSERT = "INSERT OR REPLACE INTO page VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)"


@contextlib.contextmanager
def open_watched(store: Store, settings: Settings, *, now: Callable[[], datetime] | None = None) -> Iterator["Watched"]:
    """The state of the store's sources, brought up to date; in memory where no file can be kept."""
    name, moment = (f"{store.id}.watch.db" if store.id else ":memory:"), (now or _now)()
    path = name if name == ":memory:" else str(cache_folder(settings) / name)
    try:
        watched = _refreshed(path, store, moment)
        try:
            yield watched
        finally:
            watched.close()
    except sqlite3.Error as error:
        raise DiskFull(
            f"what is known of watched pages cannot be kept: {error}",
            where=path,
            remedy="Free some space, or delete the file: it is made anew from the store",
        ) from error


def _refreshed(path: str, store: Store, now: datetime) -> "Watched":
    """The file, up to date; made anew where it turns out to be damaged."""
    watched = Watched(path)
    try:
        watched.refresh(store, now)
        return watched
    except BaseException as error:
        watched.close()
        if not isinstance(error, sqlite3.DatabaseError) or isinstance(error, sqlite3.OperationalError):
            raise
    _unlink(path)
    watched = Watched(path)
    watched.refresh(store, now)
    return watched


@contextlib.contextmanager
def alone(store: Store, settings: Settings, name: str, share: tuple[int, int] = (0, 1)) -> Iterator[None]:
    """No other run of a source on this machine meanwhile, but of another share of its hosts: two would ask each host
    twice as fast as it may be asked.

    Raises CaptureTransient with code `under-way` where there is one; its end, or its death, lets go.
    """
    folder, parted = cache_folder(settings), share[1] > 1
    wanted = [(name, fcntl.LOCK_SH if parted else fcntl.LOCK_EX)]
    wanted += [(f"{name}.{share[0] + 1}-of-{share[1]}", fcntl.LOCK_EX)] if parted else []
    with contextlib.ExitStack() as stack:
        for part, how in wanted:
            try:
                folder.mkdir(parents=True, exist_ok=True)
                file = stack.enter_context((folder / f"{store.id}.{part}.run.lock").open("a"))
            except OSError:  # where nothing can be kept, nothing can be held
                break
            try:
                fcntl.flock(file, how | fcntl.LOCK_NB)
            except OSError:
                raise CaptureTransient(
                    "a run of it is under way on this machine",
                    where=name,
                    remedy="It does what is due",
                    code="under-way",
                ) from None
        yield


def _now() -> datetime:
    return datetime.now(UTC)


class Watched:
    """The open file. Safe in threads."""

    def __init__(self, path: str) -> None:
        self._guard = threading.RLock()
        self.db = _opened(path)
        self._plans: dict[str, Visits] = {}

    def close(self) -> None:
        """Close the file."""
        self.db.close()

    # -------------------------------------------------------------- from the store
    def refresh(self, store: Store, now: datetime) -> None:
        """Read the events that are new in the store."""
        last = self._meta("refreshed")
        since = datetime.fromisoformat(last) - _MARGIN if last else None
        found = read_ahead(self._new_keys(store, since, now), lambda key: _event(store, key))
        while batch := list(islice(found, _EVENTS)):  # read first: other runs wait for who writes
            with self._writing():
                for key, event in batch:
                    self._note(event, key)
        with self._writing() as db:
            oldest = f"{EVENTS}{now - 2 * _MARGIN:%Y/%m/%d}"
            db.execute("DELETE FROM read WHERE key < ?", (oldest,))
            db.execute("INSERT OR REPLACE INTO meta VALUES ('refreshed', ?)", (now.isoformat(),))

    def _new_keys(self, store: Store, since: datetime | None, now: datetime) -> Iterator[str]:
        if since is None:
            found: Iterable[str] = sorted(key for key in keys(store.objects, EVENTS) if is_of(key, (WATCH, REPORT)))
        else:
            days = ((since + timedelta(days=n)) for n in range((now - since).days + 3))
            found = store.event_keys([f"{day:%Y%m%d}" for day in days], (WATCH, REPORT))
        return (key for key in found if not self._one("SELECT 1 FROM read WHERE key = ?", key))

    def note(self, event: Event, key: str) -> None:
        """Put in an event that was just stored."""
        with self._writing():
            self._note(event, key)

    def _note(self, event: Event | None, key: str) -> None:
        """Put in an event, as far as it is one of ours: another program's must not end every run of the store."""
        if event is not None:
            with contextlib.suppress(TypeError, ValueError, AttributeError, OverflowError):
                self._take(event)
        self.db.execute("INSERT OR IGNORE INTO read VALUES (?)", (key,))

    def _take(self, event: Event) -> None:
        source, at = str(event.detail.get("source", "")), event.at.timestamp()
        if event.kind == REPORT:
            data = json.dumps(dict(event.detail), separators=(",", ":"))
            self.db.execute("INSERT OR REPLACE INTO report VALUES (?, ?, ?)", (source, at, data))
            return
        for row in event.detail.get("pages", ()):
            with contextlib.suppress(KeyError, TypeError, ValueError, OverflowError):
                self._visit(source, str(row["url"]), _seconds(row["at"]), str(row["kind"]), int(row.get("words") or 0))

    def _visit(self, source: str, url: str, at: float, kind: str, words: int) -> None:
        """One visit; one that is older than what is known changes nothing."""
        before = self.seen(source, url)
        if before and before.last_at >= at:
            return
        good = kind in GOOD
        self._put(
            source,
            Seen(
                url=url,
                first_at=before.first_at if before else at,
                last_at=at,
                changed_at=before.changed_at if before and (kind == "unchanged" or not good) else at,
                kind=kind,
                tries=0 if good else (before.tries if before else 0) + 1,
                words=words if good else (before.words if before else 0),
            ),
        )

    # -------------------------------------------------------------- pages
    def plan(self, source: str, visits: Visits) -> None:
        """How the pages of a source are visited again; where that is new, when each is due is reckoned anew."""
        with self._writing() as db:
            self._plans[source] = visits
            text, name = json.dumps(astuple(visits)), f"plan {source}"
            if self._meta(name) == text:
                return
            after = ""
            query = f"SELECT key, {_COLUMNS} FROM page WHERE source = ? AND key > ? ORDER BY key LIMIT ?"  # noqa: S608
            while rows := db.execute(query, (source, after, _BATCH)).fetchall():
                values = [(next_visit(Seen(*row[1:]), visits), source, row[0]) for row in rows]
                db.executemany("UPDATE page SET next_at = ? WHERE source = ? AND key = ?", values)
                after = rows[-1][0]
            db.execute("INSERT OR REPLACE INTO meta VALUES (?, ?)", (name, text))

    def seen(self, source: str, url: str) -> Seen | None:
        """What is known of a page."""
        query = f"SELECT {_COLUMNS} FROM page WHERE source = ? AND key = ?"  # noqa: S608 names of ours
        row = self._one(query, source, identity(url))
        return Seen(*row) if row else None

    def learn(self, source: str, pages: Iterable[Seen]) -> None:
        """Put in pages that the store holds, whoever archived them."""
        with self._writing():
            for seen in pages:
                self._put(source, seen)

    def due(self, source: str, now: float, most: int | None = None) -> list[Seen]:
        """The pages that are due, the longest first; at most so many."""
        query = (
            f"SELECT {_COLUMNS} FROM page WHERE source = ? AND next_at <= ? "  # noqa: S608 names of ours
            "ORDER BY next_at, key LIMIT ?"
        )
        with self._guard:
            return [Seen(*row) for row in self.db.execute(query, (source, now, -1 if most is None else most))]

    def next_due(self, source: str) -> float | None:
        """When the next page is due; None: none ever."""
        row = self._one("SELECT min(next_at) FROM page WHERE source = ? AND next_at IS NOT NULL", source)
        return row[0] if row else None

    def _put(self, source: str, seen: Seen) -> None:
        due = next_visit(seen, self._visits_of(source))
        self.db.execute(_INSERT, (source, identity(seen.url), *astuple(seen), due))

    def _visits_of(self, source: str) -> Visits:
        """The plan of a source as it was last given."""
        if source not in self._plans:
            text = self._meta(f"plan {source}")
            after, adaptive, attempts = json.loads(text) if text else ((), False, Visits.attempts)
            self._plans[source] = Visits(tuple(after), adaptive, attempts)
        return self._plans[source]

    # -------------------------------------------------------------- reports
    def reports(self, source: str, most: int, share: tuple[int, int] = (0, 1)) -> list[Mapping[str, Any]]:
        """The last reports of a source, of that share of its hosts, the newest first."""
        query = "SELECT data FROM report WHERE source = ? ORDER BY at DESC"
        with self._guard:
            found = (json.loads(row[0]) for row in self.db.execute(query, (source,)))
            return list(islice((one for one in found if one.get("share", [0, 1]) == list(share)), most))

    def newest(self, source: str, most: int) -> list[float]:
        """When the newest pages of a source were first seen, the newest first."""
        query = "SELECT first_at FROM page WHERE source = ? ORDER BY first_at DESC LIMIT ?"
        with self._guard:
            return [row[0] for row in self.db.execute(query, (source, most))]

    # -------------------------------------------------------------- the file
    def _meta(self, key: str) -> str:
        row = self._one("SELECT value FROM meta WHERE key = ?", key)
        return str(row[0]) if row else ""

    def _one(self, query: str, *values: Any) -> Any:
        with self._guard:
            return self.db.execute(query, values).fetchone()

    @contextlib.contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction; within another one, part of that."""
        with self._guard:
            if self.db.in_transaction:
                yield self.db
                return
            self.db.execute("BEGIN IMMEDIATE")
            try:
                yield self.db
            except BaseException:
                self.db.execute("ROLLBACK")
                raise
            self.db.execute("COMMIT")


def _event(store: Store, key: str) -> Event | None:
    try:
        return store.read_event(key)
    except (NotFound, FormatError):  # the audit tells; what it said is learnt by the next visit
        return None


def _seconds(text: object) -> float:
    return datetime.fromisoformat(str(text)).timestamp()


def _opened(path: str) -> sqlite3.Connection:
    """The file with our tables, made anew where it is not one; in memory where there is no room or no right for it."""
    try:
        if path != ":memory:":
            Path(path).parent.mkdir(parents=True, exist_ok=True)
            with Path(f"{path}.lock").open("a") as lock:  # one makes it, the others wait
                fcntl.flock(lock, fcntl.LOCK_EX)
                return _as_it_stands(path) or _made(path)
        return _made(path)
    except OSError:
        return _made(":memory:")


def _as_it_stands(path: str) -> sqlite3.Connection | None:
    """The file, where it is one of ours; else it is gone."""
    db = None
    try:
        db = _connected(path)
        row = db.execute("SELECT value FROM meta WHERE key = 'schema'").fetchone()
        if row and row[0] == _SCHEMA:
            return db
    except sqlite3.DatabaseError as error:
        if "locked" in str(error):
            raise
    if db:
        db.close()
    _unlink(path)
    return None


def _unlink(path: str) -> None:
    for ending in ("", "-wal", "-shm"):
        if path != ":memory:":
            Path(f"{path}{ending}").unlink(missing_ok=True)


def _made(path: str) -> sqlite3.Connection:
    db = _connected(path)
    db.executescript(_TABLES)
    db.execute("INSERT INTO meta VALUES ('schema', ?)", (_SCHEMA,))
    return db


def _connected(path: str) -> sqlite3.Connection:
    db = sqlite3.connect(path, timeout=30.0, isolation_level=None, check_same_thread=False)
    db.execute("PRAGMA journal_mode = WAL")
    db.execute("PRAGMA synchronous = NORMAL")
    return db
