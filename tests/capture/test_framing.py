"""Bodies, chunk framing and content codings, taken apart in pieces of any size."""

import gzip
import io
import zlib
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.capture.body import SpooledBody
from tasks.capture.chunks import Dechunker, dechunked
from tasks.capture.coding import decoded
from tasks.capture.head import parse_head
from tests.hostile.cases import chunks

FRAMED = chunks(b"abcdefghij" * 5, 7, b";x=1", b"X-T: 1\r\n")


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(0, len(FRAMED)), max_size=6))
def test_framing_is_read_alike_however_it_arrives(cuts: list[int]) -> None:
    edges = [0, *sorted(cuts), len(FRAMED)]
    framing, payload, used = Dechunker(), b"", 0
    for start, end in pairwise(edges):
        used += framing.feed(FRAMED[start:end])
        payload += b"".join(framing.payload)

    assert (payload, used, framing.done, framing.broken) == (b"abcdefghij" * 5, len(FRAMED), True, False)


@pytest.mark.parametrize(
    "framed",
    [b"zz\r\n", b"\r\n", b"-1\r\n", b"+1\r\na", b"0x1\r\na", b"1\r\nab\r\n", b"f" * 17 + b"\r\n", b"1" * 20000],
)
def test_what_is_no_framing_is_broken(framed: bytes) -> None:
    framing = Dechunker()
    framing.feed(framed)

    assert framing.broken
    assert not framing.done


def test_endless_trailers_are_broken_framing() -> None:
    framing = Dechunker()
    framing.feed(b"0\r\n" + (b"X: " + b"a" * 1000 + b"\r\n") * 70)

    assert framing.broken


def test_bytes_after_the_last_chunk_are_not_taken() -> None:
    framing = Dechunker()

    assert framing.feed(FRAMED + b"HTTP/1.1 200 OK") == len(FRAMED)
    assert list(dechunked([FRAMED + b"more"])) == list(dechunked([FRAMED]))


@settings(deadline=None, max_examples=60)
@given(st.integers(1, 40), st.sampled_from(["gzip", "deflate"]))
def test_codings_come_off_alike_however_they_arrive(size: int, coding: str) -> None:
    text = bytes(range(256)) * 3
    packed = gzip.compress(text[:99]) + gzip.compress(text[99:]) if coding == "gzip" else zlib.compress(text)
    flags: list[str] = []
    pieces = [packed[at : at + size] for at in range(0, len(packed), size)]

    assert b"".join(decoded(pieces, [coding], 1 << 20, flags)) == text
    assert flags == []


@pytest.mark.parametrize(("limit", "flags"), [(1000, []), (999, ["decoded-over-limit"])])
def test_the_limit_is_the_last_byte_that_passes(limit: int, flags: list[str]) -> None:
    found: list[str] = []

    assert len(b"".join(decoded([gzip.compress(bytes(1000))], ["gzip"], limit, found))) == limit
    assert found == flags


def test_a_bomb_within_a_gzip_stops_at_the_limit_of_its_shell() -> None:
    flags: list[str] = []
    bomb = gzip.compress(gzip.compress(bytes(30 << 20)))

    assert len(b"".join(decoded([bomb], ["gzip", "gzip"], 1 << 20, flags))) == 1 << 20
    assert flags == ["decoded-over-limit"]


@pytest.mark.parametrize("size", [10, 3 << 20])
def test_a_body_is_read_as_often_as_wanted_from_memory_and_from_disk(size: int) -> None:
    body = SpooledBody()
    body.write(b"a" * size)
    body.write(b"end")
    with body.open() as first, body.open() as second:
        start = first.read(4)
        assert second.read() == b"a" * size + b"end"
        assert start + first.read() == b"a" * size + b"end"
        assert first.seek(-3, io.SEEK_END) == size
        assert first.read() == b"end"
    with body.open() as third:
        assert third.read(1) == b"a"

    assert body.size == size + 3
    body.close()
    body.close()


@pytest.mark.parametrize(
    ("raw", "length", "keeps_alive", "flags"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", 5, True, ()),
        (b"HTTP/1.1 200\r\nContent-Length: 5, 5\r\n\r\n", 5, True, ()),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\nConnection: Close\r\n\r\n", 5, False, ()),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\n", 5, False, ()),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\nConnection: keep-alive\r\n\r\n", 5, True, ()),
        (b"HTTP/1.1 200 OK\r\n\r\n", None, False, ()),
        (b"HTTP/1.1 200 OK\r\nContent-Length: -5\r\n\r\n", None, False, ("odd-length",)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: \xb25\r\n\r\n", None, False, ("odd-length",)),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"9" * 5000 + b"\r\n\r\n", 10**18 - 1, True, ()),
        (b"HTTP/1.1 200 OK\r\nContent-Length: " + b"0" * 30 + b"5\r\n\r\n", 5, True, ()),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n", None, False, ("odd-transfer-encoding",)),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", None, False, ("odd-transfer-encoding",)),
        (b"HTTP/1.1 204 No\r\nContent-Length: 5\r\n\r\n", 0, True, ()),
        (b"HTTP/1.1 101 Up\r\n\r\n", 0, False, ()),
    ],
)
def test_a_head_says_where_the_body_ends(
    raw: bytes, length: int | None, keeps_alive: bool, flags: tuple[str, ...]
) -> None:
    head = parse_head(raw)

    assert head is not None
    assert (head.length, head.keeps_alive, head.flags, head.chunked) == (length, keeps_alive, flags, False)


@pytest.mark.parametrize(
    "raw", [b"HTTP/2 200 OK\r\n\r\n", b"HTTP/1.1 20 OK\r\n\r\n", b"HTTP/1.1200 OK\r\n\r\n", b"\r\n\r\n"]
)
def test_what_is_no_status_line_is_no_head(raw: bytes) -> None:
    assert parse_head(raw) is None


def test_a_no_break_space_is_part_of_a_value() -> None:
    head = parse_head(b"HTTP/1.1 200 OK\r\nX-A:\t \xa0b \r\n c\r\n\r\n")

    assert head is not None
    assert head.headers == (("x-a", "\xa0b c"),)
