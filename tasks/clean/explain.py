"""From a page to what became of each of its texts: kept or taken out, by what, and how near the decision was."""

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from tasks.clean.article import Cleaning
from tasks.clean.ledger import Leading, Paths, pieces
from tasks.clean.parse import parse_tree
from tasks.clean.rules import RuleSet
from tasks.clean.walk import Page, walk
from tasks.records import Removal

__all__ = ["Explanation", "Fate", "Span", "Total", "explain_page"]


class Fate(StrEnum):
    """What became of a text."""

    ARTICLE = "article"
    CAPTION = "caption"  # kept, beside the text: see captions.py
    REMOVED = "removed"


_ORDER = tuple(Fate)


@dataclass(frozen=True, slots=True)
class Span:
    """A run of text of one block and one fate."""

    fate: Fate
    concept: str  # of the removal; empty for what was kept
    rule: str  # the rule's id, or "score"; empty for what was kept
    why: str
    score: float  # how much like article its block looks, 0 to 1
    doubt: float  # how near the decision was: 0 certain, 1 on the edge
    leading: Leading  # features that led to the score: name, effect in log-odds
    path: str  # of the innermost block-level element
    text: str  # white space folded; a blank for each line break
    chars: int  # visible characters, white space not counted
    block: int  # number of its block in the page
    glued: bool  # whether it goes on, without white space, with what stands before it in its block
    removal: int | None  # line of the ledger, from 1


@dataclass(frozen=True, slots=True)
class Total:
    """Sums over the spans of one concept, or of what was kept."""

    name: str
    fate: Fate
    chars: int
    spans: int
    doubt: float  # of the most doubtful


@dataclass(frozen=True, slots=True)
class Explanation:
    """A page's texts in order, each with its fate, and the ledger that says the same."""

    url: str
    title: str  # what <title> says, white space folded
    spans: tuple[Span, ...]
    removals: tuple[Removal, ...]

    @property
    def page_chars(self) -> int:
        """Visible characters of the page."""
        return sum(span.chars for span in self.spans)

    def by_doubt(self) -> list[Span]:
        """The spans, the most doubtful first; those of one doubt in the order of the page."""
        return sorted(self.spans, key=lambda span: -span.doubt)

    def totals(self) -> list[Total]:
        """Sums by concept: what was kept first, then its captions, then the concepts by their names."""
        groups: dict[tuple[int, str, Fate], list[Span]] = {}
        for span in self.spans:
            key = (_ORDER.index(span.fate), span.concept or span.fate.value, span.fate)
            groups.setdefault(key, []).append(span)
        return [
            Total(name, fate, sum(span.chars for span in group), len(group), max(span.doubt for span in group))
            for (_, name, fate), group in sorted(groups.items())
        ]


def explain_page(html: str, *, url: str, rules: RuleSet) -> Explanation:
    """What becomes of each text of a decoded page; the sums are those of clean_page."""
    tree = parse_tree(html)
    if tree.root is None:
        return Explanation(url, "", (), ())
    cleaning = Cleaning(walk(tree.root), url=url, rules=rules)
    found = pieces(cleaning.kept, cleaning.reasons, rules, cleaning.host, cleaning)
    title = " ".join((tree.root.findtext(".//title") or "").split())
    return Explanation(
        url, title, tuple(_spans(cleaning, found)), tuple(removal for _, _, removal in found) + cleaning.notes()
    )


def _spans(cleaning: Cleaning, found: list[tuple[int, int, Removal]]) -> Iterator[Span]:
    page, paths = cleaning.page, Paths(cleaning.page)
    line_of = [0] * len(page.texts)  # of the ledger, for each text; 0 where it was kept
    for line, (start, stop, _) in enumerate(found, 1):
        line_of[start:stop] = [line] * (stop - start)
    captions = _captions(cleaning)
    breaks = {page.text_start[number] for number, tag in enumerate(page.tag) if tag == "br"}
    leading = cleaning.leading_of(range(len(page.owner)))
    for block in range(len(page.owner)):
        path, blank = "", True  # whether white space, or nothing of the block, stands before
        for raw, line, is_caption in _runs(page, block, line_of, captions, breaks):
            text = " ".join(raw.split())
            if not text:
                blank = True
                continue
            path = path or paths.path(page.owner[block])
            removal = found[line - 1][2] if line else None
            fate = Fate.REMOVED if removal else Fate.CAPTION if is_caption else Fate.ARTICLE
            glued = not (blank or raw[0].isspace())
            lead = leading.get(block, ())
            yield _span(cleaning, block, lead, path, text, fate, removal, line, glued=glued)
            blank = raw[-1].isspace()


def _captions(cleaning: Cleaning) -> list[bool]:
    """Whether each text stands in a caption."""
    page, inside = cleaning.page, [False] * len(cleaning.page.texts)
    for number in cleaning.kept.captions:
        start, stop = page.text_start[number], page.text_end[number]
        inside[start:stop] = [True] * (stop - start)
    return inside


def _runs(
    page: Page, block: int, line_of: list[int], captions: list[bool], breaks: set[int]
) -> Iterator[tuple[str, int, bool]]:
    """Neighbouring texts that share their fate, joined; a line feed where a line breaks."""
    parts: list[str] = []
    last = (0, False)
    for index in range(page.starts[block], page.starts[block + 1]):
        here = line_of[index], captions[index]
        if parts and here != last:
            yield "".join(parts), *last
            parts = []
        last = here
        if index in breaks:
            parts.append("\n")
        parts.append(page.texts[index])
    if parts:
        yield "".join(parts), *last


def _span(
    cleaning: Cleaning,
    block: int,
    leading: Leading,
    path: str,
    text: str,
    fate: Fate,
    removal: Removal | None,
    line: int,
    *,
    glued: bool,
) -> Span:
    score, doubt = cleaning.verdict_of(block)
    if removal is not None and removal.score is None:
        doubt = removal.doubt  # a rule's, over all that it took: the choice had kept it
    return Span(
        fate=fate,
        concept=removal.concept if removal else "",
        rule=removal.rule if removal else "",
        why=removal.why if removal else cleaning.choice.why[block],
        score=score,
        doubt=doubt,
        leading=leading,
        path=path,
        text=text,
        chars=len("".join(text.split())),
        block=block,
        glued=glued,
        removal=line or None,
    )
