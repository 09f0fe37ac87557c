"""Which records of a file are pages: those that it lists itself, else HTML answers that a reader navigated to.

Where the file lists its pages (`pages/*.jsonl` of a WACZ), these are taken and nothing else. Where it lists none, a
record is a page unless one of these says no, the first that holds:

| reason | the record |
| --- | --- |
| not-http | is of no http or https URL: a log, a screenshot, `urn:…` |
| segmented | goes on in other records |
| method-post, … | answers another request than GET |
| redirect, status-404, … | has no status 200 (a `resource` has none and counts as found) |
| not-html | has another media type than HTML |
| requisite-iframe, … | was asked for with a Sec-Fetch-Dest other than `document` |
| requisite-script | was asked for by a script (X-Requested-With) |
| requisite-hop-E, … | was reached by a crawler otherwise than by a link or redirect (`hopsFromSeed`) |
| framed | stands in a frame of the page that its Referer names, if that is here and no Sec-Fetch-Dest was recorded |
| revisit-unresolved | is a revisit whose original is not in this file |

A Referer alone says nothing: crawlers send it along with every link they follow.
"""

import contextlib
import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from urllib.parse import urljoin, urlsplit

from tasks.capture.decode import read_page
from tasks.catalog import identity
from tasks.errors import FormatError
from tasks.importing.foreign import Entry, Foreign, Listed
from tasks.importing.rebuild import Originals, rebuild_exchange, request_headers

__all__ = ["Choice", "Left", "Page", "choose"]

_HTML = ("text/html", "application/xhtml+xml")
_REDIRECTS = (301, 302, 303, 307, 308)
_REDIRECT_S = timedelta(minutes=2)  # between a redirect and the answer of where it led
_READ = 4 << 20  # bytes of a page in which frames are looked for
_FRAME = re.compile(r"<i?frame\b[^<>]{0,2000}?\bsrc\s*=\s*[\"']?([^\"'\s<>]{1,2000})", re.I)
_KNOWN = 1000  # records that were left out which are told one by one; the others are counted


@dataclass(frozen=True, slots=True)
class Page:
    """A page to be taken: its records, redirects first."""

    chain: tuple[Entry, ...]
    why: str  # listed, navigation (by Sec-Fetch-Dest), html

    @property
    def entry(self) -> Entry:
        """The record of the page itself."""
        return self.chain[-1]


@dataclass(frozen=True, slots=True)
class Left:
    """A record or listed page that is not taken, and why."""

    url: str
    stamp: str
    reason: str


@dataclass(slots=True)
class Choice:
    """What is taken of a file, and what is not."""

    pages: list[Page] = field(default_factory=list)
    left: list[Left] = field(default_factory=list)  # HTML and listed pages; at most a thousand
    reasons: Counter[str] = field(default_factory=Counter)  # of everything that is left out

    def leave(self, url: str, stamp: str, reason: str) -> None:
        """One more that is not taken."""
        self.reasons[reason] += 1
        if len(self.left) < _KNOWN and reason not in ("not-html", "not-listed"):
            self.left.append(Left(url, stamp, reason))


def choose(foreign: Foreign, originals: Originals, *, max_redirects: int, max_decoded_bytes: int) -> Choice:
    """The pages of a file, in its order, each record once."""
    finder = _Finder(foreign, originals, max_redirects, min(_READ, max_decoded_bytes))
    choice = Choice()
    for reason, count in foreign.skipped.items():
        choice.reasons["not-listed" if foreign.listed else reason] += count
    if foreign.listed:
        _listed(foreign, finder, choice)
    else:
        for entry in foreign.entries:
            reason, why = finder.judge(entry)
            if reason:
                choice.leave(entry.url, entry.stamp, reason)
            else:
                choice.pages.append(Page(finder.chain_to(entry), why))
    return choice


def _listed(foreign: Foreign, finder: "_Finder", choice: Choice) -> None:
    taken: dict[int, Page] = {}
    named = set[int]()
    for listed in foreign.listed:
        entry, reason = finder.listed(listed)
        if entry is None or reason:
            choice.leave(listed.url, listed.stamp, reason)
            named |= {entry.number} if entry else set()
            continue
        chain = finder.chain_to(entry)
        taken[entry.number] = Page(chain, "listed")
        named.update(part.number for part in chain)
    choice.pages.extend(sorted(taken.values(), key=lambda page: page.entry.number))
    for entry in foreign.entries:
        if entry.number not in named:
            choice.leave(entry.url, entry.stamp, "not-listed")


