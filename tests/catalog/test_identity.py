"""One article, one key, with the reason kept; and URLs that must never become one."""

import tomllib
from pathlib import Path

import pytest

from tasks.catalog import identity
from tasks.catalog.identity import pages_of, spell

STORY = "https://site.example/2026/the-story"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://site.example/2026/the-story#top", ("fragment",)),
        ("http://site.example:80/2026/the-story", ("http",)),
        ("https://SITE.example:443/2026/the-story", ()),
        ("https://www.site.example/2026/the-story", ("www",)),
        ("https://m.site.example/2026/the-story", ("mobile",)),
        ("https://www.m.site.example/2026/the-story", ("www", "mobile")),
        ("https://mobile.site.example/2026/the-story/", ("mobile", "slash")),
        ("https://amp.site.example/2026/the-story", ("amp",)),
        ("https://site.example/2026/the-story/", ("slash",)),
        ("https://site.example/2026/the-story/index.html", ("index",)),
        ("https://site.example/2026/the-story/amp", ("amp",)),
        ("https://site.example/2026/the-story/amp/", ("amp", "slash")),
        ("https://site.example/amp/2026/the-story", ("amp",)),
        ("https://site.example/2026/the-story.amp", ("amp",)),
        ("https://site.example/2026/the-story?amp=1", ("amp",)),
        ("https://site.example/2026/the-story?amp", ("amp",)),
        ("https://site.example/2026/the-story?outputType=amp", ("amp",)),
        ("https://site-example.cdn.ampproject.org/c/s/site.example/2026/the-story/amp", ("amp",)),
        ("https://site-example.cdn.ampproject.org/v/s/www.site.example/2026/the-story?amp_js_v=0.1", ("amp", "www")),
        ("https://www.google.com/amp/s/site.example/2026/the-story", ("amp",)),
        ("https://www.google.co.uk/amp/site.example/2026/the-story?usqp=mq331", ("amp",)),
        ("https://site.example/2026/the-story?utm_source=x&utm_madeup=y&fbclid=z&gclid=1", ("tracker",)),
        ("https://site.example/2026/the-story?UTM_Source=x", ("tracker",)),
        ("https://site.example/2026/th%65-story", ()),
    ],
)
def test_these_are_one_article_and_why_is_kept(url: str, why: tuple[str, ...]) -> None:
    assert spell(url).key == STORY
    assert set(spell(url).dropped) == set(why)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://site.example/story?id=5", "https://site.example/story?id=6"),
        ("https://site.example/?p=1", "https://site.example/"),
        ("https://site.example/story?page=2", "https://site.example/story"),
        ("https://site.example/story?ref=home", "https://site.example/story"),  # a site may mean something by it
        ("https://site.example/Story", "https://site.example/story"),
        ("https://site.example/a%2Fb", "https://site.example/a/b"),
        ("https://site.example:8443/story", "https://site.example/story"),
        ("https://news.site.example/story", "https://site.example/story"),
        ("https://m.example/", "https://example/"),
        ("https://m.co.uk/story", "https://co.uk/story"),
        ("https://amp.dev/about", "https://dev/about"),
        ("https://site.example/guitars/amp", "https://site.example/guitars"),  # a section on amplifiers
        ("https://site.example/amp", "https://site.example/"),
        ("https://site.example/story?amp=marshall", "https://site.example/story"),
        ("https://site.example/index.html/more", "https://site.example/more"),
        ("https://other.example/c/s/site.example/2026/the-story", STORY),  # no cache of AMP pages
        ("https://google.example/amp/s/x/2026/the-story", "https://x/2026/the-story"),
        ("https://10.0.0.1/x", "https://0.0.1/x"),
    ],
)
def test_these_are_never_one(one: str, other: str) -> None:
    assert identity(one) != identity(other)


@pytest.mark.parametrize("url", ["", "mailto:a@b.example", "http://[::1", "http://x:99999/", "urn:x:y", "//x/y"])
def test_what_is_no_web_url_is_its_own_key(url: str) -> None:
    assert identity(url) == url


def test_the_order_of_parameters_and_the_form_of_a_foreign_host_do_not_matter() -> None:
    assert identity("https://site.example/s?b=2&a=1") == identity("https://site.example/s?a=1&b=2")
    assert identity("https://bücher.example/s") == identity("https://xn--bcher-kva.example/s")


def test_a_key_is_its_own_key() -> None:
    for url in (STORY, "http://www.site.example/a/?id=7&utm_id=1#x", "https://site.example"):
        assert identity(identity(url)) == identity(url)


# ------------------------------------------------------------------ the URLs of one capture
def reasons(asked: str, answered: str = "", canonical: str = "") -> dict[str, tuple[str, ...]]:
    return {page.url: page.why for page in pages_of(asked, answered or asked, canonical)}


def test_each_url_of_a_capture_says_why_it_belongs() -> None:
    asked, answered = "http://m.site.example/s?utm_source=x", "https://m.site.example/s"
    assert reasons(asked, answered, "https://www.site.example/s") == {
        asked: ("asked", "http", "mobile", "tracker"),
        answered: ("redirected", "mobile"),
        "https://www.site.example/s": ("canonical", "www"),
    }


@pytest.mark.parametrize(
    ("page", "canonical"),
    [
        ("https://site.example/a/story", "https://other.example/a/story"),  # another site
        ("https://site.example/a/story", "https://site.example/"),  # the home page
        ("https://site.example/a/story", "https://site.example/a"),  # the section
        ("https://site.example/a/story", "https://site.example/a/index.html"),
        ("https://site.example/?p=5", "https://site.example/"),  # has lost what names it
        ("https://site.example/show?id=5&x=1", "https://site.example/show"),
        ("https://site.example/story?page=2", "https://site.example/story"),
        ("https://site.example/story", "not a url"),
    ],
)
def test_a_canonical_link_that_is_a_mistake_joins_nothing(page: str, canonical: str) -> None:
    assert canonical not in reasons(page, page, canonical)


@pytest.mark.parametrize(
    ("page", "canonical"),
    [
        ("https://site.example/?p=5", "https://site.example/2026/story"),
        ("https://m.site.example/story", "https://www.site.example/story"),
        ("https://amp.site.example/story", "https://site.example/other-story"),
        ("https://site.example/story?from=home", "https://site.example/story"),
        ("https://site.example/", "https://www.site.example/"),
        ("https://site.example/a/1234", "https://site.example/a/the-story-1234"),
    ],
)
def test_a_canonical_link_of_the_same_site_counts(page: str, canonical: str) -> None:
    assert reasons(page, page, canonical)[canonical][0] == "canonical"


def test_a_redirect_to_the_home_page_or_a_section_is_not_the_articles_name() -> None:
    for end in ("https://site.example/", "https://site.example/news", "https://other.example/"):
        (_, last) = pages_of("https://site.example/news/gone", end, "")
        assert (last.alike, last.why[0]) == (False, "redirected")
    assert pages_of("https://t.example/x1", "https://site.example/news/story", "")[1].alike


def test_every_tracker_has_a_source_beside_it() -> None:
    text = (Path(__file__).parents[2] / "config" / "urls.toml").read_text()
    part = text.partition("[trackers]")[2].partition("\n[")[0]
    rows = [line for line in part.splitlines() if "=" in line and not line.startswith("#")]
    assert len(rows) == len(tomllib.loads(text)["trackers"])
    assert [row for row in rows if "#" not in row or not ("[A]" in row or "[R]" in row or "[N]" in row)] == []
