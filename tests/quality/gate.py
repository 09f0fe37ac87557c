"""The regression gate of text quality: every page of the labelled corpora, against pinned floors.

    python -m tests.quality.gate                      all corpora, as CI runs it; skips where the pages are missing
    python -m tests.quality.gate --corpus zyte        only that one; may stand several times
    python -m tests.quality.gate --pin                write floors and page scores anew; a floor only ever rises
    python -m tests.quality.gate --pin --lower "why"  lets floors fall to what was measured; the sentence is kept

This is a regression gate and no claim of quality: the weights that ship were learned from these very pages, so its
figures are better than a new site will see. The honest, cross-validated figures come from tests/quality/train.py,
which writes them to config/model/cross-validation.json; the gate holds floors for those too, where the file is there.

Measures are those of bench/extraction/score.py beside the corpora: zF1 (F1 of word 4-grams), acc (exact pages), sF1
(wanted and unwanted snippets), leak (clutter that survives), loss (wanted snippets that are missing). One number a
page says which pages moved: F1 of its 4-grams where its text is known, else the share of its snippets that came out
right. Exits 1 where a measure is below its floor or a corpus is not the one that was pinned, 2 for misuse.
"""

import argparse
import gzip
import hashlib
import importlib
import json
import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

from tasks.clean import clean_page
from tests.clean.helpers import our_rules

__all__ = ["Floors", "Measured", "check", "main", "measure", "moved", "pin"]

ROOT = Path(__file__).parents[2]
SHARED = Path(os.environ.get("TEARSHEET_TEST_SHARED", ROOT.parent / "shared"))
FLOORS = Path(__file__).with_name("floors.json")
REPORT = ROOT / "config" / "model" / "cross-validation.json"
CORPORA = ("zyte", "fundus", "wcxb_article", "trafilatura", "readability")
RISING, FALLING = ("zF1", "sF1", "acc"), ("leak", "loss")  # more is better, less is better
SLACK = 0.002  # a floor stands so much below what was measured
MOVED = 5  # thousandths of a page's score that are worth a line
SHOWN = 8  # pages named in each direction
PROCESSES = 2

Floors = dict[str, Any]


@dataclass(frozen=True)
class Measured:
    """One corpus as it is cleaned now."""

    digest: str
    figures: dict[str, float]
    pages: dict[str, int]  # id → thousandths


# ------------------------------------------------------------------ measure
def digest(folder: Path) -> str:
    """sha256 over the names and bytes of a corpus."""
    seen = hashlib.sha256()
    for path in sorted([*folder.glob("*.html.gz"), folder / "truth.jsonl"]):
        seen.update(path.name.encode() + b"\0" + hashlib.sha256(path.read_bytes()).digest())
    return f"sha256:{seen.hexdigest()}"


def measure(folder: Path, bench: Path) -> Measured:
    """A corpus, cleaned and scored by two processes."""
    score = scorer(bench)
    lines = (folder / "truth.jsonl").read_bytes().splitlines()  # of bytes: U+2028 in a text ends no line
    with get_context("fork").Pool(PROCESSES) as pool:
        scores = list(pool.imap(partial(_scored, folder, bench), lines, chunksize=8))
    total = score.total([page for _, page in scores])
    figures = {name: round(total[name], 4) for name in (*RISING, *FALLING) if name in total}
    return Measured(digest(folder), figures, {id_: _thousandths(page) for id_, page in scores})


def scorer(bench: Path) -> Any:
    """The module that scores pages."""
    folder = str(bench)
    if folder not in sys.path:
        sys.path.insert(0, folder)
    return importlib.import_module("score")


def _scored(folder: Path, bench: Path, line: bytes) -> tuple[str, dict[str, Any]]:
    truth = json.loads(line)
    html = gzip.decompress((folder / f"{truth['id']}.html.gz").read_bytes()).decode()
    article = clean_page(html, url=truth["url"], rules=_rules())
    return truth["id"], scorer(bench).page(truth, article.text)


def _rules() -> Any:
    if not _kept:
        _kept.append(our_rules())
    return _kept[0]


