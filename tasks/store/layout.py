"""The keys of a store, once. Below the store's folder or prefix, of [a-z0-9._/-] only:

    v1/store.json                       format, id of the store, what its server can do
    v1/bundles/2026/11/23/<id>.wacz     the bundle
    v1/bundles/2026/11/23/<id>.json     its manifest, written last: its presence is the commit
    v1/events/2026/11/24/<event>.json   what happened to bundles since; append-only, see events.py
    v1/events/2026/11/24/<event>.warc.gz  what belongs to an event
    v1/tombstones/2026/11/23/<id>.json  the bundle was taken down: a copy of its event tombstone, see tombstones.py
    v1/sources/<sha256>.<kind>          files of other tools, as they were taken in
    v1/index/…                          derived: may be deleted, can be made anew
    v1/claims/<key after v1/>           short-lived: who may use or delete an orphan, see claims.py
    v1/probe/<random>/…                 short-lived: what the first use of a store tries out

The day of a bundle is the id's, so an id gives its key. Nothing is ever overwritten.
"""

from tasks.errors import NotFound
from tasks.records import BUNDLE_ID, Digest

__all__ = [
    "BUNDLES",
    "CLAIMS",
    "EVENTS",
    "INDEX",
    "PROBES",
    "SOURCES",
    "SOURCE_KINDS",
    "STORE_KEY",
    "TOMBSTONES",
    "bundle_key",
    "claim_key",
    "day_prefix",
    "manifest_key",
    "source_key",
    "tombstone_key",
]

STORE_KEY = "v1/store.json"
BUNDLES = "v1/bundles/"
EVENTS = "v1/events/"
SOURCES = "v1/sources/"
TOMBSTONES = "v1/tombstones/"
INDEX = "v1/index/"
SOURCE_KINDS = ("wacz", "warc", "warc.gz")
CLAIMS = "v1/claims/"
PROBES = "v1/probe/"


def bundle_key(bundle_id: str) -> str:
    """The key of a bundle's WACZ; NotFound for what cannot be an id."""
    return f"{_stem(bundle_id)}.wacz"


def manifest_key(bundle_id: str) -> str:
    """The key of a bundle's manifest; NotFound for what cannot be an id."""
    return f"{_stem(bundle_id)}.json"


def tombstone_key(bundle_id: str) -> str:
    """The key that tells that a bundle was taken down; NotFound for what cannot be an id."""
    return f"{_stem(bundle_id, TOMBSTONES)}.json"


def source_key(sha256: Digest, kind: str) -> str:
    """The key of a file of another tool as it was taken in. ValueError for a kind that is none of SOURCE_KINDS."""
    if kind not in SOURCE_KINDS:
        raise ValueError(f"kind is {kind!r}: one of {', '.join(SOURCE_KINDS)}")
    return f"{SOURCES}{sha256.removeprefix('sha256:')}.{kind}"


def claim_key(key: str) -> str:
    """The key of the claim on another key."""
    return CLAIMS + key.removeprefix("v1/")


def _stem(bundle_id: str, part: str = BUNDLES) -> str:
    if not BUNDLE_ID.fullmatch(bundle_id):
        raise NotFound(
            "not the id of a bundle", where=repr(bundle_id), remedy="Ids look like 20261123101500-0123456789abcdef"
        )
    return f"{day_prefix(part, bundle_id[:8])}{bundle_id}"


def day_prefix(part: str, day: str) -> str:
    """Where the keys of one day (yyyymmdd) stand below BUNDLES or EVENTS; all of `part` for the empty string."""
    return f"{part}{day[:4]}/{day[4:6]}/{day[6:8]}/" if day else part
