"""Learns the block scorer (config/model/) from the labelled corpora: one command, the same weights every time.

    python -m tests.quality.train --shared FOLDER [--out config/model] [--cross-validate]

FOLDER holds `corpus/<name>/` and `bench/extraction/score.py`. Needs tests/quality/requirements-train.txt beside
Tearsheet. One thread, fixed seeds, some 4 minutes. `--cross-validate` writes no weights: it learns five times from four
fifths of the sites, cleans the pages of the others with what it learned, and writes what it found to
<out>/cross-validation.json: those are the honest figures, never the gate's.

Steps: blocks are labelled by aligning them with the truth; pages of `trafilatura` have no full truth: a teacher that
also sees how nine other programs voted on each block (votes.npz, made by votes.py; no vote is ever used at run time)
labels them softly, and their known snippets override it. Two lexical regressions score words and class names; their
scores of training pages come from other sites. The first look learns from all features, the second also from the
first's answers, again from other sites.
"""

import argparse
import gzip
import hashlib
import importlib
import json
import re
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Any

import lightgbm
import numpy as np
from rapidfuzz.distance import LCSseq
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from tasks.clean import RuleSet, clean_page, load_rules
from tasks.clean.clues import find_clues
from tasks.clean.context import lexical_columns, outlook_columns
from tasks.clean.features import Table, measure
from tasks.clean.lexicon import class_tokens
from tasks.clean.parse import parse_tree
from tasks.clean.scorer import FORMAT
from tasks.clean.trees import DEPTH, SCALE
from tasks.clean.walk import walk
from tests.quality.gate import digest

VERSION = "2026.11"
CORPORA = ("zyte", "fundus", "wcxb_article", "trafilatura")
FOLDS = 5
SHARE, LEAST, MOST = 0.95, 0.18, 0.6  # of the page's threshold, see Scorer.threshold
CONFIG = Path(__file__).parents[2] / "config"
VOTES = Path(__file__).with_name("votes.npz")
_WORD = re.compile(r"\w+")
FIRST = {
    "objective": "cross_entropy",
    "learning_rate": 0.06,
    "num_leaves": 31,
    "max_depth": DEPTH,
    "min_data_in_leaf": 40,
    "feature_fraction": 0.2,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
    "lambda_l2": 5,
    "max_bin": 63,
    "num_threads": 1,
    "deterministic": True,
    "force_col_wise": True,
    "verbose": -1,
    "seed": 1,
}
SECOND = {**FIRST, "learning_rate": 0.05, "min_data_in_leaf": 60, "feature_fraction": 0.25}
TREES_FIRST, TREES_SECOND, TREES_TEACHER = 300, 200, 150
_EASY = -6.5  # lexical log-odds below which a block that is not article is one of many: a quarter of them is enough


class Page:
    """One page of a corpus: its table of features, its labels, and the tokens of its names."""

    def __init__(self, corpus: str, truth: dict[str, Any], table: Table) -> None:
        self.corpus, self.id, self.site, self.truth, self.table = corpus, truth["id"], truth["site"], truth, table
        self.count = table.count
        self.columns = table.matrix().T.copy()
        self.words = np.array([len(_WORD.findall(text)) for text in table.texts])
        self.labels = (align(table.texts, truth["text"]) >= 0.5).astype(float) if "text" in truth else None
        self.word_tokens = list(_word_tokens(table))
        self.name_tokens = list(_name_tokens(table))
        self.votes: Any = None
        table.page = None  # type: ignore[assignment] # a page of elements is large, and no longer needed

    def text(self, kept: Any) -> str:
        """The text of the rows kept."""
        return "\n".join(text for text, stays in zip(self.table.texts, kept, strict=True) if stays)


