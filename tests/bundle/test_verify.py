"""Verify on bundles of ours: sound as packed, and every flipped byte, swapped row and forged member is found."""

import gzip
import json
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tasks.bundle.jsons import json_line
from tasks.bundle.verify import is_sound, verify_file
from tests.bundle.forge import codes, edit_record, members, reindexed, rewrite, severities
from tests.bundle.samples import captures, digest, pack

DATA, DERIVED = "archive/data.warc.gz", "archive/derived.warc.gz"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return pack(tmp_path).path


@pytest.mark.parametrize("name", sorted(captures()))
def test_every_kind_of_bundle_is_sound_as_packed(tmp_path: Path, name: str) -> None:
    packed = pack(tmp_path, name)
    problems = verify_file(packed.path, expected=packed.sha256)
    assert is_sound(problems)
    assert {item.code for item in problems} <= {"record-truncated"}


@pytest.mark.parametrize(("name", "mask"), [("plain", 0x01), ("not-html", 0xFF)])
def test_each_flipped_byte_is_found_under_a_neutral_name(tmp_path: Path, name: str, mask: int) -> None:
    data, path = bytearray(pack(tmp_path, name).path.read_bytes()), tmp_path / "x.bin"
    missed = []
    for at in range(len(data)):
        data[at] ^= mask
        path.write_bytes(data)
        if is_sound(verify_file(path)):
            missed.append(at)
        data[at] ^= mask
    assert missed == []


def test_each_flip_in_bytes_that_no_digest_covers_is_found_at_every_bit(bundle: Path, tmp_path: Path) -> None:
    data, path = bytearray(bundle.read_bytes()), tmp_path / "x.bin"
    headers = range(len(data) - 400, len(data))
    missed = []
    for at in headers:
        for bit in range(8):
            data[at] ^= 1 << bit
            path.write_bytes(data)
            if is_sound(verify_file(path, level="fixity")):
                missed.append((at, bit))
            data[at] ^= 1 << bit
    assert missed == []


def test_a_bundle_cut_anywhere_or_longer_is_found(bundle: Path, tmp_path: Path) -> None:
    data, path = bundle.read_bytes(), tmp_path / "x.bin"
    for cut in (*range(0, len(data), 97), len(data) - 1):
        path.write_bytes(data[:cut])
        assert not is_sound(verify_file(path))
    for longer in (data + b"\0", b"\0" + data, data + data):
        path.write_bytes(longer)
        assert not is_sound(verify_file(path))


def test_another_whole_file_than_expected_is_found(bundle: Path) -> None:
    problems = verify_file(bundle, expected=digest(b"another"))
    assert [item.code for item in problems] == ["file-digest"]


def test_an_unknown_level_is_misuse(bundle: Path) -> None:
    with pytest.raises(ValueError, match="level"):
        verify_file(bundle, level="deep")


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    flips=st.lists(st.tuples(st.integers(0, 1 << 20), st.integers(1, 255)), max_size=20),
    cut=st.floats(0, 1),
    garbage=st.binary(max_size=64),
    at=st.floats(0, 1),
)
def test_no_damage_raises(
    bundle: Path, tmp_path: Path, flips: list[tuple[int, int]], cut: float, garbage: bytes, at: float
) -> None:
    data = bytearray(bundle.read_bytes())
    for place, mask in flips:
        data[place % len(data)] ^= mask
    split = int(at * len(data))
    path = tmp_path / "x.bin"
    path.write_bytes((data[:split] + garbage + data[split:])[: int(len(data) * (0.5 + cut))])
    verify_file(path)
    warc = bytearray(members(bundle)[DATA])
    for place, mask in flips:
        warc[place % len(warc)] ^= mask
    path.write_bytes(warc)
    verify_file(path)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=st.sampled_from([b"", b"PK\x03\x04", b"PK\x05\x06", b"\x1f\x8b\x08", b"WARC/1.1\r\n"]), rest=st.binary())
def test_garbage_never_passes_and_never_raises(tmp_path: Path, start: bytes, rest: bytes) -> None:
    path = tmp_path / "x.bin"
    path.write_bytes(start + rest)
    assert not is_sound(verify_file(path))


# ------------------------------------------------------------------ levels
def test_structure_does_not_see_a_changed_byte_in_a_member(bundle: Path, tmp_path: Path) -> None:
    data, path = bytearray(bundle.read_bytes()), tmp_path / "x.bin"
    data[200] ^= 1
    path.write_bytes(data)
    assert codes(path, "structure") == set()
    assert "member-hash" in codes(path, "fixity")


