"""What one listing of the store shows, without reading a bundle: what is missing, left over, or belongs nowhere."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from tasks.auditing.codes import Finding
from tasks.auditing.inventory import Inventory, Item
from tasks.errors import NotFound, StoreRefused
from tasks.store import Store
from tasks.store.base import STORE_FORMAT
from tasks.store.layout import BUNDLES, STORE_KEY, bundle_key, manifest_key
from tasks.store.objects import Upload

__all__ = ["age", "is_old", "is_there", "listed_findings", "missing_bundles", "old_uploads", "store_findings"]


def store_findings(store: Store, inventory: Inventory) -> Iterator[Finding]:
    """What is wrong with v1/store.json; a store without bundles needs none."""
    try:
        entry = json.loads(b"".join(store.objects.read(STORE_KEY)))
    except NotFound:
        if inventory.count("manifest"):
            yield Finding("store-missing", STORE_KEY)
        return
    except ValueError:
        entry = None
    if not isinstance(entry, dict) or entry.get("format") != STORE_FORMAT or not entry.get("id"):
        yield Finding("store-broken", STORE_KEY)


def missing_bundles(store: Store, inventory: Inventory) -> Iterator[Finding]:
    """Manifests without their bundle. A listing is no moment: each is looked for once more."""
    for item in inventory.without("manifest", "wacz"):
        if is_there(store, manifest_key(item.name)) and not is_there(store, bundle_key(item.name)):
            yield Finding("wacz-missing", bundle_key(item.name), item.name)


def listed_findings(store: Store, inventory: Inventory, now: datetime, upload_days: float) -> Iterator[Finding]:
    """Everything else: orphans, left-overs, strays, bundles that were taken down and are there."""
    for item in inventory.without("wacz", "manifest"):
        if not inventory.has("tombstones", item.name) and not is_there(store, manifest_key(item.name)):
            yield Finding("wacz-orphan", item.key, item.name, found=age(item.at, now))
    for item in inventory.without("attachment", "event"):
        if not is_there(store, f"{item.name}.json"):
            yield Finding("attachment-orphan", item.key, found=age(item.at, now))
    for item in inventory.still_there():
        yield Finding("tombstone-ignored", item.key, item.name)
    for kind, code in (("misplaced", "misplaced"), ("extra", "extra"), ("claim", "left-over"), ("probe", "left-over")):
        for item in inventory.items(kind):
            if code != "left-over" or is_old(item, now):
                yield Finding(code, item.key, found=f"{item.size} bytes, {age(item.at, now)}")
    try:
        for upload in old_uploads(store, now, upload_days):
            yield Finding("upload-abandoned", upload.key, found=f"{upload.id}, {_age(upload.started_at, now)}")
    except StoreRefused as error:
        yield Finding("uploads-untold", BUNDLES, found=error.what)


def old_uploads(store: Store, now: datetime, days: float) -> Iterator[Upload]:
    """Unfinished uploads begun more than `days` ago; one of unknown age may be under way."""
    for upload in store.objects.uploads():
        if upload.started_at and now - upload.started_at >= timedelta(days=days):
            yield upload


def is_there(store: Store, key: str) -> bool:
    """Whether there is an object now."""
    try:
        store.objects.stat(key)
    except NotFound:
        return False
    return True


def is_old(item: Item, now: datetime, days: float = 1.0) -> bool:
    """Whether an object has stood unchanged for so many days; one of unknown age has not."""
    return bool(item.at) and now - _moment(item.at) >= timedelta(days=days)


def age(at: str, now: datetime) -> str:
    """How old an object is, for people."""
    return _age(_moment(at) if at else None, now)


def _age(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "of unknown age"
    hours = max(0.0, (now - at).total_seconds() / 3600)
    return f"{hours / 24:.0f} days old" if hours >= 48 else f"{hours:.0f} hours old"


def _moment(at: str) -> datetime:
    return datetime.strptime(at, "%Y%m%d%H%M%S.%f").replace(tzinfo=UTC)
