"""Prometheus text metrics, read from the store, the outbox and Prefect's API when somebody asks.

Each run is a process of its own, so nothing is counted inside of one: the store's manifests and run reports are the
truth, whichever machine wrote them.
"""

import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tasks.catalog import open_catalog
from tasks.errors import FormatError, NotFound, SettingsError, TearsheetError
from tasks.outbox import Outbox
from tasks.prefect_api import PrefectApi
from tasks.settings import Settings
from tasks.store import Store, open_store

__all__ = ["Metrics", "Sample", "as_text", "part_samples", "serving_metrics"]

REST_S = 15.0  # store and server are asked anew no sooner
WAIT_S = 8.0  # whoever asks waits no longer for them; Prometheus gives up after 10
SLOW_CLIENT_S = 10.0  # a client that says nothing for so long is left
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


class _Reading:
    """What `read` gave last, read anew no sooner than REST_S.

    One thread reads at a time, however many ask: a store that hangs keeps none of them, and hides nothing else.
    """

    def __init__(self, read: Callable[[], list[Sample]], clock: Callable[[], float]) -> None:
        self.read, self.clock = read, clock
        self.found: list[Sample] | None = None  # None: it broke
        self.read_at = float("-inf")
        self.thread = threading.Thread()
        self.lock = threading.Lock()

    def begin(self) -> None:
        """Read anew where it is time, and nobody does."""
        with self.lock:
            if not self.thread.is_alive() and self.clock() - self.read_at >= REST_S:
                self.thread = threading.Thread(target=self._read, name="metrics-reader", daemon=True)
                self.thread.start()

    def _read(self) -> None:
        found = None
        try:
            found = self.read()
        finally:  # of an error that is none of ours, threading says all on stderr
            self.found, self.read_at = found, self.clock()

    def samples(self, wait_s: float) -> list[Sample] | None:
        """What was read; None where that broke, or takes longer than `wait_s`."""
        thread = self.thread
        thread.join(max(0.0, wait_s))
        return None if thread.is_alive() else self.found


class Metrics:
    """Reads all that is told of a store, its outbox and a Prefect server. Thread-safe."""

    def __init__(
        self,
        settings: Settings,
        api: PrefectApi | None,
        *,
        clock: Callable[[], float] = time.time,
        wait_s: float = WAIT_S,
    ) -> None:
        self.settings, self.clock, self.wait_s = settings, clock, wait_s
        self._errors = 0
        self._store = _Reading(self._of_the_store, clock)
        self._prefect = _Reading(lambda: _of_prefect(api), clock) if api else None

    def samples(self) -> Iterator[Sample]:
        """What there is now; of a store or server that was read a moment ago, what was read then."""
        until = time.monotonic() + self.wait_s
        readings = [self._store, self._prefect] if self._prefect else [self._store]
        for one in readings:
            one.begin()
        yield from self._of_the_outbox()
        for one, name in zip(readings, ("store_up", "prefect_up"), strict=False):
            found = one.samples(until - time.monotonic())
            yield from [Sample(name, 0)] if found is None else found

    def _of_the_store(self) -> list[Sample]:
        try:
            with open_store(self.settings.store, self.settings) as store:
                found = [*_of_the_catalog(store, self.settings), *_of_reports(store, self.clock())]
        except (TearsheetError, OSError, sqlite3.Error):
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
    """The last run of each source, as its report in the store tells of it; what a report says oddly is passed over."""
    today = datetime.fromtimestamp(now, UTC)
    days = [f"{today - timedelta(days=back):%Y%m%d}" for back in range(REPORT_DAYS)]
    last: dict[str, Any] = {}
    for key in sorted(store.event_keys(days, {REPORT})):
        with suppress(FormatError, NotFound):  # audits tell of it; it was taken away meanwhile
            event = store.read_event(key)
            last[str(event.detail.get("source", ""))] = event
    for source, event in sorted(last.items()):
        labels, detail = {"source": source}, event.detail
        yield Sample("source_last_run_timestamp_seconds", event.at.timestamp(), labels)
        for kind, count in _numbers(detail.get("kinds")):
            yield Sample("source_last_run_pages", count, {**labels, "kind": kind})
        for _, size in _numbers({"bytes": detail.get("bytes") or 0}):
            yield Sample("source_last_run_bytes", size, labels)
        for which, seconds in _numbers(detail.get("page_seconds")):
            yield Sample("source_last_run_page_seconds", seconds, {**labels, "which": which})
        alarms = detail.get("alarms")
        yield Sample("source_last_run_alarms", len(alarms) if isinstance(alarms, list) else 0, labels)


def _numbers(found: Any) -> list[tuple[str, float]]:
    """The numbers of a mapping by their names."""
    items = found.items() if isinstance(found, Mapping) else ()
    return sorted((str(name), float(value)) for name, value in items if isinstance(value, int | float))


def _of_prefect(api: PrefectApi) -> list[Sample]:
    found = [Sample("prefect_up", 1)]
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
        return [Sample("prefect_up", 0)]
    return found


# ------------------------------------------------------------------ for whoever asks
class serving_metrics:  # noqa: N801 used as `with serving_metrics(…)`
    """Serves what `samples` gives at http://127.0.0.1:port/metrics, in a thread, within the block.

    Raises SettingsError where the port cannot be had.
    """

    def __init__(self, port: int, samples: Callable[[], Iterable[Sample]]) -> None:
        handler = type("Handler", (_Handler,), {"samples": staticmethod(samples)})
        try:
            self.server = _Server(("127.0.0.1", port), handler)
        except OSError as error:
            remedy = "Give another port, or stop what listens there"
            raise SettingsError(f"no metrics: {error.strerror}", where=f"127.0.0.1:{port}", remedy=remedy) from None
        self.thread = threading.Thread(target=self.server.serve_forever, name="metrics", daemon=True)

    def __enter__(self) -> str:
        self.thread.start()
        return f"http://127.0.0.1:{self.server.server_address[1]}/metrics"

    def __exit__(self, *_: object) -> None:
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that went away is nothing to talk about; anything else is told as ever."""
        if not isinstance(sys.exception(), OSError):
            super().handle_error(request, client_address)


class _Handler(BaseHTTPRequestHandler):
    samples: Callable[[], Iterable[Sample]]
    timeout = SLOW_CLIENT_S

    def do_GET(self) -> None:
        """The metrics, or 404."""
        if self.path.partition("?")[0] != "/metrics":
            self.send_error(404)
            return
        body = as_text(self.samples()).encode(errors="replace")
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args: Any) -> None:
        """Say nothing."""
