#!/usr/bin/env python3
"""Coverage-guided fuzzing of the whole path from a page to article, ledger and metadata.

    python tests/clean/fuzz/fuzz_clean.py [-max_total_time=900] [CORPUS_FOLDER]

Needs atheris in the interpreter, which is no dependency of the suite. Input bytes pick pieces of markup (nasty ones
often) and give text between them. What it finds goes as a page into tests/clean/fuzz/found/, where test_found.py
replays it.
"""

import sys
from pathlib import Path

import atheris

sys.path.insert(0, str(Path(__file__).parents[3]))
with atheris.instrument_imports(include=["tasks", "tests.clean.fuzz"]):
    from tests.clean.fuzz.check import wrongs
    from tests.clean.fuzz.pieces import page_of_bytes

FOUND = Path(__file__).with_name("found")


def one_input(data: bytes) -> None:
    """One page; raises where something is wrong with it, after it was kept."""
    html = page_of_bytes(data)
    try:
        wrong = wrongs(html)
    except Exception:
        keep(html)
        raise
    if wrong:
        keep(html)
        raise AssertionError(wrong)


def keep(html: str) -> None:
    """Write the page beside the others."""
    import hashlib

    payload = html.encode("utf-8", "surrogatepass")
    (FOUND / f"{hashlib.sha256(payload).hexdigest()[:12]}.html").write_bytes(payload)


if __name__ == "__main__":
    atheris.Setup(sys.argv, one_input)
    atheris.Fuzz()
