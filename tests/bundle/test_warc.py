import contextlib
import io
import json
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from warcio.archiveiterator import ArchiveIterator

from tasks.bundle.warc import Block, WarcFile, warc_fields, write_exchanges
from tasks.records import Capture, Exchange
from tests.bundle.samples import AGENT, HTML, MOMENT, MemoryBody, captures, chunked, digest, exchange, pack


def records(data: bytes) -> list[tuple[dict[str, str], bytes]]:
    """Fields and block of every record, HTTP heads left as they are."""
    reader = ArchiveIterator(io.BytesIO(data), no_record_parse=True)
    return [(dict(record.rec_headers.headers), record.raw_stream.read()) for record in reader]


def archived(*exchanges: Exchange) -> list[tuple[dict[str, str], bytes]]:
    out = io.BytesIO()
    file = WarcFile(out, "data.warc.gz", seed="seed")
    file.start({"software": "tearsheet/0.1.0"}, MOMENT)
    list(write_exchanges(file, Capture(exchanges[0].url, exchanges, AGENT), {"verdict": "ok"}))
    return records(out.getvalue())


def fields_of(block: bytes) -> list[tuple[str, str]]:
    return [tuple(line.split(": ", 1)) for line in block.decode().splitlines()]  # type: ignore[misc]


def test_warcinfo_says_who_and_how(tmp_path: Path) -> None:
    bundle = pack(tmp_path)
    with zipfile.ZipFile(bundle.path) as file:
        fields, block = records(file.read("archive/data.warc.gz"))[0]
    assert block.decode() == (
        "software: tearsheet/0.1.0\r\n"
        "format: WARC File Format 1.1\r\n"
        "conformsTo: http://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/\r\n"
        "operator: mailto:desk@news.example\r\n"
        "http-header-user-agent: Tearsheet/0.1 (+mailto:desk@news.example)\r\n"
    )
    assert fields["WARC-Filename"] == "data.warc.gz"
    assert "WARC-Target-URI" not in fields


@pytest.mark.parametrize("name", captures())
def test_response_and_request_blocks_are_the_bytes_of_the_wire(name: str) -> None:
    exchanges = captures()[name].exchanges
    blocks = [block for fields, block in archived(*exchanges) if fields["WARC-Type"] in ("response", "request")]
    wire = [part for item in exchanges for part in (item.response_head + item.body.open().read(), item.request)]
    assert blocks == wire


def test_heads_that_a_parser_would_mend_stay_as_they_are() -> None:
    head = b"HTTP/1.1  200 \nserver:nospace\nX-Trail: v   \r\nX-Latin: caf\xe9\r\n"
    head += b"X-U: caf\xc3\xa9\r\nX-F: a\r\n  b\r\n\r\n"
    odd = exchange(b"\x00\xff", response_head=head, block_digest=digest(head + b"\x00\xff"))
    assert archived(odd)[1][1] == head + b"\x00\xff"


def test_the_fields_of_a_response_and_its_request() -> None:
    _, (response, _), (request, _), (about, _) = archived(exchange())
    warcinfo = response["WARC-Warcinfo-ID"]
    block = exchange().block_digest
    assert response == {
        "WARC-Type": "response",
        "WARC-Record-ID": response["WARC-Record-ID"],
        "WARC-Date": "2026-11-23T10:54:47Z",
        "WARC-Warcinfo-ID": warcinfo,
        "WARC-Target-URI": "https://news.example/2026/tide",
        "WARC-IP-Address": "192.0.2.7",
        "Content-Type": "application/http; msgtype=response",
        "WARC-Payload-Digest": digest(HTML.encode()),
        "WARC-Block-Digest": block,
        "Content-Length": "299",
    }
    assert request["WARC-Date"] == about["WARC-Date"] == response["WARC-Date"]
    assert request["WARC-Concurrent-To"] == about["WARC-Concurrent-To"] == response["WARC-Record-ID"]
    assert request["WARC-IP-Address"] == "192.0.2.7"
    assert "WARC-Payload-Digest" not in request
    assert "WARC-Payload-Digest" not in about


