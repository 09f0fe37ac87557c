"""HTML, Markdown and text: what stays, what is made absolute, what is dropped."""

from urllib.parse import urljoin

import pytest

from tasks.clean import clean_page, load_rules
from tasks.records import Article
from tests.clean.helpers import URL, article_page, our_rules


def clean(inside: str, *, head: str = "", url: str = URL) -> Article:
    page = article_page(inside).replace("<title>", f"{head}<title>")
    return clean_page(page, url=url, rules=our_rules())


def link(address: str, name: str) -> str:
    return f'<p><a href="{address.replace("&", "&amp;")}" title="embedded">{name}</a></p>'


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("https://www.youtube-nocookie.com/embed/a?b=1&c=2", "YouTube"),
        ("//player.vimeo.com/video/1", "Vimeo"),
        ("https://social.example/@ann/123/embed", "Mastodon"),
        ("https://embed.bsky.app/embed/did/app.bsky.feed.post/1", "Bluesky"),
        ("https://www.instagram.com/p/x/embed", "Instagram"),
        ("https://www.facebook.com/plugins/video.php?href=x", "Facebook"),
        ("https://www.tiktok.com/embed/v2/1", "TikTok"),
        ("https://www.threads.net/@ann/post/1/embed", "Threads"),
        ("https://embed.reddit.com/r/x/comments/1", "Reddit"),
        ("https://platform.twitter.com/embed/Tweet.html?id=1", "X"),
        ("https://maps.site.example/quay", "maps.site.example"),
    ],
)
def test_a_frame_becomes_a_link_with_the_name_of_its_site(source: str, name: str) -> None:
    address = source if source.startswith("https") else f"https:{source}"
    article = clean(f"<iframe src='{source}'>fallback</iframe>")
    assert link(address, name) in article.html
    assert f'[{name}]({address} "embedded")' in article.markdown
    assert name not in article.text
    assert "fallback" not in article.html


@pytest.mark.parametrize(
    ("embed", "address", "name"),
    [
        ("<iframe data-src='https://youtu.be/x' src='about:blank'></iframe>", "https://youtu.be/x", "YouTube"),
        ("<lite-youtube videoid='a_b'></lite-youtube>", "https://www.youtube.com/watch?v=a_b", "YouTube"),
        ("<amp-twitter data-tweetid='12'></amp-twitter>", "https://twitter.com/i/status/12", "X"),
        ("<video><source src='/crane.mp4'></video>", "https://harbour.example/crane.mp4", "harbour.example"),
        ("<video src='https://film.example/1.mp4'></video>", "https://film.example/1.mp4", "film.example"),
        ("<audio src='/talk.mp3'></audio>", "https://harbour.example/talk.mp3", "harbour.example"),
        ("<object data='https://vimeo.com/7'></object>", "https://vimeo.com/7", "Vimeo"),
        ("<object><embed src='https://vimeo.com/7'></object>", "https://vimeo.com/7", "Vimeo"),
        (
            "<div class='fb-post' data-href='https://www.facebook.com/a/1'></div>",
            "https://www.facebook.com/a/1",
            "Facebook",
        ),
        (
            "<blockquote data-instgrm-permalink='https://www.instagram.com/p/x/'></blockquote>",
            "https://www.instagram.com/p/x/",
            "Instagram",
        ),
        (
            "<div><blockquote cite='https://www.tiktok.com/@a/video/1'></blockquote></div>",
            "https://www.tiktok.com/@a/video/1",
            "TikTok",
        ),
    ],
)
def test_players_and_posts_without_words_become_links(embed: str, address: str, name: str) -> None:
    article = clean(embed)
    assert link(address, name) in article.html
    assert f'[{name}]({address} "embedded")' in article.markdown


