"""What a bundle must hold of its capture: all of it where it is our own, what the file told where it was imported."""

import json
from pathlib import Path

import pytest

from tasks.bundle.jsons import json_page
from tasks.bundle.verify import is_sound, verify_file
from tasks.bundle.verify_manifest import manifest_of
from tasks.errors import FormatError
from tasks.records import Capture, Exchange
from tasks.retrieve import verify_stored
from tasks.settings import load_settings
from tasks.store import open_store
from tests.bundle.forge import members, rewrite
from tests.bundle.samples import AGENT, PROVENANCE, URL, digest, exchange, pack
from tests.importing.foreign_kit import Warc, taken

IMPORTED = {"sha256": digest(b"a file"), "bytes": 6, "records": [{"record": "<urn:uuid:1>"}]}
LACKING = {
    "WARC-IP-Address": {"ip": ""},
    "its request": {"request": b""},
    "fetchTimeMs": {"elapsed_s": None},
    "firstByteMs": {"first_byte_s": None},
}


def capture(lacking: Exchange) -> Capture:
    return Capture(URL, (lacking,), AGENT)


@pytest.mark.parametrize("name", LACKING)
def test_a_capture_of_ours_must_tell_all(name: str, tmp_path: Path) -> None:
    bundle = pack(tmp_path, capture=capture(exchange(**LACKING[name])))

    problems = [item for item in verify_file(bundle.path) if item.severity == "error"]
    assert ("derived-missing", name) in [(item.code, item.expected) for item in problems]


@pytest.mark.parametrize("name", LACKING)
def test_an_imported_one_tells_what_its_file_told(name: str, tmp_path: Path) -> None:
    provenance = {**PROVENANCE, "imported": IMPORTED}
    bundle = pack(tmp_path, capture=capture(exchange(**LACKING[name])), provenance=provenance)

    assert is_sound(verify_file(bundle.path, manifest=bundle.manifest))


@pytest.mark.parametrize(
    "change", [{"sha256": "sha256:no"}, {"bytes": "6"}, {"records": []}, {"records": None}, {"sha256": None}]
)
def test_the_file_must_be_named_rightly(change: dict[str, object], tmp_path: Path) -> None:
    path = pack(tmp_path, provenance={**PROVENANCE, "imported": IMPORTED}).path
    made = json.loads(members(path)["article/provenance.json"])
    made["imported"] = {**IMPORTED, **change}
    broken = rewrite(path, tmp_path / "x.wacz", {"article/provenance.json": json_page(made)})

    assert "derived-broken" in {item.code for item in verify_file(broken)}


def test_the_manifest_names_the_same_file(tmp_path: Path) -> None:
    bundle = pack(tmp_path, provenance={**PROVENANCE, "imported": IMPORTED})
    assert json.loads(bundle.manifest)["source"] == {"sha256": digest(b"a file"), "bytes": 6}
    for change in ({"source": None}, {"source": {"sha256": digest(b"other"), "bytes": 6}}):
        manifest = json.dumps({**json.loads(bundle.manifest), **change}).encode()
        problems = verify_file(bundle.path, manifest=manifest)
        assert [(item.code, item.place) for item in problems] == [("manifest-mismatch", "manifest:source")]


def test_a_manifest_is_made_anew_to_the_byte(tmp_path: Path) -> None:
    for provenance in (PROVENANCE, {**PROVENANCE, "imported": IMPORTED}):
        for name in ("plain", "redirect", "chunked", "not-html", "error"):
            bundle = pack(tmp_path, name, provenance={**provenance})
            assert manifest_of(bundle.path) == bundle.manifest


def test_no_manifest_is_made_for_what_is_not_ours(tmp_path: Path) -> None:
    (tmp_path / "x.wacz").write_bytes(b"PK")
    with pytest.raises(FormatError):
        manifest_of(tmp_path / "x.wacz")


# ------------------------------------------------------------------ the source in the store
def stored_problems(folder: Path) -> tuple[str, Path, list[str]]:
    warc = Warc()
    warc.page()
    (page,), (report,) = taken(str(folder), warc.save(folder.parent / "a.warc.gz"))
    source = folder / report.source
    with open_store(str(folder), load_settings()) as store:
        path = store.fetch_bundle(page.id, folder.parent)
        assert not verify_stored(store, page.id, path)
    return page.id, source, [str(path)]


@pytest.mark.parametrize(
    ("change", "code", "sound"), [("gone", "source-missing", True), ("longer", "source-mismatch", False)]
)
def test_the_file_that_a_bundle_was_made_from_is_asked_for(change: str, code: str, sound: bool, tmp_path: Path) -> None:
    id_, source, (path,) = stored_problems(tmp_path / "store")
    if change == "gone":
        source.unlink()
    else:
        source.write_bytes(source.read_bytes() + b"x")
    with open_store(str(tmp_path / "store"), load_settings()) as store:
        problems = verify_stored(store, id_, Path(path))

    assert {"source-missing": "source-missing", "source-mismatch": "source-mismatch"}[code] in {
        item.code for item in problems
    }
    assert is_sound(problems) == sound
