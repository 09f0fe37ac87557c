"""Decision trees as arrays: boosted trees of depth 6 and less, evaluated for all rows at once.

Values are whole numbers (1/1024 of log-odds), so that their sum is the same on every machine and in every order.
"""

from collections.abc import Iterator
from typing import Any, Final, TypeAlias

import numpy as np

__all__ = ["DEPTH", "SCALE", "Forest"]

Array: TypeAlias = Any  # of numpy; its own types would only hide the arithmetic
DEPTH: Final = 6
SCALE: Final = 1024.0
_AT_ONCE: Final = 1_000_000  # rows times trees under way: bounds the memory for pages of 100,000 blocks
_TREES: Final = 100  # at a time: their nodes then stay in the processor's cache
_EXPLAINED: Final = 100  # trees that explain a score


class Forest:
    """Complete trees, nodes in breadth-first order: the children of node i are 2i + 1 (no) and 2i + 2 (yes).

    feature and threshold: (trees, 63), a row goes to "yes" where its feature is above the threshold. value: (trees,
    127), what a row is worth that has come to a node; that of the last level (64 leaves) is the tree's answer.
    """

    def __init__(self, feature: Array, threshold: Array, value: Array, bias: int) -> None:
        self.feature, self.threshold, self.value, self.bias = feature, threshold, value, bias
        # The same level by level. The nodes of a level count on from tree to tree, so that the children of node n are
        # 2n and 2n + 1 of the next one whichever tree it is in: a third less to do than with one count a tree.
        self.features, self.thresholds, self.values = _levels(feature), _levels(threshold), _levels(value)

    def log_odds(self, columns: Array) -> Array:
        """The sum of all trees for each row of `columns` (features, rows), in log-odds."""
        rows, count = columns.shape[1], len(self.feature)
        total = np.full(rows, self.bias, np.int64)
        step = max(1, min(_TREES, _AT_ONCE // max(rows, 1)))
        for at in range(0, count, step):
            trees = slice(at, min(at + step, count))
            *_, (_, node) = self._steps(columns, trees)
            total += self.values[DEPTH][trees].ravel().take(node, mode="wrap").sum(axis=0)
        return total / SCALE

    def effects(self, columns: Array) -> Array:
        """How much each feature moved each row's log-odds: (features, rows).

        A split moves a row by the difference of the values of the nodes after and before it (Saabas 2014). The first
        trees are asked, which move a row most.
        """
        trees = slice(0, min(_EXPLAINED, len(self.feature)))
        out = np.zeros(columns.size)
        before = self.values[0][trees]
        for values, (place, node) in zip(self.values[1:], self._steps(columns, trees), strict=True):
            after = values[trees].ravel().take(node, mode="wrap")
            out += np.bincount(place.ravel(), (after - before).ravel(), minlength=len(out))
            before = after
        return out.reshape(columns.shape) / SCALE

    def _steps(self, columns: Array, trees: slice) -> Iterator[tuple[Array, Array]]:
        """For each level the place in `columns` that each tree looks at for each row, and the node it then goes to.

        Both (trees, rows), and overwritten by the next step. No index is ever out of range; of the ways of numpy to
        make sure of that "wrap" is the fastest.
        """
        rows = columns.shape[1]
        flat, row = columns.ravel(), np.arange(rows)
        place = self.features[0][trees] * rows + row
        value = flat.take(place)
        node = 2 * np.arange(len(place))[:, None] + (value > self.thresholds[0][trees])
        yield place, node
        bound = np.empty_like(value)
        for features, thresholds in zip(self.features[1:], self.thresholds[1:], strict=True):
            thresholds[trees].ravel().take(node, out=bound, mode="wrap")
            (features[trees] * rows).ravel().take(node, out=place, mode="wrap")
            place += row
            flat.take(place, out=value, mode="wrap")
            node += node
            node += value > bound
            yield place, node


def _levels(nodes: Array) -> list[Array]:
    """Breadth-first nodes (trees, 2**n - 1) parted by level: (trees, 1), (trees, 2), (trees, 4) ..."""
    starts = range((nodes.shape[1] + 1).bit_length() - 1)
    return [np.ascontiguousarray(nodes[:, 2**depth - 1 : 2 ** (depth + 1) - 1]) for depth in starts]
