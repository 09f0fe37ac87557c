"""watch.toml, feeds and lists."""

import subprocess
import sys
from pathlib import Path

import pytest

from tasks.errors import FormatError, NotFound, SettingsError
from tasks.sources import Fetched, Source, discover, load_sources, named, parse_feed, parse_list

ATOM = """<?xml version="1.0" encoding="utf-8"?>
<feed xmlns="http://www.w3.org/2005/Atom" xml:base="https://atom.example/base/"><title>t</title>
<entry><title>a</title><link rel="enclosure" href="a.mp3"/><link rel="alternate" href="a.html"/></entry>
<entry><title>no link</title><id>urn:x:1</id></entry>
<entry><title>b</title><link href="https://other.example/b?x=1&amp;y=2#top"/></entry>
<entry><title>b again</title><link href="https://other.example/b?x=1&amp;y=2"/></entry></feed>"""


def write(folder: Path, text: str) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "watch.toml").write_text(text, encoding="utf-8")
    return folder


def source(**fields: object) -> Source:
    return Source(**({"name": "s", "cron": "* * * * *"} | fields))  # type: ignore[arg-type]


def nothing(url: str) -> Fetched:
    raise AssertionError(f"fetched {url}")


# ------------------------------------------------------------------ watch.toml
def test_the_shipped_file_names_no_source_but_its_examples_are_valid(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[1] / "config"
    assert load_sources([shipped]) == ()
    text = (shipped / "watch.toml").read_text(encoding="utf-8")
    start = text.index("# [sources.city-desk]")
    examples = "\n".join(line.removeprefix("#").strip() for line in text[start:].splitlines())
    found = load_sources([write(tmp_path, examples)])
    assert [item.name for item in found] == ["city-desk", "court-rulings", "front-pages"]
    assert found[1] == Source(
        name="court-rulings",
        cron="15 6 * * mon-fri",
        list_at=str((tmp_path / "rulings.txt").resolve()),
        timezone="Europe/Berlin",
        store="s3://evidence/court",
        limit=200,
        where=f"{tmp_path}/watch.toml:5",
    )


def test_a_later_folder_replaces_a_source_of_the_same_name_and_adds_others(tmp_path: Path) -> None:
    ours = write(
        tmp_path / "ours",
        "[sources.a]\nurls=['https://a.example/1']\ncron='* * * * *'\nlimit=5\n"
        "[sources.b]\nurls=['https://b.example/1']\ncron='* * * * *'",
    )
    theirs = write(tmp_path / "theirs", "[sources.a]\nurls=['https://a.example/2']\ncron='0 0 * * *'")
    first, second = load_sources([ours, tmp_path / "missing", theirs])
    assert (first.urls, first.cron, first.limit) == (("https://a.example/2",), "0 0 * * *", None)
    assert second.name == "b"


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        ("[sources.a\n", 1, "not TOML"),
        ("x = 1\n[sources.a]\n", 1, "unknown key 'x'"),
        ("\nsources = 3\n", 2, "sources is no table"),
        ("[sources]\na = 3\n", 2, "not a table"),
        ("\n[sources.'A b']\nurls=['https://a.example/']\ncron='* * * * *'", 2, "a name has lower-case letters"),
        ("[sources.a]\ncron='* * * * *'\n", 1, "one of feed, list and urls"),
        ("[sources.a]\ncron='* * * * *'\nfeed='https://a.example/'\nlist='x'\n", 1, "one of feed, list and urls"),
        ("[sources.a]\nlist='x'\n", 1, "no cron"),
        ("[sources.a]\nlist='x'\ncron='* * * * *'\nlimits=3\n", 4, "unknown key 'limits'"),
        ("[sources.a]\nlist='x'\ncron='* * * * *'\nlimit=0\n", 4, "limit is 0"),
        ("[sources.a]\nlist='x'\ncron='* * * * *'\nlimit=true\n", 4, "limit is True"),
        ("[sources.a]\nfeed='ftp://a.example/'\ncron='* * * * *'\n", 2, "feed is"),
        ("[sources.a]\nurls=[]\ncron='* * * * *'\n", 2, "urls is"),
        ("[sources.a]\nlist='x'\ncron='* * * * *'\ntimezone='Mars'\n", 4, "timezone is 'Mars'"),
        (
            "[sources.a]\nlist='x'\ncron='* * * * *'\n[sources.b]\nlist='y'\ncron='never'\n",
            6,
            "source 'b': cron is 'never'",
        ),
    ],
)
def test_a_broken_file_is_named_with_line_and_key(tmp_path: Path, text: str, line: int, says: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_sources([write(tmp_path, text)])
    assert caught.value.where == f"{tmp_path}/watch.toml:{line}"
    assert says in caught.value.what


@pytest.mark.parametrize("cron", ["0 0 1 1 0", "*/5 * * * *", "1,2,5-9/2 0-23 31 jan-DEC mon,7", "59 23 * * sun"])
def test_a_cron_line_as_crontab_has_it_is_taken(tmp_path: Path, cron: str) -> None:
    folder = write(tmp_path, f"[sources.a]\nlist='x'\ncron='{cron}'\n")
    assert load_sources([folder])[0].cron == cron


@pytest.mark.parametrize(
    "cron",
    # too few, out of range, out of order, no number, a nickname that croniter would take and others would not
    [
        "",
        "* * * *",
        "60 * * * *",
        "* 24 * * *",
        "* * 0 * *",
        "* * * 13 *",
        "* * * * 8",
        "*/0 * * * *",
        "5-1 * * * *",
        "1-2-3 * * * *",
        "x * * * *",
        "* * * mon *",
        ", * * * *",
        "- * * * *",
        "1/ * * * *",
        "@daily",
        "² * * * *",
    ],
)
def test_a_cron_line_out_of_range_is_refused(tmp_path: Path, cron: str) -> None:
    with pytest.raises(SettingsError, match="five fields"):
        load_sources([write(tmp_path, f"[sources.a]\nlist='x'\ncron='{cron}'\n")])


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    assert named([source(name="a"), source(name="b")], "b").name == "b"
    with pytest.raises(NotFound, match="has: a, b"):
        named([source(name="a"), source(name="b")], "c")
    with pytest.raises(NotFound, match="none yet"):
        named([], "c")


# ------------------------------------------------------------------ URLs
def test_a_feed_gives_absolute_links_in_order_each_once_without_fragments() -> None:
    answer = Fetched("https://atom.example/feed", ATOM.encode(), "application/atom+xml")
    assert parse_feed(answer) == ("https://atom.example/base/a.html", "https://other.example/b?x=1&y=2")


def test_relative_links_of_a_feed_count_from_where_it_was_found() -> None:
    rss = "<rss version='2.0'><channel><item><link>/a</link></item><item><link>b</link></item></channel></rss>"
    answer = Fetched("https://rss.example/news/feed.xml", rss.encode())
    assert parse_feed(answer) == ("https://rss.example/a", "https://rss.example/news/b")


def test_a_feed_in_another_charset_and_with_broken_markup_is_read_all_the_same() -> None:
    rss = "<?xml version='1.0' encoding='windows-1252'?><rss version='2.0'><channel><item><title>caf\xe9 & co</title>"
    answer = Fetched("https://rss.example/", (rss + "<link>/caf</link></item>").encode("windows-1252"))
    assert parse_feed(answer) == ("https://rss.example/caf",)


def test_an_entry_whose_link_is_no_web_address_names_no_page() -> None:
    items = "<item><link>http://[x#y</link></item><item><link>mailto:a@b</link></item>"
    rss = f"<rss version='2.0'><channel>{items}</channel></rss>"
    assert parse_feed(Fetched("https://e.example/", rss.encode())) == ()


def test_an_empty_feed_has_no_links() -> None:
    assert parse_feed(Fetched("https://e.example/", b"<rss version='2.0'><channel></channel></rss>")) == ()


@pytest.mark.parametrize("payload", [b"", b"<!doctype html><title>News</title><p>x", b"\x00\x01"])
def test_what_is_no_feed_is_refused(payload: bytes) -> None:
    with pytest.raises(FormatError, match="neither RSS nor Atom"):
        parse_feed(Fetched("https://e.example/", payload, "text/html"))


def test_a_feed_cannot_name_a_file_or_url_to_be_read_in_its_place(tmp_path: Path) -> None:
    other = tmp_path / "other.xml"
    other.write_text("<rss version='2.0'><channel><item><link>https://x.example/</link></item></channel></rss>")
    with pytest.raises(FormatError):
        parse_feed(Fetched("https://e.example/", str(other).encode()))
    entity = f"<!DOCTYPE r [<!ENTITY e SYSTEM 'file://{other}'>]><rss version='2.0'><channel>&e;</channel></rss>"
    assert parse_feed(Fetched("https://e.example/", entity.encode())) == ()


def test_a_file_of_sources_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"watch\.toml:1: not UTF-8"):
        load_sources([tmp_path])
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingsError, match=r"watch\.toml: cannot be read"):
        load_sources([tmp_path])


