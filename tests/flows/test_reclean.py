"""Cleaning anew as a flow: against a real server, on threads and processes, and on Dask where that is installed."""

import importlib.util
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tasks.store import open_store
from tests.flows.conftest import Prefect, until
from tests.recleaning_kit import RULE, capture, html, job_for, packed, with_rules

RUN = """
import asyncio, json, threading
from flows.reclean import reclean
async def main():
    state = await reclean(**json.loads({parameters!r}), return_state=True)
    report = await state.aresult(raise_on_failure=False)
    rows = [item.as_json() for item in getattr(report, "found", ())]
    print(json.dumps([str(state.state_details.flow_run_id), state.type.value, state.name, state.message, rows]))
if __name__ == "__main__":
    asyncio.run(main())
"""


def fill(folder: Path, tmp_path: Path, count: int) -> list[str]:
    job = job_for(str(folder))
    with open_store(str(folder), job.settings) as store:
        return [store.put_bundle(packed(tmp_path, capture(html(n), n), job)).id for n in range(1, count + 1)]


def run(prefect: Prefect, tmp_path: Path, **parameters: Any) -> Any:
    """What one run of the flow in a process of its own gives: by a file, for spawned processes import it again."""
    script = tmp_path / "run.py"
    script.write_text(RUN.format(parameters=json.dumps(parameters)))
    (tmp_path / "mine").mkdir(exist_ok=True)
    environ = {**prefect.environ, "TEARSHEET_CONFIG": str(tmp_path / "mine")}
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(script)], env=environ, capture_output=True, text=True, timeout=180
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_every_bundle_is_cleaned_anew_and_one_bad_one_stops_none(prefect: Prefect, runner: str, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ids = fill(store, tmp_path, 6)
    with_rules(tmp_path / "mine", RULE)
    (bad,) = store.rglob(f"{ids[2]}.wacz")
    bad.write_bytes(bad.read_bytes()[:-1])
    flow_run, kind, name, message, rows = run(prefect, tmp_path, store=str(store), runner=runner)

    assert (kind, name) == ("COMPLETED", "Incomplete")
    assert message.startswith("6 bundles: 5 changed, 1 problem")
    assert {row["id"]: row["status"] for row in rows} == {id_: "problem" if id_ == ids[2] else "changed" for id_ in ids}
    (artifact,) = until("the artifact", lambda: artifacts(prefect, flow_run), 20)
    assert f"- `{ids[2]}`: " in artifact["data"]
    assert "| changed | 5 |" in artifact["data"]
    _, kind, name, message, _ = run(prefect, tmp_path, ids=[ids[0], ids[1]], store=str(store), runner=runner)
    assert (kind, message) == ("COMPLETED", "2 bundles: 2 unchanged; +0 −0 words")


def artifacts(prefect: Prefect, flow_run: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = prefect.ask("/artifacts/filter", {"flow_runs": {"id": {"any_": [flow_run]}}})
    return found


def test_days_narrow_a_run_and_shards_are_its_tasks(prefect: Prefect, tmp_path: Path) -> None:
    store = tmp_path / "store"
    fill(store, tmp_path, 3)
    flow_run, kind, _, message, _ = run(prefect, tmp_path, store=str(store), since="2026-11-23", runner="thread")
    assert (kind, message) == ("COMPLETED", "3 bundles: 3 unchanged; +0 −0 words")
    wanted = {"flow_runs": {"id": {"any_": [flow_run]}}}
    tasks = until("the task runs", lambda: prefect.ask("/task_runs/filter", wanted), 30)
    assert {row["name"].rsplit("-", 1)[0] for row in tasks} == {"reclean shard"}
    _, kind, _, message, rows = run(prefect, tmp_path, store=str(store), until="2026-11-22", runner="thread")
    assert (kind, message, rows) == ("COMPLETED", "no bundle", [])


def test_the_command_line_runs_the_flow_where_a_server_is_named(prefect: Prefect, tmp_path: Path) -> None:
    store = tmp_path / "store"
    ids = fill(store, tmp_path, 2)
    command = [sys.executable, "-W", "ignore", "-m", "flows.cli", "reclean", "--all", "--store", str(store), "--json"]
    environ = {**prefect.environ, "TEARSHEET_CONFIG": str(Path(__file__).parents[2] / "config")}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, timeout=180)

    assert done.returncode == 0, done.stderr
    assert "running as a Prefect flow" in done.stderr
    assert [json.loads(line)["id"] for line in done.stdout.splitlines()] == ids


def test_broken_rules_fail_the_run_plainly(prefect: Prefect, tmp_path: Path) -> None:
    store = tmp_path / "store"
    fill(store, tmp_path, 1)
    with_rules(tmp_path / "mine", '[[rule]]\nid = "x"\nnonsense = 1\n')
    _, kind, _, message, _ = run(prefect, tmp_path, store=str(store), runner="thread")

    assert kind == "FAILED"
    assert "promo.toml" in message


def test_dask_without_its_extra_is_named_with_the_remedy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PREFECT_HOME", str(tmp_path))
    from flows.runners import make_runner
    from tasks.errors import MissingPart

    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(MissingPart, match=r"tearsheet\[dask\]"):
        make_runner("dask", 2)


def test_processes_without_a_server_are_refused_with_the_way_to_start_one(tmp_path: Path) -> None:
    """Each would start a passing server of its own, over one database."""
    code = (
        "import threading\nfrom flows.reclean import reclean_tracked\nfrom tasks.errors import SettingsError\n"
        "try: reclean_tracked(print, threading.Event(), runner='dask')\n"
        "except SettingsError as error: print(error)\n"
    )
    environ = {key: value for key, value in os.environ.items() if key != "PREFECT_API_URL"}
    environ |= {"PREFECT_HOME": str(tmp_path), "PREFECT_PROFILES_PATH": str(tmp_path / "profiles.toml")}
    done = subprocess.run([sys.executable, "-c", code], env=environ, capture_output=True, text=True, timeout=60)

    assert "prefect server start" in done.stdout, done.stderr
