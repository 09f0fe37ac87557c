"""The answers of the tough server, each a generator of bytes and steps."""

import gzip
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cache
from urllib.parse import unquote_to_bytes


@dataclass(frozen=True, slots=True)
class Request:
    """What a case may look at."""

    head: bytes
    path: str
    rest: str  # of the path, after the case's name
    query: str
    visit: int  # how often this path was asked for, 1 the first time
    on_connection: int  # how many requests came on this connection before


@dataclass(frozen=True, slots=True)
class Pause:
    """Nothing is sent for a while."""

    seconds: float


@dataclass(frozen=True, slots=True)
class Close:
    """The connection ends, all that was sent arrives."""


@dataclass(frozen=True, slots=True)
class Reset:
    """The connection is torn down."""


@dataclass(frozen=True, slots=True)
class Wait:
    """Nothing more is sent until the server closes."""


Step = bytes | Pause | Close | Reset | Wait
Case = Callable[[Request], Iterator[Step]]
CASES: dict[str, Case] = {}

_PARAGRAPH = b"<p>The harbour board met on Tuesday and settled the order of the repairs, quay by quay, number %d.</p>\n"
ARTICLE = (
    b"<!doctype html><html><head><meta charset=utf-8><title>Quays to be repaired</title></head><body><article>"
    + b"".join(_PARAGRAPH % number for number in range(400))
    + b"</article></body></html>"
)
CHARSET_TEXT = "<html><head>%s<title>Prüfung der Größe</title></head><body>ÄÖÜß naïve café</body></html>"


def response(
    body: bytes = b"",
    *headers: bytes,
    status: bytes = b"200 OK",
    kind: bytes | None = b"text/html; charset=utf-8",
    length: int | None = -1,
) -> bytes:
    """A whole answer; `length` -1 is the true one, None none."""
    lines = [b"HTTP/1.1 " + status, b"Date: Sun, 22 Nov 2026 05:00:00 GMT", b"Server: tough"]
    lines += [b"Content-Type: " + kind] if kind else []
    lines += [] if length is None else [b"Content-Length: %d" % (len(body) if length < 0 else length)]
    return b"\r\n".join([*lines, *headers]) + b"\r\n\r\n" + body


def chunks(body: bytes, size: int = 7000, extension: bytes = b"", trailers: bytes = b"") -> bytes:
    """`body` in chunk framing."""
    pieces = (body[at : at + size] for at in range(0, len(body), size))
    return b"".join(b"%x%s\r\n%s\r\n" % (len(p), extension, p) for p in pieces) + b"0\r\n" + trailers + b"\r\n"


CHUNKED = b"Transfer-Encoding: chunked"
GZIP = b"Content-Encoding: gzip"


def case(name: str) -> Callable[[Case], Case]:
    """Registers a case."""

    def register(function: Case) -> Case:
        CASES[name] = function
        return function

    return register


def fixed(name: str, *steps: Step) -> None:
    """A case that always answers the same."""
    CASES[name] = lambda _request: iter(steps)


# ---- sound answers
fixed("plain", response(ARTICLE))
fixed("chunked", response(chunks(ARTICLE), CHUNKED, length=None))
fixed(
    "chunked-extended",
    response(chunks(ARTICLE, 999, b';a="b"', b"X-Trailer: yes\r\n"), CHUNKED, b"Trailer: X-Trailer", length=None),
)
fixed("gzip", response(gzip.compress(ARTICLE, mtime=0), GZIP))
fixed("gzip-members", response(gzip.compress(ARTICLE[:999], mtime=0) + gzip.compress(ARTICLE[999:], mtime=0), GZIP))
fixed("gzip-padded", response(gzip.compress(ARTICLE, mtime=0) + bytes(64), GZIP))
fixed("gzip-twice", response(gzip.compress(gzip.compress(ARTICLE)), b"Content-Encoding: gzip, gzip"))
fixed("deflate", response(zlib.compress(ARTICLE), b"Content-Encoding: deflate"))
fixed("raw-deflate", response(zlib.compress(ARTICLE)[2:-4], b"Content-Encoding: deflate"))
fixed("chunked-gzip", response(chunks(gzip.compress(ARTICLE), 1000), CHUNKED, GZIP, length=None))
fixed("close-delimited", response(ARTICLE, b"Connection: close", length=None), Close())
fixed("http10", response(ARTICLE, length=None).replace(b"HTTP/1.1", b"HTTP/1.0", 1), Close())
fixed("bare-lf", b"HTTP/1.1 200 OK\nContent-Type: text/html\nContent-Length: %d\n\n" % len(ARTICLE) + ARTICLE)
fixed("many-headers", response(ARTICLE, *(b"X-%d: v" % number for number in range(500))))
fixed("large-header", response(ARTICLE, b"X-Large: " + b"x" * 200_000))
fixed("early-hints", b"HTTP/1.1 103 Early Hints\r\nLink: </s.css>; rel=preload\r\n\r\n", response(ARTICLE))
fixed("pdf", response(b"%PDF-1.4\nno real one\n%%EOF", kind=b"application/pdf"))
fixed("json", response(b'{"a": 1}', kind=b"application/json"))
fixed("image", response(b"\x89PNG\r\n\x1a\n" + bytes(100), kind=b"image/png"))
fixed("no-type", response(ARTICLE, kind=None))
fixed("no-type-pdf", response(b"%PDF-1.4\n", kind=None))
fixed("short-text", response(b"<html><body><p>Only five words in here</p></body></html>"))
fixed("same-length-twice", response(ARTICLE, b"Content-Length: %d" % len(ARTICLE)))


