"""One audit, from the listing to the report. Read `audit_store` for the order of the steps."""

import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial
from typing import Any

from tasks.auditing.bundles import Checked, check_bundle
from tasks.auditing.codes import CODES, Finding
from tasks.auditing.history import Journal, load_history, read_events
from tasks.auditing.inventory import Inventory, Item
from tasks.auditing.listed import age, is_there, listed_findings, missing_bundles, store_findings
from tasks.auditing.repair import Repairer
from tasks.auditing.report import Plan, Report
from tasks.auditing.sources import check_source
from tasks.auditing.turns import Turns
from tasks.errors import FormatError, NotFound, StoreUnavailable, TearsheetError
from tasks.records import BUNDLE_ID
from tasks.store import Store
from tasks.store.events import Event
from tasks.store.layout import BUNDLES, EVENTS, SOURCES, bundle_key, manifest_key
from tasks.store.objects import Listed, digest_stored
from tasks.workers import ahead

__all__ = ["Reading", "Turn", "audit_store", "check_turns", "now_utc"]

AT_ONCE = 8  # bundles read at once
_LOOKS = 2  # at what seems damaged: the way may have damaged it, once
_REPAIRS = 3  # of one bundle: its manifest, its data, and once more to look
_DOWN_IN_A_ROW = 3  # unanswered reads after which the server is down, not an object bad

Heard = Callable[[Finding], None]
Turn = tuple[Item, int | None]  # a manifest or source, and the size of its bundle as listed
Reading = Callable[[Iterator[Turn]], Iterator[Checked]]  # what is wrong with each, in any order
Progress = Callable[[int, int, str], None]  # done, of how many, the last one


def _nothing(*_: object) -> None:
    """Nobody listens."""


def now_utc() -> datetime:
    """This moment."""
    return datetime.now(UTC)


def audit_store(
    store: Store,
    plan: Plan,
    *,
    repair_from: Store | None = None,
    heard: Heard = _nothing,
    progress: Progress = _nothing,
    stop: threading.Event | None = None,
    clock: Callable[[], datetime] = now_utc,
    reading: Reading | None = None,
) -> Report:
    """Audit a store as planned; each finding goes to `heard`, and what was read into the store as fixity events.

    `reading` reads bundles and sources elsewhere, by `check_turns`; None: in threads of this process.
    Once `stop` is set, and after a crash, the same plan goes on where this one ended. Raises StoreUnavailable where the
    server stopped answering, StoreRefused where it lets nothing be listed.
    """
    repairer = Repairer(store, repair_from, clock) if repair_from else None
    with Inventory() as inventory:
        audit = _Audit(store, plan, inventory, repairer, clock, stop or threading.Event())
        audit.heard, audit.progress = heard, progress
        audit.reading = reading or audit.reading
        audit.begin()
        try:
            audit.check_listing()
            audit.check_events()
            audit.check_bundles()
            audit.check_references()
        except BaseException:
            with suppress(TearsheetError):
                audit.journal.write()
            raise
        return audit.end()


def check_turns(
    store: Store, turns: Iterable[Turn], level: str, *, stop: threading.Event | None = None
) -> Iterator[Checked]:
    """What is wrong with bundles and sources, several read at once, in order; after `stop` no further one is begun."""
    return ahead(partial(_check_turn, store, level), turns, workers=AT_ONCE, stop=stop or threading.Event())


def _check_turn(store: Store, level: str, turn: Turn) -> Checked:
    """In another thread: what is wrong with it."""
    item, size = turn
    for _ in range(_LOOKS):  # what the way damaged once is no finding
        if item.key.startswith(SOURCES):
            checked = check_source(store, item.name, item.key, level)
        else:
            checked = check_bundle(store, item.name, level, size)
        if checked.down or all(finding.severity == "note" for finding in checked.findings):
            break
    return checked


