"""How nine other programs voted on the blocks of the training pages: predictions in, votes.npz out.

    python -m tests.quality.votes --shared FOLDER --predictions FOLDER

PREDICTIONS is what bench/extraction/run_peers.py writes: <corpus>/<program>.jsonl with {"id", "text"} a line. A program
votes for a block where its text holds half of the block's four-word runs, or a line like it where it is shorter. Bit n
of a block's number is the vote of program n; pages on which one of them has no line are left out. Votes only label
pages that have no full truth (see train.py); no program is asked at run time.
"""

import argparse
import json
import re
import sys
from pathlib import Path
from typing import Any

import numpy as np

PROGRAMS = (
    "trafilatura",
    "trafilatura-precision",
    "trafilatura-fast",
    "readability-lxml",
    "readability.js+linkedom",
    "defuddle+linkedom",
    "resiliparse",
    "newspaper4k",
    "justext",
)
_WORD = re.compile(r"\w+")


def read(path: Path) -> dict[str, str]:
    """The text of each page as a program gave it."""
    if not path.exists():
        return {}
    rows = map(json.loads, path.read_text(encoding="utf-8").split("\n")[:-1])
    return {row["id"]: row.get("text") or "" for row in rows}


def votes(texts: list[str], given: str) -> list[bool]:
    """Which blocks a program's text holds."""
    words = _WORD.findall(given)
    fours = set(zip(words, words[1:], words[2:], words[3:], strict=False))
    lines = {" ".join(_WORD.findall(line)) for line in given.split("\n")}
    out = []
    for text in texts:
        own = _WORD.findall(text)
        runs = list(zip(own, own[1:], own[2:], own[3:], strict=False))
        out.append(sum(run in fours for run in runs) / len(runs) >= 0.5 if runs else " ".join(own) in lines)
    return out


def main() -> int:
    """Read, vote, write."""
    from tests.quality.train import CORPORA, VOTES, read_pages

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--predictions", type=Path, required=True)
    options = parser.parse_args()
    given = {
        (corpus, program): read(options.predictions / corpus / f"{program}.jsonl")
        for corpus in CORPORA
        for program in PROGRAMS
    }
    stored: dict[str, Any] = {}
    for page in read_pages(options.shared):
        if all(page.id in given[page.corpus, program] for program in PROGRAMS):
            bits = np.zeros(page.count, np.uint16)
            for number, program in enumerate(PROGRAMS):
                bits |= np.array(votes(page.table.texts, given[page.corpus, program][page.id]), np.uint16) << number
            stored[f"{page.corpus}/{page.id}"] = bits
    np.savez_compressed(VOTES, **stored)
    print(f"{len(stored)} pages, {VOTES.stat().st_size:,} bytes")
    return 0


if __name__ == "__main__":
    sys.exit(main())
