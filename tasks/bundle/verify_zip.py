"""A strict zip reader: every byte of the file belongs to one header or one member, and headers agree."""

import contextlib
import re
import stat
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO

from tasks.bundle.verify_codes import Findings

__all__ = [
    "MAX_SMALL",
    "STORED",
    "Member",
    "Section",
    "Zip",
    "member_chunks",
    "member_lines",
    "read_small",
    "read_zip",
    "split_lines",
    "unpack_small",
]

STORED, DEFLATED = 0, 8
CHUNK = 65536
MAX_DIRECTORY = 64 << 20  # bytes of central directory that are read
MAX_SMALL = 64 << 20  # bytes of a JSON member that is read as a whole
MAX_UNPACKED = 8 << 20  # bytes of decompressed data that are kept
MAX_FILE = 1 << 62  # bytes; what lies beyond cannot be there
MAX_LINE = 32 << 20  # bytes of one line of an index or a page list

_LOCAL = struct.Struct("<4s5H3I2H")
_CENTRAL = struct.Struct("<4s6H3I5H2I")
_END = struct.Struct("<4s4H2IH")
_END64 = struct.Struct("<4sQ2H2I4Q")
_LOCATOR = struct.Struct("<4sIQI")
_UNSAFE = re.compile(r"[\x00-\x1f\x7f\\]|^/|^[A-Za-z]:[/\\]|(^|/)\.\.?(/|$)|//")


@dataclass(frozen=True, slots=True)
class Member:
    """One member of a zip, by its entry in the central directory."""

    name: str
    method: int
    flags: int
    crc: int
    packed: int  # bytes in the zip
    size: int  # bytes of the data itself
    offset: int  # of the local header
    start: int  # of the data; -1 where the local header cannot be read
    data: bytes | None = None  # decompressed already


@dataclass(frozen=True, slots=True)
class Zip:
    """The members by name, in the order of the directory, and where the directory stands."""

    members: dict[str, Member]
    directory: int
    size: int


class Section:
    """`size` bytes of a file from `start`, read one after another."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        known = 0 <= start < MAX_FILE  # headers of a damaged file may say anything; seek() would raise
        self._file, self._at, self._end = file, start if known else 0, start + size if known else 0

    def read(self, count: int = CHUNK) -> bytes:
        """The next bytes, at most `count`; empty at the end."""
        count = min(count, self._end - self._at)
        if count <= 0:
            return b""
        self._file.seek(self._at)
        data = self._file.read(count)
        self._at += len(data)
        return data


# ------------------------------------------------------------------ directory
def read_zip(file: BinaryIO, size: int, findings: Findings) -> Zip | None:
    """The zip's members; None, with a problem, when its directory cannot be read."""
    place = _find_end(file, size, findings)
    if place is None:
        return None
    start, length, count, end = place
    if length > MAX_DIRECTORY or start + length > end:
        findings.add("zip-broken", "central directory", f"within {end} bytes", f"{start}+{length}")
        return None
    if start + length < end:
        findings.add(
            "zip-gap", f"@{start + length}", "the end of the central directory", f"{end - start - length} bytes"
        )
    entries = _entries(Section(file, start, length).read(length), findings)
    if len(entries) != count:
        findings.add("zip-broken", "central directory", f"{count} entries", len(entries))
    members = [_located(file, entry, start, findings) for entry in entries]
    _check_names(members, entries, findings)
    _check_spans(file, members, start, findings)
    return Zip({member.name: member for member in members}, start, size)


