"""What a manifest tells of its bundle, which bundles are of one capture, and which of them stands for it."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from tasks.bundle.manifest import Lineage, Manifest, read_manifest
from tasks.catalog.identity import Page, identity, pages_of
from tasks.errors import FormatError, NotFound
from tasks.records import BUNDLE_ID, VerdictKind
from tasks.store import Store

__all__ = [
    "Broken",
    "Entry",
    "Record",
    "chosen",
    "entries",
    "families",
    "find",
    "is_id",
    "newest",
    "parse_at",
    "read_entry",
    "read_record",
    "shown",
    "stop_at",
]


@dataclass(frozen=True, slots=True)
class Entry:
    """One bundle as its manifest tells of it."""

    id: str
    url: str
    final_url: str
    canonical_url: str
    captured_at: str  # RFC 3339, UTC
    verdict: VerdictKind
    reasons: tuple[str, ...]
    title: str
    words: int
    size: int
    parent: str = ""  # id of the bundle that this one was derived from; empty: the capture itself made it
    root: str = ""  # id of the bundle that the capture itself made; empty: this one
    generation: int = 0  # times that the capture was cleaned anew
    sha256: str = ""  # of the WACZ
    text_sha256: str = ""  # of the clean text
    authors: tuple[str, ...] = ()
    published: str = ""
    language: str = ""
    section: str = ""
    tombstone: str = ""  # when it was taken down (RFC 3339, UTC) and why; empty: it is live
    observed: int = 0  # visits that found it unchanged
    seen_at: str = ""  # the last of them; empty: none

    @property
    def capture(self) -> str:
        """What bundles of one capture have in common: the id of the one that it made itself."""
        return self.root or self.id

    @property
    def good(self) -> bool:
        """Whether this may be the newest version."""
        return self.verdict.good and not self.tombstone

    @property
    def quarantine(self) -> bool:
        """Whether it is kept apart for its bad verdict: stored, named by id only, never the newest version."""
        return not self.verdict.good and not self.tombstone

    @property
    def urls(self) -> tuple[Page, ...]:
        """The URLs that this bundle answers for, with why: as asked, as answered, and as the page names itself."""
        return pages_of(self.url, self.final_url, self.canonical_url)

    @property
    def pages(self) -> frozenset[str]:
        """The same, each as `identity` spells it."""
        return frozenset(page.key for page in self.urls)

    def fits(self, *, host: str, since: date | None, until: date | None) -> bool:
        """Whether `host` or a sub-domain of it answered, and it was captured from one day to the other (UTC, included);
        what is empty or None does not narrow."""
        day, host = self.captured_at[:10], host.lower()
        if (since and day < since.isoformat()) or (until and day > until.isoformat()):
            return False
        try:
            found = urlsplit(self.final_url).hostname or ""
        except ValueError:
            found = ""
        return not host or found == host or found.endswith(f".{host}")


@dataclass(frozen=True, slots=True)
class Record:
    """A bundle as the catalog keeps it: its entry, and the text that is searched."""

    entry: Entry
    text: str


Broken = Callable[[FormatError], None]  # told of each manifest that cannot be read; may raise it


def stop_at(error: FormatError) -> None:
    """Raises the error: one damaged manifest ends the reading."""
    raise error


def entries(store: Store, *, broken: Broken = stop_at) -> Iterator[Entry]:
    """Every bundle of the store, oldest first; a manifest that cannot be read goes to `broken`."""
    for id_, manifest in store.manifests():
        try:
            entry = read_entry(id_, manifest)
        except FormatError as error:
            broken(error)
        else:
            yield entry


def families(found: Iterable[Entry]) -> Iterator[tuple[Entry, ...]]:
    """The bundles of one capture together, captures in the order of their ids; `found` oldest first, as entries gives.

    Nothing but the bundles of one second is held: all of a capture have its time in their ids.
    """
    for _, same_second in groupby(found, key=lambda entry: entry.id[:14]):
        by_capture: defaultdict[str, list[Entry]] = defaultdict(list)
        for entry in same_second:
            by_capture[entry.capture].append(entry)
        yield from (tuple(by_capture[capture]) for capture in sorted(by_capture))


def newest(family: Iterable[Entry]) -> Entry:
    """The end of the chain of one capture's bundles: the latest generation; of two that were derived from one parent
    at the same time the larger id, on every machine and in every listing the same."""
    return max(family, key=lambda entry: (entry.generation, entry.id))


def shown(family: Iterable[Entry]) -> Entry:
    """The bundle that stands for its capture: the newest good one, and only where none is good the newest."""
    return max(family, key=lambda entry: (entry.good, not entry.tombstone, entry.generation, entry.id))


def find(store: Store, target: str, at: datetime | None = None, *, broken: Broken = stop_at) -> str:
    """What `Catalog.find` gives, from all manifests of the store: right without any cache, and slow."""
    if is_id(target):
        return target
    page = identity(target)
    captures = families(entries(store, broken=broken))
    found = [entry for family in captures if any(page in entry.pages for entry in family) for entry in family]
    return chosen(found, target, at, location=store.location)


def chosen(found: Iterable[Entry], target: str, at: datetime | None, *, location: str) -> str:
    """The id that a URL means, of the bundles of all captures that answer for it, oldest first: the newest good
    capture, not after `at`, as last cleaned. Raises NotFound, saying what there is instead."""
    standing = [shown(family) for family in families(found)]
    stamp = f"{at:%Y%m%d%H%M%S}" if at else "9"
    fitting = [entry for entry in standing if entry.good and entry.id[:14] <= stamp]
    if fitting:
        return max(fitting, key=lambda entry: entry.capture).id
    raise NotFound(_why_not(standing, at), where=target, remedy=f"`tearsheet list --store {location}` shows all")


def _why_not(found: list[Entry], at: datetime | None) -> str:
    good = sorted(entry.id for entry in found if entry.good)
    if at and good:
        return f"no good bundle of this URL up to {at:%Y-%m-%d %H:%M:%S} UTC; the oldest is {good[0]}"
    live = [entry for entry in found if not entry.tombstone]
    if found and not live:
        return f"taken down: {max(found, key=lambda entry: entry.id).tombstone}"
    if live:
        newest = max(live, key=lambda entry: entry.id)
        return f"only captures with a bad verdict, the newest {newest.id} ({newest.verdict}); name that id to get it"
    return "no bundle of this URL in the store"


def is_id(text: str) -> bool:
    """Whether `text` has the form of a bundle's id."""
    return bool(BUNDLE_ID.fullmatch(text))


