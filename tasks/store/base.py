"""The store: how a bundle is committed and read back, and events beside it. Keys: layout.py; backends: objects.py."""

import json
import re
import secrets
import threading
from collections import deque
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, nullcontext, suppress
from datetime import UTC, date, datetime, time
from itertools import groupby
from pathlib import Path
from types import TracebackType
from typing import Any, TypeVar

from tasks.errors import FixityError, FormatError, NotFound, PermanentError, StoreConflict
from tasks.records import BUNDLE_ID, Bundle, BundleRef, Digest
from tasks.store.claims import keep_for_writer, release
from tasks.store.disk import write_new
from tasks.store.events import EVENT_KEY, Event, is_of, read_event
from tasks.store.layout import BUNDLES, EVENTS, STORE_KEY, bundle_key, day_prefix, manifest_key, source_key
from tasks.store.objects import Content, Objects, digest_stored, keys
from tasks.store.tombstones import Tombstones

__all__ = ["STORE_FORMAT", "Store", "read_ahead"]

STORE_FORMAT = "tearsheet-store/1"
_TOLD_LATER = ("observation", "tombstone")  # of another store's events those that say something of its copy, too
_READERS = 8  # manifests or events read at once
_LOOKS = 2  # at bytes that are not those meant: the way may have damaged them, once
R = TypeVar("R")


