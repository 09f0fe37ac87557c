"""Redirects, connections, TLS, names and sizes as the recorder handles them."""

import socket
import ssl
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from pathlib import Path
from shutil import which
from typing import Any

import pytest

from tasks.capture.connect import Connection
from tasks.capture.decode import read_payload
from tasks.capture.fetch import Recorder
from tasks.capture.wire import receive
from tasks.errors import CaptureFailed, CaptureTransient, SettingsError, UrlRefused
from tasks.settings import Settings
from tests.hostile.cases import ARTICLE
from tests.hostile.tough_server import ToughServer

Make = Callable[..., Settings]


def to_loopback(_host: str, port: int, _family: int = 0, kind: int = 0) -> list[Any]:
    return [(socket.AF_INET, kind, 6, "", ("127.0.0.1", port))]


# ------------------------------------------------------------------ redirects
def test_each_redirect_is_an_exchange_and_carries_nothing_along(server: ToughServer, recorder: Recorder) -> None:
    capture = recorder.capture(server.url("/redirect/3#part"))

    assert [exchange.status for exchange in capture.exchanges] == [302, 302, 302, 200]
    assert capture.url == server.url("/redirect/3#part")
    assert capture.final_url == server.url("/plain")
    for exchange in capture.exchanges:
        assert b"\r\ncookie:" not in exchange.request.lower()
        assert b"referer" not in exchange.request.lower()
    capture.close()


def test_ten_redirects_are_followed(server: ToughServer, recorder: Recorder) -> None:
    capture = recorder.capture(server.url("/redirect/10"))

    assert len(capture.exchanges) == 11
    capture.close()


@pytest.mark.parametrize(
    ("location", "code"),
    [
        ("http://169.254.169.254/latest", "address"),
        ("http://[::ffff:127.0.0.1]/", "address"),
        ("http://example.org:25/", "port"),
        ("file:///etc/passwd", "scheme"),
        ("http://user:pw@example.org/", "userinfo"),
        ("http://[broken/", "bad-url"),
    ],
)
def test_a_redirect_out_of_the_policy_is_refused_and_the_way_named(
    location: str, code: str, server: ToughServer, recorder: Recorder
) -> None:
    start = server.url(f"/redirect-to?{location}")
    with pytest.raises(UrlRefused) as caught:
        recorder.capture(start)

    assert caught.value.code == code
    assert f"redirected by {start}" in str(caught.value)


def test_a_redirect_to_utf8_and_spaces_is_followed(server: ToughServer, recorder: Recorder) -> None:
    capture = recorder.capture(server.url("/redirect-to?/plain/stra%C3%9Fe%20und%20mehr"))

    assert capture.final_url == server.url("/plain/stra%C3%9Fe%20und%20mehr")
    capture.close()


# ------------------------------------------------------------------ requests
def test_the_kept_request_is_the_one_that_was_sent(server: ToughServer, recorder: Recorder) -> None:
    exchange = recorder.exchange(server.url("/echo?a=b#c"), headers=[("accept", "text/plain"), ("X-More", "1")])
    echoed = read_payload(exchange, 1 << 16)

    assert exchange.request == echoed + b"\r\n\r\n"
    assert echoed.startswith(b"GET /echo?a=b HTTP/1.1\r\nHost: " + server.pair.encode())
    assert b"Accept-Encoding: gzip\r\n" in exchange.request
    assert echoed.lower().count(b"\r\naccept:") == 1
    exchange.body.close()


def test_a_header_cannot_carry_a_second_one(server: ToughServer, recorder: Recorder) -> None:
    with pytest.raises(ValueError, match="no header"):
        recorder.exchange(server.url("/echo"), headers=[("X-A", "1\r\nX-B: 2")])


def test_a_user_agent_that_cannot_be_sent_is_a_settings_error(settings: Make) -> None:
    with pytest.raises(SettingsError, match="user_agent"):
        Recorder(settings(user_agent="two\nlines"))


def test_times_come_from_the_clock(server: ToughServer, settings: Make) -> None:
    moment = datetime(2026, 11, 22, 5, 0, tzinfo=UTC)
    with Recorder(settings(), clock=lambda: moment) as recorder:
        exchange = recorder.exchange(server.url("/plain"))

    assert exchange.started_at == moment
    assert exchange.ip == "127.0.0.1"
    assert 0 < exchange.first_byte_s <= exchange.elapsed_s
    exchange.body.close()


# ------------------------------------------------------------------ connections
def test_a_connection_serves_many_exchanges(settings: Make) -> None:
    with ToughServer() as own, Recorder(settings(allow=(own.pair,))) as recorder:
        for path in ("/plain", "/chunked", "/gzip", "/404", "/304", "/early-hints"):
            recorder.exchange(own.url(path)).body.close()

        assert own.connections == 1


@pytest.mark.parametrize("path", ["/length-and-chunked", "/two-lengths", "/answers-twice", "/bad-chunk", "/http10"])
def test_a_connection_in_doubt_is_not_used_again(path: str, settings: Make) -> None:
    with ToughServer() as own, Recorder(settings(allow=(own.pair,))) as recorder:
        recorder.exchange(own.url(path)).body.close()
        exchange = recorder.exchange(own.url("/plain"))

        assert own.connections == 2
        assert read_payload(exchange, 1 << 20) == ARTICLE
        exchange.body.close()


