"""gc: what writers left behind is first marked and, by another call at least a day later, deleted. Never by itself.

Orphans are bundles without a manifest, attachments without their event, claims, probes and unfinished uploads, all
unchanged for a week. The mark is an event of the store; only what stands marked, is an orphan still and did not change
goes, and an event says what went. Files of other tools under v1/sources/ are never deleted: they are evidence, and an
import that goes on may need them. How gc and a writer that comes back keep out of each other's way: store/claims.py.
"""

import secrets
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from tasks.auditing.history import read_events
from tasks.auditing.inventory import Inventory, Item, stamp
from tasks.auditing.listed import is_old, is_there, old_uploads
from tasks.auditing.run import now_utc
from tasks.errors import FormatError, PermanentError, StoreRefused
from tasks.store import Store
from tasks.store.claims import claim, holder, release
from tasks.store.events import Event
from tasks.store.layout import claim_key
from tasks.store.objects import Upload

__all__ = ["Collected", "Orphan", "collect", "mark"]

ORPHAN_DAYS = 7.0  # younger ones may belong to a writer that is at work
WAIT_HOURS = 24.0  # between the mark and the deletion
STRETCH = 500  # orphans of one event
_MARKS_DAYS = 60  # a mark older than this is made anew
_BROKEN_OFF_DAYS = 1 / 24  # a claim of another gc is passed over after an hour: a gc holds one for seconds


@dataclass(frozen=True, slots=True)
class Orphan:
    """One object, or unfinished upload (with its id), that nothing needs."""

    key: str
    size: int = 0
    at: str = ""  # of its last change; with the size it tells whether it is still the one marked
    upload: str = ""
    state: str = "marked"  # marked, waits (marked before, too early to delete), deleted, kept
    why: str = ""

    def as_json(self) -> dict[str, Any]:
        """The fields of `gc --json`, and of the event."""
        row = {name: getattr(self, name) for name in ("key", "size", "at", "upload", "state", "why")}
        return {name: value for name, value in row.items() if value != ""}

    def __str__(self) -> str:
        """One line for people."""
        what = "unfinished upload" if self.upload else f"{self.size:,} bytes"
        return f"{self.state:8} {self.key}  {what}" + (f"  {self.why}" if self.why else "")


@dataclass
class Collected:
    """One run of either phase."""

    store: str
    orphans: list[Orphan] = field(default_factory=list)

    def count(self, state: str) -> int:
        """How many ended so."""
        return sum(orphan.state == state for orphan in self.orphans)


Heard = Callable[[Orphan], None]


def mark(
    store: Store,
    *,
    days: float = ORPHAN_DAYS,
    heard: Heard = lambda orphan: None,
    clock: Callable[[], datetime] = now_utc,
) -> Collected:
    """Mark the orphans that are older than `days`; deletes nothing."""
    now, found = clock(), Collected(store.location)
    with Inventory() as inventory:
        inventory.add(store.objects.listing("v1/"))
        marked = _marks(store, inventory, now)
        for orphan in _orphans(store, inventory, now, days):
            since = marked.get(_name(orphan))
            _add(found, heard, orphan if since is None else _as(orphan, "waits", f"marked at {since}"))
    fresh = [orphan for orphan in found.orphans if orphan.state == "marked"]
    for start in range(0, len(fresh), STRETCH):
        _tell(store, clock, "marked", fresh[start : start + STRETCH])
    return found


def collect(
    store: Store,
    *,
    days: float = ORPHAN_DAYS,
    wait_hours: float = WAIT_HOURS,
    heard: Heard = lambda orphan: None,
    clock: Callable[[], datetime] = now_utc,
) -> Collected:
    """Delete what was marked at least `wait_hours` ago, is an orphan now, and is still the very same object."""
    now, found, token = clock(), Collected(store.location), f"gc {secrets.token_hex(8)}"
    ripe = stamp(now - timedelta(hours=wait_hours))[:14]
    with Inventory() as inventory:
        inventory.add(store.objects.listing("v1/"))
        marked = _marks(store, inventory, now)
        stretch: list[Orphan] = []
        for orphan in _orphans(store, inventory, now, days):
            since = marked.get(_name(orphan))
            if since is None:
                continue  # the next `gc` marks it
            done = _as(orphan, "waits", f"marked at {since}") if since > ripe else _delete(store, orphan, token, now)
            _add(found, heard, done)
            stretch += [done] if done.state == "deleted" else []
            if len(stretch) >= STRETCH:
                _tell(store, clock, "deleted", stretch)
                stretch = []
        _tell(store, clock, "deleted", stretch)
    return found


