"""The manifest: the small JSON beside a bundle that the catalog is made of. Its presence in a store is the commit."""

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from tasks.bundle.jsons import json_line
from tasks.errors import FormatError
from tasks.records import BUNDLE_ID, Article, Capture, Digest, Metadata, PageText, Sourced, Verdict, VerdictKind

__all__ = [
    "FORMAT",
    "LINEAGE",
    "PREVIOUS",
    "Lineage",
    "Link",
    "Manifest",
    "Member",
    "Origin",
    "Source",
    "metadata_fields",
    "read_lineage",
    "read_manifest",
    "read_previous",
    "removed_chars",
    "source_of",
    "write_manifest",
]

FORMAT = "tearsheet-manifest/1"
MAX_BYTES = 256 << 20  # of a manifest that is read
LINEAGE = ("parent", "root", "generation")  # fields that only a derived bundle has
PREVIOUS = "previous"  # field of a bundle that follows an earlier version of its article
# Each {"value", "source"} or null; in metadata.json with "rivals" too.
SOURCED = tuple(item.name for item in fields(Metadata))


@dataclass(frozen=True, slots=True)
class Member:
    """One file inside the bundle."""

    sha256: Digest
    bytes: int


@dataclass(frozen=True, slots=True)
class Link:
    """Another bundle, named so that it cannot be mistaken."""

    id: str
    sha256: Digest


@dataclass(frozen=True, slots=True)
class Source:
    """The file of another tool that an imported bundle was made from."""

    sha256: Digest
    bytes: int


@dataclass(frozen=True, slots=True)
class Lineage:
    """Where a derived bundle comes from."""

    parent: Link  # whose capture was cleaned again
    root: Link  # the bundle that the capture itself made
    generation: int  # 1 for a child of the root


@dataclass(frozen=True, slots=True)
class Origin:
    """The record that the article was read from, in data.warc.gz of the bundle."""

    record: str  # WARC-Record-ID of the page's response
    url: str
    date: str  # its WARC-Date
    payload: Digest
    etag: str = ""  # as its headers have them; empty: it has none, or the bundle is older than these fields
    last_modified: str = ""


@dataclass(frozen=True, slots=True)
class Manifest:
    """One manifest, checked."""

    id: str
    sha256: Digest
    bytes: int
    url: str
    final_url: str
    captured_at: str  # RFC 3339, whole seconds, UTC
    verdict: Verdict
    status: int
    media_type: str
    metadata: Metadata
    words: int
    removed_chars: int
    removed: Mapping[str, int]  # concept → characters
    text: str
    text_sha256: Digest
    members: Mapping[str, Member]
    software: str
    rules: str
    lineage: Lineage | None = None  # None: the bundle that the capture itself made
    original: Origin | None = None  # None: written before manifests had it
    previous: Link | None = None  # the version of the article before this one; None: the first
    source: Source | None = None  # of an imported bundle only


def write_manifest(
    *,
    bundle_id: str,
    sha256: Digest,
    size: int,
    capture: Capture,
    page: PageText,
    verdict: Verdict,
    article: Article | None,
    metadata: Metadata,
    text: bytes,
    text_sha256: Digest,
    members: Mapping[str, Member],
    original: Mapping[str, str],
    provenance: Mapping[str, Any],
) -> bytes:
    """The manifest's bytes: canonical JSON and a newline."""
    removed = removed_chars(article)
    return (
        json_line(
            {
                "format": FORMAT,
                "id": bundle_id,
                "sha256": sha256,
                "bytes": size,
                "url": capture.url,
                "final_url": capture.final_url,
                "captured_at": f"{capture.started_at:%Y-%m-%dT%H:%M:%SZ}",
                "verdict": verdict.as_json(),
                "status": capture.page.status,
                "media_type": page.media_type,
                **metadata_fields(metadata),
                "words": article.words if article else 0,
                "removed_chars": sum(removed.values()),
                "removed": removed,
                "text": text.decode("utf-8"),
                "text_sha256": text_sha256,
                "members": {path: {"sha256": member.sha256, "bytes": member.bytes} for path, member in members.items()},
                "original": original,
                "software": str(provenance.get("software", "")),
                "rules": str(provenance.get("rules", "")),
                **{name: provenance[name] for name in (*LINEAGE, PREVIOUS) if name in provenance},
                **({"source": source_of(provenance)} if source_of(provenance) else {}),
            }
        )
        + b"\n"
    )


def source_of(provenance: Mapping[str, Any]) -> dict[str, Any] | None:
    """The manifest's `source`, by the provenance; None for a capture of ours."""
    imported = provenance.get("imported")
    return {name: imported[name] for name in ("sha256", "bytes")} if imported else None


def removed_chars(article: Article | None) -> dict[str, int]:
    """Characters taken out, by concept, in alphabetical order."""
    removed: dict[str, int] = {}
    for removal in article.removals if article else ():
        removed[removal.concept] = removed.get(removal.concept, 0) + removal.chars
    return dict(sorted(removed.items()))


def metadata_fields(metadata: Metadata) -> dict[str, Any]:
    """Every metadata field as JSON: {"value", "source"}, or null where the page says nothing."""
    found: dict[str, Sourced[Any] | None] = {name: getattr(metadata, name) for name in SOURCED}
    return {
        name: None if item is None else {"value": item.value, "source": item.source} for name, item in found.items()
    }


# ------------------------------------------------------------------ reading
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z")
_STRINGS = {
    "id": BUNDLE_ID, "sha256": _DIGEST, "url": None, "final_url": None, "captured_at": _DATE, "media_type": None,
    "text": None, "text_sha256": _DIGEST, "software": None, "rules": None,
}  # fmt: skip
_NUMBERS = ("bytes", "status", "words", "removed_chars")
_LISTS = ("authors", "tags")  # metadata whose value is a list of strings


