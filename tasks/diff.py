"""What changed between two texts, by word: paragraphs are matched first, then the words inside those that changed.

Time stays near linear whatever the texts are: equal ends are cut off, what occurs once in both is an anchor (patience
diff; a word, else a run of words), and only small gaps between anchors are compared each with each. A large gap without
an anchor is given as removed and added whole. White space between words is not compared.
"""

import re
from bisect import bisect_left
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import NamedTuple

from tasks.records import count_words

__all__ = ["Diff", "Piece", "diff_texts"]

SAME, ADDED, REMOVED = "same", "added", "removed"
_RUNS = (1, 3, 8)  # lengths of runs of words that may be anchors, tried in this order
_DEPTH = 24  # splits of splits; a text made to need more is given as replaced
_SMALL = 1 << 14  # the longest gap, in pairs of words, that is compared each with each
_PARAGRAPH = re.compile(r"[^\n]*\n+|[^\n]+")  # a line with all the line ends behind it
_WORD = re.compile("[\u3040-\ud7af]|[^\\s\u3040-\ud7af]+")  # CJK is written without blanks: each character is a word
_Opcode = tuple[bool, int, int, int, int]  # equal, then the range in each sequence


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text with one fate; of what is the same, the newer text's white space."""

    kind: str  # same, added, removed
    text: str


@dataclass(frozen=True, slots=True)
class Diff:
    """All of both texts, in order; what was removed stands before what was added in its place."""

    pieces: tuple[Piece, ...]

    @property
    def added(self) -> int:
        """Words that only the newer text has, counted as everywhere."""
        return sum(count_words(piece.text) for piece in self.pieces if piece.kind == ADDED)

    @property
    def removed(self) -> int:
        """Words that only the older text has."""
        return sum(count_words(piece.text) for piece in self.pieces if piece.kind == REMOVED)

    def as_json(self) -> list[list[str]]:
        """[kind, text] of each piece."""
        return [[piece.kind, piece.text] for piece in self.pieces]


def diff_texts(before: str, after: str) -> Diff:
    """What has to be removed from `before` and added to get `after`."""
    old, new = _PARAGRAPH.findall(before), _PARAGRAPH.findall(after)
    pieces: list[Piece] = []
    for equal, a, b, c, d in _opcodes(
        [" ".join(part.split()) for part in old], [" ".join(part.split()) for part in new]
    ):
        if equal:
            pieces.append(Piece(SAME, "".join(new[c:d])))
        else:
            pieces += _by_word("".join(old[a:b]), "".join(new[c:d]))
    return Diff(tuple(_joined(pieces)))


def _by_word(before: str, after: str) -> Iterator[Piece]:
    """The pieces of a stretch that changed."""
    old, new = list(_WORD.finditer(before)), list(_WORD.finditer(after))
    for equal, a, b, c, d in _opcodes([word[0] for word in old], [word[0] for word in new]):
        if equal:
            yield Piece(SAME, _stretch(after, new, c, d))
        else:
            yield Piece(REMOVED, _stretch(before, old, a, b))
            yield Piece(ADDED, _stretch(after, new, c, d))


def _stretch(text: str, words: Sequence[re.Match[str]], start: int, end: int) -> str:
    """The text of words `start` to `end` with the white space behind each; of the first word, before it too."""
    if start == end:
        return ""
    first = words[start].start() if start else 0
    return text[first : words[end].start() if end < len(words) else len(text)]


