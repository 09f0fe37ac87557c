"""RSS, Atom and JSON Feed, well-formed, broken and hostile."""

import json
import os
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.errors import FormatError
from tasks.sources import Fetched
from tasks.sources.feeds import ELEMENTS, ENTRIES, parse_feed

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://atom.example/base/"><title>t</title>
<entry><title>a &amp; b</title><link rel="enclosure" href="a.mp3"/><link rel="alternate" href="a.html"/>
<published>2026-11-28T10:00:00+01:00</published><content>long</content></entry>
<entry><title>no link</title><id>urn:x:1</id></entry>
<entry><title>b</title><link href="https://other.example/b?x=1&amp;y=2#top"/><updated>2026-11-27T00:00:01Z</updated>
</entry></feed>"""
BILLION_LAUGHS = (
    '<?xml version="1.0"?><!DOCTYPE l [<!ENTITY a "lolololol">'
    + "".join(f'<!ENTITY {chr(98 + n)} "{f"&{chr(97 + n)};" * 10}">' for n in range(10))
    + "]>"
)


def rss(items: str) -> str:
    return f"<rss version='2.0'><channel>{items}</channel></rss>"


def urls(payload: str | bytes, at: str = "https://e.example/", content_type: str = "") -> list[str]:
    data = payload.encode() if isinstance(payload, str) else payload
    return [one.url for one in parse_feed(Fetched(at, data, content_type)).found]


# ------------------------------------------------------------------ RSS, Atom
def test_an_atom_feed_gives_absolute_links_titles_and_dates_in_order() -> None:
    read = parse_feed(Fetched("https://atom.example/feed", ATOM.encode(), "application/atom+xml", etag='"1"'))
    assert [(one.url, one.title) for one in read.found] == [
        ("https://atom.example/base/a.html", "a & b"),
        ("https://other.example/b?x=1&y=2#top", "b"),
    ]
    assert [one.published for one in read.found] == [
        datetime(2026, 11, 28, 9, 0, tzinfo=UTC),
        datetime(2026, 11, 27, 0, 0, 1, tzinfo=UTC),
    ]
    assert {one.why for one in read.found} == {"entry of the feed"}
    assert read.validators is not None
    assert (read.validators.url, read.validators.etag) == ("https://atom.example/feed", '"1"')


def test_an_entry_without_a_web_address_is_passed_over_with_the_reason() -> None:
    read = parse_feed(Fetched("https://atom.example/feed", ATOM.encode()))
    assert [(one.url, why) for one, why in read.passed_over] == [("urn:x:1", "the entry has no http or https link")]
    assert urls(rss("<item><link>http://[x#y</link></item><item><link>mailto:a@b</link></item>")) == []


def test_relative_links_of_a_feed_count_from_where_it_was_found() -> None:
    feed = rss("<item><link>/a</link></item><item><link>b</link></item>")
    assert urls(feed, "https://rss.example/news/feed.xml") == ["https://rss.example/a", "https://rss.example/news/b"]


@pytest.mark.parametrize(
    ("payload", "content_type"),
    [
        ("<?xml version='1.0' encoding='windows-1252'?>" + rss("<item><title>café</title><link>/c</link></item>"), ""),
        (rss("<item><title>café</title><link>/c</link></item>"), "text/xml; charset=windows-1252"),
    ],
)
def test_a_feed_is_read_in_the_encoding_that_it_or_the_server_names(payload: str, content_type: str) -> None:
    (one,) = parse_feed(Fetched("https://e.example/", payload.encode("windows-1252"), content_type)).found
    assert (one.url, one.title) == ("https://e.example/c", "café")


def test_a_feed_in_utf_16_is_read() -> None:
    feed = "<?xml version='1.0' encoding='utf-16'?>" + rss("<item><title>日本</title><link>/c</link></item>")
    assert [one.title for one in parse_feed(Fetched("https://e.example/", feed.encode("utf-16"))).found] == ["日本"]


def test_broken_markup_is_mended_and_that_is_noted() -> None:
    feed = "\n\n<rss version='2.0'><channel><item><title>a & b</title><link>/c</link></item>"
    read = parse_feed(Fetched("https://e.example/", feed.encode()))
    assert ([one.url for one in read.found], read.notes) == (
        ["https://e.example/c"],
        ("the markup is broken and was mended",),
    )
    assert parse_feed(Fetched("https://e.example/", rss("<item><link>/c</link></item>").encode())).notes == ()


def test_an_rdf_feed_is_read() -> None:
    feed = (
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns="http://purl.org/rss/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/"><item rdf:about="https://e.example/a">'
        "<link>https://e.example/a</link><dc:date>2026-11-28</dc:date></item></rdf:RDF>"
    )
    (one,) = parse_feed(Fetched("https://e.example/", feed.encode())).found
    assert (one.url, one.published) == ("https://e.example/a", datetime(2026, 11, 28, tzinfo=UTC))


def test_an_empty_feed_has_no_links() -> None:
    assert urls(rss("")) == []


@pytest.mark.parametrize(
    "payload",
    [
        b"",
        b"<!doctype html><title>News</title><p>x",
        b"\x00\x01",
        b"<urlset/>",
        b"just words",
        b"<?xml version='1.0'?>",
    ],
)
def test_what_is_no_feed_is_refused(payload: bytes) -> None:
    with pytest.raises(FormatError, match="neither RSS nor Atom"):
        parse_feed(Fetched("https://e.example/", payload, "text/html"))


# ------------------------------------------------------------------ hostile
def test_a_feed_cannot_name_a_file_or_url_to_be_read_in_its_place(tmp_path: Path) -> None:
    other = tmp_path / "other.xml"
    other.write_text(rss("<item><link>https://x.example/</link></item>"))
    with pytest.raises(FormatError):
        urls(str(other))
    assert urls(f"<!DOCTYPE r [<!ENTITY e SYSTEM 'file://{other}'>]>" + rss("&e;")) == []
    title = f"<!DOCTYPE r [<!ENTITY e SYSTEM 'file://{other}'>]>" + rss(
        "<item><title>&e;</title><link>/a</link></item>"
    )
    assert "x.example" not in str(parse_feed(Fetched("https://e.example/", title.encode())))


def test_entities_are_not_expanded() -> None:
    feed = BILLION_LAUGHS + rss("<item><title>&k;</title><link>https://a.example/</link></item>")
    started = time.monotonic()
    read = parse_feed(Fetched("https://e.example/", feed.encode()))
    assert len(str(read)) < 1_000
    assert read.notes
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    "payload",
    [
        b"<rss>" + b"<" * 10_000_000,
        b"<rss>" + b"<a " * 3_000_000,
        b"<rss>" + b"<item>" * 1_500_000,
        b"<rss>" + b"&" * 10_000_000,
        b"<rss>" + os.urandom(10_000_000),
        b'{"version":"https://jsonfeed.org/version/1.1","items":' + b"[" * 10_000_000,
    ],
    ids=["<", "<a", "<item>", "&", "random", "["],
)
def test_ten_megabytes_of_garbage_are_read_or_refused_in_bounded_time(payload: bytes) -> None:
    started = time.process_time()
    try:
        assert parse_feed(Fetched("https://e.example/", payload)).found == ()
    except FormatError:
        pass
    assert time.process_time() - started < 30  # feedparser alone takes minutes


def test_entries_beyond_the_bound_are_left_unread_and_counted() -> None:
    read = parse_feed(Fetched("https://e.example/", rss("<item><link>/a</link></item>" * (ENTRIES + 3)).encode()))
    assert len(read.found) == ENTRIES
    assert read.notes == (f"3 entries beyond the first {ENTRIES} left unread",)


def test_a_feed_of_too_many_elements_is_refused() -> None:
    with pytest.raises(FormatError, match="more than 100,000 elements"):
        urls(rss("<x/>" * ELEMENTS))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet="<>/&;![]-?=\"' aeimnrstl:{}\n\0", max_size=80))
def test_any_text_gives_links_or_a_refusal(text: str) -> None:
    for payload in (text, rss(text), rss(f"<item>{text}<link>/a</link></item>"), "{" + text):
        try:
            found = urls(payload)
        except FormatError:
            continue
        assert all(url.startswith(("http://", "https://")) for url in found)


# ------------------------------------------------------------------ JSON Feed
def json_feed(**fields: object) -> bytes:
    return json.dumps({"version": "https://jsonfeed.org/version/1.1", "title": "t", **fields}).encode()


def test_a_json_feed_gives_links_titles_and_dates() -> None:
    items = [
        {"id": "1", "url": "/a", "title": "A", "date_published": "2026-11-28T10:00:00-05:00"},
        {"id": "2", "external_url": "https://o.example/b", "date_modified": "2026-11-27"},
        {"id": "urn:3"},
        {"id": "4", "url": 7},
        "no item",
    ]
    read = parse_feed(Fetched("https://j.example/feed.json", b"\xef\xbb\xbf" + json_feed(items=items)))
    assert [(one.url, one.title, one.published) for one in read.found] == [
        ("https://j.example/a", "A", datetime(2026, 11, 28, 15, 0, tzinfo=UTC)),
        ("https://o.example/b", "", datetime(2026, 11, 27, tzinfo=UTC)),
    ]
    assert [one.url for one, _ in read.passed_over] == ["urn:3", "4", ""]


def test_what_a_json_feed_leaves_for_the_next_page_is_noted() -> None:
    read = parse_feed(Fetched("https://j.example/", json_feed(items=[], next_url="https://j.example/2")))
    assert read.notes == ("the feed goes on at https://j.example/2, which is not read",)
    half = parse_feed(Fetched("https://j.example/", json_feed(items=[], next_url="https://j.example/\ud800")))
    half.notes[0].encode()  # it could not stand in the run's report, which ended every run of the feed


@pytest.mark.parametrize(
    "payload",
    [b"{", b"{}", b'{"items": []}', json_feed(), json_feed(items={}), b'{"version": 1, "items": []}', b'{"a": "\xff"}'],
)
def test_json_that_is_no_feed_is_refused(payload: bytes) -> None:
    with pytest.raises(FormatError, match="no JSON Feed"):
        parse_feed(Fetched("https://j.example/", payload))


def test_reading_sources_loads_no_feed_parser() -> None:
    code = (
        "import sys, tasks.sources; sys.exit(bool({'feedparser', 'tldextract', 'lxml', 'tomlkit'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