def test_structure_sees_an_extra_and_a_missing_member(bundle: Path, tmp_path: Path) -> None:
    path = rewrite(bundle, tmp_path / "x.wacz", {}, lambda table: table["resources"].pop())
    assert "member-unlisted" in codes(path, "structure")
    path = rewrite(
        bundle, tmp_path / "x.wacz", {}, lambda table: table["resources"].append({"name": "a", "path": "a/b"})
    )
    assert {"member-missing", "package-broken"} <= codes(path, "structure")


def test_fixity_does_not_see_a_wrong_index_that_is_hashed_as_it_is(bundle: Path, tmp_path: Path) -> None:
    rows = index_rows(bundle)
    path = rewrite(bundle, tmp_path / "x.wacz", reindexed([rows[0].replace(b"tide", b"ebb!"), *rows[1:]]))
    assert codes(path, "fixity") == set()
    assert "index-url" in codes(path)


# ------------------------------------------------------------------ index
def index_rows(bundle: Path) -> list[bytes]:
    return gzip.decompress(members(bundle)["indexes/index.cdx.gz"]).splitlines()


def with_field(row: bytes, **fields: object) -> bytes:
    key, stamp, text = row.split(b" ", 2)
    return b" ".join((key, stamp, json.dumps(json.loads(text) | fields).encode()))


WRONG_ROWS: dict[str, Callable[[list[bytes]], list[bytes]]] = {
    "index-url": lambda rows: [with_field(rows[0], url="https://news.example/2026/ebb"), *rows[1:]],
    "index-date": lambda rows: [rows[0].replace(b" 20261123105447 ", b" 20261123105448 "), *rows[1:]],
    "index-length": lambda rows: [with_field(rows[0], length="17"), *rows[1:]],
    "index-no-record": lambda rows: [with_field(rows[0], offset="17"), *rows[1:]],
    "index-digest": lambda rows: [with_field(rows[0], digest=digest(b"")), *rows[1:]],
    "index-record-digest": lambda rows: [with_field(rows[0], recordDigest=digest(b"")), *rows[1:]],
    "index-status": lambda rows: [with_field(rows[0], status="404"), *rows[1:]],
    "index-mime": lambda rows: [with_field(rows[0], mime="image/png"), *rows[1:]],
    "index-key": lambda rows: [b"a" + rows[0], *rows[1:]],
    "index-missing-row": lambda rows: rows[1:],
    "index-duplicate": lambda rows: [rows[0], *rows],
    "index-order": lambda rows: rows[::-1],
    "index-row": lambda rows: [*rows, b"zz no row"],
}


@pytest.mark.parametrize("code", WRONG_ROWS)
def test_a_wrong_index_row_with_right_hashes_is_found(bundle: Path, tmp_path: Path, code: str) -> None:
    path = rewrite(bundle, tmp_path / "x.wacz", reindexed(WRONG_ROWS[code](index_rows(bundle))))
    assert severities(path).get(code) == "error"


def test_two_rows_that_swapped_their_records_are_found(tmp_path: Path) -> None:
    bundle = pack(tmp_path, "redirect").path
    rows = [row.split(b" ", 2) for row in index_rows(bundle)]
    rows[0][2], rows[1][2] = rows[1][2], rows[0][2]
    path = rewrite(bundle, tmp_path / "x.wacz", reindexed([b" ".join(row) for row in rows]))
    assert "index-key" in codes(path)


def test_a_wrong_idx_and_a_broken_index_are_found(bundle: Path, tmp_path: Path) -> None:
    idx = members(bundle)["indexes/index.idx"]
    wrong = idx.replace(b'"offset": 0', b'"offset": 1')
    assert "index-block" in codes(rewrite(bundle, tmp_path / "x.wacz", {"indexes/index.idx": wrong}))
    wrong = idx.replace(b'"digest": "sha256:', b'"digest": "sha256:00')[:-1]
    assert "index-block" in codes(rewrite(bundle, tmp_path / "x.wacz", {"indexes/index.idx": wrong}))
    broken = members(bundle)["indexes/index.cdx.gz"][:-9]
    assert "index-broken" in codes(rewrite(bundle, tmp_path / "x.wacz", {"indexes/index.cdx.gz": broken}))


# ------------------------------------------------------------------ pages and what was derived
def changed(bundle: Path, name: str, old: bytes, new: bytes) -> dict[str, bytes]:
    data = members(bundle)[name]
    assert old in data
    return {name: data.replace(old, new)}


