"""Pages made to break a cleaner: sizes at which anything quadratic or recursive would never end."""

import pytest

from tasks.clean import clean_page, load_rules, parse_tree
from tests.clean.helpers import URL, article_page, our_rules

RULES = our_rules()
PROSE = "The board met for four hours on Tuesday and heard eleven speakers, most of them against the sale. "

PAGES = {
    "30,000 nested divs": "<div>" * 30_000 + PROSE + "deepest",
    "3,000 nested quotes with text in each": "".join(f"<blockquote><p>{n} {PROSE}</p>" for n in range(3000)),
    "2,000 nested lists": "<ul><li>item " * 2000,
    "4 MB of <": "<p>" + "<" * 4_000_000,
    "a text of 4 MB": f"<p>{PROSE * 40_000}</p>",
    "50,000 links in a paragraph": "<p>" + "<a href='/x'>link</a> word " * 50_000,
    "30,000 items": "<ul>" + "<li><a href='/x'>item</a></li>" * 30_000,
    "60,000 breaks": "<p>text" + "<br>text" * 60_000,
    "20,000 paragraphs, every other clutter": f"<p>{PROSE}</p><p>Advertisement</p>" * 10_000,
    "30,000 classes": "".join(f"<p class='c{n}x newsletter-{n}'>{PROSE}</p>" for n in range(30_000)),
    "a class of 1 MB": f"<div class='{'share-' * 170_000}'><p>{PROSE * 3}</p></div>",
    "unclosed comment": "<p>text</p><!-- " + "x" * 2_000_000,
    "20,000 open tables": "<table><tr><td>" * 20_000 + PROSE,
    "misnested marks": "<b><i><p>x</b></i>" * 20_000,
    "20,000 buttons": "<button>press</button>" * 20_000,
    "spaces": "<p>" + " " * 2_000_000 + PROSE + "</p>",
    "stars": "<p>" + "*" * 500_000 + "</p>",
    "backticks": "<pre>" + "`" * 500_000 + "</pre>",
}


@pytest.mark.parametrize("name", PAGES)
def test_a_hostile_page_is_cleaned_and_accounted_for(name: str) -> None:
    article = clean_page(article_page(PAGES[name]), url=URL, rules=RULES)
    assert article.page_chars == article.kept_chars + sum(removal.chars for removal in article.removals)
    assert len("".join(article.text.split())) == article.kept_chars


def test_what_libxml2_would_cut_is_read_by_beautifulsoup() -> None:
    tree = parse_tree("<div>" * 5000 + "<p>deepest</p>")
    assert tree.parser == "bs4-lxml"
    assert tree.root is not None
    assert "deepest" in "".join(tree.root.itertext())
    assert parse_tree("<div>" * 500 + "<p>deep</p>").parser == "lxml"


def test_deep_quotes_do_not_multiply_the_markdown() -> None:
    article = clean_page(article_page(PAGES["3,000 nested quotes with text in each"]), url=URL, rules=RULES)
    assert len(article.markdown) < 3 * len(article.text) + 1000


@pytest.mark.parametrize(
    "url", ["", "http://[", "not a url", "https://harbour.example/\u00e4?q=\ud7ff", "https://harbour.example"]
)
def test_any_page_address_will_do(url: str) -> None:
    page = article_page("<p><a href='http://[bad'>link</a> <a href='/good'>other</a> and some more words here.</p>")
    assert "other" in clean_page(page, url=url, rules=load_rules(())).text


@pytest.mark.parametrize(
    "href",
    ["javascript:alert(1)", "JaVa\tScRiPt:alert(1)", " \x01javascript:alert(1)", "vbscript:x", "data:text/html,x"],
)
def test_no_address_that_runs_code_goes_out(href: str) -> None:
    page = article_page(f"<p>Some words <a href='{href}'>press here</a> and an <img src='{href}'> image.</p>")
    article = clean_page(page, url=URL, rules=RULES)
    assert "press here" in article.text
    assert "script:" not in article.html.lower() + article.markdown.lower()
    assert "data:" not in article.html + article.markdown


def test_no_handler_style_or_script_goes_out() -> None:
    inside = (
        "<p onclick='x()' style='position:fixed'>Words <script>evil()</script><b onmouseover=y()>bold</b> here.</p>"
    )
    html = clean_page(article_page(inside), url=URL, rules=RULES).html
    assert "<b>bold</b>" in html
    assert not any(word in html for word in ("onclick", "style", "evil", "onmouseover"))


def test_marks_in_text_stay_text() -> None:
    inside = "<p>Two &lt;script&gt; tags &amp; an [address](http://x) with *stars* in a line of words.</p>"
    article = clean_page(article_page(inside), url=URL, rules=RULES)
    assert "&lt;script&gt;" in article.html
    assert "\\<script\\>" in article.markdown
    assert "\\[address\\](http" in article.markdown
    assert "<script>" in article.text


@pytest.mark.parametrize("start", ["<title>The crane</title>", "<html><head><title>The crane</title>"])
@pytest.mark.parametrize("tag", ["article", "main", "section", "story-body"])
def test_a_page_without_a_body_tag_keeps_its_article(start: str, tag: str) -> None:
    prose = f"<h1>The crane</h1><p>{PROSE * 4}</p>" * 3
    article = clean_page(f"<!doctype html>{start}<{tag}>{prose}</{tag}>after it", url=URL, rules=RULES)
    assert article.words > 150
    assert article.page_chars == len(f"{PROSE * 12}{'Thecrane' * 3}afterit".replace(" ", ""))


def test_what_a_head_may_hold_stays_in_it() -> None:
    root = parse_tree("<title>a</title><meta name=x><script>1</script><main><p>b</p></main><p>c</p>").root
    assert root is not None
    assert [child.tag for child in root[0]] == ["title", "meta", "script"]
    assert [child.tag for child in root[1]] == ["main", "p"]