# ------------------------------------------------------------------ the store
class Store:
    """Bundles in a folder or bucket. Thread-safe; a context manager."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.location = objects.location
        self.tombstones = Tombstones(objects)
        self._lock = threading.Lock()
        self._known = False  # store.json was read and its capabilities adopted
        self._capabilities: Mapping[str, Any] = {}

    @property
    def id(self) -> str:
        """The store's own id, by which copies of it are told apart; the empty string where it is new."""
        try:
            return str(_parsed(b"".join(self.objects.read(STORE_KEY)), self._where(STORE_KEY)).get("id") or "")
        except NotFound:
            return ""

    def capabilities(self) -> Mapping[str, Any]:
        """What the store's server can do, as store.json has it; of a new store it is tried out now."""
        self._ready_to_write()
        return self._capabilities

    def put_bundle(self, bundle: Bundle, *, today: date | None = None) -> BundleRef:
        """The bundle as stored; `created` is False when this very bundle was there.

        The WACZ goes first and is read back; the manifest, which commits it, goes last. On another day (UTC, `today`)
        than that of the capture an event `late` goes before it, so that who lists this day's changes finds it. A call
        that fails anywhere can be repeated. Raises StoreConflict when other bytes stand under the bundle's key,
        StoreTombstoned when it was taken down.
        """
        key = bundle_key(bundle.id)
        self._ready_to_write()
        self.tombstones.check(bundle.id)
        data = Content(bundle.path, bundle.sha256, bundle.size)
        with self._kept(key, data, commit=manifest_key(bundle.id)):
            self._announce(bundle.id, today or datetime.now(UTC).date())
            manifest = Content.of_bytes(bundle.manifest)
            created = self._create_or_compare(manifest_key(bundle.id), manifest)
        return BundleRef(id=bundle.id, key=key, sha256=bundle.sha256, size=bundle.size, created=created)

    def read_manifest(self, bundle_id: str) -> bytes:
        """The manifest of a committed bundle; NotFound when there is none, StoreTombstoned when it was taken down."""
        key = manifest_key(bundle_id)
        self._ready_to_read()
        self.tombstones.check(bundle_id)
        try:
            return b"".join(self.objects.read(key))
        except NotFound:
            self.tombstones.check_now(bundle_id)
            raise self._no_bundle(bundle_id) from None

    def fetch_bundle(self, bundle_id: str, dest: Path) -> Path:
        """`<dest>/<id>.wacz`, a copy whose sha256 is the manifest's.

        The folder `dest` is made where it lacks. Raises WouldOverwrite when the file is there, FixityError when the
        bytes that arrived are others; no file is left then.
        """
        wanted = _digest_in(self.read_manifest(bundle_id), bundle_id)
        target = dest / f"{bundle_id}.wacz"
        try:
            self._fetch(bundle_key(bundle_id), target, wanted)
        except NotFound:
            raise FixityError(
                "the manifest is there but the bundle is gone",
                where=self._where(bundle_key(bundle_id)),
                remedy="Someone deleted it: put it back from a copy",
            ) from None
        return target

    def list_ids(self, day: str = "") -> Iterator[str]:
        """Ids of all committed bundles, or of those of one day (yyyymmdd), oldest first; none that was taken down."""
        self._ready_to_read()
        removed = self.tombstones.ids()
        keys_ = self._manifest_keys(day_prefix(BUNDLES, day))
        found = (key.rpartition("/")[2].removesuffix(".json") for key in keys_)
        return iter(sorted(bundle_id for bundle_id in found if bundle_id not in removed))

    def ids_by_day(self) -> Iterator[tuple[str, list[str]]]:
        """Each day (yyyymmdd) with the sorted ids of its bundles, days in the order of the listing, one held at a time.

        Servers list a day in one go; were there one that does not, a day would come more than once.
        """
        self._ready_to_read()
        found = (key.rpartition("/")[2].removesuffix(".json") for key in self._manifest_keys(BUNDLES))
        return ((day, sorted(ids)) for day, ids in groupby(found, key=lambda bundle_id: bundle_id[:8]))

    def manifests(self) -> Iterator[tuple[str, bytes]]:
        """Id and manifest of every committed bundle, oldest first; several are read at once."""
        return read_ahead(self.list_ids(), self.read_manifest)

    def put_source(self, source: Content, kind: str) -> str:
        """The key of a file of another tool, kept as it is; `kind` is wacz, warc or warc.gz. A call can be repeated."""
        key = source_key(source.sha256, kind)
        self._ready_to_write()
        self._check_stored(key, source.sha256, mine=self.objects.create(key, source))
        return key

    # -------------------------------------------------------------- events
    def put_event(self, event: Event, attachment: Content | None = None) -> str:
        """The key of the event as stored; its attachment, gzipped WARC, goes first. A call can be repeated.

        From an event `tombstone` on, until one `lift`, the bundle is gone for every reader, whatever is stored of it.
        """
        return self.copy_event(event.key, event.data, attachment)

    def copy_event(self, key: str, data: bytes, attachment: Content | None = None) -> str:
        """Like put_event, of the bytes of an event as another store holds it; FormatError where they are none."""
        event = read_event(key, data)
        self._ready_to_write()
        if event.kind == "tombstone":
            self.tombstones.put(event)
        beside = f"{key.removesuffix('.json')}.warc.gz"
        with self._kept(beside, attachment, commit=key) if attachment else nullcontext():
            self._create_or_compare(key, Content.of_bytes(data))
        if event.kind == "lift":
            self.tombstones.lift(event.bundle)
        return key

    def copy_history(self, key: str, data: bytes) -> str:
        """Like copy_event, but a tombstone or its lifting changes nothing here."""
        read_event(key, data)
        self._ready_to_write()
        self._create_or_compare(key, Content.of_bytes(data))
        return key

    def events(self, day: str = "") -> Iterator[Event]:
        """All events, or those of one day (yyyymmdd), oldest first. FormatError for one that is damaged."""
        self._ready_to_read()
        found = sorted(filter(EVENT_KEY.fullmatch, keys(self.objects, day_prefix(EVENTS, day))))
        return (event for _, event in read_ahead(iter(found), self.read_event))

    def event_keys(self, days: Iterable[str], kinds: Collection[str]) -> Iterator[str]:
        """Keys of the events of these kinds under these days (yyyymmdd), oldest day first.

        Days to which a copy from another store added events, as an event `replica` under one of these days tells,
        follow with what that store observed or took down. Whoever asks for `replica`, too, is given those; one that
        cannot be read names no days.
        """
        listed, added = set(days), set[str]()
        for key in self._event_keys(listed, {*kinds, "replica"}):
            if is_of(key, ("replica",)):
                added |= self._days_added(key)
            if is_of(key, kinds):
                yield key
        yield from self._event_keys(added - listed, {*kinds} & {*_TOLD_LATER})

    def _event_keys(self, days: Collection[str], kinds: Collection[str]) -> Iterator[str]:
        def of_day(day: str) -> list[str]:
            return [key for key in keys(self.objects, day_prefix(EVENTS, day)) if is_of(key, kinds)]

        return (key for _, found in read_ahead(iter(sorted(days)), of_day) for key in found)

    def _days_added(self, key: str) -> set[str]:
        with suppress(FormatError, NotFound):
            return {day for day in self.read_event(key).detail.get("days", ()) if re.fullmatch("[0-9]{8}", str(day))}
        return set()

    def read_event(self, key: str) -> Event:
        """The event under a key; NotFound, or FormatError when it is damaged."""
        return read_event(key, b"".join(self.objects.read(key)))

    def _announce(self, bundle_id: str, today: date) -> None:
        """Say under the day of the commit that a bundle of another day is about to be there."""
        if bundle_id[:8] != f"{today:%Y%m%d}":
            self.put_event(Event("late", datetime.combine(today, time(), UTC), bundle_id))

    @contextmanager
    def _kept(self, key: str, data: Content, *, commit: str) -> Iterator[None]:
        """`data` stand under `key`, read back; within the block, which creates the object `commit`, gc leaves them.

        Data that an earlier try left behind are an orphan that a gc may be about to delete: claims.py.
        """
        mine = self.objects.create(key, data)
        claimed = not mine and not self._is_there(commit)
        if claimed:
            keep_for_writer(self.objects, key, self._where(key))
            mine = self.objects.create(key, data)  # a gc that was done just before has deleted them
        self._check_stored(key, data.sha256, mine=mine)
        yield
        if claimed:
            with suppress(PermanentError):  # one who may not delete leaves it: gc clears it away
                release(self.objects, key)

    def _is_there(self, key: str) -> bool:
        try:
            self.objects.stat(key)
        except NotFound:
            return False
        return True

    def _create_or_compare(self, key: str, content: Content) -> bool:
        """True when the object is new; False when it was there with just these bytes, StoreConflict with others."""
        created = self.objects.create(key, content)
        if not created:
            self._check_stored(key, content.sha256, mine=False)
        return created

    def close(self) -> None:
        """Give connections back."""
        self.objects.close()

    def __enter__(self) -> "Store":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    # -------------------------------------------------------------- its parts
    def _fetch(self, key: str, target: Path, wanted: Digest) -> None:
        for _ in range(1, _LOOKS):
            with suppress(FixityError):
                write_new(target, self.objects.read(key), sha256=wanted)
                return
        write_new(target, self.objects.read(key), sha256=wanted)

    def _check_stored(self, key: str, wanted: Digest, *, mine: bool) -> None:
        """Read the object back and raise unless it is what we meant to store; `mine`: this call wrote it."""
        for _ in range(_LOOKS):
            _, found = digest_stored(self.objects, key)
            if found == wanted:
                return
        if mine:
            raise FixityError(
                f"read back as {found}, stored as {wanted}",
                where=self._where(key),
                remedy="Try again; if it stays, the server damages what it stores: delete that object by hand",
            )
        raise StoreConflict(
            f"other bytes stand there: {found}, ours are {wanted}",
            where=self._where(key),
            remedy="Nothing was overwritten: compare the two by hand, then move the wrong one away",
        )

    def _manifest_keys(self, prefix: str) -> Iterator[str]:
        for key in keys(self.objects, prefix):
            stem, dot, kind = key.rpartition(".")
            bundle_id = stem.rpartition("/")[2]
            if dot and kind == "json" and BUNDLE_ID.fullmatch(bundle_id) and key == manifest_key(bundle_id):
                yield key

    def _no_bundle(self, bundle_id: str) -> NotFound:
        remedy = "`tearsheet list` shows what is there"
        if not self._known:
            remedy = "The store is new: nothing was ever archived to it. Is the location right?"
        return NotFound(f"no bundle {bundle_id}", where=self.location, remedy=remedy)

    def _where(self, key: str) -> str:
        return f"{self.location.rstrip('/')}/{key}"

    # -------------------------------------------------------------- store.json
    def _ready_to_read(self) -> None:
        """Check the store's format once; a store without store.json is new, and reading never makes it."""
        if not self._known:
            with self._lock:
                self._known = self._known or self._adopt_stored()

    def _ready_to_write(self) -> None:
        """Like _ready_to_read, but a new store is probed and given its store.json."""
        if self._known:
            return
        with self._lock:
            self._known = self._known or self._adopt_stored()
            if self._known:
                return
            capabilities = self.objects.probe(f"v1/probe/{secrets.token_hex(8)}")
            self.objects.adopt(capabilities)
            entry = {"format": STORE_FORMAT, "id": secrets.token_hex(16), "capabilities": capabilities}
            self.objects.create(STORE_KEY, Content.of_bytes(_canonical(entry)))
            self._known = self._adopt_stored()  # whoever was first wins

    def _adopt_stored(self) -> bool:
        try:
            raw = b"".join(self.objects.read(STORE_KEY))
        except NotFound:
            return False
        entry = _parsed(raw, self._where(STORE_KEY))
        if entry.get("format") != STORE_FORMAT:
            raise FormatError(
                f"format is {entry.get('format')!r}, this version knows {STORE_FORMAT}",
                where=self._where(STORE_KEY),
                remedy="A newer Tearsheet wrote this store: update Tearsheet",
            )
        self._capabilities = entry.get("capabilities") or {}
        self.objects.adopt(dict(self._capabilities))
        return True


