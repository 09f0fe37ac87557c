"""Phrases: lines that rules know by their words, found by look-up instead of by pattern.

    see also                 the whole line says this; case, and marks at either end, do not count
    see also *               * stands for anything or nothing
    related: *               a colon stands for any mark that parts (: | » › > –)
    (add|write) a comment    any of these; an empty one makes it optional: (the |)
    # comments               # stands for a number

A page has some hundred short lines and the rules some thousand phrases: each line costs two look-ups and, if its first
or last two letters begin or end a phrase, a few comparisons. No phrase can take more than linear time.
"""

import re
from collections.abc import Iterable
from typing import Final, Generic, TypeVar

__all__ = ["Phrases", "expand", "fold_line"]

T = TypeVar("T")

_MOST: Final = 400  # phrases that the groups of one may stand for
_GROUP: Final = re.compile(r"\(([^()]*)\)")
_EDGES: Final = re.compile(r"\A[\W_]+|[\W_]+\Z")
_MARKS: Final = re.compile(r"\s*[:：|»›>]+\s*|\s+[-–—]+\s+|\d[\d.,'\u00a0]*(?<=\d)")
_QUOTES: Final = str.maketrans("’‘ʼ`´", "'''''")


def fold_line(line: str) -> str:
    """A line as phrases are compared with it: lower case, no marks at its ends, numbers as #, parting marks as a colon."""
    return _fold_marks(_trim(line))


def _trim(line: str) -> str:
    return _EDGES.sub("", line.lower().translate(_QUOTES))


def _fold_marks(line: str) -> str:
    return _MARKS.sub(lambda found: "#" if found[0][0].isdigit() else " : ", line)


def expand(phrase: str) -> list[str]:
    """A phrase without its groups, folded; ValueError says what is wrong with it."""
    found = [""]
    for number, part in enumerate(_GROUP.split(phrase)):
        choices = part.split("|") if number % 2 else [part]
        found = [begun + choice for begun in found for choice in choices]
        if len(found) > _MOST:
            raise ValueError(f"{phrase!r} stands for more than {_MOST} phrases")
    if re.search(r"[()]", "".join(found)):
        raise ValueError(f"{phrase!r} has a bracket without its partner, or one within another")
    folded = [_fold_phrase(one) for one in found]
    if not all(re.search(r"\w.*\w", one.replace("*", " ")) for one in folded):
        raise ValueError(f"{phrase!r} can mean almost any line")
    return list(dict.fromkeys(folded))


def _fold_phrase(phrase: str) -> str:
    """Each piece between stars folded as lines are, but for the white space and colons beside a star."""
    text = re.sub(r"\s+", " ", phrase.lower().translate(_QUOTES)).strip()
    text = re.sub(r"\s*[:：|»›>]+\s*", " : ", text)
    text = re.sub(r"\d[\d.,']*", "#", text)
    text = re.sub(r"\*[\s*]*\*", "*", text)
    head, tail = text.startswith("*"), text.endswith("*")
    text = text if head else re.sub(r"\A[^\w#]+", "", text)
    return text if tail else re.sub(r"[^\w#]+\Z", "", text)


class Phrases(Generic[T]):
    """Phrases with what each of them stands for."""

    def __init__(self, phrases: Iterable[tuple[str, T]]) -> None:
        self._whole: dict[str, list[T]] = {}
        self._starts: dict[str, list[tuple[list[str], T]]] = {}  # by the first two letters
        self._ends: dict[str, list[tuple[list[str], T]]] = {}  # by the last two, where a phrase begins with a star
        self._inside: list[tuple[list[str], T]] = []
        for phrase, value in phrases:
            for text in expand(phrase):
                self._add(text, value)

    def _add(self, text: str, value: T) -> None:
        pieces = text.split("*")
        if len(pieces) == 1:
            self._whole.setdefault(text, []).append(value)
        elif len(pieces[0]) > 1:
            self._starts.setdefault(pieces[0][:2], []).append((pieces, value))
        elif not pieces[0] and len(pieces[-1]) > 1:
            self._ends.setdefault(pieces[-1][-2:], []).append((pieces, value))
        else:
            self._inside.append((pieces, value))

    def find(self, line: str) -> list[T]:
        """What the phrases that mean this line stand for; one may come twice."""
        line = _trim(line)
        if not line:
            return []
        folded = _fold_marks(line)
        found = list(self._whole.get(folded, ()))
        for pieces, value in self._starts.get(folded[:2], ()):
            if _fits(folded, pieces):
                found.append(value)
        for pieces, value in self._ends.get(folded[-2:], ()):
            if _fits(folded, pieces):
                found.append(value)
        for pieces, value in self._inside:
            if max(pieces, key=len) in folded and _fits(folded, pieces):
                found.append(value)
        return found


def _fits(line: str, pieces: list[str]) -> bool:
    """Whether the pieces stand in the line in their order, the first at its start and the last at its end."""
    first, last = pieces[0], pieces[-1]
    # "read more: *" means the line "Read more:" too, whose colon went with the marks at its end.
    if not line.startswith(first):
        return len(pieces) == 2 and not last and line == first.rstrip(" :")
    place, stop = len(first), len(line) - len(last)
    if stop < place or not line.endswith(last):
        return False
    for piece in pieces[1:-1]:
        found = line.find(piece, place, stop)
        if found < 0:
            return False
        place = found + len(piece)
    return True
