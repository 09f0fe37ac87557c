"""Searching: what the query language means, what it refuses, and the order of results."""

import sqlite3

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.catalog import parse_query
from tasks.catalog.tables import SCHEMA, create_tables
from tests.catalog.kit import Desk, derived, put


@pytest.fixture
def filled(desk: Desk) -> tuple[Desk, dict[str, str]]:
    """Three articles, each on a page of its own."""
    ids = {
        "ferry": put(
            desk.store, "20260301080000", "The ferry sails again from the harbour.", title="The last ferry",
            authors=["Ada Byron", "K. Čapek"], language="en-GB", section="Local news",
            url="https://courier.example/ferry",
        ),
        "bus": put(
            desk.store, "20260315080000", "A bus replaces the ferry. The harbour is empty. The ferry is gone.",
            title="New bus", authors=["Ida Lovelace"], language="en", section="Traffic",
            url="https://www.news.courier.example/bus",
        ),
        "faehre": put(
            desk.store, "20260320080000", "Die Fähre fährt wieder, der Hafen ist voll.", title="Die Fähre",
            language="de", url="https://hafen.example/faehre",
        ),
    }  # fmt: skip
    return desk, ids


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("ferry", ["ferry", "bus"]),  # first: in the title
        ("ferry harbour", ["ferry", "bus"]),
        ('"the harbour is"', ["bus"]),
        ('"harbour the"', []),
        ("ferry -bus", ["ferry"]),
        ('ferry -"sails again"', ["bus"]),
        ("harb*", ["ferry", "bus"]),
        ('"ferry sai"*', ["ferry"]),
        ("title:ferry", ["ferry"]),
        ("author:byron", ["ferry"]),
        ('author:"Ada Byron"', ["ferry"]),
        ("author:capek", ["ferry"]),
        ("Byron", ["ferry"]),
        ("site:courier.example", ["ferry", "bus"]),
        ("site:news.courier.example", ["bus"]),
        ("site:https://www.news.courier.example/x", ["bus"]),
        ("site:courier", []),
        ("site:ourier.example", []),
        ("lang:en", ["ferry", "bus"]),
        ("lang:en-GB", ["ferry"]),
        ("lang:de hafen", ["faehre"]),
        ("section:news", ["ferry"]),
        ("ferry since:2026-03-15", ["bus"]),
        ("ferry until:2026-03-01", ["ferry"]),
        ("ferry since:2026-03-02 until:2026-03-14", []),
        ("-ferry harbour", []),
        ("faehre", ["faehre"]),
        ("FÄHRE", ["faehre"]),
        ("hafen -site:hafen.example", []),
        ("10:30", []),
        ("NEAR ferry", []),  # words of FTS5's own language are words
        ("ferry AND harbour", []),
        ("{title}:x", []),
        ("ferry')--", ["ferry", "bus"]),
    ],
)
def test_a_query_means(filled: tuple[Desk, dict[str, str]], query: str, names: list[str]) -> None:
    desk, ids = filled
    found = desk.found(query)
    assert sorted(found) == sorted(ids[name] for name in names)
    assert not names or found[0] == ids[names[0]] or "site" in query or "lang" in query


@pytest.mark.parametrize(
    ("query", "told"),
    [
        ('"ferry', "no other one"),
        ("", "at least one word"),
        ("-ferry", "at least one word"),
        ("since:2026-03-01", "at least one word"),
        ("ferry since:tuesday", "names no day"),
        ("ferry -since:2026-03-01", "names no day"),
        ("fe*rry", "end of a word only"),
        ("*", "no letter or digit"),
        ("ferry ...", "no letter or digit"),
        ("author:-", "no letter or digit"),
    ],
)
def test_what_is_no_query_is_said_in_words(query: str, told: str) -> None:
    with pytest.raises(ValueError, match=told):
        parse_query(query)


EMPTY = sqlite3.connect(":memory:")
create_tables(EMPTY, "none")


@settings(max_examples=500, deadline=None)
@given(st.one_of(st.text(), st.text(alphabet="ab \"*-:(){}^+'\\\x00,.NEARORT東ä", min_size=1)))
def test_no_text_of_a_user_becomes_syntax_of_fts5(text: str) -> None:
    try:
        query = parse_query(text)
    except ValueError:
        return
    EMPTY.execute("SELECT rowid FROM word WHERE word MATCH ?", (query.match,)).fetchall()
    assert SCHEMA


def test_of_an_article_one_good_version_is_given_and_all_on_demand(desk: Desk) -> None:
    first = put(desk.store, "20260301080000", "The ferry sails.")
    second = put(desk.store, "20260302080000", "The ferry sails again.")
    blocked = put(desk.store, "20260303080000", "Ferry: access denied.", verdict="blocked")
    anew = derived(desk.store, second, "The ferry sails once more.")
    assert desk.found("ferry") == [anew]
    assert sorted(desk.found("ferry", every=True)) == sorted([first, second, blocked, anew])
    assert desk.found("denied") == []
    assert desk.found("denied", every=True) == [blocked]


def test_a_word_that_only_an_old_version_has_is_found_there(desk: Desk) -> None:
    old = put(desk.store, "20260301080000", "The minister resigned.")
    put(desk.store, "20260302080000", "The secretary resigned.")
    assert desk.found("minister") == [old]


def test_many_versions_of_one_article_leave_room_for_the_others(desk: Desk) -> None:
    for day in range(1, 29):
        for hour in range(10):
            put(desk.store, f"202602{day:02}{hour:02}0000", "ferry ferry ferry", title="ferry")
    other = put(desk.store, "20260301080000", "Long ago a ferry sailed here.", url="https://a.example/other")
    assert other in desk.found("ferry", limit=2)


def test_of_a_word_in_very_many_texts_the_newest_and_those_with_it_in_the_title_are_ranked(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tasks.catalog import search

    monkeypatch.setattr(search, "_RANKED", 5)
    monkeypatch.setattr(search, "_RANKED_TITLES", 2)
    titled = put(desk.store, "20250101080000", "A ferry.", title="Ferry", url="https://a.example/0")
    rest = [
        put(desk.store, f"202602{day:02}080000", "A ferry.", url=f"https://a.example/{day}") for day in range(1, 20)
    ]
    assert desk.found("ferry") == [titled, *desk.found("a ferry")]
    assert set(desk.found("a ferry")) == set(rest[-5:])


def test_a_snippet_shows_where_most_of_it_stands(desk: Desk) -> None:
    text = "ferry. " + "Nothing here at all. " * 200 + "The last ferry left the harbour.\n\n" + "More of it. " * 100
    put(desk.store, text=text)
    with desk.catalog() as catalog:
        (hit,) = catalog.search(parse_query("ferry harbour"))
    shown = [hit.snippet.text[start:end] for start, end in hit.snippet.marks]
    assert shown == ["ferry", "harbour"]
    assert hit.snippet.text.startswith("… ")
    assert "\n" not in hit.snippet.text
    assert len(hit.snippet.text) < 700


def test_a_text_that_utf8_cannot_hold_is_kept_and_searched(desk: Desk) -> None:
    id_ = put(desk.store, text="half \ud800 pair", title="a \udfff b", authors=["x \ud800"])
    with desk.catalog() as catalog:
        assert catalog.get(id_).title == "a \udfff b"  # type: ignore[union-attr]
    assert desk.found("pair") == [id_]
