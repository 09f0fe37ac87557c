"""WARC and WACZ files as other tools write them, one oddity at a time."""

import hashlib
import io
import json
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

from warcio.recordloader import ArcWarcRecord
from warcio.statusandheaders import StatusAndHeaders
from warcio.warcwriter import WARCWriter

from tasks.importing import FileReport, PageReport, import_files, open_bench
from tasks.settings import config_dirs, load_settings
from tests.bundle.forge import reindexed

URL = "https://news.example/2026/tide"
AT = "2026-03-14T07:30:00Z"
TODAY = date(2026, 11, 24)
SENTENCES = " ".join(f"The tide of day {n} came in later than anyone on the quay had foretold." for n in range(12))
HTML = (
    f"<!doctype html><html lang=en><head><title>The tide</title></head><body><article><h1>The tide</h1>"
    f"<p>{SENTENCES}</p><p>{SENTENCES}</p></article></body></html>"
)
HEAD = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\n"


@dataclass
class Warc:
    """Records written one after another by warcio, or by hand where warcio would tidy up."""

    gzip: bool = True
    out: io.BytesIO = field(default_factory=io.BytesIO)
    count: int = 0
    rows: list[bytes] = field(default_factory=list)

    def add(
        self, kind: str, block: bytes, *, url: str = URL, at: str = AT, content_type: str = "", **fields: str
    ) -> str:
        """One record; gives its id. Names of `fields` have underscores for dashes."""
        self.count += 1
        name = f"<urn:uuid:00000000-0000-4000-8000-{self.count:012d}>"
        types = {"response": "application/http; msgtype=response", "request": "application/http; msgtype=request"}
        types |= {"revisit": types["response"], "warcinfo": "application/warc-fields"}
        headers = [("WARC-Type", kind), ("WARC-Record-ID", name), ("WARC-Date", at)]
        headers += [("WARC-Target-URI", url)] if kind != "warcinfo" else []
        headers += [(key.replace("_", "-"), value) for key, value in fields.items()]
        headers += [("Content-Type", content_type or types.get(kind, "text/plain"))]
        start = self.out.tell()
        writer = _Exact(self.out, gzip=self.gzip, warc_version="WARC/1.1")
        headers.append(("Content-Length", str(len(block))))
        stated = StatusAndHeaders("", headers, "WARC/1.1")
        writer.write_record(
            ArcWarcRecord(
                "warc", kind.replace("revisit", "response"), stated, io.BytesIO(block), None, None, len(block)
            )
        )
        if kind in ("response", "revisit"):
            self._index(url, at, block, start)
        return name

    def page(self, body: bytes | str = HTML, head: str = HEAD, **more: Any) -> str:
        """A response."""
        data = body.encode() if isinstance(body, str) else body
        return self.add("response", f"{head}\r\n".encode() + data, **more)

    def asked(self, response: str, *lines: str, url: str = URL, at: str = AT, method: str = "GET") -> str:
        """The request for a response."""
        head = "".join(f"{line}\r\n" for line in ("Host: news.example", *lines))
        return self.add(
            "request", f"{method} / HTTP/1.1\r\n{head}\r\n".encode(), url=url, at=at, WARC_Concurrent_To=response
        )

    def save(self, path: Path) -> Path:
        path.write_bytes(self.out.getvalue())
        return path

    def _index(self, url: str, at: str, block: bytes, start: int) -> None:
        import surt

        payload = block.partition(b"\r\n\r\n")[2]
        status = block.split(b" ")[1].decode()[:3]
        digest = f"sha256:{hashlib.sha256(payload).hexdigest()}"
        row = {
            "url": url, "mime": "text/html", "status": status, "digest": digest,
            "length": str(self.out.tell() - start), "offset": str(start), "filename": "data.warc.gz",
        }  # fmt: skip
        stamp = "".join(filter(str.isdigit, at))[:14]
        self.rows.append(f"{surt.surt(url)} {stamp} {json.dumps(row)}".encode())


class _Exact(WARCWriter):  # type: ignore[misc]
    def ensure_digest(self, record: Any, block: bool = True, payload: bool = True) -> None:
        pass


def wacz(
    path: Path,
    warcs: Mapping[str, Warc],
    pages: Iterable[Mapping[str, Any]],
    *,
    extra: Mapping[str, bytes] = {},
    compress: bool = False,
) -> Path:
    """A sound WACZ 1.1.1 of another tool; names of WARCs end in .gz or not as they are."""
    rows = []
    for name, warc in warcs.items():
        rows += [row.replace(b"data.warc.gz", name.encode()) for row in warc.rows]
    header = {"format": "json-pages-1.0", "id": "pages", "title": "All Pages"}
    members = {f"archive/{name}": warc.out.getvalue() for name, warc in warcs.items()}
    members |= reindexed(sorted(rows))
    members["pages/pages.jsonl"] = b"".join(json.dumps(row).encode() + b"\n" for row in (header, *pages))
    members |= extra
    resources = [
        {
            "name": name.lower().replace("/", "."),
            "path": name,
            "hash": f"sha256:{hashlib.sha256(data).hexdigest()}",
            "bytes": len(data),
        }
        for name, data in members.items()
    ]
    package = {"profile": "data-package", "wacz_version": "1.1.1", "software": "othertool 7", "resources": resources}
    raw = json.dumps(package).encode()
    chain = json.dumps({"path": "datapackage.json", "hash": f"sha256:{hashlib.sha256(raw).hexdigest()}"}).encode()
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in {**members, "datapackage.json": raw, "datapackage-digest.json": chain}.items():
            deflated = compress and name.startswith("pages/")
            archive.writestr(name, data, zipfile.ZIP_DEFLATED if deflated else zipfile.ZIP_STORED)
    return path


def taken(store: str, *files: Path, dry_run: bool = False) -> tuple[list[PageReport], list[FileReport]]:
    """What became of these files, and of their pages."""
    pages: list[PageReport] = []
    settings = load_settings(store=store)
    with open_bench(settings, config_dirs(), dry_run=dry_run, today=TODAY) as bench:
        reports = list(import_files(files, bench, heard=pages.append))
    return pages, reports
