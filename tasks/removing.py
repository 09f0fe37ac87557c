"""Taking bundles down: what that means is found first, then a tombstone, then everything of them is deleted.

The tombstone goes first, and wins for every reader from then on. The manifest follows, then the WACZ, the file it was
imported from where no other bundle needs it, and the observations of it. A run that dies anywhere is completed by the
same command again. Nothing is deleted where a lock forbids deleting any of it.
"""

import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from typing import Any

from tasks.errors import FormatError, NotFound
from tasks.related import family_of
from tasks.store import Store
from tasks.store.base import read_ahead
from tasks.store.events import EVENT_KEY, Event
from tasks.store.layout import EVENTS, SOURCE_KINDS, SOURCES, bundle_key, manifest_key
from tasks.store.locks import check_unlocked
from tasks.store.objects import digest_stored, keys

__all__ = ["Decision", "Removal", "hold", "lift", "plan_removals", "remove"]

_SOURCE_KEY = re.compile(SOURCES + r"[0-9a-f]{64}\.(?:wacz|warc|warc\.gz)")
Heard = Callable[[str], None]  # told what takes long, and what could not be read


@dataclass(frozen=True, slots=True)
class Decision:
    """Why something is done, and who says so."""

    reason: str
    by: str


@dataclass(frozen=True, slots=True)
class Removal:
    """What taking one bundle down means."""

    id: str
    url: str  # that was asked for; empty where nothing tells it any more
    sha256: str  # of the WACZ, as its manifest says; empty where nothing tells it any more
    keys: tuple[str, ...]  # what is deleted, in this order; empty: nothing is left
    kept: tuple[str, ...]  # the file it was imported from, which other bundles need and which holds the page, too
    siblings: tuple[str, ...]  # bundles of the same capture that stay, and hold the same page
    tombstone: Event | None  # of an earlier removal

    def as_json(self) -> dict[str, Any]:
        """For `remove --json`."""
        return {
            "id": self.id,
            "sha256": self.sha256 or None,
            "keys": list(self.keys),
            "kept": list(self.kept),
            "siblings": list(self.siblings),
        }


def plan_removals(
    store: Store,
    ids: Iterable[str],
    *,
    bypass_governance: bool = False,
    now: datetime | None = None,
    heard: Heard = lambda line: None,
) -> tuple[Removal, ...]:
    """What taking these bundles down means; changes nothing.

    Raises NotFound for an id of which there is nothing, StoreLocked where a lock forbids deleting any of it.
    """
    drafts = {id_: _draft(store, id_) for id_ in dict.fromkeys(ids)}
    sources = {key for draft in drafts.values() for key in draft.sources}
    needed = _needed(store, sources, except_=set(drafts), heard=heard) if sources else set()
    observed = _observations(store, drafts, heard)
    found = []
    for id_, draft in drafts.items():
        meant = (*draft.own, *sorted(draft.sources - needed), *observed.get(id_, ()))
        there = _unlocked(store, meant, bypass_governance=bypass_governance, now=now or datetime.now(UTC))
        if not there and not draft.tombstone:
            raise NotFound(f"no bundle {id_}", where=store.location, remedy="`tearsheet list` shows what is there")
        siblings = tuple(other for other in draft.family if other not in drafts)
        kept = tuple(key for key in sorted(draft.sources & needed) if store.objects.versions(key))
        found.append(Removal(id_, draft.url, draft.sha256, there, kept, siblings, draft.tombstone))
    return tuple(found)


def remove(
    store: Store,
    removal: Removal,
    decision: Decision,
    *,
    bypass_governance: bool = False,
    now: datetime | None = None,
) -> Event:
    """The tombstone; everything that `removal` names is gone. May be repeated: the first tombstone stays."""
    detail = {"sha256": removal.sha256, "removed": list(removal.keys), **asdict(decision)}
    tombstone = removal.tombstone or Event("tombstone", now or datetime.now(UTC), removal.id, detail)
    store.put_event(tombstone)
    for key in removal.keys:
        store.objects.delete(key, bypass_governance=bypass_governance)
    return tombstone


def lift(store: Store, bundle_id: str, decision: Decision, *, now: datetime | None = None) -> Event:
    """The event that says so; a copy of the bundle may be stored again. NotFound where there is no tombstone."""
    next(store.list_ids(bundle_id[:8]), None)  # the store's format is known afterwards
    if not store.tombstones.stands(bundle_id):
        raise NotFound(f"no tombstone of {bundle_id}", where=store.location, remedy="There is nothing to lift")
    event = Event("lift", now or datetime.now(UTC), bundle_id, asdict(decision))
    store.put_event(event)
    return event


def hold(store: Store, bundle_id: str, decision: Decision, *, on: bool, now: datetime | None = None) -> Event:
    """The event that says so; WACZ and manifest are under a legal hold, or no longer. May be repeated.

    Raises StoreRefused where the store has no locks, NotFound for an unknown bundle.
    """
    store.read_manifest(bundle_id)
    for key in (bundle_key(bundle_id), manifest_key(bundle_id)):
        store.objects.hold(key, on)
    detail = {"state": "on" if on else "off", **asdict(decision)}
    event = Event("hold", now or datetime.now(UTC), bundle_id, detail)
    store.put_event(event)
    return event


