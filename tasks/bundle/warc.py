"""WARC/1.1 records with exact blocks: warcio serialises the record, the gzip member around it is ours.

warcio's own writer parses and rewrites HTTP headers, adds a payload digest to chunked bodies (which its own checker
then reads otherwise than the standard does) and compresses at level 9. A record without `http_headers` is copied
as it is; `_ExactWriter` switches the digests off and leaves compression to GzipMember.
"""

import json
import uuid
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from io import BytesIO
from typing import Any, BinaryIO, Protocol

from warcio.recordloader import ArcWarcRecord
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from tasks.bundle.cdxj import Row
from tasks.bundle.gzips import GzipMember, Output
from tasks.bundle.jsons import utf8
from tasks.records import Capture, Digest, Exchange, PageText, Verdict, digest_of

__all__ = [
    "Block",
    "Placed",
    "Refers",
    "WarcFile",
    "about_page",
    "warc_date",
    "warc_fields",
    "warc_info",
    "write_exchanges",
]

VERSION = "WARC/1.1"
CONFORMS_TO = "http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/"
IDENTICAL_PAYLOAD = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
# Without /revisit/ in the standard's example: https://github.com/iipc/warc-specifications/issues/36
NOT_MODIFIED = "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
NAMESPACE = uuid.UUID("0b7a3c5e-6f0d-5c5b-9a53-6d1f5c0f2c11")  # of our record ids; never to be changed

# Bodies that deflate cannot make smaller are stored: trying costs time and gains nothing.
CODED = frozenset({"gzip", "x-gzip", "br", "zstd", "deflate", "compress"})
CODED_TYPES = ("image/", "video/", "audio/", "font/", "application/zip", "application/gzip", "application/pdf")
NOT_CODED = ("image/svg", "image/bmp", "image/x-icon", "audio/x-mpegurl")


class Readable(Protocol):
    """Anything that gives bytes piece by piece."""

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; empty at the end."""


@dataclass(frozen=True, slots=True)
class Block:
    """The content of a record, with what is known of it before it is written."""

    stream: Readable
    size: int
    digest: Digest
    stored: bool = False  # coded already: do not try to compress it

    @classmethod
    def of(cls, data: bytes) -> "Block":
        """A block held in memory."""
        return cls(BytesIO(data), len(data), digest_of(data))


@dataclass(frozen=True, slots=True)
class Placed:
    """Where a record stands in its file."""

    record_id: str
    offset: int
    length: int
    digest: Digest  # of the compressed member


@dataclass(frozen=True, slots=True)
class Refers:
    """The response, in another file, which a visit found again."""

    record: str
    url: str
    date: str
    container: str  # name of the file that holds it
    not_modified: bool = False  # the server said so itself (304); else it is known by its digest


class _ExactWriter(WARCWriter):  # type: ignore[misc] # warcio has no types
    """warcio's serialiser without its digests: every digest we want stands in the headers already."""

    def ensure_digest(self, record: Any, block: bool = True, payload: bool = True) -> None:
        """Add nothing."""


class WarcFile:
    """Writes records into one .warc.gz; ids follow from `seed`, the ordinal and the block, so they repeat."""

    def __init__(self, out: Output, name: str, *, seed: str) -> None:
        self.name, self._out, self._seed = name, out, seed
        self._offset, self._count, self._info = 0, 0, ""

    def start(self, info: Mapping[str, str], date: datetime) -> Placed:
        """Write the warcinfo record that all later ones refer to."""
        fields = [("WARC-Filename", self.name), ("Content-Type", "application/warc-fields")]
        placed = self.add("warcinfo", fields, Block.of(warc_fields(info.items())), date=date)
        self._info = placed.record_id
        return placed

    def add(self, kind: str, fields: Iterable[tuple[str, str]], block: Block, *, date: datetime) -> Placed:
        """Write one record. `fields` are those beyond type, id, date, warcinfo, block digest and length."""
        record_id = self._record_id(kind, block.digest)
        headers = [("WARC-Type", kind), ("WARC-Record-ID", record_id), ("WARC-Date", warc_date(date))]
        if self._info:
            headers.append(("WARC-Warcinfo-ID", self._info))
        headers += [*fields, ("WARC-Block-Digest", block.digest), ("Content-Length", str(block.size))]
        member = GzipMember(self._out, stored=block.stored)
        written_as = "response" if kind == "revisit" else kind  # of a revisit warcio writes only a block it parsed
        record = ArcWarcRecord(
            "warc", written_as, StatusAndHeaders("", headers, VERSION), block.stream, None, None, block.size
        )
        _ExactWriter(member, gzip=False, warc_version=VERSION).write_record(record)
        member.close()
        placed = Placed(record_id, self._offset, member.size, member.digest)
        self._offset += member.size
        self._count += 1
        return placed

    def _record_id(self, kind: str, digest: Digest) -> str:
        return uuid.uuid5(NAMESPACE, f"{self._seed} {self.name} {self._count} {kind} {digest}").urn.join("<>")


