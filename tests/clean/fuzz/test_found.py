"""What fuzzing found stays found, and hypothesis goes on looking, from the same seed each time."""

from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from tests.clean import test_conservation
from tests.clean.fuzz.check import wrongs
from tests.clean.fuzz.pieces import PIECES, page_of_bytes, pages

FOUND = sorted(Path(__file__).with_name("found").glob("*.html"))


@pytest.mark.parametrize("path", FOUND, ids=lambda path: path.stem)
def test_a_page_that_fuzzing_found_is_cleaned(path: Path) -> None:
    assert wrongs(path.read_bytes().decode("utf-8", "surrogatepass")) == []


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(pages())
def test_any_page_is_accounted_for(html: str) -> None:
    assert wrongs(html) == []


def test_a_text_that_goes_missing_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = test_conservation.walk

    def lossy(root):  # type: ignore[no-untyped-def]
        page = whole(root)
        page.texts[0] = page.texts[0][1:]
        return page

    monkeypatch.setattr(test_conservation, "walk", lossy)
    assert wrongs("<p>words of a page</p>") != []


def test_every_piece_can_be_spelt_in_bytes() -> None:
    assert {page_of_bytes(bytes([number])) for number in range(255)} <= set(PIECES)
    assert page_of_bytes(b"\xffabcd") == "abcd"
