"""What sites are asked, over real sockets: robots.txt beside the page, and pages asked for unless unchanged."""

import dataclasses
import gzip
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from warcio.archiveiterator import ArchiveIterator

from tasks.bundle import pack
from tasks.bundle.manifest import read_manifest
from tasks.bundle.original import read_original
from tasks.bundle.page import read_page_block
from tasks.bundle.verify import is_sound, verify_file
from tasks.errors import StoreUnavailable
from tasks.pipeline import Outcome, Tools, archive_page, open_tools
from tasks.recleaning import Job, open_bench, reclean_bundle
from tasks.records import VerdictKind
from tasks.settings import config_dirs, load_settings
from tasks.sources import Source
from tasks.watching import watch_source
from tests.history_kit import attachment, html
from tests.hostile import cases
from tests.hostile.cases import Request, Step, response
from tests.hostile.tough_server import ToughServer

Archived = Callable[..., Outcome]


@pytest.fixture
def site() -> Iterator[ToughServer]:
    with ToughServer() as server:
        yield server


@contextmanager
def tools_for(site: ToughServer, folder: Path, **changes: Any) -> Iterator[Tools]:
    made = load_settings(environ={}, store=str(folder / "store"), allow=(site.pair,), retry_wait_s=0.0, **changes)
    with open_tools(made, config_dirs(environ={})) as tools:
        yield tools


@pytest.fixture
def tools(site: ToughServer, tmp_path: Path) -> Iterator[Tools]:
    with tools_for(site, tmp_path) as made:
        yield made


def path_of(outcome: Outcome, tools: Tools) -> Path:
    assert outcome.ref
    return Path(tools.settings.store) / outcome.ref.key


def records(data: bytes) -> list[tuple[str, str, dict[str, str]]]:
    """Type, URL and fields of every record of a WARC."""
    found = []
    for record in ArchiveIterator(BytesIO(data), no_record_parse=True):
        fields = dict(record.rec_headers.headers)
        found.append((record.rec_type, fields.get("WARC-Target-URI", ""), fields))
    return found


def responses(bundle: Path) -> list[str]:
    with zipfile.ZipFile(bundle) as archive:
        return [url for kind, url, _ in records(archive.read("archive/data.warc.gz")) if kind == "response"]


def member(bundle: Path, name: str) -> Any:
    with zipfile.ZipFile(bundle) as archive:
        return json.loads(archive.read(name))


# ------------------------------------------------------------------ robots.txt beside the page
def test_what_robots_txt_answered_stands_behind_the_page_in_the_warc(site: ToughServer, tools: Tools) -> None:
    outcome = archive_page(site.url("/redirect/1"), tools)
    bundle, page = path_of(outcome, tools), outcome.final_url

    assert outcome.good
    assert outcome.robots == ""
    assert responses(bundle) == [site.url("/redirect/1"), page, site.url("/robots.txt")]
    assert [problem for problem in verify_file(bundle) if problem.severity != "note"] == []
    facts = member(bundle, "article/provenance.json")["capture"]
    assert facts["robots"] == {
        "policy": "report",
        "allowed": True,
        "reason": f"allowed by {site.url('/robots.txt')}",
    }
    assert [one["url"] for one in facts["exchanges"]] == responses(bundle)


def test_the_page_stays_the_page_for_all_who_look_for_it(site: ToughServer, tools: Tools) -> None:
    outcome = archive_page(site.url("/plain"), tools)
    bundle, page = path_of(outcome, tools), site.url("/plain")
    manifest = read_manifest(tools.store.read_manifest(bundle.stem))

    assert manifest.original
    assert (manifest.original.url, manifest.final_url) == (page, page)
    assert read_page_block(bundle)[0] == page
    assert [exchange.url for exchange in read_original(bundle).exchanges] == [page]
    assert member(bundle, "datapackage.json")["mainPageUrl"] == page
    with zipfile.ZipFile(bundle) as archive:
        (line,) = archive.read("pages/pages.jsonl").splitlines()[1:]
        rows = gzip.decompress(archive.read("indexes/index.cdx.gz")).decode()
    assert json.loads(line)["url"] == page
    assert rows.count(site.url("/robots.txt")) == 1
    with open_bench(Job(tools.settings, config_dirs(environ={}))) as bench:
        assert reclean_bundle(bundle.stem, bench).status == "unchanged"


