"""The block scorer: what it makes of a page, and what it refuses to work with."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from tasks.clean import parse_tree
from tasks.clean.clues import find_clues
from tasks.clean.context import lexical_columns, outlook_columns
from tasks.clean.features import measure
from tasks.clean.scorer import Scores, load_scorer
from tasks.clean.walk import walk
from tasks.errors import FormatError
from tests.clean.helpers import BEFORE, CONFIG, article_page

MODEL = CONFIG / "model"
MENU = "<nav class='menu'><ul>" + "".join(f"<li><a href='/{n}'>Section {n}</a></li>" for n in range(12)) + "</ul></nav>"


def scores(html: str) -> Scores:
    root = parse_tree(html).root
    assert root is not None
    found = load_scorer(MODEL).scores(walk(root), find_clues(root))
    assert found is not None
    return found


def test_paragraphs_of_the_article_score_above_the_threshold_and_a_menu_below() -> None:
    found = scores(article_page("").replace("<article>", MENU + "<article>"))
    by_text = dict(zip(found.table.texts, found.probability.tolist(), strict=True))
    assert by_text[BEFORE] > found.threshold > by_text["Section 3"]


def test_the_same_page_scores_the_same_to_the_last_bit() -> None:
    first, second = scores(article_page("<p>More.</p>")), scores(article_page("<p>More.</p>"))
    assert first.probability.tobytes() == second.probability.tobytes()


def test_leading_features_are_the_three_that_moved_a_block_most() -> None:
    found = scores(article_page(MENU))
    scorer = load_scorer(MODEL)
    effects = scorer.first.effects(found.columns)
    for row, leading in enumerate(scorer.leading(found, range(len(found.blocks)))):
        assert [name for name, _ in leading] == [
            scorer.names[at] for at in np.argsort(-np.abs(effects[:, row]), kind="stable")[:3]
        ]


def test_the_names_of_the_features_are_those_that_are_measured() -> None:
    root = parse_tree(article_page(MENU)).root
    assert root is not None
    table = measure(walk(root), find_clues(root))
    assert table is not None
    zeros = np.zeros(table.count)
    about = json.loads((MODEL / "scorer.json").read_text(encoding="utf-8"))
    lexical = [name for name, _ in lexical_columns(table, zeros, zeros)]
    assert about["features"] == table.names + lexical
    assert about["outlook"] == [name for name, _ in outlook_columns(table, zeros)]
    assert all(np.ndim(column) == 0 or len(column) == table.count for column in table.columns)


def test_a_page_without_words_has_no_scores() -> None:
    root = parse_tree("<p>***</p><hr>").root
    assert root is not None
    assert load_scorer(MODEL).scores(walk(root), find_clues(root)) is None


def test_the_threshold_stays_within_its_bounds() -> None:
    scorer, words = load_scorer(MODEL), np.ones(4)
    assert scorer.threshold(np.array([0.99, 0.99, 0.99, 0.99]), words) == pytest.approx(0.5 * scorer.share, abs=0.01)
    assert scorer.threshold(np.full(4, 1e-6), words) == scorer.least


def test_weights_that_are_not_those_described_are_refused(tmp_path: Path) -> None:
    folder = tmp_path / "model"
    shutil.copytree(MODEL, folder)
    with (folder / "scorer.npz").open("ab") as file:
        file.write(b"\0")
    with pytest.raises(FormatError, match="does not fit its weights"):
        load_scorer(folder)


def test_a_model_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match=r"scorer\.json"):
        load_scorer(tmp_path)
