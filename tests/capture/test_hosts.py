"""What one host is asked: how often, how many at once, and not while it wants a rest."""

import socket
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any

import pytest

from tasks.capture.fetch import Recorder
from tasks.capture.hosts import Hosts, retry_after_s
from tasks.capture.policy import Target, parse_url
from tasks.errors import CaptureTransient
from tasks.pipeline import Plainly
from tasks.settings import Settings, load_settings
from tests.hostile import cases
from tests.hostile.cases import Pause, Request, Step, response
from tests.hostile.tough_server import ToughServer

PAGE = parse_url("https://news.example/1")
OTHER = parse_url("https://other.example/1")


@dataclass
class Time:
    """A clock that only waiting moves."""

    now: float = 1000.0
    said: list[str] = field(default_factory=list)

    def clock(self) -> float:
        return self.now

    def pause(self, _changed: threading.Condition, seconds: float) -> None:
        assert seconds > 0
        self.now += seconds

    def hosts(self, **settings: Any) -> Hosts:
        made = load_settings(environ={}, **settings)
        return Hosts(made, clock=self.clock, pause=self.pause, say=self.said.append)

    def took(self, begin: Callable[[], None]) -> float:
        before = self.now
        begin()
        return round(self.now - before, 3)


@pytest.fixture
def fake() -> Time:
    return Time()


def ask(hosts: Hosts) -> None:
    with hosts.request(PAGE):
        pass


# ------------------------------------------------------------------ pages apart
def test_the_first_page_of_a_host_never_waits_and_the_next_ones_do(fake: Time) -> None:
    hosts = fake.hosts(host_interval_s=2.0)

    assert [fake.took(lambda: hosts.page(PAGE)) for _ in range(3)] == [0, 2, 2]
    assert fake.took(lambda: hosts.page(OTHER)) == 0
    assert fake.took(lambda: hosts.page(parse_url("http://news.example/2"))) == 2
    fake.now += 60
    assert fake.took(lambda: hosts.page(PAGE)) == 0


@pytest.mark.parametrize(
    ("url", "waits"),
    [
        ("http://127.0.0.1:8080/", 0),
        ("http://localhost/", 0),
        ("http://[::1]/", 0),
        ("http://localhost.example/", 2),
        ("http://10.0.0.1/", 2),
    ],
)
def test_only_pages_of_this_machine_are_not_spaced_out(fake: Time, url: str, waits: float) -> None:
    hosts, target = fake.hosts(host_interval_s=2.0), parse_url(url)
    hosts.page(target)

    assert fake.took(lambda: hosts.page(target)) == waits


@pytest.mark.parametrize(("asked", "kept"), [(5.0, 5), (0.1, 1), (86400.0, 60)])
def test_a_crawl_delay_is_kept_where_it_is_longer_and_up_to_a_bound(fake: Time, asked: float, kept: float) -> None:
    hosts = fake.hosts()
    hosts.pace(PAGE, asked)
    hosts.page(PAGE)

    assert fake.took(lambda: hosts.page(PAGE)) == kept


# ------------------------------------------------------------------ a rest
def test_a_host_that_asks_for_a_rest_gets_it_and_others_do_not_wait(fake: Time) -> None:
    hosts = fake.hosts()
    hosts.rest(PAGE, 30)

    with hosts.request(OTHER):
        pass
    assert fake.now == 1000.0
    assert fake.took(lambda: ask(hosts)) == 30
    assert fake.said == ["waiting 30 s for news.example"]
    assert fake.took(lambda: ask(hosts)) == 0


@pytest.mark.parametrize(("most", "rest"), [(7.0, 7), (0.0, 0)])
def test_a_rest_is_bounded(fake: Time, most: float, rest: float) -> None:
    hosts = fake.hosts(host_rest_s=most)
    hosts.rest(PAGE, inf)

    assert fake.took(lambda: hosts.page(PAGE)) == rest


def test_who_would_wait_too_long_fails_at_once_as_something_that_may_pass(fake: Time) -> None:
    hosts = fake.hosts(host_wait_s=10.0)
    hosts.rest(PAGE, 30)
    for begin in (lambda: hosts.page(PAGE), lambda: ask(hosts)):
        with pytest.raises(CaptureTransient, match="another 30 s") as caught:
            begin()
        assert caught.value.code == "host-wait"
    assert fake.now == 1000.0
    fake.now += 30
    assert fake.took(lambda: ask(hosts)) == 0


def test_who_waits_for_others_gives_up_too(fake: Time) -> None:
    hosts = fake.hosts(host_wait_s=10.0, host_at_once=1)
    with hosts.request(PAGE), pytest.raises(CaptureTransient, match="too many") as caught:
        ask(hosts)
    assert caught.value.code == "host-wait"
    assert fake.now == 1010.0
    ask(hosts)


