"""What is uploaded: bytes or a file that ends when the time for it is over, and the digests of it."""

import base64
import hashlib
import io
from pathlib import Path
from typing import IO, Any

from tasks.errors import FixityError
from tasks.store.objects import Content
from tasks.store.patience import Patience

__all__ = ["check_local", "md5", "opened"]

PIECE = 1 << 20  # bytes of a file read at once
IN_MEMORY = 8 << 20  # files up to this many bytes are sent from memory: half the CPU of a file object


def opened(content: Content, patience: Patience) -> IO[bytes]:
    """What is to be uploaded, as a file that ends with an error when the time for it is over."""
    if isinstance(content.source, Path) and content.size > IN_MEMORY:
        return TimedFile(content.source, patience)
    return TimedBytes(content.read_bytes(), patience)


class TimedBytes(io.BytesIO):
    """Bytes to upload, unless it takes too long."""

    def __init__(self, data: bytes, patience: Patience) -> None:
        super().__init__(data)
        self.patience = patience

    def read(self, size: int | None = -1, /) -> bytes:
        _check_time(self.patience)
        return super().read(size)


class TimedFile(io.BufferedReader):
    """A file to upload, unless it takes too long."""

    def __init__(self, path: Path, patience: Patience) -> None:
        super().__init__(io.FileIO(path), PIECE)
        self.patience = patience

    def read(self, size: int | None = -1, /) -> bytes:
        _check_time(self.patience)
        return super().read(size)


def _check_time(patience: Patience) -> None:
    if patience.left_s <= 0:
        raise TimeoutError  # within the client, which makes an error of its own of it


def md5(content: Content) -> str:
    """The value of Content-MD5."""
    digest = hashlib.md5(usedforsecurity=False)
    _feed(digest, content)
    return base64.b64encode(digest.digest()).decode()


def check_local(content: Content) -> None:
    """Raise FixityError unless the local bytes have their digest: this server would not notice."""
    digest = hashlib.sha256()
    _feed(digest, content)
    if f"sha256:{digest.hexdigest()}" != content.sha256:
        raise FixityError(
            f"the bytes to store are sha256:{digest.hexdigest()}, {content.sha256} was meant",
            where=str(content.source) if isinstance(content.source, Path) else "manifest",
            remedy="Nothing was stored: pack the bundle again",
        )


def _feed(digest: Any, content: Content) -> None:
    if isinstance(content.source, bytes):
        digest.update(content.source)
        return
    with content.source.open("rb") as source:
        while piece := source.read(PIECE):
            digest.update(piece)
