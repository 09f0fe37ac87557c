"""A store in a folder."""

import errno
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tasks.errors import NotFound
from tasks.store.base import Content
from tasks.store.disk import create_file, os_errors

__all__ = ["FolderObjects"]

_PIECE = 1 << 20  # bytes read at once


class FolderObjects:
    """Objects as files below `folder`, which appears at the first create."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.location = str(folder)

    def create(self, key: str, content: Content) -> bool:
        """See Objects: the file has its name only once it is whole and on disk."""
        path = self.folder / key
        with os_errors(path):
            if os.path.lexists(path):  # spares a rerun the writing
                return False
        source = content.source
        pieces = iter((source,)) if isinstance(source, bytes) else _pieces(source)
        return create_file(path, pieces, sha256=content.sha256)

    def read(self, key: str) -> Iterator[bytes]:
        """See Objects."""
        path = self.folder / key
        with os_errors(path):
            try:
                yield from _pieces(path)
            except FileNotFoundError:
                raise NotFound("no such object", where=str(path), remedy="`tearsheet list` shows bundles") from None

    def keys(self, prefix: str) -> Iterator[str]:
        """See Objects; temporary files are not objects."""
        with os_errors(self.folder):
            if self.folder.exists() and not self.folder.is_dir():
                raise NotADirectoryError(errno.ENOTDIR, "not a folder")
            for folder, _, names in os.walk(self.folder / prefix, onerror=_unless_gone):
                below = Path(folder).relative_to(self.folder).as_posix()
                yield from (f"{below}/{name}" for name in names if not name.startswith(".tmp-"))

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


def _unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error
