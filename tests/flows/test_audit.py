"""The audit as a flow, against a real server: its state, its table, and the command line that runs it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from tasks.settings import load_settings
from tasks.store import open_store
from tasks.store.layout import bundle_key
from tests.auditing.kit import fill, flipped, make_bundles
from tests.flows.conftest import Prefect, until

RUN = """
import asyncio, json
from flows.audit import audit
async def main():
    state = await audit(store={store!r}, level="full", period_days=0, runner={runner!r}, return_state=True)
    report = await state.aresult(raise_on_failure=False)
    print(json.dumps([str(state.state_details.flow_run_id), state.type.value, state.message, report.as_json()]))
if __name__ == "__main__":
    asyncio.run(main())
"""


def audited(prefect: Prefect, tmp_path: Path, store: Path, runner: str) -> Any:
    """What one run of the flow gives, by a file: processes that a runner spawns import it again."""
    script = tmp_path / "audit.py"
    script.write_text(RUN.format(store=str(store), runner=runner))
    command = [sys.executable, "-W", "ignore", str(script)]
    done = subprocess.run(command, env=prefect.environ, capture_output=True, text=True, timeout=180)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_a_flow_run_fails_where_anything_is_wrong_and_lists_it_in_a_table(
    prefect: Prefect, tmp_path: Path, runner: str
) -> None:
    folder = tmp_path / "store"
    with open_store(str(folder), load_settings(environ={})) as store:
        bundles = fill(store, make_bundles(tmp_path / "w", 3))
    flow_run, kind, message, report = audited(prefect, tmp_path, folder, runner)
    assert (kind, report["good"], report["read"]) == ("COMPLETED", True, 3)
    assert "nothing found" in message

    bad = folder / bundle_key(bundles[0].id)
    bad.write_bytes(flipped(bad.read_bytes()))
    flow_run, kind, message, report = audited(prefect, tmp_path, folder, runner)
    assert (kind, report["counts"]) == ("FAILED", {"wacz-digest": 1})
    wanted = {"flow_runs": {"id": {"any_": [flow_run]}}}
    (artifact,) = until("the artifact", lambda: prefect.ask("/artifacts/filter", wanted), 20)
    assert artifact["type"] == "table"
    (row,) = json.loads(artifact["data"])
    assert (row["code"], row["key"]) == ("wacz-digest", bundle_key(bundles[0].id))
    assert "--repair-from" in row["next"]


def test_the_command_line_runs_the_flow_where_a_server_is_named(prefect: Prefect, tmp_path: Path) -> None:
    folder = tmp_path / "store"
    with open_store(str(folder), load_settings(environ={})) as store:
        fill(store, make_bundles(tmp_path / "w", 2))
    command = [sys.executable, "-W", "ignore", "-m", "flows.cli", "audit", "--level", "size", "--store", str(folder)]
    done = subprocess.run([*command, "--json"], env=prefect.environ, capture_output=True, text=True, timeout=180)

    assert done.returncode == 0, done.stderr
    assert "running as a Prefect flow" in done.stderr
    assert json.loads(done.stdout)["read"] == 2
