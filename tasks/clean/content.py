"""Which blocks of a page are its article: what the scorer thinks of them, and what must stand or fall together.

The scorer (scorer.py) gives each block that holds words a probability, and the page a threshold. Around it stand a few
decisions that are no question of prose: embedded posts and captions inside the article stay, marks without words go
with what stands around them, controls go.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from tasks.clean.captions import captions_of
from tasks.clean.clues import Clues
from tasks.clean.lexicon import PLACE_GROUPS
from tasks.clean.scorer import Scorer, Scores
from tasks.clean.walk import Page
from tasks.clean.words import is_embed

__all__ = ["OUTSIDE", "Choice", "choose", "leading_of"]

OUTSIDE: Final = "outside"  # the concept of what is no part of the article and nothing else in particular
_NEAR: Final = 3  # blocks between a caption and the nearest kept line
_WHOLE: Final = {"dl": 0.3, "table": 0.3, "ol": 0.6, "ul": 0.6}  # of the threshold, on average and inside the article
_CELL: Final = 60  # words; a table with longer cells is there for the layout
_LEVELS: Final = 6  # elements around a block whose names are asked what it is
_CONCEPTS: Final = {  # kind of place (lexicon.py) → concept in the ledger, the more telling first
    "ads": "ads",
    "comment": "comments",
    "share": "share",
    "news": "promo",
    "related": "related",
    "author": "author-box",
    "foot": "navigation",
    "nav": "navigation",
}
_CONCEPT_BITS: Final = tuple((1 << PLACE_GROUPS.index(place), concept) for place, concept in _CONCEPTS.items())
_TAG_CONCEPTS: Final = {"nav": "navigation", "footer": "navigation", "aside": "aside", "form": "widget"}
_WHY: Final = {
    "title": "the headline, which stands in the metadata",
    "widget": "a control",
    OUTSIDE: "looks less like article than this page's threshold",
}


@dataclass(slots=True)
class Choice:
    """The decision on each block; `doubts`: 0 certain, 1 on the edge."""

    kept: list[bool]
    scores: list[float]
    doubts: list[float]
    why: list[str]
    concept: list[str]
    threshold: float
    made: Scores | None
    row: dict[int, int]  # of the blocks that the scorer saw
    captions: dict[int, int]  # see captions_of


def choose(page: Page, clues: Clues, scorer: Scorer) -> Choice:
    """What is article of a page."""
    count = len(page.owner)
    made = scorer.scores(page, clues)
    choice = Choice(
        [False] * count, [0.0] * count, [0.0] * count, [""] * count, [""] * count, 1.0, made, {}, captions_of(page)
    )
    if made is not None:
        choice.threshold = made.threshold
        choice.row = {block: row for row, block in enumerate(made.blocks)}
        for block, probability in zip(made.blocks, made.probability.round(4).tolist(), strict=True):
            choice.scores[block] = probability
            choice.kept[block] = probability >= made.threshold
        _keep_whole(page, choice)
        _keep_summaries(page, choice)
        _keep_embeds(page, choice)
        _keep_captions(page, choice)
        _settle_marks(page, choice)
    _explain(page, choice, scorer)
    return choice


def _span(choice: Choice) -> tuple[int, int]:
    """The first block kept, and the one after the last."""
    kept = [block for block, stays in enumerate(choice.kept) if stays]
    return (kept[0], kept[-1] + 1) if kept else (0, 0)


def _keep_whole(page: Page, choice: Choice) -> None:
    """Tables of data, lists and lists of definitions stay as one: half a table says something else than the whole.

    Their short lines look little like prose; inside the article they stay unless they look much less like it.
    """
    made = choice.made
    if made is None:
        return
    first, last = _span(choice)
    number, count = 0, len(page.tag)
    while number < count - 1:
        number += 1
        share = _WHOLE.get(page.tag[number])
        if share is None or page.block_start[number] == page.block_end[number]:
            continue
        blocks = range(page.block_start[number], page.block_end[number])
        rows = [choice.row[block] for block in blocks if block in choice.row]
        words = made.table.words[rows]
        if not rows or (page.tag[number] == "table" and float(words.max()) > _CELL):
            continue
        mean = float((words * made.probability[rows]).sum() / words.sum())
        inside = first < blocks.start and blocks.stop <= last
        stays = mean >= choice.threshold * (share if inside else 1)
        listed = page.tag[number] in ("ol", "ul")
        if len(rows) > 1 and (not listed or (stays and inside)):
            for row in rows:
                choice.kept[made.blocks[row]] = stays
        number = page.end[number] - 1  # what is nested in it has been decided with it


def _keep_summaries(page: Page, choice: Choice) -> None:
    """The line of a <summary> stays with what it opens."""
    for number, tag in enumerate(page.tag):
        if tag == "summary" and page.tag[page.parent[number]] == "details":
            around = page.parent[number]
            if any(choice.kept[page.block_start[around] : page.block_end[around]]):
                for block in range(page.block_start[number], page.block_end[number]):
                    choice.kept[block] = not page.widget[block]


def _keep_embeds(page: Page, choice: Choice) -> None:
    """Posts of other sites inside the article are quotations, whatever they look like."""
    first, last = _span(choice)
    for number, tag in enumerate(page.tag):
        if tag == "blockquote" and is_embed(page.classes[number]):
            start, stop = page.block_start[number], page.block_end[number]
            if first < start and stop < last:
                for block in range(start, stop):
                    if not (page.widget[block] or choice.kept[block]):
                        choice.kept[block], choice.why[block] = True, "a post of another site, quoted"


def _keep_captions(page: Page, choice: Choice) -> None:
    """Captions and credits of pictures that stand close to lines of the article."""
    first, last = _span(choice)
    kept = list(choice.kept)
    for number in choice.captions:
        start, stop = page.block_start[number], max(page.block_end[number], page.block_start[number] + 1)
        if not (first <= start and stop <= last):
            continue
        around = kept[max(start - _NEAR, 0) : start] + kept[stop : stop + _NEAR]
        if any(around):
            for block in range(start, min(stop, len(kept))):
                if not (page.widget[block] or choice.kept[block]):
                    choice.kept[block], choice.why[block] = True, "the caption or credit of a picture"


def _settle_marks(page: Page, choice: Choice) -> None:
    """Blocks without words (asterisks, dashes) stay where what stands before and after them stays."""
    count = len(choice.kept)
    for block in range(1, count - 1):
        if block not in choice.row and not page.widget[block] and choice.kept[block - 1]:
            following = block + 1
            while following < count - 1 and following not in choice.row:
                following += 1
            choice.kept[block] = choice.kept[following]


def _explain(page: Page, choice: Choice, scorer: Scorer) -> None:
    """Doubt, concept and reason of each block."""
    limit = min(max(choice.threshold, 1e-6), 1 - 1e-6)
    title = choice.made.table.title if choice.made else -1
    headline = choice.made.blocks[title] if choice.made and title >= 0 else -1
    places: dict[int, str] = {}
    for block, (stays, score) in enumerate(zip(choice.kept, choice.scores, strict=True)):
        if stays:
            choice.doubts[block] = round(min((1 - score) / (1 - limit), 1.0), 3)
            continue
        choice.doubts[block] = round(min(score / limit, 1.0), 3)
        owner = page.owner[block]
        if page.widget[block]:
            concept = "widget"
        elif block == headline or page.tag[owner] == "h1":
            concept = "title"
        else:
            concept = places.get(owner) or _place(page, owner, places, scorer)
        choice.concept[block] = concept
        choice.why[block] = _WHY.get(concept) or _WHY[OUTSIDE]


def _place(page: Page, number: int, known: dict[int, str], scorer: Scorer) -> str:
    """What the names and tags around an element say that it is, the nearest first."""
    passed: list[int] = []
    found = OUTSIDE
    while number > 0 and len(passed) < _LEVELS:
        if number in known:
            found = known[number]
            break
        passed.append(number)
        classes, ident = page.classes[number], page.idents[number]
        bits = (scorer.told_by(classes)[2] if classes else 0) | (scorer.told_by(ident)[2] if ident else 0)
        concept = next((concept for bit, concept in _CONCEPT_BITS if bits & bit), "") if bits else ""
        if concept := concept or _TAG_CONCEPTS.get(page.tag[number], ""):
            found = concept
            break
        number = page.parent[number]
    known.update(dict.fromkeys(passed, found))
    return found


def leading_of(choice: Choice, scorer: Scorer, blocks: Sequence[int]) -> dict[int, tuple[tuple[str, float], ...]]:
    """The features that led to the scores of some blocks; none for those that the scorer did not see."""
    seen = [block for block in dict.fromkeys(blocks) if block in choice.row]
    if choice.made is None or not seen:
        return {}
    rows = [choice.row[block] for block in seen]
    return dict(zip(seen, scorer.leading(choice.made, rows), strict=True))
