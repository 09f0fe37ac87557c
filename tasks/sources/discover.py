"""What a source names now: read by its kind, then include, exclude and max_age applied, each URL once."""

import re
from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

from tasks.errors import NotFound
from tasks.sources.config import Source, duration_text
from tasks.sources.feeds import ROOTS as FEEDS
from tasks.sources.feeds import is_json_feed, parse_feed
from tasks.sources.found import Discovery, Fetch, Fetched, Found
from tasks.sources.lists import parse_csv, parse_list
from tasks.sources.markup import name_of, parse_xml
from tasks.sources.patterns import matches
from tasks.sources.sections import parse_section
from tasks.sources.sitemaps import ROOTS as SITEMAPS
from tasks.sources.sitemaps import read_sitemap, unzipped
from tasks.sources.urls import is_url, last_moment, without_fragment

__all__ = ["discover", "kind_of"]


def discover(source: Source, fetch: Fetch, now: datetime) -> Discovery:
    """What `source` names at the moment `now` (aware), in its order, each URL once, without fragments.

    `fetch` gets what is a URL. Raises FormatError for what is not of the source's kind, NotFound for a file that is not
    there, and whatever `fetch` raises: errors of its own, or NotModified where it asked conditionally.
    """
    since = _since(now, source.max_age_s) if source.max_age_s else None
    named = _read(source, fetch, since)
    found, passed = list[Found](), list[tuple[Found, str]]()
    for one in _once(named.found):
        why_not = _unwanted(one, source, since)
        if why_not:
            passed.append((one, why_not))
        else:
            found.append(one)
    return replace(named, found=tuple(found), passed_over=(*named.passed_over, *passed))


def kind_of(answer: Fetched) -> str:
    """The kind of source that an answer is, by what it holds: feed, sitemap, section, csv or list."""
    if is_json_feed(answer.payload):
        return "feed"
    start = unzipped(answer)[:65_536]
    root, _ = parse_xml(replace(answer, payload=start)) if start.lstrip()[:1] == b"<" else (None, ())
    name = "" if root is None else name_of(root)
    if name in FEEDS:
        return "feed"
    if name in SITEMAPS:
        return "sitemap"
    if re.search(rb"<(!doctype\s+html|html|head|body|a)\b", start, re.I):
        return "section"
    media_type = answer.content_type.partition(";")[0].strip().lower()
    return "csv" if media_type == "text/csv" else "list"


def _since(now: datetime, max_age_s: float) -> datetime | None:
    """The moment before which entries are too old; None where that is before all years."""
    try:
        return now - timedelta(seconds=max_age_s)
    except OverflowError:
        return None


# ------------------------------------------------------------------ read
def _read(source: Source, fetch: Fetch, since: datetime | None) -> Discovery:
    if source.kind == "urls":
        return Discovery(tuple(Found(url.strip(), "named in watch.toml") for url in source.urls))
    if source.kind == "sitemap":
        return read_sitemap(source.at, fetch, since=since)
    answer = fetch(source.at) if is_url(source.at) else _from_disk(source)
    if source.kind == "csv":
        return parse_csv(answer, source.column)
    return {"feed": parse_feed, "section": parse_section, "list": parse_list}[source.kind](answer)


def _from_disk(source: Source) -> Fetched:
    try:
        return Fetched(source.at, Path(source.at).read_bytes())
    except OSError as error:
        reason = error.strerror or "not readable"
        raise NotFound(reason, where=source.at, remedy=f"Correct {source.kind} at {source.where}") from error


# ------------------------------------------------------------------ wanted
def _once(found: Iterable[Found]) -> Iterable[Found]:
    """Each URL once, where it stands first, without its fragment."""
    seen = set[str]()
    for one in found:
        url = without_fragment(one.url)
        if url not in seen:
            seen.add(url)
            yield one if url == one.url else replace(one, url=url)


def _unwanted(one: Found, source: Source, since: datetime | None) -> str:
    """Why it is passed over; empty where it is wanted."""
    if source.kind != "urls" and (flaw := _flaw(one.url)):
        return flaw
    if source.include and not any(matches(pattern, one.url) for pattern in source.include):
        return "matches no include pattern"
    for pattern in source.exclude:
        if matches(pattern, one.url):
            return f"excluded by {pattern}"
    if since and one.published and last_moment(one.published) < since:
        return f"older than max_age, {duration_text(source.max_age_s or 0)}"
    return ""


def _flaw(url: str) -> str:
    """What no archive can ask for; empty where there is nothing of it. What watch.toml itself names fails aloud."""
    try:
        url.encode()
    except UnicodeEncodeError:
        return "no URL: half a character in it"
    return "has a user name or password, which are not sent" if _SECRET.match(url) else ""


_SECRET = re.compile(r"[a-z]+://[^/?#]*@", re.I)
