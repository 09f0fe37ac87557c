"""Which bundles hold the same page as another one: those of its capture, and all versions of its article."""

from collections.abc import Iterator

from tasks.catalog import Broken, Entry, entries, families, read_entry, stop_at
from tasks.errors import FormatError, NotFound, StoreTombstoned
from tasks.store import Store

__all__ = ["article_of", "family_of"]


def family_of(store: Store, bundle_id: str) -> tuple[str, ...]:
    """Ids of the bundles of one capture, that one among them where it is there, sorted: they hold the same WARC.

    Reads the manifests of that second alone. Where the bundle's own manifest is gone or damaged, those that were
    derived from it.
    """
    second = list(_of_second(store, bundle_id))
    captures = {entry.capture for entry in second if entry.id == bundle_id} or {bundle_id}
    return tuple(sorted(entry.id for entry in second if entry.capture in captures))


def article_of(store: Store, bundle_id: str, *, broken: Broken = stop_at) -> tuple[str, ...]:
    """Ids of all bundles of all captures that share a URL with this one, sorted; reads every manifest of the store.

    The bundle alone where it was taken down: nothing tells its URL any more.
    """
    try:
        pages = read_entry(bundle_id, store.read_manifest(bundle_id)).pages
    except StoreTombstoned:
        return (bundle_id,)
    found = [bundle_id]
    for family in families(entries(store, broken=broken)):
        if any(entry.pages & pages for entry in family):
            found += [entry.id for entry in family]
    return tuple(sorted(set(found)))


def _of_second(store: Store, bundle_id: str) -> Iterator[Entry]:
    for other in store.list_ids(bundle_id[:8]):
        if other[:14] == bundle_id[:14]:
            try:
                yield read_entry(other, store.read_manifest(other))
            except (FormatError, NotFound):
                continue  # told by `list` and `audit`; nobody can say what it holds
