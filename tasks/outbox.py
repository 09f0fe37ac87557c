"""Bundles that wait on this disk because their store could not take them, and how they are delivered.

    <outbox>/<name of the store>-<8 hex>/store.json       which store: location and server
    <outbox>/<name of the store>-<8 hex>/<id>/<id>.wacz   a bundle that waits
    <outbox>/<name of the store>-<8 hex>/<id>/<id>.json   its manifest
    <outbox>/<name of the store>-<8 hex>/<id>/unsure      there where it was not held against its latest version

A bundle comes in with its folder, by one rename, and leaves by one, after the store has acknowledged it: it is there
whole or not at all, however the program ends. Delivering twice, also by two processes at once, is harmless.
"""

import contextlib
import errno
import hashlib
import json
import os
import re
import secrets
import shutil
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from tasks.bundle.manifest import read_manifest
from tasks.bundle.verify import is_sound, verify_file
from tasks.errors import DiskFull, FixityError, NotFound, StoreRefused, StoreUnavailable, TearsheetError, Thinner
from tasks.records import BUNDLE_ID, Bundle, BundleRef, digest_of
from tasks.settings import Settings
from tasks.store import Store, place_of
from tasks.store.disk import create_file, os_errors, sync_folder
from tasks.store.layout import bundle_key
from tasks.versioning import History, thinner_than_latest

__all__ = [
    *("OF_THE_STORE", "Delivered", "Kept", "Outbox"),
    *("deliver", "deliver_first", "load_bundle", "not_thinner", "outbox_folder"),
]

OF_THE_STORE = (StoreUnavailable, StoreRefused, DiskFull)  # the next bundle would fare no better
UNSURE = "unsure"  # the file that says that a bundle was not held against its latest version
OF_ONE_KEY = "under-deletion"  # code of a StoreUnavailable that says nothing of the store
REST_S = 60.0  # a store that did not answer is let alone for so long at most
REST_FROM_S = 1.0  # and not at all where it took less to find out
_STALE_S = 86_400.0  # age of what a killed process left
_PIECE = 1 << 20


def outbox_folder(settings: Settings) -> Path:
    """The folder of all outboxes: the setting `outbox`, else one in the user's data folder."""
    if settings.outbox:
        return Path(settings.outbox).expanduser()
    base = os.environ.get("XDG_DATA_HOME", "")
    data = Path(base) if Path(base).is_absolute() else Path.home() / ".local" / "share"
    return data / "tearsheet" / "outbox"


@dataclass(frozen=True, slots=True)
class Kept:
    """A bundle that waits: where, and the error that says why and what to do."""

    path: Path
    error: TearsheetError


