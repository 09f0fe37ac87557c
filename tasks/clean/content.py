"""Which blocks of a page are its article: one function, so that another scorer can take its place.

The choice is by density and by place. Prose is words in sentences with few links. The container that gains most by
its prose is the article's; around it and inside it, places whose names or tags mark clutter are left out, unless they
hold much of the prose themselves (a name alone is never enough).
"""

import re
from collections import Counter
from dataclasses import dataclass
from typing import Final

from tasks.clean.walk import Page
from tasks.clean.words import AD, ASIDE, AUTHOR, CHROME, COMMENT, EMBED, META, NEWS, PAYWALL, RELATED, SHARE
from tasks.records import count_words

__all__ = ["KEEP", "OUTSIDE", "Choice", "choose"]

OUTSIDE: Final = "outside"  # the concept of what is no part of the article and nothing else in particular
_LONG: Final = 1 << 16  # characters; what is longer is counted piece by piece
KEEP: Final = 0.5  # a block of this score or more is article
_PROSE_WORDS: Final = 12  # a block of fewer words may be prose, but does not show where the article is
_PROSE_LINKED: Final = 0.35  # share of a block's characters that may be linked
_CLUTTER_SHARE: Final = 0.4  # of the page's prose: what holds more is not left out for its name or tag
_LINKED_COST: Final = 0.6  # words of prose that one linked word in the same container outweighs
_SCATTERED_COST: Final = 0.1  # the same for words outside of prose that are not linked
_LINE_COST: Final = 0.2  # the same for each block outside of prose
_HIDDEN_SHARE: Final = 0.5  # of the hidden prose: if less than that is shown, hidden counts as shown
_STRAY_SHARE: Final = 0.15  # of the main column's prose: less, outside of its span, is no part of the article
_LISTED_WEIGHT: Final = 0.3  # of prose in lists: teasers come as lists more often than articles do
_CLUTTER_TAGS: Final = {"nav": CHROME, "footer": CHROME, "aside": ASIDE}
_CLUTTER: Final = RELATED | SHARE | NEWS | COMMENT | AUTHOR | CHROME | AD | ASIDE | PAYWALL
_NEVER_CLUTTER: Final = frozenset({"html", "body", "p"})
_ABOVE_SHARE: Final = 0.3  # of the core's prose may stand above its headline
_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})
_RUNNING: Final = frozenset({"p", "li", "dd"})
_LISTS: Final = frozenset({"dd", "dl", "dt", "li", "ol", "tbody", "tr", "ul"})
_PLACES: Final = {  # bit → concept in the ledger, words for why
    COMMENT: ("comments", "readers' comments"),
    RELATED: ("related", "links to other articles"),
    SHARE: ("share", "sharing"),
    NEWS: ("promo", "promotion"),
    AUTHOR: ("author-box", "about the author"),
    CHROME: ("navigation", "the site's frame"),
    AD: ("ads", "advertising"),
    ASIDE: ("aside", "beside the article"),
    PAYWALL: ("paywall", "prompts to pay"),
}
_CJK: Final = re.compile("[\u3040-\ud7af]")


@dataclass(frozen=True, slots=True)
class Choice:
    """A score from 0 to 1 with its reason, and what the place looks like; one of each a block."""

    scores: list[float]
    why: list[str]
    concept: list[str]


@dataclass(slots=True)
class _Sizes:
    """Measures of blocks; of elements by the difference of a running sum."""

    words: list[float]
    linked: list[float]  # share of the characters
    prose: list[bool]
    prose_sum: list[float]  # prose words before block b
    hidden: list[bool]
    hidden_sum: float  # words of prose that nobody sees


@dataclass(frozen=True, slots=True)
class _Around:
    """What the score of one block needs to know of the whole."""

    place: list[int]  # of each element: the bit of the clutter it stands in, or 0
    quoted: set[int]  # elements of embedded posts
    title: int  # block of the headline; -1 where the core holds none
    first: int  # block of prose in the core
    last: int
    levels: set[int]  # elements beside whose children prose stands


