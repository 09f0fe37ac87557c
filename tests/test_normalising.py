"""What two texts may differ in and still be the same article."""

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.normalising import normalised


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("a  b\n\nc\t", "a b c"),
        ("a\u00a0b\u2009c\u3000d", "a b c d"),
        ("cr\u00adane", "crane"),
        ("zero\u200bwidth\ufeff", "zerowidth"),
        ("\u202eright\u202c \u2066left\u2069", "right left"),
        ("caf\u0065\u0301", "caf\u00e9"),
        ("e\u200d\u0301", "\u00e9"),
        ("\u201cnever,\u201d she said", '"never," she said'),
        ("\u00abnever\u00bb", '"never"'),
        ("it\u2019s", "it's"),
        ("1914\u20131918", "1914-1918"),
        ("wait \u2014 what", "wait -- what"),
        ("non\u2011stop", "non-stop"),
        ("and so on\u2026", "and so on..."),
    ],
)
def test_readers_do_not_see_these_as_a_change(text: str, other: str) -> None:
    assert normalised(text) == normalised(other)


@pytest.mark.parametrize(
    ("text", "other"),
    [
        ("crane", "Crane"),
        ("10,000", "10.000"),
        ("10 000", "10000"),
        ("Ja.", "Ja!"),
        ("re-sign", "resign"),
        ("caf\u00e9", "cafe"),
        ("\u6d77\u8fb9", "\u6d77\u6ee8"),
        ("not guilty", "guilty"),
    ],
)
def test_these_are_changes(text: str, other: str) -> None:
    assert normalised(text) != normalised(other)


@given(st.text(st.characters(exclude_categories=["Cs"]), max_size=60))
def test_twice_is_once_and_every_letter_stays(text: str) -> None:
    once = normalised(text)
    assert normalised(once) == once
    letters = [char for char in unicodedata.normalize("NFC", text) if char.isalnum()]
    assert [char for char in once if char.isalnum()] == letters or any(map(unicodedata.combining, text))
