"""Watch runs on a real site and store: visits, reports, what a killed run leaves, and what the next one makes of it."""

import re
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest

from tasks.capture.policy import parse_url
from tasks.catalog import Catalog
from tasks.demo import SITE
from tasks.errors import CaptureTransient
from tasks.pipeline import Outcome, Tools, open_tools
from tasks.settings import config_dirs, load_settings
from tasks.sources import Source
from tasks.store import Store
from tasks.watching import Report, open_watched, plan_stage, watch_source
from tasks.watching.due import FAILED, Seen, Visits
from tests.capture.requisites.site import Answer, Site

STORY = (SITE / "library-roof.html").read_text()
HTML = "text/html; charset=utf-8"
PATHS = tuple(f"/story-{number}" for number in range(6))


def page(path: str, more: str = "") -> Answer:
    title = f"The library roof, part {path}"
    alone = re.sub(r'<link rel="canonical"[^>]*>', "", STORY)
    return Answer(
        alone.replace("Town library saves its leaking roof", title).replace("buckets", f"buckets {more}").encode(), HTML
    )


@pytest.fixture
def site() -> Iterator[Site]:
    with Site({path: page(path) for path in PATHS}) as made:
        yield made


def here(_host: str, port: int, *_more: Any, **_most: Any) -> Any:
    """Every host is this machine."""
    return socket.getaddrinfo("127.0.0.1", port, type=socket.SOCK_STREAM)


@contextmanager
def tools(site: Site, folder: Path, *, also: Iterable[str] = (), **flags: Any) -> Iterator[Tools]:
    settings = load_settings(
        environ={},
        store=str(folder / "store"),
        cache=str(folder / "cache"),
        allow=(site.pair, *{urlsplit(url).netloc for url in also}),
        retry_wait_s=0.0,
        robots="ignore",
        mode="page",
        **flags,
    )
    with open_tools(settings, config_dirs(environ={}), resolver=here) as made:
        yield made


def source(site: Site, paths: tuple[str, ...] = PATHS, **fields: Any) -> Source:
    made = Source(name="roofs", cron="", urls=tuple(site.url(path) for path in paths))
    return replace(made, **fields)


def test_a_feed_that_has_not_changed_is_not_sent_again_and_no_page_of_it_is_lost(site: Site, tmp_path: Path) -> None:
    listing = "\n".join(site.url(path) for path in PATHS)
    site.answers["/list"] = Answer(listing.encode(), "text/plain", headers={"ETag": '"v1"'})
    asked = site.asked
    listed = Source(name="roofs", kind="list", at=site.url("/list"), limit=4)

    def conditions() -> list[str]:
        return [headers.get("if-none-match", "") for path, headers in asked if path == "/list"]

    with tools(site, tmp_path) as made:
        first = watch_source(listed, made)  # leaves two over: the next run asks for the whole list
        second = watch_source(listed, made)
        site.answers["/list"] = Answer(b"", "text/plain", 304)
        third = watch_source(listed, made)
    assert [len(report.outcomes) for report in (first, second, third)] == [4, 2, 0]
    assert conditions() == ["", "", '"v1"']
    assert third.notes == ("the source has not changed since the last run",)
    assert third.alarms == ()


def later(hours: float) -> Any:
    return lambda: datetime.now(UTC) + timedelta(hours=hours)


def events(store: Store, kind: str) -> list[dict[str, Any]]:
    return [dict(event.detail) for event in store.events() if event.kind == kind]


def urls(report: Report, site: Site) -> list[str]:
    return sorted(outcome.url.removeprefix(site.url("")) for outcome in report.outcomes)


def test_a_page_is_visited_again_as_its_plan_says_and_never_without_one(site: Site, tmp_path: Path) -> None:
    planned = source(site, revisit=(3600.0, 6 * 3600.0))
    with tools(site, tmp_path) as made:
        assert len(watch_source(planned, made).outcomes) == 6
        assert watch_source(planned, made).outcomes == ()
        again = watch_source(planned, made, now=later(2))
        assert watch_source(planned, made, now=later(3)).outcomes == ()
        assert len(watch_source(planned, made, now=later(7)).outcomes) == 6
        assert watch_source(planned, made, now=later(999)).outcomes == ()
    assert again.kinds == {"unchanged": 6}
    assert (again.plan.again, again.plan.held) == (6, 0)


def test_a_page_that_the_source_names_no_more_is_visited_all_the_same(site: Site, tmp_path: Path) -> None:
    with tools(site, tmp_path) as made:
        watch_source(source(site, revisit=(3600.0,)), made)
        site.answers["/story-2"] = page("/story-2", "and bowls and basins")
        report = watch_source(source(site, PATHS[:1], revisit=(3600.0,)), made, now=later(2))
    assert report.kinds == {"changed": 1, "unchanged": 5}
    changed = next(outcome for outcome in report.outcomes if not outcome.observation)
    assert changed.url == site.url("/story-2")
    assert changed.change == "+8 -0 words"