FORGED = [
    ("pages-no-row", "pages/pages.jsonl", b"10:54:47Z", b"10:54:49Z"),
    ("pages-no-row", "pages/pages.jsonl", b"news.example/2026", b"news.example/2027"),
    ("pages-field", "pages/pages.jsonl", b"10:54:47Z", b"soon"),
    ("pages-broken", "pages/pages.jsonl", b'{"', b'["'),
    ("pages-broken", "pages/pages.jsonl", b"json-pages-1.0", b"csv"),
    ("derived-text", "pages/pages.jsonl", b"before noon", b"after noon"),
    ("derived-text", "article/article.txt", b"before noon", b"before none"),
    ("derived-text", "article/article.html", b"before noon", b"before none"),
    ("derived-mismatch", "article/metadata.json", b"2026/tide", b"2026/ebb"),
    ("derived-mismatch", "article/provenance.json", b"urn:uuid:", b"urn:uuid:0"),
    ("derived-mismatch", "article/provenance.json", b"10:54:47Z", b"10:54:49Z"),
    ("derived-count", "article/metadata.json", b'"page_chars": ', b'"page_chars": 1'),
    ("derived-count", "article/metadata.json", b'"words": ', b'"words": 1'),
    ("derived-count", "article/removed.jsonl", b'"chars":4', b'"chars":5'),
    ("derived-count", "article/removed.jsonl", b'"concept":"promo"', b'"concept":"ads"'),
    ("derived-count", "article/metadata.json", b'"promo": ', b'"ads": '),
    ("derived-count", "article/metadata.json", b'"navigation": 4', b'"navigation": 5'),
    ("derived-count", "article/metadata.json", b'"removals": 2', b'"removals": 3'),
    ("derived-broken", "article/removed.jsonl", b'"digest":"sha256:', b'"digest":"'),
    ("derived-broken", "article/removed.jsonl", b'"doubt":0.0', b'"doubt":1.5'),
    ("derived-broken", "article/removed.jsonl", b'"doubt":0.0', b'"doubt":"0.0"'),
    ("derived-broken", "article/removed.jsonl", b'"score":0.25', b'"score":-1'),
    ("derived-broken", "article/removed.jsonl", b'"score":0.25', b'"score":true'),
    ("derived-broken", "article/removed.jsonl", b'"leading":[]', b'"leading":["links"]'),
    ("derived-broken", "article/removed.jsonl", b'"leading":[]', b'"leading":[["links","much"]]'),
    ("derived-broken", "article/removed.jsonl", b'["links",-0.75]', b'["links"]'),
    ("derived-broken", "article/removed.jsonl", b"{", b""),
    ("derived-broken", "article/metadata.json", b"{", b"("),
]


@pytest.mark.parametrize(("code", "name", "old", "new"), FORGED)
def test_a_forged_derived_file_with_right_hashes_is_found(
    bundle: Path, tmp_path: Path, code: str, name: str, old: bytes, new: bytes
) -> None:
    assert code in codes(rewrite(bundle, tmp_path / "x.wacz", changed(bundle, name, old, new)))


def test_a_ledger_from_before_there_was_a_doubt_is_sound(bundle: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in members(bundle)["article/removed.jsonl"].splitlines()]
    old = [{name: value for name, value in line.items() if name not in ("doubt", "leading")} for line in lines]
    ledger = b"".join(json_line(line) + b"\n" for line in old)
    assert codes(rewrite(bundle, tmp_path / "x.wacz", {"article/removed.jsonl": ledger})) == set()


@pytest.mark.parametrize("name", ["article.txt", "article.md", "removed.jsonl", "metadata.json", "provenance.json"])
def test_a_derived_file_left_out_is_found(bundle: Path, tmp_path: Path, name: str) -> None:
    assert "derived-missing" in codes(rewrite(bundle, tmp_path / "x.wacz", {f"article/{name}": None}))


def test_a_removal_left_out_of_the_ledger_is_found(bundle: Path, tmp_path: Path) -> None:
    first = members(bundle)["article/removed.jsonl"].splitlines(keepends=True)[0]
    assert "derived-count" in codes(rewrite(bundle, tmp_path / "x.wacz", {"article/removed.jsonl": first}))


def test_the_payload_digest_that_only_the_metadata_record_has_is_checked(tmp_path: Path) -> None:
    bundle = pack(tmp_path, "chunked").path
    wrong = edit_record(
        members(bundle)[DATA], 3, lambda record: record.replace(b"payloadDigest: sha256:", b"payloadDigest: sha1:")
    )
    assert "record-length" in codes(rewrite(bundle, tmp_path / "x.wacz", {DATA: wrong}))

    def forged(record: bytes) -> bytes:
        at = record.index(b"payloadDigest: sha256:") + 22
        return record[:at] + b"0" * 64 + record[at + 64 :]

    path = rewrite(bundle, tmp_path / "x.wacz", {DATA: edit_record(members(bundle)[DATA], 3, forged)})
    assert {"derived-mismatch", "block-digest"} <= codes(path)
