"""Formulas stand on pages two or three times: as MathML, as TeX beside it, and drawn with spans. One is enough.

The TeX stays where there is any (<annotation encoding="application/x-tex">, as KaTeX, MathJax and MediaWiki write it),
else the MathML; the other notations go into the ledger.
"""

import re
from typing import Final

from bs4.element import Tag

from tasks.clean.prune import Reason
from tasks.clean.walk import Page

__all__ = ["has_tex", "settle_maths"]

_AGAIN: Final = Reason("maths", "formula-once", "the same formula in another notation")
_AROUND: Final = re.compile(r"(?:^|\s)(?:katex|MathJax(?:_CHTML|_SVG)?|mwe-math-element)(?:\s|$)")
_LEVELS: Final = 6  # from <math> to the element that holds all notations


def has_tex(math: Tag) -> bool:
    """Whether what is left of a <math> in the soup is its TeX."""
    inside = [child for child in math.contents if isinstance(child, Tag)]
    if inside and inside[0].name == "semantics":
        inside = [child for child in inside[0].contents if isinstance(child, Tag)]
    return any(child.name == "annotation" for child in inside)


def settle_maths(page: Page, owner: list[int], reasons: list[Reason]) -> None:
    """Keep one notation of each formula of which anything is kept; the others belong to a reason of their own."""
    if "math" not in page.tag:
        return
    reasons.append(_AGAIN)
    done = 0  # texts before this one; a formula in a formula is a part of it
    for number, tag in enumerate(page.tag):
        if tag == "math" and page.text_start[number] >= done:
            done = _settle(page, owner, number, len(reasons) - 1)


def _settle(page: Page, owner: list[int], math: int, again: int) -> int:
    """Settle one formula; the number of the first text after it."""
    top = _outermost(page, math)
    start, stop = page.text_start[top], page.text_end[top]
    if all(owner[start:stop]):
        return stop
    tex = _tex(page, math)
    first, last = page.text_start[tex], page.text_end[tex]
    for index in range(start, stop):
        if first <= index < last:
            owner[index] = 0
        elif not owner[index]:
            owner[index] = again
    return stop


def _outermost(page: Page, math: int) -> int:
    """The element that holds all notations of a formula; the <math> itself where it is alone."""
    found = number = math
    for _ in range(_LEVELS):
        number = page.parent[number]
        if number <= 0:
            break
        if page.tag[number] == "mjx-container" or _AROUND.search(page.element[number].get("class") or ""):
            found = number
    return found


def _tex(page: Page, math: int) -> int:
    """The element of the TeX, or the <math> itself."""
    number = math + 1
    while number < page.end[math]:
        if page.tag[number] == "annotation" and "tex" in (page.element[number].get("encoding") or "").lower():
            text = page.texts[page.text_start[number] : page.text_end[number]]
            return number if any(not one.isspace() for one in text) else math
        number = number + 1 if page.tag[number] == "semantics" else page.end[number]
    return math
