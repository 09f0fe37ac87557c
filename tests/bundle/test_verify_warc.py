"""The strict WARC reader: each rule of the standard, broken in a record of our own making."""

import gzip
import hashlib
from pathlib import Path

import pytest

from tasks.bundle.verify import is_sound, verify_file
from tests.bundle.forge import codes

ID = "<urn:uuid:00000000-0000-4000-8000-0000000000%02d>"
DATE = "2026-11-23T10:54:47Z"
HTTP = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def record(kind: str = "response", block: bytes = HTTP, number: int = 1, **changes: str | None) -> bytes:
    """One right record; `changes` replace fields (underscores are hyphens), None leaves one out."""
    fields: dict[str, str | None] = {
        "WARC-Type": kind,
        "WARC-Record-ID": ID % number,
        "WARC-Date": DATE,
        "Content-Length": str(len(block)),
        "WARC-Block-Digest": f"sha256:{hashlib.sha256(block).hexdigest()}",
    }
    if kind in ("response", "request", "revisit"):
        fields["Content-Type"] = f"application/http; msgtype={kind}"
    if kind != "warcinfo":
        fields["WARC-Target-URI"] = "https://news.example/"
    fields |= {name.replace("_", "-"): value for name, value in changes.items()}
    lines = "".join(f"{name}: {value}\r\n" for name, value in fields.items() if value is not None)
    return b"WARC/1.1\r\n" + lines.encode() + b"\r\n" + block + b"\r\n\r\n"


def found(tmp_path: Path, data: bytes, level: str = "full") -> set[str]:
    path = tmp_path / "x"
    path.write_bytes(data)
    return codes(path, level)


def http(body: bytes, *headers: str) -> bytes:
    return ("HTTP/1.1 200 OK\r\n" + "".join(f"{line}\r\n" for line in headers) + "\r\n").encode() + body


CHUNKED = http(b"5\r\nhello\r\n0\r\n\r\n", "Transfer-Encoding: chunked")
RAW = f"sha256:{hashlib.sha256(CHUNKED[47:]).hexdigest()}"
ZERO = "sha256:" + "0" * 64
LATER = {"WARC_Date": "2026-11-23T10:54:48Z", "WARC_Concurrent_To": ID % 1}
HELLO = f"sha256:{hashlib.sha256(b'hello').hexdigest()}"
IDENTICAL = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"


def revisit(digest: str) -> bytes:
    original = {"WARC_Refers_To_Target_URI": "https://news.example/", "WARC_Refers_To_Date": DATE}
    return record("revisit", number=2, WARC_Profile=IDENTICAL, WARC_Payload_Digest=digest, **original)


CASES: list[tuple[str, bytes]] = [
    ("record-header", b"WARC/9.9\r\nWARC-Type: warcinfo\r\n\r\n"),
    ("record-header", record() + b"garbage\r\n\r\n" + record(number=2)),
    ("record-length", record(Content_Length=str(len(HTTP) - 2))),
    ("record-cut", record()[:-20]),
    ("record-cut", record()[:-4]),
    ("field-missing", record(WARC_Date=None)),
    ("field-missing", record(WARC_Target_URI=None)),
    ("field-missing", record(Content_Length=None)),
    ("field-invalid", record(WARC_Date="2026-13-01T00:00:00Z")),
    ("field-invalid", record(WARC_Record_ID="urn:uuid:1")),
    ("field-invalid", record(Content_Length="-1")),
    ("field-invalid", record(WARC_Truncated="later")),
    ("field-invalid", record().replace(b"WARC-Type", b"no field\r\nWARC-Type", 1)),
    ("field-forbidden", record(WARC_Refers_To_Date=DATE)),
    ("field-forbidden", record("conversion", WARC_Concurrent_To=ID % 1)),
    ("field-forbidden", record("warcinfo", WARC_Target_URI="https://news.example/")),
    ("field-repeated", record().replace(b"WARC-Type", b"WARC-Date: 2026-11-23T10:54:47Z\r\nWARC-Type", 1)),
    ("field-form", record().replace(b"WARC-Type: response\r\n", b"WARC-Type: response\n", 1)),
    ("field-form", record().replace(b"WARC-Type", b" folded\r\nWARC-Type", 1)),
    ("field-form", record().replace(b"news.example", b"news.\xffxample", 1)),
    ("record-type", record("snapshot")),
    ("record-id-duplicate", record() + record()),
    ("reference-missing", record("metadata", b"", WARC_Refers_To=ID % 9)),
    ("pair-date", record() + record("request", b"GET / HTTP/1.1\r\n\r\n", 2, **LATER)),
    ("record-truncated", record(WARC_Truncated="time")),
    ("record-segmented", record(WARC_Segment_Number="1")),
    ("block-digest", record(WARC_Block_Digest="sha256:" + "0" * 64)),
    ("block-digest", record(WARC_Block_Digest="sha1:" + "A" * 32)),
    ("block-digest-none", record(WARC_Block_Digest=None)),
    ("digest-unknown", record(WARC_Block_Digest="crc32:00")),
    ("payload-digest", record(WARC_Payload_Digest="sha256:" + "0" * 64)),
    ("payload-digest-raw", record(block=CHUNKED, WARC_Payload_Digest=RAW)),
    ("http-head", record(block=b"hello")),
    ("http-head", record("request", b"\r\n\r\n")),
    ("http-head-end", record("request", b"GET / HTTP/1.1\r\n")),
    ("http-chunks", record(block=http(b"5\r\nhello\r\nzz\r\n", "Transfer-Encoding: chunked"))),
    ("http-chunks", record(block=http(b"5\r\nhel", "Transfer-Encoding: chunked"))),
    ("http-chunks", record(block=http(b"5\r\nhello\r\n0\r\n\r\nmore", "Transfer-Encoding: chunked"))),
    ("http-not-chunked", record(block=http(b"<p>hello", "Transfer-Encoding: chunked"))),
    ("http-length", record(block=http(b"hell", "Content-Length: 5"))),
    ("revisit-unresolved", revisit(HELLO)),
    ("revisit-digest", record(WARC_Payload_Digest=HELLO) + revisit(ZERO)),
    ("gzip-broken", gzip.compress(record())[:-9]),
    ("gzip-broken", gzip.compress(record()) + b"garbage"),
    ("gzip-broken", gzip.compress(record() + b" " * (1 << 20))),
    ("gzip-many-records", gzip.compress(record() + record(number=2))),
    ("gzip-split-record", gzip.compress(record()[:-20]) + gzip.compress(record()[-20:])),
    ("unknown-format", b""),
    ("unknown-format", b"%PDF-1.7"),
]  # fmt: skip


