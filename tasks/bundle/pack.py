"""Packing: a capture and what was read from it become one WACZ on disk, the same bytes for the same input.

Every member in its order, and nothing else, is named in `_write_members`. Bodies are streamed from where the
recorder left them; nothing that follows the clock, the machine or the order of a hash enters the file.
"""

import contextlib
import errno
import hashlib
import tempfile
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

from tasks.bundle.cdxj import Row, index_members
from tasks.bundle.derived import article_files
from tasks.bundle.jsons import json_line, json_page, utf8
from tasks.bundle.manifest import Member, write_manifest
from tasks.bundle.original import Original, read_warc
from tasks.bundle.provenance import capture_facts
from tasks.bundle.rendered import RENDERED, write_resources
from tasks.bundle.sign import Signer, signed_data
from tasks.bundle.wacz import DEFLATED, Entry, Sink, WaczWriter
from tasks.bundle.warc import Block, WarcFile, about_page, warc_date, warc_info, write_exchanges
from tasks.errors import DiskFull, FixityError
from tasks.records import Article, Bundle, Capture, Digest, Metadata, PageText, Verdict, digest_of

__all__ = ["FORMAT", "pack_bundle"]

FORMAT = "tearsheet-bundle/1"
PROVENANCE_FORMAT = "tearsheet-provenance/1"
DATA, DERIVED = "data.warc.gz", "derived.warc.gz"
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


@dataclass(slots=True)
class _Contents:
    """What goes into one bundle, and the index rows collected on the way."""

    capture: Capture
    page: PageText
    verdict: Verdict
    article: Article | None
    metadata: Metadata
    provenance: Mapping[str, Any]
    original: Original | None = None  # of a derived bundle: what is taken over as it is
    signer: Signer | None = None
    page_record: str = ""  # id of the page's response
    dom_record: str = ""  # id of the resource that holds the DOM, where a browser has drawn the page
    signature: str = ""
    rows: list[Row] = field(default_factory=list)

    @property
    def title(self) -> str:
        return self.metadata.title.value if self.metadata.title else ""

    @property
    def text(self) -> bytes:
        return utf8(self.article.text) if self.article else b""

    @property
    def read_record(self) -> str:
        """The id of the record that the article was read from."""
        return self.dom_record if self.article and self.article.source == "dom" else self.page_record

    @property
    def seed(self) -> str:
        return f"{self.capture.started_at:%Y-%m-%dT%H:%M:%S.%fZ} {self.capture.url}"


def pack_bundle(
    folder: Path,
    *,
    capture: Capture,
    page: PageText,
    verdict: Verdict,
    article: Article | None,
    metadata: Metadata,
    provenance: Mapping[str, Any],
    original: Original | None = None,
    signer: Signer | None = None,
) -> Bundle:
    """The bundle as `<id>.wacz` in `folder`, with its manifest in memory; signed where there is a signer.

    `provenance` is JSON and may not change from run to run; that of a derived bundle names its parent, and `original`
    is the parent's capture, whose WARC goes over byte for byte. Raises DiskFull; a half-written file does not stay.
    """
    contents = _Contents(capture, page, verdict, article, metadata, provenance, original, signer)
    with _temporary(folder) as (file, temporary):
        entries = _write_members(file, contents)
        sha256, size = _hash_file(file)
        bundle_id = f"{capture.started_at:%Y%m%d%H%M%S}-{sha256.removeprefix('sha256:')[:16]}"
        file.close()
        path = temporary.rename(folder / f"{bundle_id}.wacz")
    text = contents.text
    manifest = write_manifest(
        bundle_id=bundle_id,
        sha256=sha256,
        size=size,
        capture=capture,
        page=page,
        verdict=verdict,
        article=article,
        metadata=metadata,
        text=text,
        text_sha256=digest_of(text),
        members={entry.name: Member(entry.sha256, entry.size) for entry in entries},
        original=_original(contents),
        provenance=provenance,
    )
    return Bundle(bundle_id, path, sha256, size, manifest, contents.signature)


@contextlib.contextmanager
def _temporary(folder: Path) -> Iterator[tuple[IO[bytes], Path]]:
    """A new file in `folder`, gone again unless it was renamed; OSError for a full disk becomes DiskFull."""
    with tempfile.NamedTemporaryFile(dir=folder, prefix="packing-", suffix=".wacz.tmp", delete=False) as file:
        temporary = Path(file.name)
        try:
            temporary.chmod(0o644)
            yield file, temporary
        except OSError as error:
            if error.errno not in _FULL:
                raise
            # Closing flushes once more; that failure says nothing new.
            with contextlib.suppress(OSError):
                file.close()
            raise DiskFull(
                "no room for the bundle", where=str(folder), remedy="Free some space and run again"
            ) from None
        finally:
            temporary.unlink(missing_ok=True)


