"""Publish the lake: look through the store, write segments, and set the next snapshot by creating it, which only one
of several publishers can. Who comes second looks again from there, so that nothing is lost."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial

from tasks.errors import FormatError, NotFound, StoreRefused, StoreUnavailable
from tasks.lake.builder import Builder
from tasks.lake.changes import WAIT, days_since, ids_since, read_events
from tasks.lake.rows import manifest_row, tombstone_row
from tasks.lake.snapshot import (
    DATA,
    EMPTY,
    Segment,
    Snapshot,
    links_folder,
    links_key,
    newest,
    numbers,
    segment_gone,
    snapshot_key,
    stored_snapshot,
)
from tasks.lake.workshop import Workshop
from tasks.store import Store
from tasks.store.base import read_ahead
from tasks.store.objects import Content

__all__ = ["Published", "publish"]

TRIES = 20  # snapshots that others may set while ours is made
LATE_MAX = 200_000  # late bundles after which looking through all of the store holds less in memory


@dataclass
class Published:
    """What one run did."""

    snapshot: Snapshot
    changed: bool = False  # False: nothing was new, no snapshot was made
    added: int = 0  # rows of bundles that the snapshot before had not
    tombstones: int = 0  # rows of bundles that were taken down since
    broken: list[FormatError] = field(default_factory=list)  # manifests and events that cannot be read: not in the lake
    taken_down: frozenset[str] = frozenset()  # months in which bundles were taken down lately


def publish(
    store: Store,
    *,
    rebuild: bool = False,
    alone: bool = False,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
    progress: Callable[[str], None] = lambda bundle_id: None,
) -> Published:
    """Bring the lake up to the store. `rebuild`: from all of the store, not from the newest snapshot on.

    `progress` is told of each bundle that is read. Raises StoreRefused where the server cannot create conditionally,
    unless the caller vouches that no other publisher runs (`alone`).
    """
    _check_alone(store, alone=alone)
    with Workshop(store) as shop:
        base, number = _start(store, rebuild=rebuild)
        for _ in range(TRIES):
            made = _advance(shop, base, now(), progress)
            if made and (made.changed or rebuild):
                made.changed, made.snapshot = True, replace(made.snapshot, number=number + 1)
                if _commit(shop, made.snapshot):
                    shop.withdraw(but=made.snapshot.segments)
                    return _purged(store, made)
            elif made:
                return _purged(store, made)
            if made and rebuild:  # what we have is as good a start as theirs, and read already
                base, number = made.snapshot, max(numbers(store))
            else:
                shop.withdraw()
                base, number = _start(store, rebuild=rebuild)
    raise StoreUnavailable(
        f"other publishers were faster {TRIES} times",
        where=store.location,
        remedy="Run the same again; one publisher an hour is plenty",
    )


def _check_alone(store: Store, *, alone: bool) -> None:
    if not alone and store.capabilities().get("create_only") != "native":
        raise StoreRefused(
            "the server cannot create conditionally, so two publishers at once could overwrite each other's snapshot",
            where=store.location,
            remedy="Where no other publisher runs, say so: --alone",
            code="no-conditional-create",
        )


def _start(store: Store, *, rebuild: bool) -> tuple[Snapshot, int]:
    """The snapshot to start from, and the number of the newest one."""
    if rebuild:
        return EMPTY, max(numbers(store), default=0)
    snapshot = newest(store)
    return snapshot, snapshot.number


# ------------------------------------------------------------------ the next snapshot
def _advance(shop: Workshop, base: Snapshot, now: datetime, progress: Callable[[str], None]) -> Published | None:
    """The snapshot that follows `base`; None where a newer one was set and segments of `base` removed since."""
    try:
        return _advanced(shop, base, now, progress)
    except NotFound as error:
        if DATA not in error.where:
            raise
        if max(numbers(shop.store), default=0) == base.number:
            raise segment_gone(error) from None
        return None


def _advanced(shop: Workshop, base: Snapshot, now: datetime, progress: Callable[[str], None]) -> Published:
    made, today = Published(base), now.date()
    events = read_events(shop.store, base, today, broken=made.broken.append)
    if len(events.late) > LATE_MAX:
        return _advanced(shop, replace(EMPTY, number=base.number), now, progress)
    builder = Builder(shop, base.segments)
    _bury(builder, base, events.tombstones, made)
    _raise(builder, base, events.lifted)
    days = days_since(base, today)
    known = partial(_known, shop, replace(base, segments=tuple(builder.segments)))
    groups = ids_since(shop.store, days, events.late, known) if days else shop.store.ids_by_day()
    ids = (id_ for _, found in groups for id_ in found if id_ not in events.tombstones)
    pending = []
    for id_, data in read_ahead(ids, partial(_manifest, shop.store)):
        progress(id_)
        if data is not None:
            _add(builder, id_, data, made)
        elif events.late.get(id_, "") >= f"{today - WAIT:%Y%m%d}":
            pending.append((id_, events.late[id_]))
    builder.finish()
    segments = tuple(sorted(builder.segments, key=lambda segment: segment.key))
    made.changed = segments != base.segments or tuple(pending) != base.pending
    made.snapshot = Snapshot(base.number, f"{now:%Y-%m-%dT%H:%M:%SZ}", f"{today:%Y%m%d}", tuple(pending), segments)
    return made


def _bury(builder: Builder, base: Snapshot, tombstones: Mapping[str, object], made: Published) -> None:
    """Take the rows of bundles that were taken down out of all segments, and put one that says so in their place."""
    by_month = _by_month(tombstones)
    for month, ids in by_month.items():
        known = _known(builder.workshop, base, month, {id_[:8] for id_ in ids})
        builder.drop([id_ for id_ in ids if known.get(id_) is False])
        for id_ in ids:
            if not known.get(id_):
                _add(builder, id_, tombstones[id_], made)
    made.taken_down = frozenset(by_month)


def _raise(builder: Builder, base: Snapshot, lifted: Iterable[str]) -> None:
    """Take out the rows of tombstones that were lifted; a row of the bundle follows where it was stored again."""
    for month, ids in _by_month(lifted).items():
        known = _known(builder.workshop, base, month, {id_[:8] for id_ in ids})
        builder.drop([id_ for id_ in ids if known.get(id_)])


def _by_month(ids: Iterable[str]) -> Mapping[str, list[str]]:
    months: defaultdict[str, list[str]] = defaultdict(list)
    for id_ in sorted(ids):
        months[id_[:6]].append(id_)
    return months


def _add(builder: Builder, bundle_id: str, found: object, made: Published) -> None:
    """The row of a manifest's bytes, or of a tombstone's digest."""
    try:
        row = manifest_row(bundle_id, found) if isinstance(found, bytes) else tombstone_row(bundle_id, found)
    except FormatError as error:
        made.broken.append(error)
        return
    builder.add(row)
    made.added += not row["tombstoned"]
    made.tombstones += row["tombstoned"]


def _known(shop: Workshop, base: Snapshot, month: str, days: set[str]) -> dict[str, bool]:
    return shop.ids((segment for segment in base.segments if segment.month == month), days)


def _manifest(store: Store, bundle_id: str) -> bytes | None:
    try:
        return store.read_manifest(bundle_id)
    except NotFound:
        return None


# ------------------------------------------------------------------ set it
def _commit(shop: Workshop, snapshot: Snapshot) -> bool:
    """Whether this is now the snapshot of its number: False when another publisher has set that one."""
    store, key = shop.store, snapshot_key(snapshot.number)
    shop.upload(snapshot.segments)
    if not store.objects.create(key, Content.of_bytes(snapshot.data)):
        try:  # the reply to our own PUT may have been lost
            if b"".join(store.objects.read(key)) != snapshot.data:
                return False
        except NotFound:  # pruned since
            return False
    shop.check_uploaded(snapshot.segments)
    if links_folder(store, snapshot):
        links = "".join(f"{store.location}{segment.key}\n" for segment in snapshot.segments)
        store.objects.create(links_key(snapshot.number), Content.of_bytes(links.encode()))
    return True


def _purged(store: Store, made: Published) -> Published:
    """Remove, after takedowns, the segments of older snapshots that held those rows; older readers lose them."""
    if made.taken_down:
        live = {segment.key for segment in made.snapshot.segments}
        for number in sorted(number for number in numbers(store) if number < made.snapshot.number):
            for segment in _segments_of(store, number):
                if segment.month in made.taken_down and segment.key not in live:
                    store.objects.delete(segment.key)
    return made


def _segments_of(store: Store, number: int) -> Iterable[Segment]:
    try:
        return stored_snapshot(store, number).segments
    except (NotFound, FormatError):
        return ()
