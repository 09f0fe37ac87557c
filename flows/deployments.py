"""The deployments, and how they are served: on their schedules and by hand from Prefect's UI."""

import contextlib
import os
import time
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from prefect import Flow
from prefect import serve as serve_deployments
from prefect.deployments.runner import RunnerDeployment
from prefect.schedules import Cron, Interval, Schedule
from prefect.settings import PREFECT_API_URL, get_current_settings
from prefect.types.entrypoint import EntrypointType

from flows.archive import archive
from flows.audit import audit
from flows.publish import publish
from flows.reclean import reclean
from flows.watch import watch, watch_wide
from tasks import logs
from tasks.errors import SettingsError, TransientError
from tasks.metrics import Metrics, serving_metrics
from tasks.prefect_api import PrefectApi
from tasks.settings import config_dirs, load_settings
from tasks.sources import Source, load_sources
from tasks.steps import START_A_SERVER, absolute_store, check_server_answers

RUNS_AT_ONCE = 4  # flow runs under way at once, each a process of some 150 MB
SOON = timedelta(seconds=60)  # from serving to the run of a source that is overdue; the deployments are made by then

DEFAULTS: Mapping[Flow[..., Any], str] = {
    archive: "Archives one URL.",
    audit: "Checks the store, and reads its bundles in full in turn. Give it a daily schedule.",
    reclean: "Cleans stored bundles anew with the rules of now.",
    publish: "Writes the catalog into the store as Parquet. Give it a schedule where others query it.",
}


def deployments(
    sources: Sequence[Source] | None = None, *, last_runs: Mapping[str, datetime] | None = None
) -> list[RunnerDeployment]:
    """Every flow as `<flow>/default`, and `watch/<name>` on the schedule of each source.

    Default: the sources of watch.toml. Stores are made absolute: a run's working folder is not this one. `last_runs`
    tells when the last run of a source was due, by its name: intervals count from there.
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
    for one in (*defaults, wide):
        # Nothing is said of their schedules. An empty list would delete those that users have added in Prefect's UI
        # (prefect 3.8.8, update_deployment), each time that somebody serves.
        one.model_fields_set.discard("schedules")
    now, last = datetime.now(UTC), last_runs or {}
    return [*defaults, wide, *(_watching(one, store, _schedule(one, last.get(one.name), now)) for one in sources)]


def _watching(source: Source, store: str, schedule: Schedule) -> RunnerDeployment:
    return RunnerDeployment.from_flow(
        watch,
        source.name,
        parameters={"name": source.name, "store": absolute_store(source.store) if source.store else store},
        schedules=[schedule],
        description=f"Archives what {source.place} names and the store lacks.",
        entrypoint_type=EntrypointType.MODULE_PATH,
        # Said even where it is not: the last shutdown paused it, so that no runs pile up while nobody serves them.
        paused=source.paused,
    )


def _schedule(source: Source, last: datetime | None, now: datetime) -> Schedule:
    """When a source runs; that of a paused one is there, too, for whoever wakes it in Prefect's UI."""
    if source.interval_s:
        interval = timedelta(seconds=source.interval_s)
        # Left to itself Prefect counts from now: who serves anew each morning would never see a run of interval = "1d".
        since = last if last and now < last + interval else now + SOON
        return Interval(interval, anchor_date=since, timezone=source.timezone, active=not source.paused)
    return Cron(source.cron, timezone=source.timezone, active=not source.paused)


def serve(*, wait_s: float = 0, metrics_port: int | None = None) -> None:
    """Serve every deployment until interrupted; a server that does not answer yet is waited for.

    Raises SettingsError where no Prefect server is named or it does not answer.
    """
    if not PREFECT_API_URL.value():
        raise SettingsError("no Prefect server is named", where="PREFECT_API_URL", remedy=START_A_SERVER)
    _wait_for_server(wait_s)
    api = _api()
    found = deployments(last_runs=_last_runs(api))
    os.environ["TEARSHEET_CONFIG"] = str(config_dirs()[-1].resolve())  # runs find the same files from any folder
    metrics = Metrics(load_settings(), api)
    with contextlib.nullcontext() if metrics_port is None else serving_metrics(metrics_port, metrics.samples):
        serve_deployments(*found, limit=RUNS_AT_ONCE, pause_on_shutdown=True)


def _api() -> PrefectApi:
    """The server of Prefect's own settings: one that a profile names is in no environment variable."""
    auth = get_current_settings().api.auth_string
    return PrefectApi(PREFECT_API_URL.value().rstrip("/"), auth.get_secret_value() if auth else "")


def _last_runs(api: PrefectApi) -> dict[str, datetime]:
    """When the last ended run of each source was due, by its name; none where the server does not tell."""
    try:
        there = {name: row["id"] for name, row in api.deployments().items() if name.startswith("watch/")}
        runs = {name.removeprefix("watch/"): api.last_run(id_) for name, id_ in there.items()}
    except TransientError as error:
        logs.say(f"intervals count from now: {error}", level="warning")
        return {}
    return {name: datetime.fromisoformat(run["expected_start_time"]) for name, run in runs.items() if run}


def _wait_for_server(wait_s: float) -> None:
    until = time.monotonic() + wait_s
    while True:
        try:
            return check_server_answers()
        except SettingsError:
            if time.monotonic() >= until:
                raise
        time.sleep(0.25)