_kept: list[Any] = []  # rules, read once a process


def _thousandths(page: Mapping[str, Any]) -> int:
    """How right one page is."""
    if "z" in page:
        right, added, missing = page["z"]
        whole = 2 * right + added + missing
        return round(1000 * 2 * right / whole) if whole else 1000
    hits, clutter = page.get("w", []), page.get("wo", [])
    snippets = len(hits) + len(clutter)
    return round(1000 * (sum(hits) + len(clutter) - sum(clutter)) / snippets) if snippets else 1000


def reported(report: Path) -> dict[str, float]:
    """The cross-validated figures in a report of the trainer: every number under one of our names, by its place."""
    return dict(_numbers(json.loads(report.read_text(encoding="utf-8")), "")) if report.is_file() else {}


def _numbers(value: Any, place: str) -> Iterator[tuple[str, float]]:
    if isinstance(value, dict):
        for key in sorted(value):
            yield from _numbers(value[key], f"{place}.{key}" if place else key)
    elif isinstance(value, int | float) and _name(place) in (*RISING, *FALLING):
        yield place, round(float(value), 4)


def _name(place: str) -> str:
    return place.rpartition(".")[2]


# ------------------------------------------------------------------ compare
def check(found: Mapping[str, float], floors: Mapping[str, float]) -> list[str]:
    """What is worse than its floor, or has a floor and was not measured; each as a sentence."""
    wrong = []
    for place, floor in floors.items():
        if place not in found:
            wrong.append(f"{place} has a floor of {floor:.4f} but was not measured")
        elif _worse(place, found[place], floor):
            side = "above its ceiling" if _name(place) in FALLING else "below its floor"
            wrong.append(f"{place} {found[place]:.4f} is {side} of {floor:.4f}")
    return wrong


def _worse(place: str, one: float, other: float) -> bool:
    return one > other if _name(place) in FALLING else one < other


def moved(now: Mapping[str, int], before: Mapping[str, int]) -> tuple[list[str], list[str]]:
    """The pages that lost and gained most, the greatest first, as `id .950 → .410`."""
    changes = sorted((now[id_] - before[id_], id_) for id_ in now if id_ in before)
    lost = [id_ for change, id_ in changes if change <= -MOVED]
    gained = [id_ for change, id_ in reversed(changes) if change >= MOVED]
    lost, gained = (
        [f"{id_} {before[id_] / 1000:.3f} → {now[id_] / 1000:.3f}" for id_ in ids] for ids in (lost, gained)
    )
    return lost, gained


def pin(place: str, found: Mapping[str, float], floors: Mapping[str, float], *, lower: str) -> tuple[Floors, list[Any]]:
    """New floors and what was lowered for them. Raises ValueError where one would fall and `lower` says not why."""
    new: Floors = {}
    lowered = []
    for name in sorted({*found, *floors}):
        old = floors.get(name)
        if name not in found:
            here = None
        else:
            slack = SLACK if _name(name) in FALLING else -SLACK
            here = round(found[name] + slack, 4)
        if old is None or (here is not None and not _worse(name, here, old)):
            new[name] = here
        elif here is not None and not _worse(name, found[name], old):
            new[name] = old  # within the slack: the floor stays
        elif lower:
            lowered.append({"corpus": place, "measure": name, "from": old, "to": here, "why": lower})
            if here is not None:
                new[name] = here
        else:
            raise ValueError(f'{place}: {check(found, {name: old})[0]}; --lower "why" lets it fall')
    return new, lowered


