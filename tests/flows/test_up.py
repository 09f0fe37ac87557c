"""`tearsheet up` for real: a Prefect server, SeaweedFS and served deployments, killed, asked and stopped."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tasks.prefect_api import LOST_RUNS, LOST_S, PrefectApi
from tasks.supervising import marked_processes
from tests.flows.conftest import until

OTHERS = ("PREFECT_", "TEARSHEET_", "AWS_")
ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Up:
    """A system that is up: what it said, and how to ask about it."""

    data: Path
    process: subprocess.Popen[bytes]
    said: dict[str, Any]
    environ: dict[str, str]

    @property
    def api(self) -> PrefectApi:
        return PrefectApi(self.said["api"], timeout_s=30)

    def run(self, *args: str) -> subprocess.CompletedProcess[str]:
        """`tearsheet args` in a shell that has read env.sh."""
        line = f'. {self.data}/env.sh && exec "$@"'
        command = ["/bin/sh", "-c", line, "sh", sys.executable, "-W", "ignore", "-m", "flows.cli", *args]
        return subprocess.run(command, env=self.environ, cwd=self.data, capture_output=True, text=True, timeout=120)

    def status(self) -> dict[str, Any]:
        return json.loads(self.run("up", "--status", "--json", "--data", str(self.data)).stdout)

    def archive(self, url: str) -> dict[str, Any]:
        """The state in which a run of archive/default ends."""
        deployment = self.api.ask("/deployments/name/archive/default")["id"]
        wanted = {"parameters": {"url": url, "force": True}, "state": {"type": "SCHEDULED"}}
        run = self.api.ask(f"/deployments/{deployment}/create_flow_run", wanted)["id"]

        def ended() -> Any:
            state = self.api.ask(f"/flow_runs/{run}")["state"]
            return state if state["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

        return until("the run to end", ended, 90)


@pytest.fixture(scope="module")
def up(tmp_path_factory: pytest.TempPathFactory, site: str) -> Iterator[Up]:
    data = tmp_path_factory.mktemp("up") / "data"
    kept = {
        name: value for name, value in os.environ.items() if not name.startswith(("PREFECT_", "TEARSHEET_", "AWS_"))
    }
    environ = {**kept, "PYTHONPATH": str(ROOT), "TEARSHEET_ALLOW": site}
    command = [sys.executable, "-m", "flows.cli", "up", "--data", str(data), "--json"]
    with subprocess.Popen(command, env=environ, cwd=data.parent, stdout=subprocess.PIPE) as process:
        assert process.stdout
        try:
            line = process.stdout.readline()
            assert line, "it ended before it was ready"
            yield Up(data, process, json.loads(line), environ)
        finally:
            process.send_signal(signal.SIGINT)
            process.wait(60)
    assert marked_processes(data) == []
    assert process.returncode == 0


def test_a_run_archives_into_its_store_and_the_shell_of_env_sh_finds_it(up: Up, site: str) -> None:
    state = up.archive(f"http://{site}/crane")
    assert state["type"] == "COMPLETED", state
    assert "The crane stays" in up.run("list").stdout


def test_its_status_is_told_and_a_second_one_is_refused(up: Up) -> None:
    found = up.status()
    assert found["up"]
    assert {part["name"]: part["state"] for part in found["parts"]} == dict.fromkeys(
        ("s3", "prefect", "serve"), "running"
    )
    second = up.run("up", "--data", str(up.data))
    assert second.returncode == 1
    assert f"already up, as process {up.process.pid}" in second.stderr
    assert up.run("up", "--status", "--data", str(up.data.parent / "other")).returncode == 1


HANGUP = """
import os, signal, sys
signal.signal(signal.SIGHUP, getattr(signal, sys.argv[1]))
from flows.cli_up import _stop_on_signal
stop = _stop_on_signal()
os.kill(os.getpid(), signal.SIGHUP)
print(stop.is_set())
"""


@pytest.mark.parametrize(("before", "stops"), [("SIG_DFL", "True"), ("SIG_IGN", "False")])
def test_the_end_of_its_terminal_stops_it_unless_nohup_says_otherwise(before: str, stops: str) -> None:
    command = [sys.executable, "-c", HANGUP, before]
    environ = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=60)
    assert done.stdout.strip() == stops, done.stderr


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_all_of_it_listens_on_loopback_only(up: Up) -> None:
    from tests.store.test_local import listening

    found = {address for pid in [*marked_processes(up.data), up.process.pid] for address in listening(pid)}
    assert found == {"0100007F"}


@pytest.mark.parametrize(("elsewhere", "allowed"), [(False, True), (True, False)])
def test_a_web_page_of_another_site_may_not_talk_to_prefect(up: Up, elsewhere: bool, allowed: bool) -> None:
    origin = "https://evil.example" if elsewhere else up.said["prefect"].replace("127.0.0.1", "localhost")
    headers = {"Origin": origin, "Access-Control-Request-Method": "POST"}
    request = urllib.request.Request(f"{up.said['api']}/flows/", method="OPTIONS", headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            told = answer.headers.get("Access-Control-Allow-Origin")
    except urllib.error.HTTPError as error:
        told = error.headers.get("Access-Control-Allow-Origin")
        error.close()
    assert (told == origin) is allowed
    assert told in (origin, None)


def test_runs_whose_heartbeat_stops_are_marked_by_an_automation_made_once(up: Up) -> None:
    assert up.api.watch_for_lost_runs() is False
    (made,) = up.api.ask("/automations/filter", {})
    assert made["name"] == LOST_RUNS
    assert made["enabled"]
    assert made["trigger"]["within"] == LOST_S >= 540


def test_metrics_tell_what_runs_and_what_is_stored(up: Up, site: str) -> None:
    with urllib.request.urlopen(up.said["metrics"], timeout=30) as answer:
        text = answer.read().decode()
    assert 'tearsheet_part_up{part="prefect"} 1' in text
    assert 'tearsheet_bundles{verdict="ok"} 1' in text
    assert 'tearsheet_runs{deployment="archive/default",state="completed"} 1' in text


def test_the_doctor_finds_everything_served(up: Up) -> None:
    rows = [json.loads(line) for line in up.run("doctor", "--json").stdout.splitlines()]
    assert [row for row in rows if row["check"] in ("prefect", "store") and row["level"] != "ok"] == []
    assert any("deployment" in row["what"] and "served" in row["what"] for row in rows)


@pytest.mark.parametrize("name", ["s3", "prefect", "serve"])
def test_a_part_that_is_killed_comes_back_on_the_same_port(up: Up, name: str) -> None:
    audit = up.api.ask("/deployments/name/audit/default")
    if not audit["schedules"]:
        added = [{"schedule": {"cron": "40 3 * * *", "timezone": "UTC"}, "active": True}]
        up.api.ask(f"/deployments/{audit['id']}/schedules", added)
    before = {part["name"]: part for part in up.status()["parts"]}
    os.kill(before[name]["pid"], signal.SIGKILL)

    def back() -> Any:
        found = up.status()
        part = next(part for part in found["parts"] if part["name"] == name)
        return found if part["pid"] not in (None, before[name]["pid"]) and found.get("ready") else None

    after = {part["name"]: part for part in until(f"{name} to come back", back, 90)["parts"]}
    assert after[name]["restarts"] == before[name]["restarts"] + 1
    assert after[name]["url"] == before[name]["url"]
    # What a user has added in Prefect's UI is there still.
    (kept,) = up.api.ask("/deployments/name/audit/default")["schedules"]
    assert (kept["schedule"]["cron"], kept["active"]) == ("40 3 * * *", True)


def test_after_all_that_a_run_still_archives(up: Up, site: str) -> None:
    time.sleep(0.5)
    assert up.archive(f"http://{site}/ferry")["type"] == "COMPLETED"
    assert "The crane stays" in up.run("list").stdout
