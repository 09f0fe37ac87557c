"""HTML, Markdown and text: what stays, what is made absolute, what is dropped."""

import pytest

from tasks.clean import clean_page, load_rules
from tasks.records import Article
from tests.clean.helpers import URL, article_page, our_rules


def clean(inside: str, *, head: str = "", url: str = URL) -> Article:
    page = article_page(inside).replace("<title>", f"{head}<title>")
    return clean_page(page, url=url, rules=our_rules())


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://www.youtube-nocookie.com/embed/a?b=1", "YouTube"),
        ("//player.vimeo.com/video/1", "Vimeo"),
        ("https://social.example/@ann/123/embed", "Mastodon"),
        ("https://embed.bsky.app/embed/did/app.bsky.feed.post/1", "Bluesky"),
        ("https://www.instagram.com/p/x/embed", "Instagram"),
    ],
)
def test_a_frame_of_a_known_host_becomes_a_link(source: str, name: str) -> None:
    address = source if source.startswith("https") else f"https:{source}"
    article = clean(f"<iframe src='{source}'>fallback</iframe>")
    assert f'<p><a href="{address.replace("&", "&amp;")}">{name}</a></p>' in article.html
    assert f"[{name}]({address})" in article.markdown
    assert name not in article.text
    assert "fallback" not in article.html


def test_a_frame_of_an_unknown_host_is_dropped() -> None:
    assert "example" not in clean("<iframe src='https://ads.example/banner'></iframe>").html


@pytest.mark.parametrize(
    "kind", ["twitter-tweet", "mastodon-embed", "bluesky-embed", "instagram-media", "tiktok-embed"]
)
def test_embedded_posts_of_each_network_stay_quotations(kind: str) -> None:
    line = "Ann (@ann) <a href='https://n.example/1'>3 May</a>"
    post = f"<blockquote class='{kind}'><p>Gone by lunch.</p>{line}</blockquote>"
    article = clean(f"<div class='social-embed share'>{post}</div>")
    assert "> Gone by lunch." in article.markdown
    assert "Ann (@ann) [3 May](https://n.example/1)" in article.markdown
    assert "<blockquote>" in article.html


def test_links_and_pictures_are_absolute_against_the_base() -> None:
    inside = "<p>See <a href='b.html#x'>the plan</a> and the drawing <img src='c.png' alt='plan'> of it.</p>"
    article = clean(inside, head="<base href='/archive/'>")
    assert 'href="https://harbour.example/archive/b.html#x"' in article.html
    assert 'src="https://harbour.example/archive/c.png"' in article.html
    assert "[the plan](https://harbour.example/archive/b.html#x)" in article.markdown
    assert "https://harbour.example/news/b.html" in clean(inside).html


def test_a_picture_that_a_script_was_to_load_is_found_and_a_pixel_is_not() -> None:
    assert "/big.jpg" in clean("<p><img src='data:image/gif;base64,R0' data-src='/big.jpg'></p>").html
    assert "<img" not in clean("<p><img src='/p.gif' width=1 height=1></p>").html


def test_line_breaks_and_soft_hyphens_stay() -> None:
    article = clean("<p>Schiff\u00adfahrt,<br>second line of it.</p>")
    assert "Schiff\u00adfahrt,\nsecond line of it." in article.text
    assert "Schiff\u00adfahrt,  \nsecond line" in article.markdown
    assert "<br>second" in article.html


def test_loose_text_and_double_breaks_become_paragraphs() -> None:
    article = clean("<div>First loose line of words, here.<br><br>Second loose line of words, there.</div>")
    assert "<p>First loose line of words, here." in article.html
    assert "<p>Second loose line of words, there.</p>" in article.html


def test_a_table_keeps_rows_and_cells_and_bars_in_cells_do_no_harm() -> None:
    article = clean("<table><tr><th>Plan</th><th>Cost</th></tr><tr><td>a|b</td><td>4</td></tr></table>")
    assert "| Plan | Cost |\n| --- | --- |\n| a\\|b | 4 |" in article.markdown
    assert "Plan\tCost\na|b\t4" in article.text


def test_code_keeps_its_lines_and_its_marks() -> None:
    article = clean("<pre>if a:\n    *b*\n```</pre>")
    assert "````\nif a:\n    *b*\n```\n````" in article.markdown
    assert "if a:\n    *b*" in article.text


def test_a_line_that_looks_like_markdown_stays_text() -> None:
    article = clean(
        "<p># not a heading, but a paragraph of some words.</p><p>1. not a list either, only a sentence.</p>"
    )
    assert "\\# not a heading" in article.markdown
    assert "1\\. not" in article.markdown


def test_the_same_page_gives_the_same_article() -> None:
    page = article_page("<p>Advertisement</p>")
    assert clean_page(page, url=URL, rules=our_rules()) == clean_page(page, url=URL, rules=load_rules(_config()))


def _config() -> tuple:  # type: ignore[type-arg]
    from tests.clean.helpers import CONFIG

    return (CONFIG,)