def test_a_list_is_one_url_a_line_with_comments() -> None:
    text = "\ufeffhttps://a.example/1\r\n\r\n# all\n https://a.example/2#frag  # why\nhttps://a.example/1\n"
    assert parse_list(text.encode()) == ("https://a.example/1", "https://a.example/2")


def test_a_source_is_asked_where_its_urls_are(tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("https://a.example/1\n")
    assert discover(source(list_at=str(tmp_path / "urls.txt")), nothing) == ("https://a.example/1",)
    assert discover(source(urls=("https://a.example/2#x",)), nothing) == ("https://a.example/2",)
    fetched = Fetched("https://l.example/", b"https://a.example/3")
    assert discover(source(list_at="https://l.example/"), lambda url: fetched) == ("https://a.example/3",)
    atom = Fetched("https://f.example/", ATOM.encode())
    assert len(discover(source(feed="https://f.example/"), lambda url: atom)) == 2


def test_a_list_file_that_is_not_there_is_named_with_the_place_to_correct(tmp_path: Path) -> None:
    with pytest.raises(NotFound, match=r"urls\.txt: No such file .* list at watch\.toml:3"):
        discover(source(list_at=str(tmp_path / "urls.txt"), where="watch.toml:3"), nothing)


def test_reading_sources_loads_no_feed_parser() -> None:
    code = "import sys, tasks.sources; sys.exit('feedparser' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0