def parse_at(text: str) -> datetime:
    """The last moment that `text` names: a day (its end), or an ISO 8601 time; UTC unless it has an offset.

    Raises ValueError for anything else.
    """
    try:
        return datetime.combine(date.fromisoformat(text), time.max, UTC)
    except ValueError:
        pass
    moment = datetime.fromisoformat(text)
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return moment.astimezone(UTC)


def read_entry(id_: str, data: bytes) -> Entry:
    """The entry of one manifest. Raises FormatError, naming it."""
    return read_record(id_, data).entry


def read_record(id_: str, data: bytes) -> Record:
    """Entry and text of one manifest. Raises FormatError, naming it."""
    try:
        manifest = read_manifest(data)
    except FormatError as error:
        raise FormatError(error.what, where=f"{id_}.json", remedy=error.remedy) from None
    return Record(_entry(id_, manifest), manifest.text)


def _entry(id_: str, manifest: Manifest) -> Entry:
    metadata = manifest.metadata
    return Entry(
        id=id_,
        url=manifest.url,
        final_url=manifest.final_url,
        canonical_url=metadata.canonical_url.value if metadata.canonical_url else "",
        captured_at=manifest.captured_at,
        verdict=manifest.verdict.kind,
        reasons=manifest.verdict.reasons,
        title=metadata.title.value if metadata.title else "",
        words=manifest.words,
        size=manifest.bytes,
        sha256=manifest.sha256,
        text_sha256=manifest.text_sha256,
        authors=tuple(metadata.authors.value) if metadata.authors else (),
        published=metadata.published.value if metadata.published else "",
        language=metadata.language.value if metadata.language else "",
        section=metadata.section.value if metadata.section else "",
        **_lineage(manifest.lineage),
    )


def _lineage(lineage: Lineage | None) -> dict[str, Any]:
    if lineage is None:
        return {}
    return {"parent": lineage.parent.id, "root": lineage.root.id, "generation": lineage.generation}
