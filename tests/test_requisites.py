"""A page archived with what it needs to be seen: in the bundle, verified, counted, and judged by."""

import json
import subprocess
import sys
import time
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from warcio.archiveiterator import ArchiveIterator

from tasks.bundle.verify import is_sound, verify_file
from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_provenance import check_provenance
from tasks.demo import SITE
from tasks.pipeline import Outcome, archive_page, open_tools
from tasks.records import VerdictKind
from tasks.settings import Settings, config_dirs, load_settings
from tasks.store import open_store
from tests.capture.requisites.site import Answer, Site

STORY = (SITE / "library-roof.html").read_text()
NEEDS = '<link rel=stylesheet href=/a.css><img src=/1.png alt=""><img srcset="/2.png 2x" src="/gone.png" alt="">'
ANSWERS = {
    "/": Answer(STORY.replace("</body>", f"{NEEDS}</body>").encode(), "text/html; charset=utf-8"),
    "/whole": Answer(STORY.replace("</body>", "<img src=/1.png></body>").encode(), "text/html; charset=utf-8"),
    "/wall": Answer(b"<html><title>No</title><img src=/1.png>", "text/html", 403),
    "/a.css": Answer(b"p{background:url(/b.png)}", "text/css"),
    **{f"/{name}.png": Answer(b"\x89PNG\r\n\x1a\n" + name.encode()) for name in ("1", "2", "b")},
}


@pytest.fixture
def site() -> Iterator[Site]:
    with Site(ANSWERS) as made:
        yield made


@pytest.fixture
def settings(site: Site, tmp_path: Path) -> Settings:
    return load_settings(
        environ={},
        store=str(tmp_path / "store"),
        cache=str(tmp_path / "cache"),
        allow=(site.pair,),
        robots_by_hand="ignore",
    )


def archived(settings: Settings, url: str, **more: bool) -> Outcome:
    with open_tools(settings, config_dirs(environ={})) as tools:
        return archive_page(url, tools, **more)


