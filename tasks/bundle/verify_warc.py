"""A strict WARC reader: walks gzip members and records in one pass, holding no block in memory."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tasks.bundle.verify_block import NO_HEAD_END, Block
from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_digest import SIZES, algorithm_of, matches
from tasks.bundle.verify_feed import Feed, gzip_members, plain_records
from tasks.bundle.verify_fields import HTTP_TYPES, check_fields, parse_fields
from tasks.bundle.verify_zip import Section

__all__ = ["Record", "read_records"]

MAX_NOTE = 1 << 20  # bytes of a `metadata` block that are kept for comparison
CHUNK = 65536
_VERSION = re.compile(rb"WARC/(0\.1[78]|1\.[01])\r*\n")

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
    walk = gzip_members if first[:2] == b"\x1f\x8b" else plain_records
    for feed in walk(section, first, name, findings):
        yield from _read_one(feed, name, findings, digests, wanted)


# ------------------------------------------------------------------ one record
def _read_one(feed: Feed, name: str, findings: Findings, digests: bool, wanted: Wanted) -> Iterator[Record]:
    place = f"{name}@{feed.offset}"
    start = feed.peek(5)
    header = feed.header() if start == b"WARC/" else None
    version = _VERSION.match(header) if header else None
    if header is None or version is None:
        feed.lost = True
        findings.add("record-header", place, "WARC/1.1, fields, an empty line", (header or feed.data)[:40])
        return
    fields, concurrent = parse_fields(header[version.end() :], place, findings)
    record = Record(name, feed.offset, version[1].decode(), fields, concurrent)
    length = check_fields(record.type, record.version, fields, concurrent, place, findings)
    if length is None:
        feed.lost = True
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


def _read_block(feed: Feed, block: Block, length: int, record: Record, findings: Findings) -> bool:
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
        feed.lost = True
    feed.take(4 if end == b"\r\n\r\n" else 0)
    return True


def _at_member_end(feed: Feed, place: str, findings: Findings) -> bool:
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
    record.media_type = content_type.split(";")[0].split(",")[0].strip().lower() if content_type else None
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
    if block.chunked and matches(text, block.raw_digests):
        if not block.chunked.foreign:
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
