"""One watch run, without Prefect: what is due, in which order, how politely, and what is reported."""

import dataclasses
import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks.catalog import Entry, identity
from tasks.errors import CaptureFailed, CaptureTransient, FormatError
from tasks.pipeline import Tools, open_tools
from tasks.records import VerdictKind
from tasks.settings import config_dirs, load_settings
from tasks.sources import Source
from tasks.watching import Plan, Report, held_urls, open_watched, plan_stage, share_of, watch_source


@contextmanager
def tools(site: str, folder: Path, **flags: Any) -> Iterator[Tools]:
    settings = load_settings(
        environ={}, store=str(folder / "store"), allow=[site], retry_wait_s=0.0, **({"thin_words": 5} | flags)
    )
    with open_tools(settings, config_dirs(environ={})) as made:
        yield made


def feed(site: str, path: str = "/feed.xml", **fields: Any) -> Source:
    return Source(name="harbour", kind="feed", at=f"http://{site}{path}", cron="* * * * *", **fields)


def planned(source: Source, urls: tuple[str, ...], made: Tools) -> Plan:
    with open_watched(made.store, made.settings) as watched:
        return plan_stage(source, urls, made, watched, datetime.now(UTC))


def paths(report: Report) -> list[tuple[str, bool]]:
    return sorted((outcome.url.split("/", 3)[3], outcome.good) for outcome in report.outcomes)


# ------------------------------------------------------------------ a whole run
def test_a_run_archives_what_is_new_and_allowed_and_the_next_one_only_tries_failures_again(
    site: str, tmp_path: Path
) -> None:
    with tools(site, tmp_path) as made:
        heard: list[str] = []
        first = watch_source(feed(site), made, heard=lambda outcome: heard.append(outcome.url))
        second = watch_source(feed(site), made)
    assert paths(first) == [("crane", True), ("ferry", True), ("gone", False)]
    assert sorted(heard) == sorted(outcome.url for outcome in first.outcomes)
    assert [url for url, _ in first.plan.disallowed] == [f"http://{site}/private/minutes"]
    assert str(first).startswith("harbour: 4 found, 0 held, 2 archived (2 new), 1 failed, 1 disallowed")
    assert not first.good
    assert all(outcome.text == "" for outcome in first.outcomes)
    assert (second.plan.held, paths(second)) == (2, [("gone", False)])


def test_the_report_is_one_object_with_each_page_and_each_disallowed_url(site: str, tmp_path: Path) -> None:
    with tools(site, tmp_path) as made:
        report = json.loads(json.dumps(watch_source(feed(site), made).as_json()))
    counts = {key: report[key] for key in ("source", "found", "held", "archived", "failed", "left")}
    assert counts == {"source": "harbour", "found": 4, "held": 0, "archived": 2, "failed": 1, "left": 0}
    assert [entry["url"] for entry in report["disallowed"]] == [f"http://{site}/private/minutes"]
    assert {page["verdict"] for page in report["pages"]} == {"ok", "error"}


def test_a_limit_leaves_the_rest_for_the_next_run(site: str, tmp_path: Path) -> None:
    with tools(site, tmp_path) as made:
        first = watch_source(feed(site, limit=1), made)
        second = watch_source(feed(site, limit=1), made)
    assert (paths(first), first.plan.left) == ([("crane", True)], 3)
    assert (paths(second), second.plan.left) == ([("ferry", True)], 2)


@pytest.mark.parametrize(("policy", "listed"), [("report", 1), ("ignore", 0)])
def test_robots_txt_can_be_reported_or_ignored(site: str, tmp_path: Path, policy: str, listed: int) -> None:
    with tools(site, tmp_path, robots=policy) as made:
        plan = planned(feed(site), (f"http://{site}/private/minutes",), made)
    assert plan.due == (f"http://{site}/private/minutes",)
    assert len(plan.disallowed) == listed


def test_a_refused_url_is_tried_so_that_its_outcome_says_why(site: str, tmp_path: Path) -> None:
    urls = ("ftp://a.example/", "http://127.0.0.1:9/", "http://user:secret@a.example/")
    with tools(site, tmp_path) as made:
        report = watch_source(Source(name="s", cron="", urls=urls), made)
    assert {outcome.url for outcome in report.outcomes if outcome.error} == {*urls[:2], "http://…@a.example/"}


def test_a_line_of_a_list_that_is_no_url_at_all_stops_no_other(site: str, tmp_path: Path) -> None:
    with tools(site, tmp_path) as made:
        report = watch_source(Source(name="s", cron="", urls=("http://[x", f"http://{site}/crane")), made)
    assert sorted(outcome.good for outcome in report.outcomes) == [False, True]


