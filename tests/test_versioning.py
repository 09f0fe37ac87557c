"""The history of an article: versions, observations, and what is neither. Real stages, real stores."""

import json
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.bundle.manifest import read_manifest
from tasks.bundle.verify import is_sound, verify_file
from tasks.errors import DiskFull, NotFound, StoreUnavailable
from tasks.lineage import lineage_problems
from tasks.many_pages import archive_pages
from tasks.pipeline import Outcome, Tools, archive_page
from tasks.records import Capture
from tasks.retrieve import verify_stored
from tasks.store.layout import manifest_key
from tasks.versioning import History
from tests.bundle.samples import AGENT, exchange
from tests.history_kit import PAGE_URL, archived, attachment, html, tools_of, visit


@pytest.fixture(params=["folder", "s3"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return str(tmp_path / "store") if request.param == "folder" else str(request.getfixturevalue("s3_location"))


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    with tools_of(str(tmp_path / "store")) as made:
        yield made


# ------------------------------------------------------------------ a model of it
GONE = {"status": "404 Not Found"}


@dataclass
class Model:
    """What a history of visits must come to, told as plainly as can be."""

    versions: list[str] = field(default_factory=list)  # id and text of each, oldest first
    texts: list[str] = field(default_factory=list)

    def step(self, name: str, outcome: Outcome, tools: Tools) -> None:
        assert outcome.error is None
        assert outcome.ref is not None
        text = name.rstrip("'!")
        manifest = read_manifest(tools.store.read_manifest(outcome.ref.id))
        last = self.versions[-1] if self.versions else None
        if text == "gone":
            assert (outcome.good, outcome.version, outcome.ref.created, manifest.previous) == (False, None, True, None)
        elif self.texts and self.texts[-1] == text and not name.endswith("!"):
            assert (outcome.good, outcome.ref.created, outcome.ref.id) == (True, False, last)
            assert outcome.version == len(self.versions)
            assert outcome.observation
        elif self.texts and text == "thin" and not name.endswith("!") and self.texts[-1] != "thin":
            assert (outcome.good, outcome.version, outcome.ref.created) == (False, None, True)
            assert outcome.verdict is not None
            assert outcome.verdict.kind == "thin"
            assert outcome.verdict.reasons[0].endswith(f"-in-{last}")
        else:
            assert (outcome.good, outcome.ref.created, outcome.observation) == (True, True, "")
            assert (manifest.previous.id if manifest.previous else None) == last
            self.versions.append(outcome.ref.id)
            self.texts.append(text)
            assert outcome.version == len(self.versions)


def play(names: list[str], tools: Tools) -> Model:
    """One visit a minute: a text; with ' its payload only is another; with ! forced; gone: the page answers 404."""
    model = Model()
    for minute, name in enumerate(names):
        text, more = name.rstrip("'!"), GONE if name == "gone" else {}
        body = html("A" if name == "gone" else text, token=str(minute) if name.endswith("'") else "")
        outcome = archived(visit(body, minute, **more), tools, force=name.endswith("!"))
        model.step(name, outcome, tools)
    return model


HISTORY = ["A", "A", "A'", "B", "A", "gone", "thin", "A'", "B", "thin!", "thin", "B!", "B!", "B"]


def test_a_history_comes_to_what_the_model_says(location: str, tmp_path: Path) -> None:
    with tools_of(location) as tools:
        model = play(HISTORY, tools)

        assert model.texts == ["A", "B", "A", "B", "thin", "B", "B"]
        events = list(tools.store.events())
        seen = [event for event in events if event.kind == "observation"]
        assert [event.detail["why"] for event in seen] == [
            "same-payload",
            "same-text",
            "same-text",
            *["same-payload"] * 2,
        ]
        for id_ in model.versions:
            assert is_sound(verify_stored(tools.store, id_, tools.store.fetch_bundle(id_, tmp_path / "copies")))


def test_a_history_goes_on_in_another_run(location: str) -> None:
    """Nothing that is needed is only in memory."""
    outcomes = []
    for minute, name in enumerate("ABBA"):
        with tools_of(location) as tools:
            outcomes.append(archived(visit(html(name), minute), tools))
    assert [outcome.version for outcome in outcomes] == [1, 2, 2, 3]
    assert [bool(outcome.observation) for outcome in outcomes] == [False, False, True, False]


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["A", "A'", "B", "B'", "B!", "C", "thin", "thin!", "gone"]), min_size=1, max_size=7))
def test_any_history_comes_to_what_the_model_says(tmp_path_factory: pytest.TempPathFactory, names: list[str]) -> None:
    with tools_of(str(tmp_path_factory.mktemp("store"))) as tools:
        play(names, tools)


