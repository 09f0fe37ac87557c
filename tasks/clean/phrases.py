"""Phrases: lines that rules know by their words, found by look-up instead of by pattern.

    see also                 the whole line says this; case and punctuation do not count
    see also *               * stands for any words, or none
    related: *               a colon stands for any mark that parts (: | » › > –)
    (add|write) a comment    any of these; an empty one makes it optional: (the |)
    # comments               # stands for a number

A page has some hundred short lines and the rules some thousand phrases: a line costs a few look-ups of its words and,
where one of them begins, ends or marks a phrase, a few comparisons. No phrase can take more than linear time.
"""

import re
import string
from collections.abc import Callable, Iterable
from functools import lru_cache
from itertools import groupby
from typing import Final, Generic, TypeVar

__all__ = ["Phrases", "fold_line", "parse_phrase"]

T = TypeVar("T")
Pieces = tuple[tuple[str, ...], ...]  # what stands between the stars, in order, each with its alternatives

_MOST: Final = 400  # alternatives of one piece
_GROUP: Final = re.compile(r"\(([^()]*)\)")  # one that holds no other
_PARTING_MARKS: Final = "：:|»›>–—-"
_PARTED: Final = re.compile(rf"[{_PARTING_MARKS}](?:\s|$)")
_EDGES: Final = (
    string.punctuation.replace("#", "") + "…“”„«»‹›‘’–—·•●■▪►▶→←↓✓¿¡،؛؟。、，！？（）「」『』\u200b\u200e\u200f\ufeff"
)
_NUMBER, _PARTING = "#", ":"
_DIGITS: Final = re.compile(r"\d[\d.,]*")
_WIDE_MARKS: Final = str.maketrans(dict.fromkeys("、。，！？（）「」『』【《》〈〉・", " ") | {"：": ": ", "】": ": "})
_WIDE: Final = "\u3040"  # from here on: writings without spaces, or with particles stuck to the words
_WIDE_LETTER: Final = re.compile(f"[{_WIDE}-\U0010ffff]")
_WIDE_KEY: Final = 2  # letters by which a phrase in such a writing is looked up


def fold_line(line: str) -> str:
    """A line as phrases are compared with it: its words in lower case, numbers as #, parting marks as colons."""
    return " ".join(_tokens(line))


def _tokens(line: str) -> list[str]:
    line = line.lower().replace("’", "'")
    if not line.isascii():
        line = line.replace("\u0307", "")  # what lower() leaves above the i of a Turkish capital
        if _WIDE_LETTER.search(line):
            line = _DIGITS.sub(_NUMBER, line.translate(_WIDE_MARKS))
    words = line.split()
    if not _PARTED.search(line):  # most lines: half the time of the loop below
        stripped = [word.strip(_EDGES) for word in words]
        return [_NUMBER if word[0].isdigit() else word for word in stripped if word]
    tokens: list[str] = []
    for token in words:
        word = token.strip(_EDGES)
        if word:
            tokens.append(_NUMBER if word[0].isdigit() else word)
        if token[-1] in _PARTING_MARKS and tokens and tokens[-1] != _PARTING:
            tokens.append(_PARTING)
    if tokens and tokens[-1] == _PARTING:
        tokens.pop()
    return tokens


# ------------------------------------------------------------------ reading
@lru_cache(maxsize=1 << 14)  # a rule file is checked before its phrases are gathered
def parse_phrase(phrase: str) -> tuple[Pieces, ...]:
    """A phrase as pieces between stars, several times over where a group holds a star; ValueError says what is wrong.

    A piece has a space at each end but in wide writings, so that it meets whole words.
    """
    found = []
    for one in _flat(phrase):
        texts = one.split("*")
        last = len(texts) - 1
        pieces = tuple(_fold_piece(phrase, text) for text in texts)
        if any("" in piece and len(piece) > 1 for piece in pieces):
            raise ValueError(f"{phrase!r} has a group between stars that may be empty")
        inner = tuple(piece for piece in pieces[1:-1] if piece != ("",))
        found.append((pieces[0], *inner, pieces[-1]) if last else pieces)
        if not any(piece != ("",) and all(len(text.replace(" ", "")) > 1 for text in piece) for piece in found[-1]):
            raise ValueError(f"{phrase!r} can mean almost any line")
    wide = max(phrase) >= _WIDE
    return tuple(dict.fromkeys(_unspaced(pieces) if wide else pieces for pieces in found))


def _unspaced(pieces: Pieces) -> Pieces:
    return tuple(tuple(text.strip(" ") for text in piece) for piece in pieces)


def _flat(phrase: str) -> list[str]:
    """The phrase with all groups written out that stand in another or hold a star."""
    found, done = [phrase], list[str]()
    while found:
        one = found.pop()
        groups = _GROUP.finditer(one)
        group = next((group for group in groups if "*" in group[1] or _depth(one, group.start())), None)
        if group:
            found += [one[: group.start()] + choice + one[group.end() :] for choice in reversed(group[1].split("|"))]
        else:
            done.append(one)
        if len(found) + len(done) > _MOST:
            raise ValueError(f"{phrase!r} stands for more than {_MOST} phrases")
    return done


def _depth(text: str, place: int) -> int:
    return text.count("(", 0, place) - text.count(")", 0, place)


