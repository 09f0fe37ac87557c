"""Every file of the collection of other tools' archives is taken in or refused, as its README judges it."""

import os
import subprocess
import zipfile
from pathlib import Path

import pytest

from tasks.bundle.verify import is_sound, verify_file
from tasks.catalog import entries
from tasks.present import printable
from tasks.retrieve import verify_stored
from tasks.settings import load_settings
from tasks.store import open_store
from tests.importing.foreign_kit import taken

SOUND = {  # pages taken, with their verdicts
    "pywacz-valid-2.wacz": {"http://www.example.com/": "thin"},
    "pywacz-valid-signed-1.wacz": {"https://example.com/": "thin"},
    "pywacz-valid-1-0-0.wacz": {"http://www.example.com/": "thin"},
    "awp-iframetest.wacz": {"http://localhost:20000/": "thin"},
    "awp-example.wacz": {"https://webrecorder.net/": "ok"},
    "scoop-example-com.wacz": {"https://example.com/": "thin"},
    "warcio-example.warc": {"http://example.com/": "ok"},
    "warcio-example.warc.gz": {"http://example.com/": "ok"},
    "warcio-chunked.warc": {"http://www.iana.org/": "ok"},
    "pywb-dupes.warc.gz": {"http://example.com": "ok"},
    "pywb-wget-1-14.warc.gz": {"http://example.com/": "ok"},
    "pywb-wpull.warc.gz": {"http://example.com/": "ok"},
}
REFUSED = {  # a code that must be among the reasons
    "pywacz-invalid-1.wacz": "layout-missing",
    "warcio-bad-digest.warc": "payload-digest",
    "warcio-single-member.warc.gz": "gzip-many-records",
    "warcio-trunc.warc": "record-length",
    "warcio-wrong-chunks.warc.gz": "gzip-split-record",
    # Its status line without a reason is fine; its line ends became CR CR LF, and Content-Length no longer holds.
    "pywb-missing-status-text.warc": "record-length",
}
BY_SIGNATURE = "pywacz-invalid-signed-1.wacz"  # its hashes agree, its certificate vouches for nothing


@pytest.mark.parametrize("name", SOUND)
def test_what_is_sound_is_taken_in(name: str, shared: Path, tmp_path: Path) -> None:
    file = shared / "interop" / name
    pages, (report,) = taken(str(tmp_path / "store"), file)

    assert report.good, report.error
    assert {page.url: page.verdict for page in pages} == SOUND[name]
    assert (tmp_path / "store" / report.source).read_bytes() == file.read_bytes()
    with open_store(str(tmp_path / "store"), load_settings()) as store:
        assert {entry.id for entry in entries(store)} == {page.id for page in pages}
        for page in pages:
            path = store.fetch_bundle(page.id, tmp_path)
            assert is_sound(verify_stored(store, page.id, path)), verify_file(path)


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_sound_is_refused_for_its_own_reason(name: str, shared: Path, tmp_path: Path) -> None:
    pages, (report,) = taken(str(tmp_path / "store"), shared / "interop" / name)

    assert not pages
    assert f"error {REFUSED[name]} " in str(report.error)
    assert not list((tmp_path / "store").rglob("*.*"))


def test_a_signature_that_is_wrong_is_refused(shared: Path, tmp_path: Path) -> None:
    file = shared / "interop" / BY_SIGNATURE
    _, (report,) = taken(str(tmp_path / "store"), file)

    assert "signature-certificate" in str(report.error)
    assert not list((tmp_path / "store").rglob("*.*"))


def test_the_remedy_for_a_file_in_one_gzip_member_is_told(shared: Path, tmp_path: Path) -> None:
    _, (report,) = taken(str(tmp_path / "store"), shared / "interop" / "warcio-single-member.warc.gz")

    assert "warcio recompress" in printable(str(report.error))


def test_one_bad_file_never_stops_the_others(shared: Path, tmp_path: Path) -> None:
    files = sorted(path for path in (shared / "interop").iterdir() if path.name != "README.md")
    _, reports = taken(str(tmp_path / "store"), *files)

    assert {*SOUND, *REFUSED, BY_SIGNATURE} == {report.file for report in reports}
    assert {report.file for report in reports if report.good} >= set(SOUND)
    assert {report.file for report in reports if not report.good} >= set(REFUSED)


@pytest.fixture(scope="module")
def readers() -> Path:
    folder = os.environ.get("TEARSHEET_TEST_READERS")
    if not folder:
        pytest.skip("TEARSHEET_TEST_READERS is not set; tests/readers-requirements.txt says how to make its folder")
    return Path(folder) / "bin"


@pytest.mark.parametrize("name", SOUND)
def test_other_readers_accept_what_was_made_of_it(name: str, shared: Path, tmp_path: Path, readers: Path) -> None:
    pages, _ = taken(str(tmp_path / "store"), shared / "interop" / name)
    with open_store(str(tmp_path / "store"), load_settings()) as store:
        path = store.fetch_bundle(pages[0].id, tmp_path)
    done = subprocess.run([readers / "wacz", "validate", "-f", path], capture_output=True, text=True, timeout=120)
    assert "the passed WACZ is valid" in done.stdout, done.stdout + done.stderr
    with zipfile.ZipFile(path) as archive:
        warc = archive.extract("archive/data.warc.gz", tmp_path)
    checked = subprocess.run([readers / "warcio", "check", warc], capture_output=True, text=True, timeout=120)
    assert checked.returncode == 0, checked.stdout + checked.stderr
