"""Pages of walls get their verdict, and good ones stay good, whatever words and scripts stand on them."""

from pathlib import Path

import pytest

from tasks.capture.signs import load_signs, our_signs
from tasks.errors import RuleError
from tests.capture.wall_pages import WallPage, verdict_of, wall_pages

BAD, GOOD = list(wall_pages(good=False)), list(wall_pages(good=True))
SIGN = '[[sign]]\nid = "x"\nsource = "https://example.org/"\nweight = 0.9\n'


@pytest.mark.parametrize("page", BAD, ids=lambda page: page.name)
def test_a_wall_is_told_from_a_page(page: WallPage) -> None:
    verdict = verdict_of(page)

    assert verdict.kind == page.expected
    assert not page.reason or page.reason in verdict.reasons
    assert verdict.score is not None
    assert verdict.score <= 0.5


@pytest.mark.parametrize("page", GOOD, ids=lambda page: page.name)
def test_a_good_page_stays_ok(page: WallPage) -> None:
    verdict = verdict_of(page)

    assert (verdict.kind, verdict.reasons) == ("ok", ())
    assert (verdict.score or 0) > 0.5


def test_there_are_as_many_cases_and_vendors_as_promised() -> None:
    assert (len(BAD) >= 60, len(GOOD) >= 25, len({page.vendor for page in BAD} - {""}) >= 12) == (True, True, True)


@pytest.mark.parametrize(
    ("name", "text", "what"),
    [
        ("blocked", SIGN, "nothing to be found"),
        ("blocked", SIGN + 'colour = "red"\n', "unknown key"),
        ("blocked", SIGN + "status = 403\n", "status is not of its type"),
        ("blocked", SIGN.replace("0.9", "1.5") + "status = [403]\n", "weight is not of its type"),
        ("blocked", (SIGN + "status = [403]\n") * 2, "stands here twice"),
        ("blocked", '[[sign]]\nid = "x"\nweight = 0.9\nstatus = [403]\n', "source is missing"),
        ("blocked", "[[rule]]\n", r"more than \[\[sign\]\] tables"),
        ("wall", SIGN + "status = [403]\n", "no verdict of this name"),
    ],
)
def test_a_broken_file_of_signs_is_refused(name: str, text: str, what: str, tmp_path: Path) -> None:
    (tmp_path / "verdict").mkdir()
    (tmp_path / "verdict" / f"{name}.toml").write_text(text)
    with pytest.raises(RuleError, match=what):
        load_signs([tmp_path])


def test_a_sign_of_the_users_replaces_ours_of_that_name(tmp_path: Path) -> None:
    (tmp_path / "verdict").mkdir()
    (tmp_path / "verdict" / "blocked.toml").write_text(SIGN.replace('"x"', '"forbidden"') + "status = [418]\n")
    signs = load_signs([Path(__file__).parents[2] / "config", tmp_path])

    assert [sign.status for sign in signs.all if sign.reason == "blocked-forbidden"] == [(418,)]
    assert signs.digest != our_signs().digest
