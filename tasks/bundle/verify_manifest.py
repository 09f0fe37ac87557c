"""The manifest beside a bundle: it says nothing but what the bundle says, so each field is held against it."""

import hashlib
import json
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from tasks.bundle.jsons import json_line
from tasks.bundle.manifest import FORMAT, LINEAGE, PREVIOUS, SOURCED, read_manifest, source_of
from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_package import CHAIN, PACKAGE, Package, read_json, read_package
from tasks.bundle.verify_zip import Zip, read_small, read_zip
from tasks.errors import FormatError
from tasks.records import Digest, digest_of

__all__ = ["Beside", "check_manifest", "manifest_of"]

_DESCRIBED = ("url", "final_url", "verdict", "status", "media_type", "words", "removed_chars", "removed", *SOURCED)


@dataclass(frozen=True, slots=True)
class Beside:
    """What a store holds beside a bundle: the manifest, under the same id."""

    id: str
    manifest: bytes
    sha256: Digest | None = None  # of the bundle, by who has just read all of it; None: it is read once more


def check_manifest(file: BinaryIO, archive: Zip, package: Package, beside: Beside, findings: Findings) -> None:
    """Every field of the manifest against what the bundle makes of it; fields that we do not know are let be."""
    try:
        found = read_manifest(beside.manifest)
    except FormatError as error:
        findings.add("manifest-mismatch", "manifest", "a manifest", error.what)
        return
    if found.id != beside.id:
        findings.add("manifest-mismatch", "manifest:id", beside.id, found.id)
    if not findings.ours:
        findings.add("manifest-mismatch", PACKAGE, "a bundle of ours", "another")
    try:
        wanted = _rebuilt(file, archive, package, beside.sha256)
    except (ValueError, KeyError, TypeError, EOFError, zlib.error) as error:
        findings.add("manifest-mismatch", "manifest", "a bundle of ours that it describes", repr(error))
        return
    table = json.loads(beside.manifest)
    for name, value in wanted.items():
        if name == "original" and name not in table:
            continue  # written before manifests had it
        if table.get(name) != value:
            findings.add("manifest-mismatch", f"manifest:{name}", _on_a_line(value), _on_a_line(table.get(name)))


def manifest_of(path: Path) -> bytes:
    """The manifest of a bundle of ours, made anew from it; the very bytes that pack_bundle gave. FormatError."""
    with path.open("rb") as file:
        archive = read_zip(file, os.fstat(file.fileno()).st_size, Findings())
        try:
            if archive is None:
                raise ValueError("not a zip")
            fields = _rebuilt(file, archive, read_package(file, archive, Findings()), None)
        except (ValueError, KeyError, TypeError, EOFError, zlib.error) as error:
            remedy = "`tearsheet verify` lists every problem"
            raise FormatError(f"not a bundle of ours: {error!r}", where=path.name, remedy=remedy) from None
    kept = {name: value for name, value in fields.items() if value is not None or name in SOURCED}
    return json_line(kept) + b"\n"


def _rebuilt(file: BinaryIO, archive: Zip, package: Package, sha256: Digest | None) -> dict[str, Any]:
    """The fields as write_manifest in tasks/bundle/manifest.py has them, from the bundle alone."""
    members = archive.members
    described = _object(read_small(file, members["article/metadata.json"]))
    made = _object(read_small(file, members["article/provenance.json"]))
    text = read_small(file, members["article/article.txt"]) if "article/article.txt" in members else b""
    sha256 = sha256 or _digest_of_all(file)
    captured_at = f"{described['captured_at'][:19]}Z"
    digests = {path: resource.digest for path, resource in package.resources.items()}
    digests |= {name: digest_of(read_small(file, members[name])) for name in (PACKAGE, CHAIN)}
    return {
        "format": FORMAT,
        "id": "".join(filter(str.isdigit, captured_at)) + f"-{sha256.removeprefix('sha256:')[:16]}",
        "sha256": sha256,
        "bytes": archive.size,
        "captured_at": captured_at,
        **{name: _without_rivals(described[name]) if name in SOURCED else described[name] for name in _DESCRIBED},
        "text": text.decode("utf-8"),
        "text_sha256": digest_of(text),
        "members": {path: {"sha256": digests.get(path), "bytes": member.size} for path, member in members.items()},
        "software": made.get("software", ""),
        "rules": made.get("rules", ""),
        "original": made.get("original"),
        **{name: made.get(name) for name in (*LINEAGE, PREVIOUS)},
        "source": source_of(made),
    }


def _digest_of_all(file: BinaryIO) -> Digest:
    file.seek(0)
    return Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")  # type: ignore[arg-type] # a BufferedReader


def _without_rivals(field: Any) -> Any:
    """A described field as the manifest has it."""
    return {name: value for name, value in field.items() if name != "rivals"} if isinstance(field, dict) else field


def _object(data: bytes) -> Mapping[str, Any]:
    table = read_json(data)
    if not isinstance(table, dict):
        raise ValueError("no JSON object")
    return table


def _on_a_line(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False, sort_keys=True)
