"""`tearsheet watch` as a user meets it: real processes, a feed, a sitemap and a front page served from loopback."""

import gzip
import http.server
import json
import subprocess
import threading
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest

from tasks.capture.fetch import Recorder
from tasks.catalog import Heard
from tasks.errors import CaptureFailed, CaptureTransient
from tasks.previewing import fetch_source, preview_source
from tasks.settings import load_settings
from tasks.sources import NotModified, Source, load_sources
from tests.flows.conftest import ARTICLE
from tests.test_cli import tearsheet

RSS = (
    "<rss version='2.0'><channel><item><title>The crane</title><link>/2026/11/crane</link></item>"
    "<item><title>Old</title><link>/2020/1/old</link><pubDate>Wed, 01 Jan 2020 10:00:00 GMT</pubDate></item>"
    "<item><title>Ad</title><link>/ads/1</link></item><item><guid>urn:x</guid></item></channel></rss>"
)
MAP = "<urlset><url><loc>{base}/2026/11/crane</loc><lastmod>2026-11-29</lastmod></url></urlset>"
ROOT = str(Path(__file__).parents[1])
Watch = partial[subprocess.CompletedProcess[str]]
INDEX = "<sitemapindex><sitemap><loc>/map.xml.gz</loc></sitemap><sitemap><loc>/gone.xml</loc></sitemap></sitemapindex>"
FRONT = (
    "<body><nav><a href='/city'>City</a></nav><h2><a href='/2026/11/crane'>The old crane stays</a></h2>"
    "<a href='/tag/port'>Port</a></body>"
)


class _Paper(http.server.BaseHTTPRequestHandler):
    """A paper with a feed that has an ETag; `asked` are the paths and what If-None-Match said."""

    protocol_version = "HTTP/1.1"
    asked: list[tuple[str, str]]

    def do_GET(self) -> None:
        base = f"http://{self.headers['Host']}"
        pages = {
            "/rss": RSS,
            "/map.xml.gz": gzip.compress(MAP.format(base=base).encode()),
            "/index.xml": INDEX,
            "/front": FRONT,
            "/2026/11/crane": ARTICLE.format(title="The old crane stays"),
            "/urls.csv": f"n,page\n1,{base}/2026/11/crane\n",
        }
        self.asked.append((self.path, self.headers.get("If-None-Match", "")))
        known = self.path == "/rss" and self.headers.get("If-None-Match") == '"7"'
        body = pages.get(self.path, "")
        data = b"" if known else body.encode() if isinstance(body, str) else body
        self.send_response(304 if known else 503 if self.path == "/busy" else 200 if body else 404)
        kind = "text/csv" if self.path.endswith(".csv") else "text/html"
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(data)))
        if self.path == "/rss":
            self.send_header("ETag", '"7"')
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *args: object) -> None:
        """Nothing: the tests look at what is printed."""


@pytest.fixture
def paper() -> Iterator[tuple[str, list[tuple[str, str]]]]:
    """host:port, and what was asked there."""
    asked: list[tuple[str, str]] = []
    handler = type("Paper", (_Paper,), {"asked": asked})
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=partial(server.serve_forever, poll_interval=0.05))
        thread.start()
        yield f"127.0.0.1:{server.server_port}", asked
        server.shutdown()
        thread.join()


@pytest.fixture
def watch(tmp_path: Path, paper: tuple[str, list[tuple[str, str]]]) -> partial[subprocess.CompletedProcess[str]]:
    """`tearsheet watch …` in an empty folder whose configuration is in ./config."""
    return partial(tearsheet, "watch", cwd=tmp_path, allow=paper[0], TEARSHEET_STORE="store", PYTHONPATH=ROOT)


