"""A strict WARC reader: walks gzip members and records in one pass, holding no block in memory."""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tasks.bundle.verify_block import NO_HEAD_END, Block
from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_digest import SIZES, algorithm_of, matches
from tasks.bundle.verify_fields import HTTP_TYPES, check_fields, parse_fields
from tasks.bundle.verify_zip import Section

__all__ = ["Record", "read_records"]

MAX_HEADER = 1 << 20  # bytes of a WARC header
MAX_NOTE = 1 << 20  # bytes of a `metadata` block that are kept for comparison
CHUNK = 65536
_VERSION = re.compile(rb"WARC/(0\.1[78]|1\.[01])\r*\n")
_HEADER_END = re.compile(rb"\n\r*\n")  # lenient: parse_fields reports line ends other than CR LF

Wanted = Callable[[str, int], tuple[str, ...]]  # (file, offset) → algorithms the index names a payload digest in


@dataclass(slots=True)
class Record:
    """One record as it was found; digests are filled in where they were taken."""

    file: str
    offset: int
    version: str
    fields: dict[str, str]  # names lower-case, the first value, `<>` around URLs taken off Target-URI
    concurrent: tuple[str, ...]  # every WARC-Concurrent-To
    length: int = 0  # of the gzip member, or of the plain record with its closing line ends
    bare_length: int = 0  # of a plain record without them
    raw_sha256: str = ""  # of the record's bytes in the file
    bare_sha256: str = ""
    status: str = ""
    media_type: str | None = None  # essence of the HTTP Content-Type; of the record's own without HTTP
    block: dict[str, bytes] = field(default_factory=dict)
    payload: dict[str, bytes] = field(default_factory=dict)
    raw_payload: dict[str, bytes] = field(default_factory=dict)
    chunked: bool = False
    text: bytes | None = None  # the block of a `metadata` record

    @property
    def type(self) -> str:
        """WARC-Type."""
        return self.fields.get("warc-type", "")

    @property
    def url(self) -> str:
        """WARC-Target-URI."""
        return self.fields.get("warc-target-uri", "")

    @property
    def date(self) -> str:
        """WARC-Date."""
        return self.fields.get("warc-date", "")

    @property
    def place(self) -> str:
        """Where it stands: file@offset."""
        return f"{self.file}@{self.offset}"


def no_rows(_file: str, _offset: int) -> tuple[str, ...]:
    """For a WARC without an index."""
    return ()


def read_records(
    section: Section, name: str, findings: Findings, *, digests: bool = True, wanted: Wanted = no_rows
) -> Iterator[Record]:
    """Every record of the WARC `name` whose bytes `section` gives; findings go to `findings` on the way.

    With `digests` false only framing and fields are looked at.
    """
    first = section.read()
    if not first:
        findings.add("warc-empty", name, "a record", "an empty file")
        return
    walk = _gzip_members if first[:2] == b"\x1f\x8b" else _plain_records
    for feed in walk(section, first, name, findings):
        yield from _read_one(feed, name, findings, digests, wanted)


# ------------------------------------------------------------------ bytes
class _Feed:
    """Bytes from `pull`, which gives b"" at the end; those of a plain WARC are hashed as they are taken."""

    def __init__(self, pull: Callable[[], bytes], offset: int, member: "_GzipMember | None" = None) -> None:
        self._pull, self.offset, self.member = pull, offset, member
        self.data = b""
        self.taken = 0
        self.sha256 = hashlib.sha256()

    def more(self) -> bool:
        """Read on; False at the end."""
        data = self._pull()
        self.data += data
        return bool(data)

    def take(self, count: int) -> bytes:
        """The next bytes, at most `count`; empty at the end."""
        if not self.data and count:
            self.more()
        piece, self.data = self.data[:count], self.data[count:]
        self.taken += len(piece)
        if not self.member:
            self.sha256.update(piece)
        return piece

    def peek(self, count: int) -> bytes:
        """The next bytes without taking them."""
        while len(self.data) < count and self.more():
            pass
        return self.data[:count]

    def header(self) -> bytes | None:
        """Everything up to and including the empty line; None when there is none within 1 MiB."""
        at = 0
        while True:
            if end := _HEADER_END.search(self.data, at):
                return self.take(end.end())
            at = max(0, len(self.data) - 3)
            if len(self.data) > MAX_HEADER or not self.more():
                return None


