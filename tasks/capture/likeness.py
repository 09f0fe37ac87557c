"""How much two texts of one host are the same."""

import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

__all__ = ["LEAST_WORDS", "likeness"]

LEAST_WORDS: Final = 5  # of a text that can be told from another
_RUN: Final = 3  # words that follow each other
_WORD: Final = re.compile("[\u3040-\ud7af]|[^\\W_\u3040-\ud7af]+")  # characters where a script has no blanks


def likeness(text: str, url: str, other: str, other_url: str) -> float:
    """The share (0 to 1) of runs of three words that both texts have, of those that either has.

    Words of their addresses do not count: error pages repeat what was asked for. Of shorter texts than `LEAST_WORDS`
    nothing can be told: 0.
    """
    said = {*_words(unquote(urlsplit(url).path)), *_words(unquote(urlsplit(other_url).path))}
    one, two = ([word for word in _words(shown) if word not in said] for shown in (text, other))
    if min(len(one), len(two)) < LEAST_WORDS:
        return 0.0
    runs, others = set(_runs(one)), set(_runs(two))
    return len(runs & others) / len(runs | others)


def _words(text: str) -> list[str]:
    return _WORD.findall(text.casefold())


def _runs(words: list[str]) -> Iterator[tuple[str, ...]]:
    return zip(*(words[start:] for start in range(_RUN)), strict=False)
