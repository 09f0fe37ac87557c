"""A small deterministic zip writer: the one byte form in which Tearsheet stores a WACZ.

Local headers, data and central directory follow from the entries and one moment alone: no extra fields, no data
descriptors, no comments, flags 0. verify rebuilds them with `framing` and compares byte for byte.
"""

import hashlib
import struct
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from typing import IO

from tasks.errors import FormatError
from tasks.records import Digest, digest_of

__all__ = ["DEFLATED", "STORED", "Entry", "Sink", "WaczWriter", "central_directory", "framing", "local_header"]

STORED, DEFLATED = 0, 8
LEVEL = 6  # of deflated members
LIMIT = 0xFFFFFFFF  # bytes; a larger file needs zip64, which this form does not have

_VERSION = 20  # "needed to extract" 2.0: deflate
_MADE_BY = 3 << 8 | _VERSION  # made on Unix, so that the file mode below counts
_MODE = 0o100644 << 16  # a plain file, rw-r--r--
_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")


@dataclass(frozen=True, slots=True)
class Entry:
    """One member as it stands in the zip."""

    name: str  # ASCII
    method: int  # STORED or DEFLATED
    crc: int  # CRC-32 of the data
    packed: int  # bytes in the zip
    size: int  # bytes of the data
    sha256: Digest  # of the data
    packed_sha256: Digest  # of the bytes in the zip; the same as sha256 where STORED


# ------------------------------------------------------------------ the canonical form
def local_header(entry: Entry, moment: datetime) -> bytes:
    """The bytes in front of a member's data."""
    time, date = _dos(moment)
    name = entry.name.encode("ascii")
    return (
        _LOCAL.pack(
            b"PK\x03\x04", _VERSION, 0, entry.method, time, date, entry.crc, entry.packed, entry.size, len(name), 0
        )
        + name
    )


def central_directory(entries: Sequence[Entry], moment: datetime) -> bytes:
    """Everything behind the last member's data: the directory and its end record."""
    time, date = _dos(moment)
    directory, offset = bytearray(), 0
    for entry in entries:
        name = entry.name.encode("ascii")
        directory += _CENTRAL.pack(
            b"PK\x01\x02", _MADE_BY, _VERSION, 0, entry.method, time, date,
            entry.crc, entry.packed, entry.size, len(name), 0, 0, 0, 0, _MODE, offset,
        ) + name  # fmt: skip
        offset += _LOCAL.size + len(name) + entry.packed
    end = _END.pack(b"PK\x05\x06", 0, 0, len(entries), len(entries), len(directory), offset, 0)
    return bytes(directory) + end


def framing(entries: Sequence[Entry], moment: datetime) -> Iterator[tuple[int, bytes]]:
    """Offset and bytes of every part of the file that is not member data, in the order of the file."""
    offset = 0
    for entry in entries:
        header = local_header(entry, moment)
        yield offset, header
        offset += len(header) + entry.packed
    yield offset, central_directory(entries, moment)


def _dos(moment: datetime) -> tuple[int, int]:
    """Time and date as zip has them: two-second steps, no zone (UTC is meant), years 1980 to 2107."""
    year = min(max(moment.year, 1980), 2107) - 1980
    time = moment.hour << 11 | moment.minute << 5 | moment.second // 2
    return time, year << 9 | moment.month << 5 | moment.day


# ------------------------------------------------------------------ writing
class Sink:
    """Counts and hashes what goes into one STORED member."""

    def __init__(self, file: IO[bytes]) -> None:
        self._file = file
        self.size, self.crc, self.sha256 = 0, 0, hashlib.sha256()

    def write(self, data: bytes) -> int:
        """Append `data`."""
        self._file.write(data)
        self.size += len(data)
        self.crc = zlib.crc32(data, self.crc)
        self.sha256.update(data)
        return len(data)


class WaczWriter:
    """Writes members one after another into a seekable file; `entries` lists what has been written."""

    def __init__(self, file: IO[bytes], moment: datetime) -> None:
        self._file, self._moment = file, moment
        self.entries: list[Entry] = []

    def add(self, name: str, data: bytes, *, deflate: bool = False) -> Entry:
        """Write one member; deflated only where asked for and smaller."""
        packed = _deflated(data) if deflate else data
        method = DEFLATED if len(packed) < len(data) else STORED
        packed = packed if method == DEFLATED else data
        entry = Entry(name, method, zlib.crc32(data), len(packed), len(data), digest_of(data), digest_of(packed))
        self._file.write(local_header(entry, self._moment))
        self._file.write(packed)
        self.entries.append(entry)
        return entry

    @contextmanager
    def stored(self, name: str) -> Iterator[Sink]:
        """A sink for a STORED member of unknown size; its header is filled in at the end."""
        start = self._file.tell()
        empty = Digest("")
        self._file.write(local_header(Entry(name, STORED, 0, 0, 0, empty, empty), self._moment))
        sink = Sink(self._file)
        yield sink
        end = self._file.tell()
        if end > LIMIT:
            raise FormatError("a bundle over 4 GiB", where=name, remedy="Lower max_body_bytes")
        digest = Digest(f"sha256:{sink.sha256.hexdigest()}")
        entry = Entry(name, STORED, sink.crc, sink.size, sink.size, digest, digest)
        self._file.seek(start)
        self._file.write(local_header(entry, self._moment))
        self._file.seek(end)
        self.entries.append(entry)

    def finish(self) -> None:
        """Write the central directory."""
        self._file.write(central_directory(self.entries, self._moment))


def _deflated(data: bytes) -> bytes:
    packer = zlib.compressobj(LEVEL, zlib.DEFLATED, -15)
    return packer.compress(data) + packer.flush()
