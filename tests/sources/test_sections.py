"""Links of a section page: which look like articles, and why the others do not."""

import gzip
import time
from pathlib import Path

import pytest

from tasks.errors import FormatError
from tasks.sources import Fetched
from tasks.sources.sections import LINKS, parse_section, same_site, signs_in_url

AT = "https://www.news.example.org/city/"


def page(body: str, head: str = "") -> Fetched:
    return Fetched(AT, f"<!doctype html><html><head>{head}</head><body>{body}</body></html>".encode())


def fate(link: str) -> tuple[bool, str]:
    """Whether the one URL of a page is taken, and why, or why not."""
    read = parse_section(page(link))
    ((_, why),) = [(one, one.why) for one in read.found] + list(read.passed_over)
    return bool(read.found), why


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("<a href='/2026/11/29/x'>x</a>", "date in its path"),
        ("<a href='/city/2026-11-29/x'>x</a>", "date in its path"),
        ("<a href='/2026/nov/29/x'>x</a>", "date in its path"),
        ("<a href='/20261129/x.html'>x</a>", "date in its path"),
        ("<a href='/city/the-old-crane-stays'>x</a>", "long slug"),
        ("<a href='/city/the_old_crane_stays.html?utm=1'>x</a>", "long slug"),
        ("<a href='/%E6%B8%AF%E5%8F%A3%E8%B5%B7%E9%87%8D%E6%9C%BA%E4%BF%9D%E7%95%99%E4%BA%86'>x</a>", "long slug"),
        ("<a href='/crane-1234567'>The old crane stays</a>", "id, headline text"),
        ("<a href='/story.php?id=77'>The old crane stays</a>", "id, headline text"),
        ("<h2><a href='/crane'>The old crane stays</a></h2>", "headline text, in an article or heading"),
        ("<a href='/crane'><h3>The old crane stays</h3></a>", "headline text, in an article or heading"),
        ("<article><a href='/crane'>The old crane stays</a></article>", "headline text, in an article or heading"),
        ("<h2><a href='/crane'>港口的旧起重机保留下来</a></h2>", "headline text, in an article or heading"),
        ("<article><a href='/c12345'><img src=x></a></article>", "id, in an article or heading"),
        ("<a href='/c'><img></a><h2><a href='/c#top'>The old crane stays</a></h2>", "headline text, in an"),
        ("<nav><a href='/2026/11/29/x'>x</a></nav>", "date in its path"),
        ("<nav><a href='/crane'>x</a></nav><h2><a href='/crane'>The old crane stays</a></h2>", "headline text"),
        ("<a href='https://sport.example.org/the-old-crane-wins'>x</a>", "long slug"),
        ("<a href='/technology/archive/2026/archive/2026-11-01'>x</a>", "date in its path"),
        ("<a href='/archive/63076'>The old crane stays</a>", "id, headline text"),
        ("<a href='/topics/port/the-old-crane-stays'>x</a>", "long slug"),
    ],
)
def test_a_link_that_looks_like_an_article_is_taken_with_its_signs(link: str, why: str) -> None:
    taken, said = fate(link)
    assert taken
    assert said.startswith(why)


@pytest.mark.parametrize(
    ("link", "why"),
    [
        ("<a href='/'>The front page of it all</a>", "front page"),
        ("<a href='/city/#top'>The page as it is</a>", "the page itself"),
        ("<h2><a href='https://other.example/the-old-crane-stays'>The old crane stays</a></h2>", "another site"),
        ("<a href='https://example.com/the-old-crane-stays'>x</a>", "another site"),
        ("<a href='/the-old-crane-stays.pdf'>x</a>", "media or data file"),
        ("<a href='/2026/11/29/photo.JPG'>x</a>", "media or data file"),
        ("<h2><a href='/tag/the-old-crane-stays'>The old crane stays</a></h2>", "tags"),
        ("<a href='/author/jane-of-the-harbour'>x</a>", "authors"),
        ("<a href='/login?next=/the-old-crane-stays'>x</a>", "log-in"),
        ("<a href='/2026/11/'>All of the month</a>", "navigation"),
        ("<a href='/newsletter/the-old-crane-stays'>x</a>", "navigation"),
        ("<nav><a href='/city/all-of-the-city'>All of the city</a></nav>", "navigation"),
        ("<div role=navigation><a href='/the-old-crane-stays'>x</a></div>", "navigation"),
        ("<footer><h2><a href='/about-all-of-us-here'>x</a></h2></footer>", "navigation"),
        ("<a href='/sport'>Sport</a>", "no article by its looks"),
        ("<a href='/terms-of-use'>The terms of use here</a>", "no article by its looks (headline text alone)"),
        ("<a href='/c12345'>x</a>", "no article by its looks (id alone)"),
    ],
)
def test_a_link_to_something_else_is_passed_over_with_the_reason(link: str, why: str) -> None:
    assert fate(link) == (False, why)