# ------------------------------------------------------------------ change
def test_a_source_is_added_listed_paused_resumed_and_removed(watch: Watch, tmp_path: Path) -> None:
    args = ["--feed", "https://courier.example/rss", "--every", "30m", "--include", "*/city/*", "--exclude", "/print/"]
    added = watch("add", "courier", *args, "--revisit", "1h", "--revisit", "1d", "--max-age", "7d", "--limit", "50")
    assert (added.returncode, added.stdout) == (0, "courier: added to config/watch.toml, every 30m\n"), added.stderr
    assert watch("add", "front", "--section", "https://front.example/", "--cron", "0 5 * * *").returncode == 0
    (first, second) = load_sources([tmp_path / "config"])
    assert (first.revisit, first.max_age_s, first.limit) == ((3_600.0, 86_400.0), 604_800.0, 50)
    assert (second.kind, second.cron, second.interval_s) == ("section", "0 5 * * *", None)

    assert json.loads(watch("pause", "front", "--json").stdout)["paused"] is True
    shown = watch("list")
    assert [line.split() for line in shown.stdout.splitlines()] == [
        ["name", "kind", "schedule", "revisit", "paused", "from"],
        ["courier", "feed", "every", "30m", "1h,", "1d", "-", "https://courier.example/rss"],
        ["front", "section", "0", "5", "*", "*", "*", "never", "paused", "https://front.example/"],
    ]
    rows = [json.loads(line) for line in watch("list", "--json").stdout.splitlines()]
    assert [(row["name"], row["include"], row["interval_s"]) for row in rows] == [
        ("courier", ["*/city/*"], 1800.0),
        ("front", [], None),
    ]
    assert watch("resume", "front").stdout == "front: resumed in config/watch.toml, 0 5 * * *\n"
    assert json.loads(watch("remove", "courier", "--json").stdout)["removed"] is True
    assert [one.name for one in load_sources([tmp_path / "config"])] == ["front"]


def test_each_kind_of_source_can_be_added_and_runs_hourly_by_default(watch: Watch, tmp_path: Path) -> None:
    (tmp_path / "urls.txt").write_text("https://a.example/\n")
    for name, args in {
        "a": ["--list", "urls.txt"],
        "b": ["--list", "config/urls.txt"],
        "c": ["--csv", "https://a.example/t.csv", "--column", "page", "--mode", "browser"],
        "d": ["--url", "https://a.example/1", "--url", "https://a.example/2", "--revisit", "adaptive", "--paused"],
        "e": ["--sitemap", "https://a.example/s.xml", "--store", "s3://bucket/there"],
    }.items():
        done = watch("add", name, *args)
        assert done.returncode == 0, done.stderr
    sources = {one.name: one for one in load_sources([tmp_path / "config"])}
    assert {one.interval_s for one in sources.values()} == {3_600.0}
    assert sources["a"].at == str(tmp_path / "urls.txt")
    assert sources["b"].at == str(tmp_path / "config" / "urls.txt")
    assert 'list = "urls.txt"' in (tmp_path / "config" / "watch.toml").read_text()
    assert (sources["c"].column, sources["c"].mode) == ("page", "browser")
    assert (sources["d"].urls, sources["d"].adaptive, sources["d"].paused) == (
        ("https://a.example/1", "https://a.example/2"),
        True,
        True,
    )
    assert sources["e"].store == "s3://bucket/there"