def _plain_records(section: Section, first: bytes, name: str, findings: Findings) -> Iterator[_Feed]:
    """One feed for each record of an uncompressed WARC; the reader leaves it at the record's end."""
    ahead = [first]
    feed = _Feed(lambda: ahead.pop() if ahead else section.read(), 0)
    while feed.peek(1):
        feed.offset, feed.taken, feed.sha256 = feed.offset + feed.taken, 0, hashlib.sha256()
        yield feed
        if feed.peek(5) not in (b"WARC/", b""):
            _skip_to_record(feed)
        if not feed.taken:
            return  # not one byte could be read as a record


def _skip_to_record(feed: _Feed) -> None:
    while True:
        at = feed.data.find(b"\nWARC/")
        if at >= 0:
            feed.take(at + 1)
            return
        feed.take(max(0, len(feed.data) - 5))
        if not feed.more():
            feed.take(len(feed.data))
            return


def _gzip_members(section: Section, first: bytes, name: str, findings: Findings) -> Iterator[_Feed]:
    """One feed for each gzip member; what the reader left in it is drained, so that the CRC is checked."""
    member = _GzipMember(section, first, 0)
    while True:
        feed = _Feed(member.pull, member.offset, member)
        yield feed
        member.drain()
        if member.broken:
            findings.add("gzip-broken", f"{name}@{member.offset}", "a whole gzip member", member.broken)
            return
        if not (rest := member.rest()):
            return
        member = _GzipMember(section, rest, member.offset + member.length)


class _GzipMember:
    """One gzip member, decompressed at most 256 KiB at a time; `broken` says why it could not go on."""

    def __init__(self, section: Section, ahead: bytes, offset: int) -> None:
        self._section, self._ahead, self.offset = section, ahead, offset
        self._unpack = zlib.decompressobj(31)
        self._sha256 = hashlib.sha256()
        self.length = 0
        self.broken = ""

    def pull(self) -> bytes:
        """The next decompressed bytes; empty at the end, and where the member is broken."""
        while not self._unpack.eof and not self.broken:
            data = self._ahead or self._section.read()
            if not data:
                self.broken = "the file ends within the member"
                break
            try:
                out = self._unpack.decompress(data, 1 << 18)
            except zlib.error as error:
                self.broken = str(error)
                break
            self._ahead = self._unpack.unused_data or self._unpack.unconsumed_tail
            used = data[: len(data) - len(self._ahead)]
            self.length += len(used)
            self._sha256.update(used)
            if out:
                return out
        return b""

    @property
    def sha256(self) -> str:
        """Of the compressed bytes, once the end was reached."""
        return self._sha256.hexdigest()

    def drain(self) -> None:
        """Go to the end of a member that the reader gave up; one that goes on for long is broken."""
        if self.pull() and self.pull():
            self.broken = "far more data than one record has"

    def rest(self) -> bytes:
        """The bytes behind this member that were read already, or the next ones."""
        return self._ahead or self._section.read()


# ------------------------------------------------------------------ one record
def _read_one(feed: _Feed, name: str, findings: Findings, digests: bool, wanted: Wanted) -> Iterator[Record]:
    place = f"{name}@{feed.offset}"
    start = feed.peek(5)
    header = feed.header() if start == b"WARC/" else None
    version = _VERSION.match(header) if header else None
    if header is None or version is None:
        findings.add("record-header", place, "WARC/1.1, fields, an empty line", (header or feed.data)[:40])
        return
    fields, concurrent = parse_fields(header[version.end() :], place, findings)
    record = Record(name, feed.offset, version[1].decode(), fields, concurrent)
    length = check_fields(record.type, record.version, fields, concurrent, place, findings)
    if length is None:
        return
    block = _block(record, digests, wanted(name, feed.offset))
    if not _read_block(feed, block, length, record, findings):
        return
    if feed.member:
        if _at_member_end(feed, place, findings):
            record.length, record.raw_sha256 = feed.member.length, feed.member.sha256
    else:
        record.length, record.raw_sha256 = feed.taken, feed.sha256.hexdigest()
    _describe(record, block)
    if digests:
        _check_digests(record, block, findings)
    _check_http(record, block, findings)
    yield record