def unanswered(hosts: Hosts, code: str = "connect", deadline: float | None = None, target: Target = PAGE) -> None:
    with pytest.raises(CaptureTransient), hosts.request(target, deadline):
        raise CaptureTransient("no", where=target.url, code=code)


def test_a_host_that_does_not_answer_three_times_in_a_row_is_left_alone_for_a_while(fake: Time) -> None:
    hosts = fake.hosts(host_down_s=300.0, host_interval_s=0.0)
    for _ in range(2):
        unanswered(hosts)
    ask(hosts)  # it answers: that was not in a row
    for _ in range(3):
        hosts.page(PAGE)
        unanswered(hosts)
    for begin in (lambda: hosts.page(PAGE), lambda: ask(hosts)):
        with pytest.raises(CaptureTransient, match=r"has not answered just now \(no\)") as caught:
            begin()
        assert (caught.value.code, caught.value.passes_soon) == ("host-down", False)
    hosts.page(OTHER)
    assert fake.said == ["news.example does not answer (no): left alone for 300 s"]
    fake.now += 300
    unanswered(hosts)  # one is enough now
    with pytest.raises(CaptureTransient):
        ask(hosts)
    fake.now += 300
    ask(hosts)
    unanswered(hosts)
    ask(hosts)


@pytest.mark.parametrize("code", ["no-response", "timeout"])
def test_one_url_that_a_connection_dies_of_does_not_tell_of_its_host(fake: Time, code: str) -> None:
    """It is tried three times in a row: every other page of the host failed for that."""
    hosts = fake.hosts()
    for _ in range(9):
        unanswered(hosts, code)
    ask(hosts)
    for number in range(3):
        unanswered(hosts, code, target=parse_url(f"https://news.example/{number}"))
    with pytest.raises(CaptureTransient, match="has not answered"):
        ask(hosts)


def test_pages_of_a_host_that_is_down_need_not_be_apart_and_it_may_be_asked_once_more(fake: Time) -> None:
    hosts = fake.hosts(host_interval_s=2.0)
    hosts.page(PAGE)
    for _ in range(3):
        unanswered(hosts)
    assert (hosts.rests_s(PAGE), hosts.apart_s(PAGE)) == (0.0, 0.0)
    hosts.once_more()
    assert (hosts.rests_s(PAGE), hosts.apart_s(PAGE)) == (2.0, 2.0)
    unanswered(hosts)
    with pytest.raises(CaptureTransient, match="has not answered"):
        ask(hosts)
    hosts.once_more()
    ask(hosts)
    unanswered(hosts)
    ask(hosts)


@pytest.mark.parametrize(
    ("code", "deadline", "down_s"), [("header-truncated", None, 9.0), ("timeout", 2000.0, 9.0), ("connect", None, 0.0)]
)
def test_what_is_no_silence_of_the_host_does_not_count(
    fake: Time, code: str, deadline: float | None, down_s: float
) -> None:
    """An answer that broke off, a deadline of ours; and nothing does where the setting is 0."""
    hosts = fake.hosts(host_down_s=down_s)
    for _ in range(9):
        unanswered(hosts, code, deadline)
    ask(hosts)


def test_what_is_known_of_a_host_s_pace_is_told(fake: Time) -> None:
    hosts = fake.hosts(host_interval_s=2.0)
    assert (hosts.rests_s(PAGE), hosts.apart_s(PAGE)) == (0.0, 2.0)
    hosts.page(PAGE)
    assert (hosts.rests_s(PAGE), hosts.rests_s(OTHER)) == (2.0, 0.0)
    hosts.pace(PAGE, 5.0)
    hosts.rest(PAGE, 7.0)
    assert (hosts.rests_s(PAGE), hosts.apart_s(PAGE)) == (7.0, 5.0)
    fake.now += 8
    assert hosts.rests_s(PAGE) == 0.0
    assert hosts.apart_s(parse_url("http://127.0.0.1:8080/")) == 0.0


@pytest.mark.parametrize("how", ["stop", "close"])
def test_waiting_ends_with_the_run(how: str) -> None:
    hosts, stop, seen = Hosts(load_settings(environ={})), threading.Event(), []

    def wait() -> None:
        try:
            hosts.page(PAGE)
        except CaptureTransient as error:
            seen.append(error.code)

    hosts.rest(PAGE, 100)
    with hosts.until(stop.is_set):
        thread, began = threading.Thread(target=wait), time.monotonic()
        thread.start()
        time.sleep(0.1)
        assert not seen
        stop.set() if how == "stop" else hosts.close()
        thread.join(5)
    assert seen == ["stopped"]
    assert time.monotonic() - began < 3


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120),
        (" 0 ", 0),
        ("9" * 5000, inf),
        ("Sun, 22 Nov 2026 05:00:30 GMT", 30),
        ("Sun, 22 Nov 2026 04:00:00 GMT", 0),
        ("Sunday, 22-Nov-26 05:00:30 GMT", 30),
        ("", None),
        ("-5", None),
        ("1.5", None),
        ("\u0661", None),
        ("soon", None),
        ("Sun, 99 Nov 2026 05:00:30 GMT", None),
    ],
)
def test_retry_after_is_seconds_or_a_date(value: str, seconds: float | None) -> None:
    assert retry_after_s(value, datetime(2026, 11, 22, 5, tzinfo=UTC)) == seconds