def choose(page: Page) -> Choice:
    """The score of each block of `page`; KEEP or more is article."""
    sizes = _measure(page, seen_only=True)
    if sizes.prose_sum[-1] < _HIDDEN_SHARE * sizes.hidden_sum:  # a script was to show the article
        sizes = _measure(page, seen_only=False)
    posts, holders = _embeds(page)
    place = _places(page, sizes, holders)
    count = len(page.owner)
    scores, why = [0.1] * count, ["outside the article's container"] * count
    core = _core(page, sizes, place)
    inside = range(page.block_start[core], page.block_end[core])
    prose = [block for block in inside if sizes.prose[block] and not place[page.owner[block]]]
    title = -1
    if prose:
        quoted = {number for post in posts for number in range(post, page.end[post])}
        title = _title(page, sizes, inside, prose)
        prose = [block for block in _without_strays(page, sizes, prose) if block > title]
        levels = {_level(page, page.owner[block]) for block in prose}
        if not prose:
            title, prose = -1, [block for block in inside if sizes.prose[block]]
        around = _Around(place, quoted, title, prose[0], prose[-1], levels)
        for block in inside:
            scores[block], why[block] = _score(page, sizes, around, block)
        _settle_headings(page, scores, why)
    concept = [_PLACES[place[owner]][0] if place[owner] else OUTSIDE for owner in page.owner]
    if title >= 0:
        concept[title] = "title"
    return Choice(scores, why, concept)


def _measure(page: Page, *, seen_only: bool) -> _Sizes:
    sizes = _Sizes([], [], [], [0.0], [], 0.0)
    total = 0.0
    starts, texts, linked, hidden, owner = page.starts, page.texts, page.linked, page.hidden, page.owner
    for block, control in enumerate(page.widget):
        first, last = starts[block], starts[block + 1]
        if last - first == 1:
            text, share = texts[first], float(linked[first])
        else:
            text = "".join(texts[first:last])
            share = sum(len(texts[i]) for i in range(first, last) if linked[i]) / len(text)
        words: float = len(text.split()) if len(text) < _LONG else count_words(text)
        if len(text) < _LONG and not text.isascii() and max(text) >= "\u3040":
            words += len(_CJK.findall(text)) / 2
        unseen = seen_only and hidden[owner[block]]
        prose = words >= _PROSE_WORDS and share < _PROSE_LINKED and not control
        if prose and unseen:
            prose = False
            sizes.hidden_sum += words
        total += words if prose else 0.0
        sizes.words.append(words)
        sizes.linked.append(share)
        sizes.prose.append(prose)
        sizes.prose_sum.append(total)
        sizes.hidden.append(unseen)
    return sizes


def _embeds(page: Page) -> tuple[list[int], set[int]]:
    """Embedded posts, and the elements around them."""
    posts = [
        number
        for number, (tag, mask) in enumerate(zip(page.tag, page.mask, strict=True))
        if mask & EMBED and tag == "blockquote"
    ]
    around: set[int] = set()
    for post in posts:
        number = post
        while number > 0 and number not in around:
            around.add(number)
            number = page.parent[number]
    return posts, around


def _places(page: Page, sizes: _Sizes, holders: set[int]) -> list[int]:
    """For each element the bit of the clutter it stands in, or 0."""
    sums, first, last = sizes.prose_sum, page.block_start, page.block_end
    limit = sums[-1] * _CLUTTER_SHARE
    place = [0] * len(page.tag)
    tag_place = _CLUTTER_TAGS.get
    for number, (parent, mask, tag) in enumerate(zip(page.parent, page.mask, page.tag, strict=True)):
        if parent >= 0 and (inherited := place[parent]):
            place[number] = inherited
            continue
        bits = mask & _CLUTTER | tag_place(tag, 0)
        if not bits or tag in _NEVER_CLUTTER or number in holders:
            continue
        if sums[last[number]] - sums[first[number]] <= limit:
            place[number] = bits & -bits
    return place


def _core(page: Page, sizes: _Sizes, place: list[int]) -> int:
    """The element that gains most: words of prose count for it, linked and scattered words against it."""
    sums, gain = [0.0], 0.0
    for words, linked, prose, owner in zip(sizes.words, sizes.linked, sizes.prose, page.owner, strict=True):
        if place[owner]:
            pass
        elif prose:
            gain += words
        else:
            gain -= words * (_LINKED_COST * linked + _SCATTERED_COST * (1 - linked)) + _LINE_COST
        sums.append(gain)
    core, best = 0, 0.0
    for number, (first, last) in enumerate(zip(page.block_start, page.block_end, strict=True)):
        here = sums[last] - sums[first]
        if here >= best and page.line[number] == number:
            core, best = number, here
    return core


