"""watch.toml: what it may hold, what each key becomes, and what is said where it is wrong."""

from pathlib import Path

import pytest

from tasks.errors import NotFound, SettingsError
from tasks.sources import Source, load_sources, named
from tasks.sources.config import duration_s, duration_text
from tests.sources.kit import write


def test_the_shipped_file_names_no_source_but_its_examples_are_valid(tmp_path: Path) -> None:
    shipped = Path(__file__).parents[2] / "config"
    assert load_sources([shipped]) == ()
    text = (shipped / "watch.toml").read_text(encoding="utf-8")
    start = text.index("# [sources.city-desk]")
    examples = "\n".join(line.removeprefix("#").strip() for line in text[start:].splitlines())
    found = load_sources([write(tmp_path, examples)])
    assert [item.name for item in found] == ["city-desk", "court-rulings", "front-pages"]
    assert found[1] == Source(
        name="court-rulings",
        cron="15 6 * * mon-fri",
        kind="list",
        at=str((tmp_path / "rulings.txt").resolve()),
        timezone="Europe/Berlin",
        store="s3://evidence/court",
        limit=200,
        where=f"{tmp_path}/watch.toml:8",
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
        ("[sources.a]\ncron='* * * * *'\n", 1, "one of feed, sitemap"),
        ("[sources.a]\ncron='* * * * *'\nfeed='https://a.example/'\nlist='x'\n", 1, "one of feed, sitemap"),
        ("[sources.a]\nlist='x'\n", 1, "one of cron and interval"),
        ("[sources.a]\nlist='x'\ncron='* * * * *'\nlimits=3\n", 4, "unknown key 'limits'"),
        ("[sources.a]\nlist='x'\ncron='* * * * *'\nlimit=0\n", 4, "limit is 0"),
        ("[sources.a]\nlist='x'\ncron='* * * * *'\nlimit=true\n", 4, "limit is True"),
        ("[sources.a]\nfeed='ftp://a.example/'\ncron='* * * * *'\n", 2, "feed is"),
        ("[sources.a]\nlist='~nobody-of-that-name/x'\ncron='* * * * *'\n", 2, "list is"),
        ("[sources.a]\ncsv='a\\u0000b'\ncron='* * * * *'\n".replace("'a", '"a').replace("b'", 'b"'), 2, "csv is"),
        ("[sources.a]\nlist='x'\ncron='* * * * *'\ntimezone=['UTC']\n", 4, "timezone is"),
        ("[sources.a]\nlist='x'\ncron='* * * * *'\ninclude=['/a{99999999999}/']\n", 4, "no regular expression"),
        (f"[sources.a]\nlist='x'\ncron='*/{'9' * 5000} * * * *'\n", 3, "cron is"),
        ("[sources.a]\nurls=[]\ncron='* * * * *'\n", 2, "urls is"),
        ("[sources.a]\nlist='x'\ncron='* * * * *'\ntimezone='Mars'\n", 4, "timezone is 'Mars'"),
        ("[sources.a]\nlist='x'\ncron='* * * * *'\ninterval='1h'\n", 1, "one of cron and interval"),
        ("[sources.a]\nlist='x'\ninterval='90s'\n", 3, "interval is '90s'"),
        ("[sources.a]\nlist='x'\ninterval='0m'\n", 3, "interval is '0m'"),
        ("[sources.a]\nlist='x'\ninterval=30\n", 3, "interval is 30"),
        ("[sources.a]\nlist='x'\ninterval='1h'\ntimezone='UTC'\n", 4, "timezone is given without cron"),
        ("[sources.a]\nlist='x'\ninterval='1h'\ncolumn='c'\n", 4, "column is given without csv"),
        ("[sources.a]\nlist='x'\ninterval='1h'\nmode='fast'\n", 4, "mode is 'fast'"),
        ("[sources.a]\nlist='x'\ninterval='1h'\nrevisit='often'\n", 4, "revisit is 'often'"),
        ("[sources.a]\nlist='x'\ninterval='1h'\nrevisit=['1d', '6h']\n", 4, "revisit is"),
        ("[sources.a]\nlist='x'\ninterval='1h'\nrevisit=['24h', '1d']\n", 4, "revisit is"),
        ("[sources.a]\nlist='x'\ninterval='1h'\nrevisit=[]\n", 4, "revisit is"),
        ("[sources.a]\nlist='x'\ninterval='1h'\npaused='yes'\n", 4, "paused is 'yes'"),
        ("[sources.a]\nlist='x'\ninterval='1h'\nmax_age=7\n", 4, "max_age is 7"),
        ("[sources.a]\nlist='x'\ninterval='1h'\ninclude='*'\n", 4, "include is '*'"),
        ("[sources.a]\nlist='x'\ninterval='1h'\ninclude=['/(/']\n", 4, "no regular expression"),
        ("[sources.a]\nlist='x'\ninterval='1h'\nexclude=['sport']\n", 4, "fits no URL"),
        ("[sources.a]\nsitemap='map.xml'\ninterval='1h'\n", 2, "sitemap is 'map.xml'"),
        ("[sources.a]\nsection='http://[x'\ninterval='1h'\n", 2, "section is 'http://[x'"),
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


@pytest.mark.parametrize(
    "cron",
    [
        "0 0 1 1 0",
        "*/5 * * * *",
        "1,2,5-9/2 0-23 31 jan-DEC mon,7",
        "59 23 * * sun",
        "0 0 29 2 *",
        "0 0 31 */2 *",
        "0 0 31 2 mon",
    ],
)
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
        "0 0 30,31 feb *",
        "0 0 31 4-6/2,9/2 *",
    ],
)
def test_a_cron_line_out_of_range_is_refused(tmp_path: Path, cron: str) -> None:
    with pytest.raises(SettingsError, match="five fields"):
        load_sources([write(tmp_path, f"[sources.a]\nlist='x'\ncron='{cron}'\n")])


