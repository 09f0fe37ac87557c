"""The catalog: what the store holds, read from its manifests alone."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from typing import Any
from urllib.parse import urldefrag, urlsplit, urlunsplit

from tasks.errors import FormatError, NotFound
from tasks.records import VerdictKind
from tasks.store import Store

__all__ = ["Entry", "entries", "find", "is_id", "parse_at"]

_ID = re.compile(r"[0-9]{14}-[0-9a-f]{16}")
_GOOD = (VerdictKind.OK, VerdictKind.PARTIAL)


@dataclass(frozen=True, slots=True)
class Entry:
    """One bundle as its manifest tells of it."""

    id: str
    url: str
    final_url: str
    canonical_url: str
    captured_at: str  # RFC 3339, UTC
    verdict: str
    reasons: tuple[str, ...]
    title: str
    words: int
    size: int

    @property
    def good(self) -> bool:
        """Whether this may be the newest version."""
        return self.verdict in _GOOD

    def answers_to(self, url: str) -> bool:
        """Whether this bundle is of `url`: as asked, as answered, or as the page itself names it on its own host."""
        wanted = _identity(url)
        if wanted in (_identity(self.url), _identity(self.final_url)):
            return True
        canonical = _identity(self.canonical_url)
        return bool(canonical) and canonical[0] == _identity(self.final_url)[0] and wanted == canonical


def entries(store: Store) -> Iterator[Entry]:
    """Every bundle of the store, oldest first. Raises FormatError for a manifest that cannot be read."""
    return (_entry(id_, manifest) for id_, manifest in store.manifests())


def find(store: Store, target: str, at: datetime | None = None) -> str:
    """The id that `target` means: itself, or the newest good bundle of that URL, not after `at`.

    Raises NotFound, saying what there is instead.
    """
    if is_id(target):
        return target
    found = [entry for entry in entries(store) if entry.answers_to(target)]
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
    return bool(_ID.fullmatch(text))


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


def _entry(id_: str, manifest: bytes) -> Entry:
    try:
        data: dict[str, Any] = json.loads(manifest)
        return Entry(
            id=id_,
            url=data["url"],
            final_url=data["final_url"],
            canonical_url=(data.get("canonical_url") or {}).get("value") or "",
            captured_at=data["captured_at"],
            verdict=data["verdict"]["kind"],
            reasons=tuple(data["verdict"]["reasons"]),
            title=(data.get("title") or {}).get("value") or "",
            words=data["words"],
            size=data["bytes"],
        )
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise FormatError(
            f"not a manifest: {error!r}", where=f"{id_}.json", remedy="`tearsheet verify` tells more of the bundle"
        ) from error


def _identity(url: str) -> tuple[str, str]:
    """Host and the rest, as far as two spellings of one URL surely mean the same page."""
    try:
        parts = urlsplit(urldefrag(url).url)
        port = f":{parts.port}" if parts.port and parts.port != {"http": 80, "https": 443}.get(parts.scheme) else ""
    except ValueError:
        return "", url
    host = (parts.hostname or "") + port
    return host, urlunsplit((parts.scheme, host, parts.path or "/", parts.query, ""))
