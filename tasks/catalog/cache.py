"""The file that a catalog is kept in: where, how it is opened, and who may refresh it.

One file a store, named by the store's id, so that one store under two addresses has one. Several processes share it:
all read at any time (WAL); one refreshes, and holds the lock file meanwhile. A file that is damaged, or of another
version of the tables, is made anew.
"""

import contextlib
import fcntl
import os
import sqlite3
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from tasks.catalog.tables import SCHEMA, create_tables, meta
from tasks.settings import Settings

__all__ = ["Cache", "cache_folder", "open_cache"]

BUSY_S = 30.0  # how long one write waits for another process's
_TEMPORARY = "the catalog is kept in a temporary file this time and read from the store again: {}"


def cache_folder(settings: Settings) -> Path:
    """The folder of the catalogs: the setting `cache`, else the user's cache folder."""
    if settings.cache:
        return Path(settings.cache).expanduser()
    base = os.environ.get("XDG_CACHE_HOME", "")
    return (Path(base) if Path(base).is_absolute() else Path.home() / ".cache") / "tearsheet"


class Cache:
    """An open catalog file; close it."""

    def __init__(
        self,
        path: Path,
        store_id: str,
        *,
        temporary: tempfile.TemporaryDirectory[str] | None = None,
        in_memory: bool = False,
    ) -> None:
        self.path, self.store_id, self.temporary = path, store_id, temporary
        self.name = ":memory:" if in_memory else str(path)
        self.lock_file = path.with_suffix(".lock").open("a")
        try:
            self.db = self._opened()
        except BaseException:
            self.lock_file.close()
            raise

    def _opened(self) -> sqlite3.Connection:
        """The connection, to a file with our tables."""
        with contextlib.suppress(sqlite3.DatabaseError):
            if db := self._as_it_stands():
                return db
        with self.locked(wait_s=BUSY_S):
            return self._made()

    def _made(self) -> sqlite3.Connection:
        """The same, made anew unless another process just did; the lock is held."""
        if db := self._as_it_stands():
            return db
        for ending in ("", "-wal", "-shm"):
            Path(f"{self.path}{ending}").unlink(missing_ok=True)
        db = _connect(self.name)
        db.execute("BEGIN IMMEDIATE")
        create_tables(db, self.store_id)
        db.execute("COMMIT")
        return db

    def _as_it_stands(self) -> sqlite3.Connection | None:
        """The file as it stands; None where it is damaged, of another version or another store's."""
        db = None
        try:
            db = _connect(self.name)
            if _is_ours(db, self.store_id):
                return db
        except sqlite3.DatabaseError as error:
            if _is_about_access(error):
                raise
        if db:
            db.close()
        return None

    def renew(self) -> None:
        """An empty file in place of a damaged one."""
        self.db.close()
        with self.locked(wait_s=BUSY_S):
            Path(self.path).unlink(missing_ok=True)
            self.db = self._made()

    @contextlib.contextmanager
    def locked(self, *, wait_s: float) -> Iterator[bool]:
        """Whether this process alone may refresh; waits for another one so long. What holds it already, keeps it."""
        until = time.monotonic() + wait_s
        held = False
        while not held:
            try:
                fcntl.flock(self.lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                held = True
            except BlockingIOError:
                if time.monotonic() >= until:
                    break
                time.sleep(0.02)
        try:
            yield held
        finally:
            if held:
                fcntl.flock(self.lock_file, fcntl.LOCK_UN)

    @contextlib.contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """One transaction: all of it is there afterwards, or nothing."""
        self.db.execute("BEGIN IMMEDIATE")
        try:
            yield self.db
        except BaseException:
            with contextlib.suppress(sqlite3.Error):  # SQLite may have rolled back itself
                self.db.execute("ROLLBACK")
            raise
        self.db.execute("COMMIT")

    def close(self) -> None:
        """Give the file back; a temporary one is gone."""
        self.db.close()
        self.lock_file.close()
        if self.temporary:
            self.temporary.cleanup()


def open_cache(store_id: str, settings: Settings, *, say: Callable[[str], None]) -> Cache:
    """The catalog file of a store; a temporary one, with a line about it, where the user's folder cannot be used."""
    folder = cache_folder(settings)
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
        return Cache(folder / f"{_file_name(store_id)}.sqlite", store_id)
    except OSError as error:
        say(_TEMPORARY.format(f"{error.filename or folder}: {error.strerror or error}"))
    except sqlite3.OperationalError as error:
        say(_TEMPORARY.format(f"{folder}: {error}"))
    return temporary_cache(store_id)


def temporary_cache(store_id: str) -> Cache:
    """A catalog for this process alone: in a temporary file, or in memory where the disk takes none."""
    kept = tempfile.TemporaryDirectory(prefix="tearsheet-catalog-")
    try:
        return Cache(Path(kept.name) / "catalog.sqlite", store_id, temporary=kept)
    except sqlite3.OperationalError:
        return Cache(Path(kept.name) / "catalog.sqlite", store_id, temporary=kept, in_memory=True)


def _file_name(store_id: str) -> str:
    """The id, which is hexadecimal where we made it; whatever else it is becomes harmless."""
    return "".join(sign if sign.isalnum() and sign.isascii() else "-" for sign in store_id)[:80] or "none"


def _connect(name: str) -> sqlite3.Connection:
    db = sqlite3.connect(name, timeout=BUSY_S, isolation_level=None, check_same_thread=False)
    try:
        for pragma in (
            "journal_mode = WAL", "synchronous = NORMAL", "secure_delete = ON", "temp_store = MEMORY",
            "cache_size = -32768", "mmap_size = 0",
        ):  # fmt: skip
            db.execute(f"PRAGMA {pragma}").fetchone()
        db.execute("BEGIN IMMEDIATE")  # fails now, not later, where the file cannot be written
        db.execute("ROLLBACK")
    except sqlite3.DatabaseError:
        db.close()
        raise
    return db


def _is_ours(db: sqlite3.Connection, store_id: str) -> bool:
    (version,) = db.execute("PRAGMA user_version").fetchone()
    return version == SCHEMA and meta(db, "store") == store_id


def _is_about_access(error: sqlite3.DatabaseError) -> bool:
    """Whether the file cannot be used at all, rather than being damaged."""
    return isinstance(error, sqlite3.OperationalError) and any(
        part in str(error) for part in ("unable to open", "readonly", "locked", "disk")
    )
