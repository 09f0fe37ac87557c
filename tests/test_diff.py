"""What changed between two texts, by word: everything of both is there, and time stays near linear."""

import random
import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks import diff
from tasks.diff import Piece, diff_texts

WORDS = re.compile("[\u3040-\ud7af]|[^\\s\u3040-\ud7af]+")
TEXTS = st.lists(st.sampled_from(["tide", "quay", "a", "b", "\n", "\n\n", "海", "潮"]), max_size=60).map(" ".join)
ANY = st.text(st.characters(codec="utf-8"), max_size=80)


def words(*pieces: str) -> list[str]:
    return [word for piece in pieces for word in WORDS.findall(piece)]


def check_whole(before: str, after: str) -> diff.Diff:
    found = diff_texts(before, after)
    assert words(*(piece.text for piece in found.pieces if piece.kind != "added")) == words(before)
    assert words(*(piece.text for piece in found.pieces if piece.kind != "removed")) == words(after)
    return found


def test_a_changed_word_is_removed_and_added_where_it_stands() -> None:
    found = diff_texts("The tide\n\nIt came in late.\n", "The tide\n\nIt came in early.\n")
    assert found.pieces == (
        Piece("same", "The tide\n\nIt came in "),
        Piece("removed", "late.\n"),
        Piece("added", "early.\n"),
    )
    assert (found.added, found.removed) == (1, 1)
    assert found.as_json()[1] == ["removed", "late.\n"]


def test_a_new_paragraph_leaves_the_others_alone() -> None:
    found = diff_texts("One.\n\nThree.\n", "One.\n\nTwo is new.\n\nThree.\n")
    assert [(piece.kind, piece.text) for piece in found.pieces] == [
        ("same", "One.\n\n"),
        ("added", "Two is new.\n\n"),
        ("same", "Three.\n"),
    ]


def test_white_space_alone_is_no_change() -> None:
    found = diff_texts("One  two\nthree", "One two\n\nthree\n")
    assert (found.added, found.removed) == (0, 0)


def test_languages_without_blanks_are_compared_by_character() -> None:
    found = diff_texts("海は早く来た", "海は遅く来た")
    assert [(piece.kind, piece.text) for piece in found.pieces] == [
        ("same", "海は"),
        ("removed", "早"),
        ("added", "遅"),
        ("same", "く来た"),
    ]


@settings(max_examples=300, deadline=None)
@given(before=TEXTS | ANY, after=TEXTS | ANY)
def test_every_word_of_both_is_there_in_order(before: str, after: str) -> None:
    check_whole(before, after)


@settings(max_examples=300, deadline=None)
@given(before=TEXTS, after=TEXTS)
def test_so_it_is_where_every_gap_is_large(before: str, after: str) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(diff, "_SMALL", 4)
        check_whole(before, after)


@given(text=ANY)
def test_a_text_does_not_differ_from_itself(text: str) -> None:
    assert {piece.kind for piece in diff_texts(text, text).pieces} <= {"same"}


def megabyte(seed: int = 1) -> list[str]:
    chance = random.Random(seed)
    vocabulary = ["".join(chance.choices("abcdefghij", k=chance.randint(2, 8))) for _ in range(3000)]
    return [" ".join(chance.choices(vocabulary, k=60)) for _ in range(3200)]


def test_small_changes_all_over_a_long_text_stay_small() -> None:
    """Every paragraph differs and no word occurs once: runs of words are the anchors."""
    lines = megabyte()
    found = check_whole("\n\n".join(lines), "\n\n".join(f"{line} new" for line in lines))
    assert (found.added, found.removed) == (len(lines), 0)


HARD = {
    "the same": (lambda lines: lines, "\n\n"),
    "shuffled": (lambda lines: random.Random(2).sample(lines, len(lines)), "\n\n"),
    "all on one line, a letter changed": (lambda lines: [line.replace("e", "E") for line in lines], " "),
    "nothing in common": (lambda lines: [line.upper() for line in lines], "\n\n"),
    "turned round": (lambda lines: lines[::-1], "\n\n"),
}


@pytest.mark.parametrize("name", HARD)
def test_a_megabyte_takes_seconds_at_most(name: str) -> None:
    change, joint = HARD[name]
    lines = megabyte()
    started = time.process_time()
    check_whole(joint.join(lines), joint.join(change(lines)))
    assert time.process_time() - started < 20  # 0.1 to 2.5 s here: difflib alone takes hours


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("a b " * 125_000, "b a " * 125_000),
        ("a b c " * 80_000, "c b a b " * 60_000),
        ("a " * 500_000, "a " * 400_000 + "b " * 100_000),
        ("a b\n" * 100_000, "b a\n" * 100_000),
        ("海は早く来た" * 60_000, "海は遅く来た" * 60_000),
        ("x" * 1_000_000, "y" * 1_000_000),
        ("\n" * 1_000_000, " " * 1_000_000),
    ],
    ids=["two words", "three words", "one word", "lines", "cjk", "one long word", "white space"],
)
def test_a_megabyte_of_repetition_takes_seconds_at_most(before: str, after: str) -> None:
    started = time.process_time()
    check_whole(before, after)
    assert time.process_time() - started < 20  # 0.1 to 1.5 s here