def read_manifest(data: bytes) -> Manifest:
    """The manifest in `data`; FormatError names the field that is wrong. Unknown fields are let be."""
    table = _table(data)
    values: dict[str, Any] = {name: _string(table, name, pattern) for name, pattern in _STRINGS.items()}
    values |= {name: _number(table, name) for name in _NUMBERS}
    values["verdict"] = _verdict(table)
    values["metadata"] = Metadata(**{name: _sourced(table, name) for name in SOURCED})
    removed = _mapping(table, "removed")
    values["removed"] = {concept: _number(removed, concept) for concept in removed}
    members = _mapping(table, "members")
    values["members"] = {path: _member(members, path) for path in members}
    values["lineage"] = read_lineage(table, values["id"])
    values["original"] = _origin(table)
    values["previous"] = read_previous(table, values["id"])
    if table.get("source") is not None:
        source = _mapping(table, "source")
        values["source"] = Source(Digest(_string(source, "sha256", _DIGEST)), _number(source, "bytes"))
    return Manifest(**values)


def read_lineage(table: Mapping[str, Any], bundle_id: str) -> Lineage | None:
    """The lineage in a manifest or provenance of the bundle `bundle_id`; None where it has none. FormatError names
    the field that is wrong: an id that is no capture of the same second, a digest that is not the id's."""
    if not any(table.get(name) is not None for name in LINEAGE):
        return None
    parent, root = (_link(table, name, bundle_id) for name in ("parent", "root"))
    generation = _number(table, "generation")
    if generation < 1 or (generation == 1) != (parent == root):
        raise _broken("generation", "does not fit parent and root")
    return Lineage(parent, root, generation)


def _link(table: Mapping[str, Any], name: str, bundle_id: str) -> Link:
    link = _any_link(table, name)
    if link.id[:14] != bundle_id[:14] or link.id == bundle_id:
        raise _broken(name, "not another bundle of the same capture")
    return link


def _any_link(table: Mapping[str, Any], name: str) -> Link:
    item = _mapping(table, name)
    link = Link(_string(item, "id", BUNDLE_ID), Digest(_string(item, "sha256", _DIGEST)))
    if not link.sha256.startswith(f"sha256:{link.id.rpartition('-')[2]}"):
        raise _broken(name, "its sha256 is not the one in its id")
    return link


def read_previous(table: Mapping[str, Any], bundle_id: str) -> Link | None:
    """The version before, in a manifest or provenance of the bundle `bundle_id`; None where it names none.
    FormatError where that is no link, or was captured later."""
    if table.get(PREVIOUS) is None:
        return None
    link = _any_link(table, PREVIOUS)
    if link.id[:14] > bundle_id[:14] or link.id == bundle_id:
        raise _broken(PREVIOUS, "not another bundle, captured before this one")
    return link


def _origin(table: Mapping[str, Any]) -> Origin | None:
    if table.get("original") is None:
        return None
    item = _mapping(table, "original")
    record, url, date = (_string(item, name) for name in ("record", "url", "date"))
    etag, last_modified = (_string(item, name) if name in item else "" for name in ("etag", "last_modified"))
    return Origin(record, url, date, Digest(_string(item, "payload", _DIGEST)), etag, last_modified)


def _table(data: bytes) -> dict[str, Any]:
    if len(data) > MAX_BYTES:
        raise _broken("the whole", f"{len(data)} bytes")
    try:
        table = json.loads(data)
    except (ValueError, RecursionError):
        raise _broken("the whole", "not JSON") from None
    if not isinstance(table, dict) or table.get("format") != FORMAT:
        raise _broken("format", f"not {FORMAT}")
    return table


def _broken(field: str, why: str) -> FormatError:
    return FormatError(
        f"{field}: {why}", where="manifest", remedy="`tearsheet verify` the bundle; its manifest can be written anew"
    )


def _string(table: Mapping[str, Any], name: str, pattern: re.Pattern[str] | None = None) -> str:
    value = table.get(name)
    if not isinstance(value, str) or (pattern and not pattern.fullmatch(value)):
        raise _broken(name, "missing or of a wrong form")
    return value


def _number(table: Mapping[str, Any], name: str) -> int:
    value = table.get(name)
    if type(value) is not int or value < 0:
        raise _broken(name, "missing or no number")
    return value


def _mapping(table: Mapping[str, Any], name: str) -> dict[str, Any]:
    value = table.get(name)
    if not isinstance(value, dict):
        raise _broken(name, "missing or no object")
    return value


def _strings(value: Any, name: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(part, str) for part in value):
        raise _broken(name, "missing or no list of strings")
    return tuple(value)


def _verdict(table: Mapping[str, Any]) -> Verdict:
    value = _mapping(table, "verdict")
    try:
        kind = VerdictKind(_string(value, "kind"))
    except ValueError:
        raise _broken("verdict", "unknown kind") from None
    score = value.get("score")
    if score is not None and (type(score) not in (int, float) or not 0 <= score <= 1):
        raise _broken("verdict", "score is no number from 0 to 1")
    return Verdict(kind, _strings(value.get("reasons"), "verdict"), score)


def _sourced(table: Mapping[str, Any], name: str) -> Sourced[Any] | None:
    if table.get(name) is None:
        return None
    item = _mapping(table, name)
    value = _strings(item.get("value"), name) if name in _LISTS else _string(item, "value")
    return Sourced(value, _string(item, "source"))


def _member(members: Mapping[str, Any], path: str) -> Member:
    item = _mapping(members, path)
    return Member(Digest(_string(item, "sha256", _DIGEST)), _number(item, "bytes"))