def test_a_bundle_that_hides_what_stands_beside_its_page_does_not_verify(
    site: ToughServer, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    facts = pack.capture_facts
    monkeypatch.setattr(pack, "capture_facts", lambda capture: facts(dataclasses.replace(capture, beside=())))
    outcome = archive_page(site.url("/plain"), tools)

    assert outcome.ref is None
    assert {problem.code for problem in outcome.problems} == {"derived-mismatch"}


def test_pages_of_one_origin_ask_once_and_each_bundle_has_the_answer(site: ToughServer, tools: Tools) -> None:
    outcomes = [archive_page(site.url(f"/number/{number}"), tools) for number in range(3)]

    assert len(site.requests("/robots.txt")) == 1
    assert all(responses(path_of(item, tools))[-1] == site.url("/robots.txt") for item in outcomes)


def test_a_robots_txt_that_leads_to_the_page_hides_it_from_no_index(
    site: ToughServer, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = response(b"", b"Location: /plain", status=b"302 Found")
    monkeypatch.setitem(cases.CASES, "robots.txt", lambda _request: iter((away,)))
    outcome = archive_page(site.url("/plain"), tools)
    with zipfile.ZipFile(path_of(outcome, tools)) as archive:
        rows = gzip.decompress(archive.read("indexes/index.cdx.gz")).decode().splitlines()

    assert outcome.good
    assert len({row.partition("{")[0] for row in rows}) == len(rows)


@pytest.mark.parametrize(
    ("policy", "stored", "said", "asked"),
    [("report", True, True, 1), ("obey", False, False, 1), ("ignore", True, False, 0)],
)
def test_a_page_that_robots_txt_forbids(
    policy: str,
    stored: bool,
    said: bool,
    asked: int,
    site: ToughServer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(cases.CASES, "private", cases.CASES["plain"])
    with tools_for(site, tmp_path, robots_by_hand=policy) as tools:
        outcome = archive_page(site.url("/private"), tools)
        assert outcome.good is stored
        assert (outcome.robots == f"disallowed by {site.url('/robots.txt')}") is said
        assert outcome.as_json()["robots"] == (outcome.robots or None)
        assert len(site.requests("/robots.txt")) == asked
        assert len(site.requests("/private")) == stored
        if not stored:
            assert outcome.error
            assert (outcome.error.code, "disallowed by" in str(outcome.error)) == ("robots", True)
        else:
            assert len(responses(path_of(outcome, tools))) == 1 + asked


def test_a_scheduled_run_obeys_whatever_holds_by_hand(
    site: ToughServer, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cases.CASES, "private", cases.CASES["plain"])
    urls = (site.url("/private"), site.url("/plain"))
    report = watch_source(Source(name="s", cron="", urls=urls), tools)

    assert [outcome.url for outcome in report.outcomes] == [urls[1]]
    assert [url for url, _ in report.plan.disallowed] == [urls[0]]
    assert site.requests("/private") == []
    facts = member(path_of(report.outcomes[0], tools), "article/provenance.json")["capture"]
    assert facts["robots"]["policy"] == "obey"
    assert len(site.requests("/robots.txt")) == 1


def test_a_robots_txt_that_is_not_to_be_had_is_named_and_the_page_archived(
    site: ToughServer, tools: Tools, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(cases.CASES, "robots.txt", lambda _request: iter((response(b"", status=b"500 Oh"),)))
    outcome = archive_page(site.url("/plain"), tools)

    assert outcome.good
    assert outcome.robots.endswith("answered 500")


# ------------------------------------------------------------------ asked for unless unchanged
class Dated:
    """A page whose server knows its versions apart, and answers 304 as RFC 9110 has it."""

    def __init__(self) -> None:
        self.text, self.etag, self.modified = "A", b'W/"a1"', b"Sun, 22 Nov 2026 05:00:00 GMT"

    def __call__(self, request: Request) -> Iterator[Step]:
        given = [b"ETag: " + self.etag] if self.etag else []
        given += [b"Last-Modified: " + self.modified] if self.modified else []
        asked = [line.partition(b": ")[2] for line in request.head.split(b"\r\n") if line.lower().startswith(b"if-")]
        if asked and set(asked) <= {self.etag, self.modified}:
            lines = b"\r\n".join([b"HTTP/1.1 304 Not Modified", b"Date: Mon, 23 Nov 2026 05:00:00 GMT", *given])
            yield lines + b"\r\n\r\n"
        else:
            yield response(html(self.text), *given)


@pytest.fixture
def dated(monkeypatch: pytest.MonkeyPatch) -> Dated:
    made = Dated()
    monkeypatch.setitem(cases.CASES, "dated", made)
    return made


def conditions(head: bytes) -> list[bytes]:
    return [line for line in head.split(b"\r\n") if line.lower().startswith(b"if-")]


def test_a_304_confirms_the_version_and_makes_no_bundle(site: ToughServer, tools: Tools, dated: Dated) -> None:
    url = site.url("/dated")
    first, second = archive_page(url, tools), archive_page(url, tools)

    assert [conditions(head) for head in site.requests("/dated")] == [
        [],
        [b'If-None-Match: W/"a1"', b"If-Modified-Since: Sun, 22 Nov 2026 05:00:00 GMT"],
    ]
    assert first.ref
    assert second.ref
    assert (second.good, second.kind, second.version) == (True, "unchanged", 1)
    assert (second.ref.id, second.ref.created) == (first.ref.id, False)
    assert (second.title, second.words, second.text) == (first.title, first.words, first.text)
    event = tools.store.read_event(second.observation)
    assert event.bundle == first.ref.id
    assert {name: event.detail[name] for name in ("why", "status", "verdict", "changed", "url")} == {
        "why": "not-modified",
        "status": 304,
        "verdict": "ok",
        "changed": [],
        "url": url,
    }
    assert len(list(tools.store.list_ids(first.ref.id[:8]))) == 1


def test_its_warc_has_a_revisit_of_the_profile_server_not_modified(
    site: ToughServer, tools: Tools, dated: Dated
) -> None:
    first, second = (archive_page(site.url("/dated"), tools) for _ in range(2))
    warc = attachment(Path(tools.settings.store), second.observation)
    original = read_manifest(tools.store.read_manifest(path_of(first, tools).stem)).original
    assert original
    ((_, url, fields),) = [item for item in records(warc.read_bytes()) if item[0] == "revisit"]

    assert is_sound(verify_file(warc))
    assert url == site.url("/dated")
    assert fields["WARC-Profile"] == "http://netpreserve.org/warc/1.1/revisit/server-not-modified"
    assert fields["WARC-Refers-To"] == original.record
    assert fields["WARC-Refers-To-Target-URI"] == original.url
    assert fields["WARC-Refers-To-Date"] == original.date
    assert fields["WARC-Refers-To-Container"] == f"file://{path_of(first, tools).name}"
    assert not {"WARC-Truncated", "WARC-Payload-Digest"} & set(fields)
    kinds = [(kind, url.rpartition("/")[2]) for kind, url, _ in records(warc.read_bytes())]
    assert kinds == [
        ("warcinfo", ""),
        *((kind, "dated") for kind in ("revisit", "request", "metadata")),
        *((kind, "robots.txt") for kind in ("response", "request", "metadata")),
    ]
    assert b"HTTP/1.1 304 Not Modified\r\n" in gzip.decompress(warc.read_bytes())


def test_what_changed_comes_whole_and_is_the_next_version(site: ToughServer, tools: Tools, dated: Dated) -> None:
    archive_page(site.url("/dated"), tools)
    dated.text, dated.etag, dated.modified = "B", b'"b2"', b""
    time.sleep(1.1)  # which of two versions of one second is the later one, nothing tells
    second = archive_page(site.url("/dated"), tools)
    third = archive_page(site.url("/dated"), tools)

    assert (second.version, second.observation) == (2, "")
    assert conditions(site.requests("/dated")[2]) == [b'If-None-Match: "b2"']
    assert (third.version, bool(third.observation)) == (2, True)


def test_the_same_page_sent_once_more_is_known_by_its_payload(site: ToughServer, tools: Tools, dated: Dated) -> None:
    archive_page(site.url("/dated"), tools)
    dated.etag = b'"another"'
    second = archive_page(site.url("/dated"), tools)

    assert tools.store.read_event(second.observation).detail["why"] == "same-payload"


@pytest.mark.parametrize(("settings", "force"), [({}, True), ({"conditional": False}, False)])
def test_nothing_is_asked_with_force_or_where_the_settings_say_so(
    settings: dict[str, Any], force: bool, site: ToughServer, tmp_path: Path, dated: Dated
) -> None:
    with tools_for(site, tmp_path, **settings) as tools:
        for _ in range(2):
            archive_page(site.url("/dated"), tools, force=force)
    assert [conditions(head) for head in site.requests("/dated")] == [[], []]


@pytest.mark.parametrize("etag", [b"", b'"gr\xf6\xdfe"', b'"' + b"x" * 1100 + b'"'])
def test_a_validator_that_is_missing_or_odd_is_not_sent_back(etag: bytes, site: ToughServer, tools: Tools) -> None:
    cases.CASES["odd"] = lambda _request: iter((response(html("A"), *([b"ETag: " + etag] if etag else [])),))
    try:
        outcomes = [archive_page(site.url("/odd"), tools) for _ in range(2)]
    finally:
        del cases.CASES["odd"]
    assert [outcome.good for outcome in outcomes] == [True, True]
    assert [conditions(head) for head in site.requests("/odd")] == [[], []]


def test_only_the_url_that_gave_the_validators_is_asked_with_them(
    site: ToughServer, tools: Tools, dated: Dated, monkeypatch: pytest.MonkeyPatch
) -> None:
    away = response(b"", b"Location: /dated", b'ETag: "way"', status=b"301 Moved Permanently")
    monkeypatch.setitem(cases.CASES, "way", lambda _request: iter((away,)))
    outcomes = [archive_page(site.url("/way"), tools) for _ in range(2)]

    assert [bool(outcome.observation) for outcome in outcomes] == [False, True]
    assert tools.store.read_event(outcomes[1].observation).detail["why"] == "not-modified"
    assert [conditions(head) for head in site.requests("/way")] == [[], []]
    assert [len(conditions(head)) for head in site.requests("/dated")] == [0, 2]


@pytest.mark.parametrize("known", [True, False])
def test_a_304_that_nobody_asked_for_is_an_error(
    known: bool, site: ToughServer, tools: Tools, dated: Dated, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also of a page whose version gave no validators."""
    if known:
        dated.etag = dated.modified = b""
        archive_page(site.url("/dated"), tools)
    monkeypatch.setitem(cases.CASES, "dated", lambda _request: iter((b"HTTP/1.1 304 Not Modified\r\n\r\n",)))
    outcome = archive_page(site.url("/dated"), tools)

    assert outcome.verdict
    assert (outcome.good, outcome.verdict.kind, outcome.observation) == (False, VerdictKind.ERROR, "")
    assert outcome.verdict.reasons[0] == "status-304"
    assert outcome.version is None


def test_a_bad_capture_is_no_version_to_ask_with(site: ToughServer, tools: Tools, dated: Dated) -> None:
    dated.text = "Too few words."
    assert not archive_page(site.url("/dated"), tools).good
    archive_page(site.url("/dated"), tools)

    assert conditions(site.requests("/dated")[1]) == []


def test_where_the_store_cannot_tell_the_whole_page_is_asked_for_and_kept(
    site: ToughServer, tools: Tools, dated: Dated, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    archive_page(site.url("/dated"), tools)

    def down(*_: Any) -> None:
        raise StoreUnavailable("it is down", where="here")

    with tools_for(site, tmp_path, outbox=str(tmp_path / "outbox")) as later:
        monkeypatch.setattr(type(later.history), "latest", down)
        outcome = archive_page(site.url("/dated"), later)
    assert conditions(site.requests("/dated")[1]) == []
    assert outcome.waiting


def test_a_304_whose_observation_cannot_be_stored_is_a_failure(
    site: ToughServer, tools: Tools, dated: Dated, monkeypatch: pytest.MonkeyPatch
) -> None:
    archive_page(site.url("/dated"), tools)

    def down(*_: Any) -> str:
        raise StoreUnavailable("it is down", where="here")

    monkeypatch.setattr(type(tools.store), "put_event", down)
    outcome = archive_page(site.url("/dated"), tools)
    assert isinstance(outcome.error, StoreUnavailable)
    assert (outcome.good, outcome.waiting) == (False, "")


def test_what_is_no_url_is_looked_up_nowhere(tools: Tools) -> None:
    for url in ("http://\udcff\udcfe/", "http://[x", "nowhere"):
        assert archive_page(url, tools).error


def test_the_validators_stand_in_manifest_and_provenance(site: ToughServer, tools: Tools, dated: Dated) -> None:
    outcome = archive_page(site.url("/dated"), tools)
    original = read_manifest(tools.store.read_manifest(path_of(outcome, tools).stem)).original
    assert original
    assert (original.etag, original.last_modified) == ('W/"a1"', "Sun, 22 Nov 2026 05:00:00 GMT")
    stated = member(path_of(outcome, tools), "article/provenance.json")["original"]
    assert (stated["etag"], stated["last_modified"]) == (original.etag, original.last_modified)