def _find_end(file: BinaryIO, size: int, findings: Findings) -> tuple[int, int, int, int] | None:
    """Start, length and entries of the directory, and where the end record begins."""
    tail_at = max(0, size - 65557)
    tail = Section(file, tail_at, size - tail_at).read(65557)
    at = tail.rfind(b"PK\x05\x06")
    if at < 0 or len(tail) - at < _END.size:
        findings.add("zip-broken", "end of central directory", "an end record", "none: the file is cut or no zip")
        return None
    _, disk, first_disk, here, count, length, start, comment = _END.unpack_from(tail, at)
    if (behind := len(tail) - at - _END.size) != comment or disk or first_disk or here != count:
        findings.add("zip-gap", f"@{tail_at + at}", f"a comment of {comment} bytes, one disk", f"{behind} bytes behind")
    end = tail_at + at
    if at >= _LOCATOR.size and tail[at - _LOCATOR.size :][:4] == b"PK\x06\x07":
        where = _LOCATOR.unpack_from(tail, at - _LOCATOR.size)[2]
        record = Section(file, where, _END64.size).read(_END64.size) if where < size else b""
        if len(record) < _END64.size or record[:4] != b"PK\x06\x06" or where + _END64.size != end - _LOCATOR.size:
            findings.add("zip-broken", f"@{where}", "a zip64 end record", record[:4].hex())
            return None
        _, _, _, _, _, _, _, count, length, start = _END64.unpack(record)
        end = where
    return start, length, count, end


@dataclass(frozen=True, slots=True)
class _Entry:
    name: str
    raw_name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int
    offset: int
    mode: int


def _entries(directory: bytes, findings: Findings) -> list[_Entry]:
    entries, at = [], 0
    while at < len(directory):
        if len(directory) - at < _CENTRAL.size or directory[at : at + 4] != b"PK\x01\x02":
            findings.add("zip-broken", f"central directory+{at}", "an entry", directory[at : at + 4].hex())
            break
        (_, _, _, flags, method, _, _, crc, packed, size, name_len, extra_len, note_len, _, _, mode, offset) = (
            _CENTRAL.unpack_from(directory, at)
        )
        at += _CENTRAL.size
        raw_name = directory[at : at + name_len]
        extra = directory[at + name_len : at + name_len + extra_len]
        size, packed, offset = _zip64(extra, size, packed, offset)
        name = raw_name.decode("utf-8" if flags & 0x800 else "cp437", "replace")
        entries.append(_Entry(name, raw_name, flags, method, crc, packed, size, offset, mode >> 16))
        at += name_len + extra_len + note_len
    return entries


