"""Front matter reads back the same with any YAML reader, whatever text a page gives."""

import io

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML

from tasks.exporting.front_matter import front_matter

NASTY = [
    'He said: "no" # not a comment',
    "---\n...\n--- |",
    "a\tb\r\nc\x00\x07\x1b[31m\x7f\x85\x9f",
    "emoji 👩‍🚀 and \u2028 \u2029 \ufeff \ufffe \xa0 \xad",
    "'single' `back` {braces} [brackets] *star &anchor !tag %percent @at",
    "- item: value",
    "null",
    "2026-03-14",
    "1e3",
    "\\u0041 \\n",
    "漢字かな交じり",
    "",
    " ",
    "x" * 5000,
]


def read_both(text: str) -> list[dict[str, object]]:
    assert text.startswith("---\n")
    assert text.endswith("\n---\n")
    body = text[4:-4]
    return [yaml.safe_load(body), dict(YAML(typ="safe").load(io.StringIO(body)))]


@pytest.mark.parametrize("text", NASTY)
def test_any_text_reads_back(text: str) -> None:
    for found in read_both(front_matter([("title", text), ("authors", (text, "b")), ("words", 3)])):
        assert found == {"title": text, "authors": [text, "b"], "words": 3}


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_every_text_reads_back(text: str) -> None:
    wanted = "".join("\ufffd" if "\ud800" <= char <= "\udfff" else char for char in text)
    for found in read_both(front_matter([("title", text)])):
        assert found == {"title": wanted}


def test_half_a_surrogate_pair_becomes_a_replacement_character() -> None:
    assert front_matter([("title", "a\ud83d")]) == '---\ntitle: "a\ufffd"\n---\n'
