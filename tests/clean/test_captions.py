"""Captions: what is one, what only looks like one, and where it goes."""

import re

import pytest

from tasks.clean import clean_page, parse_tree
from tasks.clean.captions import captions_of
from tasks.clean.walk import walk
from tasks.records import Article
from tests.clean.helpers import AFTER, URL, article_page, our_rules


def clean(inside: str) -> Article:
    return clean_page(article_page(inside), url=URL, rules=our_rules())


@pytest.mark.parametrize(
    ("inside", "captions"),
    [
        (
            "<figure><img src='a.jpg'><figcaption>The quay. Photo: A. Lee</figcaption></figure>",
            ["The quay. Photo: A. Lee"],
        ),
        (
            "<figure><img src='a.jpg'><div>The quay.</div><span class='x'>A. Lee</span></figure>",
            ["The quay.", "A. Lee"],
        ),
        ("<div class='wp-caption'><img src='a.jpg'><p class='wp-caption-text'>The quay.</p></div>", ["The quay."]),
        ("<p><img src='a.jpg'></p><p class='legende'>Le quai.</p>", ["Le quai."]),
        ("<div><img src='a.jpg'><div><span class='bildunterschrift'>Der Kai.</span></div></div>", ["Der Kai."]),
        (
            "<div><img src='a.jpg'><p class='caption'>The quay.</p><p id='credit'>A. Lee</p></div>",
            ["The quay.", "A. Lee"],
        ),
        ("<figure><table><tr><td>1<td>2</tr></table><figcaption>Counts.</figcaption></figure>", ["Counts."]),
    ],
)
def test_a_caption_is_beside_the_text_and_marked_in_html_and_markdown(inside: str, captions: list[str]) -> None:
    article = clean(inside)
    assert list(article.captions) == captions
    for caption in captions:
        assert caption not in article.text
        assert f"*{caption}*" in article.markdown
        assert re.search(f"<figcaption>(<p>)?{re.escape(caption)}(</p>\n)?</figcaption>", article.html)
    assert article.html.count("<figure>") == article.html.count("</figure>") >= 1
    assert article.kept_chars == len("".join((article.text + "".join(captions)).split()))


@pytest.mark.parametrize(
    "inside",
    [
        "<p class='caption'>No picture stands beside this line of words.</p>",
        f"<p><img src='a.jpg'></p><p class='photo-credit'>{AFTER} {AFTER} {AFTER}</p>",
        "<p><img src='a.jpg'></p><p>First the quay went, then the crane.</p><p class='credit'>So says the board.</p>",
        "<figure><blockquote>Never hurry water, says the keeper.</blockquote></figure>",
        "<table><caption>What it costs</caption><tr><td>1<td>2</tr></table>",
    ],
)
def test_what_only_looks_like_a_caption_stays_prose(inside: str) -> None:
    article = clean(inside)
    assert article.captions == ()
    assert "figcaption" not in article.html


def test_the_captions_of_a_gallery_are_its_text() -> None:
    figure = f"<figure><img src='a.jpg'><figcaption>{AFTER}</figcaption></figure>"
    article = clean(figure * 6)
    assert article.captions == ()
    assert article.text.count(AFTER) == 8  # two of them are the page's own


def test_a_picture_and_its_caption_become_one_figure() -> None:
    article = clean(
        "<div class='wp-caption'><img src='a.jpg' alt='x'><p class='wp-caption-text'>The <b>quay</b>.</p></div>"
    )
    picture = '<img src="https://harbour.example/news/a.jpg" alt="x">'
    assert f"<figure>{picture}<figcaption>The <b>quay</b>.</figcaption>\n</figure>" in article.html
    assert "*The **quay**.*" in article.markdown


def test_no_caption_lies_in_another() -> None:
    html = "<figure><img src=a><figcaption>a <span class=credit>b</span><p class=caption>c</p></figcaption></figure>"
    root = parse_tree(html).root
    assert root is not None
    page = walk(root)
    assert [page.tag[number] for number in captions_of(page)] == ["figcaption"]
