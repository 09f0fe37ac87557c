"""Reading a capture back out of a stored bundle: the exchanges of its WARC, byte for byte, and what was noted of them.

Nothing is altered or judged here. The bundle was verified before: what does not fit is a FormatError all the same.
"""

import gzip
import io
import json
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, BinaryIO

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from tasks.bundle.cdxj import Row
from tasks.bundle.read import read_members
from tasks.bundle.rendered import RENDERED
from tasks.errors import FormatError
from tasks.records import Digest

__all__ = ["Original", "StoredBlock", "StoredExchange", "StoredResource", "read_original", "read_warc"]

_DATA = "data.warc.gz"
DERIVED_FILES = ("article.html", "article.md", "article.txt", "removed.jsonl", "metadata.json")  # in article/
_PROVENANCE, _INDEX = "article/provenance.json", "indexes/index.cdx.gz"
_IN_MEMORY = 4 << 20  # bytes of a block that are kept; a larger one is read again where it is wanted
_UNREADABLE = (
    *(ArchiveLoadFailed, zipfile.BadZipFile, zlib.error, EOFError),
    *(KeyError, TypeError, ValueError, StopIteration),
)
_MAX_NOTES = 1 << 20  # bytes of a warcinfo or metadata block


@dataclass(frozen=True, slots=True)
class StoredBlock:
    """The block of a stored response: head and body as they came over the wire."""

    bundle: Path
    warc: str  # name of the file inside archive/
    offset: int  # of the record's gzip member in it
    size: int
    data: bytes | None  # where it is small enough to be kept

    def open(self) -> BinaryIO:
        """A reader at the first byte, with a position of its own."""
        if self.data is not None:
            return io.BytesIO(self.data)
        with zipfile.ZipFile(self.bundle) as archive, archive.open(f"archive/{self.warc}") as warc:
            warc.seek(self.offset)
            record = next(iter(ArchiveIterator(warc, no_record_parse=True)))
            return io.BytesIO(_all(record.raw_stream))


@dataclass(frozen=True, slots=True)
class StoredExchange:
    """One exchange as the WARC holds it; `facts` are the lines of its `metadata` record."""

    record_id: str  # of the response
    url: str
    ip: str
    truncated: str
    block: StoredBlock
    block_digest: Digest
    request: bytes  # empty where a capture of another tool has none
    media_type: str  # of a `resource` record, which has no HTTP head; empty of a response
    facts: Mapping[str, tuple[str, ...]]

    def fact(self, name: str) -> str:
        """The value of a line, or the empty string."""
        return next(iter(self.facts.get(name, ())), "")


@dataclass(frozen=True, slots=True)
class StoredResource:
    """What a browser made of the page, as the bundle holds it."""

    record_id: str
    name: str  # dom, view, …
    media_type: str
    block: StoredBlock
    digest: Digest
    date: datetime


@dataclass(frozen=True, slots=True)
class Original:
    """What a derived bundle takes over from its parent, and what it is compared with."""

    bundle: Path
    warcs: Mapping[str, Digest]  # data.warc.gz and, where there is one, rendered.warc.gz
    rows: tuple[Row, ...]  # their lines of the index
    page_record: str  # id of the page's response
    user_agent: str
    exchanges: tuple[StoredExchange, ...]  # in order, the page last
    files: Mapping[str, bytes]  # of article/, but provenance.json; those that are there
    metadata: Mapping[str, Any]
    provenance: Mapping[str, Any]
    resources: tuple[StoredResource, ...] = ()  # what a browser made of the page

    @property
    def dom_record(self) -> str:
        """The id of the record that holds the DOM; empty where no browser has drawn the page."""
        return next((one.record_id for one in self.resources if one.name == "dom"), "")


def read_original(bundle: Path) -> Original:
    """The capture in a bundle of ours, and what was derived from it."""
    try:
        return _read(bundle)
    except _UNREADABLE as error:
        raise FormatError(
            f"no capture can be read from it: {error!r}",
            where=bundle.name,
            remedy="`tearsheet verify` lists every problem; a newer Tearsheet may have written it",
        ) from None


def _read(bundle: Path) -> Original:
    members = read_members(bundle, (*(f"article/{name}" for name in DERIVED_FILES), _PROVENANCE, _INDEX))
    files = {name: members[f"article/{name}"] for name in DERIVED_FILES if f"article/{name}" in members}
    provenance = json.loads(members[_PROVENANCE])
    page_record = str(provenance["original"]["record"])
    info, exchanges = _exchanges(bundle)
    warcs = _warc_digests(members["datapackage.json"])
    page = next(number for number, item in enumerate(exchanges, 1) if item.record_id == page_record)
    return Original(
        bundle=bundle,
        warcs=warcs,
        rows=tuple(_rows(members[_INDEX], warcs)),
        page_record=page_record,
        user_agent=next(iter(info.get("http-header-user-agent", ())), ""),
        exchanges=tuple(exchanges[:page]),
        files=files,
        metadata=json.loads(files["metadata.json"]),
        provenance=provenance,
        resources=tuple(_resources(bundle)) if RENDERED in warcs else (),
    )


