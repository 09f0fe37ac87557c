"""A store copied to another one: what the copy lacks by its listing, each object verified on arrival.

Sources first, then bundles (data, then manifest), then events, so that the copy is whole whenever it is broken off.
Nothing is deleted or overwritten there. The copy keeps an id of its own; an event `replica` says where its bundles came
from and under which days events were added, before these are. Takedowns are never carried over in silence: see Trouble.
"""

import json
import tempfile
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from tasks.auditing.inventory import Inventory, Item
from tasks.auditing.run import now_utc
from tasks.errors import FixityError, FormatError, NotFound, StoreConflict, StoreRefused, StoreTombstoned
from tasks.records import Bundle, Digest
from tasks.store import Store
from tasks.store.disk import write_new
from tasks.store.events import Event, read_event
from tasks.store.layout import EVENTS, SOURCES, bundle_key
from tasks.store.objects import Content
from tasks.workers import ahead

__all__ = ["TROUBLES", "CopyReport", "Trouble", "replicate"]

AT_ONCE = 8  # objects copied at once
TOLD_AT_ONCE = 5_000  # events announced by one event: minutes, where a catalog looks for them two days long

TROUBLES = {  # code: meaning, whether someone has to act
    "conflict": ("the copy holds other bytes under that key: nothing was changed there", True),
    "damaged": ("the original is damaged: it was not copied", True),
    "taken-down-here": ("taken down in the original, but still in the copy: remove it there, too", True),
    "taken-down-there": ("taken down in the copy: it was not copied again", False),
    "tombstone-ignored": ("taken down, but still in the original: it was not copied", True),
}


@dataclass(frozen=True, slots=True)
class Trouble:
    """One object that was not copied, and why; `code` is a key of TROUBLES."""

    code: str
    key: str
    what: str = ""

    @property
    def bad(self) -> bool:
        """Whether someone has to act."""
        return TROUBLES[self.code][1]

    def __str__(self) -> str:
        """One line for people."""
        return f"{self.code}  {self.key}  {TROUBLES[self.code][0]}" + (f": {self.what}" if self.what else "")


@dataclass
class CopyReport:
    """One run."""

    source: str
    target: str
    bundles: int = 0
    events: int = 0
    sources: int = 0
    bytes: int = 0
    there: int = 0  # objects that the copy held already
    troubles: list[Trouble] = field(default_factory=list)
    stopped: bool = False

    @property
    def good(self) -> bool:
        """Whether the copy holds all that it should."""
        return not self.stopped and not any(trouble.bad for trouble in self.troubles)

    def as_json(self) -> dict[str, Any]:
        """The last line of `replicate --json`."""
        names = ("source", "target", "bundles", "events", "sources", "bytes", "there", "stopped")
        return {"good": self.good, **{name: getattr(self, name) for name in names}, "troubles": len(self.troubles)}

    def __str__(self) -> str:
        """One line for people."""
        head = (
            f"copied {self.bundles:,} bundles, {self.events:,} events, {self.sources:,} sources ({self.bytes:,} bytes)"
        )
        head += f"; {self.there:,} objects were there" if self.there else ""
        head += f"; {len(self.troubles):,} not copied" if self.troubles else ""
        return head + ("; stopped before the rest: the same command goes on" if self.stopped else "")


def replicate(
    source: Store,
    target: Store,
    *,
    heard: Callable[[Trouble], None] = lambda trouble: None,
    progress: Callable[[int, str], None] = lambda done, key: None,
    stop: threading.Event | None = None,
    clock: Callable[[], datetime] = now_utc,
) -> CopyReport:
    """Copy what `target` lacks. Once `stop` is set, or after a crash, the same call goes on.

    Raises StoreRefused where both are one store, StoreUnavailable where either stopped answering.
    """
    if source.location == target.location or (source.id and source.id == target.id):
        remedy = "Name another one; of a copy made by other means, delete v1/store.json first: it has the original's id"
        raise StoreRefused("both are the same store", where=target.location, remedy=remedy, code="same-store")
    with Inventory() as here, Inventory() as there:
        copy = _Copy(source, target, here, there, stop or threading.Event(), clock)
        copy.heard, copy.progress = heard, progress
        copy.list_both()
        copy.sources()
        copy.bundles()
        copy.events()
        copy.report.stopped = copy.stop.is_set()
        return copy.report


