"""Phrases: which lines each form means, and which phrases are refused."""

import time

import pytest

from tasks.clean.phrases import Phrases, fold_line, parse_phrase


@pytest.mark.parametrize(
    ("phrase", "line", "meant"),
    [
        ("see also", "SEE ALSO:", True),
        ("see also", "» See also …", True),
        ("see also", "See also the crane", False),
        ("see also *", "See also the crane", True),
        ("see also *", "See also: the crane", True),
        ("see also *", "See also", True),
        ("see also *", "See alsobrook", False),
        ("related: *", "Related: the crane", True),
        ("related: *", "RELATED | the crane", True),
        ("related: *", "Related – the crane", True),
        ("related: *", "Related", True),
        ("related: *", "Related to the crane", False),
        ("lire aussi: *", "Lire aussi : la grue", True),
        ("(add|write) (a |your |)comment", "Write your comment!", True),
        ("(add|write) (a |your |)comment", "Add comment", True),
        ("(add|write) (a |your |)comment", "Add no comment", False),
        ("(the (big|red)|this *) crane", "this x crane", True),
        ("(the (big|red)|this *) crane", "the red crane", True),
        ("(the (big|red)|this *) crane", "the old crane", False),
        ("# comments", "1,234 comments", True),
        ("# comments", "comments", False),
        ("* in your inbox", "Once a week, in your inbox.", True),
        ("* in your inbox", "In your inbox", True),
        ("* in your inbox", "in your inbox tomorrow", False),
        ("*earn * commission*", "We earn a small commission, always", True),
        ("*earn * commission*", "A commission is what we earn", False),
        ("*earn*commission*", "We earn commission", True),
        ("don't miss", "Don’t miss", True),
        ("ilgili haberler", "İlgili Haberler", True),
        ("関連記事: *", "【関連記事】クレーン", True),
        ("関連記事*", "関連記事クレーン", True),
        ("*禁止*", "無断転載を禁止します。", True),
        ("コメント#件", "コメント12件", True),
        ("下载*app", "立即下载我们的app", False),
        ("立即下载*app", "立即下载我们的app", True),
    ],
)
def test_a_phrase_means_these_lines(phrase: str, line: str, meant: bool) -> None:
    assert Phrases([(phrase, "mine")]).find(line) == ({"mine"} if meant else set())


@pytest.mark.parametrize(
    ("phrase", "words"),
    [
        ("*", "almost any line"),
        ("a *", "almost any line"),
        ("(see|*)", "almost any line"),
        ("see (also", "bracket"),
        ("see also)", "bracket"),
        ("see *(also|)* more", "may be empty"),
        ("(a|b|c|d|e)(a|b|c|d|e)(a|b|c|d|e)(a|b|c|d|e) x", "more than 400"),
    ],
)
def test_a_phrase_that_makes_no_sense_is_refused(phrase: str, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        parse_phrase(phrase)


def test_all_that_a_line_means_is_found() -> None:
    found = Phrases([("see also", 1), ("see *", 2), ("* also", 3), ("*see*also*", 4), ("nothing", 5)]).find("See also")
    assert found == {1, 2, 3, 4}


def test_lines_without_a_word_mean_nothing() -> None:
    phrases = Phrases([("see also", 1)])
    assert [phrases.find(line) for line in ("", " ", "—", "* * *", "\u0307")] == [set()] * 5


def test_a_folded_line_is_folded_no_further() -> None:
    line = "»  See\u00a0ALSO – “the crane”, 1,200 t: sold!"
    assert fold_line(line) == "see also : the crane # t : sold"
    assert fold_line(fold_line(line)).replace("#", "") == fold_line(line).replace("#", "")


def test_no_line_takes_long() -> None:
    phrases = Phrases([("*aa*aa*aa*aa*bb*", 1), ("aa * aa * aa * bb", 2)])
    started = time.process_time()
    for line in ("a" * 200_000, "aa " * 100_000, "aa: " * 60_000, "関" * 200_000, "-" * 200_000):
        phrases.find(line)
    assert time.process_time() - started < 20