def _warc_digests(package: bytes) -> Mapping[str, Digest]:
    """The digests of the WARCs that a derived bundle takes over as they are."""
    rows = {row["path"]: Digest(str(row["hash"])) for row in json.loads(package)["resources"]}
    found = {name: rows[f"archive/{name}"] for name in (_DATA, RENDERED) if f"archive/{name}" in rows}
    return {_DATA: found[_DATA], **found}


def _rows(index: bytes, warcs: Mapping[str, Digest]) -> Iterator[Row]:
    """The index rows of the capture's own WARCs."""
    for line in gzip.decompress(index).decode("utf-8").split("\n"):
        _, _, rest = line.partition(" ")
        stamp, _, text = rest.partition(" ")
        if not text:
            continue
        row = json.loads(text)
        if row["filename"] not in warcs:
            continue
        yield Row(
            url=row["url"],
            date=datetime.strptime(stamp, "%Y%m%d%H%M%S").replace(tzinfo=UTC),
            mime=row["mime"],
            status=int(row["status"]),
            digest=Digest(row["digest"]),
            filename=row["filename"],
            offset=int(row["offset"]),
            length=int(row["length"]),
            record_digest=Digest(row["recordDigest"]),
        )


# ------------------------------------------------------------------ the WARC
@dataclass(slots=True)
class _Parts:
    """One exchange while its records are read."""

    response: Any
    block: StoredBlock
    digest: Digest
    request: bytes = b""
    facts: Mapping[str, tuple[str, ...]] | None = None

    def whole(self) -> StoredExchange:
        header = self.response.get_header
        return StoredExchange(
            record_id=header("WARC-Record-ID"),
            url=header("WARC-Target-URI"),
            ip=header("WARC-IP-Address") or "",
            truncated=header("WARC-Truncated") or "",
            block=self.block,
            block_digest=self.digest,
            request=self.request,
            media_type=header("Content-Type") if header("WARC-Type") == "resource" else "",
            facts=self.facts or {},
        )


def _exchanges(bundle: Path) -> tuple[Mapping[str, tuple[str, ...]], list[StoredExchange]]:
    """The lines of warcinfo, and the exchanges in order; request and metadata are found by what they refer to."""
    info: Mapping[str, tuple[str, ...]] = {}
    found: dict[str, _Parts] = {}
    with zipfile.ZipFile(bundle) as archive, archive.open(f"archive/{_DATA}") as warc:
        records = ArchiveIterator(warc, no_record_parse=True)
        for record in records:
            header = record.rec_headers.get_header
            kind, other = header("WARC-Type"), found.get(header("WARC-Concurrent-To") or "")
            if kind in ("response", "resource"):
                block = _stored_block(bundle, _DATA, records, record)
                found[header("WARC-Record-ID")] = _Parts(record.rec_headers, block, Digest(header("WARC-Block-Digest")))
            elif kind == "warcinfo":
                info = _lines(record)
            elif kind == "request" and other:
                other.request = _all(record.raw_stream)
            elif kind == "metadata" and other:
                other.facts = _lines(record)
    return info, [parts.whole() for parts in found.values()]


def _stored_block(bundle: Path, warc: str, records: Any, record: Any) -> StoredBlock:
    """The block of the record that was just read, to its end."""
    size = int(record.rec_headers.get_header("Content-Length"))
    data = _all(record.raw_stream) if size <= _IN_MEMORY else None
    return StoredBlock(bundle, warc, records.get_record_offset(), size, data)


def _resources(bundle: Path) -> Iterator[StoredResource]:
    """What a browser made of the page, in order."""
    with zipfile.ZipFile(bundle) as archive, archive.open(f"archive/{RENDERED}") as warc:
        records = ArchiveIterator(warc, no_record_parse=True)
        for record in records:
            header = record.rec_headers.get_header
            if header("WARC-Type") == "resource":
                yield StoredResource(
                    record_id=header("WARC-Record-ID"),
                    name=header("WARC-Target-URI").split(":")[1],
                    media_type=header("Content-Type"),
                    block=_stored_block(bundle, RENDERED, records, record),
                    digest=Digest(header("WARC-Block-Digest")),
                    date=datetime.strptime(header("WARC-Date"), "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC),
                )


def _all(stream: Any) -> bytes:
    """The rest of a stream whose reads may give less than is there."""
    return b"".join(iter(stream.read, b""))


def _lines(record: Any) -> Mapping[str, tuple[str, ...]]:
    """The lines of an application/warc-fields block: name → values in order."""
    found: dict[str, tuple[str, ...]] = {}
    for line in _all(record.raw_stream)[:_MAX_NOTES].decode("utf-8", "replace").split("\r\n"):
        name, colon, value = line.partition(":")
        if colon:
            found[name] = (*found.get(name, ()), value.removeprefix(" "))
    return found


def read_warc(bundle: Path, name: str) -> Iterator[bytes]:
    """The bytes of a WARC of the bundle, piece by piece; `name` is that inside archive/."""
    with zipfile.ZipFile(bundle) as archive, archive.open(f"archive/{name}") as warc:
        while piece := warc.read(1 << 20):
            yield piece