def test_what_was_archived_by_hand_is_not_archived_again_and_is_visited_as_planned(site: Site, tmp_path: Path) -> None:
    from tasks.pipeline import archive_page

    with tools(site, tmp_path) as made:
        archive_page(site.url("/story-0"), made)
        first = watch_source(source(site, revisit=(3600.0,)), made)
        second = watch_source(source(site, revisit=(3600.0,)), made, now=later(2))
    assert urls(first, site) == list(PATHS[1:])
    assert urls(second, site) == list(PATHS)


def test_the_report_is_in_the_store_with_one_row_a_page_and_what_is_due_next(site: Site, tmp_path: Path) -> None:
    site.answers["/story-5"] = Answer(b"gone", "text/plain", 410)
    with tools(site, tmp_path) as made:
        report = watch_source(source(site, revisit=(3600.0,)), made)
        (told,), parts = events(made.store, "report"), events(made.store, "watch")
    assert told["kinds"] == {"error": 1, "new": 5}
    assert told["run"] == parts[0]["run"] == report.run
    assert told["bytes"] > 1000
    assert told["next_due_at"]
    rows = {row["url"].removeprefix(site.url("")): row for part in parts for row in part["pages"]}
    assert set(rows) == set(PATHS)
    assert rows["/story-5"]["why"] == "status-410"
    assert rows["/story-0"]["id"]
    times = told["page_seconds"]
    assert 0 < times["median"] <= times["p90"] <= times["longest"] < 60


def test_what_the_first_run_learnt_of_a_new_store_is_kept(site: Site, tmp_path: Path) -> None:
    with tools(site, tmp_path) as made:
        watch_source(source(site), made)
    kept = {"".join(file.suffixes) for file in (tmp_path / "cache").iterdir()}
    assert kept >= {".watch.db", ".sqlite"}  # the catalog, too: the next run need not read it anew


def test_a_source_is_run_once_at_a_time_and_another_one_beside_it(site: Site, tmp_path: Path) -> None:
    other = replace(source(site), name="other")
    with tools(site, tmp_path) as made:

        def beside(outcome: Outcome) -> None:
            with pytest.raises(CaptureTransient, match="under way"):
                watch_source(source(site), made)

        assert watch_source(source(site, PATHS[:1]), made, heard=beside).good
        assert watch_source(source(site, PATHS[:1]), made).good
        watch_source(source(site, PATHS[1:2]), made, heard=lambda outcome: reports.append(watch_source(other, made)))
    assert [report.good for report in reports] == [True]


reports: list[Report] = []


def test_what_is_known_can_be_made_anew_from_the_store_alone(site: Site, tmp_path: Path) -> None:
    with tools(site, tmp_path) as made:
        watch_source(source(site, revisit=(3600.0,)), made)
        with open_watched(made.store, made.settings) as watched:
            watched.plan("roofs", Visits((3600.0,)))
            before = watched.db.execute("SELECT * FROM page ORDER BY key").fetchall()
        (file,) = (tmp_path / "cache").glob("*.watch.db")
        file.write_bytes(b"no database at all" * 1000)
        with open_watched(made.store, made.settings) as watched:
            watched.plan("roofs", Visits((3600.0,)))
            after = watched.db.execute("SELECT * FROM page ORDER BY key").fetchall()
    assert len(before) == 6
    assert after == before


def test_a_stopped_run_says_so_and_the_next_one_goes_on(site: Site, tmp_path: Path) -> None:
    done: list[str] = []
    with tools(site, tmp_path, workers=1) as made:
        first = watch_source(
            source(site), made, heard=lambda outcome: done.append(outcome.url), stopped=lambda: len(done) >= 2
        )
        second = watch_source(source(site), made)
    assert first.stopped
    assert not first.good
    assert 2 <= len(first.outcomes) < 6
    assert len(first.outcomes) + len(second.outcomes) == 6
    assert not second.stopped


def test_where_whoever_listens_fails_the_next_run_does_the_rest_and_nothing_twice(site: Site, tmp_path: Path) -> None:
    told: list[str] = []

    def heard(outcome: Outcome) -> None:
        told.append(outcome.url)
        if len(told) == 2:
            raise BrokenPipeError

    with tools(site, tmp_path, workers=2) as made:
        with pytest.raises(BrokenPipeError):
            watch_source(source(site), made, heard=heard)
        stored = len(list(made.store.list_ids()))
        following = watch_source(source(site), made)
        assert len(list(made.store.list_ids())) == 6
    assert 2 <= stored < 6
    assert len(following.outcomes) == 6 - stored
    assert following.good


