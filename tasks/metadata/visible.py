"""The dates and bylines that readers see: one walk over the page from its heading on."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from lxml import etree

from tasks.metadata.page import Page
from tasks.metadata.text import clip, key, text_of
from tasks.metadata.words import BYLINE, BYLINE_ALONE, PUBLISHED_WORDS, UPDATED_WORDS, WRITTEN_BY

__all__ = ["Visible", "read_visible"]

# Characters of text after the main heading within which a line counts as standing near it.
NEAR_DATE, NEAR_BYLINE, NEAR_AUTHOR = 600, 1500, 3000
LINE = 160  # longer texts are sentences, no bylines
LOOKS = 1000  # elements whose whole text is gathered: nests of thousands of bylines stay cheap

_AUTHOR, _UPDATED, _PUBLISHED, _DATED = 1, 2, 4, 8  # what a class attribute says of its element
_CLASS_WORDS = (
    (_AUTHOR, re.compile(r"^(?!.*comment).*(?:author|byline|autor|auteur)", re.I)),
    (_UPDATED, UPDATED_WORDS),
    (_PUBLISHED, PUBLISHED_WORDS),
    (_DATED, re.compile(r"date|datum|fecha|time", re.I)),
)
_AUTHOR_PATH = re.compile(r"/(?:author|autor|auteur|authors|autoren|by|people|writer|profile|contributors?)/", re.I)
_AUTHOR_TAGS = frozenset(
    ("a", "span", "div", "p", "li", "address", "cite", "strong", "b", "em", "h3", "h4", "h5", "h6")
)
_NO_TEXT = frozenset(("script", "style", "noscript", "template", "option"))


@dataclass(slots=True)
class Visible:
    """What the walk found, by kind (see `_ranked` in authors.py and published.py for what each is worth)."""

    names: dict[str, list[str]] = field(default_factory=dict)
    days: dict[str, str] = field(default_factory=dict)

    def add_name(self, kind: str, text: str) -> None:
        """Keep a byline's text, once, eight of a kind."""
        lines = self.names.setdefault(kind, [])
        if text and text not in lines and len(lines) < 8:
            lines.append(text)

    def add_day(self, kind: str, day: str) -> None:
        """Keep the first day of a kind."""
        if day:
            self.days.setdefault(kind, day)


def read_visible(page: Page) -> Visible:
    """Bylines and dates of the page; what stands far below the heading is looked at only where nothing stood near."""
    walk = _Walk(page)
    for root in page.roots:
        for element in root.iter("*"):
            walk.visit(element)
            if walk.after > NEAR_AUTHOR and walk.found.days and walk.found.names:
                return walk.found
    return walk.found