def tearsheet(*args: str, env: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", *args]
    return subprocess.run(command, env=env, capture_output=True, text=True, cwd=Path(__file__).parents[1], check=False)


def bundle_of(settings: Settings, outcome: Outcome) -> Path:
    assert outcome.ref
    return Path(settings.store) / outcome.ref.key


def test_a_page_with_a_missing_picture_is_partial_and_all_else_is_in_the_bundle(settings: Settings, site: Site) -> None:
    outcome = archived(settings, site.url("/"))

    assert outcome.good
    assert outcome.verdict
    assert (outcome.verdict.kind, outcome.verdict.reasons) == (VerdictKind.PARTIAL, ("requisites-80-percent",))
    assert outcome.as_json()["requisites"] == {
        "wanted": 5,
        "captured": 4,
        "missing": [{"url": site.url("/gone.png"), "reason": "status-404"}],
    }
    path = bundle_of(settings, outcome)
    assert is_sound(verify_file(path))
    with zipfile.ZipFile(path) as archive, archive.open("archive/data.warc.gz") as warc:
        responses = [
            record.rec_headers.get_header("WARC-Target-URI").removeprefix(site.url(""))
            for record in ArchiveIterator(warc)
            if record.rec_type == "response"
        ]
    assert responses == ["/", "/a.css", "/1.png", "/gone.png", "/2.png", "/b.png"]
    provenance = json.loads(zipfile.ZipFile(path).read("article/provenance.json"))
    assert provenance["capture"]["requisites"]["wanted"] == 5
    told = [one["url"].removeprefix(site.url("")) for one in provenance["capture"]["exchanges"]]
    assert told == responses


def test_a_page_that_lacks_nothing_is_ok(settings: Settings, site: Site) -> None:
    outcome = archived(settings, site.url("/whole"))
    assert outcome.kind == "ok"
    assert outcome.requisites
    assert outcome.requisites.captured == 1


def test_an_unchanged_page_that_lacks_nothing_asks_for_no_requisites(settings: Settings, site: Site) -> None:
    archived(settings, site.url("/whole"))
    before = len(site.asked)
    assert archived(settings, site.url("/whole")).kind == "unchanged"
    assert len(site.asked) == before + 1


def test_an_unchanged_page_is_completed_when_what_it_lacked_is_there(settings: Settings, site: Site) -> None:
    first = archived(settings, site.url("/"))
    site.answers = {**ANSWERS, "/gone.png": Answer(b"\x89PNG\r\n\x1a\nback")}
    time.sleep(1.1)  # ids have whole seconds
    second = archived(settings, site.url("/"))

    assert (first.kind, second.kind, second.version) == ("partial", "ok", 2)
    assert first.ref
    assert second.ref
    assert second.ref.created
    path = bundle_of(settings, second)
    provenance = json.loads(zipfile.ZipFile(path).read("article/provenance.json"))
    assert (provenance["completes"], provenance["previous"]["id"]) == (True, first.ref.id)
    assert is_sound(verify_file(path))
    before = len(site.asked)
    assert archived(settings, site.url("/")).kind == "unchanged"
    assert len(site.asked) == before + 1


def test_what_stays_missing_is_asked_for_ever_more_seldom(settings: Settings, site: Site) -> None:
    archived(settings, site.url("/"))
    tries = []
    for _ in range(9):
        before = len(site.asked)
        outcome = archived(settings, site.url("/"))
        assert (outcome.kind, outcome.version) == ("unchanged", 1)
        tries.append(len(site.asked) > before + 1)
        time.sleep(1.05)  # observations of one second and content are one

    assert [number for number, tried in enumerate(tries, 1) if tried] == [1, 2, 4, 8]
    events = sorted(Path(settings.store).glob("v1/events/*/*/*/*-observation-*.json"))
    told = [json.loads(event.read_bytes()).get("requisites") for event in events]
    assert [number for number, found in enumerate(told, 1) if found == {"wanted": 5, "captured": 4}] == [1, 2, 4, 8]


def test_a_visit_that_may_complete_a_version_asks_for_the_page_itself(settings: Settings, site: Site) -> None:
    """An answer 304 would not say what the page needs."""
    page = ANSWERS["/"]
    site.answers = {**ANSWERS, "/": replace(page, headers={"ETag": '"a"'})}
    for _ in range(4):
        archived(settings, site.url("/"))
        time.sleep(1.05)

    conditional = ["if-none-match" in headers for path, headers in site.asked if path == "/"]
    assert conditional == [False, False, False, True]


def test_a_page_that_is_captured_alone_completes_nothing(settings: Settings, site: Site) -> None:
    archived(settings, site.url("/"))
    site.answers = {**ANSWERS, "/gone.png": Answer(b"\x89PNG\r\n\x1a\nback")}
    before = len(site.asked)
    assert archived(replace(settings, mode="page"), site.url("/")).kind == "unchanged"
    assert len(site.asked) == before + 1


@pytest.mark.parametrize(("path", "mode"), [("/", "page"), ("/wall", "requisites")])
def test_no_requisites_where_none_are_wanted(settings: Settings, site: Site, path: str, mode: str) -> None:
    outcome = archived(replace(settings, mode=mode), site.url(path))
    assert outcome.requisites is None
    assert site.paths() == [path]


def test_requisites_that_cannot_be_are_found_out(settings: Settings, site: Site) -> None:
    """More missing than wanted, or one of them twice."""
    path = bundle_of(settings, archived(settings, site.url("/")))
    with zipfile.ZipFile(path) as archive:
        provenance = json.loads(archive.read("article/provenance.json"))

    def found() -> bool:
        findings = Findings()
        check_provenance(provenance, (), (), findings)
        return any(problem.expected.startswith("requisites") for problem in findings)

    requisites = provenance["capture"]["requisites"]
    assert not found()
    requisites["missing"] *= 2
    assert found()
    requisites["missing"] = requisites["missing"][:1]
    requisites["wanted"] = 0
    assert found()


def test_cleaning_anew_keeps_a_partial_page_partial(settings: Settings, site: Site, tmp_path: Path) -> None:
    outcome = archived(settings, site.url("/"))
    (tmp_path / "config" / "rules").mkdir(parents=True)
    (tmp_path / "config" / "rules" / "mine.toml").write_text(
        '[[rule]]\nid = "mine-buckets"\nconcept = "promo"\nselector = "blockquote"\nwhy = "a test"\n'
    )
    assert outcome.ref
    with open_store(settings.store, settings) as store:
        assert json.loads(store.read_manifest(outcome.ref.id))["verdict"]["kind"] == "partial"
    env = {"PATH": "/usr/bin:/bin", "TEARSHEET_CONFIG": str(tmp_path / "config"), "HOME": str(tmp_path)}
    done = tearsheet("reclean", outcome.ref.id, "--store", settings.store, "--json", env=env)
    assert done.returncode == 0, done.stderr
    new = json.loads(done.stdout.splitlines()[0])["new_id"]
    with open_store(settings.store, settings) as store:
        verdict = json.loads(store.read_manifest(new))["verdict"]
    assert (verdict["kind"], verdict["reasons"]) == ("partial", ["requisites-80-percent"])


def test_the_command_line_prints_what_is_missing_and_strict_exits_with_1(site: Site, tmp_path: Path) -> None:
    def run(*options: str) -> subprocess.CompletedProcess[str]:
        command = ["archive", site.url("/"), "--store", str(tmp_path / "store"), *options]
        env = {"PATH": "/usr/bin:/bin", "TEARSHEET_ALLOW": site.pair, "HOME": str(tmp_path)}
        return tearsheet(*command, env=env)

    plain = run()
    assert plain.returncode == 0, plain.stderr
    assert "requisites: 4 of 5" in plain.stdout
    assert f"missing: {site.url('/gone.png')} (status-404)" in plain.stdout
    assert run("--strict", "--force").returncode == 1
    assert run("--mode", "page", "--strict", "--force").returncode == 0


def test_the_signs_of_walls_in_force_are_named_in_the_bundle(settings: Settings, site: Site, tmp_path: Path) -> None:
    def named(config: Path | None) -> str:
        with open_tools(settings, config_dirs(config, environ={})) as tools:
            path = bundle_of(settings, archive_page(site.url("/whole"), tools, force=True))
        return str(json.loads(zipfile.ZipFile(path).read("article/provenance.json"))["signs"])

    ours = named(None)
    (tmp_path / "config" / "verdict").mkdir(parents=True)
    sign = '[[sign]]\nid = "mine"\nsource = "https://a.example/"\nheader = "x-wall"\nweight = 0.9\n'
    (tmp_path / "config" / "verdict" / "blocked.toml").write_text(sign)
    assert ours.startswith("sha256:")
    assert named(tmp_path / "config") != ours
