"""The loop over many pages: what it does while it waits, and how it ends. What a page is, is faked."""

import threading
import time
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any

import pytest

from tasks import many_pages
from tasks.capture.hosts import Hosts
from tasks.capture.policy import parse_url
from tasks.many_pages import archive_pages
from tasks.outcome import Outcome
from tasks.settings import load_settings


def tools(**settings: Any) -> Any:
    made = load_settings(environ={}, **settings)
    return SimpleNamespace(settings=made, recorder=SimpleNamespace(hosts=Hosts(made)))


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Callable[[Callable[[str], object]], None]:
    """Sets what a page does once its host is free for the next one."""

    def does(what: Callable[[str], object]) -> None:
        def archived(url: str, tools: Any, *, run: Any, force: bool) -> Outcome:
            tools.recorder.hosts.page(parse_url(url))
            run.done()
            what(url)
            return Outcome(url)

        monkeypatch.setattr(many_pages, "archive_page", archived)

    return does


def test_while_all_places_are_taken_nobody_looks_whose_turn_it_is(
    page: Callable[[Callable[[str], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Hosts whose time has come meanwhile had the loop go round ten thousand times a second."""
    rounds = []
    following = many_pages._next
    monkeypatch.setattr(many_pages, "_next", lambda *args: rounds.append(1) or following(*args))
    page(lambda _url: time.sleep(0.5))
    urls = [f"https://h{host}.example/{number}" for host in range(4) for number in range(2)]

    done = list(archive_pages(urls, tools(workers=2, per_host=1, host_interval_s=0.2)))

    assert sorted(outcome.url for outcome in done) == sorted(urls)
    assert len(rounds) < 200


@pytest.mark.parametrize("urls", [[], iter(())])
def test_without_pages_there_is_nothing_to_wait_for(urls: Iterable[str]) -> None:
    assert list(archive_pages(urls, tools())) == []


def test_what_is_done_is_told_while_no_page_is_named(page: Callable[[Callable[[str], object]], None]) -> None:
    page(lambda _url: None)
    told: list[str] = []

    def named() -> Iterator[str | None]:
        yield "https://a.example/1"
        while not told:  # who names the pages waits for what becomes of them
            yield None
        yield "https://a.example/2"

    for outcome in archive_pages(named(), tools(host_interval_s=0.0)):
        told.append(outcome.url)
    assert told == ["https://a.example/1", "https://a.example/2"]


def test_a_slow_host_holds_up_no_other_however_many_pages_it_has(
    page: Callable[[Callable[[str], object]], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(many_pages, "_AHEAD", 2)
    page(lambda _url: None)
    made = tools(workers=2, host_interval_s=0.0)
    made.recorder.hosts.pace(parse_url("https://slow.example/"), 0.3)
    slow, quick = [f"https://slow.example/{n}" for n in range(6)], [f"https://quick.example/{n}" for n in range(3)]

    told = [outcome.url for outcome in archive_pages((*slow, *quick), made)]

    assert set(told[:4]) == {slow[0], *quick}
    assert [url for url in told if url in slow] == slow


def test_where_nobody_listens_any_more_pages_finish_but_wait_for_no_host(
    page: Callable[[Callable[[str], object]], None],
) -> None:
    made, finished, waiting = tools(workers=3, host_interval_s=0.0), [], threading.Event()
    target = parse_url("https://resting.example/")

    def ask(url: str) -> None:
        if "resting" in url:
            waiting.set()
            made.recorder.hosts.rest(target, 100)
            made.recorder.hosts.page(target)
        elif url.endswith("2"):
            time.sleep(0.3)
            finished.append(url)

    page(ask)
    outcomes = archive_pages(["https://resting.example/", "https://a.example/2", "https://b.example/1"], made)
    next(outcomes)
    waiting.wait(5)
    began = time.monotonic()
    outcomes.close()  # type: ignore[attr-defined]  # it is a generator

    assert time.monotonic() - began < 5
    assert finished == ["https://a.example/2"]
