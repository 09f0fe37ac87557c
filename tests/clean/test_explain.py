"""What became of each text: the explanation says the same as article and ledger, text by text."""

import gzip
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

import pytest

from tasks.bundle.manifest import removed_chars
from tasks.clean import clean_page, load_rules, parse_tree
from tasks.clean.article import Cleaning
from tasks.clean.explain import Explanation, Fate, Span, explain_page
from tasks.clean.ledger import pieces
from tasks.clean.walk import walk
from tests.clean.helpers import AFTER, BEFORE, PAGES, URL, article_page, our_rules

RULES = our_rules()
APPEAL = "<p>Support independent journalism: become a member of the Harbour Post today.</p>"
MIXED = "<nav><a href='/a'>News</a><a href='/b'>Sport</a></nav><p>So it goes.</p><p>Add comment</p>"
PROMO = "<p class='newsletter'>Sign up for our newsletter</p>"
ODD = [
    "",
    "<!-- nothing -->",
    "<p>one<p>two",
    "<p>a<br>b<br><br>c<b>d<br><br>e</b></p>",
    "<html><body><p>a</p></body></html><html><body><p>second document</p></body></html>",
    "<button>Press <b>me</b></button><select><option>one</option></select>",
    "<p>\u202bright to left\u202c soft\u00adhyphen 日本語の文章です。</p>",
    article_page(PROMO + "<div style='display:none'>hidden</div><pre>  code\n  more</pre>"),
    "<div>" * 3000 + "deep",
]


def explained(html: str) -> Explanation:
    return explain_page(html, url=URL, rules=RULES)


def span_of(html: str, text: str) -> Span:
    (span,) = (span for span in explained(html).spans if span.text == text)
    return span


def visible(text: str) -> str:
    return "".join(text.split())


def differences(html: str, found: Explanation) -> list[str]:
    """Where an explanation and a cleaning of the same page disagree."""
    article, wrong = clean_page(html, url=URL, rules=RULES), []
    if found.page_chars != article.page_chars:
        wrong.append("page_chars")
    if found.removals != article.removals:
        wrong.append("ledger")
    if {total.name: total.chars for total in found.totals() if total.fate is Fate.REMOVED} != removed_chars(article):
        wrong.append("totals")
    kept = "".join(span.text for span in found.spans if span.fate is Fate.ARTICLE)
    if visible(kept) != visible(article.text):
        wrong.append("article")
    for number, removal in enumerate(article.removals, 1):
        if visible("".join(s.text for s in found.spans if s.removal == number)) != visible(removal.text):
            wrong.append(f"removal {number}")
    return wrong


@pytest.mark.parametrize("html", ODD)
def test_the_explanation_of_an_odd_page_says_what_cleaning_does(html: str) -> None:
    assert differences(html, explained(html)) == []


@pytest.mark.parametrize("case", sorted(PAGES.glob("*/page.html")), ids=lambda path: path.parent.name)
def test_the_explanation_of_our_pages_says_what_cleaning_does(case: Path) -> None:
    html = case.read_text(encoding="utf-8")
    assert differences(html, explained(html)) == []


@pytest.mark.parametrize("corpus", ["zyte", "fundus", "wcxb_article", "trafilatura", "readability"])
def test_the_explanation_of_corpus_pages_says_what_cleaning_does(shared: Path, corpus: str) -> None:
    pages = sorted((shared / "corpus" / corpus).glob("*.html.gz"))[::10]
    assert pages
    found = {path.name: gzip.decompress(path.read_bytes()).decode() for path in pages}
    assert {name: wrong for name, html in found.items() if (wrong := differences(html, explained(html)))} == {}


def test_an_explanation_that_differs_is_seen() -> None:
    html = article_page(PROMO)
    whole = explained(html)
    promo = next(span for span in whole.spans if span.concept == "promo")
    others = tuple(span for span in whole.spans if span is not promo)
    assert differences(html, Explanation(URL, "", others, whole.removals)) == ["page_chars", "totals", "removal 2"]
    assert differences(html, Explanation(URL, "", whole.spans, ())) == ["ledger"]


