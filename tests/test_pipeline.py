"""The order of the stages: what becomes of a URL, with real stages and a tough server."""

import dataclasses
import subprocess
import sys
import threading
from collections import defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks import pipeline
from tasks.bundle.verify import verify_file
from tasks.catalog import entries, find, locate, parse_at
from tasks.errors import CaptureTransient, FixityError, NotFound, StoreUnavailable
from tasks.many_pages import archive_pages
from tasks.pipeline import Plainly, Tools, archive_page, open_tools
from tasks.records import Problem
from tasks.retrieve import pull
from tasks.settings import Settings, config_dirs, load_settings
from tests.hostile.tough_server import ToughServer


@pytest.fixture(scope="module")
def tough() -> Iterator[ToughServer]:
    with ToughServer() as server:
        yield server


@pytest.fixture
def settings(tough: ToughServer, tmp_path: Path) -> Settings:
    return load_settings(
        environ={}, store=str(tmp_path / "store"), allow=(tough.pair,), retry_wait_s=0.0, total_timeout_s=3.0
    )


@pytest.fixture
def tools(settings: Settings) -> Iterator[Tools]:
    with open_tools(settings, config_dirs(environ={})) as made:
        yield made


def test_a_page_is_stored_under_the_id_of_its_file(tools: Tools, tough: ToughServer) -> None:
    outcome = archive_page(tough.url("/plain"), tools)

    assert outcome.good
    assert outcome.ref
    assert outcome.ref.id[15:] == outcome.ref.sha256.removeprefix("sha256:")[:16]
    assert not list(tools.workspace.iterdir())


def test_every_answer_of_a_tough_server_is_sound_or_a_plain_error(tools: Tools, tough: ToughServer) -> None:
    """Whatever came over the wire: a bundle that verifies, or an error and nothing stored."""
    paths = ["gzip", "chunked", "chunked-extended", "chunked-gzip", "weird-headers", "early-hints", "close-delimited"]
    paths += ["truncated", "bad-gzip", "two-lengths", "redirect/3", "204", "404", "bomb", "http09", "redirect-loop"]
    for path in paths:
        outcome = archive_page(tough.url(f"/{path}"), tools)
        assert (outcome.ref is None) == (outcome.error is not None), path
        assert not outcome.problems or all(problem.severity == "note" for problem in outcome.problems), path
    for bundle in Path(tools.settings.store).glob("v1/bundles/*/*/*/*.wacz"):
        assert [problem for problem in verify_file(bundle) if problem.severity == "error"] == []


def test_a_bundle_that_does_not_verify_is_not_stored(
    tools: Tools, tough: ToughServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pipeline, "verify_stage", lambda bundle: (Problem("block-digest", "archive/data.warc.gz"),))
    monkeypatch.setattr(pipeline.verify_stage, "__name__", "verify_stage")
    outcome = archive_page(tough.url("/plain"), tools)

    assert isinstance(outcome.error, FixityError)
    assert not outcome.good
    assert list(entries(tools.store)) == []


def flaky(failures: int, error: type[Exception]) -> tuple[Callable[..., str], list[int]]:
    calls: list[int] = []

    def capture_stage() -> str:
        calls.append(1)
        if len(calls) <= failures:
            raise error("not now")
        return "page"

    return capture_stage, calls


def test_a_stage_that_talks_to_others_is_tried_again(settings: Settings) -> None:
    stage, calls = flaky(2, CaptureTransient)

    assert Plainly(settings, sleep=lambda seconds: None)(stage) == "page"
    assert len(calls) == 3


def test_it_gives_up_after_the_attempts_of_the_settings(settings: Settings) -> None:
    stage, calls = flaky(9, CaptureTransient)

    with pytest.raises(CaptureTransient):
        Plainly(settings, sleep=lambda seconds: None)(stage)
    assert len(calls) == settings.attempts


@pytest.mark.parametrize("error", [NotFound, ValueError])
def test_a_lasting_error_is_not_tried_again(settings: Settings, error: type[Exception]) -> None:
    stage, calls = flaky(1, error)

    with pytest.raises(error):
        Plainly(settings)(stage)
    assert len(calls) == 1


def test_only_capture_and_store_are_tried_again(settings: Settings) -> None:
    def clean_stage() -> None:
        calls.append(1)
        raise StoreUnavailable("not now")

    calls: list[int] = []
    with pytest.raises(StoreUnavailable):
        Plainly(settings)(clean_stage)
    assert len(calls) == 1