class _Copy:
    """The steps of one run."""

    def __init__(
        self,
        source: Store,
        target: Store,
        here: Inventory,
        there: Inventory,
        stop: threading.Event,
        clock: Callable[[], datetime],
    ) -> None:
        self.source, self.target, self.here, self.there = source, target, here, there
        self.stop, self.clock = stop, clock
        self.report = CopyReport(source.location, target.location)
        self._history: set[str] = set()  # events that are to change nothing in the copy
        self.heard: Callable[[Trouble], None] = lambda trouble: None
        self.progress: Callable[[int, str], None] = lambda done, key: None

    def list_both(self) -> None:
        """What is where, and what is taken down."""
        for store, inventory in ((self.source, self.here), (self.target, self.there)):
            inventory.add(store.objects.listing("v1/"))

    def sources(self) -> None:
        """Files of other tools."""
        self.report.sources += self._each(self._lacking("source"), self._copy_source)

    def bundles(self) -> None:
        """Bundles that are live here and were not taken down there."""
        self.report.bundles += self._each(self._lacking_bundles(), self._copy_bundle)

    def events(self) -> None:
        """Events with their attachments, announced under today."""
        lacking = [item for item in self._lacking("event") if self._may_be_told(item)]  # keys: some 100 bytes each
        # Who reads the inventory is this thread; those that copy look here.
        self._attached = {item.name for item in lacking if self.here.get("attachment", item.name)}
        if self.report.bundles and not lacking:
            self._announce([], bundles=self.report.bundles)
        for at in range(0, len(lacking), TOLD_AT_ONCE):
            batch = lacking[at : at + TOLD_AT_ONCE]
            self._announce(batch, bundles=0 if at else self.report.bundles)
            self.report.events += self._each(iter(batch), self._copy_event)

    def _announce(self, lacking: list[Item], *, bundles: int) -> None:
        """Say in the copy under which days events are about to come: who follows it by days looks there again."""
        if not self.stop.is_set():
            days = sorted({item.key.removeprefix(EVENTS)[:10].replace("/", "") for item in lacking})
            detail = {"from": self.source.id, "bundles": bundles, "days": days}
            self.target.put_event(Event("replica", self.clock(), detail=detail))

    # ---------------------------------------------------------------- what is lacking
    def _lacking(self, kind: str) -> Iterator[Item]:
        """Objects of a kind that the copy does not hold; those of another size are told."""
        for item in self.here.items(kind):
            other = self.there.get(kind, item.name)
            if other is None:
                yield item
            elif other.size != item.size:
                self._tell(Trouble("conflict", item.key, f"{item.size} bytes here, {other.size} there"))
            else:
                self.report.there += 1

    def _lacking_bundles(self) -> Iterator[Item]:
        for item in self.here.items("manifest"):
            if self.here.taken_down(item.name):
                self._tell(Trouble("tombstone-ignored", item.key))
            elif self.there.taken_down(item.name):
                self._tell(Trouble("taken-down-there", item.key))
            elif self._lacks_bundle(item):
                yield item

    def _lacks_bundle(self, item: Item) -> bool:
        """Whether the copy lacks any of a bundle; told where it holds another."""
        lacks = False
        for kind in ("wacz", "manifest"):
            mine, theirs = self.here.get(kind, item.name), self.there.get(kind, item.name)
            lacks = lacks or theirs is None
            if mine and theirs and mine.size != theirs.size:
                self._tell(Trouble("conflict", theirs.key, f"{mine.size} bytes here, {theirs.size} there"))
                return False
        self.report.there += 0 if lacks else 2
        return lacks

    def _may_be_told(self, item: Item) -> bool:
        """Whether an event may be copied: a tombstone would hide a bundle that the copy still holds.

        One that was lifted here since, and the lifting itself, are copied as history: they change nothing there.
        """
        kind = item.name.rpartition("/")[2].split("-")[1]
        if kind == "lift":
            self._history.add(item.name)
        if kind != "tombstone":
            return True
        try:
            bundle = self.source.read_event(item.key).bundle
        except (NotFound, FormatError):
            return True  # told when it is to be copied
        if not self.here.taken_down(bundle):
            self._history.add(item.name)
        elif not self.there.taken_down(bundle) and any(self.there.get(kind, bundle) for kind in ("manifest", "wacz")):
            remedy = f"`tearsheet remove {bundle} --store {self.target.location}`"
            self._tell(Trouble("taken-down-here", bundle_key(bundle), remedy))
            return False
        return True

    # ---------------------------------------------------------------- copying
    def _each(self, items: Iterator[Item], copy: Callable[[Item], int | Trouble]) -> int:
        """How many were copied, several at once."""
        done = 0
        for result in ahead(copy, items, workers=AT_ONCE, stop=self.stop):
            if isinstance(result, Trouble):
                self._tell(result)
            else:
                done += result >= 0
                self.report.bytes += max(0, result)
            self.progress(done, "")
        return done

    def _copy_bundle(self, item: Item) -> int | Trouble:
        """In another thread: bytes copied, -1 for one that was taken down meanwhile."""
        with tempfile.TemporaryDirectory(prefix="tearsheet-copy-") as folder:
            try:
                manifest = self.source.read_manifest(item.name)
                path = self.source.fetch_bundle(item.name, Path(folder))
            except NotFound:
                return -1
            except (FixityError, FormatError) as error:
                return Trouble("damaged", item.key, error.what)
            size, sha256 = path.stat().st_size, Digest(json.loads(manifest)["sha256"])  # fetch_bundle has checked it
            try:
                self.target.put_bundle(Bundle(item.name, path, sha256, size, manifest), today=self.clock().date())
            except StoreConflict as error:
                return Trouble("conflict", item.key, error.what)
            except StoreTombstoned as error:
                return Trouble("taken-down-there", item.key, error.what)
            return size + len(manifest)

    def _copy_event(self, item: Item) -> int | Trouble:
        try:
            data = b"".join(self.source.objects.read(item.key))
            read_event(item.key, data)
            attachment = self._attachment(item.name) if item.name in self._attached else None
            if item.name in self._history:
                self.target.copy_history(item.key, data)
            else:
                self.target.copy_event(item.key, data, attachment)
        except NotFound:
            return -1
        except StoreConflict as error:
            return Trouble("conflict", item.key, error.what)
        except (FixityError, FormatError) as error:
            return Trouble("damaged", item.key, error.what)
        return len(data) + (attachment.size if attachment else 0)

    def _attachment(self, name: str) -> Content:
        return Content.of_bytes(b"".join(self.source.objects.read(f"{name}.warc.gz")))

    def _copy_source(self, item: Item) -> int | Trouble:
        name, _, kind = item.key.removeprefix(SOURCES).partition(".")
        sha256 = Digest(f"sha256:{name}")
        with tempfile.TemporaryDirectory(prefix="tearsheet-copy-") as folder:
            path = Path(folder) / "source"
            try:
                write_new(path, self.source.objects.read(item.key), sha256=sha256)
                self.target.put_source(Content(path, sha256, path.stat().st_size), kind)
            except NotFound:
                return -1
            except StoreConflict as error:
                return Trouble("conflict", item.key, error.what)
            except FixityError as error:
                return Trouble("damaged", item.key, error.what)
            return item.size

    def _tell(self, trouble: Trouble) -> None:
        self.report.troubles.append(trouble)
        self.heard(trouble)