def test_bytes_that_no_one_asked_for_never_answer_the_next_request(settings: Make) -> None:
    with ToughServer() as own, Recorder(settings(allow=(own.pair,))) as recorder:
        recorder.exchange(own.url("/answers-late")).body.close()
        while not own.sent("/answers-late").endswith(b"asked for"):
            time.sleep(0.01)
        time.sleep(0.05)  # from the server's socket to ours
        exchange = recorder.exchange(own.url("/plain"))

        assert read_payload(exchange, 1 << 20) == ARTICLE
        exchange.body.close()


def test_a_kept_connection_that_died_is_replaced_without_a_word(settings: Make) -> None:
    with ToughServer() as own, Recorder(settings(allow=(own.pair,))) as recorder:
        for _visit in range(2):
            exchange = recorder.exchange(own.url("/dies-when-reused"))
            assert exchange.payload_size == len(ARTICLE)
            exchange.body.close()

        assert own.connections == 2


def test_a_fresh_connection_without_answer_is_not_asked_twice(server: ToughServer, settings: Make) -> None:
    before = len(server.requests("/no-response"))
    with Recorder(settings()) as recorder, pytest.raises(CaptureTransient):
        recorder.exchange(server.url("/no-response"))

    assert len(server.requests("/no-response")) == before + 1


def test_eight_threads_on_one_recorder_mix_nothing(server: ToughServer, recorder: Recorder) -> None:
    def visit(number: int) -> bool:
        exchange = recorder.exchange(server.url(f"/number/{number}"))
        expected = b"<p>%d</p>" % number * (1 + number % 50)
        same = read_payload(exchange, 1 << 20) == expected and exchange.request.startswith(b"GET /number/%d " % number)
        exchange.body.close()
        return same

    with ThreadPoolExecutor(8) as pool:
        assert all(pool.map(visit, range(400)))


def test_a_refused_connection_says_so(settings: Make) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))  # bound, not listening
        pair = f"127.0.0.1:{unused.getsockname()[1]}"
        with Recorder(settings(allow=(pair,))) as recorder, pytest.raises(CaptureTransient) as caught:
            recorder.capture(f"http://{pair}/")

    assert caught.value.code == "connect"
    assert f"{pair} (127.0.0.1) refused the connection" in str(caught.value)


def test_an_exchange_past_its_deadline_ends_as_a_timeout(settings: Make) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs, pytest.raises(CaptureTransient) as caught:
        receive(Connection(ours, "127.0.0.1"), b"GET", url="http://x/", limits=settings(), deadline=0)

    assert caught.value.code == "timeout"


# ------------------------------------------------------------------ names
def test_names_go_through_the_resolver_and_the_address_is_kept(server: ToughServer, settings: Make) -> None:
    pair = f"news.example:{server.port}"
    with Recorder(settings(allow=(pair,)), resolver=to_loopback) as recorder:
        exchange = recorder.exchange(f"http://{pair}/echo")

    assert b"Host: " + pair.encode() in exchange.request
    assert exchange.ip == "127.0.0.1"
    exchange.body.close()


def test_a_name_is_resolved_once_and_the_checked_address_is_connected_to(settings: Make) -> None:
    asked: list[str] = []

    def flip(host: str, port: int, *_: Any) -> list[Any]:
        asked.append(host)
        address = "192.0.2.1" if len(asked) == 1 else "127.0.0.1"
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))]

    with Recorder(settings(), resolver=flip) as recorder, pytest.raises(UrlRefused, match="documentation"):
        recorder.exchange("http://flip.example/")

    assert asked == ["flip.example"]


def test_a_name_that_flips_to_this_machine_is_refused_on_the_redirect(server: ToughServer, settings: Make) -> None:
    """The first hop's pair is allowed; the second is another pair, whose answer has moved to loopback."""
    pair = f"flip.example:{server.port}"
    with (
        Recorder(settings(allow=(pair,)), resolver=to_loopback) as recorder,
        pytest.raises(UrlRefused, match="loopback"),
    ):
        recorder.capture(f"http://{pair}/redirect-to?http://flip.example/")