# ------------------------------------------------------------------ what there is
@dataclass(frozen=True, slots=True)
class _Draft:
    own: tuple[str, ...]  # manifest and WACZ
    url: str
    sources: frozenset[str]
    sha256: str
    family: tuple[str, ...]
    tombstone: Event | None


def _draft(store: Store, bundle_id: str) -> _Draft:
    """What one bundle is made of, as far as its manifest or its tombstone tells."""
    own = manifest_key(bundle_id), bundle_key(bundle_id)
    family = family_of(store, bundle_id)
    tombstone = _tombstone(store, bundle_id)
    table = _manifest(store, bundle_id)
    sources = {_key for _key in (tombstone.detail.get("removed", ()) if tombstone else ()) if _is_source(_key)}
    digest = str(table.get("sha256") or (tombstone.detail.get("sha256", "") if tombstone else ""))
    if not digest.startswith(f"sha256:{bundle_id.rpartition('-')[2]}"):
        digest = _read_digest(store, bundle_key(bundle_id))
    return _Draft(own, str(table.get("url", "")), frozenset(sources | _sources_of(table)), digest, family, tombstone)


def _tombstone(store: Store, bundle_id: str) -> Event | None:
    """The one that stands; None also where it is damaged, and another event will say what it said."""
    try:
        return store.tombstones.find(bundle_id)
    except FormatError:
        return None


def _manifest(store: Store, bundle_id: str) -> Mapping[str, Any]:
    """The manifest as it stands, even of a bundle with a tombstone; empty where it is gone or damaged."""
    try:
        table = json.loads(b"".join(store.objects.read(manifest_key(bundle_id))))
    except (NotFound, ValueError, RecursionError):
        return {}
    return table if isinstance(table, dict) else {}


def _sources_of(table: Mapping[str, Any]) -> set[str]:
    """Every key that the file an imported bundle was made from may have."""
    source = table.get("source")
    digest = source.get("sha256") if isinstance(source, dict) else None
    stem = f"{SOURCES}{str(digest).removeprefix('sha256:')}"
    return {key for kind in SOURCE_KINDS if _is_source(key := f"{stem}.{kind}")}


def _is_source(key: object) -> bool:
    return isinstance(key, str) and bool(_SOURCE_KEY.fullmatch(key))


def _read_digest(store: Store, key: str) -> str:
    try:
        return digest_stored(store.objects, key)[1]
    except NotFound:
        return ""


def _needed(store: Store, sources: set[str], *, except_: set[str], heard: Heard) -> set[str]:
    """Those of `sources` whose digest stands in the manifest of a live bundle, be it damaged; reads until all do."""
    heard("looking for other bundles of the same imported file: this reads every manifest")
    digests = {key: key.removeprefix(SOURCES).partition(".")[0].encode() for key in sources}
    needed = set[str]()
    for id_, data in store.manifests():
        if id_ not in except_:
            needed |= {key for key, digest in digests.items() if digest in data}
            if needed == sources:
                break
    return needed


def _observations(store: Store, ids: Iterable[str], heard: Heard) -> dict[str, tuple[str, ...]]:
    """For each bundle the keys of the observations of it, attachments first: a rerun finds them by their events."""
    wanted = set(ids)
    first = min(id_[:8] for id_ in wanted)
    found: dict[str, list[str]] = {}
    for key, event in read_ahead(_observation_keys(store, first), lambda key: _event(store, key)):
        if isinstance(event, Event) and event.bundle in wanted:
            found.setdefault(event.bundle, []).append(key)
        elif isinstance(event, FormatError):
            heard(f"left out: {event}")
    return {
        id_: (*(f"{key.removesuffix('.json')}.warc.gz" for key in sorted(its)), *sorted(its))
        for id_, its in found.items()
    }


def _observation_keys(store: Store, first_day: str) -> Iterator[str]:
    for key in keys(store.objects, EVENTS):
        named = EVENT_KEY.fullmatch(key)
        if named and named[5] == "observation" and named[4][:8] >= first_day:
            yield key


def _event(store: Store, key: str) -> Event | FormatError | None:
    try:
        return store.read_event(key)
    except FormatError as error:
        return error
    except NotFound:  # deleted since it was listed
        return None


def _unlocked(store: Store, meant: Iterable[str], *, bypass_governance: bool, now: datetime) -> tuple[str, ...]:
    """Those keys of which a version is there; StoreLocked where one must not be deleted."""
    there = []
    for key in meant:
        if versions := store.objects.versions(key):
            where = f"{store.location.rstrip('/')}/{key}"
            check_unlocked(versions, where, bypass_governance=bypass_governance, now=now)
            there.append(key)
    return tuple(there)
