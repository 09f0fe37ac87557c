"""What a bundle of ours must hold of its capture; one made from another tool's file may lack what that did not tell.

| | captured by Tearsheet | imported |
| --- | --- | --- |
| request, WARC-IP-Address, `fetchTimeMs`, `firstByteMs` | at every exchange | where the file had them |
| `startedAt`, `payloadDigest`, `payloadSize` | at every exchange | at every exchange |
| `imported` in provenance.json | absent | names the file, and the record of each exchange |
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_warc import Record

__all__ = ["check_captured"]

_PROVENANCE = "article/provenance.json"
_ALWAYS = ("startedAt", "payloadDigest", "payloadSize")
_OURS = ("fetchTimeMs", "firstByteMs")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


class _Kept(Protocol):
    """The records that verify_derived keeps."""

    responses: dict[str, Record]
    requested: set[str]
    notes: list[Record]


def check_captured(provenance: Mapping[str, Any], kept: _Kept, findings: Findings) -> None:
    """Every fact that the capture must have, by who made it."""
    imported = provenance.get("imported")
    findings.imported = imported is not None
    wanted = _ALWAYS if findings.imported else (*_ALWAYS, *_OURS)
    told = {name: set(_lines(note)) for note in kept.notes for name in note.concurrent}
    unread = {name for note in kept.notes if note.text is None for name in note.concurrent}  # too long to be kept
    for name, record in kept.responses.items():
        missing = [line for line in wanted if line not in told.get(name, ()) and name not in unread]
        if not findings.imported:
            missing += [] if record.fields.get("warc-ip-address") else ["WARC-IP-Address"]
            missing += [] if name in kept.requested else ["its request"]
            missing += ["an answer: it is a resource"] if record.type == "resource" else []
        if missing:
            findings.add("derived-missing", record.place, ", ".join(missing), "none")
    if findings.imported:
        _check_imported(imported, len(kept.responses), findings)


def _lines(note: Record) -> Iterator[str]:
    """The names in a block of application/warc-fields."""
    for line in (note.text or b"").split(b"\r\n"):
        name, colon, _ = line.partition(b":")
        if colon:
            yield name.decode("utf-8", "replace")


def _check_imported(imported: object, exchanges: int, findings: Findings) -> None:
    table = imported if isinstance(imported, dict) else {}
    digest, size, records = table.get("sha256"), table.get("bytes"), table.get("records")
    fits = isinstance(digest, str) and _DIGEST.fullmatch(digest) and type(size) is int and size >= 0
    if not fits:
        findings.add("derived-broken", _PROVENANCE, "imported, with the file's sha256 and bytes", imported)
    elif not isinstance(records, list) or len(records) != exchanges:
        findings.add("derived-broken", _PROVENANCE, f"imported.records of {exchanges} exchanges", records)