# ------------------------------------------------------------------ what counts as change
@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"title": "The crane"}, "same-payload"),
        ({"token": "7"}, "same-text"),
        ({"more": "<meta name=author content='Ada Byron'>"}, "same-text"),
        ({"more": "<meta property=article:modified_time content=2026-11-24>"}, "same-text"),
        ({"title": "The \u201ccrane\u201d goes"}, ""),
    ],
)
def test_a_title_counts_and_bylines_and_dates_do_not(tools: Tools, more: dict[str, str], why: str) -> None:
    archived(visit(html("A"), 0), tools)
    outcome = archived(visit(html("A", **more), 1), tools)
    events = [event.detail["why"] for event in tools.store.events() if event.kind == "observation"]
    assert events == ([why] if why else [])
    assert outcome.version == (1 if why else 2)


def test_an_observation_names_the_metadata_that_differ(tools: Tools) -> None:
    archived(visit(html("A"), 0), tools)
    outcome = archived(visit(html("A", more="<meta name=author content='Ada Byron'>"), 1), tools)
    event = tools.store.read_event(outcome.observation)
    assert event.detail["changed"] == ["authors"]
    assert outcome.ref
    assert event.bundle == outcome.ref.id
    assert (event.detail["url"], event.detail["status"], event.detail["verdict"]) == (PAGE_URL, 200, "ok")


def test_a_file_without_text_is_the_same_by_its_payload_alone(tools: Tools) -> None:
    pdf = (("Content-Type", "application/pdf"),)
    visits = [
        visit(data, minute, headers=pdf) for minute, data in enumerate((b"%PDF-1.7 a", b"%PDF-1.7 a", b"%PDF-1.7 b"))
    ]
    assert [archived(capture, tools).version for capture in visits] == [1, 1, 2]


def test_the_same_payload_is_unchanged_whatever_the_rules_make_of_it_now(tmp_path: Path) -> None:
    """That newer rules give another text is for `reclean` to find."""
    with tools_of(str(tmp_path / "store")) as tools:
        first = archived(visit(html("A"), 0), tools)
    rewrite(tmp_path / "store", first, text="Quite another text.", text_sha256="sha256:" + "0" * 64)
    with tools_of(str(tmp_path / "store")) as tools:
        assert archived(visit(html("A"), 1), tools).observation


def test_a_version_of_before_manifests_named_the_payload_is_held_against_its_text(tmp_path: Path) -> None:
    with tools_of(str(tmp_path / "store")) as tools:
        first = archived(visit(html("A"), 0), tools)
    rewrite(tmp_path / "store", first, original=None)
    with tools_of(str(tmp_path / "store")) as tools:
        outcome = archived(visit(html("A"), 1), tools)
        assert tools.store.read_event(outcome.observation).detail["why"] == "same-text"


def rewrite(store: Path, outcome: Outcome, **fields: Any) -> None:
    assert outcome.ref
    path = store / outcome.ref.key.replace(".wacz", ".json")
    table = json.loads(path.read_text())
    path.chmod(0o644)
    path.write_text(json.dumps({**table, **fields}))


# ------------------------------------------------------------------ thinner
@pytest.mark.parametrize(
    ("limits", "verdict"),
    [
        ({}, "thin"),
        ({"thinner_share": 0.0}, "ok"),
        ({"thinner_share": 0.1}, "ok"),
        ({"thinner_from_words": 1000}, "ok"),
    ],
)
def test_most_words_gone_is_thin_within_the_settings(tmp_path: Path, limits: dict[str, Any], verdict: str) -> None:
    with tools_of(str(tmp_path / "store"), **limits) as tools:
        archived(visit(html("A"), 0), tools)
        outcome = archived(visit(html("thin"), 1), tools)
        assert outcome.verdict
        assert outcome.verdict.kind == verdict


