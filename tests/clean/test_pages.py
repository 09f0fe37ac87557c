"""Whole pages: a folder of tests/pages with page.html, url.txt and the expected article and ledger.

`python -m tests.clean.record` writes the expected files anew; the diff is then read like any other.
"""

from pathlib import Path

import pytest

from tests.clean.helpers import PAGES
from tests.clean.record import EXPECTED, outputs

CASES = sorted(path.parent for path in PAGES.glob("*/page.html"))


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
@pytest.mark.parametrize("name", EXPECTED)
def test_a_page_gives_its_recorded_article(case: Path, name: str) -> None:
    assert outputs(case)[name] == (case / name).read_text(encoding="utf-8")


def test_the_same_page_gives_the_same_article_twice() -> None:
    assert outputs(CASES[0]) == outputs(CASES[0])


def crane() -> dict[str, str]:
    return outputs(PAGES / "crane")


def test_promotion_and_the_comment_line_go_and_the_ledger_names_them() -> None:
    out = crane()
    assert "become a member" not in out["article.html"]
    assert "Add comment" not in out["article.html"]
    assert "promo | promo-membership-line |" in out["removed.txt"]
    assert "comments | " in out["removed.txt"]


def test_an_embedded_post_stays_a_quotation_with_author_date_and_link() -> None:
    out = crane()
    assert '<blockquote><p lang="en">There it goes.' in out["article.html"]
    assert "> — Tom Reed (@tomreed) [March 3, 2026](https://twitter.com/tomreed/status/1)" in out["article.md"]


def test_a_letter_that_mentions_membership_is_spared() -> None:
    assert "gave up her membership" in crane()["article.txt"]
