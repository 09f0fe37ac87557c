"""Text quality of cleaning on the corpora, against pinned floors.

    python -m tests.quality.measure --shared FOLDER [--pin]

FOLDER holds `corpus/<name>/` (pages as <id>.html.gz, truth.jsonl) and `bench/extraction/score.py`, whose measures these
are: zF1 (F1 of word 4-grams), leak (clutter that survives), loss (wanted snippets that are missing). Prints one line a
corpus; exits 1 where a measure is below its floor, or the corpus is not the one of the floor. `--pin` writes the
floors anew, a little below what was measured. Speed is measured by bench/extraction/compare.py, beside another program.
"""

import argparse
import gzip
import hashlib
import importlib
import json
import sys
import time
import tomllib
from pathlib import Path
from typing import Any

from tasks.clean import clean_page
from tests.clean.helpers import our_rules

FLOORS = Path(__file__).with_name("floors.toml")
CORPORA = ("zyte", "fundus", "wcxb_article", "trafilatura")
SLACK = 0.002  # below what was measured: a change that costs less is noise


def digest(folder: Path) -> str:
    """sha256 over the names and bytes of a corpus."""
    seen = hashlib.sha256()
    for path in sorted([*folder.glob("*.html.gz"), folder / "truth.jsonl"]):
        seen.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{seen.hexdigest()}"


def measure(folder: Path, score: Any) -> dict[str, float]:
    """The measures of one corpus, with the mean CPU time of a page in ms (parsing included)."""
    rules, pages, spent = our_rules(), [], 0.0
    for line in (folder / "truth.jsonl").read_bytes().splitlines():  # of bytes: U+2028 in a text ends no line
        truth = json.loads(line)
        html = gzip.decompress((folder / f"{truth['id']}.html.gz").read_bytes()).decode()
        started = time.process_time()
        article = clean_page(html, url=truth["url"], rules=rules)
        spent += time.process_time() - started
        pages.append(score.page(truth, article.text))
    total = score.total(pages)
    names = [name for name in ("zF1", "sF1", "leak", "loss") if name in total]
    return {name: round(total[name], 4) for name in names} | {"ms_page": round(1000 * spent / len(pages), 2)}


def below(found: dict[str, float], floor: dict[str, Any]) -> list[str]:
    """The measures that are worse than their floor."""
    worse = [name for name in ("zF1", "sF1") if name in floor and found[name] < floor[name]]
    return worse + [name for name in ("leak", "loss") if name in floor and found[name] > floor[name]]


def pinned(found: dict[str, float]) -> dict[str, float]:
    """Floors a little below what was found."""
    good = {name: round(found[name] - SLACK, 4) for name in ("zF1", "sF1") if name in found}
    return good | {name: round(found[name] + SLACK, 4) for name in ("leak", "loss") if name in found}


def main() -> int:
    """Measure, print, compare."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--pin", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(options.shared / "bench" / "extraction"))
    score = importlib.import_module("score")
    floors, failed, lines = tomllib.loads(FLOORS.read_text(encoding="utf-8")), False, []
    for name in CORPORA:
        folder = options.shared / "corpus" / name
        found, pages = measure(folder, score), digest(folder)
        floor = floors.get(name, {})
        worse = below(found, floor) if floor.get("corpus") == pages else ["corpus"]
        failed |= bool(worse)
        print(json.dumps({"corpus": name, **found, "below": worse}), flush=True)
        lines += [f"\n[{name}]", f'corpus = "{pages}"', *(f"{key} = {value}" for key, value in pinned(found).items())]
    if options.pin:
        head = [line for line in FLOORS.read_text(encoding="utf-8").splitlines() if line.startswith("#")]
        FLOORS.write_text("\n".join([*head, *lines]) + "\n", encoding="utf-8")
    return int(failed and not options.pin)


if __name__ == "__main__":
    sys.exit(main())
