"""The dates and bylines that readers see: a walk over what stands around the heading, farther only where need be."""

import re
from dataclasses import dataclass, field

from lxml import etree

from tasks.metadata.dates import may_hold_date
from tasks.metadata.page import Page
from tasks.metadata.text import clip, key, text_of
from tasks.metadata.words import BYLINE, BYLINE_ALONE, LONE_NAME, PUBLISHED_WORDS, UPDATED_WORDS, WRITTEN_BY

__all__ = ["Visible", "read_visible"]

# Characters of text after the main heading within which a line counts as standing near it.
NEAR_DATE, NEAR_BYLINE, NEAR_AUTHOR = 600, 1500, 3000
NEAR, ABOVE = 700, 60  # elements after and before the heading that are looked at
LINE = 160  # longer texts are sentences, no bylines
DATE_LINE = 50  # a longer line holds more than a date, its time and a name
LABEL = 30  # longer texts are no label of what follows
LOOKS = 300  # elements whose whole text is gathered: nests of thousands of bylines stay cheap

_UPDATED, _PUBLISHED, _DATED = 2, 4, 8  # what a class attribute says of its element
_CLASS_WORDS = (
    (_UPDATED, UPDATED_WORDS),
    (_PUBLISHED, PUBLISHED_WORDS),
    (_DATED, re.compile(r"date|datum|fecha|time", re.I)),
)
_AUTHOR_PATH = re.compile(r"/(?:author|autor|auteur|authors|autoren|by|people|writer|profile|contributors?)/", re.I)
_AUTHOR_TAGS = frozenset(
    ("a", "span", "div", "p", "li", "address", "cite", "strong", "b", "em", "h3", "h4", "h5", "h6")
)
_BAR = re.compile(r"\s?[|·•]\s?|\s[-–—]\s|, ")
_TIMES = frozenset(("time", "abbr", "span"))  # elements that may bear a date in an attribute
_NO_TEXT = frozenset(("script", "style", "noscript", "template", "option", "title", "head", "svg"))


@dataclass(slots=True)
class Visible:
    """What the walk found, by kind: the kinds are the sources that authors.py and published.py report."""

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


def read_visible(page: Page, title: str) -> Visible:
    """Bylines and dates around the heading that bears `title`; the rest of the page where none stand there."""
    heading = _heading(page, key(title))
    walk = _Walk(page, heading)
    for element in page.order[max(0, heading - ABOVE) : heading]:
        walk.visit(element)
    walk.passed, walk.label = True, ""
    end = min(len(page.order), heading + NEAR)
    for number in range(heading, end):
        walk.visit(page.order[number])
        if walk.after > NEAR_AUTHOR:
            end = number + 1
            break
    walk.marked(end)
    if not walk.found.days or not walk.found.names:
        walk.far = True
        for element in page.order[end:]:
            walk.visit(element)
    return walk.found


def _heading(page: Page, title: str) -> int:
    """The number of the heading that says the title; else of one that nearly does; else of the first; else 0."""
    if not title:
        return page.h1s[0][0] if page.h1s else 0
    for number, text in page.h1s:
        if key(text) == title:
            return number
    for number, element in page.h2s:
        if key(text_of(element)) == title:
            return number
    for number, text in page.h1s:
        heading = key(text)
        if len(heading) > 7 and (heading in title or title in heading):
            return number
    for number, element in enumerate(page.order):
        text = element.text or ""
        if len(title) <= len(text) < len(title) + 40 and element.tag not in _NO_TEXT and key(text) == title:
            return number
    return page.h1s[0][0] if page.h1s else 0


