"""Zip storage, layout and the hash chain: each way in which a WACZ can be put together wrongly."""

import hashlib
import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle import verify_zip
from tasks.bundle.verify import CODES, is_sound, verify_file
from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_zip import member_chunks, read_zip, unpack_small
from tests.bundle.forge import codes, members, rewrite, severities
from tests.bundle.samples import pack

PACKAGE, CHAIN = "datapackage.json", "datapackage-digest.json"


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    return pack(tmp_path).path


def foreign(
    bundle: Path, target: Path, change: Callable[[dict[str, bytes], dict[str, Any]], None] = lambda data, table: None
) -> Path:
    """The same content as another tool would store it: Python's own zip, no mark of ours."""
    data = {name: item for name, item in members(bundle).items() if name not in (PACKAGE, CHAIN)}
    table = json.loads(members(bundle)[PACKAGE])
    del table["tearsheet"]
    change(data, table)
    raw = json.dumps(table).encode()
    chain = {"path": PACKAGE, "hash": f"sha256:{hashlib.sha256(raw).hexdigest()}"}
    with zipfile.ZipFile(target, "w") as archive:
        for name, item in ({**data, PACKAGE: raw, CHAIN: json.dumps(chain).encode()}).items():
            archive.writestr(name, item)
    return target


def test_the_same_content_from_another_tool_is_sound(bundle: Path, tmp_path: Path) -> None:
    assert is_sound(verify_file(foreign(bundle, tmp_path / "x.zip")))


def test_our_content_in_another_zip_form_is_not_canonical(bundle: Path, tmp_path: Path) -> None:
    path = tmp_path / "x.wacz"
    with zipfile.ZipFile(path, "w") as archive:
        for name, item in members(bundle).items():
            archive.writestr(name, item)
    assert codes(path) == {"zip-not-canonical"}


def package(**changes: Any) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    return lambda data, table: table.update(changes)


def resource(**changes: Any) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    return lambda data, table: table["resources"][0].update(changes)


def extra(name: str) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    return lambda data, table: data.update({name: b""})


def without(*names: str) -> Callable[[dict[str, bytes], dict[str, Any]], None]:
    def change(data: dict[str, bytes], table: dict[str, Any]) -> None:
        for name in names:
            del data[name]

    return change


LAYOUT: list[tuple[str, Callable[[dict[str, bytes], dict[str, Any]], None]]] = [
    ("member-hash", resource(hash="sha256:" + "0" * 64)),
    ("member-bytes", resource(bytes=7)),
    ("member-missing", without("article/article.md")),
    ("member-unlisted", extra("article/more.txt")),
    ("layout-missing", without("pages/pages.jsonl")),
    ("layout-missing", without("archive/data.warc.gz", "archive/derived.warc.gz")),
    ("layout-extra", extra("archive/readme.txt")),
    ("warc-empty", extra("archive/empty.warc")),
    ("package-version", package(wacz_version="9.9")),
    ("package-version", package(wacz_version=None)),
    ("package-old-version", package(wacz_version="1.0.0")),
    ("package-broken", package(resources={})),
    ("package-broken", resource(hash=7)),
    ("package-name", resource(name=None)),
    ("digest-unknown", resource(hash="crc32:00")),
    ("zip-name", extra("../up.txt")),
    ("zip-name", extra("/root.txt")),
    ("zip-name", extra("article\\back.txt")),
    ("zip-directory", extra("article/")),
]  # fmt: skip


@pytest.mark.parametrize(("code", "change"), LAYOUT)
def test_a_wrong_layout_or_package_is_found(
    bundle: Path, tmp_path: Path, code: str, change: Callable[[dict[str, bytes], dict[str, Any]], None]
) -> None:
    assert code in codes(foreign(bundle, tmp_path / "x.wacz", change))


def test_a_wrong_or_missing_or_signed_digest_file_is_told_apart(bundle: Path, tmp_path: Path) -> None:
    path = foreign(bundle, tmp_path / "x.wacz")
    found = {}
    chain = json.loads(members(path)[CHAIN])
    signed = chain | {"signedData": {"hash": chain["hash"], "signature": "AA", "publicKey": "AA"}}
    for name, table in {"none": None, "wrong": chain | {"hash": "sha256:" + "0" * 64}, "signed": signed}.items():
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            for member, item in members(path).items():
                if member != CHAIN:
                    archive.writestr(member, item)
            if table:
                archive.writestr(CHAIN, json.dumps(table))
        found[name] = severities(tmp_path / name)
    assert found["none"] == {"package-no-digest": "note"}
    assert found["wrong"] == {"package-digest": "error"}
    assert found["signed"] == {"signature-broken": "error"}


