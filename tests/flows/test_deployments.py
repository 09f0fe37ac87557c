"""What is deployed, and what is said where no server is."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from tests.flows.conftest import free_port

SHOW = """
import json
from flows.deployments import deployments
print(json.dumps([
    [d.full_name, d.entrypoint, d.parameters, [[s.schedule.cron, s.schedule.timezone] for s in d.schedules or ()]]
    for d in deployments()
]))
"""
SERVE = """
from flows.deployments import serve
from tasks.errors import SettingsError
try:
    serve()
except SettingsError as error:
    print(error)
"""
TRACK = SERVE.replace("deployments import serve", "archive import archive_tracked").replace(
    "serve()", "archive_tracked('https://a.example/')"
)
CONFIG = """
[sources.court]
list = "urls.txt"
cron = "15 6 * * mon-fri"
timezone = "Europe/Berlin"
store = "s3://evidence/court"

[sources.pages]
urls = ["https://news.example/"]
cron = "0 5 * * *"
"""


def python(code: str, folder: Path, **environ: str) -> str:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("PREFECT_", "TEARSHEET_"))}
    clean |= {"PREFECT_HOME": str(folder / "home"), "PYTHONPATH": str(Path(__file__).parents[2])}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-c", code],
        env={**clean, **environ},
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_one_deployment_archives_a_url_and_one_a_source_watches_it_on_its_schedule(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    (tmp_path / "config" / "watch.toml").write_text(CONFIG)
    assert json.loads(python(SHOW, tmp_path)) == [
        ["archive/default", "flows.archive.archive", {"store": f"{tmp_path}/archive"}, []],
        ["audit/default", "flows.audit.audit", {"store": f"{tmp_path}/archive"}, []],
        ["reclean/default", "flows.reclean.reclean", {"store": f"{tmp_path}/archive"}, []],
        ["publish/default", "flows.publish.publish", {"store": f"{tmp_path}/archive"}, []],
        ["watch-wide/default", "flows.watch.watch_wide", {}, []],
        [
            "watch/court",
            "flows.watch.watch",
            {"name": "court", "store": "s3://evidence/court"},
            [["15 6 * * mon-fri", "Europe/Berlin"]],
        ],
        [
            "watch/pages",
            "flows.watch.watch",
            {"name": "pages", "store": f"{tmp_path}/archive"},
            [["0 5 * * *", "UTC"]],
        ],
    ]


def test_a_source_with_an_interval_runs_so_often_and_a_paused_one_is_deployed_paused(tmp_path: Path) -> None:
    (tmp_path / "config").mkdir()
    text = CONFIG.replace('cron = "0 5 * * *"', 'interval = "30m"\npaused = true')
    (tmp_path / "config" / "watch.toml").write_text(text)
    shown = "[d.full_name, d.paused, [s.schedule.interval.total_seconds() for s in d.schedules if d.paused]]"
    code = f"import json, flows.deployments as f\nprint(json.dumps([{shown} for d in f.deployments()[5:]]))"
    assert json.loads(python(code, tmp_path)) == [["watch/court", False, []], ["watch/pages", True, [1_800.0]]]


def test_serving_without_a_server_says_how_to_start_one(tmp_path: Path) -> None:
    said = python(SERVE, tmp_path)
    assert said.startswith("PREFECT_API_URL: no Prefect server is named. Start one with `prefect server start`")


@pytest.mark.parametrize("code", [SERVE, TRACK])
def test_a_server_that_does_not_answer_is_named(tmp_path: Path, code: str) -> None:
    url = f"http://127.0.0.1:{free_port()}/api"
    said = python(code, tmp_path, PREFECT_API_URL=url, PREFECT_CLIENT_MAX_RETRIES="0")
    assert said.startswith(f"{url}: no Prefect server answers")
    assert "`prefect server start`" in said


def test_a_server_that_wants_credentials_is_not_called_silent(tmp_path: Path) -> None:
    class Locked(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(401)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *args: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Locked) as server:
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        said = python(SERVE, tmp_path, PREFECT_API_URL=f"http://127.0.0.1:{server.server_port}/api")
        server.shutdown()
    assert "the Prefect server answered 401. Set PREFECT_API_AUTH_STRING" in said


@pytest.mark.parametrize("name", ["DO_NOT_TRACK", "PREFECT_SERVER_ANALYTICS_ENABLED"])
def test_telemetry_is_off_unless_the_user_says_otherwise(tmp_path: Path, name: str) -> None:
    code = f"import flows, os; print(os.environ[{name!r}])"
    assert python(code, tmp_path).strip() in ("1", "false")
    assert python(code, tmp_path, **{name: "kept"}).strip() == "kept"


SCHEDULES = """
import json
from flows.deployments import deployments
from tasks.sources import Source
base = dict(kind="feed", at="https://a.example/feed", timezone="Europe/Berlin")
sources = [
    Source(name="a", cron="", interval_s=900.0, paused=False, **base),
    Source(name="b", cron="0 5 * * *", interval_s=None, paused=True, **base),
]
found = deployments(sources)[-2:]
print(json.dumps([
    [type(s.schedule).__name__, str(vars(s.schedule).get("interval") or s.schedule.cron), s.active, d.paused]
    for d in found for s in d.schedules
]))
"""
INTERVALS = """
import json
from datetime import UTC, datetime, timedelta
from flows.deployments import deployments
from tasks.sources import Source
now = datetime.now(UTC)
base = dict(kind="feed", at="https://a.example/feed", interval_s=86400.0)
sources = [Source(name=name, **base) for name in ("never", "overdue", "lately")]
found = deployments(sources, last_runs={"overdue": now - timedelta(days=3), "lately": now - timedelta(hours=20)})
dates = {d.name: d.schedules[0].schedule.anchor_date - now for d in found[-3:]}
print(json.dumps({name: date.total_seconds() for name, date in dates.items()}))
"""
UNTOLD = """
import json
from flows.deployments import deployments
print(json.dumps([d.full_name for d in deployments([]) if "schedules" in d.model_fields_set]))
"""
FORMS = """
import json
from flows.deployments import DEFAULTS, watch, watch_wide
flows = [*DEFAULTS, watch, watch_wide]
print(json.dumps({flow.name: flow.parameters.model_dump()["properties"] for flow in flows}))
"""


def test_a_source_runs_at_intervals_or_by_cron_and_a_paused_one_does_not(tmp_path: Path) -> None:
    assert json.loads(python(SCHEDULES, tmp_path)) == [
        ["IntervalSchedule", "0:15:00", True, False],
        ["CronSchedule", "0 5 * * *", False, True],
    ]


def test_what_a_form_takes_is_bounded_as_on_the_command_line(tmp_path: Path) -> None:
    """Pruning what is younger than -5 days would take segments that a publisher is about to name."""
    forms = json.loads(python(FORMS, tmp_path))
    bounded = ("publish.keep", "publish.days", "watch.share", "watch.shares", "watch-wide.shares")
    least = {name: forms[name.split(".")[0]][name.split(".")[1]].get("minimum") for name in bounded}
    assert least == {**dict.fromkeys(bounded, 1), "watch.share": 0}


def test_an_interval_counts_from_the_last_run_and_what_is_overdue_runs_soon(tmp_path: Path) -> None:
    """Counted from the start of `serve`, a daily source would never run where that starts anew each morning."""
    since = json.loads(python(INTERVALS, tmp_path))
    assert 0 < since["never"] < 120
    assert 0 < since["overdue"] < 120
    assert since["lately"] == pytest.approx(-20 * 3_600, abs=1)


def test_schedules_that_users_add_to_the_default_deployments_are_not_spoken_of(tmp_path: Path) -> None:
    """Said to be none, they would be deleted; tests/flows/test_up.py has a server to show it."""
    assert json.loads(python(UNTOLD, tmp_path)) == []


def test_every_parameter_has_a_type_and_a_description_so_that_the_ui_shows_a_form(tmp_path: Path) -> None:
    forms = json.loads(python(FORMS, tmp_path))
    untold = [
        f"{flow}.{name}"
        for flow, form in forms.items()
        for name, field in form.items()
        if not field.get("description") or not ({"type", "anyOf", "enum", "$ref"} & field.keys())
    ]
    assert set(forms) == {"archive", "audit", "reclean", "publish", "watch", "watch-wide"}
    assert untold == []
    assert ["page", "requisites", "browser", "auto"] in [
        choice.get("enum") for choice in forms["archive"]["mode"]["anyOf"]
    ]
