"""One row of the lake: of a manifest, or of the tombstone of a bundle that was taken down."""

import json
import re
from datetime import UTC, datetime
from typing import Any
from urllib.parse import SplitResult, urlsplit

from tasks.bundle.cdxj import surt_key
from tasks.bundle.manifest import Manifest, read_manifest
from tasks.errors import FormatError
from tasks.records import BUNDLE_ID
from tasks.store.layout import bundle_key, manifest_key

__all__ = ["Row", "manifest_row", "tombstone_row"]

Row = dict[str, Any]  # by the names of schema.COLUMNS; a column that is not there is null
_SURROGATES = re.compile("[\ud800-\udfff]")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_SMALLINT, _INT = (1 << 15) - 1, (1 << 31) - 1


def manifest_row(bundle_id: str, data: bytes) -> Row:
    """The row of one manifest, without the article's text. FormatError, naming it, for one that is damaged."""
    try:
        manifest = read_manifest(data)
        if manifest.id != bundle_id:
            raise FormatError("id: another bundle's")
        row = {**_where(manifest), **_what(manifest), **_said(manifest), "previous": _previous(data)}
        row["fetch_time"] = datetime.strptime(manifest.captured_at, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (FormatError, ValueError) as error:
        what = error.what if isinstance(error, FormatError) else "captured_at: no time"
        remedy = "`tearsheet verify` the bundle; its manifest can be written anew"
        raise FormatError(what, where=f"{bundle_id}.json", remedy=remedy) from None
    return {name: _utf8(value) for name, value in row.items()}


def tombstone_row(bundle_id: str, sha256: object) -> Row:
    """The row of a bundle that was taken down: id, digest and time, and nothing that the page said.

    All of it is in the tombstone, so that a lake published anew has just this row again. FormatError for an id with
    an impossible time.
    """
    try:
        taken = datetime.strptime(bundle_id[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    except ValueError:
        raise FormatError("the id has no time", where=bundle_id, remedy="Such a tombstone is not ours") from None
    digest = sha256 if isinstance(sha256, str) and _DIGEST.fullmatch(sha256) else None
    return {"url_surtkey": "", "fetch_time": taken, "bundle_id": bundle_id, "bundle_sha256": digest, "tombstoned": True}


def _where(manifest: Manifest) -> Row:
    """The URL that answered, and its parts."""
    url = manifest.final_url
    parts = _split(url)
    host = parts.hostname if parts else None
    return {
        "url_surtkey": _surt(url),
        "url": url,
        "url_host_name": host,
        "url_host_tld": host.rpartition(".")[2] if host and "." in host and not host[-1].isdigit() else None,
        "url_protocol": parts.scheme if parts else None,
        "url_port": parts.port if parts else None,
        "url_path": parts.path if parts else None,
        "url_query": (parts.query or None) if parts else None,
        "asked_url": manifest.url,
    }


def _split(url: str) -> SplitResult | None:
    try:
        parts = urlsplit(url)
        _ = parts.port  # a broken one raises only now
    except ValueError:
        return None
    return parts


def _surt(url: str) -> str:
    try:
        return surt_key(url)
    except Exception:  # noqa: BLE001, RUF100 the library raises anything for what is no URL
        return url


def _what(manifest: Manifest) -> Row:
    """The bundle and what it is worth."""
    return {
        "fetch_status": manifest.status if manifest.status <= _SMALLINT else None,
        "content_mime_type": manifest.media_type or None,
        "words": manifest.words,
        "text_sha256": manifest.text_sha256,
        "verdict": manifest.verdict.kind.value,
        "verdict_reasons": list(manifest.verdict.reasons),
        "bundle_id": manifest.id,
        "bundle_key": bundle_key(manifest.id),
        "bundle_sha256": manifest.sha256,
        "bundle_bytes": manifest.bytes,
        "manifest_key": manifest_key(manifest.id),
        "parent": manifest.lineage.parent.id if manifest.lineage else None,
        "tombstoned": False,
    }


def _said(manifest: Manifest) -> Row:
    """What the page says of itself."""
    metadata = manifest.metadata
    names = ("canonical_url", "language", "title", "published", "section", "site")
    said: Row = {name: item.value if (item := getattr(metadata, name)) else None for name in names}
    return {**said, "authors": list(metadata.authors.value) if metadata.authors else []}


def _previous(data: bytes) -> str | None:
    """The id of the version that this one follows; read beside the manifest's record, which may not know it."""
    previous = json.loads(data).get("previous") if b'"previous"' in data else None
    named = previous.get("id") if isinstance(previous, dict) else None
    return named if isinstance(named, str) and BUNDLE_ID.fullmatch(named) else None


def _utf8(value: Any) -> Any:
    """Half a surrogate pair, which UTF-8 cannot hold, as U+FFFD."""
    if isinstance(value, str):
        return value if value.isascii() else _SURROGATES.sub("\ufffd", value)
    return [_utf8(part) for part in value] if isinstance(value, list) else value
