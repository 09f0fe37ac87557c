"""Stores of real bundles, and hands that damage them behind the store's back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from tasks.auditing import Finding, Plan, Report, audit_store
from tasks.records import Bundle
from tasks.store import Store
from tasks.store.folder import FolderObjects
from tasks.store.s3 import S3Objects
from tests.recleaning_kit import capture, html, job_for, packed

NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
EVERYTHING = Plan(period_days=0)


def make_bundles(folder: Path, count: int, *, first: int = 1) -> list[Bundle]:
    folder.mkdir(parents=True, exist_ok=True)
    job = job_for(str(folder / "unused"))
    return [packed(folder, capture(html(number), number), job) for number in range(first, first + count)]


def fill(store: Store, bundles: list[Bundle]) -> list[Bundle]:
    for bundle in bundles:
        store.put_bundle(bundle)
    return bundles


def overwrite(store: Store, key: str, data: bytes) -> None:
    """By another program than ours, without a checksum of its own."""
    if isinstance(store.objects, FolderObjects):
        (store.objects.folder / key).parent.mkdir(parents=True, exist_ok=True)
        (store.objects.folder / key).write_bytes(data)
    else:
        assert isinstance(store.objects, S3Objects)
        place = {"Bucket": store.objects.bucket, "Key": store.objects.prefix + key}
        store.objects.client.put_object(Body=data, **place)


def remove(store: Store, key: str) -> None:
    if isinstance(store.objects, FolderObjects):
        (store.objects.folder / key).unlink()
    else:
        assert isinstance(store.objects, S3Objects)
        store.objects.client.delete_object(Bucket=store.objects.bucket, Key=store.objects.prefix + key)


def read(store: Store, key: str) -> bytes:
    return b"".join(store.objects.read(key))


def flipped(data: bytes, at: int = 300) -> bytes:
    return data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :]


def audit(store: Store, plan: Plan = EVERYTHING, *, at: datetime = NOW, **more: Any) -> Report:
    return audit_store(store, plan, clock=ticking(at), **more)


def ticking(at: datetime) -> Callable[[], datetime]:
    """A clock that goes on a second each time it is looked at, so that no two events are of one moment."""
    ticks = iter(range(1_000_000))
    return lambda: at + timedelta(seconds=next(ticks))


def codes(report: Report) -> list[tuple[str, str]]:
    """Code and key of each finding that is not harmless."""
    return [(finding.code, finding.key) for finding in report.findings if finding.severity != "note"]


def noted(report: Report) -> list[Finding]:
    return [finding for finding in report.findings if finding.severity == "note"]
