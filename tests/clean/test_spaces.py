"""Folding and counting by pieces gives what doing it at once gives."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.clean import spaces
from tasks.clean.spaces import folded, visible_size
from tasks.records import count_words


@settings(max_examples=200, derandomize=True)
@given(st.text(alphabet=" \n\u3000ab木", max_size=40), st.integers(1, 9))
def test_pieces_add_up_to_the_whole(text: str, piece: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(spaces, "_PIECE", piece)
        patch.setattr("tasks.records._PIECE", piece)
        assert folded(text) == " ".join(text.split())
        assert visible_size(text) == len("".join(text.split()))
        assert count_words(text) == len(text.split()) + text.count("木") // 2
