"""From an exchange to what it says: framing and codings removed, media type known, HTML as text."""

import re
from collections.abc import Iterator

from tasks.capture.charset import decide_charset, decode_text
from tasks.capture.chunks import dechunked
from tasks.capture.coding import decoded
from tasks.records import Exchange, PageText

__all__ = ["read_page", "read_payload"]

_PIECE_BYTES = 1 << 16
_SNIFFED_BYTES = 1445  # https://mimesniff.spec.whatwg.org/#reading-the-resource-header
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_HTML_STARTS = (
    b"<!doctype html",
    b"<html",
    b"<head",
    b"<body",
    b"<script",
    b"<title",
    b"<div",
    b"<p>",
    b"<h1",
    b"<!--",
)
# First bytes that name a type: https://mimesniff.spec.whatwg.org/#matching-a-mime-type-pattern
_BINARY = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"PK\x03\x04", "application/zip"),
)
_MAGIC = (*_BINARY, (b"<?xml", "application/xml"), (b"{", "application/json"))
_ESSENCE = re.compile(r"[a-z0-9!#$%&'*+.^_`|~-]{1,127}/[a-z0-9!#$%&'*+.^_`|~-]{1,127}")  # RFC 9110, 8.3.1
_UNSAID = frozenset({"*/*", "unknown/unknown", "application/unknown"})  # mimesniff, 7


def read_page(exchange: Exchange, max_decoded_bytes: int) -> PageText:
    """The media type of the page and, for HTML, its text.

    Past `max_decoded_bytes` there is no text, only the flag decoded-over-limit; the wire bytes are kept all the same.
    """
    flags: list[str] = []
    media_type = exchange.header("content-type").partition(";")[0].rpartition(",")[2].strip().lower()
    if not _ESSENCE.fullmatch(media_type) or media_type in _UNSAID:
        media_type = _sniffed(exchange, flags)
    if "odd-transfer-encoding" in exchange.flags:  # what lies under it is not read: its bytes are not the page's
        return PageText(media_type, None, flags=(*flags, "unknown-coding"))
    if media_type not in _HTML or not exchange.payload_size:
        return PageText(media_type, None, flags=tuple(flags))
    payload = b"".join(_decoded(exchange, max_decoded_bytes, flags))
    if "decoded-over-limit" in flags or "unknown-coding" in flags:
        return PageText(media_type, None, flags=tuple(flags))
    for magic, binary in _BINARY:
        if payload.startswith(magic):
            return PageText(binary, None, flags=(*flags, "media-type-lie"))
    charset = decide_charset(payload, exchange.header("content-type"))
    text, clean = decode_text(payload, charset)
    if not clean:
        flags.append("undecodable-bytes")
    return PageText(media_type, text, charset.name, charset.source, tuple(flags))


def read_payload(exchange: Exchange, max_decoded_bytes: int) -> bytes:
    """The payload, framing and codings removed, at most `max_decoded_bytes` of it."""
    return b"".join(_decoded(exchange, max_decoded_bytes, []))


def _decoded(exchange: Exchange, limit: int, flags: list[str]) -> Iterator[bytes]:
    values = ",".join(exchange.header_values("content-encoding"))
    codings = [coding.strip().lower() for coding in values.split(",") if coding.strip()]
    pieces = _wire_pieces(exchange)
    return decoded(dechunked(pieces) if exchange.chunked else pieces, codings, limit, flags)


def _wire_pieces(exchange: Exchange) -> Iterator[bytes]:
    with exchange.body.open() as reader:
        while piece := reader.read(_PIECE_BYTES):
            yield piece


def _sniffed(exchange: Exchange, flags: list[str]) -> str:
    """The media type as the first bytes show it."""
    flags.append("media-type-sniffed")
    start = b"".join(_decoded(exchange, _SNIFFED_BYTES, [])).removeprefix(b"\xef\xbb\xbf").lstrip()
    if start.lower().startswith(_HTML_STARTS) or (start.startswith(b"<?xml") and b"<html" in start.lower()):
        return "text/html"
    for magic, media_type in _MAGIC:
        if start.startswith(magic):
            return media_type
    return "application/octet-stream" if b"\x00" in start else "text/plain"
