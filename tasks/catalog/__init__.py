"""The catalog: what a store holds, found by URL, by words, by date; derived from the store alone.

entries.py what a manifest tells · identity.py which URLs name one page · words.py words of any script · tables.py the
SQLite file · cache.py where it lies · refresh.py up to date with the store · history.py one article's bundles ·
query.py, search.py, listing.py questions · local.py all of it in one class
"""

from tasks.catalog.entries import (
    Broken,
    Entry,
    entries,
    families,
    find,
    is_id,
    newest,
    parse_at,
    read_entry,
    shown,
    stop_at,
)
from tasks.catalog.history import Version, numbered
from tasks.catalog.identity import Page, identity
from tasks.catalog.listing import Filters
from tasks.catalog.local import Catalog, Info, locate, open_catalog
from tasks.catalog.query import Query, parse_query
from tasks.catalog.refresh import Heard
from tasks.catalog.search import Hit, Snippet

__all__ = [
    "Broken",
    "Catalog",
    "Entry",
    "Filters",
    "Heard",
    "Hit",
    "Info",
    "Page",
    "Query",
    "Snippet",
    "Version",
    "entries",
    "families",
    "find",
    "identity",
    "is_id",
    "locate",
    "newest",
    "numbered",
    "open_catalog",
    "parse_at",
    "parse_query",
    "read_entry",
    "shown",
    "stop_at",
]
