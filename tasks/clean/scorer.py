"""The block scorer: how much like article each block of a page looks, learned from labelled pages.

Two looks. The first judges a block by itself and its place; the second sees also what the first made of the blocks
around it. Weights are data (config/model/, which says what they were learned from); tests/quality/train.py makes them.
"""

import hashlib
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any, Final, TypeAlias

import numpy as np

from tasks.clean.clues import Clues
from tasks.clean.context import lexical_columns, outlook_columns
from tasks.clean.features import Table, measure
from tasks.clean.lexicon import class_tokens, place_bits
from tasks.clean.trees import Forest
from tasks.clean.walk import Page
from tasks.errors import FormatError
from tasks.records import Digest

__all__ = ["Scorer", "Scores", "load_scorer"]

Array: TypeAlias = Any  # of numpy; its own types would only hide the arithmetic
FORMAT: Final = 1
_MEMO_SIZE: Final = 50_000  # names, some 12 MB
_MEMO_LONGEST: Final = 1_000  # characters


@dataclass(frozen=True, slots=True)
class Scores:
    """Probabilities of the blocks that hold words: `blocks` says which; those from `threshold` up are article."""

    table: Table
    blocks: list[int]
    probability: Array
    threshold: float
    columns: Array  # what the first look saw, (features, rows)


class Scorer:
    """A model in memory; safe to use from several threads."""

    def __init__(self, about: dict[str, Any], arrays: Any, digest: Digest) -> None:
        self.digest, self.version = digest, str(about["version"])
        self.names: list[str] = about["features"]
        self.share, self.least, self.most = about["threshold"]
        self.first = _forest(arrays, "first")
        self.second = _forest(arrays, "second")
        self.second_from = np.array(about["second_features"])
        self.words = _weights(arrays, "words")
        self.near, self.far = _weights(arrays, "near"), _weights(arrays, "far")
        self.tags = _weights(arrays, "tags")
        self.word_bias, self.class_bias = about["word_bias"], about["class_bias"]
        self._memo: dict[str, tuple[int, int, int]] = {}

    def scores(self, page: Page, clues: Clues) -> Scores | None:
        """The probability of each block of a page; None where it has no words."""
        table = measure(page, clues)
        if table is None:
            return None
        for name, values in lexical_columns(table, self.word_scores(table), self.class_scores(table)):
            table.add(name, values)
        columns = table.matrix()
        first = _probability(self.first.log_odds(columns))
        outlook = np.array([values for _, values in outlook_columns(table, first)], np.float32)
        both = np.concatenate([columns, outlook])[self.second_from]
        probability = _probability(self.second.log_odds(both))
        return Scores(table, table.blocks, probability, self.threshold(probability, table.words), columns)

    def threshold(self, probability: Array, words: Array) -> float:
        """Where keeping ends on this page: a little below half of the best F1 of words that it lets expect.

        Keeping what is above F/2 maximises an expected F1 F (Lipton et al. 2014).
        """
        order = np.argsort(-probability, kind="stable")
        kept = np.cumsum(words[order])
        expected = np.cumsum((words * probability)[order])
        best = float((2 * expected / (kept + expected[-1])).max())
        return float(max(self.least, min(self.most, best / 2 * self.share)))

    def leading(self, scores: Scores, rows: Sequence[int], count: int = 3) -> Iterator[tuple[tuple[str, float], ...]]:
        """For each of `rows` the features that moved its first look most, strongest first, with their log-odds."""
        effects = self.first.effects(np.ascontiguousarray(scores.columns[:, rows])).T
        left, every = np.abs(effects), np.arange(len(rows))
        order = []
        for _ in range(count):  # to sort all features of each row cost .3 ms a page more
            order.append(left.argmax(axis=1))
            left[every, order[-1]] = -1
        strongest = np.array(order).T
        moved = np.take_along_axis(effects, strongest, axis=1)
        for features, values in zip(strongest.tolist(), moved.tolist(), strict=True):
            yield tuple((self.names[at], round(value, 2)) for at, value in zip(features, values, strict=True))

    # -------------------------------------------------------------- lexical scores
    def word_scores(self, table: Table) -> Array:
        """What the first words of each row say, and those of the heading above it; log-odds."""
        get = self.words.get
        out, above = [], 0
        for tokens, words, text, heading in zip(
            table.tokens, table.sets, table.texts, table.is_heading.tolist(), strict=True
        ):
            total, size = sum(filter(None, map(get, words))), len(words)
            if tokens:
                total += get(f"^{tokens[0]}", 0)
                size += 1
                if len(tokens) > 1:
                    total += get(f"^{tokens[0]} {tokens[1]}", 0)
                    size += 1
            out.append((total + above) / (max(size, 1) ** 0.5 * 1000))
            if heading or (len(tokens) <= 6 and text.endswith(":")):
                above = sum(get(f"h:{word}", 0) for word in set(tokens[:8]))
        return np.array(out) + self.word_bias

    def class_scores(self, table: Table) -> Array:
        """What the names of classes and ids around each row say; log-odds."""
        page, nodes, told = table.page, table.nodes, self.told_by
        asked = set(nodes.signature[nodes.last > nodes.first].tolist())  # the others have no row to say it of
        makes = [told(classes)[:2] if make in asked else (0, 0) for make, (_, classes) in enumerate(nodes.makes)]
        near, far = np.array(makes)[nodes.signature].T
        for number, n in enumerate(nodes.element.tolist()):
            if ident := page.idents[n]:
                close, distant, _ = told(ident)
                near[number] += close
                far[number] += distant
        inline = [0] * (len(page.owner) + 1)
        for n in table.inline:
            if names := page.classes[n]:
                inline[page.block_start[n]] += told(names)[0]
            if names := page.idents[n]:
                inline[page.block_start[n]] += told(names)[0]
        first, second, third, fourth = table.up
        around = nodes.above(far)
        total = near[first] + near[second] + near[third] + around[fourth] + np.array(inline)[table.blocks]
        tags = np.array([self.tags.get(tag, 0) for tag, _ in nodes.makes])[nodes.signature]
        return (total + tags[first]) / 1000 + self.class_bias

    def told_by(self, value: str) -> tuple[int, int, int]:
        """What class names or an id say: weight close by, weight from further up, kinds of place (lexicon.py) as bits.

        Asked for three times as many names as there are different ones, and pages of a site share theirs.
        """
        known = self._memo.get(value)
        if known is None:
            tokens = class_tokens(value)
            near, far = sum(filter(None, map(self.near.get, tokens))), sum(filter(None, map(self.far.get, tokens)))
            known = near, far, place_bits(tokens)
            if len(value) <= _MEMO_LONGEST:
                if len(self._memo) >= _MEMO_SIZE:
                    self._memo.clear()
                self._memo[value] = known
        return known