def _zip64(extra: bytes, *values: int) -> tuple[int, ...]:
    """The values, each 0xFFFFFFFF replaced by the next number of the zip64 extra field."""
    wide: list[int] = []
    at = 0
    while at + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, at)
        body = extra[at + 4 : at + 4 + length]
        if kind == 1:
            wide = [item[0] for item in struct.iter_unpack("<Q", body[: len(body) // 8 * 8])]
        at += 4 + length
    return tuple(wide.pop(0) if value == 0xFFFFFFFF and wide else value for value in values)


def _located(file: BinaryIO, entry: _Entry, directory: int, findings: Findings) -> Member:
    """The entry with the place of its data, its local header checked against it."""
    start = -1
    header = Section(file, entry.offset, _LOCAL.size).read(_LOCAL.size)
    if len(header) < _LOCAL.size or header[:4] != b"PK\x03\x04" or entry.offset >= directory:
        findings.add("zip-header", entry.name, f"a local header at {entry.offset}", header[:4].hex())
    else:
        _, _, flags, method, _, _, crc, packed, size, name_len, extra_len = _LOCAL.unpack(header)
        rest = Section(file, entry.offset + _LOCAL.size, name_len + extra_len).read(name_len + extra_len)
        start = entry.offset + _LOCAL.size + name_len + extra_len
        local: tuple[object, ...] = (rest[:name_len], flags, method)
        wanted: tuple[object, ...] = (entry.raw_name, entry.flags, entry.method)
        if not flags & 8:  # otherwise the numbers stand in a data descriptor behind the data
            local += (crc, *_zip64(rest[name_len:], size, packed))
            wanted += (entry.crc, entry.size, entry.packed)
        if local != wanted:
            findings.add("zip-header", entry.name, wanted, local)
    return Member(entry.name, entry.method, entry.flags, entry.crc, entry.packed, entry.size, entry.offset, start)


def _check_names(members: list[Member], entries: list[_Entry], findings: Findings) -> None:
    seen: set[str] = set()
    for member, entry in zip(members, entries, strict=True):
        name = member.name
        if name in seen:
            findings.add("zip-duplicate", name)
        seen.add(name)
        if not name or _UNSAFE.search(name) or stat.S_ISLNK(entry.mode):
            findings.add(
                "zip-name", name, "a relative path of plain names", "link" if stat.S_ISLNK(entry.mode) else name
            )
        if name.endswith("/"):
            findings.add("zip-directory", name)
        if member.flags & 1:
            findings.add("zip-encrypted", name)
        elif member.method not in (STORED, DEFLATED):
            findings.add("zip-method", name, "0 or 8", member.method)
        elif member.method == STORED and member.packed != member.size:
            findings.add("zip-data", name, f"{member.size} bytes stored", member.packed)
        elif member.method != STORED and (name.startswith("archive/") or name.endswith(".gz")):
            findings.add("zip-compressed", name, "stored", "deflated")


def _check_spans(file: BinaryIO, members: list[Member], directory: int, findings: Findings) -> None:
    """Members lie one behind the other from the first byte to the directory."""
    at = 0
    for member in sorted((item for item in members if item.start >= 0), key=lambda item: item.offset):
        if member.offset < at:
            findings.add("zip-overlap", member.name, f"at {at} or behind", member.offset)
        elif member.offset > at:
            findings.add("zip-gap", f"@{at}", member.name, f"{member.offset - at} bytes")
        at = max(at, member.start + member.packed)
        if member.flags & 8:
            at += _descriptor_length(Section(file, at, 24).read(24), member)
    if at > directory:
        findings.add("zip-overlap", "central directory", f"at {at} or behind", directory)
    elif at < directory:
        findings.add("zip-gap", f"@{at}", "the central directory", f"{directory - at} bytes")


def _descriptor_length(data: bytes, member: Member) -> int:
    """Bytes of the data descriptor behind a member; 0 where none fits."""
    for mark in (b"PK\x07\x08", b""):
        for form in ("<3I", "<I2Q"):
            try:
                wanted = mark + struct.pack(form, member.crc, member.packed, member.size)
            except struct.error:  # over 4 GiB: only the wide form fits
                continue
            if data.startswith(wanted):
                return len(wanted)
    return 0


# ------------------------------------------------------------------ data
def member_chunks(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The member's data in pieces of at most 1 MiB; stops one piece past the size that the directory declares.

    Raises zlib.error and EOFError for data that cannot be decompressed or end early.
    """
    if member.data is not None:
        yield member.data
        return
    section = Section(file, member.start, member.packed if member.start >= 0 else 0)
    if member.method == STORED:
        while chunk := section.read():
            yield chunk
        return
    unpack, total = zlib.decompressobj(-15), 0
    chunk = section.read()
    while not unpack.eof and total <= member.size:
        if not chunk and not (chunk := section.read()):
            raise EOFError("the deflated data end early")
        data = unpack.decompress(chunk, 1 << 20)
        chunk = unpack.unconsumed_tail
        total += len(data)
        yield data
    if unpack.unused_data or section.read(1):
        raise EOFError("bytes behind the deflated data")


def member_lines(file: BinaryIO, member: Member) -> Iterator[bytes]:
    """The member's lines without their ends; a line over 32 MiB raises EOFError."""
    return split_lines(member_chunks(file, member))


def split_lines(chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Lines of the joined chunks, without their ends."""
    rest = b""
    for chunk in chunks:
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines
        if len(rest) > MAX_LINE:
            raise EOFError(f"a line of more than {MAX_LINE} bytes")
    if rest:
        yield rest


def read_small(file: BinaryIO, member: Member) -> bytes:
    """The whole data of a JSON member; more than 64 MiB raises EOFError."""
    if member.size > MAX_SMALL:
        raise EOFError(f"more than {MAX_SMALL} bytes")
    return b"".join(member_chunks(file, member))


def unpack_small(file: BinaryIO, archive: Zip) -> Zip:
    """The zip with the data of its small deflated members, which else each check decompresses anew: 0.3 ms a page.

    Of a member that is broken nothing is kept, so that whoever reads it finds out.
    """
    members, room = {}, MAX_UNPACKED
    for name, member in archive.members.items():
        members[name] = member
        if member.method == DEFLATED and member.size <= room:
            with contextlib.suppress(zlib.error, EOFError):
                data = read_small(file, member)
                members[name] = replace(member, data=data)
                room -= len(data)
    return Zip(members, archive.directory, archive.size)