def test_a_page_that_waited_for_its_host_when_the_run_was_stopped_was_not_tried(site: Site, tmp_path: Path) -> None:
    waiting = threading.Event()
    with tools(site, tmp_path, workers=1) as made:
        hosts, target = made.recorder.hosts, parse_url(site.url("/"))
        rests_s = hosts.rests_s
        hosts.rests_s = lambda asked: waiting.set() or min(0.0, rests_s(asked))  # type: ignore[method-assign]
        hosts.rest(target, 60)
        report = watch_source(source(site, PATHS[:1]), made, stopped=waiting.is_set)
        with open_watched(made.store, made.settings) as watched:
            known = watched.seen("roofs", site.url(PATHS[0]))
        hosts.rests_s = rests_s  # type: ignore[method-assign]
    assert [outcome.error.code for outcome in report.outcomes if outcome.error] == ["stopped"]
    assert report.stopped
    assert known is None


def test_a_page_that_fails_twice_in_a_run_was_tried_once(site: Site, tmp_path: Path) -> None:
    """Else it would be left alone for two hours from its second run on, not for one from its third."""
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    dead, told = f"http://127.0.0.1:{port}/1", list[str]()
    named = Source(name="roofs", cron="", urls=(dead,))
    with tools(site, tmp_path, also=[dead]) as made:
        for _ in range(2):
            watch_source(named, made, heard=lambda outcome: told.append(outcome.kind))
        with open_watched(made.store, made.settings) as watched:
            known = watched.seen("roofs", dead)
    assert told == ["failed"] * 2
    assert known
    assert (known.kind, known.tries) == (FAILED, 2)


def test_a_server_that_is_down_for_a_moment_is_asked_again_in_the_run(site: Site, tmp_path: Path) -> None:
    answers = iter([Answer(b"busy", "text/plain", 503)])
    whole = site.answers["/story-1"]

    class Flaky(dict[str, Answer]):
        def get(self, path: str, default: Any = None) -> Any:
            return next(answers, whole) if path == "/story-1" else super().get(path, default)

    site.answers = Flaky(site.answers)
    with tools(site, tmp_path) as made:
        report = watch_source(source(site), made)
        following = watch_source(source(site), made)
    kinds = {**report.kinds}
    assert kinds.pop("new") >= 5
    assert following.outcomes == () or following.kinds == {"new": 1}


KILLED = """
import os, sys
from tests.watching.test_runs import *
from tests.watching import test_runs
folder, pair, names = sys.argv[1], sys.argv[2], sys.argv[3]
class Away:
    pair = sys.argv[2]
    def url(self, path): return f"http://{self.pair}{path}"
with tools(Away(), Path(folder), workers=2) as made:
    watch_source(source(Away(), revisit=(3600.0,)), made, heard=lambda outcome: print(outcome.url, flush=True))
"""


@pytest.mark.parametrize("after", [1, 3, 5])
def test_after_a_run_was_killed_the_next_one_archives_each_page_exactly_once(
    site: Site, tmp_path: Path, after: int
) -> None:
    command = [sys.executable, "-W", "ignore", "-c", KILLED, str(tmp_path), site.pair, ""]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as process:
        assert process.stdout
        for _ in range(after):
            process.stdout.readline()
        process.kill()
        process.wait()
    with tools(site, tmp_path) as made:
        report = watch_source(source(site, revisit=(3600.0,)), made)
        manifests = list(made.store.list_ids())
    assert len(manifests) == 6
    assert len(report.outcomes) <= 6 - after
    assert report.good


