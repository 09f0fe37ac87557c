"""References in pages and sheets lead into the archive, all else stays to the character."""

import time

import pytest

from tasks.replay.html import replayed_page
from tasks.replay.places import Place, read_place
from tasks.replay.sheets import mapped_sheet

TOKEN = "t" * 32
PAGE = Place(TOKEN, "20261123105447", False, "https://news.example/a/story")
SCRIPTED = Place(TOKEN, "20261123105447", True, "https://news.example/a/story")
AT = f"/{TOKEN}/20261123105447/"


def page(text: str, place: Place = PAGE, *, held: bool = True, insert: str = "") -> str:
    return replayed_page(text, place, held=lambda _: held, insert=insert)


# ------------------------------------------------------------------ places
@pytest.mark.parametrize(
    ("reference", "url"),
    [
        ("b.png", "https://news.example/a/b.png"),
        ("../b.png", "https://news.example/b.png"),
        ("/b.png?x=1&y", "https://news.example/b.png?x=1&y"),
        ("//cdn.example/b", "https://cdn.example/b"),
        (" http://other.example/\n", "http://other.example/"),
        ("?page=2", "https://news.example/a/story?page=2"),
        ("\\\\cdn.example\\b", "https://cdn.example/b"),
        ("b c.png#top", "https://news.example/a/b%20c.png#top"),
    ],
)
def test_a_reference_leads_to_the_place_of_its_url(reference: str, url: str) -> None:
    assert PAGE.mapped(reference, PAGE.url) == AT + url


@pytest.mark.parametrize("reference", ["#top", "", "data:image/png;base64,AA", "mailto:a@b.example", "javascript:go()"])
def test_a_reference_that_leads_to_no_server_stays(reference: str) -> None:
    assert PAGE.mapped(reference, PAGE.url) == reference


def test_a_reference_that_is_no_url_leads_nowhere() -> None:
    assert PAGE.mapped("http://[oops/", PAGE.url) == "about:invalid"


def test_a_place_is_read_back_also_where_slashes_were_folded() -> None:
    assert read_place(PAGE.path) == PAGE
    assert read_place(SCRIPTED.path) == SCRIPTED
    assert read_place(f"{AT}https:/news.example/a/story") == PAGE
    assert read_place(f"{AT}urn:dom:https://news.example/") == PAGE.at("urn:dom:https://news.example/")


@pytest.mark.parametrize("path", ["/", "/story", f"/{TOKEN}/", f"/{TOKEN}/2026/https://a.example/", f"{AT}"])
def test_another_path_is_no_place(path: str) -> None:
    assert read_place(path) is None


# ------------------------------------------------------------------ pages
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<img src=b.png alt=x>", '<img src="@b.png" alt=x>'),
        ("<IMG SRC='b.png?a=1&amp;b=2'/>", '<IMG SRC="@b.png?a=1&amp;b=2"/>'),
        ("<a href=b?x&copy=1>", '<a href="@b?x&amp;copy=1">'),
        ("<img srcset='b.png 1x,  c.png 2x'>", '<img srcset="@b.png 1x,  @c.png 2x">'),
        ("<p style=\"b: red; c: url('b.png')\">", '<p style="b: red; c: url(&quot;@b.png&quot;)">'),
        ("<style>p { background: url(b.png) }</style>", '<style>p { background: url("@b.png") }</style>'),
        ("<meta http-equiv=refresh content='3; url=next'>", '<meta http-equiv=refresh content="3; url=@next">'),
        ("<iframe srcdoc='<img src=b.png>'></iframe>", '<iframe srcdoc="&lt;img src=&quot;@b.png&quot;&gt;"></iframe>'),
        ("<svg><use xlink:href='b.svg#one'/></svg>", '<svg><use xlink:href="@b.svg#one"/></svg>'),
        ("<a href=b target=_blank>", '<a href="@b" data-tearsheet-target=_blank>'),
        ("<link rel=preconnect href=//cdn.example>", "<link rel=preconnect data-tearsheet-href=//cdn.example>"),
        ("<script src=b.js integrity=a></script>", '<script src="@b.js" data-tearsheet-integrity=a></script>'),
        (
            "<meta http-equiv=Content-Security-Policy content=x>",
            "<meta data-tearsheet-http-equiv=Content-Security-Policy content=x>",
        ),
        ("<meta name=referrer content=no-referrer>", "<meta data-tearsheet-name=referrer content=no-referrer>"),
    ],
)
def test_attributes_lead_into_the_archive(text: str, shown: str) -> None:
    assert page(text) == shown.replace("@", f"{AT}https://news.example/a/")


