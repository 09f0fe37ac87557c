"""What the store has that a snapshot has not: found by the days since, or, for the first one, by all of them."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from tasks.errors import FormatError
from tasks.lake.snapshot import Snapshot
from tasks.records import BUNDLE_ID
from tasks.store import Store
from tasks.store.base import read_ahead
from tasks.store.events import EVENT_KEY, Event
from tasks.store.layout import EVENTS, day_prefix
from tasks.store.objects import keys

__all__ = ["WAIT", "Events", "days_since", "ids_since", "read_events"]

OVERLAP = timedelta(days=2)  # looked through again: clocks differ, and a commit may straddle midnight
WAIT = timedelta(days=30)  # for the manifest that a `late` event announces
Broken = Callable[[FormatError], None]


@dataclass(frozen=True, slots=True)
class Events:
    """Events that change rows."""

    late: dict[str, str] = field(default_factory=dict)  # id → day of the event; those with a manifest put back, too
    tombstones: dict[str, object] = field(default_factory=dict)  # id → the digest that the event names


def days_since(snapshot: Snapshot, today: date) -> list[str]:
    """The days (yyyymmdd) to look through; tomorrow is one, for clocks that are ahead. Empty: all there are."""
    if not snapshot.through:
        return []
    start = min(_day(snapshot.through), today) - OVERLAP
    return [f"{start + timedelta(days=n):%Y%m%d}" for n in range((today - start).days + 2)]


def read_events(store: Store, snapshot: Snapshot, today: date, *, broken: Broken) -> Events:
    """The late or repaired bundles and the tombstones of the days since; of all days tombstones alone: a full listing
    misses no bundle."""
    found = Events()
    days = days_since(snapshot, today)
    prefixes = [day_prefix(EVENTS, day) for day in days] or [EVENTS]
    kinds = ("late", "repair", "tombstone") if days else ("tombstone",)
    for key, event in read_ahead(_event_keys(store, prefixes, kinds), _reading(store)):
        if isinstance(event, FormatError):
            broken(event)
        elif event.kind == "tombstone":
            found.tombstones.setdefault(event.bundle, event.detail.get("sha256"))
        elif id_ := event.bundle if event.kind == "late" else _repaired(event):
            found.late[id_] = "".join(key.removeprefix(EVENTS).split("/")[:3])
    for id_ in found.tombstones.keys() - store.tombstones.ids():  # the events tell of those that were lifted, too
        if not store.tombstones.stands(id_):
            del found.tombstones[id_]
    for id_, day in snapshot.pending:
        found.late.setdefault(id_, day)
    return found


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


def _repaired(event: Event) -> str:
    """The id of the bundle whose manifest was put back; empty for a repair of anything else."""
    stem, _, kind = str(event.detail.get("key", "")).rpartition(".")
    id_ = stem.rpartition("/")[2]
    return id_ if kind == "json" and BUNDLE_ID.fullmatch(id_) else ""


def _event_keys(store: Store, prefixes: list[str], kinds: tuple[str, ...]) -> Iterator[str]:
    for prefix in prefixes:
        for key in keys(store.objects, prefix):
            match = EVENT_KEY.fullmatch(key)
            if match and match[5] in kinds:
                yield key


def _reading(store: Store) -> Callable[[str], Event | FormatError]:
    def read(key: str) -> Event | FormatError:
        try:
            return store.read_event(key)
        except FormatError as error:
            return error

    return read


def _day(text: str) -> date:
    return datetime.strptime(text, "%Y%m%d").replace(tzinfo=UTC).date()