# ---- redirects
@case("redirect")
def _redirect(request: Request) -> Iterator[Step]:
    left = int(request.rest)
    onward = b"/redirect/%d" % (left - 1) if left > 1 else b"/plain"
    yield response(b"moved", b"Location: " + onward, b"Set-Cookie: hop=%d; Path=/" % left, status=b"302 Found")


@case("redirect-to")
def _redirect_to(request: Request) -> Iterator[Step]:
    yield response(b"", b"Location: " + unquote_to_bytes(request.query), status=b"302 Found")


fixed("redirect-loop", response(b"", b"Location: /redirect-loop", status=b"301 Moved Permanently"))
fixed("redirect-ping", response(b"", b"Location: /redirect-pong#top", status=b"302 Found"))
fixed("redirect-pong", response(b"", b"Location: /redirect-ping", status=b"302 Found"))
fixed("redirect-nowhere", response(b"", status=b"302 Found"))

# ---- bodies that break off or lie
fixed("truncated", response(ARTICLE[:20000], length=len(ARTICLE)), Close())
fixed("truncated-chunked", response(chunks(ARTICLE)[:20000], CHUNKED, length=None), Close())
fixed("truncated-gzip", response(gzip.compress(ARTICLE, mtime=0)[:900], GZIP))
fixed("damaged-gzip", response(gzip.compress(ARTICLE, mtime=0)[:-8] + bytes(8), GZIP))
fixed("length-too-short", response(ARTICLE, length=1000), Close())
fixed("answers-twice", response(ARTICLE) + response(b"a second answer that no one asked for"))
fixed("answers-late", response(ARTICLE), Pause(0.05), response(b"a second answer that no one asked for"))
fixed("gzip-lie", response(ARTICLE, GZIP))
fixed("unknown-coding", response(b"\x1b\x03not ours", b"Content-Encoding: x-ours"))
fixed("two-lengths", response(ARTICLE, b"Content-Length: 17"), Close())
fixed("odd-length", response(ARTICLE, b"Content-Length: 0x10", length=None), Close())
fixed("length-and-chunked", response(chunks(ARTICLE), CHUNKED, length=17))
fixed("bad-chunk", response(chunks(ARTICLE[:7000])[:-5] + b"zz\r\nleft over", CHUNKED, length=None), Close())
fixed("reset-in-body", response(b"abc", length=999), Pause(0.2), Reset())
fixed("empty", response(b""))
fixed("blank", response(b" \r\n\t "))
fixed(
    "gzip-under-chunks",
    response(chunks(gzip.compress(ARTICLE)), b"Transfer-Encoding: gzip, chunked", length=None),
)
fixed("chunked-http10", response(chunks(ARTICLE), CHUNKED, length=None).replace(b"1.1", b"1.0", 1), Close())
fixed("unheard-of-length", response(ARTICLE, b"Content-Length: " + b"9" * 30, length=None), Close())
fixed("pdf-as-html", response(b"%PDF-1.4\n" + ARTICLE))
fixed("type-twice", response(ARTICLE, kind=b"text/html, text/html; charset=utf-8"))
fixed("no-real-type", response(ARTICLE, kind=b"*/*"))

