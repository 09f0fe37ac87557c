"""Other makers' readers accept the WARC of an observation; with its bundle beside it pywb replays the visit whole."""

import gzip
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.bundle.manifest import read_manifest
from tasks.bundle.observation import pack_observation
from tasks.bundle.verify import is_sound, verify_file
from tasks.bundle.warc import Refers
from tasks.records import Bundle, Capture, PageText, Verdict, VerdictKind
from tests.bundle.samples import HTML, PROVENANCE, captures, exchange, pack
from tests.bundle.test_independent_readers import fetch, payload, readers, run, wayback

__all__ = ["readers"]
NAMES = ("plain", "redirect", "chunked", "gzip", "chunked-gzip", "beside")


def observed(folder: Path, name: str, *, revisit: bool = True) -> tuple[Path, Path, Capture]:
    """The bundle of a capture, the WARC of the same visit a minute later, and that visit."""
    bundle, first = pack(folder, name), captures()[name]
    later = [replace(item, started_at=item.started_at + timedelta(minutes=1)) for item in first.exchanges]
    visit = Capture(first.url, tuple(later), first.user_agent, beside=first.beside)
    return bundle.path, _packed(folder, visit, bundle, revisit=revisit), visit


def not_modified(folder: Path) -> tuple[Path, Path, Capture]:
    """The same where the server answers 304 the second time."""
    bundle, first = pack(folder, "plain"), captures()["plain"]
    answer = exchange(b"", status="304 Not Modified", headers=(("ETag", '"a"'),), after_s=60.0)
    visit = Capture(first.url, (answer,), first.user_agent, conditional=True)
    return bundle.path, _packed(folder, visit, bundle, not_modified=True), visit


def _packed(folder: Path, visit: Capture, bundle: Bundle, *, revisit: bool = True, not_modified: bool = False) -> Path:
    original = read_manifest(bundle.manifest).original
    assert original
    refers = Refers(original.record, original.url, original.date, bundle.path.name, not_modified)
    warc = pack_observation(
        folder,
        capture=visit,
        page=PageText("text/html", HTML, "utf-8", "http"),
        verdict=Verdict(VerdictKind.OK),
        revisits=refers if revisit else None,
        provenance=PROVENANCE,
    )
    return warc.path


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("revisit", [True, False])
def test_our_own_verify_finds_it_sound_and_the_same_twice(name: str, revisit: bool, tmp_path: Path) -> None:
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
    _, one, _ = observed(tmp_path / "a", name, revisit=revisit)
    _, two, _ = observed(tmp_path / "b", name, revisit=revisit)
    assert is_sound(verify_file(one))
    assert one.read_bytes() == two.read_bytes()
    assert (b"WARC-Type: revisit" in gzip.decompress(one.read_bytes())) == revisit


@pytest.mark.parametrize("tool", ["warcio", "fastwarc"])
@pytest.mark.parametrize("revisit", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_digests_hold_for_other_readers(name: str, revisit: bool, tool: str, readers: Path, tmp_path: Path) -> None:
    _, warc, _ = observed(tmp_path, name, revisit=revisit)
    done = run(readers / tool, "check", warc)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fail" not in done.stdout.lower(), done.stdout


@pytest.mark.parametrize("tool", ["warcio", "fastwarc"])
def test_other_readers_accept_a_304(tool: str, readers: Path, tmp_path: Path) -> None:
    _, warc, _ = not_modified(tmp_path)
    assert is_sound(verify_file(warc))
    done = run(readers / tool, "check", warc)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "fail" not in done.stdout.lower(), done.stdout


def test_other_readers_refuse_a_304_that_was_changed(readers: Path, tmp_path: Path) -> None:
    _, warc, _ = not_modified(tmp_path)
    broken = tmp_path / "broken.warc"
    broken.write_bytes(gzip.decompress(warc.read_bytes()).replace(b"304 Not", b"304 Now"))
    assert not is_sound(verify_file(broken))
    done = run(readers / "fastwarc", "check", broken)
    assert done.returncode != 0 or "failed" in done.stdout + done.stderr


def test_pywb_shows_a_304_as_one_and_the_page_beside_it(readers: Path, tmp_path: Path) -> None:
    """It looks for no payload of any 3xx."""
    (tmp_path / "made").mkdir()
    bundle, warc, visit = not_modified(tmp_path / "made")
    assert run(readers / "wb-manager", "init", "same", cwd=tmp_path).returncode == 0
    for command in (("--unpack-wacz", bundle), (warc,)):
        assert run(readers / "wb-manager", "add", "same", *command, cwd=tmp_path).returncode == 0
    with wayback(readers, tmp_path) as base:
        then, now = (f"{made.page.started_at:%Y%m%d%H%M%S}" for made in (captures()["plain"], visit))
        assert fetch(f"{base}/same/{then}id_/{visit.page.url}") == (200, HTML.encode())
        assert fetch(f"{base}/same/{now}id_/{visit.page.url}") == (304, b"")


@pytest.mark.parametrize(
    ("tool", "old", "new"),
    [("warcio", b"GET /", b"PUT /"), ("fastwarc", b"GET /", b"PUT /"), ("fastwarc", b"200 OK", b"200 KO")],
)
def test_other_readers_refuse_what_was_changed(  # warcio passes over the block of a revisit
    tool: str, old: bytes, new: bytes, readers: Path, tmp_path: Path
) -> None:
    _, warc, _ = observed(tmp_path, "plain")
    plain = gzip.decompress(warc.read_bytes()).replace(old, new)
    broken = tmp_path / "broken.warc"
    broken.write_bytes(plain)
    done = run(readers / tool, "check", broken)
    assert done.returncode != 0 or "failed" in done.stdout + done.stderr


def test_pywb_replays_a_revisit_with_the_payload_of_its_bundle(readers: Path, tmp_path: Path) -> None:
    visits = {}
    for name in NAMES:
        (tmp_path / f"made-{name}").mkdir()
        bundle, warc, visits[name] = observed(tmp_path / f"made-{name}", name)
        assert run(readers / "wb-manager", "init", name, cwd=tmp_path).returncode == 0
        for command in (("--unpack-wacz", bundle), (warc,)):
            done = run(readers / "wb-manager", "add", name, *command, cwd=tmp_path)
            assert done.returncode == 0, done.stdout + done.stderr
    with wayback(readers, tmp_path) as base:
        for name, visit in visits.items():
            page = visit.page
            status, body = fetch(f"{base}/{name}/{page.started_at:%Y%m%d%H%M%S}id_/{page.url}")
            assert (status, body) == (200, payload(page.body.open().read(), chunked=page.chunked)), name
