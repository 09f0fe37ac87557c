"""Words of a text in any language, for searching: found, folded, and placed in the original.

SQLite's own tokenizers know no script without spaces and cannot show where a word stood once the text is not kept
beside the index. So words are made here, for texts and for queries the same way; FTS5 only splits at the blanks between
them.

A word is a run of letters, digits and marks, folded:
- case (ß is ss, ﬁ is fi), width (Ａ is A), and the accents of Latin, Greek and Cyrillic go: Łódź is lodz, Ζεύς ζευσ,
  ёлка елка. й, ї and ў are letters of their own and stay. ø đ ł ð þ æ œ become o d l d th ae oe.
- Turkish ı and İ are i: who has no Turkish keyboard finds ısı as isi; whoever has one finds no less.
- Arabic vowel signs, tatweel and the forms of alef, yeh, kaf and teh marbuta go; so do Hebrew points.
- Soft hyphens and zero-width joiners inside a word are nothing; marks of Indic scripts are part of the word.
- A German ä is a; a query for Müller finds Mueller and the other way round (`spellings`), in words of five letters and
  more, and not where u and e only meet (neue, Quelle).
No stemming: no stemmer is right for a text whose language is only guessed; `word*` in a query does that much, plainly.

Chinese, Japanese, Korean, Thai, Lao, Khmer and Burmese are cut into pairs of characters (東京都 is 東京 京都), then the
last character alone, so that each character begins one word: a query of one character finds all words that begin
with it. Pairs next to each other are what a phrase looks for, so a query of several characters finds just that run.
"""

import re
import unicodedata
from collections.abc import Iterator
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

__all__ = ["Word", "fold", "query_words", "spellings", "words", "words_of"]

# Scripts written without spaces between words, and Korean, whose words carry endings.
_RUN = (
    "\u3005-\u3007\u3031-\u3035\u3041-\u3096\u3099-\u309f\u30a1-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U0001b000-\U0001b16f\U00020000-\U0003ffff"  # Han and kana
    "\u1100-\u11ff\u3131-\u318e\uac00-\ud7a3"  # Hangul
    "\u0e01-\u0e2e\u0e30-\u0e3a\u0e40-\u0e4e\u0e81-\u0ecf\u0edc-\u0edf"  # Thai, Lao
    "\u1000-\u103f\u1050-\u109d\u1780-\u17d3"  # Burmese, Khmer
)
_MARKS = (
    "\u00ad\u0300-\u036f\u0483-\u0489\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f"
    "\u0670\u06d6-\u06dc\u06df-\u06e4\u06e7\u06e8\u06ea-\u06ed\u0711\u0730-\u074a\u07a6-\u07b0\u0900-\u0963\u0971-\u0df3"
    "\u0f71-\u0f84\u1ab0-\u1aff\u1dc0-\u1dff\u200b-\u200d\u2060\u20d0-\u20ff\ufe20-\ufe2f\ufeff"
)
_WORD = re.compile(rf"(?P<run>[{_RUN}]+)|(?:[0-9A-Za-z]+|(?![{_RUN}_])[\w{_MARKS}])+")
_PLAIN = {code: chr(code).lower() if chr(code).isalnum() else " " for code in range(128)}
_WORD_ALONE = re.compile(_WORD.pattern.replace("?P<run>", "?:"))
_RUN_SIGN = re.compile(f"[{_RUN}]")
_FALLING = re.compile(
    "[\u00ad\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0610-\u061a\u0640\u064b-\u065f\u0670\u06d6-\u06dc\u06df-\u06e4"
    "\u06e7\u06e8\u06ea-\u06ed\u200b-\u200d\u2060\ufeff]"
    "|(?<![\u0418\u0438\u0423\u0443])[\u0306]|(?<![\u0406\u0456])\u0308|[\u0300-\u0305\u0307\u0309-\u036f]"
)
_LETTERS = str.maketrans(
    {"ø": "o", "đ": "d", "ł": "l", "ð": "d", "þ": "th", "æ": "ae", "œ": "oe", "ı": "i", "ħ": "h", "ŧ": "t"}
    | {"ى": "ي", "ی": "ي", "ک": "ك", "ة": "ه", "ٱ": "ا", "ς": "σ"}
)
_NO_PART = re.compile(r"[\s\x00-/:-@\[-`{-\x7f]")  # a sign such as ﷺ is several words in itself: for us one


