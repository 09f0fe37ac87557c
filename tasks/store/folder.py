"""A store in a folder."""

import contextlib
import errno
import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.errors import NotFound
from tasks.store.disk import TEMPORARY, create_file, os_errors, replace_file, sync_folder
from tasks.store.layout import BUNDLES
from tasks.store.locks import no_locks
from tasks.store.objects import Content, Listed, Stat, Upload, Version

__all__ = ["FolderObjects"]

_PIECE = 1 << 20  # bytes read at once


class FolderObjects:
    """Objects as files below `folder`, which appears at the first create; `object_lock`, if any, is refused."""

    def __init__(self, folder: Path, *, object_lock: str = "") -> None:
        self.object_lock = object_lock
        self.folder = folder
        self.location = str(folder)

    def create(self, key: str, content: Content) -> bool:
        """See Objects: the file has its name only once it is whole and on disk."""
        path = self.folder / key
        if self.object_lock and key.startswith(BUNDLES):
            remedy = "Nothing was stored. A folder has no locks: set object_lock to empty, or name an S3 bucket"
            raise no_locks(self.location, remedy=remedy)
        with os_errors(path):
            if os.path.lexists(path):  # spares a rerun the writing
                return False
        return create_file(path, _content(content), sha256=content.sha256)

    def read(self, key: str) -> Iterator[bytes]:
        """See Objects."""
        path = self.folder / key
        with os_errors(path):
            try:
                yield from _pieces(path)
            except FileNotFoundError:
                raise _no_object(path) from None

    def listing(self, prefix: str) -> Iterator[Listed]:
        """See Objects; temporary files are not objects."""
        with os_errors(self.folder):
            if self.folder.exists() and not self.folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "not a folder")
            yield from _files(self.folder, self.folder / prefix)

    def stat(self, key: str) -> Stat:
        """See Objects; a folder records no digest."""
        path = self.folder / key
        with os_errors(path):
            try:
                return Stat(path.stat().st_size, None)
            except FileNotFoundError:
                raise _no_object(path) from None

    def delete(self, key: str, *, bypass_governance: bool = False) -> None:
        """See Objects: a folder has no locks."""
        path = self.folder / key
        with os_errors(path):
            path.unlink(missing_ok=True)
            if path.parent.is_dir():
                sync_folder(path.parent)

    def versions(self, key: str) -> tuple[Version, ...]:
        """See Objects: the file, if it is there."""
        path = self.folder / key
        with os_errors(path):
            return (Version(""),) if os.path.lexists(path) else ()

    def hold(self, key: str, on: bool) -> None:
        """See Objects: refused."""
        raise no_locks(self.location, remedy="A folder has none: legal holds need a bucket with Object Lock enabled")

    def replace(self, key: str, content: Content) -> None:
        """See Objects."""
        replace_file(self.folder / key, _content(content), sha256=content.sha256)

    def uploads(self) -> Iterator[Upload]:
        """See Objects: the temporary files of writers that are at work, or were killed."""
        with os_errors(self.folder):
            for listed in _files(self.folder, self.folder / "v1", temporary=True):
                yield Upload(listed.key, listed.key.rpartition("/")[2], listed.modified_at)

    def abort(self, upload: Upload) -> None:
        """See Objects."""
        if upload.id.startswith(TEMPORARY):
            self.delete(upload.key)

    def probe(self, folder: str) -> dict[str, Any]:
        """See Objects: nothing to try out, creating only and checking digests is done by us."""
        return {"create_only": "native", "sha256": "checked"}

    def adopt(self, capabilities: dict[str, Any]) -> None:
        """See Objects: a folder has no choices."""

    def close(self) -> None:
        """See Objects: no file stays open."""


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as source:
        while piece := source.read(_PIECE):
            yield piece


def _content(content: Content) -> Iterator[bytes]:
    return iter((content.source,)) if isinstance(content.source, bytes) else _pieces(content.source)


def _files(root: Path, start: Path, *, temporary: bool = False) -> Iterator[Listed]:
    """Every file below `start`, or every temporary one, named from `root`; one that goes away meanwhile is left out."""
    for folder, _, names in os.walk(start, onerror=_unless_gone):
        below = Path(folder).relative_to(root).as_posix()
        for name in names:
            if name.startswith(TEMPORARY) == temporary:
                with contextlib.suppress(FileNotFoundError):
                    found = os.stat(os.path.join(folder, name))  # noqa: PTH116, PTH118 a third faster, of a million
                    yield Listed(f"{below}/{name}", found.st_size, datetime.fromtimestamp(found.st_mtime, UTC))


def _no_object(path: Path) -> NotFound:
    return NotFound("no such object", where=str(path), remedy="`tearsheet list` shows bundles")


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
