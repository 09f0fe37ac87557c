"""The catalog: what the store holds, read from its manifests alone."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from urllib.parse import urldefrag, urlsplit, urlunsplit

from tasks.bundle.manifest import read_manifest
from tasks.errors import FormatError, NotFound
from tasks.records import BUNDLE_ID, VerdictKind
from tasks.store import Store

__all__ = ["Entry", "entries", "find", "identity", "is_id", "parse_at"]


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

    @property
    def good(self) -> bool:
        """Whether this may be the newest version."""
        return self.verdict.good

    @property
    def pages(self) -> frozenset[str]:
        """The URLs that this bundle answers for, each as `identity` spells it: as asked, as answered, and as the page
        names itself, which counts only on the host that answered, where the page can know."""
        (_, asked), (host, answered), (own, canonical) = map(_spelled, (self.url, self.final_url, self.canonical_url))
        return frozenset((asked, answered, canonical) if own == host else (asked, answered))


Broken = Callable[[FormatError], None]  # told of each manifest that cannot be read; may raise it


def stop_at(error: FormatError) -> None:
    """Raises the error: one damaged manifest ends the reading."""
    raise error


def entries(store: Store, *, broken: Broken = stop_at) -> Iterator[Entry]:
    """Every bundle of the store, oldest first; a manifest that cannot be read goes to `broken`."""
    for id_, manifest in store.manifests():
        try:
            entry = _entry(id_, manifest)
        except FormatError as error:
            broken(error)
        else:
            yield entry


def find(store: Store, target: str, at: datetime | None = None, *, broken: Broken = stop_at) -> str:
    """The id that `target` means: itself, or the newest good bundle of that URL, not after `at`.

    Raises NotFound, saying what there is instead.
    """
    if is_id(target):
        return target
    page = identity(target)
    found = [entry for entry in entries(store, broken=broken) if page in entry.pages]
    stamp = f"{at:%Y%m%d%H%M%S}" if at else "9"
    fitting = [entry.id for entry in found if entry.good and entry.id[:14] <= stamp]
    if fitting:
        return max(fitting)
    raise NotFound(_why_not(found, at), where=target, remedy=f"`tearsheet list --store {store.location}` shows all")


def _why_not(found: list[Entry], at: datetime | None) -> str:
    good = sorted(entry.id for entry in found if entry.good)
    if at and good:
        return f"no good bundle of this URL up to {at:%Y-%m-%d %H:%M:%S} UTC; the oldest is {good[0]}"
    if found:
        newest = max(found, key=lambda entry: entry.id)
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


def _entry(id_: str, data: bytes) -> Entry:
    try:
        manifest = read_manifest(data)
    except FormatError as error:
        raise FormatError(error.what, where=f"{id_}.json", remedy=error.remedy) from None
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
    )


def identity(url: str) -> str:
    """The one spelling of all that surely mean the same page: no fragment, no default port, the host in lower case."""
    return _spelled(url)[1]


def _spelled(url: str) -> tuple[str, str]:
    """The host with its port, and the URL, in that spelling."""
    try:
        parts = urlsplit(urldefrag(url).url)
        port = f":{parts.port}" if parts.port and parts.port != {"http": 80, "https": 443}.get(parts.scheme) else ""
    except ValueError:
        return "", url
    host = (parts.hostname or "") + port
    return host, urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))
