"""Trees as arrays: the same answers as going through each tree by hand."""

import numpy as np
import pytest

from tasks.clean.trees import DEPTH, SCALE, Forest

INNER, SIZE = 2**DEPTH - 1, 2 ** (DEPTH + 1) - 1


def forest(trees: int = 7, features: int = 5) -> Forest:
    random = np.random.RandomState(3)
    return Forest(
        random.randint(0, features, (trees, INNER)),
        random.rand(trees, INNER).astype(np.float32),
        random.randint(-900, 900, (trees, SIZE)).astype(np.int32),
        bias=100,
    )


def by_hand(made: Forest, row: np.ndarray) -> tuple[float, np.ndarray]:
    total, effects = made.bias, np.zeros(len(row))
    for feature, threshold, value in zip(made.feature, made.threshold, made.value, strict=True):
        node = 0
        for _ in range(DEPTH):
            child = 2 * node + 1 + int(row[feature[node]] > threshold[node])
            effects[feature[node]] += value[child] - value[node]
            node = child
        total += value[node]
    return total / SCALE, effects / SCALE


def test_all_rows_at_once_answer_as_each_by_hand() -> None:
    made, columns = forest(), np.random.RandomState(4).rand(5, 40).astype(np.float32)
    found = made.log_odds(columns)
    assert found == pytest.approx([by_hand(made, row)[0] for row in columns.T])
    assert len(set(found.tolist())) > 10  # the trees do tell rows apart


def test_many_rows_are_answered_in_parts_without_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    made, columns = forest(), np.random.RandomState(5).rand(5, 100).astype(np.float32)
    whole = made.log_odds(columns)
    monkeypatch.setattr("tasks.clean.trees._AT_ONCE", 50)
    assert (made.log_odds(columns) == whole).all()


def test_the_effects_of_the_features_add_up_to_what_moved_the_row() -> None:
    made, columns = forest(), np.random.RandomState(6).rand(5, 30).astype(np.float32)
    effects = made.effects(columns)
    for at, row in enumerate(columns.T):
        assert effects[:, at] == pytest.approx(by_hand(made, row)[1])
    start = (made.value[:, 0].sum() + made.bias) / SCALE
    assert effects.sum(axis=0) + start == pytest.approx(made.log_odds(columns))


def test_no_rows_have_no_answers() -> None:
    made = forest()
    assert made.log_odds(np.zeros((5, 0), np.float32)).shape == (0,)
    assert made.effects(np.zeros((5, 0), np.float32)).shape == (5, 0)
