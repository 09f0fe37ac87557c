"""A tree for pages that nest deeper than libxml2 goes: all of their text, no deeper than DEEPEST, in linear time.

Elements below DEEPEST become siblings of one another in the order of their start tags, as browsers have it
(Blink stops at 512). Of HTML's rules for broken markup only those are kept that decide where text stands: end tags
that may be left out, end tags that do not reach beyond a block or a table cell, text of scripts and the like.
"""

import re
from collections import defaultdict
from collections.abc import Iterator
from html import unescape
from typing import Final

from lxml import etree

from tasks.clean.parse import NOT_XML
from tasks.clean.tags import ATOM, BLOCK, HEAD_TAGS, TAGS, VOID_TAGS, names
from tasks.clean.tokens import ATTRIBUTE, MOST_ATTRIBUTES, RAW_TAGS, TOKEN, raw_end

__all__ = ["flat_tree"]

DEEPEST: Final = 250  # open elements; pages that people wrote nest some 50 deep
_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]{0,199}")
_PROGRAMS: Final = frozenset(RAW_TAGS) - {"textarea", "title"}  # the others' text has entities
_FRAME: Final = names("body head html")
_FOREIGN: Final = names("math svg")
_ROW: Final = names("p td th tr")
_SECTION: Final = names("tbody tfoot thead")
_TABLE: Final = names("caption table tbody td tfoot th thead tr")
# What a start tag closes where it is the innermost open element.
_CLOSES: Final = {
    "a": names("a"),
    "li": names("li p"),
    "dt": names("dd dt p"),
    "dd": names("dd dt p"),
    "td": names("p td th"),
    "th": names("p td th"),
    "tr": _ROW,
    **dict.fromkeys(_SECTION, _ROW | _SECTION),
    "option": names("option"),
    "optgroup": names("option optgroup"),
}
_P: Final = names("p")
_NONE: Final = frozenset[str]()


def flat_tree(html: str) -> etree._Element:
    """The tree of a page."""
    builder = _Builder()
    for text, token in _tokens(NOT_XML.sub("", html)):
        builder.text(text)
        if token is None or not token[2] or not token[5]:  # a comment, or a tag that the page's end cuts
            continue
        name = token[2].lower()
        if token[1]:
            builder.end(name)
        else:
            builder.start(name, token[3], closed=bool(token[4]))
    return builder.done()


def _tokens(html: str) -> Iterator[tuple[str, re.Match[str] | None]]:
    """Text, and the tag or comment after it; None after the last text."""
    at = 0
    while token := TOKEN.search(html, at):
        yield html[at : token.start()], token
        at = token.end()
        raw = (token[2] or "").lower()
        if raw in RAW_TAGS and token[5] and not token[1] and not token[4]:
            found = raw_end(raw).search(html, at)
            start, at = at, found.start() if found else len(html)
            yield html[start:at], None
    yield html[at:], None