@pytest.mark.parametrize(("code", "data"), CASES)
def test_a_broken_record_gets_its_code(tmp_path: Path, code: str, data: bytes) -> None:
    assert code in found(tmp_path, data)


def test_right_records_have_no_problem(tmp_path: Path) -> None:
    data = record("warcinfo", b"software: x\r\n", 3) + record(WARC_Payload_Digest=HELLO)
    data += record("request", b"GET / HTTP/1.1\r\n\r\n", 2, WARC_Concurrent_To=ID % 1)
    assert found(tmp_path, data) == set()
    assert found(tmp_path, gzip.compress(data[: data.index(b"WARC/1.1", 1)])) == set()


def test_the_payload_of_a_chunked_body_is_digested_without_its_framing(tmp_path: Path) -> None:
    assert found(tmp_path, record(block=CHUNKED, WARC_Payload_Digest=HELLO)) == set()


@pytest.mark.parametrize("value", [HELLO.upper().replace("SHA256", "SHA-256"), "sha1:VL2MMHO4YXUKFWV63YHTWSBM3GXKSQ2N"])
def test_digests_are_read_in_any_case_and_coding(tmp_path: Path, value: str) -> None:
    assert found(tmp_path, record(WARC_Payload_Digest=value)) == set()


def test_problems_behind_a_wrong_length_are_found_too(tmp_path: Path) -> None:
    data = record(Content_Length="3") + record(number=2, WARC_Payload_Digest="sha256:" + "0" * 64)
    assert {"record-length", "payload-digest"} <= found(tmp_path, data)


def test_structure_does_not_see_a_wrong_digest(tmp_path: Path) -> None:
    data = record(WARC_Payload_Digest="sha256:" + "0" * 64)
    assert found(tmp_path, data, "structure") == set()
    assert found(tmp_path, data, "fixity") == {"payload-digest"}


def test_notes_are_counted_and_never_fill_the_list(tmp_path: Path) -> None:
    path = tmp_path / "x"
    sound = [record(WARC_Record_ID=f"<urn:uuid:{number}>", WARC_Block_Digest=None) for number in range(1500)]
    path.write_bytes(b"".join(sound))
    problems = verify_file(path)

    assert is_sound(problems)
    assert len(problems) == 101
    assert (problems[-1].code, problems[-1].found) == ("block-digest-none", "1400 more")
    path.write_bytes(b"".join(sound) + record(WARC_Block_Digest="sha256:" + "0" * 64))
    assert [item.code for item in verify_file(path) if item.severity == "error"] == ["block-digest"]


def test_a_file_full_of_problems_is_cut_short(tmp_path: Path) -> None:
    data = b"".join(record(WARC_Date=None) for _ in range(1200))
    path = tmp_path / "x"
    path.write_bytes(data)
    problems = verify_file(path)
    assert problems[-1].code == "too-many-problems"
    assert len([item for item in problems if item.severity == "error"]) == 1001
    assert len(problems) < 1200


def test_an_unknown_digest_is_not_sound_and_not_an_error(tmp_path: Path) -> None:
    path = tmp_path / "x"
    path.write_bytes(record(WARC_Block_Digest="crc32:00"))
    assert [item.severity for item in verify_file(path)] == ["unverifiable"]
    assert not is_sound(verify_file(path))


def test_a_record_behind_missing_line_ends_is_still_read(tmp_path: Path) -> None:
    data = record()[:-4] + record(number=2, WARC_Payload_Digest=ZERO)
    assert found(tmp_path, data) == {"record-length", "payload-digest"}


@pytest.mark.parametrize(
    "block",
    [
        b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nhello",  # HTTP/1.0 knows no chunks
        b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n",
    ],
)
def test_an_answer_that_cannot_be_chunked_is_read_as_it_stands(tmp_path: Path, block: bytes) -> None:
    body = block.partition(b"\r\n\r\n")[2]
    data = record(block=block, WARC_Payload_Digest=f"sha256:{hashlib.sha256(body).hexdigest()}")
    assert found(tmp_path, data) == set()