# ------------------------------------------------------------------ labels
def align(texts: Sequence[str], truth: str) -> Any:
    """Which share of each block's words the truth holds, in its order."""
    words = _WORD.findall(truth)
    known, single = set(zip(words, words[1:], words[2:], words[3:], strict=False)), set(words)
    blocks = [_WORD.findall(text) for text in texts]
    sequence: list[str] = []
    owner: list[int] = []
    for number, block in enumerate(blocks):
        if len(block) >= 4:
            fours = list(zip(block, block[1:], block[2:], block[3:], strict=False))
            likely = sum(four in known for four in fours) / len(fours) >= 0.34
        else:
            likely = all(word in single for word in block)
        if likely:
            sequence += block
            owner += [number] * len(block)
    places: dict[int, list[int]] = {}
    for step in LCSseq.opcodes(sequence, words):
        if step.tag == "equal":
            for at, place in zip(
                range(step.src_start, step.src_end), range(step.dest_start, step.dest_end), strict=True
            ):
                places.setdefault(owner[at], []).append(place)
    out = np.zeros(len(texts))
    for number, found in places.items():
        size, spread = len(blocks[number]), found[-1] - found[0] + 1
        share = len(found) / size
        close = spread <= len(found) + max(1, 0.5 * size) or share > 0.8
        fits = close if size >= 4 else share == 1 and spread == size
        out[number] = share if fits else 0.0
    return out


def _word_tokens(table: Table) -> Iterator[tuple[list[str], float]]:
    """Tokens of each row as Scorer.word_scores looks them up, and the weight of each."""
    above: list[str] = []
    for tokens, own, text, heading in zip(
        table.tokens, table.sets, table.texts, table.is_heading.tolist(), strict=True
    ):
        found = sorted(own)
        if tokens:
            found.append(f"^{tokens[0]}")
        if len(tokens) > 1:
            found.append(f"^{tokens[0]} {tokens[1]}")
        yield found + above, 1 / max(len(found), 1) ** 0.5
        if heading or (len(tokens) <= 6 and text.endswith(":")):
            above = [f"h:{word}" for word in sorted(set(tokens[:8]))]


def _name_tokens(table: Table) -> Iterator[tuple[list[str], float]]:
    """Tokens of the classes and ids around each row, as Scorer.class_scores adds them up."""
    page, nodes = table.page, table.nodes
    own = [class_tokens(page.classes[n]) + class_tokens(page.idents[n]) for n in nodes.element.tolist()]
    inline: dict[int, list[str]] = {}
    for n in table.inline:
        names = class_tokens(page.classes[n]) + class_tokens(page.idents[n])
        inline.setdefault(page.block_start[n], []).extend(names)
    around: list[tuple[str, ...]] = []
    for number, parent in enumerate(nodes.parent.tolist()):
        around.append(own[number] + around[parent] if number else own[number])
    for block, nodes_of_row in zip(table.blocks, zip(*table.up, strict=True), strict=True):
        first, second, third, fourth = map(int, nodes_of_row)
        near = [*own[first], *own[second], *own[third], *inline.get(block, ())]
        yield (
            [
                *(f"n:{name}" for name in near),
                *(f"f:{name}" for name in around[fourth]),
                f"t:{page.tag[page.owner[block]]}",
            ],
            1.0,
        )


# ------------------------------------------------------------------ reading
def read_pages(shared: Path) -> list[Page]:
    """All pages that have text, in the order of the corpora."""
    pages = []
    for corpus in CORPORA:
        folder = shared / "corpus" / corpus
        for line in (folder / "truth.jsonl").read_bytes().splitlines():
            truth = json.loads(line)
            root = parse_tree(gzip.decompress((folder / f"{truth['id']}.html.gz").read_bytes()).decode()).root
            table = measure(walk(root), find_clues(root)) if root is not None else None
            if table is not None:
                pages.append(Page(corpus, truth, table))
    _read_votes(pages)
    return pages


def _read_votes(pages: Iterable[Page]) -> None:
    """Give each page the votes on its blocks; pages that have been cut otherwise since have none."""
    if not VOTES.exists():
        return
    with np.load(VOTES) as stored:
        for page in pages:
            name = f"{page.corpus}/{page.id}"
            if name in stored and len(stored[name]) == page.count:
                bits = stored[name].astype(int)
                page.votes = (bits[:, None] >> np.arange(9) & 1).astype(float)


