"""What robots.txt allows, and what its absence means."""

import gzip
import threading
from collections.abc import Callable

import pytest

from tasks.capture.fetch import Recorder
from tasks.capture.robots import Robots
from tasks.errors import CaptureFailed, CaptureTransient, UrlRefused
from tasks.settings import Settings
from tests.hostile import cases
from tests.hostile.cases import response
from tests.hostile.tough_server import ToughServer

Serve = Callable[..., None]


@pytest.fixture
def serve(monkeypatch: pytest.MonkeyPatch) -> Serve:
    """Puts another robots.txt on the server."""

    def put(*steps: cases.Step) -> None:
        monkeypatch.setitem(cases.CASES, "robots.txt", lambda _request: iter(steps))

    return put


def test_its_rules_are_kept_to(server: ToughServer, recorder: Recorder) -> None:
    robots = Robots(recorder)

    assert robots.allows(server.url("/plain")).allowed
    refused = robots.allows(server.url("/private/x"))
    assert not refused.allowed
    assert refused.reason == f"disallowed by {server.url('/robots.txt')}"
    assert refused.crawl_delay_s == 2.5


@pytest.mark.parametrize(
    ("rules", "path", "allowed"),
    [
        (b"User-agent: *\nDisallow: /", "/a", False),
        (b"User-agent: *\nDisallow: /\nAllow: /a", "/a", True),
        (b"User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", True),
        (b"User-agent: *\nDisallow: /*.php$", "/x.php", False),
        (b"User-agent: *\nDisallow: /*.php$", "/x.php?y", True),
        (b"User-agent: tearsheet\nDisallow: /\n\nUser-agent: *\nAllow: /", "/a", False),
        (b"User-agent: *\nDisallow: /\n\nUser-agent: Tearsheet\nDisallow:", "/a", True),
        (b"\xef\xbb\xbfUser-agent: *\nDisallow: /", "/a", False),
        (b"", "/a", True),
        (b"<html>no rules</html>", "/a", True),
    ],
)
def test_the_closest_rule_for_our_name_counts(
    rules: bytes, path: str, allowed: bool, serve: Serve, server: ToughServer, recorder: Recorder
) -> None:
    serve(response(rules, kind=b"text/plain"))

    assert Robots(recorder).allows(server.url(path)).allowed is allowed


@pytest.mark.parametrize(
    ("status", "allowed"),
    [(b"404 Not Found", True), (b"403 No", True), (b"429 Slow", False), (b"500 Oh", False), (b"503 Busy", False)],
)
def test_without_a_file_all_is_allowed_and_with_a_broken_server_nothing(
    status: bytes, allowed: bool, serve: Serve, server: ToughServer, recorder: Recorder
) -> None:
    serve(response(b"User-agent: *\nDisallow: /", status=status))
    answer = Robots(recorder).allows(server.url("/a"))

    assert answer.allowed is allowed
    assert status[:3].decode() in answer.reason


@pytest.mark.parametrize("steps", [(cases.Close(),), (response(b"User-agent: *\n", length=99), cases.Close())])
def test_a_file_that_does_not_arrive_allows_nothing(
    steps: tuple[cases.Step, ...], serve: Serve, server: ToughServer, recorder: Recorder
) -> None:
    serve(*steps)
    answer = Robots(recorder).allows(server.url("/a"))

    assert not answer.allowed
    assert "could not be read" in answer.reason


def test_a_redirect_to_it_is_followed(serve: Serve, server: ToughServer, recorder: Recorder) -> None:
    serve(response(b"", b"Location: /moved-robots", status=b"301 Moved Permanently"))
    moved = "moved-robots"
    cases.CASES[moved] = lambda _request: iter((response(b"User-agent: *\nDisallow: /a"),))
    try:
        assert not Robots(recorder).allows(server.url("/a")).allowed
        assert Robots(recorder).allows(server.url("/b")).allowed
    finally:
        del cases.CASES[moved]


