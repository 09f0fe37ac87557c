"""The BeautifulSoup tree of what was kept, made tag by tag without a second parse.

Only branches that hold kept text, or something to look at between kept texts, become tags. Text that stands beside
block-level siblings gets a <p> of its own, so that every line of the article is a tag that a rule can take.
"""

from bisect import bisect_left
from dataclasses import dataclass
from itertools import accumulate
from typing import Final

from bs4.element import NavigableString, PageElement, Tag

from tasks.clean.captions import are_gallery, captions_of
from tasks.clean.embeds import POST_TAGS, frame_attributes
from tasks.clean.tags import BLOCK, MEDIA, TAGS, VOID_TAGS, names
from tasks.clean.walk import Page

__all__ = ["Kept", "make_soup"]

# In these, text stands on its own as it is; elsewhere (div, section, body) it becomes a paragraph.
_LINES: Final = names("caption dd dt figcaption h1 h2 h3 h4 h5 h6 legend li p pre summary td th")
_NEVER_SPLIT: Final = names("caption h1 h2 h3 h4 h5 h6 legend p pre summary")
_ELEMENT: Final = 0  # sourceline of a tag of the page; its sourcepos is the element's number
_WRAPPER: Final = 1  # sourceline of a <p> that we made; its sourcepos is its place in `wrapped`
_PICTURES: Final = frozenset({"figure", "picture"})


@dataclass(slots=True)
class Kept:
    """The soup with what links its tags back to the page."""

    soup: Tag
    page: Page
    owner: list[int]  # of each text node: 0 article, else an index into the reasons of the ledger
    chars: list[int]  # kept visible characters before text i
    linked: list[int]  # those of them inside links
    wrapped: list[tuple[int, int]]  # the text nodes of each <p> that we made; a block may take several
    captions: dict[int, int]  # element of a caption → element that holds it and its picture, or 0
    anchors: frozenset[str]  # ids in the soup to which links in the soup lead: notes and their references

    def span(self, tag: Tag) -> tuple[int, int]:
        """The text nodes of a tag, as a range."""
        number = tag.sourcepos or 0
        if tag.sourceline == _WRAPPER:
            return self.wrapped[number]
        return self.page.text_start[number], self.page.text_end[number]

    def text(self, tag: Tag) -> str:
        """The kept text of a tag of which nothing has been taken out, as get_text() has it at four times the cost."""
        start, stop = self.span(tag)
        texts, owner = self.page.texts, self.owner
        return "".join([texts[index] for index in range(start, stop) if not owner[index]])

    def elements(self, tag: Tag) -> tuple[int, int]:
        """The elements of a tag, as a range; of a <p> that we made, those that hold its texts."""
        number = tag.sourcepos or 0
        if tag.sourceline == _WRAPPER:
            start, stop = self.wrapped[number]
            holders = self.page.holder[start:stop]
            return min(holders), max(holders) + 1
        return number, self.page.end[number]

    def is_element(self, tag: Tag) -> bool:
        """Whether the tag stands for an element of the page; else it is a <p> that we made."""
        return tag.sourceline == _ELEMENT

    def is_caption(self, tag: Tag) -> bool:
        """Whether the tag is the caption or credit of a picture."""
        return tag.sourcepos in self.captions and tag.sourceline == _ELEMENT

    def give(self, tag: Tag, reason: int) -> None:
        """Give what the tag still held of the article to `reason`."""
        start, stop = self.span(tag)
        for index in range(start, stop):
            if not self.owner[index]:
                self.owner[index] = reason


def make_soup(page: Page, owner: list[int], captions: dict[int, int] | None = None) -> Kept:
    """The tree of all texts whose owner is 0; `captions` are captions_of(page) where the caller has them."""
    sizes = [0 if taken else size for size, taken in zip(page.sizes, owner, strict=True)]
    linked = (size if inside else 0 for size, inside in zip(sizes, page.linked, strict=True))
    chars = [0, *accumulate(sizes)]
    builder = _Builder(page, owner)
    soup = builder.build()
    anchors = frozenset(builder.fragments & builder.ids) if builder.fragments else frozenset()
    linked_before = [0, *accumulate(linked)]
    captions = captions_of(page) if captions is None else captions
    captions = {} if are_gallery(captions, page, chars) else captions
    return Kept(soup, page, owner, chars, linked_before, builder.lines, captions, anchors)


