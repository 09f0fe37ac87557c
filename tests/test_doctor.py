"""The doctor finds what is wrong, for real, says what to do, and finds nothing where all is well."""

import os
from pathlib import Path
from typing import Any

import pytest

from tasks import doctor
from tasks.doctor import Finding, examine
from tasks.outbox import Outbox
from tasks.settings import load_settings
from tasks.store.local import LocalS3
from tests.flows.conftest import free_port
from tests.store.kit import make_bundle


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder in which all is well, but for what the machine itself lacks."""
    monkeypatch.chdir(tmp_path)
    for name in [name for name in os.environ if name.startswith(("TEARSHEET_", "PREFECT_"))]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("TEARSHEET_OUTBOX", str(tmp_path / "outbox"))
    monkeypatch.setenv("TEARSHEET_CONTACT", "desk@paper.example")
    monkeypatch.setenv("TEARSHEET_CHROMIUM", str(tmp_path / "none"))  # starting one takes a second; one test does
    return tmp_path


def found(check: str, **options: str) -> list[Finding]:
    return [finding for finding in examine(**options) if finding.check == check]


def test_where_all_is_well_nothing_fails_and_nothing_is_left_behind(here: Path) -> None:
    findings = list(examine(store=str(here / "store")))
    assert [finding for finding in findings if finding.level == "fail"] == []
    assert {finding.check for finding in findings} >= {
        "settings",
        "sources",
        "rules",
        "store",
        "outbox",
        "disk",
        "clock",
    }
    assert [path for path in (here / "store").rglob("*") if path.is_file()] == []


def test_all_that_is_not_ok_says_what_to_do(here: Path) -> None:
    assert [finding for finding in examine() if finding.level != "ok" and not finding.remedy] == []


@pytest.mark.parametrize(
    ("file", "text", "check"),
    [
        ("settings.toml", "wrokers = 3", "settings"),
        ("watch.toml", "[sources.a]\nfeed = 3\ncron = '* * * * *'", "sources"),
        ("rules/mine.toml", "[[rule]]\nid = 3", "rules"),
    ],
)
def test_a_broken_file_is_named(here: Path, file: str, text: str, check: str) -> None:
    (here / "config" / "rules").mkdir(parents=True)
    (here / "config" / file).write_text(text)
    (finding,) = found(check)
    assert finding.level == "fail"
    assert Path(file).name in finding.what


def test_a_store_is_written_to_and_one_that_cannot_be_is_told(here: Path) -> None:
    (here / "file").write_text("no folder")
    (finding,) = found("store", store=str(here / "file" / "store"))
    assert finding.level == "fail"


def test_an_s3_server_is_tried_out_and_a_bucket_that_is_not_there_is_told(
    here: Path, local_s3: LocalS3, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in local_s3.environ.items():
        monkeypatch.setenv(name, value)
    finding = found("store", store=f"s3://{local_s3.bucket}/doctor")[0]
    assert finding.level == "ok"
    assert "create only: native" in finding.what
    assert found("store", store="s3://no-such-bucket/x")[0].level == "fail"


def test_what_waits_in_the_outbox_is_told(here: Path) -> None:
    assert [finding.level for finding in found("outbox")] == ["ok"]
    Outbox(load_settings()).park(make_bundle(here))
    assert [(finding.level, finding.what) for finding in found("outbox")] == [("warn", "1 bundle waiting")]


def test_a_full_disk_is_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "SCARCE_BYTES", 1 << 60)
    assert {finding.level for finding in found("disk")} == {"warn"}
    monkeypatch.setattr(doctor, "FULL_BYTES", 1 << 60)
    assert {finding.level for finding in found("disk")} == {"fail"}


def test_a_contact_that_is_missing_and_robots_ignored_are_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("agent")[0].level == found("robots")[0].level == "ok"
    monkeypatch.setenv("TEARSHEET_CONTACT", "")
    monkeypatch.setenv("TEARSHEET_ROBOTS", "ignore")
    assert found("agent")[0].level == found("robots")[0].level == "warn"


def test_a_browser_that_is_missing_fails_only_where_it_is_needed(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("chromium")[0].level == "warn"
    monkeypatch.setenv("TEARSHEET_MODE", "browser")
    assert found("chromium")[0].level == "fail"


def watching(here: Path, line: str) -> None:
    """A watch.toml with one source, of which the line says something."""
    (here / "config").mkdir()
    (here / "config" / "watch.toml").write_text(
        f"[sources.desk]\nurls = ['https://a.example/']\ncron = '0 5 * * *'\n{line}"
    )


def test_a_browser_that_one_source_needs_fails_where_it_is_missing(here: Path) -> None:
    watching(here, "mode = 'browser'")
    assert found("chromium")[0].level == "fail"


def test_a_store_that_one_source_has_of_its_own_is_tried_out_too(here: Path) -> None:
    (here / "file").write_text("no folder")
    watching(here, f"store = '{here / 'file' / 'store'}'")
    assert [finding.level for finding in found("store", store=str(here / "store")) if finding.level != "warn"] == [
        "ok",
        "fail",
    ]


def test_a_check_that_cannot_be_made_ends_no_other(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(path: object) -> object:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr(doctor.shutil, "disk_usage", refuse)
    assert found("disk")[-1].level == "fail"
    assert found("prefect")


SCHEDULED = [{"active": True}]


@pytest.mark.parametrize(
    ("deployment", "warned"),
    [
        ({"status": "NOT_READY", "paused": False, "schedules": SCHEDULED}, True),
        ({"status": "READY", "paused": False, "schedules": SCHEDULED}, False),  # another machine serves it
        ({"status": "NOT_READY", "paused": True, "schedules": SCHEDULED}, False),
        ({"status": "NOT_READY", "paused": False, "schedules": []}, False),
    ],
)
def test_a_source_that_was_removed_and_still_has_runs_scheduled_is_told(deployment: Any, warned: bool) -> None:
    """`serve` pauses what it serves when it ends; one that is killed does not, and nobody takes the runs."""
    there = {"archive/default": {"status": "READY"}, "watch/gone": deployment}
    told = [finding for finding in doctor._deployed(there, ()) if "watch/gone" in finding.what]
    assert [finding.level for finding in told] == ["warn"] * warned


def test_a_browser_is_started_and_its_version_told(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("TEARSHEET_CHROMIUM")
    (finding,) = found("chromium")
    if "not on this machine" in finding.what:
        pytest.skip("no Chromium here")
    assert finding.level in ("ok", "warn")
    assert "/" in finding.what.split()[0]


def test_a_prefect_server_that_does_not_answer_fails(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert found("prefect")[0].level == "ok"
    monkeypatch.setenv("PREFECT_API_URL", f"http://127.0.0.1:{free_port()}/api")
    assert found("prefect")[0].level == "fail"