def _title(page: Page, sizes: _Sizes, inside: range, prose: list[int]) -> int:
    """The block of the headline, or -1: the last <h1> that stands above most of the prose."""
    first, last = inside.start, inside.stop
    limit = sizes.prose_sum[first] + (sizes.prose_sum[last] - sizes.prose_sum[first]) * _ABOVE_SHARE
    found = -1
    for block in inside:
        if sizes.prose_sum[block] > limit:
            break
        owner = page.owner[block]
        if (page.tag[owner] == "h1" or page.tag[page.parent[owner]] == "h1") and block < prose[-1]:
            found = block
    return found


def _without_strays(page: Page, sizes: _Sizes, prose: list[int]) -> list[int]:
    """The prose without what stands alone before or after the main column."""
    words: dict[int, float] = {}
    level_of = {block: _level(page, page.owner[block]) for block in prose}
    for block, level in level_of.items():
        listed = page.line[page.parent[page.owner[block]]] != level
        words[level] = words.get(level, 0.0) + sizes.words[block] * (_LISTED_WEIGHT if listed else 1.0)
    main = max(words, key=lambda level: words[level])
    least = words[main] * _STRAY_SHARE
    lines = Counter(level_of.values())
    column = [b for b, level in level_of.items() if words[level] >= least * (1 if lines[level] > 1 else 3)]
    return [block for block in prose if block <= column[-1]]


def _score(page: Page, sizes: _Sizes, around: _Around, block: int) -> tuple[float, str]:
    """The score of a block of the core, and what lowered it."""
    owner = page.owner[block]
    place = around.place[owner]
    if page.widget[block]:
        return 0.0, "a control"
    if sizes.hidden[block]:
        return 0.0, "hidden"
    if place:
        return 0.1, _PLACES[place][1]
    if block <= around.title:
        return 0.2, "above the headline" if block < around.title else "the headline, which stands in the metadata"
    if sizes.prose[block] and around.first <= block <= around.last:
        return 0.9, ""
    if owner in around.quoted:
        return 0.8, ""
    if _labelled(page, owner):
        return 0.3, "dates, topics or credits"
    if not around.first <= block <= around.last and not _beside(page, around, block):
        return 0.3, "before the first paragraph" if block < around.first else "after the last paragraph"
    if sizes.linked[block] > 0.5 and not (page.tag[owner] in _RUNNING and _ends_sentence(page.block_text(block))):
        return 0.3, "mostly links"
    return 0.6, ""


def _labelled(page: Page, owner: int) -> bool:
    """Whether a line stands in a place for dates and topics, at most two elements up."""
    parent = page.parent[owner]
    return bool((page.mask[owner] | page.mask[parent]) & META) and page.tag[owner] not in _HEADINGS


def _beside(page: Page, around: _Around, block: int) -> bool:
    """Whether a line before the first or after the last paragraph stands beside paragraphs."""
    owner = page.owner[block]
    if page.tag[owner] in _HEADINGS and block < around.first:
        return False
    return page.tag[owner] in _RUNNING and _level(page, owner) in around.levels


def _level(page: Page, owner: int) -> int:
    """The element among whose children a line stands; lists and wrappers of a single block are passed by."""
    number = page.line[page.parent[owner]] if owner > 0 else 0
    for _ in range(6):
        if page.tag[number] not in _LISTS and page.block_end[number] - page.block_start[number] > 1:
            break
        number = page.line[page.parent[number]]
    return number


def _ends_sentence(text: str) -> bool:
    return len(text) > 40 and text.rstrip("\"'”’»)]").endswith((".", "!", "?", "…", "。"))


def _settle_headings(page: Page, scores: list[float], why: list[str]) -> None:
    """A heading goes with what follows it."""
    follows = False
    for block in range(len(scores) - 1, -1, -1):
        heading = page.tag[page.owner[block]] in _HEADINGS
        if heading and scores[block] >= KEEP and not follows:
            scores[block], why[block] = 0.4, "a heading of nothing that was kept"
        elif scores[block] >= KEEP:
            follows = True
        elif not heading:
            follows = False