def test_an_origin_is_asked_once_by_many_threads(settings: Callable[..., Settings]) -> None:
    with ToughServer() as own, Recorder(settings(allow=(own.pair,))) as recorder:
        robots = Robots(recorder)
        threads = [threading.Thread(target=robots.allows, args=(own.url(f"/{n}"),)) for n in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()

        assert len(own.requests("/robots.txt")) == 1


def test_what_is_no_url_is_refused(recorder: Recorder) -> None:
    with pytest.raises(UrlRefused):
        Robots(recorder).allows("nowhere")


# ------------------------------------------------------------------ limits of RFC 9309
@pytest.mark.parametrize(("hops", "allowed"), [(5, False), (6, True)])
def test_so_many_redirects_are_followed_and_beyond_there_is_none(
    hops: int, allowed: bool, serve: Serve, server: ToughServer, recorder: Recorder, monkeypatch: pytest.MonkeyPatch
) -> None:
    def hop(number: int) -> bytes:
        return response(b"", b"Location: /hop%d" % number, status=b"302 Found")

    serve(hop(1))
    for number in range(1, hops):
        monkeypatch.setitem(cases.CASES, f"hop{number}", lambda _request, n=number: iter((hop(n + 1),)))
    last = response(b"User-agent: *\nDisallow: /")
    monkeypatch.setitem(cases.CASES, f"hop{hops}", lambda _request: iter((last,)))
    answer = Robots(recorder).allows(server.url("/a"))

    assert answer.allowed is allowed
    assert len(answer.exchanges) == 6


def test_redirects_in_a_circle_lead_to_none(serve: Serve, server: ToughServer, recorder: Recorder) -> None:
    serve(response(b"", b"Location: /robots.txt", status=b"302 Found"))
    assert Robots(recorder).allows(server.url("/a")).allowed


@pytest.mark.parametrize(("before", "allowed"), [(500 * 1024, False), (513 * 1024, True)])
@pytest.mark.parametrize("coded", [False, True])
def test_what_lies_beyond_512_kib_is_not_read(
    before: int, allowed: bool, coded: bool, serve: Serve, server: ToughServer, recorder: Recorder
) -> None:
    rules = b"User-agent: *\n" + b"# " + b"x" * before + b"\nDisallow: /a\n"
    serve(response(gzip.compress(rules), cases.GZIP) if coded else response(rules))
    answer = Robots(recorder).allows(server.url("/a"))

    assert answer.allowed is allowed
    assert answer.exchanges[0].body.size <= 512 * 1024
    assert answer.exchanges[0].truncated == ("length" if allowed and not coded else "")


@pytest.mark.parametrize(("status", "kept_s"), [(b"200 OK", 24 * 3600), (b"404 No", 24 * 3600), (b"500 Oh", 300)])
def test_an_answer_is_kept_for_a_day_at_most_and_a_failure_for_minutes(
    status: bytes, kept_s: int, serve: Serve, settings: Callable[..., Settings]
) -> None:
    serve(response(b"User-agent: *\n", status=status))
    moment = [0.0]
    with ToughServer() as own, Recorder(settings(allow=(own.pair,))) as recorder:
        robots = Robots(recorder, clock=lambda: moment[0])
        for moment[0], asked in ((0.0, 1), (kept_s - 1.0, 1), (kept_s + 1.0, 2)):
            robots.allows(own.url("/a"))
            assert len(own.requests("/robots.txt")) == asked


# ------------------------------------------------------------------ what a capture is told
def test_what_forbids_a_page_stops_who_obeys_and_is_told_to_who_reports(
    server: ToughServer, recorder: Recorder
) -> None:
    robots, url = Robots(recorder), server.url("/private/x")
    asked = robots.ask(url)
    assert asked
    assert (asked.note.policy, asked.note.allowed) == ("report", False)
    assert asked.note.reason == f"disallowed by {server.url('/robots.txt')}"
    with pytest.raises(CaptureFailed, match="disallowed by") as caught:
        robots.under("obey").ask(url)
    assert caught.value.code == "robots"
    allowed = robots.under("obey").ask(server.url("/plain"))
    assert allowed
    assert allowed.note.allowed
    assert robots.under("ignore").ask(url) is None


def test_what_cannot_be_read_may_pass(serve: Serve, server: ToughServer, recorder: Recorder) -> None:
    serve(response(b"", status=b"500 Oh"))
    robots = Robots(recorder, "obey")
    with pytest.raises(CaptureTransient, match="answered 500"):
        robots.ask(server.url("/plain"))
    asked = robots.under("report").ask(server.url("/plain"))
    assert asked
    assert not asked.note.allowed


def test_nobody_asks_for_a_robots_txt_itself_or_what_is_no_url(settings: Callable[..., Settings]) -> None:
    with ToughServer() as own, Recorder(settings(allow=(own.pair,))) as recorder:
        for url in (own.url("/robots.txt"), "nowhere", "ftp://a.example/"):
            assert Robots(recorder, "obey").ask(url) is None
        assert own.requests("/robots.txt") == []


def test_the_exchanges_stay_readable_when_a_capture_is_closed(server: ToughServer, recorder: Recorder) -> None:
    robots = Robots(recorder)
    first, second = (robots.ask(server.url(path)) for path in ("/plain", "/gzip"))
    assert first
    assert second
    first.exchanges[0].body.close()
    with second.exchanges[0].body.open() as body:
        assert b"Disallow: /private" in body.read()
    assert second.exchanges[0].response_head.startswith(b"HTTP/1.1 200")
