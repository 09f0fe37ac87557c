"""Prometheus text metrics, read from the store, the outbox and Prefect's API when somebody asks.

Each run is a process of its own, so nothing is counted inside of one: the store's manifests and run reports are the
truth, whichever machine wrote them.
"""

import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tasks.catalog import open_catalog
from tasks.errors import TearsheetError
from tasks.outbox import Outbox
from tasks.prefect_api import PrefectApi
from tasks.settings import Settings
from tasks.store import Store, open_store

__all__ = ["Metrics", "Sample", "as_text", "part_samples", "serving_metrics"]

REST_S = 15.0  # the store is asked anew no sooner
REPORT_DAYS = 3  # run reports of so many days are read: a source's last run
REPORT = "report"  # kind of the event that a watch run leaves

_HELP = {
    "part_up": ("gauge", "Whether a part of `tearsheet up` answers."),
    "part_restarts_total": ("counter", "How often a part was started again."),
    "store_up": ("gauge", "Whether the store could be read just now."),
    "store_errors_total": ("counter", "Times that the store could not be read for metrics."),
    "bundles": ("gauge", "Bundles in the store, by verdict of the capture."),
    "bundle_bytes": ("gauge", "Bytes of these bundles."),
    "observations": ("gauge", "Visits that found nothing new."),
    "last_capture_timestamp_seconds": ("gauge", "When the newest bundle was captured."),
    "outbox_waiting": ("gauge", "Bundles that wait on this machine because the store could not take them."),
    "outbox_oldest_seconds": ("gauge", "Age of the oldest of them."),
    "source_last_run_timestamp_seconds": ("gauge", "When the last run of a source was reported."),
    "source_last_run_pages": ("gauge", "Pages of that run, by what became of them."),
    "source_last_run_bytes": ("gauge", "Bytes that it stored."),
    "source_last_run_page_seconds": ("gauge", "How long a page of it took: the median, nine of ten, the longest."),
    "source_last_run_alarms": ("gauge", "Alarms that it raised."),
    "prefect_up": ("gauge", "Whether the Prefect server answers."),
    "runs": ("gauge", "Flow runs that the server holds, by deployment and state."),
    "last_run_timestamp_seconds": ("gauge", "When the newest ended run of a deployment ended."),
    "last_run_duration_seconds": ("gauge", "How long it ran."),
    "last_run_good": ("gauge", "Whether it completed."),
}


@dataclass(frozen=True, slots=True)
class Sample:
    """One number; the names are those of _HELP, without the prefix."""

    name: str
    value: float
    labels: Mapping[str, str] = field(default_factory=dict)