def _block(record: Record, digests: bool, row: tuple[str, ...]) -> Block:
    """A block that takes the digests which the record, the index and the comparison of copies need."""
    own, payload = {"sha256"} if record.type in ("resource", "conversion") else set(), set(row)
    for algorithms, field_name in ((own, "warc-block-digest"), (payload, "warc-payload-digest")):
        if (algorithm := algorithm_of(record.fields.get(field_name, ""))) in SIZES:
            algorithms.add(algorithm)
    kind = ""
    if record.fields.get("content-type", "").lower().startswith("application/http"):
        kind = HTTP_TYPES.get(record.type, "")
    if record.type == "response":
        payload.add("sha256")  # the ledger of chunked payloads in `metadata` names it
    return Block(kind, own, payload) if digests else Block(kind, (), ())


def _read_block(feed: _Feed, block: Block, length: int, record: Record, findings: Findings) -> bool:
    """Stream the block through; False when the file ended within it."""
    kept = bytearray() if record.type == "metadata" and length <= MAX_NOTE else None
    left = length
    while left:
        data = feed.take(min(left, CHUNK))
        if not data:
            whole = feed.member is not None and not feed.member.broken
            code = "gzip-split-record" if whole else "record-cut"
            findings.add(code, record.place, f"a block of {length} bytes", length - left)
            return False
        left -= len(data)
        block.feed(data)
        if kept is not None:
            kept += data
    block.finish()
    if block.chunked:
        block.chunked.finish()
    record.text = bytes(kept) if kept is not None else None
    record.bare_length, record.bare_sha256 = feed.taken, feed.sha256.hexdigest()
    end = feed.peek(4)
    if end != b"\r\n\r\n":
        expected = f"two line ends behind {length} bytes (Content-Length)"
        findings.add("record-length" if end else "record-cut", record.place, expected, end)
    feed.take(4 if end == b"\r\n\r\n" else 0)
    return True


def _at_member_end(feed: _Feed, place: str, findings: Findings) -> bool:
    rest = feed.peek(5)
    if rest == b"WARC/":
        remedy = "one gzip member for each record; `warcio recompress OLD.warc.gz NEW.warc.gz` writes it so"
        findings.add("gzip-many-records", place, remedy, "several records in one member")
    elif rest:
        findings.add("record-length", place, "the end of the gzip member", rest)
    return not rest


def _describe(record: Record, block: Block) -> None:
    record.status = block.status
    source = block.headers if block.kind else record.fields
    content_type = source.get("content-type")
    record.media_type = content_type.split(";")[0].strip().lower() if content_type else None
    record.block, record.payload = block.block_digests, block.payload_digests
    record.raw_payload, record.chunked = block.raw_digests, block.chunked is not None


def _check_digests(record: Record, block: Block, findings: Findings) -> None:
    text = record.fields.get("warc-block-digest")
    if text is None:
        findings.add("block-digest-none", record.place)
    else:
        _compare("block-digest", text, block.block_digests, record, findings)
    text = record.fields.get("warc-payload-digest")
    # A revisit's payload digest is that of its original; segments have to be joined first.
    if text is None or record.type in ("revisit", "continuation") or "warc-segment-number" in record.fields:
        return
    if block.chunked and not block.chunked.foreign and matches(text, block.raw_digests):
        findings.add("payload-digest-raw", record.place, "one taken without the chunk framing", text)
    else:
        _compare("payload-digest", text, block.payload_digests, record, findings)


def _compare(code: str, text: str, found: dict[str, bytes], record: Record, findings: Findings) -> None:
    algorithm = algorithm_of(text)
    if algorithm not in found:
        findings.add("digest-unknown", record.place, "sha256:… or sha1:…", text)
    elif not matches(text, found):
        findings.add(code, record.place, text, f"{algorithm}:{found[algorithm].hex()}")


def _check_http(record: Record, block: Block, findings: Findings) -> None:
    if block.kind and block.http:
        code = "http-head-end" if block.http == NO_HEAD_END else "http-head"
        findings.add(code, record.place, f"an HTTP {block.kind}", block.http)
    if record.type != "response" or "warc-truncated" in record.fields:
        return
    if block.chunked:
        if block.chunked.error:
            code = "http-not-chunked" if block.chunked.foreign else "http-chunks"
            findings.add(code, record.place, "chunks", block.chunked.error)
        return
    stated = block.headers.get("content-length", "")
    if stated.isascii() and stated.isdigit() and stated != str(block.payload_size):
        findings.add("http-length", record.place, f"{stated} bytes (Content-Length)", block.payload_size)