def _hash_file(file: IO[bytes]) -> tuple[Digest, int]:
    found = hashlib.sha256()
    file.seek(0)
    while data := file.read(1 << 20):
        found.update(data)
    return Digest(f"sha256:{found.hexdigest()}"), file.tell()


# ------------------------------------------------------------------ members
def _write_members(file: IO[bytes], contents: _Contents) -> list[Entry]:
    """All members, in their order."""
    capture, article = contents.capture, contents.article
    wacz = WaczWriter(file, capture.started_at)
    files = article_files(capture, contents.page, contents.verdict, article, contents.metadata)
    with wacz.stored(f"archive/{DATA}") as sink:
        if contents.original:
            _copy_original(sink, contents, contents.original)
        else:
            _write_data(WarcFile(sink, DATA, seed=contents.seed), contents)
    if contents.capture.rendered:
        with wacz.stored(f"archive/{RENDERED}") as sink:
            if contents.original:
                _copy_warc(sink, contents.original, RENDERED)
            else:
                _write_rendered(WarcFile(sink, RENDERED, seed=contents.seed), contents)
    if article:
        with wacz.stored(f"archive/{DERIVED}") as sink:
            _write_derived(WarcFile(sink, DERIVED, seed=contents.seed), contents, files["article.html"])
    index, idx = index_members(contents.rows)
    wacz.add("indexes/index.cdx.gz", index)
    wacz.add("indexes/index.idx", idx, deflate=True)
    wacz.add("pages/pages.jsonl", _pages(contents), deflate=True)
    for name, data in files.items():
        wacz.add(f"article/{name}", data, deflate=True)
    wacz.add("article/provenance.json", _provenance(contents), deflate=True)
    package = _datapackage(contents, wacz.entries)
    wacz.add("datapackage.json", package)
    wacz.add("datapackage-digest.json", _digest_file(contents, digest_of(package)))
    wacz.finish()
    return wacz.entries


def _write_data(warc: WarcFile, contents: _Contents) -> None:
    """warcinfo, then response, request and metadata of each exchange: the way to the page, then what is beside it."""
    capture, page, verdict = contents.capture, contents.page, contents.verdict
    warc.start(warc_info(capture, contents.provenance), capture.started_at)
    for exchange, record_id, row in write_exchanges(warc, capture, about_page(page, verdict)):
        if exchange is capture.page:
            contents.page_record = record_id
        contents.rows.append(row)


def _write_rendered(warc: WarcFile, contents: _Contents) -> None:
    """warcinfo, then what the browser made of the page."""
    warc.start(warc_info(contents.capture, contents.provenance), contents.capture.started_at)
    for resource, record_id, row in write_resources(warc, contents.capture):
        if resource.name == "dom":
            contents.dom_record = record_id
        contents.rows.append(row)


def _copy_original(sink: Sink, contents: _Contents, original: Original) -> None:
    """The parent's WARC with the index rows of all that is taken over."""
    _copy_warc(sink, original, DATA)
    contents.page_record, contents.dom_record = original.page_record, original.dom_record
    contents.rows.extend(original.rows)


def _copy_warc(sink: Sink, original: Original, name: str) -> None:
    """A WARC of the parent, never serialised anew."""
    for piece in read_warc(original.bundle, name):
        sink.write(piece)
    found, stated = f"sha256:{sink.sha256.hexdigest()}", original.warcs[name]
    if found != stated:
        raise FixityError(
            f"{name} is {found}, its datapackage.json says {stated}",
            where=original.bundle.name,
            remedy="`tearsheet verify` lists every problem",
        )


