"""A source is read by its kind; include, exclude and max_age are applied with a reason; each URL comes once."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import NotFound
from tasks.sources import Fetched, NotModified, Source, discover, kind_of
from tasks.sources.patterns import flaw_of, matches
from tests.sources.kit import Web, nothing
from tests.sources.test_feeds import ATOM, json_feed, rss
from tests.sources.test_sitemaps import NEWS, index, urlset

NOW = datetime(2026, 11, 29, 12, tzinfo=UTC)
AT = "https://f.example/feed"


def source(**fields: Any) -> Source:
    return Source(**({"name": "s", "interval_s": 3_600.0} | fields))


def test_a_source_is_asked_where_its_urls_are(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("https://a.example/1\n")
    (tmp_path / "urls.csv").write_text("n,link\n1,https://a.example/2\n")
    places = {
        "feed": ATOM,
        "sitemap": urlset("https://a.example/3"),
        "section": "<body><a href='/the-old-crane-stays'>x</a>",
        "list": "https://a.example/4",
        "csv": "link\nhttps://a.example/5",
    }
    web = Web({f"https://f.example/{kind}": text for kind, text in places.items()})
    found = {
        kind: discover(source(kind=kind, at=f"https://f.example/{kind}", column="link"), web, NOW).urls
        for kind in places
    }
    assert found["feed"] == ("https://atom.example/base/a.html", "https://other.example/b?x=1&y=2")
    assert found["sitemap"] == ("https://a.example/3",)
    assert found["section"] == ("https://f.example/the-old-crane-stays",)
    assert (found["list"], found["csv"]) == (("https://a.example/4",), ("https://a.example/5",))
    on_disk = [source(kind="list", at=str(tmp_path / "urls.txt"))]
    on_disk += [source(kind="csv", at=str(tmp_path / "urls.csv"), column="link")]
    assert [discover(one, nothing, NOW).urls for one in on_disk] == [("https://a.example/1",), ("https://a.example/2",)]


def test_urls_of_the_file_itself_are_taken_as_they_stand_so_that_a_wrong_one_fails_aloud() -> None:
    urls = ("https://a.example/2#x", "ftp://a.example/", "http://[x")
    read = discover(source(urls=urls), nothing, NOW)
    assert read.urls == ("https://a.example/2", "ftp://a.example/", "http://[x")
    assert {one.why for one in read.found} == {"named in watch.toml"}


def test_each_url_comes_once_where_it_stands_first() -> None:
    feed = rss("".join(f"<item><title>{n}</title><link>{n % 2}#x{n}</link></item>" for n in range(6)))
    read = discover(source(kind="feed", at="https://f.example/feed/"), Web({"https://f.example/feed/": feed}), NOW)
    assert [(one.url, one.title) for one in read.found] == [
        ("https://f.example/feed/0", "0"),
        ("https://f.example/feed/1", "1"),
    ]


def test_include_and_exclude_pass_over_with_the_pattern_that_decided() -> None:
    listed = "\n".join(f"https://a.example/{path}" for path in ("city/1", "city/2?print=1", "sport/3"))
    given = source(kind="list", at=AT, include=("https://a.example/city/*",), exclude=("/[?&]print=/",))
    read = discover(given, Web({AT: listed}), NOW)
    assert read.urls == ("https://a.example/city/1",)
    assert [(one.url[-9:], why) for one, why in read.passed_over] == [
        ("2?print=1", "excluded by /[?&]print=/"),
        ("e/sport/3", "matches no include pattern"),
    ]


@pytest.mark.parametrize(
    ("dated", "taken"),
    [
        ("2026-11-28T12:00:01Z", True),
        ("2026-11-28T11:59:59Z", False),
        ("2026-11-28", True),  # perhaps in the evening
        ("2026-11-27", False),
        ("", True),
        ("2027-01-01", True),
    ],
)
def test_entries_dated_before_max_age_are_passed_over_and_undated_ones_never(dated: str, taken: bool) -> None:
    feed = json_feed(items=[{"url": "https://a.example/1", "date_published": dated}])
    read = discover(source(kind="feed", at=AT, max_age_s=86_400.0), Web({AT: feed}), NOW)
    assert bool(read.found) == taken
    assert [why for _, why in read.passed_over] == ([] if taken else ["older than max_age, 1d"])


@pytest.mark.parametrize("max_age_s", [86_400.0, 999_999 * 86_400.0])
def test_dates_and_ages_beyond_the_calendar_end_no_run(max_age_s: float) -> None:
    """9999-12-31 is what some sites call never."""
    urls = b"<url><loc>https://a.example/1</loc><lastmod>9999-12-31</lastmod></url>"
    read = discover(source(kind="sitemap", at=AT, max_age_s=max_age_s), Web({AT: b"<urlset>%s</urlset>" % urls}), NOW)
    assert read.urls == ("https://a.example/1",)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("feed", "<rss><channel><item><link>https://a.example/2026/11/29/the roof</link></item></channel></rss>"),
        ("sitemap", "<urlset><url><loc>https://a.example/2026/11/29/the roof</loc></url></urlset>"),
        ("section", '<html><body><a href=" /2026/11/29/the\n roof ">A roof that leaks</a></body></html>'),
    ],
)
def test_a_link_with_a_space_is_read_as_browsers_do(kind: str, text: str) -> None:
    """Else it was taken, and every try to capture it refused."""
    at = "https://a.example/start"
    assert discover(source(kind=kind, at=at), Web({at: text.encode()}), NOW).urls == (
        "https://a.example/2026/11/29/the%20roof",
    )


def test_a_list_file_that_is_not_there_is_named_with_the_place_to_correct(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"urls\.txt: No such file .* list at watch\.toml:3"):
        discover(source(kind="list", at=str(tmp_path / "urls.txt"), where="watch.toml:3"), nothing, NOW)


# ------------------------------------------------------------------ conditional
def test_what_the_caller_keeps_asks_the_next_time_and_a_304_goes_through() -> None:
    asked = []

    def answering(url: str) -> Fetched:
        return Fetched(
            "https://f.example/moved", ATOM.encode(), etag='"1"', last_modified="Sat, 28 Nov 2026 10:00:00 GMT"
        )

    read = discover(source(kind="feed", at=AT), answering, NOW)
    kept = read.remembered
    assert kept is not None

    def conditionally(url: str) -> Fetched:
        asked.append(kept.validators.headers)
        raise NotModified(url)

    with pytest.raises(NotModified):
        discover(source(kind="feed", at=AT), conditionally, NOW)
    assert asked == [(("If-None-Match", '"1"'), ("If-Modified-Since", "Sat, 28 Nov 2026 10:00:00 GMT"))]
    assert (kept.found, kept.validators.url) == (read.found, "https://f.example/moved")


@pytest.mark.parametrize("etag", ["", '"a\r\nX: y"', "\t", "é"])
def test_without_a_validator_that_can_be_sent_back_there_is_nothing_to_keep(etag: str) -> None:
    read = discover(source(kind="feed", at=AT), lambda url: Fetched(url, ATOM.encode(), etag=etag), NOW)
    assert read.remembered is None


# ------------------------------------------------------------------ kinds, patterns
@pytest.mark.parametrize(
    ("payload", "content_type", "kind"),
    [
        (ATOM.encode(), "", "feed"),
        (rss("").encode(), "text/html", "feed"),
        (json_feed(items=[]), "", "feed"),
        (NEWS.encode(), "", "sitemap"),
        (index().encode(), "", "sitemap"),
        (b"<!doctype html><title>x", "", "section"),
        (b"<?xml version='1.0'?><html xmlns='http://www.w3.org/1999/xhtml'/>", "", "section"),
        (b"a,url\n", "text/csv; charset=utf-8", "csv"),
        (b"https://a.example/\n", "text/plain", "list"),
        (b"", "", "list"),
    ],
)
def test_an_answer_is_known_by_what_it_holds(payload: bytes, content_type: str, kind: str) -> None:
    assert kind_of(Fetched(AT, payload, content_type)) == kind


@pytest.mark.parametrize(
    ("pattern", "url", "fits"),
    [
        ("*", "https://a.example/", True),
        ("https://a.example/*", "https://a.example/x/y?z", True),
        ("https://a.example/*", "http://a.example/x", False),
        ("*/sport/*", "https://a.example/sport/1", True),
        ("*/sport", "https://a.example/sport/1", False),
        ("*?id=1", "https://a.example/x?id=1", True),
        ("*?id=1", "https://a.example/x-id=1", False),
        ("*[1]", "https://a.example/1", False),
        ("/sport/", "https://a.example/transport", True),
        ("/^https:..a/", "https://a.example/", True),
        ("/^a/", "https://a.example/", False),
    ],
)
def test_a_glob_fits_from_end_to_end_and_a_regex_anywhere(pattern: str, url: str, fits: bool) -> None:
    assert flaw_of(pattern) == ""
    assert matches(pattern, url) == fits


@pytest.mark.parametrize("pattern", ["/(/", "/*x/", "sport", "/", "//", "ftp://*"])
def test_a_pattern_that_could_never_fit_is_told(pattern: str) -> None:
    assert flaw_of(pattern)