def folds_of(pages: Sequence[Page]) -> Any:
    """The fold of each page; a site lies in one fold, whatever the corpus."""
    sites = sorted({page.site for page in pages})
    np.random.RandomState(0).shuffle(sites)
    fold = {site: number % FOLDS for number, site in enumerate(sites)}
    return np.array([fold[page.site] for page in pages])


# ------------------------------------------------------------------ lexical scores
class Lexical:
    """Two regressions over tokens, fitted for any set of folds left out."""

    def __init__(self, pages: Sequence[Page], folds: Any) -> None:
        self.fold = np.concatenate([np.full(page.count, fold) for page, fold in zip(pages, folds, strict=True)])
        labels = [_lexical_labels(page) for page in pages]
        self.label = np.concatenate(labels)
        self.weight = np.concatenate(
            [
                _weights(page.words, one, 0.5) * (1 if page.labels is not None else 0.5)
                for page, one in zip(pages, labels, strict=True)
            ]
        )
        self.cuts = np.cumsum([0, *(page.count for page in pages)])
        self.words, self.word_names = _matrix(pages, "word_tokens", 4)
        self.names, self.name_names = _matrix(pages, "name_tokens", 3)
        self._known: dict[tuple[int, ...], list[tuple[Any, Any]]] = {}

    def fit(self, without: tuple[int, ...]) -> tuple[Any, Any]:
        """The regressions of words and of names, learned from the other folds."""
        rows = ~np.isin(self.fold, without)
        weight = self.weight[rows] / self.weight[rows].mean()
        return tuple(  # type: ignore[return-value]
            LogisticRegression(C=strength, max_iter=60, tol=1e-3).fit(
                matrix[rows], self.label[rows] >= 0.5, sample_weight=weight
            )
            for matrix, strength in ((self.words, 0.3), (self.names, 0.1))
        )

    def scores(self, without: tuple[int, ...]) -> list[tuple[Any, Any]]:
        """For each page the scores of its rows, by words and by names."""
        if without not in self._known:
            words, names = self.fit(without)
            by_words = self.words @ words.coef_[0] + words.intercept_[0]
            by_names = self.names @ names.coef_[0] + names.intercept_[0]
            self._known[without] = [
                (by_words[start:stop], by_names[start:stop])
                for start, stop in zip(self.cuts, self.cuts[1:], strict=False)
            ]
        return self._known[without]


def _lexical_labels(page: Page) -> Any:
    if page.labels is not None:
        return page.labels
    return (page.votes.sum(1) >= 4.5).astype(float) if page.votes is not None else np.zeros(page.count)


def _matrix(pages: Sequence[Page], what: str, least: int) -> tuple[Any, dict[str, int]]:
    """Rows by tokens that `least` sites have, and the column of each token."""
    sites: dict[str, set[str]] = {}
    for page in pages:
        for token in {token for tokens, _ in getattr(page, what) for token in tokens}:
            sites.setdefault(token, set()).add(page.site)
    column = {token: at for at, token in enumerate(sorted(one for one, seen in sites.items() if len(seen) >= least))}
    ends, columns, values = [0], [], []
    for page in pages:
        for tokens, weight in getattr(page, what):
            for token in tokens:
                if token in column:
                    columns.append(column[token])
                    values.append(weight)
            ends.append(len(columns))
    matrix = sparse.csr_matrix((np.array(values), np.array(columns), np.array(ends)), (len(ends) - 1, len(column)))
    matrix.sum_duplicates()
    return matrix, column


# ------------------------------------------------------------------ trees
def _weights(words: Any, labels: Any, power: float = 0.7) -> Any:
    """Weight of each block: a page's kept words count as one page, so that errors cost as in the score."""
    weights = np.maximum(words, 1) ** power
    return weights / max((weights * (labels >= 0.5)).sum(), weights.sum() * 0.15)


