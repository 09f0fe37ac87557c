"""Good articles that are called bad: every page of the labelled corpora, as if a server had answered it with 200.

    python -m tests.quality.verdicts                   lists each page whose verdict is not good, and the share
    python -m tests.quality.verdicts --corpus zyte     only that corpus; may stand several times

The pages come from TEARSHEET_TEST_SHARED (or ../shared). All of them are articles, but a verdict can be right all the
same: some hold a teaser alone. Exits 1 where more than MOST of them are called bad.
"""

import argparse
import gzip
import json
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from multiprocessing import get_context
from pathlib import Path
from typing import NamedTuple

from tasks.capture.evidence import find_evidence
from tasks.capture.facts import read_facts
from tasks.capture.signs import our_signs
from tasks.capture.verdict import judge
from tasks.clean import clean_page, parse_tree
from tasks.metadata import linked_data
from tasks.records import PageText
from tests.capture.wall_pages import a_capture
from tests.clean.helpers import our_rules
from tests.quality.gate import CORPORA, PROCESSES, SHARED

__all__ = ["main"]

MOST = 0.01  # of the pages may be called bad
THIN_WORDS = 25


class Judged(NamedTuple):
    """One page of a corpus."""

    id: str
    kind: str
    reasons: tuple[str, ...]
    score: float
    words: int
    url: str
    seconds: float  # for facts and verdict


def pages(folder: Path) -> Iterator[tuple[Path, str, str]]:
    """File, id and URL of each labelled page."""
    for line in (folder / "truth.jsonl").read_bytes().splitlines():
        row = json.loads(line)
        yield folder / f"{row['id']}.html.gz", f"{folder.name}/{row['id']}", row.get("url") or "https://page.example/a"


def judged(page: tuple[Path, str, str]) -> Judged:
    """The verdict on one page."""
    path, id_, url = page
    html = gzip.decompress(path.read_bytes()).decode("utf-8", "replace")
    tree = parse_tree(html)
    article = clean_page(html, url=url, rules=our_rules(), tree=tree)
    data = linked_data(tree.root, url).articles if tree.root is not None else ()
    capture, page_text = a_capture(url, html=html), PageText("text/html", html)
    started = time.perf_counter()
    facts = read_facts(tree.root, article, data)
    verdict = judge(capture, page_text, article.words, THIN_WORDS, facts=facts)
    took = time.perf_counter() - started
    near = (
        ()
        if verdict.reasons
        else tuple(
            f"({one.reason} {one.weight})"
            for one in find_evidence(capture, page_text, facts, our_signs())
            if one.reason
        )
    )
    return Judged(id_, verdict.kind, (*verdict.reasons, *near), verdict.score or 0.0, article.words, url, took)


def main(arguments: Sequence[str] | None = None) -> int:
    """Print the list; 1 where too many good pages are called bad."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--corpus", action="append", choices=CORPORA)
    parser.add_argument("--near", action="store_true", help="list good pages with a score below 0.7, too")
    chosen = parser.parse_args(arguments)
    folders = [SHARED / "corpus" / name for name in chosen.corpus or CORPORA]
    todo = [page for folder in folders if folder.is_dir() for page in pages(folder)]
    with get_context("spawn").Pool(PROCESSES) as pool:
        found = pool.map(judged, todo, chunksize=20)
    if not found:
        print("no corpus is here: skipped", file=sys.stderr)
        return 0
    for one in found:
        if one.kind != "ok" or (chosen.near and one.score < 0.7):
            print(
                f"{one.kind:8} {one.score:.2f} {one.id}  {one.words} words  {' '.join(one.reasons)}\n{'':14}{one.url}"
            )
    bad = sum(one.kind != "ok" for one in found)
    mean = 1000 * sum(one.seconds for one in found) / len(found)
    kinds = ", ".join(f"{kind} {count}" for kind, count in Counter(one.kind for one in found).most_common())
    print(
        f"{len(found)} pages: {bad} called bad ({bad / len(found):.2%}); {kinds}; {mean:.2f} ms a page for the verdict"
    )
    return int(bad > MOST * len(found))


if __name__ == "__main__":
    sys.exit(main())