# ------------------------------------------------------------------ over real sockets
class Busy:
    """A case that counts how many of its answers are under way at once."""

    def __init__(self) -> None:
        self.now, self.most, self.guard = 0, 0, threading.Lock()

    def __call__(self, request: Request) -> Iterator[Step]:
        with self.guard:
            self.now += 1
            self.most = max(self.most, self.now)
        yield Pause(0.1)
        with self.guard:
            self.now -= 1
        yield response(b"done")


@pytest.mark.parametrize("at_once", [1, 3])
def test_a_host_gets_so_many_requests_at_once_from_all_captures(
    at_once: int, server: ToughServer, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    busy = Busy()
    monkeypatch.setitem(cases.CASES, "busy", busy)

    def fetch(number: int) -> None:
        if number % 2:
            recorder.capture(server.url(f"/busy/{number}")).close()
        else:
            recorder.exchange(server.url(f"/busy/{number}")).body.close()

    with Recorder(settings(host_at_once=at_once)) as recorder:
        threads = [threading.Thread(target=fetch, args=(number,)) for number in range(9)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert busy.most == at_once


def named(server: ToughServer, settings: Callable[..., Settings], **changes: Any) -> Recorder:
    """A recorder for which spaced.example is the server: names are spaced out, loopback addresses are not."""

    def to_loopback(*_: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", server.port))]

    pairs = (f"spaced.example:{server.port}", server.pair)
    return Recorder(settings(allow=pairs, **changes), resolver=to_loopback)


def test_pages_of_a_host_begin_apart(server: ToughServer, settings: Callable[..., Settings]) -> None:
    spaced: list[float] = []
    with named(server, settings, host_interval_s=0.3) as recorder:
        for host in (f"spaced.example:{server.port}", server.pair):
            starts = []
            for number in range(3):
                with_page = recorder.capture(f"http://{host}/number/{number}")
                starts.append(with_page.started_at)
                with_page.close()
            spaced.append((starts[2] - starts[0]).total_seconds())
    assert 0.55 <= spaced[0] < 3  # by the wall clock, which is no exact one
    assert spaced[1] < 0.3


@pytest.mark.parametrize(
    ("status", "header", "most", "waits"),
    [
        (b"503 Busy", b"Retry-After: 1", 120.0, True),
        (b"429 Slow down", b"Retry-After: 1", 120.0, True),
        (b"429 Slow down", b"Retry-After: 99999999999999", 1.0, True),
        (b"503 Busy", b"Retry-After: 1", 0.0, False),
        (b"503 Busy", b"Retry-After: soon", 120.0, False),
        (b"404 Gone", b"Retry-After: 1", 120.0, False),
    ],
)
def test_an_answer_that_asks_to_wait_makes_the_host_rest(
    status: bytes,
    header: bytes,
    most: float,
    waits: bool,
    server: ToughServer,
    settings: Callable[..., Settings],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(cases.CASES, "tired", lambda _request: iter((response(b"", header, status=status),)))
    with Recorder(settings(host_rest_s=most)) as recorder:
        with_page = recorder.capture(server.url("/tired"))
        assert with_page.page.status == int(status[:3])
        began = time.monotonic()
        recorder.capture(server.url("/plain")).close()
        with_page.close()
        assert (0.9 <= time.monotonic() - began < 3) if waits else time.monotonic() - began < 0.9


def test_a_second_try_waits_for_the_rest_that_was_asked_for(
    server: ToughServer, settings: Callable[..., Settings], monkeypatch: pytest.MonkeyPatch
) -> None:
    """First an answer that names the rest, then none at all: that is tried again, but not before."""
    answers = iter([response(b"", b"Retry-After: 1", status=b"503 Busy")])
    visits: list[float] = []

    def moody(_request: Request) -> Iterator[Step]:
        visits.append(time.monotonic())
        yield next(answers, cases.Close()) if len(visits) < 3 else response(b"here")

    monkeypatch.setitem(cases.CASES, "moody", moody)
    made = settings(retry_wait_s=0.0)

    def capture_stage() -> int:
        with_page = recorder.capture(server.url("/moody"))
        with_page.close()
        return with_page.page.status

    with Recorder(made) as recorder:
        assert Plainly(made)(capture_stage) == 503
        assert Plainly(made)(capture_stage) == 200
    assert visits[1] - visits[0] >= 0.9
    assert len(visits) == 3