# ------------------------------------------------------------------ run
def main(arguments: Sequence[str] | None = None, *, floors: Path = FLOORS, report: Path = REPORT) -> int:
    """Measure, print, compare or pin."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=SHARED, help="folder of corpus/ and bench/extraction/score.py")
    parser.add_argument("--corpus", action="append", choices=CORPORA, help="only this one")
    parser.add_argument("--pin", action="store_true", help="write floors and page scores anew")
    parser.add_argument("--lower", metavar="SENTENCE", default="", help="with --pin: why a floor may fall")
    options = parser.parse_args(arguments)
    if options.lower and not options.pin:
        parser.error("--lower goes with --pin")
    if options.lower and len(options.lower.split()) < 4:
        parser.error("--lower takes a sentence that says why")
    missing = _missing(options.shared)
    if missing:
        print(f"quality gate skipped: {missing} (TEARSHEET_TEST_SHARED names the folder)")
        return 0
    table = json.loads(floors.read_text(encoding="utf-8")) if floors.is_file() else {}
    wanted = options.corpus or [name for name in CORPORA if (options.shared / "corpus" / name).is_dir()]
    found = {
        name: measure(options.shared / "corpus" / name, options.shared / "bench" / "extraction") for name in wanted
    }
    wrong = [sentence for name, now in found.items() for sentence in _told(name, now, table.get("corpora", {}))]
    figures = reported(report)
    for sentence in check(figures, table.get("model", {})):
        wrong.append(f"model: {sentence}")
        print(wrong[-1])
    if not options.pin:
        print(f"quality gate: {len(wrong)} wrong" if wrong else "quality gate: nothing fell below its floor")
        return int(bool(wrong))
    try:
        new = _pinned(table, found, figures, options.lower)
    except ValueError as error:
        print(f"not pinned: {error}", file=sys.stderr)
        return 1
    floors.write_text(_written(new), encoding="utf-8")
    print(f"pinned in {floors.name}")
    return 0


def _missing(shared: Path) -> str:
    """What is not there of the shared folder, or the empty string."""
    for part in ("corpus", "bench/extraction/score.py"):
        if not (shared / part).exists():
            return f"no {shared / part}"
    return ""


def _told(name: str, now: Measured, pinned: Mapping[str, Any]) -> list[str]:
    """Prints one corpus; what is wrong with it."""
    before = pinned.get(name)
    limits = before["floors"] if before else {}
    shown = "  ".join(
        f"{key} {value:.4f} ({limits[key]:.4f})" if key in limits else f"{key} {value:.4f}"
        for key, value in now.figures.items()
    )
    print(f"{name:13} {len(now.pages):4} pages  {shown}", flush=True)
    if not before:
        wrong = [f"{name}: no floors are pinned"]
    elif before["digest"] != now.digest:
        wrong = [f"{name}: these are not the pages that were pinned: {_difference(now.pages, before['pages'])}"]
    else:
        wrong = [f"{name}: {sentence}" for sentence in check(now.figures, limits)]
    lost, gained = moved(now.pages, before["pages"]) if before else ([], [])
    for word, pages in (("lost", lost), ("gained", gained)):
        if pages:
            print(f"  {len(pages)} pages {word}")
            print("".join(f"    {page}\n" for page in pages[:SHOWN]), end="")
    print("".join(f"  WRONG {sentence}\n" for sentence in wrong), end="", flush=True)
    return wrong


def _difference(now: Mapping[str, int], before: Mapping[str, int]) -> str:
    new, gone = sorted(now.keys() - before.keys()), sorted(before.keys() - now.keys())
    parts = [f"{len(ids)} {word} ({', '.join(ids[:3])})" for word, ids in (("new", new), ("gone", gone)) if ids]
    return ", ".join(parts) or "the same names with other bytes"


def _pinned(
    table: Mapping[str, Any], found: Mapping[str, Measured], figures: Mapping[str, float], lower: str
) -> Floors:
    """The table with what was found."""
    corpora, lowered = dict(table.get("corpora", {})), list(table.get("lowered", []))
    for name, now in found.items():
        old = corpora.get(name, {}).get("floors", {})
        new, fallen = pin(name, now.figures, old, lower=lower)
        lowered += fallen
        corpora[name] = {"digest": now.digest, "floors": new, "pages": now.pages}
    model, fallen = pin("model", figures, table.get("model", {}), lower=lower)
    return {"corpora": corpora, "model": model, "lowered": [*lowered, *fallen]}


def _written(table: Floors) -> str:
    """JSON that is read and compared by people: one figure or page a line."""
    return json.dumps(table, indent=1, ensure_ascii=False, sort_keys=True) + "\n"


if __name__ == "__main__":
    sys.exit(main())
