"""Sitemaps, news sitemaps and indexes of them (https://www.sitemaps.org/protocol.html), plain or in gzip."""

import zlib
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tasks.errors import FormatError, TearsheetError
from tasks.sources.found import Discovery, Fetch, Fetched, Found
from tasks.sources.markup import name_of, parse_xml
from tasks.sources.urls import absolute, is_url, last_moment, parse_moment

__all__ = ["ROOTS", "read_sitemap", "unzipped"]

ROOTS = frozenset({"urlset", "sitemapindex"})
LEVELS = 3  # an index, indexes in it, sitemaps in those
FILES = 50  # read for one source in one run
URLS = 50_000  # the protocol's bound for one file
BYTES = 52_428_800  # the protocol's bound for one file, unzipped
_UNDATED = datetime.min.replace(tzinfo=UTC)
_REMEDY = "Name a sitemap or an index of them; robots.txt of the site tells where they are"


def read_sitemap(at: str, fetch: Fetch, *, since: datetime | None = None) -> Discovery:
    """The pages of a sitemap, or of the sitemaps that an index names, the newest first, undated ones last.

    An index is followed through LEVELS levels and FILES files, those changed last first; what is left unread, or cannot
    be read, is a note. Files that an index says were last changed before `since` are not asked for.
    Raises FormatError where `at` is no sitemap, and what `fetch` raises for it, or for every file of an index.
    """
    return _Reading(fetch, since).read(at)


class _Reading:
    """One source being read: files still to read, and what was found in those read."""

    def __init__(self, fetch: Fetch, since: datetime | None) -> None:
        self.fetch, self.since = fetch, since
        self.waiting: list[tuple[datetime, str, int]] = []  # last change, URL, level
        self.seen: set[str] = set()
        self.found: list[Found] = []
        self.passed: list[tuple[Found, str]] = []
        self.notes: list[str] = []
        self.failed: list[TearsheetError] = []
        self.sitemaps = 0  # files with pages that were read

    def read(self, at: str) -> Discovery:
        self.seen.add(at)
        first = self.fetch(at)
        is_index = self._take(first, level=1)
        files = 1
        while self.waiting and files < FILES:
            self.waiting.sort(key=lambda entry: entry[0])  # stable: files without a date, last first
            _, url, level = self.waiting.pop()
            files += 1
            self._try(url, level)
        if self.waiting:
            self.notes.append(f"{len(self.waiting)} sitemaps left unread: at most {FILES} are read in one run")
        if self.failed and not self.sitemaps:
            raise self.failed[0]
        newest_first = sorted(self.found, key=lambda one: one.published or _UNDATED, reverse=True)
        validators = None if is_index else first.validators
        return Discovery(tuple(newest_first), tuple(self.passed), tuple(self.notes), validators)

    def _try(self, url: str, level: int) -> None:
        try:
            self._take(self.fetch(url), level)
        except TearsheetError as error:  # one file never stops the others
            self.failed.append(error)
            self.notes.append(f"left out: {error}")

    def _take(self, answer: Fetched, level: int) -> bool:
        """What one file names; whether it is an index."""
        root, notes = parse_xml(replace(answer, payload=unzipped(answer)))
        kind = "" if root is None else name_of(root)
        if kind not in ROOTS:
            raise FormatError("no sitemap", where=answer.url, remedy=_REMEDY)
        self.notes += [f"{answer.url}: {note}" for note in notes]
        children = [node for node in root if name_of(node) in ("url", "sitemap")]
        if len(children) > URLS:
            self.notes.append(f"{answer.url}: {len(children) - URLS} entries beyond the first {URLS} left unread")
        if kind == "sitemapindex":
            self._queue(children[:URLS], answer.url, level)
            return True
        self.sitemaps += 1
        for node in children[:URLS]:
            self._page(node, answer.url)
        return False

    def _queue(self, nodes: list[Any], base: str, level: int) -> None:
        if level == LEVELS:
            self.notes.append(f"{base}: {len(nodes)} sitemaps left unread: more than {LEVELS} levels of indexes")
            return
        old = 0
        for node in reversed(nodes):  # popped from the end: the first of the file comes first
            said = _children(node)
            url, changed = absolute(base, said.get("loc", "")), parse_moment(said.get("lastmod", ""))
            if self.since and changed and last_moment(changed) < self.since:
                old += 1
            elif not is_url(url):
                self.notes.append(f"{base}: {url!r} names no sitemap")
            elif url not in self.seen:
                self.seen.add(url)
                self.waiting.append((changed or _UNDATED, url, level + 1))
        if old:
            self.notes.append(f"{base}: {old} sitemaps unchanged for longer than max_age were not read")

    def _page(self, node: Any, base: str) -> None:
        said = _children(node)
        news = said.get("publication_date", "")
        dated = parse_moment(news) or parse_moment(said.get("lastmod", ""))
        link = said.get("loc", "")
        why = "news of the sitemap" if news else "page of the sitemap"
        page = Found(absolute(base, link) if link else "", why, said.get("title", ""), dated)
        if is_url(page.url):
            self.found.append(page)
        else:
            self.passed.append((page, "no http or https URL"))


def _children(node: Any) -> dict[str, str]:
    """Name and text of an entry's elements, those of <news:news> among them; pictures and videos have others."""
    said: dict[str, str] = {}
    for child in node:
        inner = list(child) if name_of(child) == "news" else [child]
        for one in inner:
            said.setdefault(name_of(one), (one.text or "").strip())
    return said


def unzipped(answer: Fetched) -> bytes:
    """The payload, out of gzip where it is in it. Raises FormatError past BYTES, or where it is cut or damaged."""
    rest = answer.payload
    if not rest.startswith(b"\x1f\x8b"):
        return rest
    out = bytearray()
    while rest.startswith(b"\x1f\x8b"):  # a file may have several members
        member = zlib.decompressobj(wbits=31)
        try:
            out += member.decompress(rest, BYTES + 1 - len(out))
        except zlib.error as error:
            raise FormatError(f"broken gzip: {error}", where=answer.url, remedy=_REMEDY) from None
        if len(out) > BYTES:
            raise FormatError(f"more than {BYTES:,} bytes unzipped", where=answer.url, remedy=_REMEDY)
        if not member.eof:
            raise FormatError("the gzip file ends too early", where=answer.url, remedy="The next run tries again")
        rest = member.unused_data
    return bytes(out)