# ------------------------------------------------------------------ TLS
@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate for tough.example with its key, in one file."""
    if which("openssl") is None:
        pytest.skip("no openssl command to make a certificate with")
    path = tmp_path_factory.mktemp("tls") / "tough.pem"
    command = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    command += ["-days", "2", "-subj", "/CN=tough.example", "-addext", "subjectAltName=DNS:tough.example"]
    subprocess.run([*command, "-keyout", path, "-out", f"{path}.crt"], check=True, capture_output=True)
    path.write_bytes(path.read_bytes() + Path(f"{path}.crt").read_bytes())
    return path


@pytest.fixture(scope="module")
def tls_server(certificate: Path) -> Iterator[ToughServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    context.set_alpn_protocols(["h2", "http/1.1"])
    with ToughServer(context) as tough:
        yield tough


def trusting(certificate: Path) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=str(certificate))
    context.set_alpn_protocols(["http/1.1"])
    return context


def test_a_trusted_site_is_captured_over_tls_with_its_session(
    tls_server: ToughServer, certificate: Path, settings: Make
) -> None:
    pair = f"tough.example:{tls_server.port}"
    with Recorder(settings(allow=(pair,)), resolver=to_loopback, ssl_context=trusting(certificate)) as recorder:
        for path in ("/plain", "/chunked-gzip", "/close-delimited"):
            exchange = recorder.exchange(f"https://{pair}{path}")
            with exchange.body.open() as reader:
                assert exchange.response_head + reader.read() == tls_server.sent(path)
            exchange.body.close()

        assert exchange.tls is not None
        assert exchange.tls.version == "TLSv1.3"
        assert exchange.tls.certificate_sha256.startswith("sha256:")


def test_an_address_that_hangs_leaves_time_for_the_next(
    tls_server: ToughServer, certificate: Path, settings: Make
) -> None:
    pair = f"tough.example:{tls_server.port}"
    with socket.create_server(("127.0.0.1", 0)) as silent:  # takes connections, never says a word

        def both(*_: Any) -> list[Any]:
            return [(socket.AF_INET, 1, 6, "", silent.getsockname()), *to_loopback("", tls_server.port)]

        chosen = settings(allow=(pair,), connect_timeout_s=1.0)
        with Recorder(chosen, resolver=both, ssl_context=trusting(certificate)) as recorder:
            exchange = recorder.exchange(f"https://{pair}/plain")

    assert exchange.payload_size == len(ARTICLE)
    exchange.body.close()


@pytest.mark.parametrize("trusted", [False, True])
def test_a_certificate_that_does_not_fit_is_never_accepted(
    trusted: bool, tls_server: ToughServer, certificate: Path, settings: Make
) -> None:
    """Unknown issuer under the right name; known issuer under the wrong one."""
    pair = f"{'other' if trusted else 'tough'}.example:{tls_server.port}"
    context = trusting(certificate) if trusted else None
    with (
        Recorder(settings(allow=(pair,)), resolver=to_loopback, ssl_context=context) as recorder,
        pytest.raises(CaptureFailed, match=r"certificate of .* cannot be trusted") as caught,
    ):
        recorder.capture(f"https://{pair}/plain")

    assert caught.value.code == "tls"


def test_https_to_a_server_without_tls_says_so(server: ToughServer, settings: Make) -> None:
    with Recorder(settings()) as recorder, pytest.raises(CaptureFailed) as caught:
        recorder.capture(f"https://{server.pair}/plain")

    assert caught.value.code == "tls"


def test_a_redirect_from_https_to_http_is_flagged(
    tls_server: ToughServer, server: ToughServer, certificate: Path, settings: Make
) -> None:
    pair = f"tough.example:{tls_server.port}"
    with Recorder(
        settings(allow=(pair, server.pair)), resolver=to_loopback, ssl_context=trusting(certificate)
    ) as recorder:
        capture = recorder.capture(f"https://{pair}/redirect-to?{server.url('/plain')}")

    assert capture.exchanges[0].flags == ("https-downgrade",)
    assert capture.page.flags == ()
    capture.close()


# ------------------------------------------------------------------ size
_BIG = """
import re, sys
from pathlib import Path
from tasks.capture.fetch import Recorder
from tasks.settings import load_settings
settings = load_settings(environ={}, allow=(sys.argv[1],), max_body_bytes=256 << 20)
with Recorder(settings) as recorder:
    exchange = recorder.exchange(f"http://{sys.argv[1]}/big/200")
    size = 0
    with exchange.body.open() as reader:
        while piece := reader.read(1 << 16):
            size += len(piece)
    exchange.body.close()
peak = re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())  # ru_maxrss counts the parent's as well
print(size, exchange.truncated or "whole", peak[1])
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads peak memory from /proc")
def test_a_body_of_200_mb_takes_less_than_60_mb_of_memory(server: ToughServer) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _BIG, server.pair], capture_output=True, text=True, timeout=120, check=True
    )
    size, kept, peak = result.stdout.split()

    assert (int(size), kept) == (200 << 20, "whole")
    assert int(peak) < 60 << 10  # KiB, on Linux


_NO_ROOM = """
import resource, sys
from tasks.capture.fetch import Recorder
from tasks.errors import DiskFull
from tasks.settings import load_settings
resource.setrlimit(resource.RLIMIT_FSIZE, (2 << 20, 2 << 20))
with Recorder(load_settings(environ={}, allow=(sys.argv[1],))) as recorder:
    try:
        recorder.capture(f"http://{sys.argv[1]}/big/5")
    except DiskFull as error:
        print(error)
"""


def test_a_body_that_finds_no_room_on_disk_is_an_error_and_not_a_cut_page(server: ToughServer) -> None:
    result = subprocess.run(
        [sys.executable, "-c", _NO_ROOM, server.pair], capture_output=True, text=True, timeout=60, check=True
    )

    assert "could not be written: File too large. Make room there" in result.stdout