def _joined(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Without empty pieces, neighbours of one kind as one."""
    held: list[Piece] = []
    for piece in pieces:
        if not piece.text:
            continue
        if held and held[0].kind != piece.kind:
            yield Piece(held[0].kind, "".join(part.text for part in held))
            held = []
        held.append(piece)
    if held:
        yield Piece(held[0].kind, "".join(part.text for part in held))


# ------------------------------------------------------------------ sequences
def _opcodes(old: Sequence[str], new: Sequence[str]) -> Iterator[_Opcode]:
    """Ranges that cover both sequences, in order, equal and unequal ones in turn."""
    a = c = 0
    for start_old, start_new, size in [*_matches(old, new), (len(old), len(new), 0)]:
        if start_old > a or start_new > c:
            yield False, a, start_old, c, start_new
        if size:
            yield True, start_old, start_old + size, start_new, start_new + size
        a, c = start_old + size, start_new + size


def _matches(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int, int, int]]:
    """Equal stretches (start in each, length) in order, found gap by gap."""
    gaps = [_Gap(0, len(old), 0, len(new), 0)]  # the next one in order is last
    while gaps:
        gap = gaps.pop()
        head = _equal_ends(old, new, gap, step=1)
        gap = _Gap(gap.a + head, gap.b, gap.c + head, gap.d, gap.depth)
        tail = _equal_ends(old, new, gap, step=-1)
        if head:
            yield gap.a - head, gap.c - head, head
        if tail:
            gaps.append(_Gap(gap.b - tail, gap.b, gap.d - tail, gap.d, gap.depth))
            gap = _Gap(gap.a, gap.b - tail, gap.c, gap.d - tail, gap.depth)
        if gap.small:
            yield from _each_with_each(old, new, gap)
        elif gap.depth < _DEPTH:
            gaps += reversed(_split(old, new, gap))


class _Gap(NamedTuple):
    """A range of each sequence in which equal stretches are still to be found."""

    a: int
    b: int
    c: int
    d: int
    depth: int  # splits that led to it

    @property
    def small(self) -> bool:
        """Whether it may be compared each with each."""
        return (self.b - self.a) * (self.d - self.c) <= _SMALL


def _equal_ends(old: Sequence[str], new: Sequence[str], gap: _Gap, *, step: int) -> int:
    """How many elements are equal from the start of a gap (step 1) or from its end (step -1)."""
    count, longest = 0, min(gap.b - gap.a, gap.d - gap.c)
    at, other = (gap.a, gap.c) if step == 1 else (gap.b - 1, gap.d - 1)
    while count < longest and old[at + step * count] == new[other + step * count]:
        count += 1
    return count


def _each_with_each(old: Sequence[str], new: Sequence[str], gap: _Gap) -> Iterator[tuple[int, int, int]]:
    a, b, c, d, _ = gap
    if a < b and c < d:
        for match in SequenceMatcher(None, old[a:b], new[c:d], autojunk=False).get_matching_blocks():
            if match.size:
                yield a + match.a, c + match.b, match.size


def _split(old: Sequence[str], new: Sequence[str], gap: _Gap) -> list[_Gap]:
    """The gaps between the anchors of a gap, each but the first beginning with its anchor; none where there are none.

    Where no element occurs once, runs of a few elements may.
    """
    anchors = next(filter(None, (_anchors(old, new, gap, run) for run in _RUNS)), [])
    a, c, found = gap.a, gap.c, list[_Gap]()
    for at, other in [*anchors, (gap.b, gap.d)] if anchors else ():
        found.append(_Gap(a, at, c, other, gap.depth + 1))
        a, c = at, other
    return found


def _anchors(old: Sequence[str], new: Sequence[str], gap: _Gap, run: int) -> list[tuple[int, int]]:
    """Starts of runs of so many elements that occur once on each side, as many as keep their order."""
    ours, theirs = (
        [" ".join(part[at : at + run]) for at in range(start, end - run + 1)] if run > 1 else part[start:end]
        for part, start, end in ((old, gap.a, gap.b), (new, gap.c, gap.d))
    )
    counts, others = Counter(ours), Counter(theirs)
    places = {text: gap.c + at for at, text in enumerate(theirs) if others[text] == 1}
    pairs = [(gap.a + at, places[text]) for at, text in enumerate(ours) if counts[text] == 1 and text in places]
    return _longest_rising(pairs)


def _longest_rising(pairs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """The longest choice of pairs, which rise in the first part, that rises in the second as well."""
    ends: list[int] = []  # the smallest last value of a rising run of each length
    last: list[int] = []  # index of that pair
    before: list[int] = []  # of each pair, the one in front of it in its run
    for index, (_, value) in enumerate(pairs):
        length = bisect_left(ends, value)
        before.append(last[length - 1] if length else -1)
        if length == len(ends):
            ends.append(value)
            last.append(index)
        else:
            ends[length], last[length] = value, index
    found, index = [], last[-1] if last else -1
    while index >= 0:
        found.append(pairs[index])
        index = before[index]
    return found[::-1]
