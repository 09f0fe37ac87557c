"""What a backend of the store must be able to do with objects: bytes under a key."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from tasks.records import Digest, digest_of

__all__ = ["Content", "Listed", "Objects", "Stat", "Upload", "Version", "keys"]


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


@dataclass(frozen=True, slots=True)
class Listed:
    """One object as a listing names it."""

    key: str
    size: int
    modified_at: datetime | None  # by the server's clock; None where it does not say


@dataclass(frozen=True, slots=True)
class Stat:
    """What the server knows of an object without reading it."""

    size: int
    sha256: Digest | None  # as recorded when it was stored: tells nothing of the bytes now; None: not recorded


@dataclass(frozen=True, slots=True)
class Version:
    """One version of an object as the server keeps it, with what forbids deleting it."""

    id: str  # the server's own; empty where it keeps one only
    latest: bool = True
    marker: bool = False  # a delete marker: no bytes, but it says that the key was used
    mode: str = ""  # of its retention lock: governance or compliance
    until: datetime | None = None  # when that lock ends
    held: bool = False  # by a legal hold


@dataclass(frozen=True, slots=True)
class Upload:
    """An upload that was begun and neither finished nor given up: no object, but it takes room."""

    key: str  # what it was to become, or the temporary file
    id: str  # by which the server knows it
    started_at: datetime | None


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

    def listing(self, prefix: str) -> Iterator[Listed]:
        """Every object whose key starts with `prefix` (which ends in a slash), in any order."""

    def stat(self, key: str) -> Stat:
        """Size and recorded digest of an object; NotFound where there is none. Reads no byte of it."""

    def delete(self, key: str, *, bypass_governance: bool = False) -> None:
        """The object is gone afterwards, with every version of it; one that was not there is fine.

        MUST NOT touch any other key, and MUST raise StoreLocked where a lock forbids it; locks of the mode governance
        are passed over when asked for. The latest version goes last: no earlier one shows up meanwhile.
        """

    def versions(self, key: str) -> tuple[Version, ...]:
        """Every version of an object with its locks, the latest last; none where there was never one."""

    def hold(self, key: str, on: bool) -> None:
        """Set or lift the legal hold on an object that is there; StoreRefused where the server has no locks."""

    def replace(self, key: str, content: Content) -> None:
        """`key` holds `content` afterwards, whatever stood there; only to put a verified copy back.

        A reader meets the old object or the new one. MUST raise FixityError, with the old one untouched, when the bytes
        that arrive do not have the digest. Where the server keeps versions, or locks them, the old one stays as such.
        """

    def uploads(self) -> Iterator[Upload]:
        """Every unfinished upload, in any order; StoreRefused where the server cannot tell."""

    def abort(self, upload: Upload) -> None:
        """The upload and what arrived of it are gone afterwards; one that was not there is fine."""

    def probe(self, folder: str) -> dict[str, Any]:
        """What the server can do, tried out below `folder`, which is empty again afterwards."""

    def adopt(self, capabilities: dict[str, Any]) -> None:
        """Keep to these capabilities from now on."""

    def close(self) -> None:
        """Give connections back; twice is fine."""


def keys(objects: Objects, prefix: str) -> Iterator[str]:
    """Every key that starts with `prefix` (which ends in a slash), in any order."""
    return (listed.key for listed in objects.listing(prefix))
