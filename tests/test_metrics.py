"""Metrics are what the store, its run reports and the outbox hold, in Prometheus' own format."""

import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.metrics import Metrics, Sample, as_text, serving_metrics
from tasks.outbox import Outbox
from tasks.prefect_api import PrefectApi
from tasks.settings import Settings, load_settings
from tasks.store import open_store
from tasks.store.events import Event
from tests.flows.conftest import free_port
from tests.store.kit import make_bundle

NOW = datetime(2026, 11, 23, 12, tzinfo=UTC)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setenv("TEARSHEET_OUTBOX", str(tmp_path / "outbox"))
    return load_settings(store=str(tmp_path / "store"))


def text_of(settings: Settings, api: PrefectApi | None = None) -> str:
    return as_text(Metrics(settings, api, clock=NOW.timestamp).samples())


def test_the_last_run_of_each_source_is_told_from_its_report(settings: Settings) -> None:
    with open_store(settings.store, settings) as store:
        for hour, kinds in ((9, {"new": 5}), (10, {"failed": 1, "new": 2})):
            detail = {"source": "courier", "kinds": kinds, "bytes": 4096, "alarms": [{"code": "silent"}]}
            detail["page_seconds"] = {"median": hour / 10, "longest": 4.25}
            store.put_event(Event("report", NOW.replace(hour=hour), detail=detail))
    text = text_of(settings)
    assert 'tearsheet_source_last_run_pages{source="courier",kind="new"} 2\n' in text
    assert 'tearsheet_source_last_run_pages{source="courier",kind="failed"} 1\n' in text
    assert 'tearsheet_source_last_run_alarms{source="courier"} 1\n' in text
    assert 'tearsheet_source_last_run_page_seconds{source="courier",which="median"} 1\n' in text
    assert 'tearsheet_source_last_run_page_seconds{source="courier",which="longest"} 4.25\n' in text
    at = NOW.replace(hour=10).timestamp()
    assert f'tearsheet_source_last_run_timestamp_seconds{{source="courier"}} {at:.0f}\n' in text


def test_what_waits_in_the_outbox_is_counted(settings: Settings, tmp_path: Path) -> None:
    assert "tearsheet_outbox_waiting 0\n" in text_of(settings)
    Outbox(settings).park(make_bundle(tmp_path))
    assert "tearsheet_outbox_waiting 1\n" in text_of(settings)


def test_a_store_or_server_that_does_not_answer_is_told_as_is_the_rest(tmp_path: Path, settings: Settings) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    api = PrefectApi(f"http://127.0.0.1:{free_port()}/api", timeout_s=1)
    text = text_of(load_settings(store=str(blocked / "store")), api)
    for line in ("store_up 0", "store_errors_total 1", "prefect_up 0", "outbox_waiting 0"):
        assert f"tearsheet_{line}\n" in text


def test_labels_cannot_break_the_format() -> None:
    text = as_text([Sample("runs", 1, {"deployment": 'a"b\\c\nd'}), Sample("store_up", True)])
    assert 'tearsheet_runs{deployment="a\\"b\\\\c\\nd"} 1\n' in text
    assert "# TYPE tearsheet_store_up gauge\ntearsheet_store_up 1\n" in text


def test_they_are_served_on_loopback_under_one_path_alone() -> None:
    with serving_metrics(0, lambda: [Sample("store_up", 1)]) as url:
        with urllib.request.urlopen(url, timeout=5) as answer:
            assert answer.headers["Content-Type"].startswith("text/plain; version=0.0.4")
            assert b"tearsheet_store_up 1" in answer.read()
        with pytest.raises(urllib.error.HTTPError) as caught:
            urllib.request.urlopen(url.replace("/metrics", "/"), timeout=5)
        caught.value.close()
