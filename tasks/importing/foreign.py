"""A WACZ or WARC of another tool as it lies on disk: where records stand, what refers to what, which pages it lists.

One pass, a small entry kept for each record that can be part of a page; blocks are read from the file when wanted.
The file was verified before: what does not fit is a FormatError all the same.
"""

import contextlib
import hashlib
import io
import os
import re
import zlib
from collections import Counter
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_package import Package, read_json, read_package
from tasks.bundle.verify_warc import Record, read_records
from tasks.bundle.verify_zip import Section, Zip, member_lines, read_zip
from tasks.errors import FormatError
from tasks.records import Digest

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

__all__ = ["Entry", "Foreign", "Listed", "scan", "table_of"]

MAX_ENTRIES = 250_000  # records of one file that may be part of a page: some 200 MB
MAX_PAGES = 100_000  # lines of its page lists
_ANSWERS = ("response", "revisit", "resource")
_HTML = ("", "text/html", "application/xhtml+xml")  # no type at all: its bytes may show one


@dataclass(frozen=True, slots=True)
class Entry:
    """One record, as its header tells."""

    number: int  # in the order of the file; ids may stand twice
    warc: str  # member of the WACZ; empty of a bare WARC
    offset: int
    kind: str  # WARC-Type
    id: str
    url: str
    date: datetime
    status: int  # of the HTTP answer; 0 where the record has none
    media_type: str  # essence; empty where none is given
    content_type: str  # the record's own
    ip: str
    truncated: str
    segmented: bool
    payload_digest: str
    refers_to: str
    refers_to_key: tuple[str, str]  # URL and date
    concurrent: tuple[str, ...]

    @property
    def stamp(self) -> str:
        """The date in whole seconds, as indexes have it."""
        return f"{self.date:%Y%m%d%H%M%S}"


@dataclass(frozen=True, slots=True)
class Listed:
    """A page that the file itself lists."""

    url: str
    stamp: str  # yyyymmddhhmmss


@dataclass(slots=True)
class Foreign:
    """One file: its identity, its records by what finds them, its pages."""

    path: Path
    name: str
    sha256: Digest
    size: int
    kind: str  # wacz, warc, warc.gz
    format: str = ""  # WACZ 1.1.1, WARC/1.0
    software: str = ""
    ours: bool = False  # a bundle of Tearsheet
    listed: tuple[Listed, ...] = ()
    entries: list[Entry] = field(default_factory=list)  # response, revisit, resource
    requests: dict[int, Entry] = field(default_factory=dict)  # number of a response: its request
    hops: dict[str, str] = field(default_factory=dict)  # id of a response: how a crawler came there
    skipped: Counter[str] = field(default_factory=Counter)  # reasons of records that can be part of no page
    spans: dict[str, tuple[int, int]] = field(default_factory=dict)  # WARC: start and size in the file

    @contextlib.contextmanager
    def open_block(self, entry: Entry) -> Iterator[BinaryIO]:
        """A reader of the record's block."""
        start, size = self.spans[entry.warc]
        try:
            with self.path.open("rb") as file:
                window = io.BufferedReader(_Window(file, start + entry.offset, size - entry.offset), 1 << 16)
                yield next(iter(ArchiveIterator(window, no_record_parse=True))).raw_stream
        except (ArchiveLoadFailed, zlib.error, EOFError, StopIteration, ValueError, KeyError) as error:
            where = f"{self.name} {entry.id}"
            raise FormatError(
                f"the record cannot be read: {error!r}", where=where, remedy="`tearsheet verify` lists every problem"
            ) from None


class _Window(io.RawIOBase):
    """A part of a file, from one byte on."""

    def __init__(self, file: BinaryIO, start: int, size: int) -> None:
        self._section = Section(file, start, size)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        view = memoryview(buffer)
        data = self._section.read(len(view))
        view[: len(data)] = data
        return len(data)


