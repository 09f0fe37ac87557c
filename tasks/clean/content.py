"""Which blocks of a page are its article: one function, so that another scorer can take its place.

The choice is by density and by place. Prose is words in sentences with few links. The container that holds most of the
prose is the article; around it and inside it, places whose names or tags mark clutter are left out, unless they hold
most of the prose themselves (a name alone is never enough).
"""

import re
from dataclasses import dataclass
from typing import Final

from tasks.clean.walk import Page
from tasks.clean.words import AD, ASIDE, AUTHOR, CHROME, COMMENT, EMBED, NEWS, PAYWALL, RELATED, SHARE

__all__ = ["KEEP", "Choice", "choose"]

KEEP: Final = 0.5  # a block of this score or more is article
_PROSE_WORDS: Final = 12  # a block of fewer words may be prose, but does not show where the article is
_PROSE_LINKED: Final = 0.35  # share of a block's characters that may be linked
_CORE_SHARE: Final = 0.75  # of the prose: a child that holds it is followed down to the article's container
_CLUTTER_SHARE: Final = 0.4  # of the prose: what holds more of it is not left out for its name or tag
_CLUTTER_TAGS: Final = {"nav": CHROME, "footer": CHROME, "aside": ASIDE}
_CLUTTER: Final = RELATED | SHARE | NEWS | COMMENT | AUTHOR | CHROME | AD | ASIDE | PAYWALL
_NAMES: Final = {
    COMMENT: "readers' comments",
    RELATED: "links to other articles",
    SHARE: "sharing",
    NEWS: "promotion",
    AUTHOR: "about the author",
    CHROME: "the site's frame",
    AD: "advertising",
    ASIDE: "beside the article",
    PAYWALL: "paywall",
}
_CONCEPTS: Final = {
    COMMENT: "comments",
    RELATED: "related",
    SHARE: "share",
    NEWS: "promo",
    AUTHOR: "author-box",
    CHROME: "navigation",
    AD: "ads",
    ASIDE: "aside",
    PAYWALL: "paywall",
}
_CJK = re.compile("[\u3040-\ud7af]")
_SECTION = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


@dataclass(frozen=True, slots=True)
class Choice:
    """A score from 0 to 1 and what led to it, one of each a block."""

    scores: list[float]
    why: list[str]
    concept: list[str]  # what the place looks like, for the ledger


@dataclass(slots=True)
class _Measures:
    """Sizes of blocks, and of elements as differences of running sums."""

    words: list[float]
    linked: list[float]  # share of the characters
    prose: list[bool]
    prose_sum: list[float]  # prose words before block b
    words_sum: list[float]
    linked_sum: list[float]  # linked words before block b


def choose(page: Page) -> Choice:
    """The score of each block of `page`; KEEP or more is article."""
    count = len(page.owner)
    if not count:
        return Choice([], [], [])
    sizes = _measure(page)
    place = _places(page, sizes)
    core = _core(page, sizes, place)
    scores, why = [0.0] * count, ["outside the article's container"] * count
    inside = range(page.block_start[core], page.block_end[core])
    prose = [b for b in inside if sizes.prose[b] and not place[page.owner[b]]]
    if not prose:
        return Choice(scores, why, [_CONCEPTS.get(place[owner], "outside") for owner in page.owner])
    for block in inside:
        scores[block], why[block] = _score(page, sizes, place, block, prose[0], prose[-1])
    _settle_headings(page, scores, why)
    return Choice(scores, why, [_CONCEPTS.get(place[owner], "outside") for owner in page.owner])


def _measure(page: Page) -> _Measures:
    sizes = _Measures([], [], [], [0.0], [0.0], [0.0])
    prose_sum = words_sum = linked_sum = 0.0
    starts, texts, linked, hidden, owner = page.starts, page.texts, page.linked, page.hidden, page.owner
    for block, control in enumerate(page.widget):
        first, last = starts[block], starts[block + 1]
        text = texts[first] if last - first == 1 else "".join(texts[first:last])
        words: float = len(text.split())
        if not text.isascii() and max(text) >= "\u3040":
            words += len(_CJK.findall(text)) / 2
        share = 0.0
        if last - first == 1:
            share = float(linked[first])
        else:
            total = in_links = 0
            for index in range(first, last):
                size = len(texts[index])
                total += size
                if linked[index]:
                    in_links += size
            share = in_links / total
        prose = words >= _PROSE_WORDS and share < _PROSE_LINKED and not control and not hidden[owner[block]]
        sizes.words.append(words)
        sizes.linked.append(share)
        sizes.prose.append(prose)
        words_sum += words
        linked_sum += words * share
        if prose:
            prose_sum += words
        sizes.prose_sum.append(prose_sum)
        sizes.words_sum.append(words_sum)
        sizes.linked_sum.append(linked_sum)
    return sizes


def _places(page: Page, sizes: _Measures) -> list[int]:
    """For each element the bit of the clutter it stands in, or 0."""
    total = sizes.prose_sum[-1]
    limit = total * _CLUTTER_SHARE
    sums, first, last = sizes.prose_sum, page.block_start, page.block_end
    place = [0] * len(page.tag)
    tag_place = _CLUTTER_TAGS.get
    for number, (parent, mask, tag) in enumerate(zip(page.parent, page.mask, page.tag, strict=True)):
        if parent < 0:
            continue
        inherited = place[parent]
        if inherited:
            place[number] = inherited
            continue
        bits = mask & _CLUTTER | tag_place(tag, 0)
        if (
            bits
            and sums[last[number]] - sums[first[number]] <= limit
            and not mask & EMBED
            and tag not in ("p", "body", "html")
        ):
            place[number] = bits & -bits
    return place


def _core(page: Page, sizes: _Measures, place: list[int]) -> int:
    """The deepest element that holds most of the prose outside clutter."""
    sums = [0.0]
    for block, owner in enumerate(page.owner):
        sums.append(sums[-1] + (sizes.words[block] if sizes.prose[block] and not place[owner] else 0.0))
    core, held = 0, sums[-1]
    number = 1
    while number < len(page.tag):
        prose = sums[page.block_end[number]] - sums[page.block_start[number]]
        if prose and prose >= _CORE_SHARE * held and page.line[number] == number:
            core, held = number, prose
            number += 1
        else:
            number = page.end[number]
        if number >= page.end[core]:
            break
    return core


def _score(page: Page, sizes: _Measures, place: list[int], block: int, first: int, last: int) -> tuple[float, str]:
    owner = page.owner[block]
    if page.widget[block]:
        return 0.0, "a control"
    if page.hidden[owner]:
        return 0.0, "hidden"
    if place[owner]:
        return 0.1, _NAMES[place[owner]]
    if block < first:
        return 0.2, "before the first paragraph"
    if sizes.prose[block]:
        return 0.9, ""
    if block > last:
        return 0.3, "after the last paragraph"
    if sizes.linked[block] > 0.5:
        return 0.3, "mostly links"
    return 0.6, ""


def _settle_headings(page: Page, scores: list[float], why: list[str]) -> None:
    """A heading goes with what follows it."""
    follows = False
    for block in range(len(scores) - 1, -1, -1):
        heading = page.tag[page.owner[block]] in _SECTION
        if heading and scores[block] >= KEEP and not follows:
            scores[block], why[block] = 0.4, "a heading of nothing that was kept"
        elif scores[block] >= KEEP:
            follows = True
        elif not heading:
            follows = False
