"""What robots.txt allows, and what its absence means."""

import threading
from collections.abc import Callable

import pytest

from tasks.capture.fetch import Recorder
from tasks.capture.robots import Robots
from tasks.errors import UrlRefused
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