@pytest.mark.parametrize(
    ("args", "status", "says"),
    [
        (["add", "a", "--feed", "https://a.example/", "--list", "x"], 2, "Give exactly one of them"),
        (["add", "a"], 2, "one of feed"),
        (["add", "A", "--feed", "https://a.example/"], 2, "lower-case letters"),
        (["add", "a", "--feed", "https://a.example/", "--every", "1h", "--cron", "* * * * *"], 2, "cron and interval"),
        (["add", "a", "--feed", "https://a.example/", "--every", "often"], 2, "interval is 'often'"),
        (["add", "a", "--feed", "https://a.example/", "--include", "city"], 2, "fits no URL"),
        (["add", "there", "--feed", "https://a.example/"], 1, "there is a source 'there'"),
        (["remove", "x"], 1, "no source 'x'"),
        (["pause", "x"], 1, "The file has: there"),
        (["preview", "x"], 1, "watch.toml has: there"),
        (["add", "a", "--feed", "https://a.example/", "--config", "nowhere"], 2, "no such folder"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    watch: Watch, tmp_path: Path, args: list[str], status: int, says: str
) -> None:
    (tmp_path / "config").mkdir()
    file = tmp_path / "config" / "watch.toml"
    file.write_text("[sources.there]\nurls = ['https://a.example/']\ninterval = '1h'\n")
    before = file.read_text()
    done = watch(*args)
    assert (done.returncode, done.stdout) == (status, "")
    assert says in done.stderr
    assert "Traceback" not in done.stderr
    assert file.read_text() == before


# ------------------------------------------------------------------ preview
def test_a_preview_shows_what_is_taken_held_and_passed_over_and_archives_nothing(
    watch: Watch, tmp_path: Path, paper: tuple[str, list[tuple[str, str]]]
) -> None:
    site, asked = paper
    assert (
        watch("add", "paper", "--feed", f"http://{site}/rss", "--exclude", "*/ads/*", "--max-age", "7d").returncode == 0
    )
    shown = watch("preview", "paper")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.splitlines() == [
        f"take  http://{site}/2026/11/crane  entry of the feed",
        "pass  urn:x  the entry has no http or https link",
        f"pass  http://{site}/2020/1/old (2020-01-01)  older than max_age, 7d",
        f"pass  http://{site}/ads/1  excluded by */ads/*",
    ]
    assert f"feed http://{site}/rss: 1 to archive, 0 held, 3 passed over; nothing was archived" in shown.stderr
    assert [path for path, _ in asked] == ["/rss"]
    assert list((tmp_path / "store").rglob("*.wacz")) == []

    ran = watch("run", "paper", "--json")
    assert json.loads(ran.stdout)["archived"] == 1, ran.stderr
    rows = [json.loads(line) for line in watch("preview", "paper", "--json").stdout.splitlines()]
    assert [(row["taken"], row["held"]) for row in rows] == [(True, True), *[(False, False)] * 3]
    assert (rows[0]["title"], rows[2]["published"]) == ("The crane", "2020-01-01T10:00:00Z")


@pytest.mark.parametrize(
    ("path", "kind", "notes"),
    [
        ("/rss", "feed", []),
        ("/map.xml.gz", "sitemap", []),
        ("/index.xml", "sitemap", ["note: left out: http://{site}/gone.xml: the answer was 404"]),
        ("/front", "section", []),
    ],
)
def test_a_url_is_previewed_as_what_it_looks_like(
    watch: Watch, paper: tuple[str, list[tuple[str, str]]], path: str, kind: str, notes: list[str]
) -> None:
    site, asked = paper
    shown = watch("preview", f"http://{site}{path}")
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.startswith(f"take  http://{site}/2026/11/crane")
    assert f"{kind} http://{site}{path}: " in shown.stderr
    for note in notes:
        assert note.format(site=site) in shown.stderr
    assert [path for path, _ in asked].count(path) == 1


def test_a_preview_of_what_names_nothing_or_does_not_answer_exits_with_1(
    watch: Watch, paper: tuple[str, list[tuple[str, str]]]
) -> None:
    site, _ = paper
    for path, says in {
        "/gone": "the answer was 404",
        "/busy": "the answer was 503",
        "/2026/11/crane": "0 to archive",
    }.items():
        done = watch("preview", f"http://{site}{path}")
        assert done.returncode == 1
        assert says in done.stderr
        assert "Traceback" not in done.stderr


def test_paused_sources_run_by_name_alone(watch: Watch, paper: tuple[str, list[tuple[str, str]]]) -> None:
    site, asked = paper
    watch("add", "paper", "--csv", f"http://{site}/urls.csv", "--column", "page", "--paused")
    none = watch("run")
    assert (none.returncode, asked) == (1, [])
    assert "every source is paused" in none.stderr
    assert watch("run", "paper").returncode == 0


# ------------------------------------------------------------------ conditional
def test_a_source_is_asked_conditionally_with_what_was_kept_of_it(
    paper: tuple[str, list[tuple[str, str]]], tmp_path: Path
) -> None:
    site, asked = paper
    settings = load_settings(environ={}, store=str(tmp_path / "store"), allow=[site], retry_wait_s=0.0)
    source = Source(name="paper", kind="feed", at=f"http://{site}/rss", interval_s=3_600.0)
    kept = preview_source(source, settings, heard=Heard()).discovery.remembered
    assert kept is not None
    with Recorder(settings) as recorder:
        with pytest.raises(NotModified):
            fetch_source(source.at, recorder, settings, kept.validators)
        with pytest.raises(CaptureFailed):
            fetch_source(f"http://{site}/gone", recorder, settings, kept.validators)
        with pytest.raises(CaptureTransient):
            fetch_source(f"http://{site}/busy", recorder, settings)
    assert asked[:3] == [("/rss", ""), ("/rss", '"7"'), ("/gone", "")]
    assert [path for path, _ in asked[3:]] == ["/busy"] * settings.attempts
