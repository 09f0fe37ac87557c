"""What each rule takes on the corpora: words that are no article (right), words that are (wrong).

    python -m tests.quality.rules --shared FOLDER [--rule ID] [--max PAGES]

One line a rule: words taken right and wrong, and pages, first of what the choice had kept (what the rule changes), then
of whole pages with no choice before (where more is seen of what it would take wrongly). A line of fewer than four words
is held against the lines of the truth, a longer one against its text. Pages with snippets alone count only what is in a
snippet. `--rule` shows what one rule took wrongly, as `corpus/page: text`, instead.
"""

import argparse
import gzip
import json
import re
import sys
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.clean import parse_tree
from tasks.clean.article import Cleaning
from tasks.clean.prune import Reason, prune
from tasks.clean.soup import Kept, make_soup
from tasks.clean.walk import Page, walk
from tests.clean.helpers import our_rules

CORPORA = ("zyte", "fundus", "wcxb_article", "trafilatura")
WORD = re.compile(r"\w+")


@dataclass
class Tally:
    """What one rule took, with the choice before it or without."""

    right: int = 0
    wrong: int = 0
    pages: set[str] = field(default_factory=set)
    mistakes: list[str] = field(default_factory=list)


class Truth:
    """The article of a page as people marked it."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.whole = "text" in row
        good = row["text"].split("\n") if self.whole else row.get("with", [])
        self.lines = {tuple(WORD.findall(line.lower())) for line in good}
        self.good = " ".join(" ".join(line) for line in self.lines) if not self.whole else _folded(row["text"])
        self.bad = [_folded(snippet) for snippet in ([] if self.whole else row.get("without", []))]

    def holds(self, line: str) -> bool | None:
        """Whether a line is article; None where nobody knows."""
        words = tuple(WORD.findall(line.lower()))
        if not words:
            return None
        text = " ".join(words)
        good = words in self.lines if len(words) < 4 else f" {text} " in f" {self.good} "
        if good or self.whole:
            return good
        if any(f" {snippet} " in f" {text} " or (len(words) > 3 and text in snippet) for snippet in self.bad):
            return False
        return True if any(f" {' '.join(line)} " in f" {text} " for line in self.lines if line) else None


def _folded(text: str) -> str:
    return " ".join(WORD.findall(text.lower()))


def taken(page: Page, owner: list[int], reasons: list[Reason]) -> Iterator[tuple[str, str]]:
    """Rule and text of each line, or piece of one, that a rule took."""
    for block in range(len(page.owner)):
        parts: dict[int, str] = defaultdict(str)
        for index in range(page.starts[block], page.starts[block + 1]):
            if owner[index] and reasons[owner[index]].score is None:
                parts[owner[index]] += page.texts[index]
        yield from ((reasons[code].rule, " ".join(text.split())) for code, text in parts.items())


def count(tallies: dict[str, Tally], name: str, truth: Truth, lines: Iterator[tuple[str, str]]) -> None:
    """Add one page."""
    for rule, line in lines:
        tally, held, words = tallies[rule], truth.holds(line), len(WORD.findall(line))
        tally.pages.add(name)
        tally.right += words if held is False else 0
        tally.wrong += words if held else 0
        tally.mistakes += [f"{name}: {line}"] if held else []


def pages(shared: Path, most: int) -> Iterator[tuple[str, dict[str, Any], str]]:
    """Name, truth and HTML of every page."""
    for corpus in CORPORA:
        lines = (shared / "corpus" / corpus / "truth.jsonl").read_bytes().splitlines()
        for line in lines[:most]:
            row = json.loads(line)
            html = gzip.decompress((shared / "corpus" / corpus / f"{row['id']}.html.gz").read_bytes()).decode()
            yield f"{corpus}/{row['id']}", row, html


def measure(shared: Path, most: int) -> tuple[dict[str, Tally], dict[str, Tally]]:
    """The tallies by rule: after the choice, and of whole pages."""
    rules = our_rules()
    after, alone = ({rule.id: Tally() for rule in rules.rules} for _ in range(2))
    for name, row, html in pages(shared, most):
        root = parse_tree(html).root
        if root is None:
            continue
        page, truth = walk(root), Truth(row)
        cleaned = Cleaning(page, url=row["url"], rules=rules)
        count(after, name, truth, taken(page, cleaned.owner, cleaned.reasons))
        kept: Kept = make_soup(page, [0] * len(page.texts))
        reasons = [Reason("", "", "")]
        prune(kept, rules, cleaned.host, reasons)
        count(alone, name, truth, taken(page, kept.owner, reasons))
    return after, alone


def main() -> int:
    """Measure and print, the worst first."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--rule", default="")
    parser.add_argument("--max", type=int, default=10**6, help="pages of each corpus")
    options = parser.parse_args()
    after, alone = measure(options.shared, options.max)
    if options.rule:
        print("\n".join(alone[options.rule].mistakes))
        return 0
    print(f"{'rule':32} {'right':>7} {'wrong':>6} {'pages':>6}   {'whole: right':>12} {'wrong':>6} {'pages':>6}")
    for rule in sorted(after, key=lambda one: (after[one].right - 4 * after[one].wrong, alone[one].right)):
        kept, whole = after[rule], alone[rule]
        print(
            f"{rule:32} {kept.right:7,} {kept.wrong:6,} {len(kept.pages):6}"
            f"   {whole.right:12,} {whole.wrong:6,} {len(whole.pages):6}"
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
