"""What the store has that a snapshot has not: found by the days since, or, for the first one, by all of them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from tasks.errors import FormatError
from tasks.lake.snapshot import Snapshot
from tasks.store import Store
from tasks.store.base import read_ahead
from tasks.store.events import Event, is_of, manifest_put_back
from tasks.store.layout import EVENTS
from tasks.store.objects import keys

__all__ = ["WAIT", "Events", "days_since", "ids_since", "read_events"]

OVERLAP = timedelta(days=2)  # looked through again: clocks differ, and a commit may straddle midnight
WAIT = timedelta(days=30)  # for the manifest that a `late` event announces
_KINDS = ("late", "repair", "tombstone", "lift", "replica")  # the last is of interest where it cannot be read
_ALL = ("tombstone",)
Broken = Callable[[FormatError], None]


@dataclass(frozen=True, slots=True)
class Events:
    """Events that change rows."""

    late: dict[str, str] = field(default_factory=dict)  # id → day of the event; those with a manifest put back, too
    lifted: set[str] = field(default_factory=set)  # ids whose tombstone was lifted and does not stand again
    tombstones: dict[str, object] = field(default_factory=dict)  # id → the digest that the event names


def days_since(snapshot: Snapshot, today: date) -> list[str]:
    """The days (yyyymmdd) to look through; tomorrow is one, for clocks that are ahead. Empty: all there are."""
    if not snapshot.through:
        return []
    start = min(_day(snapshot.through), today) - OVERLAP
    return [f"{start + timedelta(days=n):%Y%m%d}" for n in range((today - start).days + 2)]


def read_events(store: Store, snapshot: Snapshot, today: date, *, broken: Broken) -> Events:
    """The late or repaired bundles, the tombstones and liftings of the days since; of all days tombstones alone: a full
    listing misses no bundle."""
    found = Events()
    days = days_since(snapshot, today)
    names = store.event_keys(days, _KINDS) if days else (key for key in keys(store.objects, EVENTS) if is_of(key, _ALL))
    for key, event in read_ahead(names, _reading(store)):
        if isinstance(event, FormatError):
            broken(event)
        elif event.kind == "tombstone":
            found.tombstones.setdefault(event.bundle, event.detail.get("sha256"))
        elif event.kind == "lift":
            found.lifted.add(event.bundle)
        elif id_ := event.bundle if event.kind == "late" else manifest_put_back(event):
            found.late[id_] = "".join(key.removeprefix(EVENTS).split("/")[:3])
    _settle(found, store)
    for id_, day in snapshot.pending:
        found.late.setdefault(id_, day)
    return found


def _settle(found: Events, store: Store) -> None:
    """Keep the tombstones that stand now, and the liftings of those that do not: events tell of both."""
    standing = store.tombstones.ids()
    for id_ in [*found.tombstones, *found.lifted]:
        stands = id_ in standing or store.tombstones.stands(id_)
        if stands:
            found.lifted.discard(id_)
        else:
            found.tombstones.pop(id_, None)


def ids_since(
    store: Store, days: Iterable[str], late: Iterable[str], known: Callable[[str, set[str]], Mapping[str, bool]]
) -> Iterator[tuple[str, list[str]]]:
    """Day by day the ids that are not known yet: of the days, and the late ones.

    `known` tells the ids of a month that the snapshot has, given month and days.
    """
    listed, extra = set(days), defaultdict[str, set[str]](set)
    for id_ in late:
        extra[id_[:8]].add(id_)
    by_month: defaultdict[str, set[str]] = defaultdict(set)
    for day in listed | set(extra):
        by_month[day[:6]].add(day)
    for month in sorted(by_month):
        had = known(month, by_month[month])
        for day in sorted(by_month[month]):
            there = set(store.list_ids(day)) if day in listed else set[str]()
            if new := sorted((there | extra[day]) - had.keys()):
                yield day, new


def _reading(store: Store) -> Callable[[str], Event | FormatError]:
    def read(key: str) -> Event | FormatError:
        try:
            return store.read_event(key)
        except FormatError as error:
            return error

    return read


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