def test_a_page_whose_robots_txt_cannot_be_read_is_a_failure_of_this_run_and_not_fetched(
    site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from tests.flows.conftest import PAGES, STATUS

    monkeypatch.delitem(PAGES, "/robots.txt")
    monkeypatch.setitem(STATUS, "/robots.txt", 503)
    source = Source(name="s", cron="", urls=(f"http://{site}/crane",))
    heard: list[str] = []
    with tools(site, tmp_path) as made:
        report = watch_source(source, made, heard=lambda outcome: heard.append(outcome.url))
    with tools(site, tmp_path, robots="report") as made:
        reported = watch_source(source, made)
    assert (paths(report), report.plan.due, heard) == ([("crane", False)], (), list(source.urls))
    assert report.failed[0].error is not None
    assert "robots.txt could not be read" in str(report.failed[0].error)
    assert (paths(reported), reported.plan.disallowed) == ([("crane", True)], ())  # nobody forbade it


def test_a_feed_that_cannot_be_read_ends_the_run(site: str, tmp_path: Path) -> None:
    with tools(site, tmp_path) as made:
        with pytest.raises(CaptureFailed, match="the answer was 404"):
            watch_source(feed(site, "/gone.xml"), made)
        with pytest.raises(CaptureTransient, match="the answer was 503"):
            watch_source(feed(site, "/busy"), made)
        with pytest.raises(FormatError):
            watch_source(feed(site, "/crane"), made)


# ------------------------------------------------------------------ what is held
def bundle_of(url: str, kind: str = "ok", final_url: str = "", canonical: str = "") -> Entry:
    return Entry(
        id="20261123101500-0123456789abcdef",
        url=url,
        final_url=final_url or url,
        canonical_url=canonical,
        captured_at="2026-11-23T10:15:00Z",
        verdict=VerdictKind(kind),
        reasons=(),
        title="",
        words=0,
        size=0,
    )


def test_a_good_bundle_holds_the_url_asked_for_where_it_led_and_its_canonical_one() -> None:
    bundle = bundle_of("https://a.example/1#x", final_url="https://a.example/2", canonical="https://a.example/3#y")
    assert held_urls([bundle], 3) == {"https://a.example/1", "https://a.example/2", "https://a.example/3"}


def test_a_page_cannot_claim_to_be_one_of_another_host() -> None:
    bundle = bundle_of("https://a.example/1", canonical="https://victim.example/")
    assert held_urls([bundle], 3) == {"https://a.example/1"}


def test_a_bad_bundle_holds_its_url_only_after_as_many_tries_as_the_settings_say() -> None:
    bad = bundle_of("https://a.example/1", kind="error")
    tries = [dataclasses.replace(bad, id=f"2026112301010{number}-0123456789abcdef") for number in range(3)]
    assert held_urls(tries[:2], 3) == set()
    assert held_urls(tries, 3) == {"https://a.example/1"}
    assert held_urls([*tries[:1], bundle_of("https://a.example/1")], 3) == {"https://a.example/1"}


def test_a_bad_capture_that_was_cleaned_anew_counts_as_one_try() -> None:
    bad = dataclasses.replace(bundle_of("https://a.example/1", kind="error"), id="20261123010100-0123456789abcdef")
    anew = [
        dataclasses.replace(bad, id=f"20261123010100-{number:016x}", root=bad.id, generation=number)
        for number in (1, 2, 3)
    ]
    assert held_urls([bad, *anew], 2) == set()


def test_a_url_is_held_however_host_and_port_are_spelled() -> None:
    held = held_urls([bundle_of("https://A.example:443")], 3)
    assert identity("https://a.example/#top") in held
    assert identity("http://www.a.example/index.html?utm_source=feed") in held
    assert identity("https://a.example:8443/") not in held
    assert identity("https://a.example/A") not in held


def test_a_damaged_manifest_ends_the_run_and_names_the_bundle(site: str, tmp_path: Path) -> None:
    """Where the catalog is read anew; a catalog that has it knows what it said."""
    with tools(site, tmp_path, cache=str(tmp_path / "here")) as made:
        watch_source(feed(site, limit=1), made)
        (path,) = (tmp_path / "store").glob("v1/bundles/*/*/*/*.json")
        path.write_text("{}")
    elsewhere = tools(site, tmp_path, cache=str(tmp_path / "elsewhere"))
    with elsewhere as made, pytest.raises(FormatError, match=path.name):
        watch_source(feed(site), made)


# ------------------------------------------------------------------ shares
def test_a_share_of_the_hosts_is_the_same_whatever_else_is_named_and_no_host_is_in_two() -> None:
    urls = tuple(f"http://host-{number % 40}.example/{number}" for number in range(200))
    shares = [share_of(urls, number, 3) for number in range(3)]
    assert sorted(url for share in shares for url in share) == sorted(urls)
    hosts = [{url.split("/")[2] for url in share} for share in shares]
    assert not hosts[0] & hosts[1]
    assert not hosts[1] & hosts[2]
    assert min(map(len, hosts)) > 5
    assert share_of(urls[50:], 1, 3) == tuple(url for url in shares[1] if url in set(urls[50:]))
