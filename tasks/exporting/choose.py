"""Which bundles an export is of."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date

from tasks.catalog import Broken, Entry, entries, find, is_id, read_entry
from tasks.errors import TearsheetError
from tasks.exporting.report import Exported
from tasks.store import Store

__all__ = ["Selection", "selected"]


@dataclass(frozen=True, slots=True)
class Selection:
    """Bundles by name, or all that fit: of a host with its sub-domains, from one day to another (UTC, included)."""

    targets: tuple[str, ...] = ()  # ids and URLs; none: all of the store
    host: str = ""
    since: date | None = None
    until: date | None = None
    newest: bool = False  # of each article only the newest good bundle


def selected(store: Store, wanted: Selection, *, broken: Broken, missing: list[Exported]) -> Iterator[str]:
    """Ids, oldest first; a target that the store lacks goes to `missing`, a damaged manifest to `broken`."""
    if wanted.targets:
        yield from sorted(_named(store, wanted, broken, missing))
        return
    chosen = _newest(store, wanted) if wanted.newest else None
    for entry in entries(store, broken=broken):
        if _fits(entry, wanted) and (chosen is None or entry.id in chosen):
            yield entry.id


def _named(store: Store, wanted: Selection, broken: Broken, missing: list[Exported]) -> set[str]:
    found = set[str]()
    for target in wanted.targets:
        try:
            id_ = find(store, target, broken=broken)
            if is_id(target):
                read_entry(id_, store.read_manifest(id_))  # raises where there is none
            found.add(id_)
        except TearsheetError as error:
            missing.append(Exported(target, error=error))
    return found


def _fits(entry: Entry, wanted: Selection) -> bool:
    return entry.fits(host=wanted.host, since=wanted.since, until=wanted.until)


# ------------------------------------------------------------------ one bundle an article
@dataclass(slots=True)
class _Articles:
    """Bundles that share a URL are of one article; of each article the newest good one is kept."""

    groups: list[int] = field(default_factory=list)  # a group: itself, or the one it became part of
    best: dict[int, tuple[tuple[str, int, str], str]] = field(default_factory=dict)
    of_page: dict[str, int] = field(default_factory=dict)

    def add(self, entry: Entry) -> None:
        known = sorted({self._root(self.of_page[page]) for page in entry.pages if page in self.of_page})
        if not known:
            known = [len(self.groups)]
            self.groups.append(known[0])
        group, *others = known
        rank = (entry.id[:14], entry.generation, entry.id)
        found = [self.best.pop(number) for number in known if number in self.best]
        found += [(rank, entry.id)] if entry.good else []
        if found:
            self.best[group] = max(found)
        for other in others:
            self.groups[other] = group
        for page in entry.pages:
            self.of_page[page] = group

    def _root(self, group: int) -> int:
        while self.groups[group] != group:
            self.groups[group] = self.groups[self.groups[group]]
            group = self.groups[group]
        return group


def _newest(store: Store, wanted: Selection) -> frozenset[str]:
    articles = _Articles()
    for entry in entries(store, broken=lambda error: None):  # told when the ids are given
        if _fits(entry, wanted):
            articles.add(entry)
    return frozenset(id_ for _, id_ in articles.best.values())
