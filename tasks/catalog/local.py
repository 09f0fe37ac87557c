"""The catalog of a store, kept on this machine: everything in it is derived from the store and can be made anew."""

import hashlib
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from types import TracebackType
from typing import TypeVar

from tasks.catalog.cache import Cache, open_cache, temporary_cache
from tasks.catalog.entries import Entry, chosen, is_id, read_record
from tasks.catalog.history import answering, history, newest_good
from tasks.catalog.identity import identity
from tasks.catalog.listing import Filters, listed
from tasks.catalog.query import Query
from tasks.catalog.refresh import Heard, rebuild, refresh
from tasks.catalog.search import Hit, search
from tasks.catalog.tables import entries_where, meta, put_record
from tasks.errors import FormatError
from tasks.settings import Settings
from tasks.store import Store

__all__ = ["Catalog", "Info", "locate", "open_catalog"]

R = TypeVar("R")
_WAIT_S = 10.0  # for another process that refreshes; what is there is served then
_FIRST_WAIT_S = 3600.0  # for another process that builds it: there is nothing to serve before
_SILENT = Heard()


@dataclass(frozen=True, slots=True)
class Info:
    """What `catalog info` tells."""

    path: str
    store_id: str
    refreshed: str  # the day (UTC) up to which the store was listed
    bundles: int
    captures: int
    tombstones: int
    observations: int
    pending: int  # announced, without a manifest yet
    broken: int  # manifests and events that cannot be read
    size: int  # bytes


def open_catalog(store: Store, settings: Settings, *, heard: Heard = _SILENT, fresh: bool = True) -> "Catalog":
    """The catalog of `store`, brought up to date unless `fresh` is False; a context manager.

    Every manifest that cannot be read is told each time, to `heard.broken`; by default it is only kept in the catalog.
    """
    id_ = store.id
    cache = open_cache(id_, settings, say=heard.say) if id_ else temporary_cache("none")
    catalog = Catalog(store, cache, heard)
    try:
        if fresh:
            catalog.refresh()
    except BaseException:
        catalog.close()
        raise
    return catalog


def locate(store: Store, settings: Settings, target: str, at: datetime | None = None, *, heard: Heard = _SILENT) -> str:
    """The id that `target` means: itself, which needs no catalog, or what the catalog has for a URL."""
    if is_id(target):
        return target
    with open_catalog(store, settings, heard=heard) as catalog:
        return catalog.find(target, at)