def test_an_edit_that_takes_half_is_a_version(tools: Tools) -> None:
    archived(visit(html("A"), 0), tools)
    half = " ".join(html("A").decode().partition("<p>")[2].partition("</p>")[0].split()[:115])
    assert archived(visit(html(half), 1), tools).version == 2


def test_a_thin_capture_names_the_version_and_verifies(tools: Tools, tmp_path: Path) -> None:
    first = archived(visit(html("A"), 0), tools)
    thin = archived(visit(html("thin"), 1), tools)
    assert first.ref
    assert thin.ref
    assert read_manifest(tools.store.read_manifest(thin.ref.id)).previous
    problems = verify_stored(tools.store, thin.ref.id, tools.store.fetch_bundle(thin.ref.id, tmp_path))
    assert is_sound(problems), problems


# ------------------------------------------------------------------ the version before, in the store
def chained(tools: Tools) -> tuple[str, str]:
    """The ids of two versions."""
    ids = []
    for minute, name in enumerate("AB"):
        outcome = archived(visit(html(name), minute), tools)
        assert outcome.ref
        ids.append(outcome.ref.id)
    return ids[0], ids[1]


def codes(tools: Tools, id_: str, **fields: Any) -> list[tuple[str, str]]:
    manifest = json.dumps({**json.loads(tools.store.read_manifest(id_)), **fields}).encode()
    return [(item.code, item.severity) for item in lineage_problems(tools.store, manifest)]


def test_a_version_before_that_is_there_fits(tools: Tools) -> None:
    assert codes(tools, chained(tools)[1]) == []


def test_one_that_is_gone_is_noted(tools: Tools) -> None:
    first, second = chained(tools)
    tools.store.objects.delete(manifest_key(first))
    assert codes(tools, second) == [("previous-missing", "note")]


