"""Learns config/metadata.toml from the shared corpora: python tests/quality/train_meta.py [--shared DIR] [--write].

For each page with a truth, every choice is scored by the bench's scorer (score_meta.py); the weights are those under
which the share of the right choices, by softmax over a page's choices, is largest (L2-penalised, AdaGrad, fixed
order: the same corpora give the same weights). Prints the figures of five folds by site, where each page is judged by
weights that no page of its site was learned from, and the same apart for two halves of the sites (sha256 of the name):
A was looked at while the traits were thought of, B was not. The written weights have no figures of their own.
"""

import argparse
import gzip
import hashlib
import importlib
import json
import math
import os
import random
import re
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.metadata import weigh
from tasks.metadata.rank import NOBODY
from tests.quality.gate import digest
from tests.quality.meta import CORPORA, parse

FOLDS = 5
EPOCHS, STEP = 30, 0.3
PENALTY = {"title": 0.04, "authors": 0.02, "published": 0.004}  # chosen by the figures of the folds
EXPECTED = (
    (
        2.0,
        re.compile(
            r"from (?:json-ld:datePublished|meta:.*publi.*|url|text:near-heading|text:published.*|meta:.*issued)"
        ),
    ),
    (
        1.0,
        re.compile(
            r"from json-ld:WebPage.datePublished|from microdata:datePublished|from meta:datepublished|from meta:date"
        ),
    ),
    (1.0, re.compile(r"from time:(?:published|after-heading)|from text:(?:class-)?above")),
    (0.0, re.compile(r"from text:updated|from time:updated")),
    (-0.5, re.compile(r"from .*(?:dateModified|datemodified|modified_time|updated_time|last-modified)")),
    (-0.5, re.compile(r"from text|from json-ld:other.*|from text:near-heading\+long")),
)  # the means that the weights are drawn towards; without them rare traits go by chance
# Bounds: what the article's own linked data calls its publication is not outweighed by one unlabelled line, and a
# change is no publication. The corpora alone would allow both, since their truths are sometimes the date that is shown.
LEAST = {"from json-ld:datePublished": 1.6, "from time:published": 0.0, "from byline:below": 1.0}
MOST = {"from json-ld:WebPage.datePublished": 0.6} | {
    f"from {name}": 0.5
    for name in ("json-ld:dateModified", "json-ld:WebPage.dateModified", "meta:article:modified_time")
}
RARE = 4  # a trait of fewer pages gets no weight
COMPLETE = ("fundus", "wcxb_article")  # corpora where no author in the truth means that the page names none
FIELDS = {"title": "t", "authors": "a", "published": "d"}
HEAD = """# What speaks for and against a candidate of title, authors and date of publication: trait = weight.
# Learned (log-odds), not written by hand: tests/quality/train_meta.py; tasks/metadata/*.py name the traits.
"""


@dataclass(frozen=True)
class Sample:
    """One page and field: the traits of each choice and how right it is, 0 to 1."""

    page: str
    site: str
    traits: list[list[str]]
    rights: list[float]


def samples(shared: Path, score: Any) -> dict[str, list[Sample]]:
    """The samples of each field, in the order of the corpora."""
    found: dict[str, list[Sample]] = {name: [] for name in FIELDS}
    nothing: dict[str, dict[str, float]] = {name: {} for name in FIELDS}
    for corpus in CORPORA:
        folder = shared / "corpus" / corpus
        for row in map(json.loads, (folder / "truth.jsonl").open(encoding="utf-8")):
            root = parse(gzip.decompress((folder / f"{row['id']}.html.gz").read_bytes()))
            url = row["url"] if "//" in row["url"] else "http://page.example/"
            for name, choices in weigh(root, url=url, headers={}, weights=nothing)[1].items():
                rights = [_right(score, row, name, choice.value) for choice in choices]
                traits = [sorted(choice.traits) for choice in choices]
                if _right(score, row, name, "") is None:
                    if name != "authors" or corpus not in COMPLETE or row.get("author"):
                        continue
                    rights = [0.0] * len(rights)
                if name == "authors":
                    nobody = _right(score, row, name, "") is None
                    traits, rights = [*traits, [NOBODY]], [*rights, float(nobody)]
                found[name].append(Sample(f"{corpus}/{row['id']}", row["site"], traits, rights))
    return found


def expected(trait: str) -> float:
    """What is known of a trait before any page was seen: a source named after publication speaks for a day."""
    return next((weight for weight, pattern in EXPECTED if pattern.fullmatch(trait)), 0.0)


def _right(score: Any, row: dict[str, Any], name: str, value: Any) -> float | None:
    given = {"title": value} if name == "title" else {name: value}
    marks = score.page(row, given).get(FIELDS[name])
    if marks is None:
        return None
    return float(marks[1]) if name == "authors" else float(marks[0] == "ok")