class _Builder:
    """Makes the tags of the kept part of a page, in document order.

    It does what bs4's own parsers do, with what bs4 shows of it: Tag(…, parent, previous), setup() and contents. Going
    through a TreeBuilder costs twice as much, new_tag() and append() three times.
    """

    def __init__(self, page: Page, owner: list[int]) -> None:
        self.page, self.owner = page, owner
        self.kept = [0, *accumulate(not taken for taken in owner)]  # kept texts before text i
        self.media = self._media() if self.kept[-1] else []
        self.fragments: set[str] = set()
        self.ids: set[str] = set()
        self.begins = set(page.starts)
        self.top = Tag(name="[document]")
        self.top.hidden = True
        self.last: PageElement = self.top
        self.open: list[tuple[Tag, int]] = [(self.top, 0)]  # tags with the element that they are in, innermost last
        self.wrapper: Tag | None = None  # the <p> of our own that is open
        self.wrapped = -1  # its block
        self.lines: list[tuple[int, int]] = []  # the texts of each <p> of our own
        self.index = self.block = 0  # next text, and the block that holds it

    def build(self) -> Tag:
        """The whole tree."""
        page, kept = self.page, self.kept
        ends, text_start, text_end = page.end, page.text_start, page.text_end
        number, count = 1, len(page.tag) if self.kept[-1] else 0
        while number < count:
            if ends[self.open[-1][1]] <= number:
                self._close(number)
            if self.index < text_start[number]:
                self._texts(text_start[number])
            if kept[text_end[number]] > kept[text_start[number]] or self._is_shown(number):
                self._open(number)
                number += 1
            else:
                self.index = max(self.index, text_end[number])
                number = ends[number]
        self._close(count)
        self._unwrap()
        return self.top

    def _media(self) -> list[int]:
        """Elements between the first and the last kept text that have something to look at, in order."""
        page, owner = self.page, self.owner
        first = owner.index(0)
        last = len(owner) - 1 - owner[::-1].index(0)
        inside = range(page.holder[first], page.holder[last] + 1)
        tags, start, end = page.tag, page.text_start, page.text_end
        media = [number for number in inside if TAGS.get(tags[number], 0) & MEDIA]
        posts = [
            number
            for number in inside
            if start[number] == end[number] and tags[number] in POST_TAGS and frame_attributes(page.element[number])
        ]
        return sorted(media + posts) if posts else media

    def _is_shown(self, number: int) -> bool:
        """Whether an element without kept text has something to look at, between kept texts."""
        page, kept = self.page, self.kept
        start, stop = page.text_start[number], page.text_end[number]
        if not kept[start] or kept[start] == kept[-1]:
            return False  # before the first or after the last kept text
        tag = page.tag[number]
        if tag == "br":
            return start not in self.begins and not self.owner[start - 1]
        if tag == "hr":
            return not (self.owner[start - 1] or self.owner[start])
        if page.hidden[number] or (start < stop and tag not in _PICTURES):
            return False
        first = bisect_left(self.media, number)
        return first < len(self.media) and self.media[first] < page.end[number]

    def _open(self, number: int) -> None:
        page, name = self.page, self.page.tag[number]
        start, stop = page.text_start[number], page.text_end[number]
        several = page.block_end[number] - page.block_start[number]
        if page.line[number] == number or (several and start < stop):  # a block ends inside
            self._unwrap()
        elif start < stop:
            self._wrap(start)
        elif start in self.begins:  # a picture between two blocks
            self._unwrap()
        attributes: dict[str, str] = dict(page.element[number].items())  # type: ignore[arg-type] # never bytes
        if "id" in attributes or "name" in attributes:
            self.ids |= {attributes.get("id", ""), attributes.get("name", "")}
        if name == "a" and "#" in (link := attributes.get("href", "")):
            self.fragments.add(link.partition("#")[2])
        if page.line[number] != number and TAGS.get(name, 0) & BLOCK:
            name = "span"  # a drop cap
        elif name == "p" and several > 1:
            name = "div"
        elif start == stop and name != "br" and (frame := frame_attributes(page.element[number])):
            name, attributes = "iframe", frame
        elif name == "amp-img":
            name = "img"
        tag = self._start(name, attributes, _ELEMENT, number)
        if stop - start == 1 and page.end[number] == number + 1 and (name in _LINES or page.line[number] != number):
            self._text(tag, start)  # most lines are a tag with one text: no need to open and close it
            self.index = stop
        else:
            self.open.append((tag, number))

    def _start(self, name: str, attributes: dict[str, str], line: int, place: int) -> Tag:
        parent = self.open[-1][0]
        tag = Tag(
            name=name,
            parent=parent,
            previous=self.last,
            sourceline=line,
            sourcepos=place,
            can_be_empty_element=name in VOID_TAGS,
        )
        tag.attrs.update(attributes)  # Tag(attrs=…) would set them one by one, at five times the cost
        parent.contents.append(tag)
        self.last = tag
        return tag

    def _close(self, number: int) -> None:
        """Close what ends before element `number` starts."""
        page = self.page
        while True:
            tag, top = self.open[-1]
            if not top or page.end[top] > number:
                break
            if self.index < page.text_end[top]:
                self._texts(page.text_end[top])
                continue  # that may have closed a line of ours and opened another
            if tag is self.wrapper:
                self._unwrap()
                continue
            self.open.pop()
            if tag.sourceline == _WRAPPER:
                self._end_line(tag)

    def _texts(self, stop: int) -> None:
        """The kept texts up to `stop`, all of them directly in the innermost open element."""
        owner = self.owner
        for index in range(self.index, stop):
            if not owner[index]:
                self.index = index
                self._wrap(index)
                self._text(self.open[-1][0], index)
        self.index = stop

    def _text(self, parent: Tag, index: int) -> None:
        text = NavigableString(self.page.texts[index])
        text.setup(parent, self.last)
        parent.contents.append(text)
        self.last = text

    def _wrap(self, index: int) -> None:
        """See to it that text `index` stands in a line of its own."""
        starts, page = self.page.starts, self.page
        while starts[self.block + 1] <= index:
            self.block += 1
        parent = self.open[-1][1]
        if page.owner[self.block] != parent or self.wrapped == self.block:
            return
        tag, several = page.tag[parent], page.block_end[parent] - page.block_start[parent] > 1
        if tag in _NEVER_SPLIT and not (tag == "p" and several):
            return
        if tag not in _LINES or several:
            self._unwrap()
            self.wrapper, self.wrapped = self._start("p", {}, _WRAPPER, len(self.lines)), self.block
            self.lines.append((index, index + 1))
            self.open.append((self.wrapper, parent))

    def _unwrap(self) -> None:
        """Close our own <p>, unless something is still open in it."""
        if self.open[-1][0] is self.wrapper:
            self._end_line(self.open.pop()[0])
            self.wrapper, self.wrapped = None, -1

    def _end_line(self, wrapper: Tag) -> None:
        number = wrapper.sourcepos or 0
        start, stop = self.lines[number]
        self.lines[number] = start, max(stop, self.index)
