"""A message body while and after it is received: in memory up to 1 MiB, on disk beyond."""

import io
import tempfile
from typing import TYPE_CHECKING, BinaryIO, cast

from tasks.errors import DiskFull

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["KeptBody", "SpooledBody"]

_IN_MEMORY_BYTES = 1 << 20


class SpooledBody:
    """Bytes written once and read as often as wanted; implements `tasks.records.Body`."""

    __slots__ = ("_spool", "size")

    def __init__(self) -> None:
        self._spool = tempfile.SpooledTemporaryFile(_IN_MEMORY_BYTES)  # noqa: SIM115 closed by close()
        self.size = 0

    def write(self, data: bytes) -> None:
        """`data` added at the end; only before the first open(). Raises DiskFull."""
        try:
            self._spool.write(data)
        except OSError as error:  # ours, not the network's: it must never look like a body that broke off
            raise DiskFull(
                f"a page's body could not be written: {error.strerror or error}",
                where=tempfile.gettempdir(),
                remedy="Make room there, or name another folder in TMPDIR",
            ) from error
        self.size += len(data)

    def open(self) -> BinaryIO:
        """A reader at the first byte with a position of its own; closing it leaves the body as it is."""
        return io.BufferedReader(_Reader(self._spool), 1 << 16)

    def close(self) -> None:
        """Give the memory or the file back; twice is fine."""
        self._spool.close()


class KeptBody:
    """Bytes in memory that several captures share; implements `tasks.records.Body`."""

    __slots__ = ("_data", "size")

    def __init__(self, data: bytes) -> None:
        self._data, self.size = data, len(data)

    def open(self) -> BinaryIO:
        """A reader at the first byte with a position of its own."""
        return io.BytesIO(self._data)

    def close(self) -> None:
        """Nothing: another capture may read it yet."""


class _Reader(io.RawIOBase):
    """The spool from its first byte on; it seeks before each read, so that readers do not disturb each other."""

    def __init__(self, spool: tempfile.SpooledTemporaryFile[bytes]) -> None:
        self._spool, self._at = spool, 0

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_CUR:
            offset += self._at
        elif whence == io.SEEK_END:
            offset = self._spool.seek(offset, io.SEEK_END)
        self._at = offset
        return offset

    def readinto(self, buffer: "WriteableBuffer") -> int:
        self._spool.seek(self._at)
        count = cast("io.BytesIO", self._spool).readinto(buffer)
        self._at += count
        return count
