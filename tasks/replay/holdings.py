"""What a bundle holds, found by URL and read record by record; the bundle was verified before."""

import gzip
import io
import json
import struct
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from warcio.archiveiterator import ArchiveIterator

from tasks.bundle.cdxj import surt_key
from tasks.bundle.read import read_members
from tasks.capture.chunks import dechunked, is_framed
from tasks.capture.coding import decoded
from tasks.capture.head import HEAD_END, parse_stored_head
from tasks.errors import FormatError

__all__ = ["Held", "Holdings", "Kept"]

_INDEX, _PAGES, _ABOUT = "indexes/index.cdx.gz", "pages/pages.jsonl", "article/metadata.json"
_LOCAL_HEADER = struct.Struct("<26xHH")  # of a zip member: lengths of its name and of its extra field
_FORMAT = "%Y%m%d%H%M%S"


@dataclass(frozen=True, slots=True)
class Held:
    """One line of the index."""

    url: str
    stamp: str  # yyyymmddhhmmss, UTC
    mime: str
    status: str
    filename: str  # inside archive/
    offset: int
    length: int

    @property
    def date(self) -> datetime:
        """The moment of the capture, whole seconds."""
        return datetime.strptime(self.stamp, _FORMAT).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Kept:
    """What a server answered once: framing and codings removed."""

    url: str
    stamp: str
    status: int
    headers: tuple[tuple[str, str], ...]  # names lower-case
    payload: bytes

    def header(self, name: str) -> str:
        """The last value of a header, or the empty string."""
        return next((value for key, value in reversed(self.headers) if key == name), "")


class Holdings:
    """A bundle on disk; answers from several threads at once."""

    def __init__(self, path: Path, *, max_decoded_bytes: int) -> None:
        self.path, self._limit = path, max_decoded_bytes
        members = read_members(path, (_INDEX, _PAGES, _ABOUT))
        self.rows = tuple(_rows(members[_INDEX]))
        self.about: dict[str, Any] = json.loads(members[_ABOUT])
        page = json.loads(members[_PAGES].split(b"\n")[1])
        stamp = datetime.fromisoformat(page["ts"].replace("Z", "+00:00")).strftime(_FORMAT)
        self._exact: dict[str, list[Held]] = {}
        self._alike: dict[str, list[Held]] = {}
        for row in self.rows:
            self._exact.setdefault(row.url, []).append(row)
            self._alike.setdefault(_key(row.url), []).append(row)
        self._starts = dict(_starts(path))
        found = self.find(page["url"], stamp)
        if found is None:
            raise _broken(path, "its page is not in its index")
        self.page = found

    @property
    def id(self) -> str:
        """The bundle's id."""
        return self.path.name.removesuffix(".wacz")

    def find(self, url: str, stamp: str) -> Held | None:
        """The capture nearest to a moment of this very URL, or of one that index tools hold for the same."""
        found = self._exact.get(url) or self._alike.get(_key(url)) or ()
        moment = datetime.strptime(stamp, _FORMAT).replace(tzinfo=UTC)
        return min(found, key=lambda row: abs(row.date - moment), default=None)

    def read(self, row: Held) -> Kept:
        """The record of a line of the index."""
        with self.path.open("rb") as file:
            file.seek(self._starts[row.filename] + row.offset)
            member = file.read(row.length)
        record = next(iter(ArchiveIterator(io.BytesIO(member), no_record_parse=True)))
        block = b"".join(iter(record.raw_stream.read, b""))
        if record.rec_type == "resource":
            media_type = record.rec_headers.get_header("Content-Type") or ""
            return Kept(row.url, row.stamp, 200, (("content-type", media_type),), block)
        end = HEAD_END.search(block)
        head = parse_stored_head(block[: end.end()]) if end else None
        if end is None or head is None:
            raise _broken(self.path, f"no HTTP head at {row.offset} of {row.filename}")
        payload = self._payload(block[end.end() :], head.headers, chunked=head.chunked)
        return Kept(row.url, row.stamp, head.status, head.headers, payload)

    def _payload(self, body: bytes, headers: tuple[tuple[str, str], ...], *, chunked: bool) -> bytes:
        codings = ",".join(value for name, value in headers if name == "content-encoding").split(",")
        pieces = dechunked([body]) if chunked and is_framed(body[:64]) else [body]
        return b"".join(decoded(pieces, [name.strip().lower() for name in codings if name.strip()], self._limit, []))


def _key(url: str) -> str:
    """What index tools hold for one URL: `www.`, order of the query, case of the host do not matter."""
    return surt_key(url) if url.startswith(("http:", "https:")) else url


def _rows(index: bytes) -> Iterator[Held]:
    for line in gzip.decompress(index).decode("utf-8").split("\n"):
        _, _, rest = line.partition(" ")
        stamp, _, text = rest.partition(" ")
        if text:
            row = json.loads(text)
            place = int(row["offset"]), int(row["length"])
            yield Held(row["url"], stamp, row["mime"], row["status"], row["filename"], *place)


def _starts(path: Path) -> Iterator[tuple[str, int]]:
    """Where in the file the data of each WARC begins: they are stored, so that a record can be read by its offset."""
    with zipfile.ZipFile(path) as bundle, path.open("rb") as file:
        for info in bundle.infolist():
            folder, _, name = info.filename.partition("/")
            if folder == "archive":
                if info.compress_type != zipfile.ZIP_STORED:
                    raise _broken(path, f"{info.filename} is compressed within the zip")
                file.seek(info.header_offset)
                lengths = _LOCAL_HEADER.unpack(file.read(_LOCAL_HEADER.size))
                yield name, info.header_offset + _LOCAL_HEADER.size + sum(lengths)


def _broken(path: Path, why: str) -> FormatError:
    return FormatError(why, where=path.name, remedy="`tearsheet verify` lists every problem")