def _probability(log_odds: Array) -> Array:
    return 1 / (1 + np.exp(-np.clip(log_odds, -30, 30)))


def _forest(arrays: Any, name: str) -> Forest:
    return Forest(
        arrays[f"{name}_feature"].astype(np.intp),
        arrays[f"{name}_threshold"],
        arrays[f"{name}_value"].astype(np.int64),
        int(arrays[f"{name}_bias"]),
    )


def _weights(arrays: Any, name: str) -> dict[str, int]:
    """Token → weight in 1/1000 of log-odds."""
    tokens = arrays[f"{name}_tokens"].tobytes().decode().split("\n")
    return dict(zip(tokens, arrays[f"{name}_weights"].tolist(), strict=True))


@lru_cache(maxsize=4)
def load_scorer(folder: Path) -> Scorer:
    """The model in a folder: scorer.json and scorer.npz. Raises FormatError naming the file."""
    about_file, arrays_file = folder / "scorer.json", folder / "scorer.npz"
    try:
        about = json.loads(about_file.read_text(encoding="utf-8"))
        data = arrays_file.read_bytes()
    except (OSError, ValueError) as error:
        raise FormatError(
            str(error), where=str(about_file), remedy="Install Tearsheet anew, or train a model"
        ) from None
    digest = Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")
    if about.get("format") != FORMAT or about.get("weights") != digest:
        raise FormatError(
            "the model's description does not fit its weights", where=str(about_file), remedy="Put both files back"
        )
    with np.load(arrays_file, allow_pickle=False) as arrays:
        return Scorer(about, arrays, digest)
