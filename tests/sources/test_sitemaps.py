"""Sitemaps, news sitemaps, indexes and gzip, well-formed and hostile."""

import gzip
import time
from datetime import UTC, datetime

import pytest

from tasks.errors import CaptureFailed, FormatError
from tasks.sources import Fetched, NotModified, sitemaps
from tasks.sources.sitemaps import read_sitemap, unzipped
from tests.sources.kit import Web
from tests.sources.test_feeds import BILLION_LAUGHS

AT = "https://m.example/sitemap.xml"
NEWS = """<?xml version="1.0" encoding="UTF-8"?>
<urlset xmlns="http://www.sitemaps.org/schemas/sitemap/0.9" xmlns:news="http://www.google.com/schemas/sitemap-news/0.9"
 xmlns:image="http://www.google.com/schemas/sitemap-image/1.1">
<url><loc> https://m.example/old </loc><lastmod>2026-11-01</lastmod></url>
<url><loc>/bare</loc></url>
<url><loc>https://m.example/new?a=1&amp;b=2</loc><lastmod>2026-11-29</lastmod>
<image:image><image:loc>https://m.example/p.jpg</image:loc><image:title>no</image:title></image:image>
<news:news><news:publication><news:name>M</news:name></news:publication>
<news:publication_date>2026-11-28T08:30+01:00</news:publication_date><news:title>The &#8220;crane&#8221;</news:title>
</news:news></url><url><loc>mailto:a@b</loc></url><url/></urlset>"""


def urlset(*urls: str) -> str:
    return "<urlset>" + "".join(f"<url><loc>{url}</loc></url>" for url in urls) + "</urlset>"


def index(*entries: tuple[str, str]) -> str:
    rows = "".join(f"<sitemap><loc>{url}</loc><lastmod>{dated}</lastmod></sitemap>" for url, dated in entries)
    return f"<sitemapindex>{rows}</sitemapindex>"


def test_a_news_sitemap_gives_dates_and_titles_the_newest_first() -> None:
    read = read_sitemap(AT, Web({AT: NEWS}))
    assert [(one.url, one.title, one.why) for one in read.found] == [
        ("https://m.example/new?a=1&b=2", "The “crane”", "news of the sitemap"),
        ("https://m.example/old", "", "page of the sitemap"),
        ("https://m.example/bare", "", "page of the sitemap"),
    ]
    assert [one.published for one in read.found] == [
        datetime(2026, 11, 28, 7, 30, tzinfo=UTC),
        datetime(2026, 11, 1, tzinfo=UTC),
        None,
    ]
    assert [one.url for one, _ in read.passed_over] == ["mailto:a@b", ""]


def test_an_index_is_followed_the_sitemap_that_changed_last_first_gzip_too() -> None:
    web = Web(
        {
            AT: index(("/a.xml", "2026-11-01"), ("b.xml.gz", "2026-11-29"), ("/c.xml", "")),
            "https://m.example/a.xml": urlset("https://m.example/1"),
            "https://m.example/b.xml.gz": gzip.compress(urlset("https://m.example/2").encode()),
            "https://m.example/c.xml": urlset("https://m.example/3"),
        }
    )
    read = read_sitemap(AT, web)
    assert [url.rpartition("/")[2] for url in web.asked] == ["sitemap.xml", "b.xml.gz", "a.xml", "c.xml"]
    assert sorted(url[-1] for url in read.urls) == ["1", "2", "3"]
    assert read.notes == ()


def test_an_index_gives_no_validators_and_a_sitemap_does() -> None:
    web = Web({AT: index(("/a.xml", "")), "https://m.example/a.xml": urlset()})
    assert read_sitemap(AT, lambda url: with_etag(web(url))).validators is None
    assert read_sitemap("https://m.example/a.xml", lambda url: with_etag(web(url))).validators is not None


def with_etag(answer: Fetched) -> Fetched:
    return Fetched(answer.url, answer.payload, etag='"1"')


def test_sitemaps_unchanged_since_are_not_asked_for_and_counted() -> None:
    web = Web({AT: index(("/a.xml", "2026-11-20"), ("/b.xml", "2026-11-22")), "https://m.example/b.xml": urlset()})
    read = read_sitemap(AT, web, since=datetime(2026, 11, 22, 12, tzinfo=UTC))  # b may have changed in the evening
    assert web.asked[1:] == ["https://m.example/b.xml"]
    assert read.notes == (f"{AT}: 1 sitemaps unchanged for longer than max_age were not read",)