class Learner:
    """All that is learned, for any set of folds left out; what training pages see comes from other sites' labels."""

    def __init__(self, pages: Sequence[Page]) -> None:
        self.pages, self.folds = pages, folds_of(pages)
        self.lexical = Lexical(pages, self.folds)
        random = np.random.RandomState(0)
        self.rows, self.many = [], []
        for number, page in enumerate(pages):
            words, names = self.lexical.scores((int(self.folds[number]),))[number]
            easy = names + 0.5 * words < _EASY
            if page.labels is not None:
                easy &= page.labels < 0.05
            self.rows.append(~easy | (random.rand(page.count) < 0.25))
            self.many.append(np.where(easy, 4.0, 1.0))

    def lexical_of(self, number: int, without: tuple[int, ...]) -> Any:
        """The lexical columns of a page from regressions that saw neither its fold nor those left out."""
        left_out = tuple(sorted({*without[:1], int(self.folds[number])}))
        words, names = self.lexical.scores(left_out)[number]
        columns = lexical_columns(self.pages[number].table, words, names)
        return np.column_stack([values for _, values in columns])

    def features(self, number: int, without: tuple[int, ...]) -> Any:
        """What the first look sees of a page."""
        return np.hstack([self.pages[number].columns, self.lexical_of(number, without)]).astype(np.float32)

    def fit(self, without: tuple[int, ...], labels: dict[int, tuple[Any, Any]], second: Any = None) -> Any:
        """A look: the first, or the second where `second` has the first's answers on each page."""
        chosen = [number for number in range(len(self.pages)) if self.folds[number] not in without]
        columns, targets, weights = [], [], []
        for number in chosen:
            target, trust = labels[number]
            rows = self.rows[number]
            features = self.features(number, without)
            if second is not None:
                features = np.hstack([features, outlook(self.pages[number], second[number])])
            columns.append(features[rows])
            targets.append(target[rows])
            weights.append((_weights(self.pages[number].words, target) * trust * self.many[number])[rows])
        weight = np.concatenate(weights)
        data = lightgbm.Dataset(np.vstack(columns), np.concatenate(targets), weight=weight / weight.mean())
        if second is not None:
            return lightgbm.train(SECOND, data, TREES_SECOND)
        return lightgbm.train(FIRST, data, TREES_FIRST)

    def labels(self, without: tuple[int, ...]) -> dict[int, tuple[Any, Any]]:
        """Label and trust of each block: by truth, or by a teacher that saw the votes of other programs."""
        known = {
            number: (page.labels, np.ones(page.count))
            for number, page in enumerate(self.pages)
            if page.labels is not None
        }
        taught = [n for n in known if self.pages[n].votes is not None and self.folds[n] not in without]
        weight = np.concatenate(
            [(_weights(self.pages[n].words, known[n][0]) * self.many[n])[self.rows[n]] for n in taught]
        )
        data = lightgbm.Dataset(
            np.vstack([self._with_votes(n, without)[self.rows[n]] for n in taught]),
            np.concatenate([known[n][0][self.rows[n]] for n in taught]),
            weight=weight / weight.mean(),
        )
        teacher = lightgbm.train({**FIRST, "feature_fraction": 0.3}, data, TREES_TEACHER)
        for number, page in enumerate(self.pages):
            if page.labels is None:
                soft = teacher.predict(self._with_votes(number, without)) if page.votes is not None else None
                known[number] = _with_snippets(page, soft)
        return known

    def _with_votes(self, number: int, without: tuple[int, ...]) -> Any:
        votes = self.pages[number].votes
        total, edge = votes.sum(1, keepdims=True), np.zeros((1, 1))
        before, after = np.concatenate([edge, total[:-1]]), np.concatenate([total[1:], edge])
        return np.hstack([self.features(number, without), votes, total, before, after])