@pytest.mark.parametrize(
    "frame",
    [
        "<iframe src='https://ads.site.example/banner'></iframe>",
        "<iframe src='https://securepubads.g.doubleclick.net/x'></iframe>",
        "<iframe src='https://consent.site.example/x'></iframe>",
        "<iframe src='https://www.facebook.com/plugins/like.php?href=x'></iframe>",
        "<iframe src='https://site.example/x' width=1 height=1></iframe>",
        "<iframe src='https://site.example/x' style='display: none'></iframe>",
        "<iframe src='javascript:alert(1)'></iframe>",
        "<iframe src='about:blank'></iframe>",
        "<div data-href='https://site.example/teaser'></div>",
        "<video poster='/p.jpg'></video>",
    ],
)
def test_a_frame_that_shows_nothing_to_read_is_dropped(frame: str) -> None:
    article = clean(frame)
    assert article.html == clean("").html
    assert article.markdown == clean("").markdown


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


@pytest.mark.parametrize("classes", ["language-python x", "hljs lang-python", "highlight-source-python"])
def test_the_language_of_code_is_kept(classes: str) -> None:
    article = clean(f"<pre><code class='{classes}'>x = 1</code></pre>")
    assert "```python\nx = 1\n```" in article.markdown
    assert '<code class="language-python">' in article.html


def test_a_table_keeps_its_caption_spans_and_paragraphs() -> None:
    rows = (
        "<tr><th>Plan<th colspan=2>Cost</tr><tr><td rowspan=2><p>Hall</p><p>new</p><td>4<td>5</tr><tr><td>6<td>7</tr>"
    )
    article = clean(f"<table><caption>What it costs</caption>{rows}</table>")
    table = "| Plan | Cost |  |\n| --- | --- | --- |\n| Hall<br>new | 4 | 5 |\n|  | 6 | 7 |"
    assert f"What it costs\n\n{table}" in article.markdown
    assert '<th colspan="2">Cost</th>' in article.html
    assert '<td rowspan="2">' in article.html
    assert "<caption>What it costs</caption>" in article.html
    assert "What it costs" in article.text


def test_a_table_that_only_places_things_is_written_as_what_it_holds() -> None:
    article = clean("<table><tr><td>1\n2<td><pre>one = 1\ntwo = 2</pre></tr></table>")
    assert "```\none = 1\ntwo = 2\n```" in article.markdown
    assert "|" not in article.markdown


def test_definitions_details_and_quotes_keep_their_parts() -> None:
    article = clean(
        "<dl><dt>Paddle</dt><dd>The small door.</dd></dl><details open><summary>More</summary><p>Of it.</p></details>"
        "<blockquote class='pullquote'>Never hurry water.</blockquote>"
    )
    assert "**Paddle**\n\nThe small door.\n\n**More**\n\nOf it.\n\n> Never hurry water." in article.markdown
    assert "<dl><dt>Paddle</dt>\n<dd>The small door.</dd>\n</dl>" in article.html
    assert '<details open=""><summary>More</summary>' in article.html
    assert "Paddle\nThe small door." in article.text


def test_footnotes_lead_to_their_notes_and_back_within_the_article() -> None:
    article = clean(
        "<p>It is old.<sup id='r1'><a href='#n1'>1</a></sup> It is <a href='#elsewhere'>gone</a>.</p>"
        "<ol><li id='n1'>Built in 1931, says the board. <a href='https://harbour.example/news/crane.html#r1'>↩</a></li></ol>"
    )
    assert '<sup id="ref-r1"><a href="#ref-n1">1</a></sup>' in article.html
    assert '<li id="ref-n1">' in article.html
    assert '<a href="#ref-r1">↩</a>' in article.html
    assert 'href="https://harbour.example/news/crane.html#elsewhere"' in article.html
    assert "It is old.[1](https://harbour.example/news/crane.html#n1)" in article.markdown
    assert "It is old.1 It is gone." in article.text


KATEX = (
    '<span class="katex"><span class="katex-mathml"><math{display}><semantics>'
    "<mrow><mi>E</mi><mo>=</mo><mi>m</mi></mrow>"
    '<annotation encoding="application/x-tex">E=m_0</annotation></semantics></math></span>'
    '<span class="katex-html" aria-hidden="true"><span>E</span><span>=m0</span></span></span>'
)