def warc_info(capture: Capture, provenance: Mapping[str, Any]) -> dict[str, str]:
    """The lines of a warcinfo record."""
    settings = provenance.get("settings")
    contact = settings.get("contact", "") if isinstance(settings, Mapping) else ""
    return {
        "software": str(provenance.get("software", "")),
        "format": "WARC File Format 1.1",
        "conformsTo": CONFORMS_TO,
        "operator": str(contact),
        "http-header-user-agent": capture.user_agent,
    }


def warc_date(moment: datetime) -> str:
    """WARC-Date in whole seconds: replay compares it with the index, which has seconds."""
    return f"{moment:%Y-%m-%dT%H:%M:%SZ}"


def warc_fields(pairs: Iterable[tuple[str, str]]) -> bytes:
    """An application/warc-fields block; control characters, which would end a line, become blanks."""
    return b"".join(utf8(f"{name}: {_one_line(value)}\r\n") for name, value in pairs if value)


def _one_line(value: str) -> str:
    return "".join(char if char >= " " and char != "\x7f" else " " for char in value)


# ------------------------------------------------------------------ exchanges
def about_page(page: PageText, verdict: Verdict) -> dict[str, str]:
    """The lines that only the page's metadata record has."""
    return {
        "verdict": verdict.kind.value,
        "verdictReasons": " ".join(verdict.reasons),
        "verdictScore": "" if verdict.score is None else str(verdict.score),
        "mediaType": page.media_type,
        "charset": page.charset,
        "charsetSource": page.charset_source,
        "decodeFlags": " ".join(page.flags),
    }


def write_exchanges(
    file: WarcFile, capture: Capture, about_page: Mapping[str, str], *, revisits: Refers | None = None
) -> Iterator[tuple[Exchange, str, Row]]:
    """Write response, request and metadata of each exchange; gives each with its response's record id and index row.

    The way to the page comes first, then what is beside it. `about_page` goes into the page's metadata record. Where
    its payload is that of a record `revisits`, a revisit record with the head alone stands in place of its response.
    """
    before: Exchange | None = None
    for number, exchange in enumerate((*capture.exchanges, *capture.beside)):
        response = _write_pair(file, exchange, revisits if exchange is capture.page else None)
        led = before is not None and (number < len(capture.exchanges) or 300 <= before.status < 400)
        via = exchange.via or (before.url if before and led else "")
        about = [*_facts(exchange), *([("via", via)] if via else [])]
        if exchange is capture.page:
            about += about_page.items()
        target = [("WARC-Target-URI", exchange.url), ("WARC-Concurrent-To", response.record_id)]
        fields = [*target, ("Content-Type", "application/warc-fields")]
        file.add("metadata", fields, Block.of(warc_fields(about)), date=exchange.started_at)
        before = exchange
        yield exchange, response.record_id, _row(file, exchange, response)


def _write_pair(file: WarcFile, exchange: Exchange, revisits: Refers | None) -> Placed:
    where = [("WARC-Target-URI", exchange.url), *([("WARC-IP-Address", exchange.ip)] if exchange.ip else [])]
    response = _write_revisit(file, exchange, where, revisits) if revisits else _write_response(file, exchange, where)
    if not exchange.request:  # another tool kept none: none is made up
        return response
    fields = [*where, ("WARC-Concurrent-To", response.record_id), ("Content-Type", "application/http; msgtype=request")]
    file.add("request", fields, Block.of(exchange.request), date=exchange.started_at)
    return response