def test_a_name_that_is_not_there_is_answered_with_those_that_are() -> None:
    assert named([Source(name="a"), Source(name="b")], "b").name == "b"
    with pytest.raises(NotFound, match="has: a, b"):
        named([Source(name="a"), Source(name="b")], "c")
    with pytest.raises(NotFound, match="none yet"):
        named([], "c")


def test_every_key_reaches_the_source(tmp_path: Path) -> None:
    text = """
[sources.a]
csv = "pages.csv"
column = "address"
include = ["https://a.example/*"]
exclude = ["/[?&]print=/"]
mode = "auto"
interval = "6h"
revisit = ["1h", "6h", "1d", "7d", "30d"]
store = "there"
limit = 7
paused = true
max_age = "7d"
"""
    (made,) = load_sources([write(tmp_path, text)])
    assert made == Source(
        name="a",
        kind="csv",
        at=str(tmp_path / "pages.csv"),
        column="address",
        include=("https://a.example/*",),
        exclude=("/[?&]print=/",),
        mode="auto",
        interval_s=21_600.0,
        revisit=(3_600.0, 21_600.0, 86_400.0, 604_800.0, 2_592_000.0),
        store="there",
        limit=7,
        paused=True,
        max_age_s=604_800.0,
        where=f"{tmp_path}/watch.toml:2",
    )
    assert (made.schedule, made.plan, made.place) == ("every 6h", "1h, 6h, 1d, 7d, 30d", str(tmp_path / "pages.csv"))


@pytest.mark.parametrize(
    ("line", "revisit", "adaptive", "plan"),
    [
        ("", (), False, "never"),
        ("revisit='never'", (), False, "never"),
        ("revisit='adaptive'", (), True, "adaptive"),
        ("revisit=['90m']", (5_400.0,), False, "90m"),
    ],
)
def test_a_plan_of_visits_is_never_adaptive_or_durations(
    tmp_path: Path, line: str, revisit: tuple[float, ...], adaptive: bool, plan: str
) -> None:
    text = f"[sources.a]\nurls=['https://a.example/']\ncron='0 5 * * *'\n{line}\n"
    (made,) = load_sources([write(tmp_path, text)])
    assert (made.revisit, made.adaptive, made.plan) == (revisit, adaptive, plan)
    assert (made.schedule, made.place) == ("0 5 * * *", "1 URL")


@pytest.mark.parametrize(
    ("key", "value", "kind"),
    [
        ("feed", "'https://a.example/f'", "feed"),
        ("sitemap", "'https://a.example/s.xml.gz'", "sitemap"),
        ("section", "'https://a.example/'", "section"),
        ("list", "'https://a.example/l'", "list"),
        ("csv", "'https://a.example/c'", "csv"),
    ],
)
def test_each_kind_of_source_is_told_by_its_key(tmp_path: Path, key: str, value: str, kind: str) -> None:
    (made,) = load_sources([write(tmp_path, f"[sources.a]\n{key}={value}\ninterval='1h'")])
    assert (made.kind, made.at) == (kind, value.strip("'"))


@pytest.mark.parametrize("text", ["1m", "45m", "6h", "1d", "400d"])
def test_a_duration_reads_as_it_is_written(text: str) -> None:
    assert duration_text(duration_s(text)) == text


@pytest.mark.parametrize("text", ["", "1", "h", "1.5h", "-1h", "1w", "0d", "1h30m", "9999999d", "١h"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is no duration"):
        duration_s(text)


def test_a_file_of_sources_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    path = tmp_path / "watch.toml"
    path.write_bytes(b"\xff\xfe")
    with pytest.raises(SettingsError, match=r"watch\.toml:1: not UTF-8"):
        load_sources([tmp_path])
    path.unlink()
    path.mkdir()
    with pytest.raises(SettingsError, match=r"watch\.toml: cannot be read"):
        load_sources([tmp_path])