def _write_derived(warc: WarcFile, contents: _Contents, document: bytes) -> None:
    """warcinfo, the clean copy as conversions of the page, and once more as a resource that replays by itself.

    In a file of their own, because some indexers list conversions under the page's own URL and hide the original.
    """
    url, date = contents.capture.final_url, contents.capture.page.started_at
    warc.start(warc_info(contents.capture, contents.provenance), contents.capture.started_at)
    for media_type, data in (("text/plain; charset=utf-8", contents.text), ("text/html; charset=utf-8", document)):
        block = Block.of(data)
        fields = [("WARC-Target-URI", url), ("WARC-Refers-To", contents.read_record)]
        fields += [("Content-Type", media_type), ("WARC-Payload-Digest", block.digest)]
        warc.add("conversion", fields, block, date=date)
    block, urn = Block.of(document), f"urn:article:{url}"
    fields = [("WARC-Target-URI", urn), ("Content-Type", "text/html; charset=utf-8")]
    fields.append(("WARC-Payload-Digest", block.digest))
    placed = warc.add("resource", fields, block, date=date)
    contents.rows.append(
        Row(urn, date, "text/html", 200, block.digest, warc.name, placed.offset, placed.length, placed.digest)
    )


def _pages(contents: _Contents) -> bytes:
    """pages.jsonl: the header line, which readers drop, and the page."""
    header = {"format": "json-pages-1.0", "id": "pages", "title": "All Pages", "hasText": True}
    url, ts = contents.capture.final_url, warc_date(contents.capture.page.started_at)
    page = {
        "id": hashlib.sha256(utf8(f"{ts} {url}")).hexdigest()[:16],
        "url": url,
        "ts": ts,
        "title": contents.title or url,
        "text": contents.text.decode("utf-8"),
    }
    return json_line(header) + b"\n" + json_line(page) + b"\n"


def _provenance(contents: _Contents) -> bytes:
    """provenance.json: what made this bundle, and which record the derived files come from."""
    made = {
        "format": PROVENANCE_FORMAT,
        "original": _original(contents),
        "zlib": zlib.ZLIB_RUNTIME_VERSION,
        **_of_capture(contents),
    }
    return json_page({**contents.provenance, **made})


def _original(contents: _Contents) -> dict[str, str]:
    """The record that the article was read from, and what its server told it apart by."""
    page = contents.capture.page
    validators = {"etag": page.header("etag"), "last_modified": page.header("last-modified")}
    return {
        "member": f"archive/{DATA}",
        "record": contents.page_record,
        "url": contents.capture.final_url,
        "date": warc_date(page.started_at),
        "payload": page.payload_digest,
        **{name: value for name, value in validators.items() if value},
    }


def _of_capture(contents: _Contents) -> dict[str, Any]:
    """What is known of the capture; of a derived bundle what its parent knew, for the WARC does not hold it all.

    Nothing of one that another tool made: what is known of that stands under `imported`.
    """
    if "imported" in contents.provenance:
        return {}
    if contents.original is None:
        return {"capture": capture_facts(contents.capture)}
    parents = contents.original.provenance
    return {"capture": parents["capture"]} if "capture" in parents else {}


def _datapackage(contents: _Contents, entries: list[Entry]) -> bytes:
    """datapackage.json: every member with its digest; the root of the bundle's fixity."""
    created = warc_date(contents.capture.started_at)
    package = {
        "profile": "data-package",
        "wacz_version": "1.1.1",
        "title": contents.title or contents.capture.final_url,
        "created": created,
        "modified": created,
        "software": str(contents.provenance.get("software", "")),
        "mainPageUrl": contents.capture.final_url,
        "mainPageDate": warc_date(contents.capture.page.started_at),
        "tearsheet": {"format": FORMAT},
        "resources": [_resource(entry) for entry in entries],
    }
    if contents.metadata.description:
        package["description"] = contents.metadata.description.value
    return json_page(package)


def _digest_file(contents: _Contents, digest: Digest) -> bytes:
    """datapackage-digest.json: the digest of datapackage.json, signed where there is a signer."""
    table: dict[str, Any] = {"path": "datapackage.json", "hash": digest}
    if contents.signer:
        created, software = warc_date(contents.capture.started_at), str(contents.provenance.get("software", ""))
        table["signedData"] = signed = signed_data(contents.signer, digest=digest, created=created, software=software)
        contents.signature = signed["signature"]
    return json_page(table)


def _resource(entry: Entry) -> dict[str, Any]:
    """One member's row. A deflated one also has the digest of its bytes in the zip, because many
    different deflate streams give the same data, and a flipped bit must never pass."""
    row: dict[str, Any] = {
        "name": entry.name.lower().replace("/", "."),
        "path": entry.name,
        "hash": entry.sha256,
        "bytes": entry.size,
    }
    if entry.name.endswith(".jsonl"):
        row["type"] = "file"  # or frictionless, and so `wacz validate`, reads it as a table of one type a column
    if entry.method == DEFLATED:
        row["stored"] = {"method": "deflate", "hash": entry.packed_sha256, "bytes": entry.packed}
    return row
