"""Bundles with whole manifests, and what a lake says of them."""

import hashlib
import json
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from tasks.lake.snapshot import newest
from tasks.records import Bundle, Digest, Metadata
from tasks.store import Store
from tasks.store.events import Event
from tasks.store.layout import bundle_key, manifest_key

NOW = datetime(2026, 11, 24, 9, 0, tzinfo=UTC)


def manifest(bundle_id: str, sha256: str, size: int, **more: Any) -> bytes:
    """A manifest as write_manifest writes it; `more` replaces fields."""
    stamp = bundle_id[:14]
    text = more.get("text", "words of the article")
    at = f"{stamp[:4]}-{stamp[4:6]}-{stamp[6:8]}T{stamp[8:10]}:{stamp[10:12]}:{stamp[12:14]}Z"
    no_metadata = dict.fromkeys(field.name for field in fields(Metadata))
    table = {
        "format": "tearsheet-manifest/1",
        "id": bundle_id,
        "sha256": f"sha256:{sha256}",
        "bytes": size,
        "url": "https://courier.example/story",
        "final_url": "https://courier.example/story",
        "captured_at": at,
        "verdict": {"kind": "ok", "reasons": []},
        "status": 200,
        "media_type": "text/html",
        **no_metadata,
        "words": len(text.split()),
        "removed_chars": 0,
        "removed": {},
        "text": text,
        "text_sha256": f"sha256:{hashlib.sha256(text.encode()).hexdigest()}",
        "members": {},
        "software": "Tearsheet/0.1.0",
        "rules": "",
    }
    return json.dumps(table | more, sort_keys=True, separators=(",", ":")).encode() + b"\n"


def bundle(folder: Path, stamp: str = "20261124080000", **more: Any) -> Bundle:
    """A bundle captured at that time; its WACZ is a few bytes."""
    data = f"{stamp} {sorted(more.items())}".encode()
    sha256 = hashlib.sha256(data).hexdigest()
    bundle_id = f"{stamp}-{sha256[:16]}"
    path = folder / f"{bundle_id}.wacz"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return Bundle(
        bundle_id, path, Digest(f"sha256:{sha256}"), len(data), manifest(bundle_id, sha256, len(data), **more)
    )


def put(store: Store, folder: Path, stamp: str = "20261124080000", *, today: datetime = NOW, **more: Any) -> str:
    """Store such a bundle on the day of `today`; its id."""
    made = bundle(folder, stamp, **more)
    store.put_bundle(made, today=today.date())
    return made.id


def take_down(store: Store, bundle_id: str, at: datetime = NOW) -> None:
    """What `remove` leaves: a tombstone, and no bundle."""
    digest = json.loads(store.read_manifest(bundle_id))["sha256"]
    removed = [manifest_key(bundle_id), bundle_key(bundle_id)]
    detail = {"sha256": digest, "reason": "asked for", "by": "desk", "removed": removed}
    store.put_event(Event("tombstone", at, bundle_id, detail))
    for key in removed:
        store.objects.delete(key)


def lake_rows(store: Store, folder: Path) -> list[dict[str, Any]]:
    """The rows of the newest snapshot, by id; each segment is checked to be sorted and to be what the snapshot says."""
    rows: list[dict[str, Any]] = []
    folder.mkdir(exist_ok=True)
    for segment in newest(store).segments:
        path = folder / "segment.parquet"
        path.write_bytes(data := b"".join(store.objects.read(segment.key)))
        assert (len(data), f"sha256:{hashlib.sha256(data).hexdigest()}") == (segment.bytes, segment.sha256)
        found = pq.read_table(path).to_pylist()
        assert found == sorted(found, key=lambda row: (row["url_surtkey"], row["fetch_time"], row["bundle_id"]))
        days = [row["bundle_id"][:8] for row in found]
        assert (len(found), min(days), max(days)) == (segment.rows, segment.first_day, segment.last_day)
        assert {day[:6] for day in days} == {segment.month}
        rows += found
    return sorted(rows, key=lambda row: row["bundle_id"])


def lake_ids(store: Store, folder: Path) -> list[str]:
    return [row["bundle_id"] for row in lake_rows(store, folder)]
