"""Sources of URLs to watch: watch.toml, feeds, sitemaps, section pages and lists in, URLs with reasons out.

Nothing here touches the network: whoever calls `discover` brings `fetch`.

| module | takes | gives |
| --- | --- | --- |
| config.py | watch.toml | Source |
| feeds.py, sitemaps.py, sections.py, lists.py | what a source's URL answered | Discovery: found, passed over, notes |
| discover.py | Source, `fetch`, the moment | Discovery, include, exclude and max_age applied |
| edit.py | watch.toml and one change | watch.toml, comments and order kept |
"""

from tasks.sources.config import FILE, KINDS, Source, load_sources, named
from tasks.sources.discover import discover, kind_of
from tasks.sources.found import Discovery, Fetch, Fetched, Found, NotModified, Remembered
from tasks.sources.urls import without_fragment

__all__ = [
    "FILE",
    "KINDS",
    "Discovery",
    "Fetch",
    "Fetched",
    "Found",
    "NotModified",
    "Remembered",
    "Source",
    "discover",
    "kind_of",
    "load_sources",
    "named",
    "without_fragment",
]