class _Walk:
    """The state of one walk: whether the heading was passed, and how much text has gone by since."""

    def __init__(self, page: Page) -> None:
        self.found = Visible()
        self.after = 0
        self._page = page
        self._passed = False
        self._looks = LOOKS
        self._classes: dict[str, int] = {}
        self._subject = key(page.meta("og:title") or _headline(page) or page.title)
        # With one h1, or none that the head repeats, the first h1 is the heading.
        self._any_heading = len(page.headings) == 1 or not any(map(self._is_subject, page.headings))

    def visit(self, element: etree._Element) -> None:
        """Take in one element, its own text and the text after it."""
        tag = element.tag
        if tag == "h1" and (self._any_heading or self._is_subject(self._look(element, 500))):
            self._passed, self.after = True, 0
        text, tail = element.text, element.tail
        speaks = bool(text and not text.isspace()) and tag not in _NO_TEXT
        follows = bool(tail and not tail.isspace())
        timed = tag == "time" or bool(element.get("datetime"))
        if not (speaks or follows or timed or tag in _AUTHOR_TAGS):
            return
        kinds = self._class_kinds(element)
        if text and speaks:
            self._text(element, text, kinds, inside=True)
        if tail and follows:
            self._text(element, tail, kinds, inside=False)
        if timed:
            self._time(element, kinds)
        if tag in _AUTHOR_TAGS:
            self._author(element, kinds)

    def _look(self, element: etree._Element, limit: int) -> str:
        """The text of an element while looks are left, then the empty string."""
        if not self._looks:
            return ""
        self._looks -= 1
        return text_of(element, limit)

    def _is_subject(self, heading: str) -> bool:
        text = key(heading)
        return len(text) > 7 and (text in self._subject or self._subject in text)

    def _class_kinds(self, element: etree._Element) -> int:
        """What the classes of an element and its parent say."""
        own = self._words(element.get("class"), element.get("id"))
        parent = element.getparent()
        above = self._words(parent.get("class"), None) if parent is not None else 0
        return own | (above & ~_AUTHOR)

    def _words(self, classes: str | None, identity: str | None) -> int:
        if not classes and not identity:
            return 0
        text = f"{classes or ''} {identity or ''}"
        kinds = self._classes.get(text)
        if kinds is None:
            short = text[:200]
            kinds = self._classes[text] = sum(bit for bit, words in _CLASS_WORDS if words.search(short))
        return kinds

    def _text(self, element: etree._Element, text: str, kinds: int, *, inside: bool) -> None:
        if text.isspace():
            return
        if self._passed:
            self.after += len(text)
        if len(text) > 2 * LINE:
            return
        line = clip(text, 2 * LINE)
        if len(line) >= LINE:
            return
        if not self._passed or self.after < NEAR_BYLINE:
            if BYLINE.match(line):
                self._byline("byline" if self._passed else "byline-above", element, line, inside=inside)
        elif WRITTEN_BY.match(line):
            self._byline("byline-below", element, line, inside=inside)
        day = self._page.dates.visible(line)
        if day:
            self.found.add_day(self._day_kind(line, kinds), day)

    def _byline(self, kind: str, element: etree._Element, line: str, *, inside: bool) -> None:
        if BYLINE_ALONE.fullmatch(line):
            following = element.getnext()
            after = self._look(following, LINE) if following is not None else ""
            whole = self._look(element, LINE) if inside else ""
            line = whole if len(whole) > len(line) else f"{line} {after}"
        if len(line) < 100:
            self.found.add_name(kind, line)

    def _day_kind(self, line: str, kinds: int) -> str:
        if kinds & _UPDATED or UPDATED_WORDS.search(line):
            return "updated"
        if self._passed and self.after < NEAR_DATE:
            return "near-heading"
        if len(line) < 80 and PUBLISHED_WORDS.search(line):
            return "published-line"
        return "dated-class" if kinds & (_DATED | _PUBLISHED) else "any"

    def _time(self, element: etree._Element, kinds: int) -> None:
        dates = self._page.dates
        day = dates.stamp(element.get("datetime")) or dates.visible(self._look(element, 100))
        if kinds & _UPDATED:
            self.found.add_day("time-updated", day)
        if kinds & _PUBLISHED:
            self.found.add_day("time-published", day)
        if self._passed:
            self.found.add_day("time-after-heading", day)
        self.found.add_day("time", day)

    def _author(self, element: etree._Element, kinds: int) -> None:
        by_rel = "author" in (element.get("rel") or "").lower().split()
        by_link = element.tag == "a" and _AUTHOR_PATH.search((element.get("href") or "")[:300])
        if by_rel:
            self.found.add_name("rel", self._look(element, 200))
        if kinds & _AUTHOR and self._looks:
            self._looks -= 1
            self._add_class(_parts_of(element))
        if by_link:
            self._add_link(self._look(element, 200))

    def _add_class(self, text: str) -> None:
        if len(text) < 100:
            self.found.add_name("class", text)
            if self._passed and self.after < NEAR_AUTHOR:
                self.found.add_name("class-after-heading", text)

    def _add_link(self, text: str) -> None:
        if len(text) < 60:
            self.found.add_name("link-after-heading" if self._passed else "link", text)


def _parts_of(element: etree._Element) -> str:
    """The text of a byline, its parts set off by `|` where the part before looks like a whole name."""
    line = ""
    for count, text in enumerate(element.itertext()):
        part = clip(text, 200)
        if not part:
            continue
        whole = " " in line.rpartition("|")[2].strip() and not BYLINE_ALONE.fullmatch(line)
        line = f"{line} | {part}" if whole else f"{line} {part}".strip()
        if count > 100 or len(line) > 100:
            break
    return line


def _headline(page: Page) -> str:
    names: Iterable[object] = (node.get("headline") for node in page.data.articles)
    return next((text for name in names if (text := clip(name))), "")
