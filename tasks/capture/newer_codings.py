"""Brotli (RFC 7932) and Zstandard (RFC 8878), which captures of other tools hold; we never ask for them ourselves.

Their decoders are the extra `brotli`. Without it such a payload is passed on as it is, with the flag unknown-coding.
"""

import importlib
from collections.abc import Iterator
from typing import Any

__all__ = ["NEWER", "newer_decoded"]

NEWER = ("br", "zstd")
_PIECE_BYTES = 1 << 20  # at most so much comes out of one step: a bomb never stands in memory
_WINDOW_BYTES = 1 << 27  # a frame that wants more memory is refused, as browsers refuse it (8 MiB there)
_STEP_BYTES = 64  # of zstd that are decoded at once: at most 2 MiB come out
_ZSTD = b"\x28\xb5\x2f\xfd"
_MARKUP = (b"<", b"\xef\xbb\xbf", b"{", b"[")


def newer_decoded(source: Iterator[bytes], coding: str, flags: list[str]) -> Iterator[bytes]:
    """The payload without its coding; what went wrong is added to `flags`, as in coding.py."""
    data = _first(source)
    plain = not data.startswith(_ZSTD) if coding == "zstd" else data.lstrip().startswith(_MARKUP)
    module = None if plain or not data else _module("brotli" if coding == "br" else "zstandard")
    if module is None:  # not coded at all, or by what is not installed
        flags += ["content-encoding-lie" if plain else "unknown-coding"] if data else []
        yield data
        yield from source
        return
    pieces = _unbrotli if coding == "br" else _unzstd
    yield from pieces(module, _joined(data, source), flags)


def _first(source: Iterator[bytes]) -> bytes:
    data = b""
    while len(data) < 16 and (more := next(source, b"")):
        data += more
    return data


def _joined(data: bytes, source: Iterator[bytes]) -> Iterator[bytes]:
    yield data
    yield from source


def _module(name: str) -> Any:
    """The decoder, or None where it is missing or too old to be held to a size."""
    try:
        found = importlib.import_module(name)
    except ImportError:
        return None
    return found if name != "brotli" or hasattr(found.Decompressor, "can_accept_more_data") else None


def _unbrotli(brotli: Any, source: Iterator[bytes], flags: list[str]) -> Iterator[bytes]:
    decoder = brotli.Decompressor()
    try:
        for data in source:
            yield decoder.process(data, output_buffer_limit=_PIECE_BYTES)
            while not decoder.can_accept_more_data():
                yield decoder.process(b"", output_buffer_limit=_PIECE_BYTES)
            if decoder.is_finished():
                return
    except brotli.error:
        flags.append("decode-error")
        return
    flags.append("decode-truncated")


def _unzstd(zstandard: Any, source: Iterator[bytes], flags: list[str]) -> Iterator[bytes]:
    """Frame after frame. Four bytes can stand for 128 KiB: little goes in at once, so that little comes out."""
    decoder, rest = zstandard.ZstdDecompressor(max_window_size=_WINDOW_BYTES), b""
    frame = decoder.decompressobj()
    try:
        while rest := rest or next(source, b""):
            if frame.eof:
                if not rest.startswith(_ZSTD[: len(rest)]):
                    return  # padding behind the last frame means nothing
                frame = decoder.decompressobj()
            yield frame.decompress(rest[:_STEP_BYTES])
            rest = frame.unused_data + rest[_STEP_BYTES:] if frame.eof else rest[_STEP_BYTES:]
    except zstandard.ZstdError:
        flags.append("decode-error")
        return
    if not frame.eof:
        flags.append("decode-truncated")
