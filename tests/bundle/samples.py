"""Captures, articles and bundles made by hand, for the tests of packing, verifying and storing."""

import dataclasses
import gzip
import hashlib
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from cryptography.hazmat.primitives.asymmetric import ec

from tasks.bundle.pack import pack_bundle
from tasks.bundle.sign import Signer
from tasks.records import (
    Article,
    Bundle,
    Capture,
    Digest,
    Exchange,
    Metadata,
    Missing,
    PageText,
    Removal,
    Rendered,
    Requisites,
    Resource,
    RobotsNote,
    Sourced,
    Tls,
    Verdict,
    VerdictKind,
)

MOMENT = datetime(2026, 11, 23, 10, 54, 47, 123456, tzinfo=UTC)
URL = "https://news.example/2026/tide"
AGENT = "Tearsheet/0.1 (+mailto:desk@news.example)"
HTML = (
    "<!doctype html><html lang=en><head><title>The tide</title></head><body><nav>Home</nav>"
    "<article><h1>The tide</h1><p>The tide came in — later than foretold.</p>"
    "<p>Become a member today.</p><p>It left before noon.</p></article></body></html>"
)
SIGNER = Signer(ec.derive_private_key(0x7EA25, ec.SECP384R1()))  # a key that anyone can make
PROVENANCE: dict[str, Any] = {
    "software": "tearsheet/0.1.0",
    "rules": "sha256:" + "a" * 64,
    "settings": {"contact": "mailto:desk@news.example", "thin_words": 25},
}


def digest(data: bytes) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


@dataclass
class MemoryBody:
    """A body in memory that keeps to the Body protocol."""

    data: bytes
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = len(self.data)

    def open(self) -> BinaryIO:
        return BytesIO(self.data)

    def close(self) -> None:
        pass


def exchange(
    body: bytes = HTML.encode(),
    *,
    url: str = URL,
    status: str = "200 OK",
    headers: tuple[tuple[str, str], ...] = (("Content-Type", "text/html; charset=utf-8"),),
    after_s: float = 0.0,
    payload: bytes | None = None,
    **more: Any,
) -> Exchange:
    """One exchange; `payload` is the entity where the body is chunked."""
    lines = "".join(f"{name}: {value}\r\n" for name, value in headers)
    head = f"HTTP/1.1 {status}\r\n{lines}\r\n".encode("latin-1")
    entity = body if payload is None else payload
    host, path = url.split("/", 3)[2], "/" + url.split("/", 3)[3]
    values: dict[str, Any] = {
        "url": url,
        "started_at": MOMENT + timedelta(seconds=after_s),
        "request": f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {AGENT}\r\n\r\n".encode(),
        "response_head": head,
        "body": MemoryBody(body),
        "status": int(status[:3]),
        "headers": tuple((name.lower(), value) for name, value in headers),
        "ip": "192.0.2.7",
        "block_digest": digest(head + body),
        "payload_digest": digest(entity),
        "payload_size": len(entity),
        "first_byte_s": 0.01,
        "elapsed_s": 0.0421,
    }
    return Exchange(**(values | more))