def test_one_that_was_taken_down_is_no_finding(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    _, second = chained(tools)
    manifest = tools.store.read_manifest(second)

    def taken_down(id_: str) -> bytes:
        raise NotFound("taken down", code="tombstoned")

    monkeypatch.setattr(tools.store, "read_manifest", taken_down)
    assert lineage_problems(tools.store, manifest) == ()


def test_another_file_under_that_id_is_found(tools: Tools) -> None:
    first, second = chained(tools)
    other = {"id": first, "sha256": f"sha256:{first[15:]}" + "0" * 48}
    assert codes(tools, second, previous=other) == [("previous-mismatch", "error")]


def test_one_that_says_it_was_captured_later_is_found(tools: Tools, tmp_path: Path) -> None:
    first, second = chained(tools)
    path = tmp_path / "store" / manifest_key(first)
    path.chmod(0o644)
    path.write_text(path.read_text().replace('"captured_at":"2026', '"captured_at":"2036'))
    assert codes(tools, second) == [("previous-mismatch", "error")]


def test_one_that_cannot_be_read_is_found(tools: Tools, tmp_path: Path) -> None:
    first, second = chained(tools)
    path = tmp_path / "store" / manifest_key(first)
    path.chmod(0o644)
    path.write_text("{}")
    assert codes(tools, second) == [("previous-mismatch", "error")]


# ------------------------------------------------------------------ one article, several URLs
def test_captures_of_one_article_follow_each_other(tools: Tools) -> None:
    """By its canonical link: the second of two URLs finds the version that the first has just made."""
    link = f"<link rel=canonical href={PAGE_URL}>"
    visits = [visit(html("A", more=link), minute, url=f"{PAGE_URL}?edition={minute}") for minute in range(6)]
    with ThreadPoolExecutor(6) as pool:
        outcomes = list(pool.map(lambda capture: archived(capture, tools), visits))
    assert sum(bool(outcome.ref and outcome.ref.created) for outcome in outcomes) == 1
    assert {outcome.version for outcome in outcomes} == {1}


def test_another_host_cannot_put_itself_into_an_article_s_history(tools: Tools) -> None:
    archived(visit(html("A"), 0), tools)
    link = f"<link rel=canonical href={PAGE_URL}>"
    stranger = archived(visit(html("B", more=link), 1, url="https://other.example/crane"), tools)
    assert stranger.ref
    assert stranger.version == 1
    assert read_manifest(tools.store.read_manifest(stranger.ref.id)).previous is None


def moved(asked: str, to: str, body: bytes, minute: int) -> Capture:
    """A visit that was redirected."""
    location = (("Location", to), ("Content-Length", "0"))
    away = exchange(b"", url=asked, status="302 Found", headers=location, after_s=60.0 * minute)
    return Capture(asked, (away, *visit(body, minute, url=to).exchanges), AGENT)


def test_a_url_that_leads_to_another_article_each_day_joins_none(tools: Tools) -> None:
    latest, first, second = (f"https://news.example/{path}" for path in ("latest", "2026/crane", "2026/ferry"))
    archived(moved(latest, first, html("A"), 0), tools)
    other = archived(moved(latest, second, html("B", title="The ferry"), 1), tools)
    again = archived(moved(latest, second, html("B", title="The ferry", token="2"), 2), tools)
    assert other.ref
    assert read_manifest(tools.store.read_manifest(other.ref.id)).previous is None
    assert (other.version, again.version, bool(again.observation)) == (1, 1, True)


def test_an_article_that_moved_keeps_its_history(tools: Tools) -> None:
    archived(visit(html("A"), 0), tools)
    assert archived(moved(PAGE_URL, f"{PAGE_URL}-stays", html("B"), 1), tools).version == 2
    assert archived(visit(html("B"), 2, url=f"{PAGE_URL}-stays"), tools).observation


def test_a_capture_that_comes_in_late_follows_the_version_of_its_moment(tools: Tools) -> None:
    first = archived(visit(html("A"), 0), tools)
    archived(visit(html("C"), 9), tools)
    late = archived(visit(html("B"), 5), tools)
    assert late.ref
    assert first.ref
    previous = read_manifest(tools.store.read_manifest(late.ref.id)).previous
    assert previous
    assert previous.id == first.ref.id


def test_a_capture_of_before_the_first_version_follows_nothing(tools: Tools) -> None:
    archived(visit(html("C"), 9), tools)
    late = archived(visit(html("B"), 5), tools)
    assert late.ref
    assert late.version is None
    assert read_manifest(tools.store.read_manifest(late.ref.id)).previous is None


def test_without_a_catalog_nothing_is_taken_for_new(tmp_path: Path) -> None:
    with tools_of(str(tmp_path / "store")) as tools:
        broken = History(tools.store, lambda: (_ for _ in ()).throw(sqlite3.OperationalError("disk I/O error")))
        outcome = archived(visit(html("A"), 0), replace(tools, history=broken))
        assert isinstance(outcome.error, DiskFull)
        assert list(tools.store.list_ids()) == []


# ------------------------------------------------------------------ the WARC of an observation
def records(path: Path) -> list[dict[str, str]]:
    """Type and fields of each record, by warcio."""
    code = (
        "import json, sys\nfrom warcio.archiveiterator import ArchiveIterator\n"
        "with open(sys.argv[1], 'rb') as file:\n"
        "    for record in ArchiveIterator(file, no_record_parse=True):\n"
        "        block = record.raw_stream.read().decode('latin-1')\n"
        "        print(json.dumps([dict(record.rec_headers.headers), block]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code, path], capture_output=True, text=True, check=True)
    return [{**fields, "block": block} for fields, block in map(json.loads, done.stdout.splitlines())]


def seen(capture: Capture, tmp_path: Path, *, first: bytes = html("A")) -> list[dict[str, str]]:
    with tools_of(str(tmp_path / "store")) as tools:
        archived(visit(first, 0), tools)
        outcome = archived(capture, tools)
    path = attachment(tmp_path / "store", outcome.observation)
    assert is_sound(verify_file(path))
    return records(path)


def test_the_same_payload_leaves_a_revisit_record(tmp_path: Path) -> None:
    info, revisit, request, about = seen(visit(html("A"), 1), tmp_path)
    bundle = next((tmp_path / "store").glob("v1/bundles/*/*/*/*.json"))
    original = json.loads(bundle.read_text())["original"]
    assert [item["WARC-Type"] for item in (info, revisit, request, about)] == [
        "warcinfo",
        "revisit",
        "request",
        "metadata",
    ]
    assert revisit["WARC-Profile"] == "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"
    assert revisit["WARC-Refers-To"] == original["record"]
    assert revisit["WARC-Refers-To-Target-URI"] == original["url"]
    assert revisit["WARC-Refers-To-Date"] == original["date"]
    assert revisit["WARC-Refers-To-Container"] == f"file://{bundle.stem}.wacz"
    assert revisit["WARC-Payload-Digest"] == original["payload"]
    assert revisit["WARC-Truncated"] == "length"
    assert revisit["block"].startswith("HTTP/1.1 200 OK\r\n")
    assert revisit["block"].endswith("\r\n\r\n")
    assert request["WARC-Concurrent-To"] == about["WARC-Concurrent-To"] == revisit["WARC-Record-ID"]
    assert "verdict: ok" in about["block"]


def test_another_payload_is_kept_whole(tmp_path: Path) -> None:
    """A revisit record would say that it was the same."""
    body = html("A", token="another")
    _, response, _, _ = seen(visit(body, 1), tmp_path)
    assert response["WARC-Type"] == "response"
    assert response["block"].encode("latin-1").endswith(body)
    assert not any(name.startswith("WARC-Refers") for name in response)


def test_a_damaged_observation_is_found(tmp_path: Path) -> None:
    with tools_of(str(tmp_path / "store")) as tools:
        archived(visit(html("A"), 0), tools)
        path = attachment(tmp_path / "store", archived(visit(html("A"), 1), tools).observation)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    broken = tmp_path / "broken.warc.gz"
    broken.write_bytes(data)
    assert not is_sound(verify_file(broken))


def test_an_observation_told_twice_is_one(tools: Tools, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reply that was lost: the stage is run again for the same capture."""
    archived(visit(html("A"), 0), tools)
    calls: list[int] = []
    put = tools.store.put_event

    def lost(*args: Any) -> str:
        key = put(*args)
        calls.append(1)
        if len(calls) == 1:
            raise StoreUnavailable("no answer")
        return key

    monkeypatch.setattr(tools.store, "put_event", lost)
    capture = visit(html("A"), 1)
    assert isinstance(archived(capture, tools).error, StoreUnavailable)
    assert archived(capture, tools).observation
    assert len(list(tools.store.events())) - sum(event.kind == "late" for event in tools.store.events()) == 1


# ------------------------------------------------------------------ from a real server
class Counting(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        body = html("A")
        self.send_response(200)
        self.send_header("Content-Type", "text/html; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Nothing."""


@pytest.fixture
def site() -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), Counting) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()
        thread.join()


def test_a_page_served_twice_is_one_bundle_and_one_observation(site: str, location: str) -> None:
    with tools_of(location, allow=(site,)) as tools:
        first, second = (archive_page(f"http://{site}/story", tools) for _ in range(2))
        assert first.ref
        assert second.ref
        assert (first.ref.created, second.ref.created) == (True, False)
        assert first.ref.id == second.ref.id
        assert list(tools.store.list_ids()) == [first.ref.id]
        assert [event.kind for event in tools.store.events()] == ["observation"]
        row = second.as_json()
        assert (row["created"], row["version"], row["id"], row["key"]) == (False, 1, first.ref.id, first.ref.key)
        assert row["observation"] == second.observation


def test_one_url_many_times_in_one_run_is_one_version(site: str, tmp_path: Path) -> None:
    urls = [f"http://{site}/story#{number}" for number in range(12)]
    with tools_of(str(tmp_path / "store"), allow=(site,)) as tools:
        outcomes = list(archive_pages(urls, tools))
    assert {outcome.version for outcome in outcomes} == {1}
    assert sum(not outcome.observation for outcome in outcomes) == 1