# ------------------------------------------------------------------ what a span says
def test_what_a_rule_took_is_as_doubtful_as_the_choice_was_sure_of_it() -> None:
    html = article_page(APPEAL)
    span = span_of(html, "Support independent journalism: become a member of the Harbour Post today.")
    assert (span.fate, span.concept, span.path) == (Fate.REMOVED, "promo", "/html[1]/body[1]/article[1]/p[3]")
    assert span.rule in {rule.id for rule in RULES.rules}
    assert span.doubt == pytest.approx(span.score, abs=1e-3)
    assert span.score > 0.5
    assert span.doubt in [removal.doubt for removal in explained(html).removals]


def test_doubt_falls_with_the_distance_from_the_edge_on_either_side() -> None:
    root = parse_tree(article_page(MIXED)).root
    assert root is not None
    cleaning = Cleaning(walk(root), url=URL, rules=RULES)
    choice, limit = cleaning.choice, cleaning.choice.threshold
    seen = {True: 0, False: 0}
    for block in choice.row:
        score, doubt = cleaning.verdict_of(block)
        kept = choice.kept[block]
        assert doubt == pytest.approx((1 - score) / (1 - limit) if kept else score / limit, abs=2e-3)
        seen[kept] += 1
    assert min(seen.values()) > 1


class Told:
    """Verdicts of our own."""

    verdicts: ClassVar = {0: (0.2, 0.1), 1: (0.1, 0.7)}

    def verdict_of(self, block: int) -> tuple[float, float]:
        return self.verdicts.get(block, (0.0, 0.0))

    def leading_of(self, blocks: Sequence[int]) -> dict[int, tuple[tuple[str, float], ...]]:
        return {block: ((f"of {block}", -1.0),) for block in blocks}


def test_a_removal_of_several_blocks_is_as_doubtful_as_its_most_doubtful() -> None:
    root = parse_tree(f"<nav><a href='/'>Home</a><div>Menu</div></nav>{article_page('')}").root
    assert root is not None
    done = Cleaning(walk(root), url=URL, rules=RULES)
    found = pieces(done.kept, done.reasons, RULES, done.host, Told())
    (removal,) = (removal for _, _, removal in found if removal.text == "Home Menu")
    assert (removal.doubt, removal.leading) == (0.7, (("of 1", -1.0),))


def test_the_most_doubtful_come_first() -> None:
    doubts = [span.doubt for span in explained(article_page(PROMO)).by_doubt()]
    assert doubts == sorted(doubts, reverse=True)
    assert doubts[0] > doubts[-1]


def test_parts_of_one_block_know_whether_white_space_parts_them(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "promo.toml").write_text('[[rule]]\nid = "gone"\nselector = "a.gone"\nwhy = "a test"\n')
    rules = load_rules((tmp_path,))
    whole = explain_page(article_page("<p>tide<b>mark</b> and<br>wind</p>"), url=URL, rules=rules)
    assert "tidemark and wind" in [span.text for span in whole.spans]
    html = article_page("<p>Tide<a class=gone>Share</a>, says the <a class=gone>Tweet</a> board of the harbour.</p>")
    spans = explain_page(html, url=URL, rules=rules).spans
    parts = [(span.fate.value, span.text, span.glued) for span in spans if span.path.endswith("p[3]")]
    assert parts == [
        ("article", "Tide", False),
        ("removed", "Share", True),
        ("article", ", says the", True),
        ("removed", "Tweet", False),
        ("article", "board of the harbour.", False),
    ]


def test_totals_count_what_was_kept_first() -> None:
    totals = explained(article_page(PROMO)).totals()
    assert [(total.name, total.spans) for total in totals] == [("article", 4), ("promo", 1), ("title", 1)]
    assert totals[0].chars == 2 * len(visible(BEFORE + AFTER))


def test_a_page_without_text_has_no_spans() -> None:
    assert (explained("").spans, explained("").totals(), explained("<p> </p>").page_chars) == ((), [], 0)


def test_the_title_is_that_of_the_window() -> None:
    assert explained(article_page("")).title == "The crane"