def _fold_piece(phrase: str, text: str) -> tuple[str, ...]:
    """The alternatives of one piece, folded as lines are."""
    found = [""]
    for number, part in enumerate(_GROUP.split(text)):
        choices = part.split("|") if number % 2 else [part]
        found = [begun + choice for begun in found for choice in choices]
        if len(found) > _MOST:
            raise ValueError(f"{phrase!r} stands for more than {_MOST} phrases")
    if any(bracket in one for one in found for bracket in "()"):
        raise ValueError(f"{phrase!r} has a bracket without its partner")
    return tuple(dict.fromkeys(map(_fold_text, found)))


def _fold_text(text: str) -> str:
    """Unlike a line, a piece keeps the colons at its ends: "related: *"."""
    ends = [":" if re.search(mark, text) else "" for mark in (r"\A\s*[:：|»›>]", r"[:：|»›>]\s*\Z")]
    folded = " ".join(filter(None, (ends[0], fold_line(text), ends[1] if fold_line(text) else "")))
    return f" {folded} " if folded else ""


# ------------------------------------------------------------------ finding
class Phrases(Generic[T]):
    """Phrases with what each of them stands for."""

    def __init__(self, phrases: Iterable[tuple[str, T]]) -> None:
        self._whole: dict[str, list[T]] = {}
        self._by_word = _Tables[T]()
        self._wide = _Tables[T]()
        for phrase, value in phrases:
            for pieces in parse_phrase(phrase):
                if pieces[1:] in ((), (("",),)):  # "related: *" means the line "Related:" too
                    for text in pieces[0]:
                        self._whole.setdefault(text.strip(" :"), []).append(value)
                if len(pieces) == 1:
                    continue
                if any(max(text, default="") >= _WIDE for piece in pieces for text in piece):
                    self._wide.add(pieces, value, _first_letters, _last_letters, str)
                else:
                    self._by_word.add(pieces, value, _first_words, _last_word, _telling_word)
        self._telling = frozenset(self._by_word.inside)

    def find(self, line: str) -> set[T]:
        """What the phrases that mean this line stand for."""
        return self.find_folded(fold_line(line))

    def find_folded(self, folded: str) -> set[T]:
        """The same for a line that fold_line has folded already."""
        if not folded:
            return set()
        tokens = folded.split(" ")
        found = set(self._whole.get(folded, ()))
        words = self._by_word
        near = [*words.starts.get(tokens[0], ()), *words.ends.get(tokens[-1], ())]
        near += words.starts.get(" ".join(tokens[:2]), ()) if len(tokens) > 1 else ()
        for word in self._telling.intersection(tokens):
            near += words.inside[word]
        if near:
            padded = f" {folded} "
            for pieces, value in near:
                if value not in found and _fits(padded, pieces, 1):
                    found.add(value)
        if not folded.isascii() and _WIDE_LETTER.search(folded):
            found |= self._find_wide(folded)
        return found

    def _find_wide(self, folded: str) -> set[T]:
        wide = self._wide
        near = [*wide.starts.get(_first_letters(folded), ()), *wide.ends.get(_last_letters(folded), ())]
        for text, phrases in wide.inside.items():
            if text in folded:
                near += phrases
        return {value for pieces, value in near if _fits(folded, pieces, 0)}


class _Tables(Generic[T]):
    """Phrases with a star, by what begins them, by what ends them, or by what is somewhere in them."""

    def __init__(self) -> None:
        self.starts: dict[str, list[tuple[Pieces, T]]] = {}
        self.ends: dict[str, list[tuple[Pieces, T]]] = {}
        self.inside: dict[str, list[tuple[Pieces, T]]] = {}

    def add(self, pieces: Pieces, value: T, first: "Key", last: "Key", telling: "Key") -> None:
        """Enter a phrase, under the key of each alternative of one of its pieces; there, the others need no trying."""
        if pieces[0] != ("",):
            table, place, key_of = self.starts, 0, first
        elif pieces[-1] != ("",):
            table, place, key_of = self.ends, len(pieces) - 1, last
        else:
            place = max(range(len(pieces)), key=lambda number: min(map(len, pieces[number])))
            table, key_of = self.inside, telling
        for key, texts in groupby(sorted(pieces[place], key=key_of), key_of):
            one = (*pieces[:place], tuple(texts), *pieces[place + 1 :])
            table.setdefault(key, []).append((one, value))


Key = Callable[[str], str]


def _first_words(text: str) -> str:
    """The first two words: many phrases share the first, and so do many lines. The first alone before a colon."""
    words = text.split()[:2]
    return words[0] if words[1:] == [_PARTING] else " ".join(words)


def _last_word(text: str) -> str:
    return text.split()[-1]


def _telling_word(text: str) -> str:
    return max(text.split(), key=len)


def _first_letters(text: str) -> str:
    return text[:_WIDE_KEY]


def _last_letters(text: str) -> str:
    return text[-_WIDE_KEY:]


def _fits(line: str, pieces: Pieces, shared: int) -> bool:
    """Whether one alternative of each piece stands in the line, in their order, the outer ones at its ends.

    `shared` letters, the space between two words, may end one piece and begin the next.
    """
    first, last = pieces[0], pieces[-1]
    if not (line.startswith(first) and line.endswith(last)):
        return False
    place = max(0, min(len(text) for text in first if line.startswith(text)) - shared)
    stop = len(line) - min(len(text) for text in last if line.endswith(text))
    for piece in pieces[1:-1]:
        ends = [at + len(text) - shared for text in piece if (at := line.find(text, place, stop + shared)) >= 0]
        if not ends:
            return False
        place = min(ends)
    return place <= stop