def test_many_pages_each_get_their_own_outcome(tools: Tools, tough: ToughServer) -> None:
    urls = [tough.url(f"/number/{number}") for number in range(30)] + ["http://[x"]
    outcomes = {outcome.url: outcome for outcome in archive_pages(urls, tools)}

    assert set(outcomes) == set(urls)
    assert len({outcome.ref.id for outcome in outcomes.values() if outcome.ref}) == 30


def test_a_host_is_asked_by_so_many_at_once_only(settings: Settings, tough: ToughServer) -> None:
    """per_host is the politeness of a run without robots.txt."""
    now, most, guard = 0, 0, threading.Lock()

    def run(stage: Callable[..., Any], *args: Any) -> Any:
        nonlocal now, most
        if stage is not pipeline.capture_stage:
            return stage(*args)
        with guard:
            now += 1
            most = max(most, now)
        try:
            return stage(*args)
        finally:
            with guard:
                now -= 1

    with open_tools(dataclasses.replace(settings, per_host=2, workers=6), config_dirs(environ={})) as tools:
        list(archive_pages([tough.url(f"/number/{number}") for number in range(20)], tools, run=run))

    assert most == 2


def test_trees_are_one_threads_work(tools: Tools, tough: ToughServer) -> None:
    """What each thread freed glibc keeps for it: trees in all of them would take the memory of the largest so often."""

    def run(stage: Callable[..., Any], *args: Any) -> Any:
        ran[stage].add(threading.current_thread())
        return stage(*args)

    ran: defaultdict[Callable[..., Any], set[threading.Thread]] = defaultdict(set)
    urls = [tough.url(f"/number/{number}") for number in range(20)]
    assert all(outcome.ref for outcome in archive_pages(urls, tools, run=run))

    with_trees = (pipeline.clean_stage, pipeline.pack_stage, pipeline.verify_stage)
    assert len(set.union(*(ran[stage] for stage in with_trees))) == 1


def test_stop_begins_no_further_page(tools: Tools, tough: ToughServer) -> None:
    stop, seen = threading.Event(), 0
    for _ in archive_pages((tough.url(f"/number/{number}") for number in range(500)), tools, stopped=stop.is_set):
        seen += 1
        stop.set()

    assert 0 < seen < 100
    assert len(list(entries(tools.store))) == seen


# ------------------------------------------------------------------ the way back
def test_pull_by_url_gives_the_newest_good_bundle(tools: Tools, tough: ToughServer, tmp_path: Path) -> None:
    good = archive_page(tough.url("/plain"), tools)
    assert good.ref
    pulled = pull(tools.store, locate(tools.store, tools.settings, tough.url("/plain")), tmp_path / "out")

    assert pulled.id == good.ref.id
    assert (pulled.folder / "article.txt").read_text().strip() == good.text.strip()


def test_a_bad_verdict_never_answers_for_a_url(tools: Tools, tough: ToughServer) -> None:
    assert archive_page(tough.url("/truncated"), tools).ref

    with pytest.raises(NotFound, match="bad verdict"):
        find(tools.store, tough.url("/truncated"))


def test_as_of_a_day_before_the_first_capture_there_is_nothing(tools: Tools, tough: ToughServer) -> None:
    archive_page(tough.url("/plain"), tools)

    with pytest.raises(NotFound, match="the oldest is"):
        find(tools.store, tough.url("/plain"), parse_at("2020-01-01"))
    assert find(tools.store, tough.url("/plain"), parse_at("2999-01-01"))


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-14", "2026-03-14T23:59:59.999999+00:00"),
        ("2026-03-14T08:30:00+01:00", "2026-03-14T07:30:00+00:00"),
        ("2026-03-14T08:30:00", "2026-03-14T08:30:00+00:00"),
    ],
)
def test_a_day_means_its_end_and_a_time_is_utc(text: str, moment: str) -> None:
    assert parse_at(text).isoformat() == moment


def test_the_same_capture_gives_the_same_bundle_in_another_process(tmp_path: Path) -> None:
    """Promise 3, over real stages: two processes with other hash seeds and time zones."""
    code = Path(__file__).with_name("same_bundle.py")
    digests = set()
    for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        env = {"PYTHONHASHSEED": seed, "TZ": zone, "PATH": "/usr/bin:/bin", "PYTHONPATH": str(code.parents[1])}
        done = subprocess.run([sys.executable, str(code)], env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        digests.add(done.stdout)

    assert len(digests) == 1
