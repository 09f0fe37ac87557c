"""Files that are either whole or not there: written under a temporary name, synced, then given their name."""

import contextlib
import errno
import hashlib
import os
import secrets
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO

from tasks.errors import DiskFull, FixityError, StoreRefused, StoreUnavailable, WouldOverwrite
from tasks.records import Digest

__all__ = ["TEMPORARY", "create_file", "os_errors", "replace_file", "sync_folder", "write_new"]

TEMPORARY = ".tmp-"  # how the names of files begin that are not whole yet

_FULL = {errno.ENOSPC, errno.EDQUOT}
_FORBIDDEN = {errno.EACCES, errno.EPERM, errno.EROFS}
_SHAPE = {errno.ENOTDIR, errno.EISDIR, errno.ENAMETOOLONG, errno.ELOOP, errno.EINVAL}
_NO_LINKS = {errno.EPERM, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS, errno.EMLINK}


def write_new(path: Path, pieces: Iterable[bytes], *, sha256: Digest) -> None:
    """Write a copy to a new file; WouldOverwrite when it is there, FixityError when the bytes lack the digest.

    As create_file, but not synced: the store still has the bytes should the power fail.
    """
    with os_errors(path):
        if os.path.lexists(path) or not _create(path, pieces, sha256, sync=lambda handle: None):
            raise WouldOverwrite("the file is there", where=str(path), remedy="Name another folder, or use --force")


def create_file(path: Path, pieces: Iterable[bytes], *, sha256: Digest) -> bool:
    """True when `path` was free and holds `pieces` now, safe from a power cut; False when something stands there.

    The name appears only when the bytes have the digest and are on disk; in every other case nothing is left.
    """
    with os_errors(path):
        created = _create(path, pieces, sha256, sync=os.fsync)
        if created:
            sync_folder(path.parent)
        return created


def _create(path: Path, pieces: Iterable[bytes], sha256: Digest, *, sync: Callable[[int], None]) -> bool:
    _make_folder(path.parent)
    temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
    try:
        with temporary.open("xb") as out:
            _write(out, pieces, sha256=sha256, final=path)
            sync(out.fileno())
        return _name(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def replace_file(path: Path, pieces: Iterable[bytes], *, sha256: Digest) -> None:
    """`path` holds `pieces` now, safe from a power cut; what stood there stays when they lack the digest."""
    with os_errors(path):
        _make_folder(path.parent)
        temporary = path.parent / f"{TEMPORARY}{secrets.token_hex(8)}"
        try:
            with temporary.open("xb") as out:
                _write(out, pieces, sha256=sha256, final=path)
                os.fsync(out.fileno())
            temporary.replace(path)
            sync_folder(path.parent)
        finally:
            temporary.unlink(missing_ok=True)


def _write(out: BinaryIO, pieces: Iterable[bytes], *, sha256: Digest, final: Path) -> None:
    digest = hashlib.sha256()
    for piece in pieces:
        digest.update(piece)
        out.write(piece)
    if digest.hexdigest() != sha256.removeprefix("sha256:"):
        raise FixityError(
            f"the bytes that arrived are sha256:{digest.hexdigest()}, {sha256} was meant",
            where=str(final),
            remedy="Nothing was written: try again; if it stays, the source is damaged",
        )
    out.flush()


def _name(temporary: Path, path: Path) -> bool:
    """Give the file its name unless the name is taken."""
    try:
        os.link(temporary, path)  # unlike rename, a link never replaces
    except FileExistsError:
        return False
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        # FAT and some network folders have no links. Looking first is safe enough: keys are content-addressed.
        if os.path.lexists(path):
            return False
        temporary.rename(path)
    return True


def _make_folder(folder: Path) -> None:
    """Make `folder` and its parents; each new name is synced into the folder above it."""
    if folder.is_dir():
        return
    _make_folder(folder.parent)
    with contextlib.suppress(FileExistsError):  # another writer was faster
        folder.mkdir()
        sync_folder(folder.parent)


def sync_folder(folder: Path) -> None:
    """Names made in or taken from `folder` are safe from a power cut afterwards."""
    if os.name == "nt":  # Windows cannot open folders, and journals their entries itself
        return
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


@contextlib.contextmanager
def os_errors(path: Path) -> Iterator[None]:
    """Turns an OSError about `path` into an error of ours that says what to do."""
    try:
        yield
    except OSError as error:
        where, text = str(path), os.strerror(error.errno) if error.errno else str(error)
        if error.errno in _FULL:
            raise DiskFull(text, where=where, remedy="Make room, then run the same again") from error
        if error.errno in _FORBIDDEN:
            raise StoreRefused(text, where=where, remedy="Check the folder's permissions", code="forbidden") from error
        if error.errno in _SHAPE:
            raise StoreRefused(text, where=where, remedy="Name a folder, not a file", code="location") from error
        raise StoreUnavailable(text, where=where, remedy="Check the disk, then run the same again") from error