def read_ahead(names: Iterator[str], read: Callable[[str], R]) -> Iterator[tuple[str, R]]:
    """Each name with what `read` gives for it, in order; several are read at once, few are held."""
    with ThreadPoolExecutor(_READERS, thread_name_prefix="read") as pool:
        window: deque[tuple[str, Future[R]]] = deque()
        try:
            for name in names:
                window.append((name, pool.submit(read, name)))
                if len(window) >= _READERS * 2:
                    first, found = window.popleft()
                    yield first, found.result()
            while window:
                first, found = window.popleft()
                yield first, found.result()
        finally:
            for _, found in window:
                found.cancel()


def _canonical(entry: dict[str, Any]) -> bytes:
    return json.dumps(entry, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def _parsed(raw: bytes, where: str) -> dict[str, Any]:
    try:
        entry = json.loads(raw)
    except ValueError:
        entry = None
    if not isinstance(entry, dict):
        raise FormatError("not a JSON object", where=where, remedy="It is damaged: put it back from a copy")
    return entry


def _digest_in(manifest: bytes, bundle_id: str) -> Digest:
    """The WACZ's digest by the manifest; its first 16 digits are in the id too."""
    digest = str(_parsed(manifest, f"manifest of {bundle_id}").get("sha256", ""))
    if not digest.startswith(f"sha256:{bundle_id.rpartition('-')[2]}") or len(digest) != len("sha256:") + 64:
        raise FixityError(
            f"the manifest names {digest or 'no digest'}, which is not the id's",
            where=f"manifest of {bundle_id}",
            remedy="The manifest is damaged: try again, else put it back from a copy",
        )
    return Digest(digest)
