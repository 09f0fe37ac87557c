"""Small pages and what to ask of them."""

import sys
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

from tasks.clean import RuleSet, load_rules, parse_tree
from tasks.clean.prune import Reason, prune
from tasks.clean.soup import Kept, make_soup
from tasks.clean.walk import walk

CONFIG = Path(__file__).parents[2] / "config"
PAGES = Path(__file__).parents[1] / "pages"
URL = "https://harbour.example/news/crane.html"
BEFORE = (
    "The harbour of Wenmouth lost its last crane on Monday. It had stood on the east quay since 1931, and most people "
    "in the town could not remember a time without it."
)
AFTER = (
    "What comes in its place is not decided. The board speaks of a market hall, the boatmen of a slipway, and the "
    "council of a car park with two hundred places."
)


def our_rules() -> RuleSet:
    return load_rules((CONFIG,))


TITLE = "The crane that nobody wanted"
STANDFIRST = "After ninety years the harbour loses its last crane."


def article_page(inside: str, after: str = "") -> str:
    """An article of some paragraphs with something between them, or after the last."""
    return (
        "<!doctype html><html><head><title>The crane</title>"
        f'<meta property="og:title" content="{TITLE} | Wenmouth Courier">'
        f'<meta name="description" content="{STANDFIRST}"></head><body><article><h1>The crane</h1>'
        f"<p>{BEFORE}</p><p>{AFTER}</p>{inside}<p>{AFTER}</p><p>{BEFORE}</p>{after}</article></body></html>"
    )


def strip_all(html: str, rules: RuleSet, host: str = "harbour.example") -> tuple[Kept, list[Reason]]:
    """The rules over a whole page, nothing left out by the choice before."""
    root = parse_tree(html).root
    assert root is not None
    page = walk(root)
    kept = make_soup(page, [0] * len(page.texts))
    reasons = [Reason("", "", "")]
    prune(kept, rules, host, reasons)
    return kept, reasons


def lines_executed(work: Callable[[], Any]) -> int:
    """Lines of Python that run until `work` is done."""
    count = 0

    def local(_: FrameType, event: str, __: object) -> Any:
        nonlocal count
        count += event == "line"
        return local

    before = sys.gettrace()
    sys.settrace(lambda *_: local)
    try:
        work()
    finally:
        sys.settrace(before)
    return count
