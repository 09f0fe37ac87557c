"""Features made of a number that each row has already: a lexical score, or the probability of a first look.

What a row is worth depends on its surroundings: on the rows before and after, on the containers it stands in, on rows
in places of the same make, on the heading above.
"""

from typing import Any, Final, TypeAlias

import numpy as np

from tasks.clean.features import Table, shifted

__all__ = ["lexical_columns", "outlook_columns"]

Array: TypeAlias = Any  # of numpy; its own types would only hide the arithmetic
_NO_HEADING: Final = -9.0


def lexical_columns(table: Table, words: Array, classes: Array) -> list[tuple[str, Array]]:
    """Columns of the lexical scores of the rows' words and of their places' names."""
    heading = table.heading
    weighted = _Weighted(table, words)
    return [
        ("lexw", words),
        ("lexw-1", shifted(words, -1, 0)),
        ("lexw+1", shifted(words, 1, 0)),
        ("lexw-2", shifted(words, -2, 0)),
        ("lexw+2", shifted(words, 2, 0)),
        ("lexc", classes),
        ("lexc-1", shifted(classes, -1, 0)),
        ("lexc+1", shifted(classes, 1, 0)),
        ("hlex", np.where(heading >= 0, words[heading], _NO_HEADING)),
        ("a2lex", weighted.inside(table.up[1])),
        ("a3lex", weighted.inside(table.up[2])),
        ("sglex", weighted.alike()),
        ("win5lex", weighted.around(5)),
    ]


def outlook_columns(table: Table, probability: Array) -> list[tuple[str, Array]]:
    """Columns of what a first look made of the rows around each row."""
    mass = table.words * probability
    before = np.cumsum(mass)
    total = max(float(before[-1]), 1e-6)
    weighted = _Weighted(table, probability)
    sure = np.flatnonzero(probability > 0.5)
    first, last = (int(sure[0]), int(sure[-1])) if len(sure) else (0, table.count - 1)
    index = table.index
    columns = [
        ("p", probability),
        *((f"p{by}", shifted(probability, by, 0)) for by in (-3, -2, -1, 1, 2, 3)),
        *((f"a{level}p", weighted.inside(table.up[level - 1])) for level in (1, 2, 3, 4)),
        ("sgp2", weighted.alike()),
        *((f"win{reach}p2", weighted.around(reach)) for reach in (2, 5, 10)),
        ("massbefore", (before - mass) / total),
        ("mass", np.full(table.count, np.log1p(total))),
        ("kept", np.full(table.count, total / float(table.words.sum()))),
        ("fromfirst", np.clip(index - first, -40, 40)),
        ("fromlast", np.clip(index - last, -40, 40)),
        ("hp", np.where(table.heading >= 0, probability[table.heading], -1.0)),
        ("a2mass", weighted.mass_inside(table.up[1]) / total),
        ("a3mass", weighted.mass_inside(table.up[2]) / total),
        ("a4mass", weighted.mass_inside(table.up[3]) / total),
    ]
    section = np.maximum(table.heading, -1) + 1
    inside = np.bincount(section, mass, table.count + 1) / np.maximum(
        np.bincount(section, table.words, table.count + 1), 1
    )
    columns.append(("sectionp", inside[section]))
    return columns


class _Weighted:
    """Means of a row's number, weighted by words."""

    def __init__(self, table: Table, values: Array) -> None:
        self.table, self.mass = table, table.words * values
        self.sums, self.words = _running(self.mass), _running(table.words)

    def inside(self, nodes: Array) -> Array:
        """Over the rows inside each node."""
        first, last = self.table.nodes.first[nodes], self.table.nodes.last[nodes]
        return (self.sums[last] - self.sums[first]) / np.maximum(self.words[last] - self.words[first], 1)

    def mass_inside(self, nodes: Array) -> Array:
        """The sum instead of the mean."""
        return self.sums[self.table.nodes.last[nodes]] - self.sums[self.table.nodes.first[nodes]]

    def alike(self) -> Array:
        """Over the rows of the same signature."""
        which = self.table.signature
        return (np.bincount(which, self.mass) / np.maximum(np.bincount(which, self.table.words), 1))[which]

    def around(self, reach: int) -> Array:
        """Over the rows up to `reach` before and after."""
        low = np.maximum(self.table.index - reach, 0)
        high = np.minimum(self.table.index + reach + 1, self.table.count)
        return (self.sums[high] - self.sums[low]) / np.maximum(self.words[high] - self.words[low], 1)


def _running(values: Array) -> Array:
    out = np.zeros(len(values) + 1)
    np.cumsum(values, out=out[1:])
    return out
