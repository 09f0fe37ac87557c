"""The manifest beside a bundle: each field that says something else than the bundle is found."""

import json
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle.verify import LEVELS, is_sound, verify_file
from tasks.records import Bundle
from tests.bundle.forge import rewrite
from tests.bundle.samples import PROVENANCE, captures, pack


@pytest.fixture
def bundle(tmp_path: Path) -> Bundle:
    return pack(tmp_path)


def forged(bundle: Bundle, **fields: Any) -> bytes:
    return json.dumps({**json.loads(bundle.manifest), **fields}).encode()


@pytest.mark.parametrize("name", sorted(captures()))
def test_the_manifest_as_packed_fits_every_kind_of_bundle(tmp_path: Path, name: str) -> None:
    packed = pack(tmp_path, name)
    assert is_sound(verify_file(packed.path, manifest=packed.manifest))


FORGED = {
    "id": "20200101000000-0123456789abcdef",
    "sha256": "sha256:" + "0" * 64,
    "bytes": 1,
    "url": "https://news.example/other",
    "final_url": "https://news.example/other",
    "captured_at": "2020-01-01T00:00:00Z",
    "verdict": {"kind": "thin", "reasons": []},
    "status": 404,
    "media_type": "text/plain",
    "title": {"value": "Another", "source": "html:title"},
    "authors": None,
    "published": {"value": "2001-01-01", "source": "url"},
    "modified": {"value": "2001-01-01", "source": "url"},
    "site": {"value": "Another", "source": "url"},
    "canonical_url": {"value": "https://news.example/other", "source": "link:canonical"},
    "language": {"value": "xx", "source": "html:lang"},
    "description": {"value": "Another", "source": "meta:description"},
    "section": {"value": "Another", "source": "meta:section"},
    "tags": {"value": ["another"], "source": "meta:keywords"},
    "image": {"value": "https://news.example/other.png", "source": "meta:og:image"},
    "words": 1,
    "removed_chars": 1,
    "removed": {},
    "text": "Another text.",
    "text_sha256": "sha256:" + "0" * 64,
    "members": {},
    "original": {
        "member": "archive/data.warc.gz",
        "record": "<urn:uuid:0>",
        "url": "u",
        "date": "d",
        "payload": "sha256:" + "0" * 64,
    },
    "previous": {"id": "20200101000000-" + "0" * 16, "sha256": "sha256:" + "0" * 64},
    "software": "another",
    "rules": "",
}


@pytest.mark.parametrize("field", FORGED)
@pytest.mark.parametrize("level", LEVELS)
def test_a_forged_field_is_found_at_every_level(bundle: Bundle, field: str, level: str) -> None:
    problems = verify_file(bundle.path, level=level, manifest=forged(bundle, **{field: FORGED[field]}))
    assert {item.code for item in problems} == {"manifest-mismatch"}
    assert {item.place for item in problems} == {f"manifest:{field}"}


def test_every_field_of_a_manifest_has_a_forgery_here(bundle: Bundle) -> None:
    assert set(json.loads(bundle.manifest)) - set(FORGED) == {"format"}


def test_a_manifest_of_before_the_page_s_record_was_in_it_is_sound(bundle: Bundle) -> None:
    table = json.loads(bundle.manifest)
    del table["original"]
    assert is_sound(verify_file(bundle.path, manifest=json.dumps(table).encode()))


def test_a_version_before_that_the_bundle_names_and_the_manifest_does_not_is_found(tmp_path: Path) -> None:
    named = pack(tmp_path, provenance={**PROVENANCE, "previous": FORGED["previous"]})
    assert is_sound(verify_file(named.path, manifest=named.manifest))
    problems = verify_file(named.path, manifest=forged(named, previous=None))
    assert [item.place for item in problems] == ["manifest:previous"]


def test_a_version_before_that_came_later_is_found(tmp_path: Path) -> None:
    later = {"id": "20300101000000-" + "0" * 16, "sha256": "sha256:" + "0" * 64}
    packed = pack(tmp_path, provenance={**PROVENANCE, "previous": later})
    assert {item.code for item in verify_file(packed.path)} == {"derived-mismatch"}


@pytest.mark.parametrize("manifest", [b"", b"{}", b"[]", b'{"format": "tearsheet-manifest/2"}'])
def test_what_is_no_manifest_is_found(bundle: Bundle, manifest: bytes) -> None:
    assert [item.code for item in verify_file(bundle.path, manifest=manifest)] == ["manifest-mismatch"]


def test_fields_of_a_later_version_are_let_be(bundle: Bundle) -> None:
    assert is_sound(verify_file(bundle.path, manifest=forged(bundle, later=[1])))


def test_a_manifest_under_another_id_is_found(bundle: Bundle) -> None:
    moved = bundle.path.rename(bundle.path.with_name(f"20200101000000-{bundle.id[15:]}.wacz"))
    problems = verify_file(moved, manifest=bundle.manifest)
    assert [item.place for item in problems] == ["manifest:id"]


def test_beside_a_manifest_stands_a_bundle_of_ours_and_nothing_else(bundle: Bundle, tmp_path: Path) -> None:
    warc = tmp_path / f"{bundle.id}.wacz.warc"
    warc.write_bytes(b"WARC/1.1\r\n")
    assert [item.code for item in verify_file(warc, manifest=bundle.manifest)] == ["unknown-format"]
    foreign = rewrite(bundle.path, tmp_path / "x.wacz", {}, lambda table: table.pop("tearsheet"))
    assert "datapackage.json" in {
        item.place for item in verify_file(foreign, manifest=bundle.manifest) if item.code == "manifest-mismatch"
    }


def test_a_bundle_without_what_a_manifest_is_made_of_is_found(bundle: Bundle, tmp_path: Path) -> None:
    broken = rewrite(bundle.path, tmp_path / "x.wacz", {"article/metadata.json": b"[]"})
    found = [item for item in verify_file(broken, manifest=bundle.manifest) if item.code == "manifest-mismatch"]
    assert "manifest" in {item.place for item in found}