# ------------------------------------------------------------------ which
def _orphans(store: Store, inventory: Inventory, now: datetime, days: float) -> Iterator[Orphan]:
    """Orphans unchanged for `days`; claims last, for as long as one stands its object is nobody's to delete."""
    for kind, partner in (("wacz", "manifest"), ("attachment", "event")):
        for item in inventory.without(kind, partner):
            if is_old(item, now, days) and not inventory.get("claim", claim_key(item.key)):
                yield Orphan(item.key, item.size, item.at)
    for item in inventory.items("probe", "claim"):
        if is_old(item, now, days):
            yield Orphan(item.key, item.size, item.at)
    with suppress(StoreRefused):  # a server that does not list them: audit says so
        for upload in old_uploads(store, now, days):
            yield Orphan(upload.key, at=stamp(upload.started_at), upload=upload.id)


def _marks(store: Store, inventory: Inventory, now: datetime) -> dict[tuple[str, ...], str]:
    """When each orphan was marked first, as it is now, by this store's own events."""
    found: dict[tuple[str, ...], str] = {}
    since, store_id = stamp(now - timedelta(days=_MARKS_DAYS))[:8], store.id
    marks = (item for item in inventory.items("event") if "-gc-" in item.key and item.name[21:29] >= since)
    for _, event in read_events(store, marks):
        if event is None or isinstance(event, FormatError) or event.detail.get("store") != store_id:
            continue
        if event.detail.get("state") == "marked":
            for row in event.detail.get("objects") or ():
                orphan = Orphan(row.get("key", ""), row.get("size", 0), row.get("at", ""), row.get("upload", ""))
                found.setdefault(_name(orphan), stamp(event.at)[:14])
    return found


def _name(orphan: Orphan) -> tuple[str, ...]:
    """What must be the same for it to be the orphan that was marked."""
    return orphan.key, str(orphan.size), orphan.at, orphan.upload


# ------------------------------------------------------------------ deleting
def _delete(store: Store, orphan: Orphan, token: str, now: datetime) -> Orphan:
    """What became of one orphan."""
    try:
        if orphan.upload:
            store.objects.abort(Upload(orphan.key, orphan.upload, None))
        elif commit := _commit_of(orphan.key):
            return _delete_claimed(store, orphan, commit, token, now)
        else:
            store.objects.delete(orphan.key)
    except PermanentError as error:  # a lock, or no permission
        return _as(orphan, "kept", error.what)
    return _as(orphan, "deleted")


def _commit_of(key: str) -> str:
    """The key that would commit an orphan; empty for claims and probes."""
    for prefix, ending in (("v1/bundles/", ".wacz"), ("v1/events/", ".warc.gz")):
        if key.startswith(prefix) and key.endswith(ending):
            return f"{key.removesuffix(ending)}.json"
    return ""


def _delete_claimed(store: Store, orphan: Orphan, commit: str, token: str, now: datetime) -> Orphan:
    """Deleted while this gc alone holds the claim on it, unless a writer came first, or was there meanwhile."""
    if not _claimed(store, orphan.key, token, now):
        return _as(orphan, "kept", "a writer has come back to it")
    try:
        if is_there(store, commit):
            return _as(orphan, "kept", "it is committed now")
        if not _unchanged(store, orphan):
            return _as(orphan, "kept", "it was written anew")
        store.objects.delete(orphan.key)
    finally:
        release(store.objects, orphan.key)
    return _as(orphan, "deleted")


def _claimed(store: Store, key: str, token: str, now: datetime) -> bool:
    if claim(store.objects, key, token):
        return True
    beside = _listed(store, claim_key(key))
    broken_off = beside is not None and is_old(beside, now, _BROKEN_OFF_DAYS)
    if not broken_off or not holder(store.objects, key).startswith("gc "):
        return False
    release(store.objects, key)
    return claim(store.objects, key, token)


def _unchanged(store: Store, orphan: Orphan) -> bool:
    """Whether the object is the one that was listed; asked once nobody else may touch it."""
    item = _listed(store, orphan.key)
    return item is not None and (item.size, item.at) == (orphan.size, orphan.at)


def _listed(store: Store, key: str) -> Item | None:
    folder = f"{key.rpartition('/')[0]}/"
    found = (row for row in store.objects.listing(folder) if row.key == key)
    row = next(found, None)
    return Item(key, key, row.size, stamp(row.modified_at)) if row else None


# ------------------------------------------------------------------ telling
def _as(orphan: Orphan, state: str, why: str = "") -> Orphan:
    return Orphan(orphan.key, orphan.size, orphan.at, orphan.upload, state, why)


def _add(found: Collected, heard: Heard, orphan: Orphan) -> None:
    found.orphans.append(orphan)
    heard(orphan)


def _tell(store: Store, clock: Callable[[], datetime], state: str, orphans: list[Orphan]) -> None:
    if orphans:
        rows = [
            {name: value for name, value in row.as_json().items() if name not in ("state", "why")} for row in orphans
        ]
        store.put_event(Event("gc", clock(), detail={"store": store.id, "state": state, "objects": rows}))
