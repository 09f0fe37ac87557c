"""Remove what no reader needs any more: old snapshots, and segments that none of the others names."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from tasks.errors import FormatError, NotFound
from tasks.lake.snapshot import DATA, SEGMENT_KEY, links_key, numbers, snapshot_key, stored_snapshot
from tasks.store import Store

__all__ = ["Pruned", "prune"]


@dataclass(frozen=True, slots=True)
class Pruned:
    """What was removed."""

    snapshots: int
    segments: int
    bytes: int


def prune(store: Store, *, keep: int, days: int, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> Pruned:
    """Remove snapshots but the newest `keep` (one at least), and segments that none of those left names; of both only
    what is older than `days`, so that readers and publishers at work lose nothing."""
    before = now() - timedelta(days=days)
    found = sorted(numbers(store), reverse=True)
    old = [n for n in found[max(keep, 1) :] if _made_before(store, n, before)]
    live = {segment.key for n in found if n not in old for segment in stored_snapshot(store, n).segments}
    for number in old:
        store.objects.delete(links_key(number))
        store.objects.delete(snapshot_key(number))
    count = size = 0
    for listed in list(store.objects.listing(DATA)):
        young = listed.modified_at is None or listed.modified_at >= before
        if SEGMENT_KEY.fullmatch(listed.key) and listed.key not in live and not young:
            store.objects.delete(listed.key)
            count, size = count + 1, size + listed.size
    return Pruned(len(old), count, size)


def _made_before(store: Store, number: int, moment: datetime) -> bool:
    """Whether that snapshot is older; one that cannot be read is of no use to anyone."""
    try:
        return stored_snapshot(store, number).made_at < f"{moment:%Y-%m-%dT%H:%M:%SZ}"
    except (FormatError, NotFound):
        return True
