"""Tombstones: which bundles were taken down. The tombstone wins, whatever else is still, or again, in the store.

An event `tombstone` says who took a bundle down, when and why; a copy of it stands under a key that the id gives
(layout.py), written first, so that one small listing tells all bundles that are gone. That listing is kept for FRESH_S:
asking the server for each bundle would cost a fifth of a push and a quarter of a pull. What another process takes down
is therefore refused here FRESH_S later at most; until then a push of it may go through, but lists and readings still
hide it, and `tearsheet remove` of the id clears it away.
"""

import threading
import time
from collections.abc import Callable, Iterator

from tasks.errors import FormatError, NotFound, StoreTombstoned
from tasks.records import BUNDLE_ID
from tasks.store.events import Event, parse_event
from tasks.store.layout import TOMBSTONES, tombstone_key
from tasks.store.objects import Content, Objects, keys

__all__ = ["FRESH_S", "Tombstones"]

FRESH_S = 5.0  # what was listed so long ago is listed again
_SHARE = 20  # listing takes one part of so many of the time at most, however many tombstones there are


class Tombstones:
    """Those of one store; safe to use from several threads."""

    def __init__(self, objects: Objects, *, clock: Callable[[], float] = time.monotonic) -> None:
        self.objects, self._clock = objects, clock
        self._ids: set[str] = set()
        self._stale_at = float("-inf")
        self._lock = threading.Lock()

    def ids(self) -> frozenset[str]:
        """The ids of all bundles that were taken down, as of FRESH_S ago or later."""
        with self._lock:
            self._refresh()
            return frozenset(self._ids)

    def check(self, bundle_id: str) -> None:
        """Raises StoreTombstoned, saying who, when and why, for a bundle that was taken down."""
        with self._lock:
            self._refresh()
            if bundle_id not in self._ids:
                return
        self.check_now(bundle_id)

    def check_now(self, bundle_id: str) -> None:
        """The same as of now, at the price of a request."""
        try:
            event = self.find(bundle_id)
        except FormatError:  # hidden, even if nobody can tell why any more
            raise _removed(bundle_id, "taken down; its tombstone is damaged") from None
        if event:
            by = f" by {event.detail['by']}" if event.detail.get("by") else ""
            reason = f": {event.detail['reason']}" if event.detail.get("reason") else ""
            raise _removed(bundle_id, f"taken down on {event.at:%Y-%m-%d %H:%M} UTC{by}{reason}")
        with self._lock:  # lifted by another process
            self._ids.discard(bundle_id)

    def find(self, bundle_id: str) -> Event | None:
        """The event that a bundle was taken down by, or None. FormatError where it is damaged."""
        key = tombstone_key(bundle_id)
        try:
            event = parse_event(key, b"".join(self.objects.read(key)))
        except NotFound:
            return None
        if event.kind != "tombstone" or event.bundle != bundle_id:
            remedy = "It is damaged: put it back from a copy"
            raise FormatError("not the tombstone of this bundle", where=key, remedy=remedy)
        return event

    def stands(self, bundle_id: str) -> bool:
        """Whether there is a tombstone now, damaged or not."""
        return bool(self.objects.versions(tombstone_key(bundle_id)))

    def put(self, event: Event) -> None:
        """From now on the bundle is gone for every reader; one that was taken down before keeps its tombstone."""
        self.objects.create(tombstone_key(event.bundle), Content.of_bytes(event.data))
        with self._lock:
            self._ids.add(event.bundle)

    def lift(self, bundle_id: str) -> None:
        """The bundle may be stored again."""
        self.objects.delete(tombstone_key(bundle_id))
        with self._lock:
            self._ids.discard(bundle_id)

    def _refresh(self) -> None:
        started = self._clock()
        if started < self._stale_at:
            return
        self._ids = set(_ids(self.objects))
        ended = self._clock()
        self._stale_at = ended + max(FRESH_S, (ended - started) * _SHARE)


def _ids(objects: Objects) -> Iterator[str]:
    for key in keys(objects, TOMBSTONES):
        bundle_id = key.rpartition("/")[2].removesuffix(".json")
        if BUNDLE_ID.fullmatch(bundle_id) and key == tombstone_key(bundle_id):
            yield bundle_id


def _removed(bundle_id: str, what: str) -> StoreTombstoned:
    plain = "".join(sign if sign.isprintable() else "\ufffd" for sign in what)  # the reason goes to terminals
    remedy = "Its text is not to be had here. To store a copy again, `tearsheet lift` the tombstone first"
    return StoreTombstoned(plain, where=bundle_id, remedy=remedy)
