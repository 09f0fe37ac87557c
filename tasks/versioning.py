"""Which version of its article a capture is: held against the latest good one, never against an older one.

| first that holds | the capture is |
| --- | --- |
| a 304 to the validators of a version | unchanged, `not-modified`: that version still stands |
| its own verdict is bad | stored as such: no version |
| the page's payload is that of the latest version | unchanged, `same-payload`, whatever newer rules would make of it |
| same title and same text, both normalised | unchanged, `same-text` |
| unchanged, and more of its requisites came than the version, which is `partial`, has | the next version |
| its article has lost most of the words of the latest version | stored with the verdict `thin`: no version |
| anything else | the next version |

Byline, dates, section and tags alone make no version: pages set them anew without a word changed. What differs of them
is named in the observation. A page without text is judged by its payload alone. Against an older version nothing is
held: a text that is put back is a version of its own.
"""

import contextlib
import re
import sqlite3
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Protocol

from tasks.bundle.manifest import PREVIOUS, SOURCED, Link, Manifest, read_manifest
from tasks.bundle.rendered import RENDERED
from tasks.catalog import Entry, Page, read_entry
from tasks.errors import DiskFull, NotFound
from tasks.normalising import normalised
from tasks.reading import Reading
from tasks.records import BundleRef, Capture, Metadata, PageText, Requisites, Validators, Verdict, VerdictKind
from tasks.settings import Settings
from tasks.store import Store
from tasks.store.layout import bundle_key

__all__ = [
    "NOT_MODIFIED",
    "Compared",
    "History",
    "Version",
    "Versions",
    "changed_fields",
    "compare",
    "completed",
    "may_complete",
    "seen_as",
    "still_standing",
    "still_thin",
    "thinner_than_latest",
]

_DRAWN = f"archive/{RENDERED}"
SAME_PAYLOAD, SAME_TEXT, NOT_MODIFIED = "same-payload", "same-text", "not-modified"
_SENT_BACK = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,1023}")  # validators that can stand in a request
_HAS = re.compile(r"requisites-([0-9]{1,2})-percent")
_THINNER = re.compile(r"words-[0-9]+-of-([0-9]+)-in-([0-9]{14}-[0-9a-f]{16})")


class Versions(Protocol):
    """What is asked of a catalog; safe to call from several threads."""

    def latest(self, urls: Iterable[str], at: datetime | None = None) -> Entry | None:
        """The newest good version of the article that any of these URLs names, not after `at`."""

    def versions(self, url: str) -> tuple[Entry, ...]:
        """Every bundle of the article, oldest first, good and bad."""

    def answering(self, url: str) -> tuple[Entry, ...]:
        """Every bundle of the captures that answer for just this URL."""

    def add(self, id_: str, manifest: bytes) -> None:
        """A bundle that has just been stored."""


@dataclass(frozen=True, slots=True)
class Version:
    """A stored version, as captures are held against it."""

    number: int  # 1 for the first capture of the article
    manifest: Manifest
    observed: int = 0  # visits that found it unchanged

    @property
    def link(self) -> Link:
        """What a bundle that follows it names it by."""
        return Link(self.manifest.id, self.manifest.sha256)

    @property
    def validators(self) -> Validators | None:
        """What its server can be asked with whether it still stands; None where it gave nothing."""
        original = self.manifest.original
        if original is None or self.manifest.status != 200:
            return None
        etag, modified = (
            text if _SENT_BACK.fullmatch(text) else "" for text in (original.etag, original.last_modified)
        )
        return Validators(original.url, etag, modified) if etag or modified else None

    @property
    def drawn(self) -> bool:
        """Whether a browser has drawn it, so that its HTML alone does not tell whether it still stands."""
        return _DRAWN in self.manifest.members

    @property
    def ref(self) -> BundleRef:
        """Where it stands in the store."""
        found = self.manifest
        return BundleRef(found.id, bundle_key(found.id), found.sha256, found.bytes, created=False)