# ------------------------------------------------------------------ reading the whole
def scan(path: Path, name: str) -> Foreign:
    """What the file holds. FormatError where it is no WACZ or WARC, or has more than can be taken in at once."""
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        sha256 = Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
        file.seek(0)
        head = file.read(2)
        kind = {b"PK": "wacz", b"\x1f\x8b": "warc.gz"}.get(head, "warc")
        found = Foreign(path, name, sha256, size, kind)
        if kind == "wacz":
            _read_wacz(file, found)
        else:
            found.spans[""] = (0, size)
        if not found.ours:
            _read_warcs(file, found)
    return found


def _read_wacz(file: BinaryIO, found: Foreign) -> None:
    findings = Findings()
    archive = read_zip(file, found.size, findings)
    if archive is None:
        raise _unreadable(found, "the zip has no directory")
    package = read_package(file, archive, findings)
    found.ours = findings.ours
    found.format = f"WACZ {package.table.get('wacz_version', '')}".strip()
    found.software = _text(package, "software")
    for name, member in archive.members.items():
        if name.startswith("archive/") and name.endswith((".warc", ".warc.gz")):
            found.spans[name] = (member.start, member.packed)
    found.listed = () if found.ours else tuple(_pages(file, archive, found))


def _text(package: Package, name: str) -> str:
    value = package.table.get(name)
    return value[:200] if isinstance(value, str) else ""


def _pages(file: BinaryIO, archive: Zip, found: Foreign) -> Iterator[Listed]:
    """The pages of every page list, each once."""
    seen = set[Listed]()
    for name, member in archive.members.items():
        if not (name.startswith("pages/") and name.endswith(".jsonl")):
            continue
        for line in member_lines(file, member):
            page = read_json(line) if line.strip() else None
            if not isinstance(page, dict) or not isinstance(page.get("url"), str):
                continue
            listed = Listed(page["url"], f"{_date(str(page.get('ts', ''))):%Y%m%d%H%M%S}")
            if listed not in seen:
                seen.add(listed)
                yield listed
            if len(seen) > MAX_PAGES:
                raise _too_much(found, f"more than {MAX_PAGES:,} pages")


_DATE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d)", re.ASCII)


def _date(text: str) -> datetime:
    """An RFC 3339 time in UTC; FormatError for anything else. Digits beyond microseconds are dropped."""
    match = _DATE.fullmatch(text)
    try:
        if match:
            return datetime.fromisoformat(f"{match[1]}.{(match[2] or '')[:6]:0<6}{match[3]}").astimezone(UTC)
    except (ValueError, OverflowError):
        pass
    raise FormatError(f"{text[:40]!r} is no date", remedy="`tearsheet verify` lists every problem")


# ------------------------------------------------------------------ records
def _read_warcs(file: BinaryIO, found: Foreign) -> None:
    """Every record of every WARC, in order; requests are given to what they asked for."""
    kept = _Kept(found, {page.url for page in found.listed})
    for warc, (start, size) in found.spans.items():
        for record in read_records(Section(file, start, size), warc, Findings(), digests=False):
            kept.add(record, warc)
            if len(found.entries) + len(kept.requests) + len(found.hops) > MAX_ENTRIES:
                raise _too_much(found, f"more than {MAX_ENTRIES:,} records that may be of a page")
    _pair(found, kept.requests)
    if kept.info and not found.software:
        found.software = _software(found, kept.info)


@dataclass(slots=True)
class _Kept:
    """What is kept while the records go by; the request beside an answer that is dropped is dropped with it."""

    found: Foreign
    listed: Set[str]
    requests: dict[str, Entry] = field(default_factory=dict)
    info: Entry | None = None  # the first warcinfo
    count: int = 0
    before: Entry | None = None  # the request just before this record, or an answer just dropped

    def add(self, record: Record, warc: str) -> None:
        """One record of any type."""
        self.count += 1
        before, self.before = self.before, None
        if record.type in ("warcinfo", *_ANSWERS):
            self.found.format = self.found.format or f"WARC/{record.version}"
        if record.type == "warcinfo":
            self.info = self.info or _entry(record, warc, self.count)
        elif record.type == "metadata":
            _note_hops(record, self.found)
        elif record.type == "request":
            entry = _entry(record, warc, self.count)
            if before is None or before.kind == "request" or not _belong(entry, before):
                self.requests[entry.id], self.before = entry, entry
        elif record.type in _ANSWERS:
            self._add_answer(record, _entry(record, warc, self.count), before)

    def _add_answer(self, record: Record, entry: Entry, before: Entry | None) -> None:
        if _may_be_page(record, self.listed):
            self.found.entries.append(entry)
            return
        self.found.skipped["not-html" if entry.url.lower().startswith("http") else "not-http"] += 1
        self.before = entry
        if before and before.kind == "request" and _belong(before, entry):
            del self.requests[before.id]