class _Walk:
    """The state of one walk: whether the heading was passed, and how much text has gone by since."""

    def __init__(self, page: Page, heading: int) -> None:
        self.found = Visible()
        self.after = 0
        self.passed = self.far = False
        self.label = ""  # the text before, where it may say what follows: "Updated:"
        self._before = ("", "")  # the last two lines
        self._beside_day = 0  # lines left that stand beside a date
        self._page = page
        self._heading = heading
        self._looks = LOOKS
        self._classes: dict[str, int] = {}

    def visit(self, element: etree._Element) -> None:
        """Take in one element, its own text and the text after it."""
        tag, text, tail = element.tag, element.text, element.tail
        if text and tag not in _NO_TEXT and not text.isspace():
            self._text(element, text, inside=True)
        if tail and not tail.isspace():
            self._text(element, tail, inside=False)
        if self.far:
            return
        if tag == "a":
            self._link(element)
        elif tag in _TIMES and (tag == "time" or element.get("title") or element.get("datetime")):
            self._time(element)

    def marked(self, end: int) -> None:
        """Take in what stands anywhere on the page and is marked as a time or an author."""
        for _, element in self._page.by_rel:
            self.found.add_name("rel:author", self._look(element, 200))
        for number, element in self._page.classed:
            if element.tag in _AUTHOR_TAGS and self._looks:
                self._looks -= 1
                self._add_class(number, end, _parts_of(element))
        for _, element in self._page.times[:1]:
            self.found.add_day("time", self._stamp(element))

    def _look(self, element: etree._Element, limit: int) -> str:
        """The text of an element while looks are left, then the empty string."""
        if not self._looks:
            return ""
        self._looks -= 1
        return text_of(element, limit)

    # ------------------------------------------------------------------ lines
    def _text(self, element: etree._Element, text: str, *, inside: bool) -> None:
        if self.passed:
            self.after += len(text)
        label, self.label = self.label, ""
        if len(text) > 2 * LINE:
            return
        line = " ".join(text.split())  # names are cleaned when they are split
        if len(line) >= LINE:
            return
        if len(line) <= LABEL:
            self.label = line
        self._names(element, line, label, inside=inside)
        if may_hold_date(line):
            day = self._page.dates.visible(line)
            if day:
                self._add_day(day, line, label, self._class_kinds(element if inside else element.getparent()))
        self._before = (self._before[1], line)

    def _names(self, element: etree._Element, line: str, label: str, *, inside: bool) -> None:
        if self.far or self.after >= NEAR_BYLINE:
            if WRITTEN_BY.match(line):
                self._byline("byline:below", element, line, inside=inside)
        elif BYLINE.match(line):
            self._byline("byline" if self.passed else "byline:above", element, line.lstrip("-–— "), inside=inside)
        elif label and BYLINE.match(label) and BYLINE_ALONE.fullmatch(label):
            self.found.add_name("byline:next" if self.passed else "byline:above", line)
        elif self._beside_day:
            self._beside_day -= 1
            if LONE_NAME.fullmatch(line):
                self.found.add_name("text:beside-date", line)

    def _byline(self, kind: str, element: etree._Element, line: str, *, inside: bool) -> None:
        if BYLINE_ALONE.fullmatch(line):
            following = element.getnext()
            after = self._look(following, LINE) if following is not None else ""
            whole = self._look(element, LINE) if inside else ""
            if inside and element.tail and not element.tail.isspace():
                after = clip(element.tail, LINE)
            line = whole if len(whole) > len(line) else f"{line} {after}"
        if len(line) < 100:
            self.found.add_name(kind, line)

    def _add_day(self, day: str, line: str, label: str, kinds: int) -> None:
        words = f"{label} {line}"
        near = self.passed and self.after < NEAR_DATE
        if near:
            self._beside_day = 2
            for part in (*self._before, *_BAR.split(line)):
                if LONE_NAME.fullmatch(part):
                    self.found.add_name("text:beside-date", part)
        if kinds & _UPDATED or UPDATED_WORDS.search(words):
            self.found.add_day("text:updated" if near else "text:updated-elsewhere", day)
        elif near:
            if PUBLISHED_WORDS.search(words):
                self.found.add_day("text:published-near", day)
            elif len(line) > DATE_LINE:
                self.found.add_day("text:near-heading+long", day)
            elif self.found.days.get("text:near-heading", day) == day:
                self.found.add_day("text:near-heading", day)
            else:
                self.found.add_day("text:near-heading+next", day)
        elif len(line) < 80 and PUBLISHED_WORDS.search(words):
            self.found.add_day("text:published", day)
        elif not self.passed:
            self.found.add_day("text:class-above" if kinds else "text:above", day)
        else:
            self.found.add_day("text:class" if kinds else "text", day)

    # ------------------------------------------------------------------ marked elements
    def _stamp(self, element: etree._Element) -> str:
        dates = self._page.dates
        stated = element.get("datetime") or element.get("title") or element.get("content")
        return dates.stamp(stated) or dates.visible(self._look(element, 100))

    def _time(self, element: etree._Element) -> None:
        day, kinds = self._stamp(element), self._class_kinds(element)
        if not day:
            return
        if kinds & _UPDATED or UPDATED_WORDS.search(self.label):
            self.found.add_day("time:updated", day)
        elif kinds & _PUBLISHED or element.get("pubdate") is not None or PUBLISHED_WORDS.search(self.label):
            self.found.add_day("time:published", day)
        elif self.passed:
            self.found.add_day("time:after-heading", day)
        else:
            self.found.add_day("time:above", day)

    def _link(self, element: etree._Element) -> None:
        address = element.get("href")
        if address and _AUTHOR_PATH.search(address[:300]):
            text = self._look(element, 200)
            if len(text) < 60:
                self.found.add_name("byline:link" if self.passed else "byline:link-above", text)

    def _add_class(self, number: int, end: int, text: str) -> None:
        if len(text) < 100:
            near = self._heading <= number < end
            above = self._heading - ABOVE <= number < self._heading
            self.found.add_name(f"byline:class{'' if near else '-above' if above else '-elsewhere'}", text)

    def _class_kinds(self, element: etree._Element | None) -> int:
        """What the classes of an element and its parent say."""
        if element is None:
            return 0
        parent = element.getparent()
        above = self._words(parent.get("class"), None) if parent is not None else 0
        return above | self._words(element.get("class"), element.get("id"))

    def _words(self, classes: str | None, identity: str | None) -> int:
        if not classes and not identity:
            return 0
        text = f"{classes or ''} {identity or ''}"
        kinds = self._classes.get(text)
        if kinds is None:
            short = text[:200]
            kinds = self._classes[text] = sum(bit for bit, words in _CLASS_WORDS if words.search(short))
        return kinds


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
