"""Prefect's API is asked again while its database is locked, and what it cannot do is said plainly."""

import base64
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from tasks.prefect_api import LOCKED_WAITS_S, PrefectApi, PrefectUnavailable, api_of
from tests.flows.conftest import free_port


@pytest.fixture
def answering() -> Iterator[Callable[..., tuple[str, list[str]]]]:
    """answering(status, …) gives the URL of a server that answers so, one after the other, and what it was asked."""
    servers: list[HTTPServer] = []

    def start(*statuses: int, body: bytes = b"true") -> tuple[str, list[str]]:
        asked: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.headers.get("Authorization") or "")
                self.send_response(statuses[min(len(asked), len(statuses)) - 1])
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                """Nothing."""

        servers.append(HTTPServer(("127.0.0.1", 0), Handler))
        threading.Thread(target=servers[-1].serve_forever, args=(0.02,), daemon=True).start()
        return f"http://127.0.0.1:{servers[-1].server_port}/api", asked

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


def test_a_locked_database_is_waited_for(answering: Callable[..., tuple[str, list[str]]]) -> None:
    url, asked = answering(503, 503, 200)
    assert PrefectApi(url).ask("/health") is True
    assert len(asked) == 3


def test_one_that_stays_locked_is_given_up_and_another_error_is_not_tried_again(
    answering: Callable[..., tuple[str, list[str]]],
) -> None:
    for status, tries in ((503, len(LOCKED_WAITS_S) + 1), (500, 1)):
        url, asked = answering(status)
        with pytest.raises(PrefectUnavailable, match=str(status)):
            PrefectApi(url).ask("/flows/filter")
        assert len(asked) == tries


def test_credentials_are_sent_and_asked_for_where_they_are_missing(
    answering: Callable[..., tuple[str, list[str]]],
) -> None:
    url, asked = answering(401)
    with pytest.raises(PrefectUnavailable, match="PREFECT_API_AUTH_STRING"):
        PrefectApi(url, "desk:secret").ask("/health")
    assert base64.b64decode(asked[0].removeprefix("Basic ")) == b"desk:secret"


@pytest.mark.parametrize(("status", "body"), [(200, b"<!doctype html>"), (404, b"{}")])
def test_a_url_that_is_not_the_api_s_is_told_as_such(
    answering: Callable[..., tuple[str, list[str]]], status: int, body: bytes
) -> None:
    """Without /api Prefect's UI answers; that server runs, so \"start it\" would be no help."""
    url, _ = answering(status, body=body)
    with pytest.raises(PrefectUnavailable, match="it ends in /api"):
        PrefectApi(url).ask("/admin/version")


def test_no_server_is_no_health_and_no_url_no_api() -> None:
    assert not PrefectApi(f"http://127.0.0.1:{free_port()}/api", timeout_s=1).healthy()
    assert api_of({}) is None
