"""Words of many scripts, found in texts and queries the same way, and placed in the original."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.catalog.words import fold, query_words, spellings, words, words_of
from tests.catalog.kit import Desk, put

DETAILS = [
    ("German ß and umlaut", "Die Straße nach Köln ist gesperrt.", "strasse", "Straße"),
    ("German spelled out", "Herr Müller kam.", "Mueller", "Müller"),
    ("German spelled out in the text", "Herr Mueller kam.", "müller", "Mueller"),
    ("French", "L’élève reçoit", "eleve", "élève"),
    ("Polish", "Wyjazd do Łodzi", "lodzi", "Łodzi"),
    ("Danish", "Østergård åbner", "ostergard", "Østergård"),
    ("Turkish, dotted", "İstanbul'da kar", "istanbul", "İstanbul"),
    ("Turkish, dotless", "Isı ve ışık", "isik", "ışık"),
    ("Vietnamese", "Hà Nội hôm nay", "ha noi", "Hà"),
    ("Greek", "Ο Ζεύς ήρθε", "ζευσ", "Ζεύς"),
    ("Russian", "Новогодняя ёлка", "елка", "ёлка"),
    ("Ukrainian", "Столиця Київ", "київ", "Київ"),
    ("Arabic with marks", "قَرَأَ الكِتَابَ", "الكتاب", "الكِتَابَ"),
    ("Arabic alef", "الأخبار اليوم", "الاخبار", "الأخبار"),
    ("Persian", "خبرگزاری ایران", "ايران", "ایران"),
    ("Hebrew with points", "שָׁלוֹם עולם", "שלום", "שָׁלוֹם"),
    ("Hindi", "हिन्दी में समाचार", "समाचार", "समाचार"),
    ("Chinese", "东京大学今天宣布", "东京大学", "东京大学"),
    ("Chinese, one character", "东京大学", "学", "学"),
    ("Japanese", "今日の東京タワーは", "東京タワー", "東京タワー"),
    ("Japanese, half width", "ﾃﾚﾋﾞ番組", "テレビ", "ﾃﾚﾋﾞ"),
    ("Korean with an ending", "학교에서 배운다", "학교", "학교"),
    ("Thai", "วันนี้อากาศดีมาก", "อากาศ", "อากาศ"),
    ("Khmer", "ថ្ងៃនេះភ្លៀង", "ភ្លៀង", "ភ្លៀង"),
    ("soft hyphen", "Donau\u00addampf\u00adschiff", "donaudampfschiff", "Donau\u00addampf\u00adschiff"),
    ("ligature, full width", "ﬁre and Ｗａｔｅｒ", "water", "Ｗａｔｅｒ"),
    ("apart", "cafe\u0301 noir", "café", "cafe\u0301"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "query", "shown"), [row[1:] for row in DETAILS], ids=[row[0] for row in DETAILS])
def test_a_text_is_found_and_the_place_is_shown_in_its_own_spelling(
    desk: Desk, text: str, query: str, shown: str
) -> None:
    from tasks.catalog import parse_query

    put(desk.store, "20260314073000", "Nothing of it stands here.", url="https://a.example/other")
    id_ = put(desk.store, "20260314073001", text)
    with desk.catalog() as catalog:
        (hit,) = catalog.search(parse_query(query))
    assert hit.entry.id == id_
    start, end = hit.snippet.marks[0]
    assert hit.snippet.text[start:end] == shown


@pytest.mark.parametrize(
    ("text", "query"),
    [
        ("东大京", "东京"),
        ("东京 大学", '"东京大"'),
        ("мои книги", "мой"),
        ("neue Bücher", "neu"),
        ("the harbour", "harb"),
        ("วันนี้", "นว"),
    ],
)
def test_what_is_not_there_is_not_found(desk: Desk, text: str, query: str) -> None:
    put(desk.store, text=text)
    assert desk.found(query) == []


def test_a_phrase_goes_from_one_script_into_the_next() -> None:
    assert [word for word, _ in query_words("东京 2024年")] == ["东京", "京", "2024", "年"]
    assert [word.text for word in words("东京 2024年")] == ["东京", "京", "2024", "年"]
    assert query_words("学") == [("学", True)]


def test_umlauts_are_spelled_out_only_where_that_can_be_meant() -> None:
    assert spellings("Müller") == ("muller", "mueller")
    assert spellings("Goethe") == ("goethe", "gothe")
    assert spellings("neue") == ("neue",)
    assert spellings("Quelle") == ("quelle",)


@settings(max_examples=300, deadline=None)
@given(st.text())
def test_every_word_stands_where_it_says_and_holds_nothing_that_parts_words(text: str) -> None:
    found = list(words(text))
    for word in found:
        assert 0 <= word.start < word.end <= len(text)
        assert word.text
        assert all(sign.isalnum() or not sign.isascii() for sign in word.text)
        assert not any(sign.isspace() for sign in word.text)


@settings(max_examples=300, deadline=None)
@given(
    st.one_of(st.text(), st.text(alphabet="aZ9_ -.’—“\x00\u2028\u00a0"), st.text(alphabet="aZ éİ’東京ไท\u0301\u00ad_"))
)
def test_the_words_that_are_put_into_the_index_are_those_of_the_text(text: str) -> None:
    assert words_of(text) == " ".join(word.text for word in words(text))


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="aZäß ıİéёй東京ไทก한국어١أ\u0301\u00ad'-", min_size=1))
def test_folding_twice_is_folding_once(text: str) -> None:
    assert fold(fold(text)) == fold(text)


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="ab 東京大学", min_size=1))
def test_the_words_of_a_text_searched_as_a_phrase_stand_in_it_in_a_row(text: str) -> None:
    wanted = [word for word, _ in query_words(text)]
    there = [word.text for word in words(text)]
    assert there[: len(wanted)] == wanted or (len(wanted) == 1 and there[0].startswith(wanted[0]))
