"""What must not make a run forget a page, bring back what was taken down, or end for all sources."""

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tasks import reading as reading_module
from tasks.errors import CaptureFailed, CaptureTransient
from tasks.many_pages import archive_pages
from tasks.pipeline import archive_page
from tasks.sources import Discovery, Fetched, Source, discover
from tasks.store.events import Event
from tasks.watching import open_watched, watch_source
from tasks.watching.state import alone
from tests.capture.requisites.site import Answer, Site
from tests.watching.test_runs import PATHS, events, later, page, site, source, tools, urls

__all__ = ["site"]  # the fixture


def listed(site: Site, paths: tuple[str, ...] = PATHS, **fields: Any) -> Source:
    """The pages as a list that has an ETag."""
    lines = "\n".join(site.url(path) for path in paths).encode()
    site.answers["/list"] = Answer(lines, "text/plain", headers={"ETag": '"v1"'})
    return Source(name="roofs", kind="list", at=site.url("/list"), **fields)


def conditions(site: Site) -> list[str]:
    """With which ETag each run has asked for the list."""
    return [headers.get("if-none-match", "") for path, headers in site.asked if path == "/list"]


def test_a_page_that_was_taken_down_is_never_visited_again(site: Site, tmp_path: Path) -> None:
    planned = source(site, PATHS[:2], revisit=(3600.0, 3 * 3600.0))
    with tools(site, tmp_path) as made:
        first = watch_source(planned, made)
        gone = next(outcome for outcome in first.outcomes if outcome.url == site.url(PATHS[0]))
        assert gone.ref
        made.store.put_event(Event("tombstone", datetime.now(UTC), gone.ref.id, {"reason": "court", "by": "desk"}))
    with tools(site, tmp_path) as made:
        assert urls(watch_source(planned, made, now=later(2)), site) == [PATHS[1]]
        assert urls(watch_source(planned, made, now=later(4)), site) == [PATHS[1]]


def test_what_robots_txt_forbade_is_not_forgotten_when_the_list_does_not_change(site: Site, tmp_path: Path) -> None:
    site.answers["/robots.txt"] = Answer(b"User-agent: *\nDisallow: /story-0\n", "text/plain")
    named = listed(site, PATHS[:2])
    with tools(site, tmp_path) as made:
        obeying = replace(made, settings=replace(made.settings, robots="obey"))
        assert urls(watch_source(named, obeying), site) == [PATHS[1]]
        assert urls(watch_source(named, made), site) == [PATHS[0]]  # robots are ignored now
        watch_source(named, made)
    assert conditions(site) == ["", "", '"v1"']


def test_a_list_is_read_anew_when_other_pages_of_it_are_wanted(site: Site, tmp_path: Path) -> None:
    with tools(site, tmp_path) as made:
        watch_source(listed(site, include=("*story-1",)), made)
        watch_source(listed(site, include=("*story-1",)), made)
        wider = watch_source(listed(site, include=("*story-1", "*story-2")), made)
    assert urls(wider, site) == ["/story-2"]
    assert conditions(site) == ["", '"v1"', ""]


@pytest.mark.parametrize(
    ("url", "reason"),
    [("https://a.example/\ud800x", "half a character"), ("https://ada:secret@a.example/x", "user name or password")],
)
def test_an_entry_that_nobody_can_ask_for_is_passed_over_and_stops_no_other(url: str, reason: str) -> None:
    feed = {"version": "https://jsonfeed.org/version/1.1", "title": "f", "items": [{"id": "1", "url": url}]}
    feed["items"] += [{"id": "2", "url": "https://a.example/2"}]  # type: ignore[operator]

    def fetch(at: str) -> Fetched:
        return Fetched(at, json.dumps(feed).encode(), "application/feed+json")

    found: Discovery = discover(Source("f", kind="feed", at="https://a.example/f"), fetch, datetime.now(UTC))
    assert found.urls == ("https://a.example/2",)
    assert any(reason in why for _, why in found.passed_over)


def test_only_the_password_of_a_url_is_masked(site: Site, tmp_path: Path) -> None:
    with tools(site, tmp_path) as made:
        at_sign = archive_page("http://no-such-host.invalid//@bob/post", made)
        secret = archive_page("http://ada:secret@a.example/@x", made)
    assert at_sign.url == "http://no-such-host.invalid//@bob/post"
    assert secret.url == "http://…@a.example/@x"


@pytest.mark.parametrize(
    "detail",
    [
        {"pages": None},
        {"pages": [{"url": "https://a.example/1", "at": "2026-11-29T00:00:00+00:00", "kind": "ok", "words": 10**30}]},
        {"pages": [{"url": 7}, "x", None]},
        {"source": 9, "pages": [{"url": "x", "at": "no time", "kind": "ok"}]},
    ],
)
def test_an_odd_event_of_another_program_ends_no_run(site: Site, tmp_path: Path, detail: dict[str, Any]) -> None:
    with tools(site, tmp_path) as made:
        made.store.put_event(Event("watch", datetime.now(UTC), detail={"source": "roofs", **detail}))
        for facts in ({}, None, {"found": "many"}):
            made.store.put_event(Event("report", datetime.now(UTC), detail={"source": "roofs", "facts": facts}))
        assert watch_source(source(site, PATHS[:1]), made).good


def test_a_file_that_is_damaged_in_its_midst_is_made_anew(site: Site, tmp_path: Path) -> None:
    with tools(site, tmp_path) as made:
        watch_source(source(site, revisit=(3600.0,)), made)
        (file,) = (tmp_path / "cache").glob("*.watch.db")
        data = bytearray(file.read_bytes())
        data[4096 : len(data)] = b"\xff" * (len(data) - 4096)
        file.write_bytes(data)
        assert len(watch_source(source(site, revisit=(3600.0,)), made, now=later(2)).outcomes) == len(PATHS)


def test_a_share_without_a_page_raises_no_alarm_and_a_whole_run_waits_for_no_share(site: Site, tmp_path: Path) -> None:
    with tools(site, tmp_path) as made:
        for _ in range(2):
            reports = [watch_source(source(site), made, share=(number, 2)) for number in (0, 1)]
            assert [report.alarms for report in reports] == [(), ()]
        assert {tuple(one["share"]) for one in events(made.store, "report")} == {(0, 2), (1, 2)}
        with alone(made.store, made.settings, "roofs", (0, 2)), alone(made.store, made.settings, "roofs", (1, 2)):
            with pytest.raises(CaptureTransient, match="under way"):
                watch_source(source(site), made)
            with pytest.raises(CaptureTransient, match="under way"):
                watch_source(source(site), made, share=(1, 2))


def test_one_page_that_brings_a_defect_to_light_stops_none_of_the_others(
    site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.answers["/story-1"] = page("/story-1", "and a defect")
    reading = reading_module.read_whole

    def breaks(html: str, **more: Any) -> Any:
        if "and a defect" in html:
            raise RuntimeError("a defect")
        return reading(html, **more)

    monkeypatch.setattr(reading_module, "read_whole", breaks)
    with tools(site, tmp_path) as made:
        outcomes = {one.url: one for one in archive_pages([site.url(path) for path in PATHS], made)}
        report = watch_source(source(site), made)
    assert sum(outcome.good for outcome in outcomes.values()) == 5
    broken = outcomes[site.url("/story-1")]
    assert broken.error
    assert not isinstance(broken.error, CaptureFailed)
    assert (broken.error.code, "RuntimeError: a defect" in str(broken.error)) == ("defect", True)
    assert len(report.failed) == 1
    with open_watched(made.store, made.settings) as watched:
        assert watched.seen("roofs", site.url("/story-1"))
