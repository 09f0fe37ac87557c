"""Bringing a catalog up to date from its store.

A refresh lists the days since the last one, two more before them for clocks that differ and commits over midnight, and
the one after today: bundles by the day of their id, events by their own, and by the days to which a copy added some. A
bundle committed on another day than its id's is announced by an event `late`; the event may come before the manifest,
or the writer may have died between, so that such an id is looked for again at each refresh for a week.

A rebuild reads everything, in batches that each are kept if it is broken off; who looks meanwhile sees what was there
before and what came. What it did not find again goes at the end.
"""

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import chain, islice
from typing import TypeVar

from tasks.catalog.cache import Cache
from tasks.catalog.entries import Entry, Record, is_id, read_record
from tasks.catalog.tables import bury, forget, meta, put_meta, put_record
from tasks.errors import FormatError, NotFound
from tasks.records import VerdictKind
from tasks.store import Store
from tasks.store.base import read_ahead
from tasks.store.events import Event, is_of, manifest_put_back
from tasks.store.layout import EVENTS
from tasks.store.objects import keys

__all__ = ["Heard", "rebuild", "refresh"]

MARGIN = timedelta(days=2)
PENDING_DAYS = 7  # a writer that goes on later announces its bundle anew
RESUME_S = 86400  # an older rebuild that was broken off is begun again
_BATCH = 500  # bundles or events of one commit
_TOLD_EVERY = 5000
_KINDS = ("late", "observation", "repair", "replica")  # the last is of interest where it cannot be read
R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Heard:
    """Who is told what while a catalog is opened."""

    say: Callable[[str], None] = lambda line: None  # a line for people
    step: Callable[[str], None] = lambda name: None  # one more bundle was read
    broken: Callable[[FormatError], None] = lambda error: None  # a manifest or event that cannot be read; may raise it


def refresh(cache: Cache, store: Store, heard: Heard, *, today: date | None = None) -> int:
    """Read what is new; how many bundles were. The lock is held."""
    today = today or datetime.now(UTC).date()
    last = meta(cache.db, "refreshed")
    if not last:
        return rebuild(cache, store, heard, today=today)
    days = list(_days(min(date.fromisoformat(last), today) - MARGIN, today + timedelta(days=1)))
    _read_tombstones(cache, store, heard, today=today)
    _read_events(cache, store, store.event_keys(_named(days), _KINDS), heard, today=today)
    _let_go(cache, today, days[0])
    new = [id_ for id_ in _listed(store, days) if not _is_known(cache, id_)]
    again = [row[0] for row in cache.db.execute("SELECT bundle FROM pending UNION SELECT name FROM broken")]
    read = _read_bundles(cache, store, dict.fromkeys([*new, *filter(is_id, again)]), heard)
    if last != today.isoformat():
        with cache.writing() as db:
            put_meta(db, "refreshed", today.isoformat())
    return read


def _let_go(cache: Cache, today: date, first: date) -> None:
    """Drop announcements that came to nothing, and keys of events that no refresh lists again."""
    values = {
        "day": (today - timedelta(days=PENDING_DAYS)).isoformat(),
        "key": f"{EVENTS}{first - timedelta(days=1):%Y/%m/%d}",
    }
    old = "SELECT 1 FROM pending WHERE day < :day UNION ALL SELECT 1 FROM late WHERE key < :key LIMIT 1"
    if cache.db.execute(old, values).fetchone():  # a refresh that finds nothing writes nothing
        with cache.writing() as db:
            db.execute("DELETE FROM pending WHERE day < :day", values)
            db.execute("DELETE FROM late WHERE key < :key", values)


def rebuild(cache: Cache, store: Store, heard: Heard, *, today: date | None = None) -> int:
    """Read the whole store; how many bundles were read now. Goes on where one was broken off. The lock is held."""
    today = today or datetime.now(UTC).date()
    _begin(cache, today)
    _read_tombstones(cache, store, heard, today=today)
    _read_events(cache, store, _all_event_keys(store, today), heard, today=today)
    cursor = meta(cache.db, "cursor")
    if cursor:
        heard.say(f"going on with the catalog after {cursor}")
    ids = (id_ for id_ in store.list_ids() if id_ > cursor)
    read = _read_bundles(cache, store, ids, heard, keep_place=True)
    _drop_unseen(cache)
    with cache.writing() as db:
        put_meta(db, "refreshed", meta(db, "begun"))
        db.execute("DELETE FROM meta WHERE key IN ('cursor', 'begun', 'begun_at')")
    return read