class Outbox:
    """What waits for the store that the settings name. Thread-safe; two processes may share it."""

    def __init__(self, settings: Settings, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.place, self.clock = place_of(settings), clock
        self.folder = outbox_folder(settings) / _name(self.place)
        self._down: tuple[float, StoreUnavailable] | None = None

    # ---------------------------------------------------------------- a store that is down
    @property
    def trouble(self) -> StoreUnavailable | None:
        """Why the store is not to be asked just now."""
        down = self._down
        return down[1] if down and self.clock() < down[0] else None

    @contextlib.contextmanager
    def asking(self) -> Iterator[None]:
        """Around whatever asks the store: raises at once what it said last, where it is not to be asked just now.

        A store that kept us waiting for an error is let alone so long that asking costs a fifth of the time at most.
        """
        if trouble := self.trouble:
            raise trouble
        asked = self.clock()
        try:
            yield
        except StoreUnavailable as error:
            now = self.clock()
            if now - asked >= REST_FROM_S and error.code != OF_ONE_KEY and not self.trouble:
                self._down = (now + min(REST_S, 4 * (now - asked)), error)
            raise

    # ---------------------------------------------------------------- in and out
    def keep(self, bundle: Bundle, error: TearsheetError, *, unsure: bool = False) -> Kept:
        """The bundle parked because of this error. Raises DiskFull and the like where it cannot be."""
        path = self.park(bundle, unsure=unsure)
        remedy = f"The bundle waits in {path}: `tearsheet push` delivers it, or the next run. {error.remedy}".rstrip()
        return Kept(path, type(error)(error.what, where=error.where, remedy=remedy, code=error.code))

    def park(self, bundle: Bundle, *, unsure: bool = False) -> Path:
        """The WACZ as it waits now, safe from a power cut; a bundle that waits already is left as it is.

        `unsure`: it was not held against its latest version, which is done when it is delivered.
        """
        waits = self.folder / bundle.id
        with os_errors(self.folder):
            self._make()
            temporary = self.folder / f".tmp-{secrets.token_hex(8)}"
            try:
                create_file(temporary / f"{bundle.id}.wacz", _pieces(bundle.path), sha256=bundle.sha256)
                manifest = iter((bundle.manifest,))
                create_file(temporary / f"{bundle.id}.json", manifest, sha256=digest_of(bundle.manifest))
                if unsure:
                    create_file(temporary / UNSURE, iter(()), sha256=digest_of(b""))
                _rename_unless_there(temporary, waits)
                sync_folder(self.folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        return waits / f"{bundle.id}.wacz"

    def waiting(self) -> tuple[Path, ...]:
        """The WACZ of each bundle that waits, oldest first."""
        if not self.folder.is_dir():
            return ()
        with os_errors(self.folder):
            ids = sorted(path.name for path in self.folder.iterdir() if BUNDLE_ID.fullmatch(path.name))
        return tuple(self.folder / id_ / f"{id_}.wacz" for id_ in ids)

    def find(self, path: Path) -> Path:
        """The bundle that a user means: that file; or, where it lacks its manifest, the one of its name that waits."""
        waits = self.folder / path.stem / path.name
        return waits if waits.is_file() and not path.with_suffix(".json").is_file() else path

    def drop(self, id_: str) -> None:
        """The bundle, which the store has acknowledged, waits no longer; one that is gone is fine."""
        temporary = self.folder / f".tmp-{secrets.token_hex(8)}"
        with os_errors(self.folder), contextlib.suppress(FileNotFoundError):
            (self.folder / id_).rename(temporary)
            sync_folder(self.folder)
            shutil.rmtree(temporary)

    def sweep(self, *, now: Callable[[], float] = time.time) -> None:
        """Take away what killed processes left half written or half deleted, once it is a day old."""
        with contextlib.suppress(OSError):
            for left in self.folder.glob(".tmp-*"):
                if now() - left.stat().st_mtime > _STALE_S:
                    shutil.rmtree(left, ignore_errors=True)

    def elsewhere(self) -> Iterator[tuple[int, str, Path]]:
        """How many bundles wait for another store, which, and in which folder; for each such store."""
        for folder in sorted(self.folder.parent.glob("*/")):
            count = sum(1 for path in folder.glob("*/*.wacz") if BUNDLE_ID.fullmatch(path.parent.name))
            if count and folder != self.folder:
                yield count, _place_in(folder), folder

    def _make(self) -> None:
        """The folder, for the user's eyes only, with the name of its store in it."""
        if not (self.folder / "store.json").exists():
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            self.folder.mkdir(mode=0o700, exist_ok=True)
            data = json.dumps({"store": self.place}).encode() + b"\n"
            create_file(self.folder / "store.json", iter((data,)), sha256=digest_of(data))
            sync_folder(self.folder.parent)


def _name(place: str) -> str:
    readable = re.sub(r"[^A-Za-z0-9]+", "-", place).strip("-")[-60:].lstrip("-")
    return f"{readable}-{hashlib.sha256(place.encode()).hexdigest()[:8]}"


def _place_in(folder: Path) -> str:
    try:
        return str(json.loads((folder / "store.json").read_bytes())["store"])
    except (OSError, ValueError, KeyError, TypeError):
        return str(folder)


def _rename_unless_there(folder: Path, target: Path) -> None:
    try:
        folder.rename(target)
    except OSError as error:
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
            raise


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece


# ------------------------------------------------------------------ delivering
@dataclass(frozen=True, slots=True)
class Delivered:
    """What became of one bundle that was to be delivered."""

    path: Path
    ref: BundleRef | None = None
    error: TearsheetError | None = None

    def as_json(self) -> dict[str, object]:
        """The fields of `push --json`."""
        ref = self.ref
        return {
            "path": str(self.path),
            "id": ref.id if ref else self.path.stem,
            "delivered": ref is not None,
            "created": bool(ref and ref.created),
            "key": ref.key if ref else None,
            "bytes": ref.size if ref else None,
            "error": str(self.error) if self.error else None,
        }


def load_bundle(path: Path, manifest: Path | None = None) -> Bundle:
    """The bundle at `path` with the manifest beside it: every digest, every field. NotFound, FormatError, FixityError.

    What the WARC's records mean is not looked at again: `archive` did before it let a bundle wait, and it takes as long
    as storing it.
    """
    manifest = manifest or path.with_suffix(".json")
    try:
        data = manifest.read_bytes()
        found = read_manifest(data)
        problems = verify_file(path, level="fixity", expected=found.sha256, manifest=data)
    except FileNotFoundError as error:
        what = "no such bundle" if error.filename == str(path) else "no manifest beside the bundle"
        remedy = "Name a .wacz with its .json; `tearsheet import` takes one without a manifest"
        raise NotFound(what, where=str(path), remedy=remedy) from None
    except OSError as error:
        raise NotFound(error.strerror or str(error), where=str(path), remedy="Is it a file that can be read?") from None
    if not is_sound(problems):
        raise FixityError(
            "; ".join(str(problem) for problem in problems[:3]),
            where=str(path),
            remedy="It was not stored: `tearsheet verify` lists every problem",
        )
    return Bundle(found.id, path, found.sha256, found.bytes, data)


def deliver(
    store: Store,
    paths: Iterable[Path],
    outbox: Outbox,
    *,
    workers: int,
    sure: Callable[[Bundle], None] = lambda bundle: None,
    stored: Callable[[Bundle], None] = lambda bundle: None,
) -> Iterator[Delivered]:
    """What becomes of each bundle, in order, several at once; those that waited wait no longer once they are stored.

    `sure` is asked of each that was not held against its latest version; it raises where one must not be stored so.
    `stored` is told of each that is.
    After an error that would meet the next bundle as well nothing more is tried: the rest is given with that error.
    """
    failed: list[TearsheetError] = []

    def put(bundle: Bundle, unsure: bool) -> BundleRef:
        with outbox.asking():
            if unsure:
                sure(bundle)
            ref = store.put_bundle(bundle)
        stored(bundle)
        return ref

    def one(path: Path) -> Delivered:
        return Delivered(path, error=failed[0]) if failed else _delivered(store, path, outbox, put, failed.append)

    rest = iter(paths)
    for first in rest:  # alone: a store that is down is asked once, not by every worker
        yield one(first)
        break
    with ThreadPoolExecutor(workers, thread_name_prefix="push") as pool:
        window: deque[Future[Delivered]] = deque()
        try:
            for path in rest:
                window.append(pool.submit(one, path))
                if len(window) >= workers * 2:
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
        finally:
            for future in window:
                future.cancel()


def _delivered(
    store: Store,
    path: Path,
    outbox: Outbox,
    put: Callable[[Bundle, bool], BundleRef],
    failed: Callable[[TearsheetError], None],
) -> Delivered:
    mine = path.absolute().parent.parent == outbox.folder.absolute()
    try:
        bundle = load_bundle(path)
        with os_errors(path):
            ref = put(bundle, mine and (path.parent / UNSURE).exists())
        if mine:
            outbox.drop(bundle.id)
        return Delivered(path, ref)
    except TearsheetError as error:
        if mine and not path.parent.exists():  # another process was faster: it leaves only what was acknowledged
            return _by_another(store, path)
        if isinstance(error, OF_THE_STORE) and error.code != OF_ONE_KEY:
            failed(error)
        return Delivered(path, error=error)


def _by_another(store: Store, path: Path) -> Delivered:
    try:
        found = read_manifest(store.read_manifest(path.stem))
    except TearsheetError as error:
        return Delivered(path, error=error)
    return Delivered(path, BundleRef(found.id, bundle_key(found.id), found.sha256, found.bytes, created=False))


def not_thinner(history: History, settings: Settings) -> Callable[[Bundle], None]:
    """Raises Thinner for a good capture that has lost most of the words of its latest version: a wall, most likely."""
    turn = threading.Lock()

    def check(bundle: Bundle) -> None:
        with turn:
            verdict = thinner_than_latest(bundle.manifest, history, settings)
        if verdict:
            raise Thinner(
                f"not stored as the newest version: {', '.join(verdict.reasons)}",
                where=str(bundle.path),
                remedy="Archive the page again; `tearsheet push --force` stores this capture as it is",
            )

    return check


def deliver_first(
    store: Store, outbox: Outbox, history: History, settings: Settings, *, say: Callable[[str], None]
) -> None:
    """Deliver what waits before anything new is stored; what cannot be goes on waiting, and is told."""
    paths = outbox.waiting()
    if not paths:
        return
    say(f"delivering first what waits for {outbox.place}: {len(paths):,}")
    outbox.sweep()
    found = deliver(
        *(store, paths, outbox),
        workers=settings.workers,
        sure=not_thinner(history, settings),
        stored=lambda bundle: history.add(bundle.id, bundle.manifest),
    )
    errors = [done.error for done in found if done.error]
    for told in dict.fromkeys(map(str, errors)):
        say(told)
    say(f"delivered: {len(paths) - len(errors):,}; still waiting: {len(errors):,}")