def test_an_index_that_names_itself_or_goes_too_deep_ends() -> None:
    deep = {f"https://m.example/{n}.xml": index((f"/{n + 1}.xml", ""), (f"/{n}.xml", "")) for n in range(9)}
    web = Web(deep)
    read = read_sitemap("https://m.example/0.xml", web)
    assert len(web.asked) == sitemaps.LEVELS
    assert "more than 3 levels" in read.notes[-1]


def test_files_beyond_the_bound_are_left_unread_and_counted() -> None:
    names = [(f"/{n}.xml", f"2026-11-{n % 28 + 1:02}") for n in range(60)]
    web = Web({AT: index(*names)} | {f"https://m.example{name}": urlset() for name, _ in names})
    read = read_sitemap(AT, web)
    assert len(web.asked) == sitemaps.FILES
    assert read.notes == ("11 sitemaps left unread: at most 50 are read in one run",)


def test_urls_beyond_the_bound_of_one_file_are_left_unread_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sitemaps, "URLS", 2)
    read = read_sitemap(AT, Web({AT: urlset(*(f"https://m.example/{n}" for n in range(5)))}))
    assert (len(read.found), read.notes) == (2, (f"{AT}: 3 entries beyond the first 2 left unread",))


def test_a_sitemap_that_cannot_be_read_stops_no_other_but_none_at_all_is_an_error() -> None:
    pages = {AT: index(("/a.xml", ""), ("/b.xml", "")), "https://m.example/b.xml": urlset("https://m.example/1")}
    read = read_sitemap(AT, Web(pages))
    assert len(read.found) == 1
    assert read.notes == ("left out: https://m.example/a.xml: the answer was 404",)
    with pytest.raises(CaptureFailed):
        read_sitemap(AT, Web({AT: pages[AT]}))


def test_not_modified_goes_through() -> None:
    def unchanged(url: str) -> Fetched:
        raise NotModified(url)

    with pytest.raises(NotModified):
        read_sitemap(AT, unchanged)


@pytest.mark.parametrize("payload", ["", "<html>", "<rss/>", "words", "{}", "\0"])
def test_what_is_no_sitemap_is_refused(payload: str) -> None:
    with pytest.raises(FormatError, match="no sitemap"):
        read_sitemap(AT, Web({AT: payload}))


def test_a_cut_sitemap_gives_what_it_has_with_a_note() -> None:
    read = read_sitemap(AT, Web({AT: urlset("https://m.example/1", "https://m.example/2")[:60]}))
    assert read.urls[:1] == ("https://m.example/1",)
    assert read.notes == (f"{AT}: the markup is broken and was mended",)


# ------------------------------------------------------------------ hostile
def test_entities_are_not_expanded() -> None:
    started = time.monotonic()
    read = read_sitemap(AT, Web({AT: BILLION_LAUGHS + urlset("https://m.example/&k;")}))
    assert all(len(url) < 100 for url in read.urls)
    assert time.monotonic() - started < 5


def test_a_gzip_bomb_is_refused_before_it_is_in_memory() -> None:
    bomb = gzip.compress(b"<urlset>" + b"\0" * 60_000_000)
    assert len(bomb) < 100_000
    with pytest.raises(FormatError, match="more than 52,428,800 bytes unzipped"):
        read_sitemap(AT, Web({AT: bomb}))
    with pytest.raises(FormatError, match="more than 52,428,800"):
        unzipped(Fetched(AT, gzip.compress(b"x" * 6_000_000) * 10))
    assert unzipped(Fetched(AT, gzip.compress(b"x") * 10)) == b"x" * 10


@pytest.mark.parametrize(
    ("payload", "says"),
    [(gzip.compress(b"x" * 99)[:-9], "ends too early"), (b"\x1f\x8b\x08" + b"\xff" * 99, "broken gzip")],
)
def test_a_broken_gzip_file_is_refused(payload: bytes, says: str) -> None:
    with pytest.raises(FormatError, match=says):
        read_sitemap(AT, Web({AT: payload}))
