"""Pages that a script was to fill: the article comes out of their JSON, and only there."""

import json

from tasks.clean import clean_page
from tasks.clean.data_body import paragraphs_of
from tasks.records import Article
from tests.clean.helpers import AFTER, BEFORE, URL, article_page, our_rules

BODY = f"{BEFORE}\n\n{AFTER}\n\n{BEFORE}\n\n{AFTER}"
SHELL = "<html><head><title>The crane</title>{head}</head><body><div id='app'>Loading the story</div></body></html>"


def linked(body: str) -> str:
    data = {"@context": "https://schema.org", "@graph": [{"@type": "NewsArticle", "articleBody": body}]}
    return f"<script type='application/ld+json'>{json.dumps(data)}</script>"


def state(body: str) -> str:
    data = {"props": {"pageProps": {"article": {"title": "The crane", "bodyHtml": body}}}}
    return f"<script id='__NEXT_DATA__' type='application/json'>{json.dumps(data)}</script>"


def clean(html: str) -> Article:
    return clean_page(html, url=URL, rules=our_rules())


def test_an_empty_page_with_json_ld_gives_its_article() -> None:
    article = clean(SHELL.format(head=linked(BODY)))
    assert (article.source, article.text) == ("data", BODY)
    assert article.html == "\n".join(f"<p>{one}</p>" for one in (BEFORE, AFTER, BEFORE, AFTER))
    assert article.markdown.count("\n\n") == 3


def test_an_empty_page_with_embedded_state_gives_its_article() -> None:
    html = "".join(f"<p>{one}</p>" for one in (BEFORE, AFTER, BEFORE, AFTER))
    article = clean(SHELL.format(head=state(html)))
    assert (article.source, article.text) == ("data", BODY)


def test_what_such_a_page_shows_is_in_the_ledger() -> None:
    article = clean(SHELL.format(head=linked(BODY)))
    assert article.kept_chars == 0
    assert [removal.text for removal in article.removals] == ["Loading the story"]
    assert article.page_chars == sum(removal.chars for removal in article.removals)


def test_a_page_that_shows_its_article_is_read_as_it_stands() -> None:
    other = "\n\n".join([AFTER] * 12)
    article = clean(article_page("").replace("</head>", linked(other) + state(other) + "</head>"))
    assert article.source == "page"
    assert article.text.count(BEFORE) == 2


def test_data_without_sentences_are_no_article() -> None:
    article = clean(SHELL.format(head=state("word " * 400)))
    assert article.source == "page"
    assert "word" not in article.text


def test_a_page_whose_data_are_broken_is_read_as_it_stands() -> None:
    head = '<script type=\'application/ld+json\'>{"articleBody": "' + BODY.replace("\n", " ") + "</script>"
    assert clean(SHELL.format(head=head)).source == "page"


def test_tags_and_entities_of_a_body_are_resolved_once() -> None:
    assert paragraphs_of("<p>Fish &amp; <b>chips</b></p>a &amp;lt; b<br>c") == ["Fish & chips", "a &lt; b", "c"]


def test_markup_in_the_data_stays_text_in_the_html() -> None:
    article = clean(SHELL.format(head=linked(BODY + "\n\n&lt;script&gt;alert(1)&lt;/script&gt; was what it said.")))
    assert "<script>" not in article.html
    assert "&lt;script&gt;" in article.html