def _begin(cache: Cache, today: date) -> None:
    """Note a new rebuild, unless one was broken off not long ago."""
    with cache.writing() as db:
        if meta(db, "begun") and time.time() - float(meta(db, "begun_at")) < RESUME_S:
            return
        for table in ("observation", "pending", "late", "broken"):
            db.execute(f"DELETE FROM {table}")  # noqa: S608 names of ours
        put_meta(db, "epoch", str(int(meta(db, "epoch")) + 1))
        put_meta(db, "begun", today.isoformat())
        put_meta(db, "begun_at", str(time.time()))
        put_meta(db, "cursor", "")


def _drop_unseen(cache: Cache) -> None:
    """Take out what this rebuild did not find, but for what was taken down."""
    epoch = int(meta(cache.db, "epoch"))
    query = "SELECT number FROM bundle WHERE epoch < ? AND id NOT IN (SELECT bundle FROM tombstone) LIMIT ?"
    while rows := cache.db.execute(query, (epoch, _BATCH)).fetchall():
        with cache.writing() as db:
            for (number,) in rows:
                forget(db, number)


# ------------------------------------------------------------------ bundles
def _days(first: date, last: date) -> Iterator[date]:
    return (first + timedelta(days=number) for number in range((last - first).days + 1))


def _named(days: Iterable[date]) -> Iterator[str]:
    return (f"{day:%Y%m%d}" for day in days)


def _listed(store: Store, days: list[date]) -> Iterator[str]:
    """The ids of these days; several days are listed at once."""
    listed = _at_once(_named(days), lambda day: list(store.list_ids(day)))
    return (id_ for _, ids in listed for id_ in _given(ids))


def _given(found: R | Exception) -> R:
    if isinstance(found, Exception):
        raise found
    return found


def _is_known(cache: Cache, id_: str) -> bool:
    return bool(cache.db.execute("SELECT 1 FROM bundle WHERE id = ?", (id_,)).fetchone())


def _read_bundles(cache: Cache, store: Store, ids: Iterable[str], heard: Heard, *, keep_place: bool = False) -> int:
    """Read manifests and put them in, batch by batch; how many. `keep_place`: a later rebuild goes on behind them."""
    epoch, count = int(meta(cache.db, "epoch")), 0
    found = _at_once(ids, store.read_manifest)
    while batch := list(islice(found, _BATCH)):
        errors = []
        with cache.writing() as db:
            for id_, data in batch:
                error = _take(cache, id_, data, epoch)
                errors += [error] if error else []
            if keep_place:
                put_meta(db, "cursor", batch[-1][0])
        for error in errors:
            heard.broken(error)
        for id_, _ in batch:
            heard.step(id_)
        count += sum(isinstance(data, bytes) for _, data in batch)
        if count // _TOLD_EVERY > (count - len(batch)) // _TOLD_EVERY:
            heard.say(f"{count:,} manifests read")
    return count


def _take(cache: Cache, id_: str, data: bytes | Exception, epoch: int) -> FormatError | None:
    """Put one manifest in; the error where it cannot be read, which is kept as well."""
    db = cache.db
    if isinstance(data, NotFound):  # only announced yet, or taken away meanwhile
        db.execute("DELETE FROM broken WHERE name = ?", (id_,))
        return None
    try:
        record = read_record(id_, _given(data))
    except FormatError as error:
        db.execute("INSERT OR REPLACE INTO broken VALUES (?, ?)", (id_, error.what))
        db.execute("DELETE FROM pending WHERE bundle = ?", (id_,))
        return error
    put_record(db, record, hashlib.sha256(_given(data)).digest()[:16], epoch=epoch)
    db.execute("DELETE FROM pending WHERE bundle = ?", (id_,))
    db.execute("DELETE FROM broken WHERE name = ?", (id_,))
    return None


# ------------------------------------------------------------------ events
def _all_event_keys(store: Store, today: date) -> Iterator[str]:
    """Keys of all events that a rebuild wants: announcements only of late, for it reads every manifest anyway."""
    oldest = f"{EVENTS}{today - timedelta(days=PENDING_DAYS):%Y/%m/%d}"
    found = keys(store.objects, EVENTS)
    return (key for key in found if is_of(key, ("observation",)) or (key >= oldest and is_of(key, ("late",))))


