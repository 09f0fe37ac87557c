"""Captions and credits of pictures: kept in the article, marked as such, and no part of its prose.

A caption is a <figcaption>, what else a <figure> says of its picture, or a line right after a picture whose class or
id calls it a caption or credit. A class name alone makes no caption: without a picture beside it, or with sentences
enough for a paragraph, the line stays prose.
"""

import re
from collections.abc import Iterable
from functools import lru_cache
from itertools import accumulate
from typing import Final

from tasks.clean.tags import MEDIA_TAGS
from tasks.clean.walk import Page

__all__ = ["are_gallery", "captions_of"]

# Words of class names and ids, by language as sites write them; seen in the page sources of news sites.
_NAMED: Final = re.compile(
    "caption|credit|cutline|figcap|photo-?by|photographer|image-?source|img-?source|attribution"  # en
    "|legende|légende|bildunterschrift|bildtext|bildquelle|bildnachweis|fotohinweis"  # fr de
    "|didascalia|pie-?de-?foto|pie-?foto|foto-?pie|epigrafe|epígrafe|legenda"  # it es pt
    "|bijschrift|onderschrift|fotobyline|billedtekst|bildetekst|kuvateksti|popisek|podpis|fotonot",  # nl da no fi cs pl
    re.IGNORECASE,
)
_LONGEST: Final = 300  # visible characters of a caption by its class alone: more is a paragraph
_MOST: Final = 0.5  # of what was kept
_LEVELS: Final = 5  # from a caption up to its <figure>
_NEAR: Final = 40  # elements after a picture that are looked at: 50,000 pictures may follow one another
_HOLDERS: Final = frozenset({"div", "p", "section", "figure"})
_LONGEST_FIGURE: Final = 500  # of all that a figure without <figcaption> says
_SHOWN: Final = MEDIA_TAGS - {"audio"}
_OTHER_WORDS: Final = frozenset(["blockquote", "table", "pre", "ul", "ol", "dl", "p", "h1", "h2", "h3", "math", "code"])


@lru_cache(maxsize=20_000)
def _is_name(value: str) -> bool:
    """Whether a class or an id is that of captions or credits."""
    return _NAMED.search(value) is not None


def captions_of(page: Page) -> dict[int, int]:
    """The elements that are captions or credits, in order; none lies in another.

    With each goes the element that holds it together with its picture; 0 where the two stand apart.
    """
    finder = _Finder(page)
    for number, tag in enumerate(page.tag):
        if tag in _SHOWN:
            finder.after(number)
        elif tag == "figcaption":
            finder.add(number, 0)
        elif tag == "figure":
            finder.figure(number)
    return finder.inner()


def are_gallery(captions: Iterable[int], page: Page, chars: list[int]) -> bool:
    """Whether captions are most of what was kept: they then are the article.

    `chars` are the kept visible characters before each text.
    """
    size = sum(chars[page.text_end[number]] - chars[page.text_start[number]] for number in captions)
    return size > chars[-1] * _MOST


class _Finder:
    """Collects captions; of nested ones the outermost counts."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.found: dict[int, int] = {}
        self.sums: list[int] = []  # visible characters before each text

    def add(self, number: int, holder: int) -> None:
        """`number` is a caption, if it says anything; a <figure> around both is the better holder."""
        page = self.page
        if page.text_start[number] == page.text_end[number]:
            return
        outer = page.parent[number]
        for _ in range(_LEVELS):
            if outer > 0 and page.tag[outer] == "figure":
                holder = outer
                break
            outer = page.parent[max(outer, 0)]
        self.found.setdefault(number, holder)

    def figure(self, number: int) -> None:
        """What a <figure> with a picture and without <figcaption> says, where that is short and nothing else."""
        page, end = self.page, self.page.end[number]
        start, stop = page.text_start[number], page.text_end[number]
        if start == stop or self._size(start, stop) > _LONGEST_FIGURE:
            return
        inside = page.tag[number + 1 : end]
        if "figcaption" in inside or "img" not in inside or not _OTHER_WORDS.isdisjoint(inside):
            return
        child = number + 1
        while child < end:
            if "img" not in page.tag[child : page.end[child]]:
                self.add(child, number)
                child = page.end[child]
            else:
                child += 1

    def after(self, media: int) -> None:
        """Lines right after a picture that their names call captions or credits."""
        page = self.page
        number, reach = page.end[media], page.text_start[media]
        count = min(number + _NEAR, len(page.tag))
        while number < count and page.text_start[number] == reach:
            stop = page.text_end[number]
            if stop == reach or not self._is_named(number):
                number += 1
                continue
            if self._size(reach, stop) > _LONGEST or self._holds_media(number):
                return
            self.add(number, self._around(media, number))
            number, reach = page.end[number], stop

    def inner(self) -> dict[int, int]:
        """Without those that lie in another."""
        found, end = {}, 0
        for number in sorted(self.found):
            if number >= end:
                found[number] = self.found[number]
                end = self.page.end[number]
        return found

    def _size(self, start: int, stop: int) -> int:
        """Visible characters of a range of texts; added up once, as ranges may hold one another."""
        if not self.sums:
            self.sums = [0, *accumulate(self.page.sizes)]
        return self.sums[stop] - self.sums[start]

    def _is_named(self, number: int) -> bool:
        named, called = self.page.classes[number], self.page.idents[number]
        return bool(named and _is_name(named)) or bool(called and _is_name(called))

    def _holds_media(self, number: int) -> bool:
        return any(tag in _SHOWN for tag in self.page.tag[number : self.page.end[number]])

    def _around(self, media: int, number: int) -> int:
        """The innermost block-level element that holds both, where it holds little else."""
        page = self.page
        holder = page.line[page.parent[media]]
        while page.end[holder] <= number:
            holder = page.line[page.parent[holder]]
        size = self._size(page.text_start[holder], page.text_end[holder])
        return holder if page.tag[holder] in _HOLDERS and size <= 2 * _LONGEST else 0
