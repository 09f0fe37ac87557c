"""Content codings taken off a payload, piece by piece and within a limit."""

import zlib
from collections.abc import Iterable, Iterator

from tasks.capture.newer_codings import NEWER, newer_decoded

__all__ = ["decoded"]

_PIECE_BYTES = 1 << 20  # at most so much comes out of one step: a bomb never stands in memory
_MAX_CODINGS = 3
_KNOWN = ("gzip", "x-gzip", "deflate", *NEWER)
_GZIP = b"\x1f\x8b"


def decoded(pieces: Iterable[bytes], codings: list[str], limit: int, flags: list[str]) -> Iterator[bytes]:
    """The payload without its content codings, at most `limit` bytes; what went wrong is added to `flags`.

    Flags: content-encoding-lie (not coded at all: passed on), decode-error, decode-truncated, decoded-over-limit,
    unknown-coding (passed on as it is).
    """
    codings = [coding for coding in codings if coding != "identity"]
    known = len(codings) <= _MAX_CODINGS and all(coding in _KNOWN for coding in codings)
    if not known:
        flags.append("unknown-coding")
        codings = []
    for coding in reversed(codings):
        decoding = newer_decoded(iter(pieces), coding, flags) if coding in NEWER else _inflated(pieces, coding, flags)
        pieces = _limited(decoding, limit, flags)
    return _limited(pieces, limit, flags)


def _limited(pieces: Iterable[bytes], limit: int, flags: list[str]) -> Iterator[bytes]:
    left = limit
    for piece in pieces:
        if len(piece) > left:
            if "decoded-over-limit" not in flags:
                flags.append("decoded-over-limit")
            yield piece[:left]
            return
        left -= len(piece)
        yield piece


def _inflated(pieces: Iterable[bytes], coding: str, flags: list[str]) -> Iterator[bytes]:
    """gzip with any number of members, or deflate with or without its zlib header."""
    source = iter(pieces)
    data = _at_least(source, 2)
    window = _window(data, coding)
    if window is None:
        if data:
            flags.append("content-encoding-lie")
            yield data
        yield from source
        return
    inflater = zlib.decompressobj(window)
    try:
        while True:
            while data and not inflater.eof:
                yield inflater.decompress(data, _PIECE_BYTES)
                data = inflater.unconsumed_tail
            if inflater.eof:
                data = inflater.unused_data or data or next(source, b"")
                if window < 16 or not data.startswith(_GZIP[: len(data)]) or not data:
                    return  # padding after the last member is common and means nothing
                inflater = zlib.decompressobj(window)
                continue
            data = next(source, b"")
            if not data:
                break
    except zlib.error:
        flags.append("decode-error")
        return
    flags.append("decode-truncated")


def _at_least(source: Iterator[bytes], count: int) -> bytes:
    data = b""
    while len(data) < count:
        more = next(source, b"")
        if not more:
            break
        data += more
    return data


def _window(data: bytes, coding: str) -> int | None:
    """What zlib is to expect, or None where the payload does not look coded."""
    if coding != "deflate":
        return 31 if data.startswith(_GZIP) else None
    if not data or data.startswith(b"<"):
        return None
    zlib_header = len(data) > 1 and data[0] & 0x0F == 8 and int.from_bytes(data[:2], "big") % 31 == 0  # RFC 1950, 2.2
    return 15 if zlib_header else -15