def test_a_plan_looks_up_no_page_that_is_not_due(site: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    looked_up: list[str] = []
    answering = Catalog.answering

    def counted(self: Catalog, url: str) -> Any:
        looked_up.append(url)
        return answering(self, url)

    monkeypatch.setattr(Catalog, "answering", counted)
    with tools(site, tmp_path) as made, open_watched(made.store, made.settings) as watched:
        pages = [Seen(f"https://a.example/{n}", 0.0, time.time(), 0.0, "ok") for n in range(10_000)]
        watched.learn("roofs", [*pages, Seen("https://a.example/due", 0.0, 0.0, 0.0, FAILED, 1)])
        named = (*(seen.url for seen in pages), site.url(PATHS[0]))
        plan = plan_stage(source(site), named, made, watched, datetime.now(UTC))
    assert set(plan.due) == {site.url(PATHS[0]), "https://a.example/due"}
    assert sorted(looked_up) == sorted(plan.due)


# ------------------------------------------------------------------ hosts beside each other
def test_a_slow_host_holds_up_no_other(site: Site, tmp_path: Path) -> None:
    """It has more pages than there are workers: were each to wait in a worker's place, the others would stand still."""
    port = site.pair.rpartition(":")[2]
    slow = [f"http://slow.example:{port}/story-{number}" for number in range(4)]
    quick = [f"http://quick-{number}.example:{port}{path}" for number in range(3) for path in PATHS[:2]]
    site.answers["/robots.txt"] = Answer(b"", "text/plain")
    settings = {"workers": 2, "per_host": 2, "soft404_probe": "never", "host_interval_s": 0.0}
    heard: list[str] = []
    with tools(site, tmp_path, also=(*slow, *quick), **settings) as made:
        made.recorder.hosts.pace(parse_url(slow[0]), 2.0)  # as a Crawl-delay does
        named = Source(name="roofs", cron="", urls=(*slow, *quick))
        report = watch_source(named, made, heard=lambda outcome: heard.append(outcome.url))
    assert report.good
    assert len(heard) == 10
    assert [url for url in heard if url in slow] == slow
    assert set(heard[: len(quick) + 1]) == {slow[0], *quick}


def test_a_host_that_does_not_answer_fails_its_pages_soon_and_the_next_run_tries_them(
    site: Site, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as closed:
        port = closed.getsockname()[1]
    dead = tuple(f"http://127.0.0.1:{port}/{number}" for number in range(20))
    named, heard = Source(name="roofs", cron="", urls=(*dead, *source(site).urls)), list[str]()
    with tools(site, tmp_path, also=dead) as made:
        report = watch_source(named, made, heard=lambda outcome: heard.append(outcome.url))
        with open_watched(made.store, made.settings) as watched:
            due = {seen.url for seen in watched.due("roofs", time.time() + 1)}
    assert len(report.failed) == 20
    assert all("refused" in str(outcome.error) for outcome in report.failed)
    assert Counter(outcome.error.code for outcome in report.failed if outcome.error)["host-down"] >= 18
    assert due == set(dead)
    assert report.archived == 6
    assert sorted(heard) == sorted(named.urls)  # each once, though tried twice


def test_a_host_that_is_down_at_first_is_asked_once_more_in_the_run(site: Site, tmp_path: Path) -> None:
    """Three tries of one page are enough for a host to be left alone for five minutes."""
    port = int(site.pair.rpartition(":")[2])
    named = tuple(f"http://late.example:{port}{path}" for path in PATHS)
    up: list[bool] = []

    def resolver(host: str, *_more: Any, **_most: Any) -> Any:
        if host == "late.example" and not up:
            raise socket.gaierror(socket.EAI_AGAIN, "not now")
        return here(host, port)

    with tools(site, tmp_path, also=named, soft404_probe="never", host_interval_s=0.0) as made:
        made.recorder.policy.resolver, once_more = resolver, made.recorder.hosts.once_more

        def second_pass() -> None:
            up.append(True)
            once_more()

        made.recorder.hosts.once_more = second_pass  # type: ignore[method-assign]
        report = watch_source(Source(name="roofs", cron="", urls=named), made)
    assert up == [True]
    assert report.good
    assert report.archived == len(named)


def test_a_run_that_is_stopped_while_it_asks_for_robots_txt_asks_no_further_host(site: Site, tmp_path: Path) -> None:
    """Of ten thousand hosts that do not answer that took most of an hour."""
    site.answers["/robots.txt"] = Answer(b"", "text/plain", delay_s=0.2)
    port = site.pair.rpartition(":")[2]
    named = tuple(f"http://desk-{number}.example:{port}/story-0" for number in range(200))
    with tools(site, tmp_path, also=named, workers=1) as made:
        obeying = replace(made, settings=replace(made.settings, robots="obey"))
        whole = Source(name="roofs", cron="", urls=named)
        report = watch_source(whole, obeying, stopped=lambda: len(site.asked) > 3)
    assert len(site.asked) < 100
    assert report.stopped
    assert not report.good
    assert (report.outcomes, report.plan.left) == ((), 200)


def test_robots_txt_of_many_hosts_is_asked_at_once(site: Site, tmp_path: Path) -> None:
    """Of 24 hosts that take half a second each: one after the other that would be 12 seconds before the first page."""
    site.answers["/robots.txt"] = Answer(b"User-agent: *\nDisallow: /story-1", "text/plain", delay_s=0.5)
    port = site.pair.rpartition(":")[2]
    named = tuple(f"http://desk-{number}.example:{port}/story-{number % 2}" for number in range(24))
    with (
        tools(site, tmp_path, also=named) as made,
        open_watched(made.store, made.settings) as watched,
    ):
        obeying = replace(made, settings=replace(made.settings, robots="obey"))
        started = time.monotonic()
        plan = plan_stage(source(site, ()), named, obeying, watched, datetime.now(UTC))
        took_s = time.monotonic() - started
    assert plan.due == named[::2]
    assert [url for url, _ in plan.disallowed] == list(named[1::2])
    assert took_s < 6