def _belong(request: Entry, answer: Entry) -> bool:
    """Whether a request is surely that of an answer."""
    if request.concurrent or answer.concurrent:
        return answer.id in request.concurrent or request.id in answer.concurrent
    return (request.url, request.date) == (answer.url, answer.date)


def _may_be_page(record: Record, listed: Set[str]) -> bool:
    """Whether a page can be, or begin with, this answer; whatever the file lists can."""
    is_resource = record.type == "resource"
    html = (record.media_type or "") in (_HTML[1:] if is_resource else _HTML)
    return record.url in listed or html or record.status.startswith("3")


def _entry(record: Record, warc: str, number: int) -> Entry:
    value = record.fields.get
    return Entry(
        number=number,
        warc=warc,
        offset=record.offset,
        kind=record.type,
        id=value("warc-record-id", ""),
        url=record.url,
        date=_date(record.date),
        status=int(record.status or 0),
        media_type=record.media_type or "",
        content_type=value("content-type", ""),
        ip=value("warc-ip-address", ""),
        truncated=value("warc-truncated", "").lower() if record.type != "revisit" else "",
        segmented="warc-segment-number" in record.fields,
        payload_digest=value("warc-payload-digest", ""),
        refers_to=value("warc-refers-to", ""),
        refers_to_key=(value("warc-refers-to-target-uri", "").strip("<>"), value("warc-refers-to-date", "")),
        concurrent=record.concurrent,
    )


def _note_hops(record: Record, found: Foreign) -> None:
    for line in (record.text or b"").split(b"\r\n"):
        if line.lower().startswith(b"hopsfromseed:"):
            hops = line.partition(b":")[2].strip().decode("ascii", "replace")[-1:]
            for target in (*record.concurrent, record.fields.get("warc-refers-to", "")):
                found.hops[target] = hops


def _pair(found: Foreign, requests: Mapping[str, Entry]) -> None:
    """Which request belongs to which answer: by WARC-Concurrent-To of either, else by the same URL and date."""
    same = {(entry.url, entry.date): entry for entry in requests.values() if not entry.concurrent}
    named = {other: entry for entry in requests.values() for other in entry.concurrent}
    for entry in found.entries:
        linked = next((requests[other] for other in entry.concurrent if other in requests), None)
        request = named.get(entry.id) or linked or same.get((entry.url, entry.date))
        if request and request.url == entry.url:
            found.requests[entry.number] = request


def _software(found: Foreign, info: Entry) -> str:
    with found.open_block(info) as stream:
        text = stream.read(1 << 16).decode("utf-8", "replace")
    for line in text.splitlines():
        name, colon, value = line.partition(":")
        if colon and name.strip().lower() == "software":
            return value.strip()[:200]
    return ""


def _unreadable(found: Foreign, why: str) -> FormatError:
    return FormatError(why, where=found.name, remedy="`tearsheet verify` lists every problem")


def _too_much(found: Foreign, what: str) -> FormatError:
    return FormatError(what, where=found.name, remedy="Split the file and import its parts; nothing was stored")


def table_of(foreign: Foreign) -> dict[str, Any]:
    """What provenance.json says of the file; not its name, so that it gives the same bundles under any other."""
    return {
        "sha256": foreign.sha256,
        "bytes": foreign.size,
        "format": foreign.format,
        "software": foreign.software,
    }
