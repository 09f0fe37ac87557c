"""What audits have read so far: kept in the store itself, in fixity events, so that any machine can go on.

A fixity event tells of one stretch of one audit: `store` (only a store's own events count, for a copy has those of its
original as well), `level`, `run` (when the audit began), `period_days` (0: all bundles), `read` (day → ends of the ids
that were read in full and are sound), `sources`, `bytes`, `found` (the first findings), and in the last one `end` with
what was due and what is owed.
"""

import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from tasks.auditing.codes import Finding
from tasks.auditing.inventory import Inventory, Item, kind_of, stamp
from tasks.errors import FormatError, NotFound
from tasks.store import Store
from tasks.store.events import EVENT_KEY, Event
from tasks.workers import ahead

__all__ = ["History", "Journal", "load_history", "read_events"]

EVENTS_AT_ONCE = 8
STRETCH = 1000  # bundles of one event: some 25 kB
STRETCH_S = 60.0  # what a killed audit has to read again, at most
MAX_FOUND = 100  # findings in one event
RESUMED_DAYS = 7  # an audit of everything that was broken off longer ago is begun anew
_LOOK_BACK_DAYS = 60  # or two periods: bundles read before are due anyway


@dataclass(frozen=True, slots=True)
class History:
    """What earlier audits left to this one."""

    rolled_at: str = ""  # when the last rolling audit ended, yyyymmddhhmmss
    owed: int = 0  # bundles and sources that it should have read and did not
    unfinished: str = ""  # the `run` of an audit of everything that was broken off


def read_events(store: Store, items: Iterator[Item]) -> Iterator[tuple[Item, Event | FormatError | None]]:
    """Each event, or why it is none; None for one that is gone. Several are read at once."""

    def read(item: Item) -> tuple[Item, Event | FormatError | None]:
        try:
            return item, store.read_event(item.key)
        except FormatError as error:
            return item, error
        except NotFound:
            return item, None

    return ahead(read, items, workers=EVENTS_AT_ONCE, stop=threading.Event())


def load_history(
    store: Store, store_id: str, inventory: Inventory, *, period_days: int, now: datetime, broken: Callable[[str], None]
) -> History:
    """The history, and in `inventory` what was read when, what was unsound, which bundles are known or taken down."""
    since = stamp(now - timedelta(days=max(_LOOK_BACK_DAYS, 2 * period_days)))[:8]
    resumable = stamp(now - timedelta(days=RESUMED_DAYS))[:14]
    rolled_at = f"{since}000000" if any(_fixity(item.key, before=since) for item in inventory.items("event")) else ""
    owed, open_runs = 0, dict[str, list[Event]]()
    for item, event in read_events(store, _of_interest(inventory, since)):
        if isinstance(event, FormatError):
            broken(item.key)
        elif event and event.kind == "tombstone":
            inventory.note("tombstones", event.bundle)
        elif event and event.detail.get("store") == store_id:
            at, end = stamp(event.at)[:14], event.detail.get("end")
            _cover(inventory, event, item.key, at)
            run = str(event.detail.get("run", ""))
            if event.detail.get("period_days") and isinstance(end, dict):
                if at >= rolled_at:
                    rolled_at, owed = at, _count(end.get("owed"))
            elif event.detail.get("level") == "full" and not event.detail.get("period_days"):
                _follow(open_runs, run, event, ended=bool(end), fresh=at >= resumable)
    unfinished = max(open_runs, default="")
    for event in open_runs.get(unfinished, ()):
        for name in _names(event):
            inventory.note("done", name)
    return History(rolled_at, owed, unfinished)


def _of_interest(inventory: Inventory, since: str) -> Iterator[Item]:
    for item in inventory.items("event"):
        if "-tombstone-" in item.key or _fixity(item.key, since=since):
            yield item


def _fixity(key: str, *, since: str = "", before: str = "9") -> bool:
    """Whether it is the key of a fixity event of the days from `since` on, and before `before`."""
    match = EVENT_KEY.fullmatch(key)
    return match is not None and match[5] == "fixity" and since <= match[4][:8] < before


def _cover(inventory: Inventory, event: Event, key: str, at: str) -> None:
    for name in _names(event):
        inventory.note("covered", name, at)
        if "-" in name:
            inventory.note("named", name, key)
    found = event.detail.get("found")
    for row in found if isinstance(found, list) else ():
        kind, name = kind_of(str(row.get("key"))) if isinstance(row, dict) else ("", "")
        if kind in ("manifest", "wacz", "source"):
            inventory.note("unsound", name, at)


def _follow(open_runs: dict[str, list[Event]], run: str, event: Event, *, ended: bool, fresh: bool) -> None:
    if ended:
        open_runs.pop(run, None)
    elif fresh and run:
        open_runs.setdefault(run, []).append(event)


def _names(event: Event) -> Iterator[str]:
    """Ids of bundles and names of sources that a fixity event tells as read."""
    read, sources = event.detail.get("read"), event.detail.get("sources")
    for day, ends in read.items() if isinstance(read, dict) else ():
        yield from (f"{day}{end}" for end in ends)
    yield from sources if isinstance(sources, list) else ()


def _count(value: Any) -> int:
    return value if isinstance(value, int) and value > 0 else 0


# ------------------------------------------------------------------ writing
class Journal:
    """Gathers what an audit reads and finds, and puts it into the store as fixity events, stretch by stretch."""

    def __init__(self, store: Store, head: Mapping[str, Any], *, clock: Callable[[], datetime]) -> None:
        self.store, self.head, self.clock = store, head, clock
        self.written = 0
        self._empty()

    def _empty(self) -> None:
        self._read: dict[str, list[str]] = {}
        self._sources: list[str] = []
        self._found: list[dict[str, str]] = []
        self._more, self._bytes, self._count, self._since = 0, 0, 0, time.monotonic()

    def read(self, name: str, size: int) -> None:
        """A bundle or source was read in full and is sound."""
        if "-" in name:
            self._read.setdefault(name[:8], []).append(name[8:])
        else:
            self._sources.append(name)
        self._count += 1
        self._bytes += size
        if self._count >= STRETCH or time.monotonic() - self._since > STRETCH_S:
            self.write()

    def found(self, finding: Finding) -> None:
        """Something was found."""
        if len(self._found) < MAX_FOUND:
            self._found.append(finding.short())
        else:
            self._more += 1

    def write(self, end: Mapping[str, Any] | None = None) -> None:
        """An event of what was gathered since the last one; with `end` the audit is over. The store's errors.

        Nothing is written to a store without an id: it is new, or has lost its store.json, and writing would make one.
        """
        detail: dict[str, Any] = {**self.head, "bytes": self._bytes, "found": self._found}
        detail |= {"read": {day: sorted(ends) for day, ends in self._read.items()}} if self._read else {}
        detail |= {"sources": sorted(self._sources)} if self._sources else {}
        detail |= {"more": self._more} if self._more else {}
        detail |= {"end": dict(end)} if end else {}
        if self.head["store"] and (end or self._count or self._found):
            self.store.put_event(Event("fixity", self.clock(), detail=detail))
            self.written += 1
        self._empty()
