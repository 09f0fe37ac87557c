"""What verify says of archives that other tools wrote; the expectations are those of the collection's own README."""

from pathlib import Path

import pytest

from tasks.bundle.verify import is_sound, verify_file

SOUND = [
    "pywacz-valid-2.wacz",
    "pywacz-valid-1-0-0.wacz",
    "scoop-example-com.wacz",
    "warcio-example.warc",
    "warcio-example.warc.gz",
    "warcio-chunked.warc",
    "pywb-dupes.warc.gz",
    "pywb-wget-1-14.warc.gz",
    "pywb-wpull.warc.gz",
]
SIGNED = {  # the notes on their signatures: whose it is can be told, whether it proves anything depends on the reader
    "awp-example.wacz": {"signature-form"},  # without `version`
    "awp-iframetest.wacz": {"signature-form"},
    "pywacz-valid-signed-1.wacz": {"signature-domain"},
}
BROKEN = {
    # The signature fits its certificate; but that is of Let's Encrypt's test authority, and vouches for nothing.
    "pywacz-invalid-signed-1.wacz": {"signature-certificate"},
    "pywacz-invalid-1.wacz": {"package-version", "member-missing", "layout-missing", "member-unlisted"},
    "warcio-bad-digest.warc": {"payload-digest"},
    "warcio-single-member.warc.gz": {"gzip-many-records"},
    "warcio-trunc.warc": {"record-length", "block-digest", "payload-digest"},
    "warcio-wrong-chunks.warc.gz": {"gzip-split-record", "record-header"},
    # All line ends of this file became CR CR LF, so that its Content-Length is no longer true.
    "pywb-missing-status-text.warc": {"record-length"},
}


def errors(path: Path) -> set[str]:
    return {problem.code for problem in verify_file(path) if problem.severity == "error"}


@pytest.mark.parametrize("name", SOUND)
def test_valid_archives_of_other_tools_are_sound(shared: Path, name: str) -> None:
    assert is_sound(verify_file(shared / "interop" / name))


@pytest.mark.parametrize("name", SIGNED)
def test_signed_archives_are_sound_and_say_what_is_odd(shared: Path, name: str) -> None:
    problems = verify_file(shared / "interop" / name)
    assert is_sound(problems)
    assert {item.code for item in problems if item.code.startswith(("signature", "timestamp"))} == SIGNED[name]


@pytest.mark.parametrize("name", BROKEN)
def test_broken_archives_get_the_problem_they_have(shared: Path, name: str) -> None:
    assert errors(shared / "interop" / name) == BROKEN[name]


def test_every_archive_of_the_collection_has_an_expectation(shared: Path) -> None:
    files = {path.name for path in (shared / "interop").iterdir() if path.name != "README.md"}
    assert files == {*SOUND, *SIGNED, *BROKEN}


def test_an_older_version_is_a_note(shared: Path) -> None:
    codes = {item.code for item in verify_file(shared / "interop" / "pywacz-valid-1-0-0.wacz")}
    assert "package-old-version" in codes


def test_a_single_gzip_member_is_refused_with_the_remedy(shared: Path) -> None:
    problems = verify_file(shared / "interop" / "warcio-single-member.warc.gz")
    assert any("warcio recompress" in item.expected for item in problems)


def test_revisits_are_resolved_within_the_file_and_noted_otherwise(shared: Path) -> None:
    problems = verify_file(shared / "interop" / "pywb-dupes.warc.gz")
    unresolved = [item for item in problems if item.code == "revisit-unresolved"]
    assert len(unresolved) == 8  # nine revisits, one of which has its original here
    assert {item.severity for item in unresolved} == {"note"}


def test_one_wrong_payload_digest_is_one_error(shared: Path) -> None:
    problems = verify_file(shared / "interop" / "warcio-bad-digest.warc")
    assert [item.place for item in problems if item.severity == "error"] == ["warcio-bad-digest.warc@0"]


def test_a_status_line_without_reason_is_no_problem(shared: Path) -> None:
    codes = {item.code for item in verify_file(shared / "interop" / "pywb-missing-status-text.warc")}
    assert "http-head" not in codes


@pytest.mark.parametrize("name", ["pywacz-valid-2.wacz", "awp-iframetest.wacz", "warcio-example.warc.gz"])
def test_no_damage_to_a_foreign_archive_raises(shared: Path, tmp_path: Path, name: str) -> None:
    data = (shared / "interop" / name).read_bytes()
    path = tmp_path / "x"
    for at in range(0, len(data), 7):
        path.write_bytes(data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :])
        verify_file(path)
        path.write_bytes(data[:at])
        # A bare WARC that is cut between two records is a whole one; a WACZ knows how long it should be.
        assert name.endswith(".warc.gz") or not is_sound(verify_file(path))