@pytest.mark.parametrize(
    "text",
    [
        "<p title='src=b.png'>src=b.png <!-- <img src=b.png> --> &amp; <b>x</p>",
        "<script>var a = '<img src=b.png>'; // </p>\n</script><textarea><img src=b.png></textarea>",
        '<title><a href=b></title><!--><p><!---><p a="b>c">x<',
        "<!doctype html>\r\n<p>\x0b\ufeff한국 <a name=b href='#b'>",
        "<img src='b.png",
        "<a href>x</a><a href=''>y</a><p/=x>",
    ],
)
def test_what_leads_nowhere_stays_to_the_character(text: str) -> None:
    assert page(text) == text


def test_the_first_base_counts_and_is_put_out_of_force() -> None:
    text = "<base href=/c/ target=_top><base href=/d/><a href=b>"
    bases = "<base data-tearsheet-href=/c/ data-tearsheet-target=_top><base data-tearsheet-href=/d/>"
    assert page(text) == f'{bases}<a href="{AT}https://news.example/c/b">'


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("<!doctype html><!-- a --><html><head><script>a", "<!doctype html><!-- a --><html><head>@<script>a"),
        ("no tag at all", "no tag at all@"),
        ("<p>", "@<p>"),
    ],
)
def test_what_is_inserted_comes_before_all_that_can_run(text: str, shown: str) -> None:
    assert page(text, SCRIPTED, insert="@") == shown


def test_a_page_within_the_page_gets_the_insert_too() -> None:
    assert page('<iframe srcdoc="<p>">', SCRIPTED, insert="<i>") == '<i><iframe srcdoc="&lt;i&gt;&lt;p&gt;">'


def test_a_lazy_picture_is_shown_where_no_script_can_and_the_bundle_has_it() -> None:
    text, blank = "<img data-src=b.png>", "<img src='data:image/gif;base64,R0' data-src=b.png>"
    source = f'src="{AT}https://news.example/a/b.png"'
    assert page(text) == f"<img data-src=b.png {source}>"
    assert page(blank) == f"<img data-tearsheet-src='data:image/gif;base64,R0' data-src=b.png {source}>"
    assert page(text, held=False) == text
    assert page(text, SCRIPTED) == text


@pytest.mark.parametrize(
    "text", ['<a href="', "<a b=' ", "<p a ", "<", "<!--", "<style>url(", '<style>"\\', "<style>@import"]
)
def test_a_page_that_closes_nothing_takes_no_long_time(text: str) -> None:
    started = time.process_time()
    page(text * 50_000)
    page(text + text.removeprefix("<style>") * 50_000)
    assert time.process_time() - started < 5


# ------------------------------------------------------------------ sheets
@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a { background: url(b.png) }", 'a { background: url("!b.png") }'),
        ("a { background: URL( 'b c.png' ) }", 'a { background: URL( "!b c.png" ) }'),
        ('@import "b.css" screen;', '@import "!b.css" screen;'),
        ("@import url(b.css);", '@import url("!b.css");'),
        ('a { b: image-set("c.png" 1x, url(d.png) 2x) }', 'a { b: image-set("!c.png" 1x, url("!d.png") 2x) }'),
        ('a { b: image-set("c.png" type("image/png")) }', 'a { b: image-set("!c.png" type("image/png")) }'),
        (r"a { b: url(c\29 .png) }", 'a { b: url("!c).png") }'),
        ("/* url(b.png) */ a::after { content: 'url(b.png)' }", "/* url(b.png) */ a::after { content: 'url(b.png)' }"),
        ("a { b: url(c d.png) } e { f: url('g.png' h) }", 'a { b: url(c d.png) } e { f: url("!g.png" h) }'),
        ('@import "b.css', '@import "b.css'),
        ("a { b: url(c.png", 'a { b: url("!c.png"'),
        ("a { b: url() } c { d: url('') }", "a { b: url() } c { d: url('') }"),
    ],
)
def test_a_sheet_leads_into_the_archive(text: str, shown: str) -> None:
    assert mapped_sheet(text, lambda reference: f"!{reference}") == shown
