"""The index against the records: every row points at its record and says what the record says, and none is missing."""

import hashlib
import re
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, BinaryIO

from tasks.bundle.cdxj import surt_key
from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_digest import matches, parse_digests
from tasks.bundle.verify_package import read_json
from tasks.bundle.verify_warc import Record
from tasks.bundle.verify_zip import MAX_SMALL, Member, Section, Zip, member_lines, split_lines
from tasks.records import digest_of

__all__ = ["Index", "timestamp"]

_STAMP = re.compile(r"\d{14}(\d{3})?", re.ASCII)
_REPLAYED = ("response", "revisit")  # records that must have a row


@dataclass(frozen=True, slots=True)
class _Row:
    place: str
    key: str
    stamp: str
    url: str
    digest: str
    length: int
    status: str
    mime: str
    record_digest: str


def timestamp(date: str) -> str:
    """The digits of an RFC 3339 UTC time, at least 14 of them."""
    return re.sub(r"\D", "", date)


def _number(value: Any) -> int | None:
    """A count as indexes write it: a number, or a string of digits."""
    if type(value) is int and value >= 0:
        return value
    if isinstance(value, str) and len(value) < 19 and value.isascii() and value.isdigit():
        return int(value)
    return None


class Index:
    """All rows of a WACZ by the record that they point at; `check` each record, then `finish`."""

    def __init__(self, file: BinaryIO, archive: Zip, findings: Findings) -> None:
        self._file, self._findings = file, findings
        self._rows: dict[tuple[str, int], _Row] = {}
        self._met: set[tuple[str, int]] = set()
        self.times: set[tuple[str, str]] = set()  # (URL, 14-digit time) of every row
        for name, member in archive.members.items():
            if name.startswith("indexes/") and not name.endswith("/") and member.start >= 0:
                self._read(name, member, archive)

    # -------------------------------------------------------------- reading
    def _read(self, name: str, member: Member, archive: Zip) -> None:
        try:
            if name.endswith(".idx"):
                self._check_idx(member, archive)
            else:
                lines = (
                    split_lines(self._unpacked(member)) if name.endswith(".gz") else member_lines(self._file, member)
                )
                self._read_rows(name, lines)
        except (zlib.error, EOFError, ValueError) as error:
            self._findings.add("index-broken", name, "CDXJ", error)

    def _unpacked(self, member: Member) -> Iterator[bytes]:
        """The data of gzip members one after another."""
        section, data = Section(self._file, member.start, member.packed), b""
        while data := data or section.read():
            unpack = zlib.decompressobj(31)
            while not unpack.eof:
                if not data and not (data := section.read()):
                    raise EOFError("the gzip data end early")
                yield unpack.decompress(data, 1 << 18)
                data = unpack.unused_data or unpack.unconsumed_tail

    def _read_rows(self, name: str, lines: Iterator[bytes]) -> None:
        before = b""
        for number, line in enumerate(lines, 1):
            place = f"{name}:{number}"
            if not line.strip() or line.startswith((b"!meta", b" CDX", b"CDX ")):
                continue
            if line < before:
                self._findings.add("index-order", place, "a line not below the one before", line[:80])
            before = line
            found = _parse_row(place, line)
            if found is None:
                self._findings.add("index-row", place, "key, time, JSON with url, offset, length, …", line[:120])
                continue
            key, row = found
            if key in self._rows:
                self._findings.add("index-duplicate", place, f"one row for {key[0]}@{key[1]}", self._rows[key].place)
            self._rows[key] = row
            self.times.add((row.url, row.stamp[:14]))

    # -------------------------------------------------------------- the .idx over a compressed index
    def _check_idx(self, idx: Member, archive: Zip) -> None:
        default, ends = "", dict[str, int]()
        for number, line in enumerate(member_lines(self._file, idx), 1):
            place = f"{idx.name}:{number}"
            head, brace, rest = line.partition(b"{")
            table = read_json(brace + rest) if line.strip() else {}
            if not isinstance(table, dict):
                raise ValueError(f"line {number} has no object")
            if head.startswith(b"!meta"):
                default = str(table.get("filename", ""))
            elif table:
                self._check_block(place, head, table, default, archive, ends)
        for name, end in ends.items():
            if end != archive.members[name].size:
                self._findings.add("index-block", idx.name, f"blocks up to {archive.members[name].size}", end)
        if default and not ends:
            self._findings.add("index-block", idx.name, f"blocks of {default}", "none")

    def _check_block(
        self, place: str, head: bytes, table: dict[str, Any], default: str, archive: Zip, ends: dict[str, int]
    ) -> None:
        """One line of the .idx: its block follows the one before, has its digest, and begins with its key."""
        name = f"indexes/{table.get('filename', default)}"
        offset, length = _number(table.get("offset")), _number(table.get("length"))
        target = archive.members.get(name)
        if target is None or offset is None or length is None or offset + length > target.size or length > MAX_SMALL:
            self._findings.add("index-block", place, "offset and length within the index", table)
            return
        if offset != ends.get(name, 0):
            self._findings.add("index-block", place, f"offset {ends.get(name, 0)}", offset)
        ends[name] = offset + length
        block = Section(self._file, target.start + offset, length).read(length)
        if "digest" in table and not matches(str(table["digest"]), {"sha256": hashlib.sha256(block).digest()}):
            self._findings.add("index-block", place, table["digest"], digest_of(block))
        unpack = zlib.decompressobj(31)
        first = unpack.decompress(block, 1 << 18) if name.endswith(".gz") else block
        if not first.startswith(head.rstrip(b" ")) or (name.endswith(".gz") and unpack.unused_data):
            self._findings.add("index-block", place, head, first[:120])

    # -------------------------------------------------------------- against the records
    def wanted(self, file: str, offset: int) -> tuple[str, ...]:
        """The algorithms in which the row of this record names the payload's digest."""
        row = self._rows.get((file, offset))
        return tuple(name for name, _ in parse_digests(row.digest)) if row else ()

    def check(self, record: Record) -> None:
        """Compare one record with its row."""
        key = (record.file, record.offset)
        row = self._rows.get(key)
        if row is None:
            if record.type in _REPLAYED:
                self._findings.add("index-missing-row", record.place, f"a row for {record.url}", "none")
            return
        self._met.add(key)
        for code, expected, found in self._differences(row, record):
            self._findings.add(code, row.place, expected, found)

    def _differences(self, row: _Row, record: Record) -> Iterator[tuple[str, object, object]]:
        bare = row.length == record.bare_length and row.length != record.length  # some leave the closing line ends off
        if row.length != record.length and not bare:
            yield "index-length", record.length, row.length
        raw = record.bare_sha256 if bare else record.raw_sha256
        if row.record_digest and not matches(row.record_digest, {"sha256": bytes.fromhex(raw)}):
            yield "index-record-digest", f"sha256:{raw}", row.record_digest
        if row.url != record.url:
            yield "index-url", record.url, row.url
        digits = timestamp(record.date).ljust(17, "0")
        if row.stamp != digits[: len(row.stamp)]:
            yield "index-date", record.date, row.stamp
        if record.status and row.status not in (record.status, "", "-"):
            yield "index-status", record.status, row.status
        mime = "warc/revisit" if record.type == "revisit" else record.media_type
        if (row.mime or "unk") != (mime or "unk") and not (row.mime == "unk" and not _plain(mime)):
            yield "index-mime", mime, row.mime
        if not self._digest_fits(row, record):
            yield "index-digest", record.fields.get("warc-payload-digest", "the payload's digest"), row.digest
        if self._findings.ours and (key := _surt(row.url)) != row.key:
            yield "index-key", key, row.key

    @staticmethod
    def _digest_fits(row: _Row, record: Record) -> bool:
        """The row has the payload's digest, or the very text of the record's WARC-Payload-Digest."""
        if row.digest in ("", "-") or record.type == "revisit":
            stated = record.fields.get("warc-payload-digest", "")
            return row.digest in ("", "-") or dict(parse_digests(row.digest)) == dict(parse_digests(stated))
        return bool(matches(row.digest, record.payload) or matches(row.digest, record.raw_payload))

    def finish(self) -> None:
        """Rows that no record answered."""
        for (name, offset), row in self._rows.items():
            if (name, offset) not in self._met:
                self._findings.add("index-no-record", row.place, f"a record at {name}@{offset}", "none")


