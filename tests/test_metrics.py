"""Metrics are what the store, its run reports and the outbox hold, in Prometheus' own format."""

import socket
import time
import urllib.error
import urllib.request
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.errors import SettingsError
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


def test_a_store_and_a_server_that_hang_keep_nobody_waiting_and_hide_nothing_else(
    settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
            monkeypatch.setenv(name, "x")
        hanging = load_settings(store="s3://bucket/x", s3_endpoint=address, attempts=1)
        metrics = Metrics(hanging, PrefectApi(f"{address}/api", timeout_s=5), wait_s=0.5)
        began = time.monotonic()
        text = as_text(metrics.samples())
        again = as_text(metrics.samples())
    assert time.monotonic() - began < 4
    for line in ("store_up 0", "prefect_up 0", "outbox_waiting 0"):
        assert f"tearsheet_{line}\n" in text
        assert f"tearsheet_{line}\n" in again


def test_an_odd_report_hides_neither_the_others_nor_the_rest(settings: Settings) -> None:
    odd = {"source": "odd", "kinds": 5, "bytes": "many", "page_seconds": {"median": "long"}, "alarms": 3}
    with open_store(settings.store, settings) as store:
        store.put_event(Event("report", NOW, detail=odd))
        store.put_event(Event("report", NOW, detail={"source": "courier", "kinds": {"new": 2}}))
    text = text_of(settings)
    assert 'tearsheet_source_last_run_pages{source="courier",kind="new"} 2\n' in text
    assert 'tearsheet_source_last_run_timestamp_seconds{source="odd"}' in text
    assert "tearsheet_store_up 1\n" in text


def test_a_port_that_is_taken_is_named(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(SettingsError, match=f"127.0.0.1:{port}: no metrics: Address already in use"):
            serving_metrics(port, list)


def test_a_client_that_goes_away_is_nothing_to_talk_about(capsys: pytest.CaptureFixture[str]) -> None:
    """Under JSON logs a traceback would be no JSON, either."""
    asked: list[int] = []

    def slowly() -> list[Sample]:
        asked.append(1)
        time.sleep(0.3)
        return [Sample("runs", 1, {"deployment": "x" * 100}) for _ in range(50_000)]

    with serving_metrics(0, slowly) as url:
        with socket.create_connection(("127.0.0.1", int(url.split(":")[2].split("/")[0]))) as client:
            client.sendall(b"GET /metrics HTTP/1.0\r\n\r\n")
            until = time.monotonic() + 5
            while not asked and time.monotonic() < until:
                time.sleep(0.01)
        time.sleep(1)
    assert asked
    assert capsys.readouterr().err == ""
