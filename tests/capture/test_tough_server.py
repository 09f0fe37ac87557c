"""Every answer of the tough server with what must become of it: exact bytes and a verdict, or a clear error."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass

import pytest

from tasks.capture.decode import read_page, read_payload
from tasks.capture.fetch import Recorder
from tasks.capture.verdict import judge
from tasks.errors import CaptureFailed, CaptureTransient, PermanentError, TearsheetError, TransientError
from tasks.records import Exchange
from tasks.settings import Settings
from tests.hostile.cases import ARTICLE, CASES
from tests.hostile.tough_server import ToughServer


@dataclass(frozen=True)
class Kept:
    """An answer that is kept: what judge and the flags say of it, and whether every sent byte is there."""

    path: str
    verdict: str = "ok"
    reasons: tuple[str, ...] = ()
    truncated: str = ""
    flags: tuple[str, ...] = ()
    page_flags: tuple[str, ...] = ()
    whole: bool = True  # False: a prefix of what was sent
    status: int = 200
    article: bool = True  # the text is ARTICLE


ODD = (("odd-transfer-encoding",), ("unknown-coding",))  # flags of the exchange, of the page
KEPT = [
    Kept("/plain"),
    Kept("/chunked"),
    Kept("/chunked-extended"),
    Kept("/gzip"),
    Kept("/gzip-members"),
    Kept("/gzip-padded"),
    Kept("/gzip-twice"),
    Kept("/deflate"),
    Kept("/raw-deflate"),
    Kept("/chunked-gzip"),
    Kept("/close-delimited"),
    Kept("/http10"),
    Kept("/bare-lf"),
    Kept("/many-headers"),
    Kept("/large-header"),
    Kept("/early-hints", flags=("interim-103",)),
    Kept("/same-length-twice"),
    Kept("/no-type", page_flags=("media-type-sniffed",)),
    Kept("/pdf", reasons=("not-html",), article=False),
    Kept("/json", reasons=("not-html",), article=False),
    Kept("/image", reasons=("not-html",), article=False),
    Kept("/no-type-pdf", reasons=("not-html",), page_flags=("media-type-sniffed",), article=False),
    Kept("/echo", reasons=("not-html",), article=False),
    Kept("/short-text", "thin", ("words-5",), article=False),
    Kept("/truncated", "cut", ("truncated-disconnect",), "disconnect", article=False),
    Kept("/truncated-chunked", "cut", ("truncated-disconnect",), "disconnect", article=False),
    Kept("/truncated-gzip", "cut", ("decode-truncated",), page_flags=("decode-truncated",), article=False),
    Kept("/damaged-gzip", "cut", ("decode-error",), page_flags=("decode-error",), article=False),
    Kept("/length-too-short", flags=("extra-bytes",), whole=False, article=False),
    Kept("/answers-twice", flags=("extra-bytes",), whole=False),
    Kept("/gzip-lie", page_flags=("content-encoding-lie",)),
    Kept("/unknown-coding", "error", ("unknown-coding",), page_flags=("unknown-coding",), article=False),
    Kept("/gzip-under-chunks", "error", ("unknown-coding",), "", *ODD, article=False),
    Kept("/chunked-http10", "error", ("unknown-coding",), "", *ODD, article=False),
    Kept("/unheard-of-length", "cut", ("truncated-disconnect",), "disconnect"),
    Kept("/pdf-as-html", reasons=("not-html",), page_flags=("media-type-lie",), article=False),
    Kept("/type-twice"),
    Kept("/no-real-type", page_flags=("media-type-sniffed",)),
    Kept("/two-lengths", flags=("conflicting-length",)),
    Kept("/odd-length", flags=("odd-length",)),
    Kept("/length-and-chunked", flags=("length-and-chunked",)),
    Kept("/bad-chunk", "cut", ("bad-chunk",), "unspecified", ("bad-chunk",), whole=False, article=False),
    Kept("/reset-in-body", "cut", ("truncated-disconnect",), "disconnect", article=False),
    Kept("/stall-in-body", "cut", ("truncated-time",), "time", article=False),
    Kept("/slow", "cut", ("truncated-time",), "time", whole=False, article=False),
    Kept("/endless", "cut", ("truncated-length",), "length", whole=False, article=False),
    Kept("/endless-chunked", "cut", ("truncated-length",), "length", whole=False, article=False),
    Kept("/big/3", "cut", ("truncated-length",), "length", whole=False, article=False),
    Kept("/bomb", "cut", ("decoded-over-limit",), page_flags=("decoded-over-limit",), article=False),
    Kept("/empty", "error", ("empty-body",), article=False),
    Kept("/blank", "error", ("empty-body",), article=False),
    Kept("/204", "error", ("empty-body",), status=204, page_flags=("media-type-sniffed",), article=False),
    Kept("/304", "error", ("status-304", "empty-body"), status=304, article=False),
    Kept("/206", "cut", ("status-206",), status=206, article=False),
    Kept("/404", "error", ("status-404",), status=404, article=False),
    Kept("/410", "error", ("status-410",), status=410, article=False),
    Kept("/429", "error", ("status-429",), status=429, article=False),
    Kept("/500", "error", ("status-500",), status=500, article=False),
    Kept("/503", "error", ("status-503",), status=503, article=False),
    Kept("/redirect-nowhere", "error", ("status-302", "empty-body"), status=302, article=False),
    Kept("/weird-headers", flags=("obs-fold", "header-odd-name", "header-no-colon")),
]

FAILED = [
    ("/redirect-loop", CaptureFailed, "redirect-loop"),
    ("/redirect-ping", CaptureFailed, "redirect-loop"),
    ("/redirect/12", CaptureFailed, "too-many-redirects"),
    ("/http09", CaptureFailed, "not-http"),
    ("/not-http", CaptureFailed, "not-http"),
    ("/status-zero", CaptureFailed, "not-http"),
    ("/huge-header", CaptureFailed, "header-too-large"),
    ("/endless-header", CaptureFailed, "header-too-large"),
    ("/endless-interim", CaptureFailed, "header-too-large"),
    ("/half-head", CaptureTransient, "header-truncated"),
    ("/no-response", CaptureTransient, "no-response"),
    ("/stall", CaptureTransient, "timeout"),
    ("/slow-header", CaptureTransient, "timeout"),
]

# Served for tests of their own, below or in other files.
ELSEWHERE = {"answers-late", "redirect-to", "redirect-pong", "number", "charset", "dies-when-reused", "robots.txt"}


def wire(exchange: Exchange) -> bytes:
    """Everything that was kept of the response, interim answers first."""
    with exchange.body.open() as reader:
        return b"".join(exchange.interim) + exchange.response_head + reader.read()


def test_every_case_of_the_server_has_an_expected_outcome() -> None:
    tested = {case.path.split("/")[1] for case in KEPT} | {path.split("/")[1] for path, _kind, _code in FAILED}

    assert set(CASES) - tested == ELSEWHERE


@pytest.mark.parametrize("case", KEPT, ids=lambda case: case.path)
def test_an_answer_is_kept_exactly_and_judged(
    case: Kept, server: ToughServer, recorder: Recorder, settings: Callable[..., Settings]
) -> None:
    before = len(server.sent(case.path))
    capture = recorder.capture(server.url(case.path))
    sent, page = server.sent(case.path)[before:], capture.page
    text = read_page(page, settings().max_decoded_bytes)
    words = None if text.text is None else len(text.text.split())
    verdict = judge(capture, text, words, 25)

    assert wire(page) == sent if case.whole else sent.startswith(wire(page))
    assert page.body.size or not page.truncated
    assert page.status == case.status
    assert (verdict.kind, verdict.reasons) == (case.verdict, case.reasons)
    assert (page.truncated, text.flags) == (case.truncated, case.page_flags)
    assert [flag for flag in page.flags if not flag.startswith("broken-off")] == list(case.flags)
    assert (text.text == ARTICLE.decode()) is case.article
    capture.close()


@pytest.mark.parametrize("case", KEPT, ids=lambda case: case.path)
def test_digests_are_those_of_the_bytes_that_were_kept(case: Kept, server: ToughServer, recorder: Recorder) -> None:
    exchange = recorder.exchange(server.url(case.path))
    with exchange.body.open() as reader:
        body = reader.read()
    payload = body if not exchange.chunked else None

    assert exchange.block_digest == f"sha256:{hashlib.sha256(exchange.response_head + body).hexdigest()}"
    assert exchange.body.size == len(body)
    if payload is not None:
        assert exchange.payload_digest == f"sha256:{hashlib.sha256(payload).hexdigest()}"
        assert exchange.payload_size == len(payload)
    exchange.body.close()


@pytest.mark.parametrize("path", ["/chunked", "/chunked-extended", "/length-and-chunked"])
def test_the_payload_digest_of_a_chunked_body_is_that_of_the_dechunked_bytes(
    path: str, server: ToughServer, recorder: Recorder
) -> None:
    exchange = recorder.exchange(server.url(path))

    assert exchange.payload_digest == f"sha256:{hashlib.sha256(ARTICLE).hexdigest()}"
    assert exchange.payload_size == len(ARTICLE) < exchange.body.size
    assert read_payload(exchange, 1 << 20) == ARTICLE
    exchange.body.close()


@pytest.mark.parametrize(("path", "kind", "code"), FAILED, ids=[path for path, _kind, _code in FAILED])
def test_an_answer_that_cannot_be_archived_raises_a_clear_error(
    path: str, kind: type[TearsheetError], code: str, server: ToughServer, recorder: Recorder
) -> None:
    with pytest.raises(kind) as caught:
        recorder.capture(server.url(path))

    assert caught.value.code == code
    assert server.url("/") in str(caught.value)
    assert caught.value.remedy
    assert isinstance(caught.value, TransientError if kind is CaptureTransient else PermanentError)


def test_a_bomb_keeps_its_wire_bytes_and_gives_no_text(server: ToughServer, recorder: Recorder) -> None:
    exchange = recorder.exchange(server.url("/bomb"))
    page = read_page(exchange, 8 << 20)

    assert page.text is None
    assert not exchange.truncated
    assert len(read_payload(exchange, 8 << 20)) == 8 << 20
    exchange.body.close()
