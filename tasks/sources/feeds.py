"""RSS, Atom and JSON Feed in, their entries out.

feedparser reads what lxml has mended and cut before: by itself it takes a minute for 2 MB of `<a <a <a`, and 5 s
and 70 MB for the entities of a few lines (measured with 6.0.14).
"""

import calendar
import io
import json
from collections.abc import Iterable
from datetime import UTC, datetime
from typing import Any

from tasks.errors import FormatError
from tasks.sources.found import Discovery, Fetched, Found
from tasks.sources.markup import name_of, parse_xml
from tasks.sources.urls import absolute, as_browsers_read, is_url, parse_moment

__all__ = ["ROOTS", "is_json_feed", "parse_feed"]

ROOTS = frozenset({"rss", "feed", "rdf"})
ELEMENTS = 100_000  # left when of each entry only what is read was kept
ENTRIES = 5_000  # read of one feed; real ones have 10 to 500
# What an entry's link, title and date are made of, in any version; its content stays unread.
_READ = frozenset({"link", "guid", "id", "title", "pubdate", "date", "published", "issued", "updated", "modified"})
_WHY = "entry of the feed"
_NO_LINK = "the entry has no http or https link"
_REMEDY = "Name the feed itself, not its web page"
_VERSION = "https://jsonfeed.org/version/1"  # https://www.jsonfeed.org/version/1.1/


def parse_feed(answer: Fetched) -> Discovery:
    """The entries of a feed with the absolute link, title and date of each. Raises FormatError for what is no feed."""
    return _parse_json(answer) if is_json_feed(answer.payload) else _parse_xml(answer)


def is_json_feed(payload: bytes) -> bool:
    """Whether it can only be JSON: no markup begins so."""
    return payload.removeprefix(b"\xef\xbb\xbf").lstrip()[:1] == b"{"


# ------------------------------------------------------------------ RSS, Atom
def _parse_xml(answer: Fetched) -> Discovery:
    import feedparser  # 0.1 s that only feeds are worth

    payload, notes = _mended(answer)
    headers = {"content-type": "application/xml; charset=utf-8", "content-location": answer.url}
    # Bytes in BytesIO: plain bytes or str could name a file or URL, which feedparser would open.
    feed = feedparser.parse(io.BytesIO(payload), response_headers=headers, sanitize_html=False)
    entries = (
        Found(as_browsers_read(entry.get("link", "")), _WHY, entry.get("title", ""), _date(entry))
        for entry in feed.entries
    )
    return _parted(entries, notes, answer)


def _mended(answer: Fetched) -> tuple[bytes, tuple[str, ...]]:
    """The feed well-formed, in UTF-8, without a DOCTYPE and with ENTRIES entries at most; and what had to be done."""
    root, notes = parse_xml(answer)
    if root is None or name_of(root) not in ROOTS:
        raise FormatError("neither RSS nor Atom nor JSON Feed", where=answer.url, remedy=_REMEDY)
    entries = [node for node in root.iter() if name_of(node) in ("item", "entry")]
    for node in entries[ENTRIES:]:
        _drop(node)
    for node in [child for entry in entries[:ENTRIES] for child in entry if name_of(child) not in _READ]:
        _drop(node)
    if sum(1 for _ in root.iter()) > ELEMENTS:
        raise FormatError(f"a feed of more than {ELEMENTS:,} elements", where=answer.url, remedy=_REMEDY)
    if len(entries) > ENTRIES:
        notes = (*notes, f"{len(entries) - ENTRIES} entries beyond the first {ENTRIES} left unread")
    from lxml import etree

    return etree.tostring(root, encoding="utf-8", xml_declaration=True, with_tail=False), notes


def _drop(node: Any) -> None:
    parent = node.getparent()
    if parent is not None:
        parent.remove(node)


def _date(entry: Any) -> datetime | None:
    parsed = entry.get("published_parsed") or entry.get("updated_parsed")  # UTC
    try:
        return datetime.fromtimestamp(calendar.timegm(parsed), UTC) if parsed else None
    except (ValueError, OverflowError, OSError, TypeError):
        return None


# ------------------------------------------------------------------ JSON Feed
def _parse_json(answer: Fetched) -> Discovery:
    try:
        feed = json.loads(answer.payload.decode("utf-8-sig", "replace"))
    except (ValueError, RecursionError):
        feed = None
    items = feed.get("items") if isinstance(feed, dict) else None
    if not isinstance(items, list) or not str(feed.get("version", "")).startswith(_VERSION):
        raise FormatError("JSON, but no JSON Feed of version 1", where=answer.url, remedy=_REMEDY)
    goes_on = str(feed.get("next_url", "")).encode("utf-8", "backslashreplace").decode()[:1000]  # it goes into an event
    notes = [f"the feed goes on at {goes_on}, which is not read"] if is_url(goes_on) else []
    if len(items) > ENTRIES:
        notes.append(f"{len(items) - ENTRIES} entries beyond the first {ENTRIES} left unread")
    return _parted((_item(item, answer.url) for item in items[:ENTRIES]), tuple(notes), answer)


def _item(item: Any, base: str) -> Found:
    """One item; `url` is its page, `external_url` the page elsewhere that an item of a link blog is about."""
    said = {key: value for key, value in item.items() if isinstance(value, str)} if isinstance(item, dict) else {}
    link = said.get("url") or said.get("external_url") or ""
    published = parse_moment(said.get("date_published") or said.get("date_modified") or "")
    return Found(absolute(base, link) if link else said.get("id", ""), _WHY, said.get("title", ""), published)


def _parted(entries: Iterable[Found], notes: tuple[str, ...], answer: Fetched) -> Discovery:
    """The entries that name a page, and those that do not: feedparser offers the id of these, such as urn: or tag:."""
    found, passed = list[Found](), list[tuple[Found, str]]()
    for entry in entries:
        if is_url(entry.url):
            found.append(entry)
        else:
            passed.append((entry, _NO_LINK))
    return Discovery(tuple(found), tuple(passed), notes, answer.validators)