def patched(path: Path, at: int, new: bytes) -> set[str]:
    data = path.read_bytes()
    path.write_bytes(data[:at] + new + data[at + len(new) :])
    return codes(path)


def test_headers_that_lie_are_found(bundle: Path, tmp_path: Path) -> None:
    def fresh() -> tuple[Path, int, int]:
        path = foreign(bundle, tmp_path / "x.wacz")
        data = path.read_bytes()
        return path, data.index(b"PK\x01\x02"), data.rindex(b"PK\x01\x02")

    path, first, last = fresh()
    assert "zip-encrypted" in patched(path, first + 8, b"\x01")
    path, first, last = fresh()
    assert "zip-method" in patched(path, first + 10, b"\x63")
    path, first, last = fresh()
    assert {"zip-crc", "zip-header"} <= patched(path, first + 16, b"\0\0\0\0")
    path, first, last = fresh()
    assert "zip-data" in patched(path, first + 24, b"\0\0\0\1")
    path, first, last = fresh()
    assert {"zip-overlap", "zip-gap"} <= patched(path, last + 42, b"\0\0\0\0")
    path, first, last = fresh()
    assert "zip-broken" in patched(path, first, b"XX")


def test_a_member_twice_is_found(bundle: Path, tmp_path: Path) -> None:
    path = foreign(bundle, tmp_path / "x.wacz")
    with pytest.warns(UserWarning, match="Duplicate"), zipfile.ZipFile(path, "a") as archive:
        archive.writestr(CHAIN, members(path)[CHAIN])
    assert "zip-duplicate" in codes(path)


def test_a_deflated_warc_is_found_though_its_hash_is_right(bundle: Path, tmp_path: Path) -> None:
    path, source = tmp_path / "x.wacz", foreign(bundle, tmp_path / "y.wacz")
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, item in members(source).items():
            archive.writestr(name, item)
    assert "zip-compressed" in codes(path)


def test_a_member_larger_than_its_header_says_is_not_inflated_to_the_end(bundle: Path, tmp_path: Path) -> None:
    path = foreign(bundle, tmp_path / "x.wacz", extra("article/bomb.txt"))
    with zipfile.ZipFile(path, "a", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("article/bomb.bin", bytes(64 << 20))
    data = bytearray(path.read_bytes())
    entry = data.rindex(b"PK\x01\x02")
    data[entry + 24 : entry + 28] = (1000).to_bytes(4, "little")
    path.write_bytes(data)
    problems = [item for item in verify_file(path) if item.code == "zip-data"]
    assert [item.found for item in problems] == ["1048576 or more"]


def test_no_more_data_are_kept_than_there_is_room_for(bundle: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(verify_zip, "MAX_UNPACKED", 1500)
    with bundle.open("rb") as file:
        archive = unpack_small(file, wholly(read_zip(file, bundle.stat().st_size, Findings())))
        kept = [len(member.data) for member in archive.members.values() if member.data is not None]
        again = [member_chunks(file, member) for member in archive.members.values()]
        sizes = [sum(map(len, chunks)) for chunks in again]
    assert kept
    assert sum(kept) <= 1500
    assert sizes == [member.size for member in archive.members.values()]
    assert not verify_file(bundle)


def wholly(archive: verify_zip.Zip | None) -> verify_zip.Zip:
    assert archive
    return archive


def test_other_deflate_bytes_for_the_same_data_are_not_ours(bundle: Path, tmp_path: Path) -> None:
    path = rewrite(
        bundle, tmp_path / "x.wacz", {}, lambda table: table["resources"][3]["stored"].update(hash="sha256:0")
    )
    assert codes(path) == {"zip-not-canonical"}


def test_every_code_has_a_test_that_names_it() -> None:
    text = "".join(path.read_text() for path in Path(__file__).parents[1].rglob("test_*.py"))
    assert [code for code in CODES if f'"{code}"' not in text] == []
