"""Decision trees as arrays: boosted trees of depth 6 and less, evaluated for all rows at once.

Values are whole numbers (1/1024 of log-odds), so that their sum is the same on every machine and in every order.
"""

from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import numpy as np

__all__ = ["DEPTH", "SCALE", "Forest"]

Array: TypeAlias = Any  # of numpy; its own types would only hide the arithmetic
DEPTH: Final = 6
SCALE: Final = 1024.0
_INNER: Final = 2**DEPTH - 1
_SIZE: Final = 2 * _INNER + 1
_AT_ONCE: Final = 1_000_000  # rows times trees under way: bounds the memory for pages of 100,000 blocks
_TREES: Final = 60  # at a time
_FIRST: Final = 40  # trees after which a row may be sure
_EXPLAINED: Final = 100  # trees that explain a score


@dataclass(frozen=True, slots=True)
class Forest:
    """Complete trees, nodes in breadth-first order: the children of node i are 2i + 1 (no) and 2i + 2 (yes).

    feature and threshold: (trees, 63), a row goes to "yes" where its feature is above the threshold. value: (trees,
    127), what a row is worth that has come to a node; that of the last level (64 leaves) is the tree's answer.
    """

    feature: Array
    threshold: Array
    value: Array
    bias: int

    def log_odds(self, columns: Array, *, sure: float = -np.inf) -> Array:
        """The sum of all trees for each row of `columns` (features, rows), in log-odds.

        A row that is below `sure` after the first trees is asked no further: most blocks of a page are no article, and
        the trees after those only say so once more.
        """
        total = self._sum(columns, 0, _FIRST)
        undecided = np.flatnonzero(total >= sure)
        if len(undecided):
            rest = columns if len(undecided) == columns.shape[1] else np.ascontiguousarray(columns[:, undecided])
            total[undecided] += self._sum(rest, _FIRST, len(self.feature))
        return total

    def _sum(self, columns: Array, begin: int, end: int) -> Array:
        """What the trees from `begin` to `end` say, a few at a time: their nodes then stay in the processor's cache."""
        rows = columns.shape[1]
        total = np.full(rows, 0 if begin else self.bias, np.int64)
        step = max(1, min(_TREES, _AT_ONCE // max(rows, 1)))
        flat, row = columns.ravel(), np.arange(rows)
        for at in range(begin, min(end, len(self.feature)), step):
            trees = slice(at, min(at + step, end))
            node = self._leaves(flat, row, trees)
            total += self.value[trees].ravel().take(node + (np.arange(len(node)) * _SIZE)[:, None]).sum(axis=0)
        return total / SCALE

    def _leaves(self, flat: Array, row: Array, trees: slice) -> Array:
        """The node of the last level that each row comes to, (trees, rows)."""
        features, thresholds = self.feature[trees], self.threshold[trees]
        rows, count = len(row), len(features)
        first = flat.take(features[:, :1] * rows + row)
        node = (first > thresholds[:, :1]).astype(np.intp)
        node += 1
        offset = (np.arange(count) * _INNER)[:, None]
        features, thresholds = features.ravel() * rows, thresholds.ravel()
        place, value = np.empty_like(node), np.empty_like(first)
        for _ in range(DEPTH - 1):
            np.add(node, offset, out=place)
            bound = thresholds.take(place)
            features.take(place, out=place, mode="clip")
            place += row
            flat.take(place, out=value, mode="clip")
            node += node
            node += 1
            node += value > bound
        return node

    def effects(self, columns: Array) -> Array:
        """How much each feature moved each row's log-odds: (features, rows).

        A split moves a row by the difference of the values of the nodes after and before it (Saabas 2014). The first
        trees are asked, which move a row most.
        """
        rows, features = columns.shape[1], columns.shape[0]
        if not rows:
            return np.zeros((features, 0))
        trees = np.arange(min(_EXPLAINED, len(self.feature)))[:, None]
        row = np.arange(rows)
        node = np.zeros((len(trees), rows), np.intp)
        out = np.zeros(features * rows)
        for _ in range(DEPTH):
            feature, threshold = self.feature[trees, node], self.threshold[trees, node]
            before = self.value[trees, node]
            node = 2 * node + 1 + (columns[feature, row] > threshold)
            moved = (self.value[trees, node] - before).ravel()
            out += np.bincount((feature * rows + row).ravel(), moved, minlength=features * rows)
        return out.reshape(features, rows) / SCALE