def learn(train: list[Sample], penalty: float) -> dict[str, float]:
    """The weights for these samples."""
    counts = Counter(trait for sample in train for trait in {t for traits in sample.traits for t in traits})
    usable = [s for s in train if s.rights and max(s.rights) > 0 and len(s.rights) > 1]
    prior = {trait: expected(trait) for trait in counts}
    weights = {trait: prior[trait] for trait, count in sorted(counts.items()) if count >= RARE or prior[trait]}
    squares = dict.fromkeys(weights, 1e-6)
    shuffle, sums = random.Random(7), dict.fromkeys(weights, 0.0)
    for epoch in range(EPOCHS):
        order = usable[:]
        shuffle.shuffle(order)
        for sample in order:
            scores = [sum(weights.get(t, 0.0) for t in traits) for traits in sample.traits]
            top = max(scores)
            shares = [math.exp(s - top) for s in scores]
            total = sum(shares)
            shares = [share / total for share in shares]
            right = sum(share * r for share, r in zip(shares, sample.rights, strict=True)) + 1e-9
            gradient: dict[str, float] = {}
            for share, r, traits in zip(shares, sample.rights, sample.traits, strict=True):
                pull = share * r / right - share
                for t in traits:
                    if t in weights:
                        gradient[t] = gradient.get(t, 0.0) + pull
            for t, pull in gradient.items():
                pull -= penalty * (weights[t] - prior[t])
                squares[t] += pull * pull
                moved = weights[t] + STEP * pull / math.sqrt(squares[t])
                weights[t] = min(max(moved, LEAST.get(t, -9.0)), MOST.get(t, 9.0))
        if epoch >= EPOCHS // 2:  # their mean swings less than the last ones
            sums = {t: total + weights[t] for t, total in sums.items()}
    return {t: total / (EPOCHS - EPOCHS // 2) for t, total in sums.items()}


def judge(sample: Sample, weights: dict[str, float]) -> float:
    """How right the choice is that these weights make."""
    if not sample.rights:
        return 0.0
    scores = [round(sum(weights.get(t, 0.0) for t in traits), 9) for traits in sample.traits]
    return sample.rights[scores.index(max(scores))]


def half(site: str) -> str:
    """A or B."""
    return "AB"[hashlib.sha256(site.encode()).digest()[0] % 2]


def folds(all_samples: dict[str, list[Sample]]) -> dict[str, int]:
    """The fold of each site: sites in the order of their digests, dealt round."""
    sites = sorted(
        {s.site for part in all_samples.values() for s in part}, key=lambda s: hashlib.sha256(s.encode()).hexdigest()
    )
    return {site: number % FOLDS for number, site in enumerate(sites)}


def validated(part: list[Sample], fold_of: dict[str, int], penalty: float) -> list[float]:
    """How right each sample's choice is under weights learned from the other folds."""
    models = [learn([s for s in part if fold_of[s.site] != fold], penalty) for fold in range(FOLDS)]
    return [judge(s, models[fold_of[s.site]]) for s in part]


def report(name: str, part: list[Sample], rights: list[float]) -> str:
    """One line: pooled, by half, by corpus, and the best that the choices allow."""
    nobody = [r for s, r in zip(part, rights, strict=True) if s.rights and s.traits[-1] == [NOBODY] and s.rights[-1]]
    pairs = [
        (s, r)
        for s, r in zip(part, rights, strict=True)
        if not (s.traits and s.traits[-1] == [NOBODY] and s.rights[-1])
    ]
    part, rights = [s for s, _ in pairs], [r for _, r in pairs]

    def mean(keep: Any) -> str:
        found = [r for s, r in zip(part, rights, strict=True) if keep(s)]
        return f"{sum(found) / max(len(found), 1):.4f}"

    oracle = sum(max(s.rights, default=0.0) for s in part) / len(part)
    corpora = ", ".join(f"{c} {mean(lambda s, c=c: s.page.startswith(c))}" for c in CORPORA)
    halves = ", ".join(f"{h} {mean(lambda s, h=h: half(s.site) == h)}" for h in "AB")
    return f"{name}: {mean(lambda s: True)} ({halves}; {corpora}; any choice {oracle:.4f}; {len(part)} pages" + (
        f"; of {len(nobody)} without {sum(nobody) / len(nobody):.3f} left so)" if nobody else ")"
    )


def main() -> None:
    """Cross-validate and print; with --write, learn from all pages and write the weights."""
    default = os.environ.get("TEARSHEET_TEST_SHARED", str(Path(__file__).parents[3] / "shared"))
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, default=Path(default))
    parser.add_argument("--write", action="store_true")
    options = parser.parse_args()
    sys.path.insert(0, str(options.shared / "bench" / "extraction"))
    found = samples(options.shared, importlib.import_module("score_meta"))
    fold_of = folds(found)
    for name, part in found.items():
        print(report(name, part, validated(part, fold_of, PENALTY[name])), flush=True)
    if options.write:
        path = Path(__file__).parents[2] / "config" / "metadata.toml"
        tables = [f"# Learned from {name}, {digest(options.shared / 'corpus' / name)}" for name in CORPORA]
        for name, part in found.items():
            weights = sorted(learn(part, PENALTY[name]).items())
            tables += [
                f"\n[{name}]",
                *(f"{json.dumps(t, ensure_ascii=False)} = {w:.3f}" for t, w in weights if abs(w) >= 0.0005),
            ]
        path.write_text("\n".join([HEAD.rstrip(), *tables]) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
