"""The deployments, and how they are served: on their schedules and by hand from Prefect's UI."""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from prefect import Flow
from prefect import serve as serve_deployments
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Interval, Schedule
from prefect.settings import PREFECT_API_URL
from prefect.types.entrypoint import EntrypointType

from flows.archive import archive
from flows.audit import audit
from flows.publish import publish
from flows.reclean import reclean
from flows.watch import watch, watch_wide
from tasks.errors import SettingsError
from tasks.metrics import Metrics, serving_metrics
from tasks.prefect_api import api_of
from tasks.settings import config_dirs, load_settings
from tasks.sources import Source, load_sources
from tasks.steps import START_A_SERVER, absolute_store, check_server_answers

RUNS_AT_ONCE = 4  # flow runs under way at once, each a process of some 150 MB


DEFAULTS: Mapping[Flow[..., Any], str] = {
    archive: "Archives one URL.",
    audit: "Checks the store, and reads its bundles in full in turn. Give it a daily schedule.",
    reclean: "Cleans stored bundles anew with the rules of now.",
    publish: "Writes the catalog into the store as Parquet. Give it a schedule where others query it.",
}


def deployments(sources: Sequence[Source] | None = None) -> list[RunnerDeployment]:
    """Every flow as `<flow>/default`, and `watch/<name>` on the schedule of each source.

    Default: the sources of watch.toml. Stores are made absolute: a run's working folder is not this one.
    """
    sources = load_sources(config_dirs()) if sources is None else sources
    store = absolute_store(load_settings().store)
    defaults = [
        RunnerDeployment.from_flow(
            flow,
            "default",
            parameters={"store": store},
            description=description,
            entrypoint_type=EntrypointType.MODULE_PATH,
        )
        for flow, description in DEFAULTS.items()
    ]
    wide = RunnerDeployment.from_flow(
        watch_wide,
        "default",
        description="Runs watch/<name> several times beside itself, a share of the hosts each.",
        entrypoint_type=EntrypointType.MODULE_PATH,
    )
    return [*defaults, wide, *(_watching(source, store) for source in sources)]


def _watching(source: Source, store: str) -> RunnerDeployment:
    return RunnerDeployment.from_flow(
        watch,
        source.name,
        parameters={"name": source.name, "store": absolute_store(source.store) if source.store else store},
        schedules=[_schedule(source)],
        description=f"Archives what {source.place} names and the store lacks.",
        entrypoint_type=EntrypointType.MODULE_PATH,
        # Said even where it is not: the last shutdown paused it, so that no runs pile up while nobody serves them.
        paused=source.paused,
    )


def _schedule(source: Source) -> Schedule:
    """When a source runs; that of a paused one is there, too, for whoever wakes it in Prefect's UI."""
    if source.interval_s:
        return Interval(timedelta(seconds=source.interval_s), timezone=source.timezone, active=not source.paused)
    return Cron(source.cron, timezone=source.timezone, active=not source.paused)


def serve(*, wait_s: float = 0, metrics_port: int | None = None) -> None:
    """Serve every deployment until interrupted; a server that does not answer yet is waited for.

    Raises SettingsError where no Prefect server is named or it does not answer.
    """
    if not PREFECT_API_URL.value():
        raise SettingsError("no Prefect server is named", where="PREFECT_API_URL", remedy=START_A_SERVER)
    _wait_for_server(wait_s)
    found = deployments()
    os.environ["TEARSHEET_CONFIG"] = str(config_dirs()[-1].resolve())  # runs find the same files from any folder
    metrics = Metrics(load_settings(), api_of())
    with contextlib.nullcontext() if metrics_port is None else serving_metrics(metrics_port, metrics.samples):
        serve_deployments(*found, limit=RUNS_AT_ONCE, pause_on_shutdown=True)


def _wait_for_server(wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while True:
        try:
            return check_server_answers()
        except SettingsError:
            if time.monotonic() >= until:
                raise
        time.sleep(0.25)