def test_a_formula_stands_once_as_its_tex_and_the_rest_is_in_the_ledger() -> None:
    article = clean(f"<p>It weighs {KATEX.replace('{display}', '')}, says the board of it.</p>")
    assert "It weighs E=m_0, says" in article.text
    assert "It weighs `E=m_0`, says" in article.markdown
    assert 'It weighs <code class="language-tex">E=m_0</code>, says' in article.html
    taken = [one for one in article.removals if one.concept == "maths"]
    assert [(one.rule, one.text) for one in taken] == [("formula-once", "E=m"), ("formula-once", "E=m0")]


def test_a_displayed_formula_is_a_block_of_markdown() -> None:
    article = clean(f"<p>It weighs</p><div>{KATEX.replace('{display}', ' display=block')}</div><p>or so, they say.</p>")
    assert "It weighs\n\n```math\nE=m_0\n```\n\nor so" in article.markdown


def test_a_formula_without_tex_stays_mathml() -> None:
    article = clean("<p>It is <math><mfrac><mi>a</mi><mn>2</mn></mfrac></math> of it.</p>")
    assert "<math><mfrac><mi>a</mi><mn>2</mn></mfrac></math>" in article.html
    assert "It is a2 of it." in article.text
    assert not [one for one in article.removals if one.concept == "maths"]


@pytest.mark.parametrize(
    "drop",
    ["<p><span class='dropcap'>T</span>he quay", "<p><b>T</b>he quay", "<div><div class='drop-cap'>T</div>he quay"],
)
def test_a_drop_cap_joins_its_word(drop: str) -> None:
    assert "The quay was built when the town was young." in clean(f"{drop} was built when the town was young.").text


def test_direction_and_language_stay() -> None:
    article = clean(
        "<div dir='rtl' lang='ar'><p>أزيلت آخر رافعة في الميناء <span lang='en'>crane</span> يوم الاثنين</p></div>"
    )
    assert '<div lang="ar" dir="rtl">' in article.html
    assert '<span lang="en">crane</span>' in article.html


def test_ruby_sub_and_sup_stay() -> None:
    article = clean(
        "<p>The <ruby>港<rp>(</rp><rt>みなと</rt><rp>)</rp></ruby> has H<sub>2</sub>O and 4 m<sup>2</sup> of it.</p>"
    )
    assert "<ruby>港<rp>(</rp><rt>みなと</rt><rp>)</rp></ruby>" in article.html
    assert "H<sub>2</sub>O and 4 m<sup>2</sup>" in article.html
    assert "港(みなと) has H2O and 4 m2" in article.text


def test_the_entries_of_a_live_blog_keep_their_times_and_headings() -> None:
    head = "<h3><time datetime='2026-03-03T10:15'>10:15</time> The jib is down</h3>"
    entry = f"<article>{head}<p>Nobody cheered when it fell, and the boatmen went home early that day.</p></article>"
    article = clean(f"<div class='liveblog'>{entry}{entry.replace('10:15', '10:20')}</div>")
    assert '<h3><time datetime="2026-03-03T10:15">10:15</time> The jib is down</h3>' in article.html
    assert "### 10:15 The jib is down\n\nNobody cheered when it fell" in article.markdown
    assert "### 10:20 The jib is down" in article.markdown


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


@pytest.mark.parametrize(
    ("page", "link", "found"),
    [
        ("/crane", "/crane/2", True),
        ("/crane/", "/crane/page/2/", True),
        ("/crane.html", "crane-2.html", True),
        ("/crane?page=2", "/crane?page=3", True),
        ("/crane?page=2", "/crane?page=2", False),
        ("/crane/page/2", "/crane/page/1", False),
        ("/crane", "/ferry", False),
        ("/story-5", "/story-6", False),
        ("/crane", "https://other.example/crane/2", False),
    ],
)
@pytest.mark.parametrize("tag", ["<a rel='next' href='{}'>2</a>", "<link rel='next' href='{}'>"])
def test_a_page_that_is_a_part_of_its_article_says_where_it_goes_on(
    page: str, link: str, found: bool, tag: str
) -> None:
    url = f"https://harbour.example{page}"
    tag = tag.replace("{}", link)
    article = clean("", head=tag, url=url) if tag.startswith("<link") else clean(tag, url=url)
    assert article.next_page == (urljoin(url, link) if found else "")