def _with_snippets(page: Page, soft: Any) -> tuple[Any, Any]:
    """The teacher's labels, overridden by what is known; without a teacher's word, nothing else counts."""
    target, trust = (np.zeros(page.count), np.zeros(page.count)) if soft is None else (soft.copy(), np.ones(page.count))
    for key, value in (("with", 1.0), ("without", 0.0)):
        for snippet in page.truth.get(key, []):
            wanted = " ".join(snippet.split())
            hits = [row for row, text in enumerate(page.table.texts) if wanted in text]
            if len(hits) == 1 or (not value and hits):
                target[hits], trust[hits] = value, 3.0
    return target, trust


def outlook(page: Page, probability: Any) -> Any:
    """What the second look sees beside the features."""
    return np.column_stack([values for _, values in outlook_columns(page.table, probability)]).astype(np.float32)


def two_looks(learner: Learner, without: tuple[int, ...]) -> tuple[Any, Any]:
    """First and second look, learned from all folds but those left out (none or one)."""
    labels = learner.labels(without)
    first = learner.fit(without, labels)
    answers: dict[int, Any] = {}
    for fold in range(FOLDS):
        if fold in without:
            continue
        left_out = (*without, fold)
        other = learner.fit(left_out, labels)
        for number in np.flatnonzero(learner.folds == fold).tolist():
            answers[number] = other.predict(learner.features(number, without))
    return first, learner.fit(without, labels, answers)


# ------------------------------------------------------------------ cross-validation
def cross_validate(learner: Learner, shared: Path, score: Any) -> dict[str, dict[str, float]]:
    """The measures of each corpus, every page cleaned (rules and all) by a model that saw nothing of its site."""
    results: dict[str, list[Any]] = {corpus: [] for corpus in CORPORA}
    for fold in range(FOLDS):
        with tempfile.TemporaryDirectory() as scratch:
            write_model(learner, Path(scratch), shared, without=(fold,))
            rules = RuleSet(load_rules((CONFIG,)).rules, model=Path(scratch))
            for number in np.flatnonzero(learner.folds == fold).tolist():
                page = learner.pages[number]
                html = gzip.decompress((shared / "corpus" / page.corpus / f"{page.id}.html.gz").read_bytes()).decode()
                article = clean_page(html, url=page.truth["url"], rules=rules)
                results[page.corpus].append(score.page(page.truth, article.text))
        print(f"fold {fold + 1} of {FOLDS}", file=sys.stderr, flush=True)
    names = ("zF1", "acc", "sF1", "leak", "loss")
    totals = {corpus: score.total(found) for corpus, found in results.items()}
    return {
        corpus: {name: round(total[name], 4) for name in names if name in total} for corpus, total in totals.items()
    }


# ------------------------------------------------------------------ writing
def complete(model: Any, prefix: str, names: Sequence[int]) -> dict[str, Any]:
    """A model's trees as the arrays of tasks/clean/trees.py; `names` gives the number of each feature."""
    inner, size = 2**DEPTH - 1, 2 ** (DEPTH + 1) - 1
    trees = model.dump_model()["tree_info"]
    feature = np.zeros((len(trees), inner), np.int16)
    bound = np.full((len(trees), inner), np.inf, np.float32)
    value = np.zeros((len(trees), size))
    for number, tree in enumerate(trees):
        stack = [(0, tree["tree_structure"])]
        while stack:
            place, node = stack.pop()
            if "split_feature" in node:
                feature[number, place] = names[node["split_feature"]]
                # Down to the next float32, so that "x <= bound" means the same as in double precision.
                below = np.float32(node["threshold"])
                bound[number, place] = below if below <= node["threshold"] else np.nextafter(below, np.float32(-np.inf))
                value[number, place] = node["internal_value"]
                stack += [(2 * place + 1, node["left_child"]), (2 * place + 2, node["right_child"])]
            else:
                value[number, place] = node["leaf_value"]
                if place < inner:  # an early leaf: all go left, and nothing changes on the way
                    stack += [(2 * place + 1, node), (2 * place + 2, node)]
    whole = np.round(value * SCALE)
    return {
        f"{prefix}_feature": feature,
        f"{prefix}_threshold": bound,
        f"{prefix}_value": whole.astype(np.int32),
        f"{prefix}_bias": np.array(0),
    }


