"""Bundles with one thing wrong and every hash right: what verify must find by reading, not by digests alone."""

import gzip
import hashlib
import json
import zipfile
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from tasks.bundle.jsons import json_page
from tasks.bundle.verify import verify_file
from tasks.bundle.wacz import WaczWriter
from tests.bundle.samples import MOMENT, digest

__all__ = ["codes", "edit_record", "members", "records", "reindexed", "rewrite", "severities"]

CHAIN = ("datapackage.json", "datapackage-digest.json")


def codes(path: Path, level: str = "full") -> set[str]:
    """The codes of what verify finds, notes included."""
    return {problem.code for problem in verify_file(path, level=level)}


def severities(path: Path) -> dict[str, str]:
    return {problem.code: problem.severity for problem in verify_file(path)}


def members(path: Path) -> dict[str, bytes]:
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def rewrite(
    source: Path,
    target: Path,
    changes: Mapping[str, bytes | None],
    package: Callable[[dict[str, Any]], None] | None = None,
) -> Path:
    """`source` in our byte form with members replaced, added, or (None) left out, and the whole hash chain right.

    `package` may change datapackage.json before it is hashed.
    """
    data = {name: item for name, item in members(source).items() if name not in CHAIN}
    table = json.loads(members(source)["datapackage.json"])
    data = {name: item for name, item in (data | dict(changes)).items() if item is not None}
    with target.open("wb") as file:
        writer = WaczWriter(file, MOMENT)
        for name, item in data.items():
            deflate = not name.startswith("archive/") and not name.endswith(".gz")
            writer.add(name, item, deflate=deflate)
        table["resources"] = [
            {
                "name": entry.name.lower().replace("/", "."),
                "path": entry.name,
                "hash": entry.sha256,
                "bytes": entry.size,
            }
            | (
                {"stored": {"method": "deflate", "hash": entry.packed_sha256, "bytes": entry.packed}}
                if entry.method
                else {}
            )
            for entry in writer.entries
        ]
        if package:
            package(table)
        raw = json_page(table)
        writer.add(CHAIN[0], raw)
        writer.add(CHAIN[1], json_page({"path": CHAIN[0], "hash": digest(raw)}))
        writer.finish()
    return target


def records(data: bytes) -> list[bytes]:
    """The records of a .warc.gz, decompressed, in order."""
    found = []
    while data:
        unpack = zlib.decompressobj(31)
        found.append(unpack.decompress(data))
        data = unpack.unused_data
    return found


def edit_record(data: bytes, number: int, edit: Callable[[bytes], bytes]) -> bytes:
    """A .warc.gz with one record changed, one gzip member for each record."""
    return b"".join(
        gzip.compress(edit(record) if at == number else record, mtime=0) for at, record in enumerate(records(data))
    )


def reindexed(rows: list[bytes]) -> dict[str, bytes]:
    """index.cdx.gz and index.idx over these lines, with right digests."""
    block = gzip.compress(b"".join(row + b"\n" for row in rows), mtime=0)
    place = {"offset": 0, "length": len(block), "digest": f"sha256:{hashlib.sha256(block).hexdigest()}"}
    meta = b'!meta 0 {"format": "cdxj-gzip-1.0", "filename": "index.cdx.gz"}\n'
    head = b" ".join(rows[0].split(b" ")[:2])
    return {
        "indexes/index.cdx.gz": block,
        "indexes/index.idx": meta + head + b" " + json.dumps(place).encode() + b"\n",
    }