def _read_events(cache: Cache, store: Store, names: Iterable[str], heard: Heard, *, today: date) -> None:
    """Put in what these events tell, and those that could not be read before."""
    again = {row[0] for row in cache.db.execute("SELECT name FROM broken") if not is_id(row[0])}
    wanted = chain(sorted(again), (key for key in names if key not in again and not _is_read(cache, key)))
    found = _at_once(wanted, store.read_event)
    while batch := list(islice(found, _BATCH)):
        with cache.writing() as db:
            for key, event in batch:
                db.execute("DELETE FROM broken WHERE name = ?", (key,))
                if isinstance(event, FormatError):
                    db.execute("INSERT OR REPLACE INTO broken VALUES (?, ?)", (key, event.what))
                elif not isinstance(event, NotFound):
                    _put_event(cache, key, _given(event), today)
        for _, event in batch:
            if isinstance(event, FormatError):
                heard.broken(event)


def _is_read(cache: Cache, key: str) -> bool:
    query = "SELECT 1 FROM observation WHERE key = :key UNION ALL SELECT 1 FROM late WHERE key = :key"
    return bool(cache.db.execute(query, {"key": key}).fetchone())


def _put_event(cache: Cache, key: str, event: Event, today: date) -> None:
    """Note one event."""
    db, at = cache.db, f"{event.at:%Y-%m-%dT%H:%M:%SZ}"
    told = {name: str(event.detail.get(name) or "") for name in ("url", "verdict")}
    if event.kind in ("late", "repair"):
        db.execute("INSERT OR IGNORE INTO late VALUES (?)", (key,))
        id_ = event.bundle if event.kind == "late" else manifest_put_back(event)
        if id_ and not _is_known(cache, id_):
            db.execute("INSERT OR IGNORE INTO pending VALUES (?, ?)", (id_, today.isoformat()))
    elif event.kind == "observation" and event.bundle:
        values = (key, event.bundle, at, told["url"], told["verdict"])
        db.execute("INSERT OR IGNORE INTO observation VALUES (?, ?, ?, ?, ?)", values)


# ------------------------------------------------------------------ tombstones
def _read_tombstones(cache: Cache, store: Store, heard: Heard, *, today: date) -> None:
    """Bury what was taken down since; forget what was buried and is lifted: its manifest is read if it comes back."""
    now = store.tombstones.ids()
    before = {row[0] for row in cache.db.execute("SELECT bundle FROM tombstone")}
    for id_, event in _at_once(sorted(now - before), store.tombstones.find):
        with cache.writing():
            _bury(cache, id_, event if isinstance(event, Event) else None)
        if isinstance(event, FormatError):
            heard.broken(event)
    for id_ in sorted(before - now):
        with cache.writing() as db:
            db.execute("DELETE FROM tombstone WHERE bundle = ?", (id_,))
            db.execute("INSERT OR REPLACE INTO pending VALUES (?, ?)", (id_, today.isoformat()))
            for (number,) in db.execute("SELECT number FROM bundle WHERE id = ?", (id_,)).fetchall():
                forget(db, number)
    if now - before:
        with cache.writing() as db:  # FTS5 marks words as deleted; now they go
            db.execute("INSERT INTO word(word) VALUES ('optimize')")


def _bury(cache: Cache, id_: str, event: Event | None) -> None:
    """Take the text of a bundle out; `event` is None where its tombstone is damaged."""
    at = f"{event.at:%Y-%m-%dT%H:%M:%SZ}" if event else ""
    reason = str(event.detail.get("reason") or "") if event else "its tombstone is damaged"
    cache.db.execute("INSERT OR REPLACE INTO tombstone VALUES (?, ?, ?)", (id_, at, reason))
    if _is_known(cache, id_):
        bury(cache.db, id_, at, reason)
    else:
        _put_grave(cache, id_, str(event.detail.get("url") or "") if event else "")


def _put_grave(cache: Cache, id_: str, url: str) -> None:
    """A bundle of which only the tombstone is left."""
    at = f"{id_[:4]}-{id_[4:6]}-{id_[6:8]}T{id_[8:10]}:{id_[10:12]}:{id_[12:14]}Z"
    entry = Entry(id_, url, url, "", at, VerdictKind.ERROR, (), "", 0, 0)
    put_record(cache.db, Record(entry, ""), b"", epoch=int(meta(cache.db, "epoch")))


# ------------------------------------------------------------------ many at once
def _at_once(names: Iterable[str], read: Callable[[str], R]) -> Iterator[tuple[str, R | Exception]]:
    """Each name with what `read` gives for it, or the NotFound or FormatError it raised; few are held at a time."""

    def one(name: str) -> R | Exception:
        try:
            return read(name)
        except (NotFound, FormatError) as error:
            return error

    return read_ahead(iter(names), one)
