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
_AT_ONCE: Final = 4_000_000  # rows times trees under way: bounds the memory for pages of 100,000 blocks


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

    def log_odds(self, columns: Array) -> Array:
        """The sum of all trees for each row of `columns` (features, rows), in log-odds."""
        rows = columns.shape[1]
        step = max(1, _AT_ONCE // max(len(self.feature), 1))
        parts = [self._sum(np.ascontiguousarray(columns[:, at : at + step])) for at in range(0, rows, step)]
        return np.concatenate(parts) if parts else np.zeros(0)

    def _sum(self, columns: Array) -> Array:
        places, trees = self._leaves(columns), np.arange(len(self.feature), dtype=np.intp)[:, None]
        leaves = self.value.ravel()[places + trees * (2 * _INNER + 1)]
        return (leaves.sum(axis=0, dtype=np.int64) + self.bias) / SCALE

    def _leaves(self, columns: Array) -> Array:
        """The node of the last level that each row comes to, (trees, rows)."""
        rows = columns.shape[1]
        flat, features, thresholds = columns.ravel(), self.feature.ravel(), self.threshold.ravel()
        trees = (np.arange(len(self.feature), dtype=np.intp) * _INNER)[:, None]
        row = np.arange(rows, dtype=np.intp)
        node = np.zeros((len(self.feature), rows), np.intp)
        for _ in range(DEPTH):
            place = node + trees
            value = flat.take(features.take(place) * rows + row)
            node += node + 1
            node += value > thresholds.take(place)
        return node

    def effects(self, columns: Array) -> Array:
        """How much each feature moved each row's log-odds: (features, rows).

        A split moves a row by the difference of the values of the nodes after and before it (Saabas 2014).
        """
        rows, features = columns.shape[1], columns.shape[0]
        if not rows:
            return np.zeros((features, 0))
        trees = np.arange(len(self.feature), dtype=np.intp)[:, None]
        row = np.arange(rows, dtype=np.intp)
        node = np.zeros((len(self.feature), rows), np.intp)
        out = np.zeros(features * rows)
        for _ in range(DEPTH):
            feature, threshold = self.feature[trees, node], self.threshold[trees, node]
            before = self.value[trees, node]
            node = 2 * node + 1 + (columns[feature, row] > threshold)
            moved = (self.value[trees, node] - before).ravel()
            out += np.bincount((feature * rows + row).ravel(), moved, minlength=features * rows)
        return out.reshape(features, rows) / SCALE