def as_text(samples: Iterable[Sample]) -> str:
    """The samples in Prometheus' text format 0.0.4, each name's together."""
    by_name: dict[str, list[Sample]] = {}
    for sample in samples:
        by_name.setdefault(sample.name, []).append(sample)
    lines = []
    for name, found in by_name.items():
        kind, told = _HELP[name]
        lines += [f"# HELP tearsheet_{name} {told}", f"# TYPE tearsheet_{name} {kind}"]
        lines += [f"tearsheet_{name}{_labels(sample.labels)} {sample.value:.15g}" for sample in found]
    return "".join(f"{line}\n" for line in lines)


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    told = (f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "{" + ",".join(told) + "}"


def _escaped(value: str) -> str:
    return value.replace("\\", r"\\").replace('"', r"\"").replace("\n", r"\n")


def part_samples(parts: Iterable[Mapping[str, Any]]) -> Iterator[Sample]:
    """The samples of what `up` runs."""
    for part in parts:
        labels = {"part": part["name"]}
        yield Sample("part_up", part["state"] == "running", labels)
        yield Sample("part_restarts_total", part["restarts"], labels)


class Metrics:
    """Reads all that is told of a store, its outbox and a Prefect server. Thread-safe."""

    def __init__(self, settings: Settings, api: PrefectApi | None, *, clock: Callable[[], float] = time.time) -> None:
        self.settings, self.api, self.clock = settings, api, clock
        self._errors, self._stored, self._read_at = 0, list[Sample](), float("-inf")
        self._lock = threading.Lock()

    def samples(self) -> Iterator[Sample]:
        """What there is now; of a store that was read a moment ago, what was read then."""
        with self._lock:
            if self.clock() - self._read_at >= REST_S:
                self._stored = self._of_the_store()
                self._read_at = self.clock()
            stored = tuple(self._stored)
        yield from stored
        yield from self._of_the_outbox()
        if self.api:
            yield from _of_prefect(self.api)

    def _of_the_store(self) -> list[Sample]:
        try:
            with open_store(self.settings.store, self.settings) as store:
                found = [*_of_the_catalog(store, self.settings), *_of_reports(store, self.clock())]
        except TearsheetError:
            self._errors += 1
            return [Sample("store_up", 0), Sample("store_errors_total", self._errors)]
        return [Sample("store_up", 1), Sample("store_errors_total", self._errors), *found]

    def _of_the_outbox(self) -> Iterator[Sample]:
        with suppress(TearsheetError, OSError):
            waiting = Outbox(self.settings).waiting()
            yield Sample("outbox_waiting", len(waiting))
            oldest = min((path.stat().st_mtime for path in waiting), default=self.clock())
            yield Sample("outbox_oldest_seconds", max(0.0, self.clock() - oldest))


def _of_the_catalog(store: Store, settings: Settings) -> Iterator[Sample]:
    with open_catalog(store, settings) as catalog:
        totals, observations = catalog.totals(), catalog.info().observations
    for verdict, (count, size, _) in totals.items():
        yield Sample("bundles", count, {"verdict": verdict})
        yield Sample("bundle_bytes", size, {"verdict": verdict})
    yield Sample("observations", observations)
    if newest := max((at for _, _, at in totals.values()), default=""):
        yield Sample("last_capture_timestamp_seconds", _stamp(newest))


def _stamp(id_: str) -> float:
    """The moment in a bundle's id."""
    return datetime.strptime(id_[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC).timestamp()


def _of_reports(store: Store, now: float) -> Iterator[Sample]:
    """The last run of each source, as its report in the store tells of it."""
    today = datetime.fromtimestamp(now, UTC)
    days = [f"{today - timedelta(days=back):%Y%m%d}" for back in range(REPORT_DAYS)]
    last: dict[str, Any] = {}
    for key in sorted(store.event_keys(days, {REPORT})):
        event = store.read_event(key)
        last[str(event.detail.get("source", ""))] = event
    for source, event in sorted(last.items()):
        labels = {"source": source}
        yield Sample("source_last_run_timestamp_seconds", event.at.timestamp(), labels)
        for kind, count in sorted(dict(event.detail.get("kinds") or {}).items()):
            yield Sample("source_last_run_pages", float(count), {**labels, "kind": str(kind)})
        yield Sample("source_last_run_bytes", float(event.detail.get("bytes") or 0), labels)
        for which, seconds in sorted(dict(event.detail.get("page_seconds") or {}).items()):
            yield Sample("source_last_run_page_seconds", float(seconds), {**labels, "which": str(which)})
        yield Sample("source_last_run_alarms", len(event.detail.get("alarms") or ()), labels)


def _of_prefect(api: PrefectApi) -> Iterator[Sample]:
    found: list[Sample] = []
    try:
        for name, deployment in sorted(api.deployments().items()):
            labels = {"deployment": name}
            for state, count in api.runs_by_state(deployment["id"]).items():
                found.append(Sample("runs", count, {**labels, "state": state}))
            if run := api.last_run(deployment["id"]):
                ended = datetime.fromisoformat(run["end_time"]).timestamp() if run["end_time"] else 0.0
                found.append(Sample("last_run_timestamp_seconds", ended, labels))
                found.append(Sample("last_run_duration_seconds", float(run["total_run_time"]), labels))
                found.append(Sample("last_run_good", run["state_type"] == "COMPLETED", labels))
    except TearsheetError:
        yield Sample("prefect_up", 0)
        return
    yield Sample("prefect_up", 1)
    yield from found


# ------------------------------------------------------------------ for whoever asks
class serving_metrics:  # noqa: N801 used as `with serving_metrics(…)`
    """Serves what `samples` gives at http://127.0.0.1:port/metrics, in a thread, within the block."""

    def __init__(self, port: int, samples: Callable[[], Iterable[Sample]]) -> None:
        handler = type("Handler", (_Handler,), {"samples": staticmethod(samples)})
        self.server = ThreadingHTTPServer(("127.0.0.1", port), handler)
        self.server.daemon_threads = True
        self.thread = threading.Thread(target=self.server.serve_forever, name="metrics", daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_address[1]}/metrics"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class _Handler(BaseHTTPRequestHandler):
    samples: Callable[[], Iterable[Sample]]

    def do_GET(self) -> None:
        """The metrics, or 404."""
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        body = as_text(self.samples()).encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""