def tokens(prefix: str, names: Iterable[str], weights: Any, least: float) -> dict[str, Any]:
    """Tokens and their weights in 1/1000, those near nothing left out."""
    kept = [(name, round(1000 * float(weight))) for name, weight in zip(names, weights, strict=True)]
    kept = sorted((name, weight) for name, weight in kept if abs(weight) >= 1000 * least)
    return {
        f"{prefix}_tokens": np.frombuffer("\n".join(name for name, _ in kept).encode(), np.uint8),
        f"{prefix}_weights": np.array([weight for _, weight in kept], np.int16),
    }


def write_model(learner: Learner, out: Path, shared: Path, *, without: tuple[int, ...] = ()) -> None:
    """Learn from all folds but those left out, and write the weights with what they were learned from."""
    first, second = two_looks(learner, without)
    words, names = learner.lexical.fit(without)
    table = learner.pages[0].table
    zeros = np.zeros(table.count)
    features = [*table.names, *(name for name, _ in lexical_columns(table, zeros, zeros))]
    after = [*features, *(name for name, _ in outlook_columns(table, zeros))]
    used = sorted({node for tree in second.dump_model()["tree_info"] for node in _splits(tree["tree_structure"])})
    place = {number: at for at, number in enumerate(used)}
    by_kind: dict[str, list[tuple[str, float]]] = {"n": [], "f": [], "t": []}
    for name, weight in zip(learner.lexical.name_names, names.coef_[0], strict=True):
        by_kind[name[0]].append((name[2:], weight))
    arrays = complete(first, "first", range(len(features)))
    arrays |= complete(second, "second", [place.get(number, 0) for number in range(len(after))])
    arrays |= tokens("words", learner.lexical.word_names, words.coef_[0], 0.02)
    for prefix, kind in (("near", "n"), ("far", "f"), ("tags", "t")):
        arrays |= tokens(prefix, *zip(*by_kind[kind], strict=True), 0.01)
    out.mkdir(parents=True, exist_ok=True)
    np.savez_compressed(out / "scorer.npz", **arrays)
    about = {
        "format": FORMAT,
        "version": VERSION,
        "weights": f"sha256:{hashlib.sha256((out / 'scorer.npz').read_bytes()).hexdigest()}",
        "trained_on": {corpus: digest(shared / "corpus" / corpus) for corpus in CORPORA},
        "votes": f"sha256:{hashlib.sha256(VOTES.read_bytes()).hexdigest()}",
        "pages": len(learner.pages),
        "threshold": [SHARE, LEAST, MOST],
        "word_bias": round(float(words.intercept_[0]), 4),
        "class_bias": round(float(names.intercept_[0]), 4),
        "features": features,
        "outlook": after[len(features) :],
        "second_features": used,
    }
    (out / "scorer.json").write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")


def _splits(node: dict[str, Any]) -> Iterator[int]:
    stack = [node]
    while stack:
        one = stack.pop()
        if "split_feature" in one:
            yield one["split_feature"]
            stack += [one["left_child"], one["right_child"]]


def main() -> int:
    """Read, learn, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--shared", type=Path, required=True)
    parser.add_argument("--out", type=Path, default=Path(__file__).parents[2] / "config" / "model")
    parser.add_argument("--cross-validate", action="store_true")
    options = parser.parse_args()
    started = time.monotonic()
    learner = Learner(read_pages(options.shared))
    print(f"{len(learner.pages)} pages read, {time.monotonic() - started:.0f} s", file=sys.stderr, flush=True)
    if options.cross_validate:
        sys.path.insert(0, str(options.shared / "bench" / "extraction"))
        found = cross_validate(learner, options.shared, importlib.import_module("score"))
        report = {"version": VERSION, "folds": FOLDS, "pages": len(learner.pages), "corpora": found}
        options.out.mkdir(parents=True, exist_ok=True)
        (options.out / "cross-validation.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
        print(json.dumps(report, indent=1))
    else:
        write_model(learner, options.out, options.shared)
    print(f"{time.monotonic() - started:.0f} s", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
