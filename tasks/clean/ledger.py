"""The ledger: every text of the page that is not in the article, as removals in document order."""

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, Protocol

from tasks.clean.content import OUTSIDE
from tasks.clean.prune import Reason
from tasks.clean.rules import RuleSet
from tasks.clean.soup import Kept
from tasks.clean.spaces import folded
from tasks.clean.walk import Page
from tasks.records import Removal, digest_of

__all__ = ["Leading", "Paths", "Verdicts", "pieces", "removals"]

Leading = tuple[tuple[str, float], ...]

_LONGEST_PATH: Final = 128  # steps; beyond, a path starts with an ellipsis


class Verdicts(Protocol):
    """What the choice knows of blocks; see article.py."""

    def verdict_of(self, block: int) -> tuple[float, float]:
        """Score, and how near the decision was: 0 certain, 1 on the edge."""

    def leading_of(self, blocks: Sequence[int]) -> Mapping[int, Leading]:
        """The features that led to the scores; blocks that have no score are left out."""


def removals(
    cleaned: Kept, reasons: list[Reason], rules: RuleSet, host: str, verdicts: Verdicts
) -> tuple[Removal, ...]:
    """One removal for each run of texts that went for one reason from one container."""
    return tuple(removal for _, _, removal in pieces(cleaned, reasons, rules, host, verdicts))


def pieces(
    cleaned: Kept, reasons: list[Reason], rules: RuleSet, host: str, verdicts: Verdicts
) -> list[tuple[int, int, Removal]]:
    """Each removal with its text nodes, as a range; nodes of white space alone at either end are left out.

    What the choice left out, and a rule would know by its words, gets the rule's concept; it keeps its score.
    """
    page, owner = cleaned.page, cleaned.owner
    paths = Paths(page)
    found = [run for begin, end in _runs(page, owner, reasons) if (run := _seen(page, begin, end))]
    nearest = [_nearest(page, start, stop, reasons, owner, verdicts) for start, stop in found]
    leading = verdicts.leading_of([block for block, _ in nearest if block >= 0])
    out = []
    for (start, stop), (block, doubt) in zip(found, nearest, strict=True):
        raw = "".join(page.texts[start:stop])
        reason = max((reasons[code] for code in dict.fromkeys(owner[start:stop])), key=lambda one: one.score or 0.0)
        text = _shown(page, start, stop)
        concept = reason.concept
        if concept == OUTSIDE and len(text) <= rules.longest_line and (known := rules.by_text(text, host)):
            concept = known[0].concept
        out.append(
            (
                start,
                stop,
                Removal(
                    concept=concept,
                    rule=reason.rule,
                    why=reason.why,
                    path=paths.path(_holder(page, start, stop)),
                    text=text,
                    chars=sum(page.sizes[start:stop]),
                    digest=digest_of(raw.encode("utf-8", "replace")),
                    score=reason.score,
                    doubt=doubt,
                    leading=leading.get(block, ()),
                ),
            )
        )
    return out


def _seen(page: Page, start: int, stop: int) -> tuple[int, int] | None:
    """The range without white space at either end; None for white space between two pieces."""
    while start < stop and page.texts[start].isspace():
        start += 1
    while start < stop and page.texts[stop - 1].isspace():
        stop -= 1
    return (start, stop) if start < stop else None


def _nearest(
    page: Page, start: int, stop: int, reasons: list[Reason], owner: list[int], verdicts: Verdicts
) -> tuple[int, float]:
    """Which of these blocks was nearest to staying, and how near; -1 where a rule took them.

    A rule took what the choice had kept: the more surely it was kept, the more doubtful the rule.
    """
    first, last = bisect_right(page.starts, start) - 1, bisect_right(page.starts, stop - 1) - 1
    blocks = range(first, last + 1)
    if all(reasons[code].score is None for code in owner[start:stop] if code):
        return -1, round(max(verdicts.verdict_of(block)[0] for block in blocks), 3)
    doubt, block = max((verdicts.verdict_of(block)[1], -block) for block in blocks)
    return -block, doubt


def _shown(page: Page, start: int, stop: int) -> str:
    """The texts for reading: white space folded, a space where a block ends."""
    parts, begin = [], start
    block = bisect_right(page.starts, start) - 1
    while begin < stop:
        end = min(page.starts[block + 1], stop)
        parts.append(folded("".join(page.texts[begin:end])))
        begin, block = end, block + 1
    return " ".join(filter(None, parts))


def _runs(page: Page, owner: list[int], reasons: list[Reason]) -> Iterator[tuple[int, int]]:
    """Ranges of texts that make one removal."""
    start, count = 0, len(owner)
    while start < count:
        stop = start + 1
        while stop < count and _alike(reasons, owner[start], owner[stop]):
            stop += 1
        if owner[start]:
            whole = reasons[owner[start]].score is None and reasons[owner[start]].concept != OUTSIDE
            yield from ((start, stop),) if whole else _pieces(page, start, stop)
        start = stop


def _alike(reasons: list[Reason], one: int, other: int) -> bool:
    if one == other:
        return True
    first, second = reasons[one], reasons[other]
    return bool(one and other) and None not in (first.score, second.score) and first.concept == second.concept


def _holder(page: Page, start: int, stop: int) -> int:
    """The innermost element that holds all these texts."""
    number = page.holder[start]
    while page.text_end[number] < stop:
        number = page.parent[number]
    return number


def _pieces(page: Page, start: int, stop: int) -> Iterator[tuple[int, int]]:
    """A run cut where one whole container ends and another begins; lines of one container stay together."""
    begin, index, line_parent = start, start, -1
    while index < stop:
        number = page.holder[index]
        # The largest element that lies wholly in the run and starts here.
        while (
            page.parent[number] > 0
            and page.text_start[page.parent[number]] >= index
            and page.text_end[page.parent[number]] <= stop
            and page.text_start[page.parent[number]] == index
        ):
            number = page.parent[number]
        whole = page.text_start[number] == index and page.text_end[number] <= stop
        end = page.text_end[number] if whole else index + 1
        container = whole and page.block_end[number] - page.block_start[number] > 1
        if container:
            if begin < index:
                yield begin, index
            yield index, end
            begin, line_parent = end, -1
        else:
            parent = page.parent[number] if whole else number
            if parent != line_parent and begin < index:
                yield begin, index
                begin = index
            line_parent = parent
        index = end
    if begin < stop:
        yield begin, stop


class Paths:
    """Paths of elements, /html[1]/body[1]/div[3]; siblings are counted once for each parent."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.places: dict[int, int] = {}

    def path(self, number: int) -> str:
        """Where an element stands."""
        steps: list[str] = []
        while number > 0:
            if len(steps) == _LONGEST_PATH:  # a page of 100,000 nested elements must not give paths of megabytes
                steps.append("/…")
                break
            steps.append(f"/{self.page.tag[number]}[{self._place(number)}]")
            number = self.page.parent[number]
        return "".join(reversed(steps)) or "/"

    def _place(self, number: int) -> int:
        """Its number among the siblings of its name."""
        if number not in self.places:
            page, parent = self.page, self.page.parent[number]
            seen: dict[str, int] = {}
            child = parent + 1
            while child < page.end[parent]:
                seen[page.tag[child]] = seen.get(page.tag[child], 0) + 1
                self.places[child] = seen[page.tag[child]]
                child = page.end[child]
        return self.places[number]