@dataclass(frozen=True, slots=True)
class Compared:
    """A reading as it stands in the history of its article."""

    reading: Reading  # its verdict is that of this comparison
    latest: Version | None = None  # what it was held against
    why: str = ""  # same-payload, same-text or not-modified: it is unchanged; empty: it is to be stored
    previous: Link | None = None  # what its bundle shall name as the version before
    number: int | None = None  # of the version it confirms or becomes; None: it is no version
    forced: bool = False  # it is stored as it is, whatever the comparison would say
    completes: bool = False  # the page is unchanged, but more of its requisites came than that version has
    tried: Requisites | None = None  # what a visit got that wanted to complete the version, and could not

    @property
    def confirms(self) -> Version | None:
        """The version that it is a visit of, unchanged; None: it is to be stored."""
        return self.latest if self.why else None

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What provenance.json says of the comparison."""
        said: dict[str, Any] = {name: True for name in ("forced", "completes") if getattr(self, name)}
        if self.previous:
            said[PREVIOUS] = {"id": self.previous.id, "sha256": self.previous.sha256}
        return said


def compare(
    capture: Capture, reading: Reading, history: "History", settings: Settings, *, force: bool = False
) -> Compared:
    """The reading held against the latest good version; with `force` it becomes the next one, whatever it says."""
    if not reading.verdict.good:
        return Compared(reading, forced=force)
    seen = seen_as(capture, reading)
    # In the order of capture: where pages of one article come in otherwise, the version of that moment counts.
    latest = history.latest(seen, capture.started_at) or history.latest(seen)
    if latest is None:
        return Compared(reading, number=1, forced=force)
    if not force:
        if why := _unchanged(capture, reading, latest.manifest):
            return Compared(reading, latest, why, number=latest.number)
        reading = replace(reading, verdict=_thinner(reading, latest.manifest, settings))
    earlier = _is_before(latest, capture)
    number = latest.number + 1 if reading.verdict.good and earlier else None
    return Compared(reading, latest, previous=latest.link if earlier else None, number=number, forced=force)


# ------------------------------------------------------------------ completed
def may_complete(version: Version | None, settings: Settings) -> bool:
    """Whether a visit that finds a version unchanged asks again for the requisites that it lacks: the first such visit,
    the second, the fourth, the eighth and so on, so that nothing is given up, and little asked in vain."""
    if version is None or version.manifest.verdict.kind is not VerdictKind.PARTIAL or settings.mode == "page":
        return False
    visits = version.observed + 1
    return visits & (visits - 1) == 0


def completed(compared: Compared, capture: Capture) -> Compared:
    """An unchanged page as the next version where it has more of its requisites now; else what was tried is noted."""
    latest, requisites = compared.confirms, capture.requisites
    if latest is None or requisites is None:
        return compared
    earlier = _is_before(latest, capture)
    if not earlier or _percent(requisites) <= _percent_of(latest.manifest.verdict):
        return replace(compared, tried=requisites)
    return replace(compared, why="", previous=latest.link, number=latest.number + 1, completes=True)


def _percent(found: Requisites) -> int:
    return 100 * found.captured // found.wanted if found.missing else 100


def _percent_of(verdict: Verdict) -> int:
    """How many of its requisites a partial version says that it has."""
    said = next(filter(None, map(_HAS.fullmatch, verdict.reasons)), None)
    return int(said[1]) if said else 0


def _is_before(version: Version, capture: Capture) -> bool:
    return version.manifest.id[:14] <= f"{capture.started_at:%Y%m%d%H%M%S}"


def still_standing(capture: Capture, version: Version) -> Compared:
    """What a capture comes to whose server answered 304: the version it was asked about, read as it was then."""
    found = version.manifest
    page = PageText(found.media_type, None)
    return Compared(Reading(page, None, found.metadata, found.verdict), version, NOT_MODIFIED, number=version.number)


def _unchanged(capture: Capture, reading: Reading, latest: Manifest) -> str:
    """Why the reading is no change of the version; the empty string where it is one."""
    drawn = capture.rendered is not None  # the same HTML may draw another page
    if not drawn and latest.original and latest.original.payload == capture.page.payload_digest:
        return SAME_PAYLOAD
    text = normalised(reading.article.text) if reading.article else ""
    if not text or text != normalised(latest.text) or _title(reading.metadata) != _title(latest.metadata):
        return ""
    return SAME_TEXT


def _title(metadata: Metadata) -> str:
    return normalised(metadata.title.value) if metadata.title else ""


# ------------------------------------------------------------------ thinner
def _thinner(reading: Reading, latest: Manifest, settings: Settings) -> Verdict:
    """The reading's verdict, or `thin` where most of the words are gone: a wall or a broken page, not an edit."""
    words = reading.article.words if reading.article else 0
    return _collapsed(words, latest.words, latest.id, settings) or reading.verdict


