"""The index: CDXJ lines, sorted bytewise, in gzip members of at most 300 lines with an .idx over them.

Line:  com,example)/ 20261123105446 {"url": "https://example.com/", "mime": "text/html", "status": "200", …}
Idx:   com,example)/ 20261123105446 {"offset": 0, "length": 311, "digest": "sha256:…", "filename": "index.cdx.gz"}
Numbers are strings in the lines and numbers in the .idx, as cdxj-indexer and py-wacz write them.
"""

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from tasks.bundle.gzips import gzip_bytes
from tasks.records import Digest, digest_of

__all__ = ["Row", "cdxj_line", "index_members", "surt_key"]

LINES_PER_MEMBER = 300
INDEX_NAME = "index.cdx.gz"
_META = {"format": "cdxj-gzip-1.0", "filename": INDEX_NAME}


@dataclass(frozen=True, slots=True)
class Row:
    """One record that can be replayed."""

    url: str
    date: datetime
    mime: str
    status: int  # of the HTTP answer; 200 for a resource
    digest: Digest  # of the payload: chunk framing removed, content coding kept
    filename: str  # inside archive/
    offset: int
    length: int
    record_digest: Digest  # of the compressed member


@lru_cache(maxsize=256)  # 0.06 ms each: an index is written, then verified, and robots.txt is that of the host again
def surt_key(url: str) -> str:
    """The sort key of a URL, as every CDXJ tool makes it: `com,example)/path`."""
    import surt  # 60 ms, paid only where an index is written

    return str(surt.surt(url))


def cdxj_line(row: Row) -> str:
    """One line of the index, without its newline."""
    fields = {
        "url": row.url,
        "mime": row.mime,
        "status": str(row.status),
        "digest": row.digest,
        "length": str(row.length),
        "offset": str(row.offset),
        "filename": row.filename,
        "recordDigest": row.record_digest,
    }
    return f"{surt_key(row.url)} {row.date:%Y%m%d%H%M%S} {json.dumps(fields)}"


def index_members(rows: Iterable[Row]) -> tuple[bytes, bytes]:
    """The bytes of index.cdx.gz and of index.idx."""
    lines = sorted(cdxj_line(row).encode("utf-8") for row in rows)
    packed, idx = bytearray(), [f"!meta 0 {json.dumps(_META)}".encode()]
    for start in range(0, len(lines), LINES_PER_MEMBER):
        part = lines[start : start + LINES_PER_MEMBER]
        member = gzip_bytes(b"".join(line + b"\n" for line in part))
        place = {
            "offset": len(packed),
            "length": len(member),
            "digest": digest_of(member),
            "filename": INDEX_NAME,
        }
        idx.append(b" ".join((*part[0].split(b" ")[:2], json.dumps(place).encode())))
        packed += member
    return bytes(packed), b"\n".join(idx) + b"\n"