class Catalog:
    """What one store holds. Safe to call from several threads; a context manager."""

    def __init__(self, store: Store, cache: Cache, heard: Heard = _SILENT) -> None:
        self.store, self.cache, self.heard = store, cache, heard
        self._lock = threading.RLock()

    # -------------------------------------------------------------- up to date
    def refresh(self) -> int:
        """Read what is new in the store; how many bundles were."""
        return self._brought_up(refresh, rebuilding=False)

    def rebuild(self) -> int:
        """Read the whole store anew; how many bundles were read."""
        return self._brought_up(rebuild, rebuilding=True)

    def _brought_up(self, work: Callable[[Cache, Store, Heard], int], *, rebuilding: bool) -> int:
        def locked() -> int:
            wait_s = _WAIT_S if meta(self.cache.db, "refreshed") and not rebuilding else _FIRST_WAIT_S
            with self.cache.locked(wait_s=wait_s) as mine:
                if mine:
                    return work(self.cache, self.store, self.heard)
            self.heard.say("another process is refreshing the catalog: what is newest may be missing here")
            return 0

        return self._sound(locked)

    def add(self, id_: str, manifest: bytes) -> None:
        """Put in a bundle that was just stored, so that who looks next need not wait for a refresh."""

        def put() -> None:
            with self.cache.writing() as db:
                digest = hashlib.sha256(manifest).digest()[:16]
                put_record(db, read_record(id_, manifest), digest, epoch=int(meta(db, "epoch")))

        with self._lock:
            try:
                put()
            except (FormatError, sqlite3.Error):  # the next refresh reads it from the store, and says what is wrong
                return

    # -------------------------------------------------------------- one article
    def latest(self, urls: Iterable[str], at: datetime | None = None) -> Entry | None:
        """The newest good version, not after `at`, of the article that any of these URLs names; as last cleaned."""
        keys = [identity(url) for url in urls]
        return newest_good(self._sound(lambda: history(self.cache.db, keys)), at)

    def versions(self, url: str) -> tuple[Entry, ...]:
        """All bundles of the article that `url` names, oldest first: good, bad, derived, and tombstones."""
        return self._sound(lambda: history(self.cache.db, [identity(url)]))

    def answering(self, url: str) -> tuple[Entry, ...]:
        """All bundles, oldest first, of the captures that answer for just this URL."""
        return self._sound(lambda: answering(self.cache.db, identity(url)))

    def find(self, target: str, at: datetime | None = None) -> str:
        """The id that `target` means: itself, or the newest good capture of that article, not after `at`, as last
        cleaned. Raises NotFound, saying what there is instead."""
        if is_id(target):
            return target
        return chosen(self.versions(target), target, at, location=self.store.location)

    def get(self, id_: str) -> Entry | None:
        """One bundle; None where the catalog has none of that id."""
        return self._sound(lambda: next(entries_where(self.cache.db, "id = ?", (id_,)), None))

    # -------------------------------------------------------------- many
    def list(self, filters: Filters | None = None) -> Iterator[Entry]:
        """What fits, oldest first; a few rows are held at a time."""
        return listed(self.cache.db, filters or Filters())

    def search(self, query: Query, *, limit: int = 20, every: bool = False) -> tuple[Hit, ...]:
        """What fits a query, the best first: of each article one good version; `every`: of each bundle."""
        return self._sound(lambda: search(self.cache.db, query, limit=limit, every=every))

    def broken(self) -> tuple[tuple[str, str], ...]:
        """Manifests (by id) and events (by key) that cannot be read, with why."""
        return self._sound(lambda: tuple(self.cache.db.execute("SELECT name, what FROM broken ORDER BY name")))

    def info(self) -> Info:
        """What there is."""

        def count(what: str) -> int:
            return int(self.cache.db.execute(f"SELECT count(*) FROM {what}").fetchone()[0])  # noqa: S608

        pages = self.cache.db.execute("SELECT page_count * page_size FROM pragma_page_count, pragma_page_size")
        return Info(
            path=str(self.cache.path),
            store_id=self.cache.store_id,
            refreshed=meta(self.cache.db, "refreshed"),
            bundles=count("bundle WHERE id NOT IN (SELECT bundle FROM tombstone)"),
            captures=count("bundle WHERE shown = 1"),
            tombstones=count("tombstone"),
            observations=count("observation"),
            pending=count("pending"),
            broken=count("broken"),
            size=int(pages.fetchone()[0]),
        )

    def totals(self) -> dict[str, tuple[int, int, str]]:
        """By verdict: how many live bundles there are, of how many bytes, and the id of the newest."""
        query = (
            "SELECT verdict, count(*), sum(json_extract(entry, '$.size')), max(id) FROM bundle "
            "WHERE id NOT IN (SELECT bundle FROM tombstone) GROUP BY verdict ORDER BY verdict"
        )
        rows = self._sound(lambda: self.cache.db.execute(query).fetchall())
        return {verdict: (count, int(size or 0), newest) for verdict, count, size, newest in rows}

    # -------------------------------------------------------------- a file that may break
    def _sound(self, ask: Callable[[], R]) -> R:
        """What `ask` gives; of a file that turns out damaged, after it was made anew from the store."""
        with self._lock:
            try:
                return ask()
            except sqlite3.OperationalError:
                raise
            except sqlite3.DatabaseError as error:
                self.heard.say(f"the catalog was damaged ({error}) and is made anew")
                self.cache.renew()
                with self.cache.locked(wait_s=_FIRST_WAIT_S):
                    refresh(self.cache, self.store, self.heard)
                return ask()

    def close(self) -> None:
        """Give the file back."""
        with self._lock:
            self.cache.close()

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()