def chunked(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n0\r\n\r\n" % (len(data), data)


def captures() -> dict[str, Capture]:
    """One capture for each form of answer that the WARC treats differently, by name."""
    html = HTML.encode()
    coded = gzip.compress(html, mtime=0)
    ctype = ("Content-Type", "text/html; charset=utf-8")
    away = exchange(
        b"", url="http://news.example/tide", status="301 Moved", headers=(("Location", URL), ("Content-Length", "0"))
    )
    tls = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", digest(b"certificate"))
    made = {
        "plain": (exchange(headers=(ctype, ("Content-Length", str(len(html)))), tls=tls),),
        "redirect": (away, exchange(headers=(ctype, ("Content-Length", str(len(html)))), after_s=1.2)),
        "chunked": (
            exchange(
                chunked(html),
                headers=(ctype, ("Transfer-Encoding", "chunked")),
                payload=html,
                chunked=True,
                interim=(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n",),
                flags=("interim",),
            ),
        ),
        "gzip": (exchange(coded, headers=(ctype, ("Content-Encoding", "gzip"), ("Content-Length", str(len(coded))))),),
        "chunked-gzip": (
            exchange(
                chunked(coded),
                headers=(ctype, ("Content-Encoding", "gzip"), ("Transfer-Encoding", "chunked")),
                payload=coded,
                chunked=True,
            ),
        ),
        "truncated": (exchange(headers=(ctype, ("Content-Length", "99999")), truncated="disconnect"),),
        "not-html": (exchange(b"%PDF-1.7 \x00\xff", headers=(("Content-Type", "application/pdf"),)),),
        "error": (exchange(b"<p>gone", status="404 Not Found", headers=(ctype, ("Content-Length", "7"))),),
    }
    found = {name: Capture(exchanges[0].url, exchanges, AGENT) for name, exchanges in made.items()}
    rules = exchange(
        b"User-agent: *\n",
        url="https://news.example/robots.txt",
        headers=(("Content-Type", "text/plain"),),
        after_s=-30.0,
    )
    note = RobotsNote("report", True, "allowed by https://news.example/robots.txt")
    found["beside"] = Capture(URL, made["plain"], AGENT, beside=(rules,), robots=note)
    drawn = dataclasses.replace(with_requisites(made["plain"]), mode="browser", rendered=rendered())
    return found | {"requisites": with_requisites(made["redirect"]), "rendered": drawn}


def rendered() -> Rendered:
    """What a browser made of the page: its DOM and a picture."""
    dom = HTML.replace("later", "much later").encode()
    made_at = MOMENT + timedelta(seconds=3)
    resources = (
        Resource("dom", "text/html; charset=utf-8", MemoryBody(dom), digest(dom), made_at),
        Resource("view", "image/png", MemoryBody(PNG), digest(PNG), made_at),
    )
    refused = (Missing("https://news.example/count", "method-post"),)
    return Rendered("Chrome/156.0", "Mozilla/5.0 Chrome/156.0", resources, "The tide", ("over-time",), refused)


PNG = b"\x89PNG\r\n\x1a\n a picture"


def with_requisites(exchanges: tuple[Exchange, ...]) -> Capture:
    """A sheet, a redirected picture and one that is not there, beside the page."""
    png, beside = (("Content-Type", "image/png"),), ("https://news.example/a.css", "https://cdn.example/b.png")
    sheet = exchange(b"p{color:red}", url=beside[0], headers=(("Content-Type", "text/css"),), after_s=1.5, via=URL)
    moved = exchange(b"", url=beside[1], status="302 Found", headers=(("Location", "/c.png"),), after_s=1.6, via=URL)
    picture = exchange(b"\x89PNG\r\n", url="https://cdn.example/c.png", headers=png, after_s=1.7)
    gone = exchange(b"no", url="https://news.example/d.png", status="404 Not Found", headers=png, after_s=1.8, via=URL)
    requisites = Requisites(3, (Missing("https://news.example/d.png", "status-404"),))
    capture = Capture(exchanges[0].url, exchanges, AGENT, mode="requisites", requisites=requisites)
    return dataclasses.replace(capture, beside=(sheet, moved, picture, gone))


def article() -> Article:
    removals = (
        Removal("navigation", "nav", "the site's menu", "/html[1]/body[1]/nav[1]", "Home", 4, digest(b"Home"), None),
        Removal(
            "promo",
            "promo-member",
            "asks for membership",
            "/html[1]/body[1]/article[1]/p[2]",
            "Become a member today.",
            19,
            digest(b"Become a member today."),
            0.25,
            0.5,
            (("links", -0.75),),
        ),
    )
    text = "The tide\n\nThe tide came in — later than foretold.\n\nIt left before noon.\n"
    return Article(
        html="<h1>The tide</h1>\n<p>The tide came in — later than foretold.</p>\n<p>It left before noon.</p>",
        markdown="# The tide\n\nThe tide came in — later than foretold.\n\nIt left before noon.\n",
        text=text,
        removals=removals,
        page_chars=81,
        kept_chars=58,
    )


METADATA = Metadata(
    title=Sourced("The tide", "meta:og:title"),
    authors=Sourced(("Ada Byron", "K. Čapek"), "json-ld:author"),
    published=Sourced("2026-11-22T08:00:00+01:00", "json-ld:datePublished"),
    language=Sourced("en", "html:lang"),
    tags=Sourced(("sea", "moon"), "meta:keywords"),
)


def pack(folder: Path, name: str = "plain", **more: Any) -> Bundle:
    """The bundle of one of the captures."""
    capture = captures()[name]
    html = name != "not-html"
    verdict = {
        "truncated": Verdict(VerdictKind.CUT, ("truncated-disconnect",)),
        "error": Verdict(VerdictKind.ERROR, ("status-404",)),
        "not-html": Verdict(VerdictKind.OK, ("not-html",)),
    }.get(name, Verdict(VerdictKind.OK))
    values: dict[str, Any] = {
        "capture": capture,
        "page": PageText("text/html", HTML, "utf-8", "http") if html else PageText("application/pdf", None),
        "verdict": verdict,
        "article": dataclasses.replace(article(), source="dom" if name == "rendered" else "page") if html else None,
        "metadata": METADATA if html else Metadata(),
        "provenance": PROVENANCE,
    }
    return pack_bundle(folder, **(values | more))