class Word(NamedTuple):
    """One word of a text."""

    text: str  # folded
    start: int  # in the original
    end: int


def fold(text: str) -> str:
    """A word, or a run of characters, as it is compared."""
    if text.isascii():
        return text.lower()
    apart = unicodedata.normalize("NFKD", text.casefold()).casefold()
    joined = unicodedata.normalize("NFC", _FALLING.sub("", apart)).translate(_LETTERS)
    return _NO_PART.sub("", joined)


_fold_cached = lru_cache(maxsize=100_000)(fold)


def words(text: str) -> Iterator[Word]:
    """Every word of a text, in order, each with the place it covers; the last character of a run comes alone, too."""
    for found in _WORD.finditer(text):
        if found["run"]:
            yield from _pairs(found[0], found.start(), alone=True)
        elif folded := _fold_cached(found[0]):
            yield Word(folded, found.start(), found.end())


def words_of(text: str) -> str:
    """Every word of a text, in order, with blanks between them: what is put into the index.

    Without their places words come in half the CPU, and in a twentieth where no letter is other than ASCII's.
    """
    foreign = [sign for sign in set(text) if not sign.isascii()]
    if not any(map(_WORD.match, foreign)):
        for sign in foreign:
            text = text.replace(sign, " ")
        return " ".join(text.translate(_PLAIN).split())
    found: list[str] = []
    for word in _WORD_ALONE.findall(text):
        if word.isascii():
            found.append(word.lower())
        elif _RUN_SIGN.match(word):
            found += [pair.text for pair in _pairs(word, 0, alone=True)]
        elif folded := _fold_cached(word):
            found.append(folded)
    return " ".join(found)


def _pairs(run: str, start: int, *, alone: bool) -> Iterator[Word]:
    """The pairs of a run of characters and, if so wanted, the last character alone."""
    characters = list(_characters(run, start))
    for one, other in pairwise(characters):
        yield Word(one.text + other.text, one.start, other.end)
    if characters and (alone or len(characters) == 1):
        yield characters[-1]


def _characters(run: str, start: int) -> Iterator[Word]:
    """The characters of a run, folded; those that are nothing without the one before (voice marks) go with it."""
    at = 0
    while at < len(run):
        end = at + 1
        while end < len(run) and run[end] in "\u3099\u309a\uff9e\uff9f":
            end += 1
        if folded := _fold_cached(run[at:end]):
            yield Word(folded, start + at, start + end)
        at = end


def query_words(text: str) -> list[tuple[str, bool]]:
    """The words that a text with this phrase in it has one after the other; True: only begins so (one character)."""
    made: list[tuple[str, bool]] = []
    found = list(_WORD.finditer(text))
    for number, piece in enumerate(found):
        last = number == len(found) - 1
        if piece["run"]:
            pairs = [word.text for word in _pairs(piece[0], 0, alone=not last)]
            made += [(pair, last and len(pairs) == 1 and _is_one(piece[0])) for pair in pairs]
        elif folded := _fold_cached(piece[0]):
            made.append((folded, False))
    return made


def _is_one(run: str) -> bool:
    return sum(1 for _ in _characters(run, 0)) == 1


_SPELLED_OUT = re.compile(r"(?<![aeiouyq])([aou])e(?![aeiou])")


def spellings(word: str) -> tuple[str, ...]:
    """Folded forms under which a word of a query may stand in a text: its own, then that of the other umlauts."""
    own = fold(word)
    others = [fold(re.sub("[äöü]", lambda found: fold(found[0]) + "e", unicodedata.normalize("NFC", word.lower())))]
    if len(own) >= 5:
        others.append(_SPELLED_OUT.sub(r"\1", own))
    return tuple(dict.fromkeys([own, *others]))
