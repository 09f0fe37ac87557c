"""The BeautifulSoup tree of what was kept, made through bs4's own TreeBuilder interface without a second parse.

Only branches that hold kept text, or a picture between kept texts, become tags. Text that stands beside block-level
siblings gets a <p> of its own, so that every line of the article is a tag that a rule can take.
"""

from dataclasses import dataclass
from itertools import accumulate
from typing import Any, Final

from bs4 import BeautifulSoup
from bs4.builder import HTMLTreeBuilder
from bs4.element import Tag

from tasks.clean.spaces import visible_size
from tasks.clean.tags import BLOCK, MEDIA, TAGS, names
from tasks.clean.walk import Page

__all__ = ["Kept", "make_soup"]

# In these, text stands on its own as it is; elsewhere (div, section, body) it becomes a paragraph.
_LINES: Final = names("caption dd dt figcaption h1 h2 h3 h4 h5 h6 legend li p pre summary td th")
_NEVER_SPLIT: Final = names("caption h1 h2 h3 h4 h5 h6 legend p pre summary")
_WRAPPER: Final = 1  # sourceline of a <p> that we made; its sourcepos is its place in `wrapped`, not the element


@dataclass(slots=True)
class Kept:
    """The soup with what links its tags back to the page."""

    soup: BeautifulSoup
    page: Page
    owner: list[int]  # of each text node: 0 article, else an index into the reasons of the ledger
    chars: list[int]  # kept visible characters before text i
    linked: list[int]  # those of them inside links
    wrapped: list[tuple[int, int]]  # the text nodes of each <p> that we made; a block may take several

    def span(self, tag: Tag) -> tuple[int, int]:
        """The text nodes of a tag, as a range."""
        number = tag.sourcepos or 0
        if tag.sourceline == _WRAPPER:
            return self.wrapped[number]
        return self.page.text_start[number], self.page.text_end[number]

    def give(self, tag: Tag, reason: int) -> None:
        """Give what the tag still held of the article to `reason`."""
        start, stop = self.span(tag)
        for index in range(start, stop):
            if not self.owner[index]:
                self.owner[index] = reason


def make_soup(page: Page, owner: list[int]) -> Kept:
    """The tree of all texts whose owner is 0."""
    sizes = [0 if taken else visible_size(text) for text, taken in zip(page.texts, owner, strict=True)]
    chars = [0, *accumulate(sizes)]
    linked = [0, *accumulate(size if inside else 0 for size, inside in zip(sizes, page.linked, strict=True))]
    feeder = _Feeder(page, owner)
    soup = BeautifulSoup("", builder=feeder)
    return Kept(soup, page, owner, chars, linked, feeder.lines)


class _Feeder(HTMLTreeBuilder):
    """Feeds the kept part of a page into a BeautifulSoup object, in document order."""

    def __init__(self, page: Page, owner: list[int]) -> None:
        # sourceline and sourcepos carry our numbers; class lists as plain text, which is what rules look at.
        super().__init__(store_line_numbers=True, multi_valued_attributes={})
        self.soup: Any = None  # set by BeautifulSoup itself
        self.page, self.owner = page, owner
        self.kept = [0, *accumulate(not taken for taken in owner)]
        self.media = [0, *accumulate(bool(TAGS.get(tag, 0) & MEDIA) for tag in page.tag)]
        self.begins = set(page.starts)
        self.open: list[int] = []  # elements whose tags are open, innermost last
        self.wrapped = -1  # the block whose <p> is open
        self.begun = 0  # its first text
        self.lines: list[tuple[int, int]] = []  # the texts of each <p> that was closed
        self.index = self.block = 0  # next text, and the block that holds it

    def prepare_markup(self, markup: Any, *_: Any, **__: Any) -> Any:
        """One attempt: there is nothing to detect."""
        yield markup, None, None, False

    def test_fragment_to_document(self, fragment: str) -> str:
        """The fragment as it is."""
        return fragment

    def feed(self, markup: Any) -> None:
        """The kept part of the page; `markup` has been parsed long ago."""
        page = self.page
        if not self.kept[-1]:
            return
        number, count = 1, len(page.tag)
        while number < count:
            self._close(number)
            self._texts(page.text_start[number])
            if self._wanted(number):
                self._open(number)
                number += 1
            else:
                self.index = max(self.index, page.text_end[number])
                number = page.end[number]
        self._close(count)
        self._unwrap()

    def _wanted(self, number: int) -> bool:
        page, kept = self.page, self.kept
        start, stop = page.text_start[number], page.text_end[number]
        if kept[stop] > kept[start]:
            return True
        if not kept[start] or kept[start] == kept[-1]:
            return False  # before the first or after the last kept text
        if page.tag[number] == "br":
            return start not in self.begins and not self.owner[start - 1]
        if page.tag[number] == "hr":
            return not (self.owner[start - 1] or self.owner[start])
        pictured = self.media[page.end[number]] > self.media[number]
        return pictured and (start == stop or page.tag[number] in ("figure", "picture")) and not page.hidden[number]

    def _open(self, number: int) -> None:
        page, tag = self.page, self.page.tag[number]
        start, stop = page.text_start[number], page.text_end[number]
        split = page.block_end[number] > page.block_start[number]  # a block ends inside
        if TAGS.get(tag, 0) & BLOCK or (split and start < stop):
            self._unwrap()
        elif start < stop:
            self._wrap(start)
        elif start in self.begins:  # a picture between two blocks
            self._unwrap()
        name = "div" if tag == "p" and page.block_end[number] - page.block_start[number] > 1 else tag
        attributes = dict(page.element[number].items())
        self.soup.handle_starttag(name, None, None, attributes, sourceline=0, sourcepos=number)
        self.open.append(number)

    def _close(self, number: int) -> None:
        """Close what ends before element `number` starts."""
        page = self.page
        while self.open and page.end[self.open[-1]] <= number:
            top = self.open[-1]
            self._texts(page.text_end[top])
            if page.line[top] == top:
                self._unwrap()
            self.open.pop()
            # A <p> with several blocks went out as <div>: bs4 closes whatever is innermost by its name.
            self.soup.handle_endtag(self.soup.currentTag.name)

    def _texts(self, stop: int) -> None:
        """The kept texts up to `stop`, all of them directly in the innermost open element."""
        while self.index < stop:
            if not self.owner[self.index]:
                self._wrap(self.index)
                self.soup.handle_data(self.page.texts[self.index])
            self.index += 1

    def _wrap(self, index: int) -> None:
        """See to it that text `index` stands in a line of its own."""
        starts, page = self.page.starts, self.page
        while starts[self.block + 1] <= index:
            self.block += 1
        parent = self.open[-1] if self.open else 0
        if page.owner[self.block] != parent or self.wrapped == self.block:
            return
        tag, several = page.tag[parent], page.block_end[parent] - page.block_start[parent] > 1
        if tag in _NEVER_SPLIT and not (tag == "p" and several):
            return
        if tag not in _LINES or several:
            self._unwrap()
            self.soup.handle_starttag("p", None, None, {}, sourceline=_WRAPPER, sourcepos=len(self.lines))
            self.wrapped, self.begun = self.block, index

    def _unwrap(self) -> None:
        if self.wrapped >= 0:
            self.soup.handle_endtag("p")
            self.lines.append((self.begun, self.index))
            self.wrapped = -1