class _Audit:
    """The steps of one audit, and what they share."""

    def __init__(
        self,
        store: Store,
        plan: Plan,
        inventory: Inventory,
        repairer: Repairer | None,
        clock: Callable[[], datetime],
        stop: threading.Event,
    ) -> None:
        self.store, self.plan, self.inventory, self.repairer = store, plan, inventory, repairer
        self.clock, self.stop, self.began = clock, stop, clock()
        self.report = Report(store.location, plan, f"{self.began:%Y-%m-%dT%H:%M:%SZ}")
        self.heard: Heard = _nothing
        self.progress: Progress = _nothing
        self.reading: Reading = self._read_here
        self._untold = 0
        self._said: set[tuple[str, str]] = set()

    # ---------------------------------------------------------------- the steps
    def begin(self) -> None:
        """One listing, and what earlier audits left."""
        plan, inventory = self.plan, self.inventory
        inventory.add(self.store.objects.listing("v1/"))
        self.report.bundles, self.report.objects = inventory.count("manifest"), inventory.count_of("objects")
        self._of_the_store = list(store_findings(self.store, inventory))
        store_id, broken = "" if self._of_the_store else self.store.id, list[str]()
        history = load_history(
            self.store, store_id, inventory, period_days=plan.period_days, now=self.began, broken=broken.append
        )
        run = self.report.began
        if plan.level == "full" and not plan.period_days and history.unfinished and not plan.anew:
            run, self.report.gone_on = history.unfinished, inventory.count_of("done")
        else:
            inventory.clear("done")
        self.turns = Turns(plan, inventory, history, self.began)
        head = {"store": store_id, "level": plan.level, "run": run, "period_days": plan.period_days}
        self.journal = Journal(self.store, head, clock=self.clock)
        for key in broken:
            self._tell(Finding("event-broken", key))

    def check_listing(self) -> None:
        """What the listing alone shows."""
        for finding in self._of_the_store:
            self._tell(finding)
        for finding in missing_bundles(self.store, self.inventory):
            self._tell(finding)
        for finding in listed_findings(self.store, self.inventory, self.began, self.plan.orphan_days):
            self._tell(finding)

    def check_events(self) -> None:
        """The events whose turn it is, with the responses that observations kept."""
        for item, event in read_events(self.store, self.turns.events()):
            if isinstance(event, FormatError):
                self._tell(Finding("event-broken", item.key, found=event.what))
            elif event and event.bundle and event.kind in ("observation", "hold"):
                self.inventory.note("named", event.bundle, item.key)
                for finding in self._attached(item, event):
                    self._tell(finding)

    def check_bundles(self) -> None:
        """The bundles and sources whose turn it is, several at once."""
        due, down = self.turns.bundles(), 0
        self.report.due, self.report.owed = self.turns.due, self.turns.owed
        for checked in self.reading(due):
            down = down + 1 if checked.down else 0
            if down >= _DOWN_IN_A_ROW:
                raise StoreUnavailable(
                    f"no answer for {down} objects in a row",
                    where=self.store.location,
                    remedy="Run the same again later: it goes on where this ended",
                )
            self._take(checked)
            self.progress(self.report.read, self.report.due, checked.name)

    def check_references(self) -> None:
        """What is named and not there, and sources that nothing names."""
        for name, key in list(self.inventory.vanished()):
            if not is_there(self.store, manifest_key(name)):
                self._tell(Finding("bundle-vanished", bundle_key(name), name, found=f"named by {key}"))
        whole = not (self.plan.period_days or self.plan.limit or self.plan.max_bytes or self.report.gone_on)
        for item in self.inventory.unused_sources() if whole and not self.stop.is_set() else ():
            self._tell(Finding("source-orphan", item.key, found=age(item.at, self.began)))

    def end(self) -> Report:
        """The last event, and the report."""
        report = self.report
        report.stopped = self.stop.is_set()
        if self._untold:
            self._tell(Finding("untold-digest", BUNDLES, found=f"{self._untold:,} of {report.read:,} objects"))
        if self._of_the_store:
            self._tell(Finding("not-recorded", EVENTS, found="without v1/store.json nothing is written"))
        end: dict[str, Any] = {
            "bundles": report.bundles,
            "read": report.read,
            "owed": report.owed,
            "counts": dict(report.counts),
        }
        try:
            self.journal.write(None if report.stopped else end)
        except TearsheetError as error:
            self._tell(Finding("not-recorded", EVENTS, found=error.what))
        return report

    # ---------------------------------------------------------------- one bundle, source or attachment
    def _attached(self, item: Item, event: Event) -> Iterator[Finding]:
        """What is wrong with the WARC beside an observation, of which the event has size and digest."""
        warc, key = event.detail.get("warc"), f"{item.name}.warc.gz"
        if not isinstance(warc, dict):
            return
        beside = self.inventory.get("attachment", item.name)
        if beside is None:
            if not is_there(self.store, key) and is_there(self.store, item.key):
                yield Finding("attachment-missing", key, event.bundle)
        elif beside.size != warc.get("bytes"):
            yield Finding("attachment-digest", key, event.bundle, f"{warc.get('bytes')} bytes", f"{beside.size}")
        elif self.plan.level == "full":
            with suppress(NotFound):
                for _ in range(_LOOKS):
                    _, sha256 = digest_stored(self.store.objects, key)
                    if sha256 == warc.get("sha256"):
                        break
                else:
                    yield Finding("attachment-digest", key, event.bundle, str(warc.get("sha256")), sha256)

    def _read_here(self, due: Iterator[Turn]) -> Iterator[Checked]:
        return check_turns(self.store, due, self.plan.level, stop=self.stop)

    def _take(self, checked: Checked) -> None:
        """What came of it: told, repaired and looked at again, noted as read where it is sound."""
        self.report.read += 1
        for _ in range(_REPAIRS):
            self.report.bytes += checked.bytes
            told = [self._tell(finding) for finding in checked.findings]
            if not any(finding.repaired for finding in told):
                break
            checked = self._again(checked.name, told[0].key)
        self._untold += checked.untold
        self._refer(checked)
        if checked.read and all(finding.severity == "note" for finding in checked.findings):
            self._noted(lambda: self.journal.read(checked.name, checked.bytes))

    def _again(self, name: str, key: str) -> Checked:
        """The same after a repair."""
        if key.startswith(SOURCES):
            return check_source(self.store, name, key, self.plan.level)
        return check_bundle(self.store, name, self.plan.level, self.store.objects.stat(bundle_key(name)).size)

    def _refer(self, checked: Checked) -> None:
        """Hold what a bundle names against the inventory."""
        if checked.source:
            self.inventory.note("used", checked.source, checked.name)
            if not self.inventory.get("source", checked.source):
                key = f"{SOURCES}{checked.source}"
                self._tell(Finding("source-missing", key, checked.name, found=f"named by {checked.name}"))
        for id_, sha256 in checked.links:
            if not BUNDLE_ID.fullmatch(id_) or sha256[7:23] != id_[15:]:
                self._tell(Finding("lineage-mismatch", manifest_key(checked.name), checked.name, id_, sha256))
            elif not self.inventory.get("manifest", id_):
                why = "was taken down" if self.inventory.taken_down(id_) else "is not there"
                self._tell(Finding("lineage-missing", manifest_key(checked.name), checked.name, id_, why))

    # ---------------------------------------------------------------- findings
    def _tell(self, finding: Finding) -> Finding:
        """Repair what can be, count it, tell it once."""
        finding = self._repaired(finding)
        if (finding.code, finding.key) not in self._said:
            self._said.add((finding.code, finding.key))
            self.report.add(finding)
            self.heard(finding)
            if not finding.good:
                self._noted(lambda: self.journal.found(finding))
        return finding

    def _repaired(self, finding: Finding) -> Finding:
        """The finding, with what became of its repair; where it is repaired the inventory holds the object."""
        if not self.repairer or not CODES[finding.code].repairable:
            return finding
        try:
            self.repairer.repair(finding)
        except TearsheetError as error:
            return replace(finding, repair=f"not repaired: {error}")
        if not finding.key.startswith(SOURCES):
            self.inventory.add([Listed(finding.key, self.store.objects.stat(finding.key).size, None)])
        return replace(finding, repaired=True, repair=f"from {self.repairer.other.location}")

    def _noted(self, write: Callable[[], None]) -> None:
        """Keep it in the journal; where the store takes no event the audit goes on, and says so."""
        try:
            write()
        except TearsheetError as error:
            self._tell(Finding("not-recorded", EVENTS, found=error.what))