# ---- heads that break the rules
fixed("status-zero", response(ARTICLE, status=b"000 Nothing"))
fixed("http09", ARTICLE, Close())
fixed("not-http", b"220 mail.example ESMTP ready\r\n", Close())
fixed("huge-header", response(ARTICLE, b"X-Huge: " + b"x" * 300_000))
fixed("half-head", b"HTTP/1.1 200 OK\r\nContent-Ty", Close())
fixed(
    "weird-headers",
    b"HTTP/1.1 200 Okey  Dokey \r\nserver:nospace\r\nX-Trail: value   \r\nX-Fold: a\r\n  folded b\r\n"
    b"X-Latin: caf\xe9\r\nX-UTF8: caf\xc3\xa9\r\nSet-Cookie: a=1\r\nset-cookie: b=2\r\nX Space Name: 1\r\nX-Sp : 2\r\n"
    b"NoColonLine\r\nX-Empty:\r\nContent-Length: %d\r\nCONTENT-type: text/html\r\n\r\n" % len(ARTICLE) + ARTICLE,
)


@case("endless-header")
def _endless_header(_request: Request) -> Iterator[Step]:
    yield b"HTTP/1.1 200 OK\r\n"
    while True:
        yield b"X-A: " + b"a" * 1000 + b"\r\n"


@case("endless-interim")
def _endless_interim(_request: Request) -> Iterator[Step]:
    while True:
        yield b"HTTP/1.1 102 Processing\r\nX-A: " + b"a" * 1000 + b"\r\n\r\n"


# ---- statuses
fixed("204", response(status=b"204 No Content", kind=None, length=None))
fixed("304", response(b"", b'ETag: "v1"', status=b"304 Not Modified", length=None))
fixed("206", response(ARTICLE[:500], b"Content-Range: bytes 0-499/40000", status=b"206 Partial Content"))
for _status in (b"404 Not Found", b"410 Gone", b"429 Too Many Requests", b"500 Oh", b"503 Service Unavailable"):
    fixed(_status[:3].decode(), response(b"<h1>no such page</h1>", b"Retry-After: 2", status=_status))


# ---- what depends on the request
@case("echo")
def _echo(request: Request) -> Iterator[Step]:
    yield response(request.head, kind=b"text/plain")


@case("number")
def _number(request: Request) -> Iterator[Step]:
    """A page that only this number has, so that mixed-up answers show."""
    body = b"<p>%s</p>" % request.rest.encode() * (1 + int(request.rest) % 50)
    yield response(chunks(body, 77), CHUNKED, length=None) if int(request.rest) % 2 else response(body)


@case("charset")
def _charset(request: Request) -> Iterator[Step]:
    """charset/<encoding> leaves it unsaid, charset/<encoding>/meta and /http say it there."""
    encoding, _, where = request.rest.partition("/")
    text = CHARSET_TEXT % (f'<meta charset="{encoding}">' if where == "meta" else "")
    said = f"text/html; charset={encoding}" if where == "http" else "text/html"
    yield response(text.encode(encoding), kind=said.encode())


@case("dies-when-reused")
def _dies_when_reused(request: Request) -> Iterator[Step]:
    if request.on_connection:
        yield Close()
    yield response(ARTICLE)


@case("robots.txt")
def _robots(_request: Request) -> Iterator[Step]:
    yield response(b"User-agent: *\nDisallow: /private\nCrawl-delay: 2.5\n", kind=b"text/plain")


# ---- time and size
fixed("stall", Wait())
fixed("stall-in-body", response(ARTICLE[:5000], length=len(ARTICLE)), Wait())
fixed("no-response", Close())


@case("slow")
def _slow(_request: Request) -> Iterator[Step]:
    yield from _dripping(response(ARTICLE), 500)


@case("slow-header")
def _slow_header(_request: Request) -> Iterator[Step]:
    yield from _dripping(response(ARTICLE), 1)


def _dripping(data: bytes, size: int) -> Iterator[Step]:
    for at in range(0, len(data), size):
        yield data[at : at + size]
        yield Pause(0.05)


@case("endless")
def _endless(_request: Request) -> Iterator[Step]:
    yield response(b"", b"Connection: close", length=None)
    while True:
        yield ARTICLE


@case("endless-chunked")
def _endless_chunked(_request: Request) -> Iterator[Step]:
    yield response(b"", CHUNKED, length=None)
    while True:
        yield chunks(ARTICLE)[:-5]


@case("big")
def _big(request: Request) -> Iterator[Step]:
    """big/<MiB>."""
    yield response(b"", length=int(request.rest) << 20)
    for number in range(int(request.rest)):
        yield bytes([number % 256]) * (1 << 20)


@case("bomb")
def _bomb(_request: Request) -> Iterator[Step]:
    yield response(_bomb_bytes(), GZIP)


@cache
def _bomb_bytes() -> bytes:
    """64 MiB of nothing in 300 kB."""
    packer = zlib.compressobj(1, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(1 << 20)) for _ in range(64)) + packer.flush()