def thinner_than_latest(manifest: bytes, history: "History", settings: Settings) -> Verdict | None:
    """The verdict that a good capture, packed while the store could not be asked, gets now; None: it stays good.

    It is held against the latest good version as of its moment, like a capture that is just made.
    """
    found = read_manifest(manifest)
    entry = read_entry(found.id, manifest)
    moment = datetime.strptime(found.id[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)
    latest = history.latest(entry, moment) or history.latest(entry)
    if not found.verdict.good or latest is None:
        return None
    return _collapsed(found.words, latest.manifest.words, latest.manifest.id, settings)


def _collapsed(words: int, before: int, id_: str, settings: Settings) -> Verdict | None:
    if before < settings.thinner_from_words or words >= before * settings.thinner_share:
        return None
    return Verdict(VerdictKind.THIN, (f"words-{words}-of-{before}-in-{id_}",))


def still_thin(before: Verdict, reading: Reading, settings: Settings) -> Reading:
    """A capture read anew that was once found thinner than a version: so it stays unless it has the words now."""
    found = next(filter(None, map(_THINNER.fullmatch, before.reasons)), None)
    if not found or not reading.verdict.good:
        return reading
    words = reading.article.words if reading.article else 0
    verdict = _collapsed(words, int(found[1]), found[2], settings)
    return replace(reading, verdict=verdict or reading.verdict)


def changed_fields(reading: Reading, version: Version) -> tuple[str, ...]:
    """Metadata whose values are other than the version's."""
    before, now = version.manifest.metadata, reading.metadata
    return tuple(name for name in SOURCED if _value(before, name) != _value(now, name))


def _value(metadata: Metadata, name: str) -> object:
    found = getattr(metadata, name)
    return found.value if found else None


# ------------------------------------------------------------------ history
def seen_as(capture: Capture, reading: Reading) -> Entry:
    """A capture as the catalog sees it: under which URLs."""
    canonical = reading.metadata.canonical_url
    return Entry(
        id="",
        url=capture.url,
        final_url=capture.final_url,
        canonical_url=canonical.value if canonical else "",
        captured_at="",
        verdict=reading.verdict.kind,
        reasons=(),
        title="",
        words=0,
        size=0,
    )


def _name(entry: Entry) -> Page:
    """What the article of a bundle is called: its canonical URL, else the one that answered; the one asked for where
    that is a home page or section."""
    return entry.urls[-1] if entry.urls[-1].alike else entry.urls[0]


def _names(seen: Entry, versions: Versions) -> tuple[str, ...]:
    """The URLs under which the article of a capture is looked for: what it is called, and the one asked for, unless
    that has led to another article too, as /latest does."""
    name, asked = _name(seen), seen.urls[0]
    led = {_name(other).key for other in versions.answering(asked.url)}
    return (name.url, asked.url) if led <= {name.key, asked.key} else (name.url,)


class History:
    """The versions of every article of a store; the catalog behind it is opened at the first question. Thread-safe."""

    def __init__(self, store: Store, opening: Callable[[], AbstractContextManager[Versions]]) -> None:
        self._store, self._opening = store, opening
        self._open = contextlib.ExitStack()
        self._versions: Versions | None = None
        self._guard = threading.Lock()
        self._turn, self._busy = threading.Condition(), set[str]()

    def __enter__(self) -> "History":
        return self

    def __exit__(self, *exc: object) -> None:
        self._open.close()

    @contextlib.contextmanager
    def turn(self, names: frozenset[str]) -> Iterator[None]:
        """The only one at work on an article that any of these URLs names: captures of one follow each other."""
        with self._turn:
            self._turn.wait_for(lambda: not names & self._busy)
            self._busy |= names
        try:
            yield
        finally:
            with self._turn:
                self._busy -= names
                self._turn.notify_all()

    def latest(self, seen: Entry, at: datetime | None = None) -> Version | None:
        """The newest good version, not after `at`, of the article that a capture is of; None where there is none.

        Raises DiskFull where the catalog cannot be kept: without it every page would be taken for a new one.
        """
        try:
            catalog = self._catalog()
            entry = catalog.latest(_names(seen, catalog), at)
            number = _number(entry, catalog.versions(_name(entry).url)) if entry else 0
        except sqlite3.Error as error:
            raise DiskFull(
                f"the local catalog cannot be used: {error}",
                where=self._store.location,
                remedy="Free some space, or name another folder in TEARSHEET_CACHE, and run again",
            ) from error
        try:
            if entry is None:
                return None
            return Version(number, read_manifest(self._store.read_manifest(entry.id)), entry.observed)
        except NotFound:  # taken down since
            return None

    def latest_of(self, url: str) -> Version | None:
        """The newest good version of the article that a visit to `url` would be of, as far as the URL tells."""
        asked = Entry("", url, url, "", "", VerdictKind.OK, (), "", 0, 0)
        return self.latest(asked)

    def add(self, id_: str, manifest: bytes) -> None:
        """A bundle that has just been stored; a catalog that is opened later finds it by itself."""
        with self._guard:
            versions = self._versions
        if versions:
            versions.add(id_, manifest)

    def _catalog(self) -> Versions:
        with self._guard:
            if self._versions is None:
                self._versions = self._open.enter_context(self._opening())
            return self._versions


def _number(entry: Entry, bundles: Iterable[Entry]) -> int:
    """The place of a version among the good captures of its article, however often each was cleaned anew."""
    return len({other.capture for other in bundles if other.verdict.good and other.capture <= entry.capture})