def _plain(mime: str | None) -> bool:
    """Whether a Content-Type is a media type at all; our indexer writes `unk` for others."""
    essence = (mime or "").split(",")[0].strip()
    return essence.isascii() and essence.isprintable() and " " not in essence and "/" in essence


def _surt(url: str) -> str:
    try:
        return surt_key(url)
    except (ValueError, TypeError, IndexError, KeyError) as error:  # the library's own, on hostile URLs
        return f"none: {error}"


def _parse_row(place: str, line: bytes) -> tuple[tuple[str, int], _Row] | None:
    """The record a CDXJ line points at, and the row; None when it is no such line."""
    try:
        key, stamp, text = line.decode("utf-8").rstrip("\r").split(" ", 2)
        table = read_json(text.encode("utf-8"))
    except ValueError:
        return None
    if not isinstance(table, dict) or not _STAMP.fullmatch(stamp):
        return None
    offset, length = _number(table.get("offset")), _number(table.get("length"))
    url, filename = table.get("url"), table.get("filename")
    if offset is None or length is None or not isinstance(url, str) or not isinstance(filename, str):
        return None
    names = ("digest", "status", "mime", "recordDigest")
    digest, status, mime, record_digest = (str(table[name]) if name in table else "" for name in names)
    return (filename, offset), _Row(place, key, stamp, url, digest, length, status, mime.lower(), record_digest)