def test_a_chunked_body_has_its_payload_digest_beside_the_record_only() -> None:
    entity = HTML.encode()
    _, (response, _), _, (_, about) = archived(exchange(chunked(entity), payload=entity, chunked=True))
    assert "WARC-Payload-Digest" not in response
    assert ("payloadDigest", digest(entity)) in fields_of(about)


def test_a_cut_body_says_why() -> None:
    assert archived(exchange(truncated="time"))[1][0]["WARC-Truncated"] == "time"
    assert "WARC-Truncated" not in archived(exchange())[1][0]


def test_metadata_tells_what_the_recorder_saw() -> None:
    head = b"HTTP/1.1 103 Early\r\nX: caf\xe9\r\n\r\n"
    seen = fields_of(archived(exchange(interim=(head,), flags=("obs-fold", "extra-bytes")))[3][1])
    assert seen[:5] == [
        ("fetchTimeMs", "42"),
        ("firstByteMs", "10"),
        ("startedAt", "2026-11-23T10:54:47.123456Z"),
        ("payloadDigest", digest(HTML.encode())),
        ("payloadSize", "240"),
    ]
    assert ("flags", "obs-fold extra-bytes") in seen
    assert json.loads(dict(seen)["interim"]).encode("latin-1") == head
    assert seen[-1] == ("verdict", "ok")


def test_a_redirect_is_named_by_the_page_it_led_to() -> None:
    abouts = [
        block for fields, block in archived(*captures()["redirect"].exchanges) if fields["WARC-Type"] == "metadata"
    ]
    assert "via" not in dict(fields_of(abouts[0]))
    assert "verdict" not in dict(fields_of(abouts[0]))
    assert dict(fields_of(abouts[1]))["via"] == "http://news.example/tide"


def test_no_value_can_start_another_field() -> None:
    assert warc_fields([("a", "b\r\nc: d\x00"), ("empty", "")]) == b"a: b  c: d \r\n"


def test_record_ids_follow_from_the_content_and_differ() -> None:
    twice = [[fields["WARC-Record-ID"] for fields, _ in archived(exchange(), exchange())] for _ in range(2)]
    assert twice[0] == twice[1]
    assert len(set(twice[0])) == 7


@pytest.mark.parametrize(
    ("headers", "stored"),
    [
        ({"Content-Type": "text/html"}, False),
        ({"Content-Type": "text/html", "Content-Encoding": "gzip"}, True),
        ({"Content-Type": "text/html", "Content-Encoding": "identity, br"}, True),
        ({"Content-Type": "IMAGE/png"}, True),
        ({"Content-Type": "image/svg+xml"}, False),
        ({"Content-Type": "application/pdf"}, True),
        ({}, False),
    ],
)
def test_only_coded_bodies_are_stored_uncompressed(headers: dict[str, str], stored: bool) -> None:
    body = b"tide " * 500
    out = io.BytesIO()
    page = exchange(body, headers=tuple(headers.items()))
    list(write_exchanges(WarcFile(out, "data.warc.gz", seed=""), Capture(page.url, (page,), AGENT), {}))
    assert (body in out.getvalue()) is stored


def test_a_large_body_is_never_held_in_memory() -> None:
    class Endless(MemoryBody):
        largest = 0

        def __init__(self, size: int) -> None:
            self.size = self.left = size

        def open(self) -> Any:
            return contextlib.nullcontext(self)

        def read(self, size: int) -> bytes:
            Endless.largest = max(Endless.largest, size)
            data = b"\0" * min(size, self.left)
            self.left -= len(data)
            return data

    body = Endless(8 << 20)
    item = exchange(b"", headers=(("Content-Type", "video/mp4"),))
    item = replace(item, body=body)

    class Counter:
        largest = 0

        def write(self, data: bytes) -> int:
            Counter.largest = max(Counter.largest, len(data))
            return len(data)

    list(write_exchanges(WarcFile(Counter(), "data.warc.gz", seed=""), Capture(item.url, (item,), AGENT), {}))
    assert body.left == 0
    assert Endless.largest <= 1 << 16
    assert Counter.largest <= 1 << 18


def test_a_block_knows_its_own_digest() -> None:
    block = Block.of(b"tide")
    assert (block.size, block.digest, block.stream.read()) == (4, digest(b"tide"), b"tide")