class _Builder:
    """The tree under way. `open` names what is open, however deep; `elements` holds the element of each."""

    def __init__(self) -> None:
        self.root = etree.Element("html")
        self.head = etree.SubElement(self.root, "head")
        self.body: etree._Element | None = None
        self.open: list[str] = []
        self.elements: list[etree._Element] = []
        self.places: defaultdict[str, list[int]] = defaultdict(list)  # of each name in `open`
        self.blocks: list[int] = []  # places of blocks other than <p>: no inline end tag reaches beyond
        self.cells: list[int] = []  # places of tables and cells: no other end tag reaches beyond
        self.atom = -1  # the place of a script, svg, button, … beyond the depth: it keeps what it holds
        self.into: etree._Element = self.head  # the element whose text, or text of whose last child's tail, comes next
        self.after: etree._Element | None = None  # the element whose tail comes next, or None
        self.last: etree._Element | None = None  # the newest element beyond the depth
        self.pieces: list[str] = []

    def text(self, text: str) -> None:
        """Text between two tags."""
        if not text:
            return
        if self.body is None and not self.open and not text.isspace():
            self._begin_body()
        raw = bool(self.open) and self.open[-1] in _PROGRAMS
        self.pieces.append(text if raw or "&" not in text else NOT_XML.sub("", unescape(text)))

    def start(self, name: str, attributes: str, *, closed: bool) -> None:
        """A start tag; `closed` where it ends with a slash."""
        if name in _FRAME:
            self._frame(name, attributes)
            return
        if not _NAME.fullmatch(name):
            name = "span"
        closes = _CLOSES.get(name, _P if TAGS.get(name, 0) & BLOCK else _NONE)
        while self.open and self.open[-1] in closes:
            self._pop(len(self.open) - 1)
        if self.body is None and not self.open and name not in HEAD_TAGS:
            self._begin_body()
        self._flush()
        element = etree.SubElement(self._parent(), name, _attributes(attributes))
        if len(self.open) >= DEEPEST:
            self.last = element
        if name in VOID_TAGS or (closed and (name in RAW_TAGS or any(self.places[tag] for tag in _FOREIGN))):
            self.after = element
        else:
            self._push(name, element)
            self.into, self.after = element, None

    def end(self, name: str) -> None:
        """An end tag; one that nothing open answers to is passed over."""
        places = self.places.get(name if _NAME.fullmatch(name) else "span")
        if not places:
            return
        walls = self._walls(name)
        if not walls or places[-1] >= walls[-1]:
            self._pop(places[-1])

    def done(self) -> etree._Element:
        """The whole tree."""
        self._flush()
        return self.root

    def _walls(self, name: str) -> list[int]:
        """The places beyond which an end tag of this name does not reach."""
        if name in _TABLE:
            return self.places["table"]
        return self.cells if TAGS.get(name, 0) & BLOCK else self.blocks

    def _frame(self, name: str, attributes: str) -> None:
        """<html>, <head> or <body>: they are there once, and only their attributes are taken."""
        if name == "body" and self.body is None:
            self._begin_body()
        element = {"html": self.root, "head": self.head, "body": self.body}[name]
        for key, value in _attributes(attributes).items():
            if element is not None and key not in element.attrib:
                element.set(key, value)

    def _begin_body(self) -> None:
        if self.open:
            self._pop(0)
        self._flush()
        self.body = etree.SubElement(self.root, "body")
        self.into, self.after = self.body, None

    def _parent(self) -> etree._Element:
        """The element that takes the next one."""
        if not self.open:
            return self.head if self.body is None else self.body
        if self.atom >= 0:
            return self.elements[self.atom]
        return self.elements[min(len(self.open), DEEPEST) - 1]

    def _push(self, name: str, element: etree._Element) -> None:
        place, flags = len(self.open), TAGS.get(name, 0)
        self.open.append(name)
        self.elements.append(element)
        self.places[name].append(place)
        if flags & BLOCK and name != "p":
            self.blocks.append(place)
        if name in _TABLE:
            self.cells.append(place)
        if self.atom < 0 and place >= DEEPEST and (flags & ATOM or name in RAW_TAGS):
            self.atom = place

    def _pop(self, place: int) -> None:
        """Close the element at `place` and all inside."""
        element = self.elements[place]
        if place < DEEPEST:
            after: etree._Element | None = element
        elif self.atom == place:
            after = self.last = element
        else:
            after = self.last
        if after is not self.after:  # else text goes on where it was: one write for it, however many tags close
            self._flush()
            self.after = after
        elif self.pieces and TAGS.get(self.open[place], 0) & BLOCK:
            self.pieces.append("\n")
        while len(self.open) > place:
            self.places[self.open.pop()].pop()
            self.elements.pop()
        for walls in (self.blocks, self.cells):
            while walls and walls[-1] >= place:
                walls.pop()
        if self.atom >= place:
            self.atom = -1

    def _flush(self) -> None:
        """Write the text so far to where it belongs."""
        if not self.pieces:
            return
        text = "".join(self.pieces)
        self.pieces.clear()
        if self.after is None:
            self.into.text = (self.into.text or "") + text
        else:
            self.after.tail = (self.after.tail or "") + text


def _attributes(text: str) -> dict[str, str]:
    """The attributes of a tag, the first of a name; names that XML does not know are left out."""
    found: dict[str, str] = {}
    if not text:
        return found
    for match in ATTRIBUTE.finditer(text):
        name = match[1].lower()
        if name not in found and _NAME.fullmatch(name):
            value = match[2] or match[3] or match[4] or ""
            found[name] = NOT_XML.sub("", unescape(value)) if "&" in value else value
            if len(found) == MOST_ATTRIBUTES:
                break
    return found
