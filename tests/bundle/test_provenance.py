"""provenance.json says what the capture saw, the same each time; verify holds it against the WARC."""

import base64
import dataclasses
import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle.jsons import json_page
from tasks.bundle.provenance import capture_facts, settings_digest
from tasks.bundle.verify import is_sound, verify_file
from tasks.records import Capture, Clock, Tls
from tests.bundle.forge import members, rewrite
from tests.bundle.samples import AGENT, MOMENT, PROVENANCE, URL, captures, digest, exchange, pack

NAME = "article/provenance.json"
LEAF, ROOT = b"a server's certificate", b"an authority's certificate"
SESSION = Tls("TLSv1.3", "TLS_AES_256_GCM_SHA384", digest(LEAF), (LEAF, ROOT), "verified")


def tls_capture() -> Capture:
    """A redirect and the page, over one TLS session, with a server that is two minutes ahead."""
    date = ("Date", "Mon, 23 Nov 2026 10:56:48 GMT")
    ended = MOMENT + timedelta(seconds=0.0421 + 0.25)
    away = exchange(b"", url="https://news.example/tide", status="301 Moved", headers=(("Location", URL),), tls=SESSION)
    page = exchange(headers=(("Content-Type", "text/html"), date), tls=SESSION, ended_at=ended)
    return Capture(away.url, (away, page), AGENT, clock=Clock("clock_gettime(CLOCK_REALTIME)", True))


@pytest.fixture
def bundle(tmp_path: Path) -> Path:
    provenance = PROVENANCE | {"settings_digest": settings_digest(PROVENANCE["settings"])}
    return pack(tmp_path, capture=tls_capture(), provenance=provenance).path


def test_it_has_requests_addresses_certificates_and_clock(bundle: Path) -> None:
    found = json.loads(members(bundle)[NAME])["capture"]
    assert found == capture_facts(tls_capture())
    first, page = found["exchanges"]
    assert first["request"] == {
        "line": "GET /tide HTTP/1.1",
        "headers": [["Host", "news.example"], ["User-Agent", AGENT]],
    }
    assert (page["url"], page["address"], page["started_at"]) == (URL, "192.0.2.7", "2026-11-23T10:54:47.123456Z")
    assert (first["drift_ms"], first["skew_s"]) == (None, None)
    assert (page["drift_ms"], page["skew_s"]) == (250, 121)
    assert page["tls"]["chain"] == [digest(LEAF), digest(ROOT)]
    assert page["tls"]["chain_is"] == "verified"
    assert [base64.b64decode(one["der"]) for one in found["certificates"]] == [LEAF, ROOT]
    assert found["clock"] == {"source": "clock_gettime(CLOCK_REALTIME)", "synchronized": True}


def test_the_same_capture_gives_the_same_bytes_and_is_sound(tmp_path: Path, bundle: Path) -> None:
    (tmp_path / "again").mkdir()
    assert bundle.read_bytes() == (
        pack(tmp_path / "again", capture=tls_capture(), provenance=json.loads(json.dumps(_given()))).path.read_bytes()
    )
    assert is_sound(verify_file(bundle))


def _given() -> dict[str, Any]:
    return PROVENANCE | {"settings_digest": settings_digest(PROVENANCE["settings"])}


@pytest.mark.parametrize("value", ["", "yesterday", "Mon, 99 Nov 2026 10:56:48 GMT", "Mon, 23 Nov 99999 00:00:00 GMT"])
def test_a_date_header_that_means_no_moment_gives_no_skew(value: str) -> None:
    page = exchange(headers=(("Date", value),))
    assert capture_facts(Capture(URL, (page,), AGENT))["exchanges"][0]["skew_s"] is None


def test_a_capture_of_which_less_is_known_has_nulls(tmp_path: Path) -> None:
    page = dataclasses.replace(captures()["plain"].page, tls=None)
    facts = capture_facts(Capture(URL, (page,), AGENT))
    assert facts["clock"] is None
    assert facts["certificates"] == []
    assert facts["exchanges"][0]["tls"] is None


# ------------------------------------------------------------------ verify
def edited(bundle: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> list[str]:
    table = json.loads(members(bundle)[NAME])
    change(table)
    found = verify_file(rewrite(bundle, target, {NAME: json_page(table)}))
    return [item.code for item in found if item.place == NAME]


Change = Callable[[dict[str, Any]], object]
WRONG: list[Change] = [
    lambda table: table["settings"].update(thin_words=1),
    lambda table: table.update(settings_digest="sha256:" + "0" * 64),
    lambda table: table.update(settings=None),
    lambda table: table["capture"]["exchanges"][1].update(address="192.0.2.8"),
    lambda table: table["capture"]["exchanges"][0].update(url="https://news.example/other"),
    lambda table: table["capture"]["exchanges"][1].update(started_at="2026-11-23T10:54:48.000000Z"),
    lambda table: table["capture"]["exchanges"].pop(),
    lambda table: table["capture"]["exchanges"].reverse(),
    lambda table: table["capture"]["certificates"][1].update(der="AAAA"),
    lambda table: table["capture"]["certificates"].pop(),
    lambda table: table["capture"]["exchanges"][1]["tls"].update(chain=["sha256:" + "0" * 64]),
    lambda table: table["capture"]["exchanges"][1].update(tls=None),
    lambda table: table["capture"]["exchanges"][1]["tls"].update(chain_is="trusted"),
]
BROKEN: list[Change] = [
    lambda table: table.update(capture=None),
    lambda table: table.update(capture=[]),
    lambda table: table["capture"].pop("exchanges"),
    lambda table: table["capture"].update(exchanges=7),
    lambda table: table["capture"].update(exchanges=[7]),
    lambda table: table["capture"]["certificates"][0].update(der="?"),
    lambda table: table["capture"]["certificates"][0].update(digest=[]),
    lambda table: table["capture"]["exchanges"][0]["tls"].update(chain=[]),
    lambda table: table["capture"]["exchanges"][0].update(tls=7),
]


@pytest.mark.parametrize("change", WRONG)
def test_what_does_not_fit_is_found(bundle: Path, tmp_path: Path, change: Change) -> None:
    assert "derived-mismatch" in edited(bundle, tmp_path / "x.wacz", change)


@pytest.mark.parametrize("change", BROKEN)
def test_what_has_another_form_is_found_and_never_raises(bundle: Path, tmp_path: Path, change: Change) -> None:
    assert "derived-broken" in edited(bundle, tmp_path / "x.wacz", change)


def test_an_older_bundle_without_them_is_sound(bundle: Path, tmp_path: Path) -> None:
    assert edited(bundle, tmp_path / "x.wacz", lambda table: (table.pop("capture"), table.pop("settings_digest"))) == []


@pytest.mark.parametrize("note", [{}, {"policy": "obey", "allowed": 1, "reason": "x"}, "allowed"])
def test_a_note_of_robots_txt_that_is_none_is_a_problem(note: object, tmp_path: Path) -> None:
    bundle = pack(tmp_path, "beside").path
    assert is_sound(verify_file(bundle))
    found = json.loads(members(bundle)[NAME])
    assert found["capture"]["robots"]["policy"] == "report"
    found["capture"]["robots"] = note
    broken = rewrite(bundle, tmp_path / "broken.wacz", {NAME: json_page(found)})
    assert [problem.code for problem in verify_file(broken) if problem.severity == "error"] == ["derived-broken"]