def _write_response(file: WarcFile, exchange: Exchange, where: Iterable[tuple[str, str]]) -> Placed:
    kind = "response" if exchange.response_head else "resource"
    content_type = "application/http; msgtype=response" if exchange.response_head else exchange.header("content-type")
    fields = [*where, ("Content-Type", content_type)]
    if not exchange.chunked:  # of a chunked body the standard and the checkers want different digests: none is written
        fields.append(("WARC-Payload-Digest", exchange.payload_digest))
    if exchange.truncated:
        fields.append(("WARC-Truncated", exchange.truncated))
    size = len(exchange.response_head) + exchange.body.size
    with exchange.body.open() as body:
        block = Block(_Joined(exchange.response_head, body), size, exchange.block_digest, stored=_is_coded(exchange))
        return file.add(kind, fields, block, date=exchange.started_at)


def _write_revisit(file: WarcFile, exchange: Exchange, where: Iterable[tuple[str, str]], refers: Refers) -> Placed:
    """The head that came, and which record has the payload: WARC/1.1, sections 6.7.2 and 6.7.3.

    A 304 is whole as it is: it has no payload, so that there is nothing to digest and nothing cut off.
    """
    same = [("WARC-Profile", IDENTICAL_PAYLOAD), ("WARC-Payload-Digest", exchange.payload_digest)]
    fields = [
        *where,
        ("Content-Type", "application/http; msgtype=response"),
        *([("WARC-Profile", NOT_MODIFIED)] if refers.not_modified else same),
        ("WARC-Refers-To", refers.record),
        ("WARC-Refers-To-Target-URI", refers.url),
        ("WARC-Refers-To-Date", refers.date),
        # In use by Browsertrix and ReplayWeb.page: https://github.com/iipc/warc-specifications/issues/111
        ("WARC-Refers-To-Container", f"file://{refers.container}"),
        *([] if refers.not_modified else [("WARC-Truncated", "length")]),
    ]
    return file.add("revisit", fields, Block.of(exchange.response_head), date=exchange.started_at)


class _Joined:
    """The head, then the body, as one stream whose pieces are full until the end."""

    def __init__(self, head: bytes, body: BinaryIO) -> None:
        self._head, self._body = head, body

    def read(self, size: int = -1, /) -> bytes:
        """At most `size` bytes; fewer only at the end, so that compressed bytes do not depend on the source."""
        size = 1 << 16 if size < 0 else size
        data, self._head = self._head[:size], self._head[size:]
        while len(data) < size and (more := self._body.read(size - len(data))):
            data += more
        return data


def _is_coded(exchange: Exchange) -> bool:
    codings = {
        part.strip().lower() for value in exchange.header_values("content-encoding") for part in value.split(",")
    }
    kind = exchange.header("content-type").strip().lower()
    return bool(codings & CODED) or (kind.startswith(CODED_TYPES) and not kind.startswith(NOT_CODED))


def _facts(exchange: Exchange) -> Iterator[tuple[str, str]]:
    """What the recorder saw and no other record holds."""
    for name, seconds in (("fetchTimeMs", exchange.elapsed_s), ("firstByteMs", exchange.first_byte_s)):
        if seconds is not None:
            yield name, str(round(seconds * 1000))
    yield "startedAt", f"{exchange.started_at:%Y-%m-%dT%H:%M:%S.%fZ}"
    yield "payloadDigest", exchange.payload_digest
    yield "payloadSize", str(exchange.payload_size)
    yield "flags", " ".join(exchange.flags)
    if exchange.tls:
        yield "tlsVersion", exchange.tls.version
        yield "tlsCipher", exchange.tls.cipher
        yield "tlsCertificateDigest", exchange.tls.certificate_sha256
    for head in exchange.interim:
        yield "interim", json.dumps(head.decode("latin-1"))


def _row(file: WarcFile, exchange: Exchange, placed: Placed) -> Row:
    return Row(
        url=exchange.url,
        date=exchange.started_at,
        mime=_mime(exchange.header("content-type")),
        status=exchange.status or 200,  # a resource has none; indexes count it as found
        digest=exchange.payload_digest,
        filename=file.name,
        offset=placed.offset,
        length=placed.length,
        record_digest=placed.digest,
    )


def _mime(content_type: str) -> str:
    """The media type for the index; `unk` where the header has none, as other indexers write."""
    essence = content_type.split(";")[0].split(",")[0].strip().lower()
    plain = essence.isascii() and essence.isprintable() and " " not in essence and "/" in essence
    return essence if plain else "unk"