class _Finder:
    """Looks up records of one file by what they say of each other."""

    def __init__(self, foreign: Foreign, originals: Originals, max_redirects: int, max_read: int) -> None:
        self.foreign, self.originals = foreign, originals
        self.max_redirects, self.max_read = max_redirects, max_read
        self._at: defaultdict[tuple[str, str], list[Entry]] = defaultdict(list)
        self._of: defaultdict[str, list[Entry]] = defaultdict(list)
        self._frames: dict[int, frozenset[str]] = {}
        for entry in foreign.entries:
            self._at[identity(entry.url), entry.stamp].append(entry)
            self._of[identity(entry.url)].append(entry)
        self._led_here: defaultdict[str, list[Entry]] | None = None

    # -------------------------------------------------------------- a listed page
    def listed(self, page: Listed) -> tuple[Entry | None, str]:
        """The record of a listed page, redirects followed; or None, and why it is not taken."""
        found = self._at.get((identity(page.url), page.stamp), ())
        if not found:
            return None, "not-in-archive" if _is_http(page.url) else "not-http"
        entry = max(found, key=lambda item: (self.status(item) == 200, -item.number))
        for _ in range(self.max_redirects):
            if self.status(entry) not in _REDIRECTS:
                break
            following = self._next(entry)
            if following is None:
                return entry, "redirect"
            entry = following
        return entry, self._unfit(entry, html=False)

    def _next(self, entry: Entry) -> Entry | None:
        target = self._target(entry)
        later = [item for item in self._of.get(target, ()) if timedelta() <= item.date - entry.date <= _REDIRECT_S]
        return min(later, key=lambda item: (item.date, item.number), default=None)

    # -------------------------------------------------------------- any record
    def judge(self, entry: Entry) -> tuple[str, str]:
        """Why a record is no page, or the empty string and what shows that it is one."""
        if reason := self._unfit(entry, html=True):
            return reason, ""
        method, headers = request_headers(self.foreign, entry)
        if method not in ("", "GET"):
            return f"method-{method.lower()[:20]}", ""
        destination = headers.get("sec-fetch-dest", "").lower()
        if destination not in ("", "document"):
            return f"requisite-{destination[:20]}", ""
        if "x-requested-with" in headers:
            return "requisite-script", ""
        if (hop := self.foreign.hops.get(entry.id, "")) and hop not in "LR":
            return f"requisite-hop-{hop}", ""
        if not destination and self._is_framed(entry, headers.get("referer", "")):
            return "framed", ""
        return "", "navigation" if destination else "html"

    def _unfit(self, entry: Entry, *, html: bool) -> str:
        """What its own header has against a record."""
        status, original = self.status(entry), self._source(entry)
        if not _is_http(entry.url):
            return "not-http"
        if entry.segmented:
            return "segmented"
        if original is None:
            return "revisit-unresolved" if not html or entry.media_type in ("", *_HTML) else "not-html"
        if status in _REDIRECTS:
            return "redirect"
        if status != 200 and not (status == 0 and original.kind == "resource"):
            return f"status-{status}"
        if html and (entry.media_type or original.media_type) not in ("", *_HTML):
            return "not-html"
        return ""

    def status(self, entry: Entry) -> int:
        """Of the answer; a revisit without a block has that of its original."""
        source = self._source(entry)
        return entry.status or (source.status if source else 0)

    def _source(self, entry: Entry) -> Entry | None:
        return self.originals.of(entry) if entry.kind == "revisit" else entry

    # -------------------------------------------------------------- redirects
    def chain_to(self, entry: Entry) -> tuple[Entry, ...]:
        """The record of a page, with the redirects that led there before it: each the last of its URL in time."""
        chain = [entry]
        while len(chain) <= self.max_redirects:
            here = chain[0]
            before = [
                item
                for item in self._redirects().get(identity(here.url), ())
                if item not in chain and timedelta() <= here.date - item.date <= _REDIRECT_S
            ]
            if not before:
                break
            chain.insert(0, max(before, key=lambda item: (item.date, item.number)))
        return tuple(chain)

    def _redirects(self) -> defaultdict[str, list[Entry]]:
        """Redirects by where they led; each head is read once, when the first is asked for."""
        if self._led_here is None:
            self._led_here = defaultdict(list)
            for entry in self.foreign.entries:
                if entry.kind == "response" and entry.status in _REDIRECTS and (target := self._target(entry)):
                    self._led_here[target].append(entry)
        return self._led_here

    def _target(self, entry: Entry) -> str:
        with contextlib.suppress(FormatError, ValueError):
            exchange = rebuild_exchange(self.foreign, entry, self.originals)
            with contextlib.closing(exchange.body):
                location = exchange.header("location")
            return identity(urljoin(entry.url, location)) if location else ""
        return ""

    # -------------------------------------------------------------- frames
    def _is_framed(self, entry: Entry, referer: str) -> bool:
        """Whether the page that its Referer names has it in a frame."""
        around = self._of.get(identity(referer), ()) if referer else ()
        earlier = [item for item in around if item.date <= entry.date and item.media_type in _HTML]
        if not earlier:
            return False
        page = max(earlier, key=lambda item: (item.date, item.number))
        if page.number == entry.number:
            return False
        if page.number not in self._frames:
            self._frames[page.number] = frozenset(self._framed_by(page))
        return identity(entry.url) in self._frames[page.number]

    def _framed_by(self, page: Entry) -> Iterator[str]:
        with contextlib.suppress(FormatError):
            exchange = rebuild_exchange(self.foreign, page, self.originals)
            with contextlib.closing(exchange.body):
                text = read_page(exchange, self.max_read).text or ""
            for match in _FRAME.finditer(text):
                with contextlib.suppress(ValueError):
                    yield identity(urljoin(page.url, match[1].replace("&amp;", "&")))


def _is_http(url: str) -> bool:
    try:
        return urlsplit(url).scheme.lower() in ("http", "https")
    except ValueError:
        return False