def test_links_count_from_the_base_of_the_page_and_titles_are_their_longest_text() -> None:
    body = "<a href='a-b-c-d'>\n the  crane </a><a href='a-b-c-d'>the <b>old</b> crane stays</a><a href='e-f-g-h'><img>"
    read = parse_section(page(body, "<base href='/deep/down/'>"))
    assert [(one.url, one.title) for one in read.found] == [
        ("https://www.news.example.org/deep/down/a-b-c-d", "the old crane stays"),
        ("https://www.news.example.org/deep/down/e-f-g-h", ""),
    ]


def test_what_leads_to_no_page_is_no_link() -> None:
    read = parse_section(page("<a href='mailto:a@b'>a</a><a href='javascript:x()'>b</a><a href='#c'>c</a><a>d</a>"))
    assert (read.found, read.passed_over) == ((), ())


@pytest.mark.parametrize("content_type", ["text/html; charset=windows-1251", "text/html"])
def test_titles_are_read_in_the_encoding_that_server_or_page_names(content_type: str) -> None:
    text = (
        "<html><head><meta charset=windows-1251></head><body><a href='/a-b-c-d'>Старый кран остаётся</a></body></html>"
    )
    (one,) = parse_section(Fetched(AT, text.encode("windows-1251"), content_type)).found
    assert one.title == "Старый кран остаётся"


@pytest.mark.parametrize("payload", [b"", b"<!-- -->"])
def test_what_is_no_page_is_refused(payload: bytes) -> None:
    with pytest.raises(FormatError, match="no HTML page"):
        parse_section(Fetched(AT, payload))


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("https://a.example.co.uk/", "https://b.example.co.uk/", True),
        ("https://one.co.uk/", "https://two.co.uk/", False),
        ("https://one.github.io/", "https://two.github.io/", False),
        ("https://EXAMPLE.org/", "http://www.example.org:8080/", True),
        ("http://127.0.0.1:1/", "http://127.0.0.1:1/x", True),
        ("http://127.0.0.1:1/", "http://127.0.0.1:2/", False),
        ("http://localhost/", "http://otherhost/", False),
    ],
)
def test_sites_are_told_apart_by_the_public_suffix_list(one: str, other: str, same: bool) -> None:
    assert same_site(one, other) == same


def test_a_number_that_is_no_date_and_a_short_slug_are_no_signs() -> None:
    assert signs_in_url("https://a.example/1999/99/story") == {}
    assert signs_in_url("https://a.example/route-66-x") == {}
    assert signs_in_url("https://a.example/?id=x") == {}


def test_a_page_without_links_says_so() -> None:
    assert parse_section(page("<p>x")).notes == ("the page has no links: perhaps a script draws them",)
    assert parse_section(page("<a href=/sport>x</a>")).notes == ()


# ------------------------------------------------------------------ hostile and real
@pytest.mark.parametrize(
    "body",
    [
        b"<a href=/b><div>" * 600_000,
        b"<a href=/b" * 1_000_000,
        b"<a " + b"".join(b'a%d=">" ' % n for n in range(800_000)) + b">",
        b"<a href=/b>" + b"<b>x </b>" * 1_000_000,
        b"".join(b"<a href=/%d><table><tr><td>" % n for n in range(60)) + b"<b>x </b>" * 1_000_000,
        b"<a href=/" + b"a-" * 5_000_000 + b">x</a>",
        bytes(range(256)) * 40_000,
    ],
    ids=["deep", "unclosed", "attributes", "text", "nested", "slug", "bytes"],
)
def test_ten_megabytes_of_garbage_are_read_in_bounded_time(body: bytes) -> None:
    started = time.process_time()
    parse_section(Fetched(AT, b"<html><body>" + body))
    assert time.process_time() - started < 30  # libxml2 alone takes hours for the attributes


def test_a_page_that_is_too_deep_for_the_parser_says_where_it_stopped() -> None:
    read = parse_section(page("<div>" * 300 + "<a href='/a-b-c-d'>x</a>"))
    assert read.found == ()
    assert "the page was read up to line 1 only" in read.notes[0]


def test_links_beyond_the_bound_are_left_unread_and_counted() -> None:
    read = parse_section(page("".join(f"<a href='/a-b-c-{n}-d'>x</a>" for n in range(LINKS + 1))))
    assert len(read.found) == LINKS
    assert read.notes == (f"links beyond the first {LINKS} left unread",)


def test_a_real_page_gives_its_articles_and_none_of_its_navigation(shared: Path) -> None:
    path = shared / "corpus" / "fundus" / "de_RheinischePost_2024_04_21.html.gz"
    if not path.exists():
        pytest.skip(f"no {path.name} in the shared test material")
    read = parse_section(Fetched("https://rp-online.de/nrw/", gzip.decompress(path.read_bytes())))
    assert len(read.found) > 20
    assert all("long slug" in one.why for one in read.found)
    assert "navigation" in {why for _, why in read.passed_over}
    assert not {url for url in read.urls if "/autor/" in url or "/thema/" in url or url.count("/") < 4}
