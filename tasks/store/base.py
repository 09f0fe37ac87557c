"""The store's contract: its keys, what a backend must be able to do, and how a bundle is committed. Each once.

Keys, below the store's folder or prefix, of [a-z0-9._/-] only:

    v1/store.json                       format, id of the store, what its server can do
    v1/bundles/2026/11/23/<id>.wacz     the bundle
    v1/bundles/2026/11/23/<id>.json     its manifest, written last: its presence is the commit
    v1/probe/<random>/…                 short-lived: what the first use of a store tries out

The day is the id's, so an id gives its key. Nothing is ever overwritten.
"""

import hashlib
import json
import secrets
import threading
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Protocol

from tasks.errors import FixityError, FormatError, NotFound, StoreConflict
from tasks.records import BUNDLE_ID, Bundle, BundleRef, Digest, digest_of
from tasks.store.disk import write_new

__all__ = ["BUNDLES", "STORE_KEY", "Content", "Objects", "Store", "bundle_key", "manifest_key"]

STORE_FORMAT = "tearsheet-store/1"
STORE_KEY = "v1/store.json"
BUNDLES = "v1/bundles/"
_READERS = 8  # manifests read at once


def bundle_key(bundle_id: str) -> str:
    """The key of a bundle's WACZ; NotFound for what cannot be an id."""
    return f"{_stem(bundle_id)}.wacz"


def manifest_key(bundle_id: str) -> str:
    """The key of a bundle's manifest; NotFound for what cannot be an id."""
    return f"{_stem(bundle_id)}.json"


def _stem(bundle_id: str) -> str:
    match = BUNDLE_ID.fullmatch(bundle_id)
    if not match:
        raise NotFound(
            "not the id of a bundle", where=repr(bundle_id), remedy="Ids look like 20261123101500-0123456789abcdef"
        )
    year, month, day, _ = match.groups()
    return f"{BUNDLES}{year}/{month}/{day}/{bundle_id}"


# ------------------------------------------------------------------ what a backend does
@dataclass(frozen=True, slots=True)
class Content:
    """What an object shall hold: bytes in memory or a file, with the digest that they must have."""

    source: bytes | Path
    sha256: Digest
    size: int

    @classmethod
    def of_bytes(cls, data: bytes) -> "Content":
        """Content that is in memory already."""
        return cls(data, digest_of(data), len(data))

    def read_bytes(self) -> bytes:
        """All of it."""
        return self.source if isinstance(self.source, bytes) else self.source.read_bytes()


class Objects(Protocol):
    """What a backend does with objects, all of it safe to call from several threads.

    Every method MUST raise StoreUnavailable for what may pass (after its own retries), StoreRefused for what needs
    the user, and leave nothing half done behind: a key either holds a whole object or none.
    """

    location: str

    def create(self, key: str, content: Content) -> bool:
        """True when `key` was free and holds `content` now, False when an object stands there (whatever it holds).

        MUST never overwrite, and MUST raise FixityError without creating anything when the bytes that arrive do not
        have the digest. May be called twice with the same content.
        """

    def read(self, key: str) -> Iterator[bytes]:
        """The object's bytes, in pieces; raises NotFound at the first piece.

        MUST resume a broken transfer at the byte where it broke, or raise StoreUnavailable.
        """

    def keys(self, prefix: str) -> Iterator[str]:
        """Every key that starts with `prefix` (which ends in a slash), in any order."""

    def probe(self, folder: str) -> dict[str, Any]:
        """What the server can do, tried out below `folder`, which is empty again afterwards."""

    def adopt(self, capabilities: dict[str, Any]) -> None:
        """Keep to these capabilities from now on."""

    def close(self) -> None:
        """Give connections back; twice is fine."""


# ------------------------------------------------------------------ the store
class Store:
    """Bundles in a folder or bucket. Thread-safe; a context manager."""

    def __init__(self, objects: Objects) -> None:
        self.objects = objects
        self.location = objects.location
        self._lock = threading.Lock()
        self._known = False  # store.json was read and its capabilities adopted

    def put_bundle(self, bundle: Bundle) -> BundleRef:
        """The bundle as stored; `created` is False when this very bundle was there.

        The WACZ goes first and is read back; the manifest, which commits it, goes last. A call that fails anywhere
        can be repeated. Raises StoreConflict when other bytes stand under the bundle's key.
        """
        key = bundle_key(bundle.id)
        self._ready_to_write()
        mine = self.objects.create(key, Content(bundle.path, bundle.sha256, bundle.size))
        self._check_stored(key, bundle.sha256, mine=mine)
        manifest = Content.of_bytes(bundle.manifest)
        created = self.objects.create(manifest_key(bundle.id), manifest)
        if not created:
            self._check_stored(manifest_key(bundle.id), manifest.sha256, mine=False)
        return BundleRef(id=bundle.id, key=key, sha256=bundle.sha256, size=bundle.size, created=created)

    def read_manifest(self, bundle_id: str) -> bytes:
        """The manifest of a committed bundle; NotFound when there is none."""
        key = manifest_key(bundle_id)
        self._ready_to_read()
        try:
            return b"".join(self.objects.read(key))
        except NotFound:
            raise self._no_bundle(bundle_id) from None

    def fetch_bundle(self, bundle_id: str, dest: Path) -> Path:
        """`<dest>/<id>.wacz`, a copy whose sha256 is the manifest's.

        The folder `dest` is made where it lacks. Raises WouldOverwrite when the file is there, FixityError when the
        bytes that arrived are others; no file is left then.
        """
        wanted = _digest_in(self.read_manifest(bundle_id), bundle_id)
        target = dest / f"{bundle_id}.wacz"
        try:
            write_new(target, self.objects.read(bundle_key(bundle_id)), sha256=wanted)
        except NotFound:
            raise FixityError(
                "the manifest is there but the bundle is gone",
                where=self._where(bundle_key(bundle_id)),
                remedy="Someone deleted it: put it back from a copy",
            ) from None
        return target

    def list_ids(self, day: str = "") -> Iterator[str]:
        """Ids of all committed bundles, or of those of one day (yyyymmdd), oldest first."""
        self._ready_to_read()
        prefix = f"{BUNDLES}{day[:4]}/{day[4:6]}/{day[6:8]}/" if day else BUNDLES
        found = (key.rpartition("/")[2].removesuffix(".json") for key in self._manifest_keys(prefix))
        return iter(sorted(found))

    def manifests(self) -> Iterator[tuple[str, bytes]]:
        """Id and manifest of every committed bundle, oldest first; several are read at once."""
        with ThreadPoolExecutor(_READERS, thread_name_prefix="manifest") as pool:
            window: deque[tuple[str, Future[bytes]]] = deque()
            try:
                for bundle_id in self.list_ids():
                    window.append((bundle_id, pool.submit(self.read_manifest, bundle_id)))
                    if len(window) >= _READERS * 2:
                        first, manifest = window.popleft()
                        yield first, manifest.result()
                while window:
                    first, manifest = window.popleft()
                    yield first, manifest.result()
            finally:
                for _, manifest in window:
                    manifest.cancel()

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
    def _check_stored(self, key: str, wanted: Digest, *, mine: bool) -> None:
        """Read the object back and raise unless it is what we meant to store; `mine`: this call wrote it."""
        digest = hashlib.sha256()
        for piece in self.objects.read(key):
            digest.update(piece)
        found = f"sha256:{digest.hexdigest()}"
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
        for key in self.objects.keys(prefix):
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
        self.objects.adopt(entry.get("capabilities") or {})
        return True


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
