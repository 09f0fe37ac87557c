"""Flows, deployments, a worker and a schedule against a real Prefect server."""

import json
import re
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.doctor import _limit
from tasks.prefect_api import PrefectApi
from tasks.store.local import LocalS3
from tests.flows.conftest import Prefect, free_port, process, until

RUN = """
import asyncio, json, sys
from flows.archive import archive
async def main():
    for url in {urls!r}:
        state = await archive(url, return_state=True)
        outcome = await state.aresult(raise_on_failure=False)
        print(json.dumps([str(state.state_details.flow_run_id), state.type.value, state.message, outcome.as_json()]))
asyncio.run(main())
"""
HERE = """
from flows.archive import archive_tracked
for url in {urls!r}:
    print(archive_tracked(url).as_json()["verdict"])
"""
DEPLOY = """
from flows.deployments import deployments
default = deployments(())[0]
default.job_variables = {"env": {"TEARSHEET_ALLOW": %r}}
default.work_pool_name = "archivists"
print(default.apply())
"""
SERVE = "from flows.deployments import serve; serve(wait_s=60, metrics_port={port})"
METRICS_PORT = free_port()
CONFIG = """
[sources.harbour]
feed = "http://{site}/feed.xml"
cron = "* * * * *"
"""


@pytest.fixture(scope="module")
def serving(prefect: Prefect, site: str) -> Iterator[Path]:
    """The store of a process that serves the deployments; started first, so that a minute passes under other tests."""
    config, store = prefect.folder / "config", prefect.folder / "watched"
    config.mkdir()
    (config / "watch.toml").write_text(CONFIG.format(site=site))
    environ = {**prefect.environ, "TEARSHEET_CONFIG": str(config), "TEARSHEET_STORE": str(store)}
    served = SERVE.format(port=METRICS_PORT)
    with process([sys.executable, "-c", served], prefect.folder / "serve.log", environ, prefect.folder):
        yield store


@pytest.fixture(scope="module")
def archived(prefect: Prefect, site: str, serving: Path) -> dict[str, tuple[str, str, str, dict[str, Any]]]:
    """Flow runs by path: (id, state, message, outcome)."""
    closed = f"127.0.0.1:{free_port()}"
    urls = [f"http://{site}/crane", f"http://{site}/gone", "http://127.0.0.1:9/", f"http://{closed}/"]
    out = prefect.run_python(RUN.format(urls=urls), TEARSHEET_ALLOW=f"{site},{closed}")
    return dict(zip(("/crane", "/gone", "refused", "closed"), map(json.loads, out.splitlines()), strict=True))


def tasks_of(prefect: Prefect, flow_run: str, wanted: set[str]) -> dict[str, dict[str, Any]]:
    """The recorded task runs by name; the server records them a little after they end."""

    def recorded() -> dict[str, dict[str, Any]] | None:
        rows = prefect.ask("/task_runs/filter", {"flow_runs": {"id": {"any_": [flow_run]}}})
        ended = {row["name"].rsplit("-", 1)[0]: row for row in rows if row["state_type"] in ("COMPLETED", "FAILED")}
        return ended if wanted <= ended.keys() else None

    return until(f"the record of {wanted}", recorded, 30)


def artifacts_of(prefect: Prefect, flow_run: str) -> list[dict[str, Any]]:
    return prefect.ask("/artifacts/filter", {"flow_runs": {"id": {"any_": [flow_run]}}})


def test_an_archived_page_is_a_completed_run_with_a_task_for_each_stage(prefect: Prefect, archived: Any) -> None:
    flow_run, state, message, outcome = archived["/crane"]
    assert (state, outcome["verdict"]) == ("COMPLETED", "ok")
    assert outcome["key"] in message
    tasks = tasks_of(prefect, flow_run, {"capture", "clean", "pack", "verify", "store"})
    assert {row["state_type"] for row in tasks.values()} == {"COMPLETED"}
    assert (Path(prefect.environ["TEARSHEET_STORE"]) / outcome["key"]).is_file()


def test_the_artifact_shows_title_verdict_removals_and_key_and_no_markup_of_the_page(
    prefect: Prefect, archived: Any
) -> None:
    flow_run, _, _, outcome = archived["/crane"]
    (artifact,) = artifacts_of(prefect, flow_run)
    assert artifact["key"] == "archive"
    assert artifact["data"].startswith("# `The crane stays 'here'")
    for part in ("verdict: **ok**", f"`{outcome['key']}`", "| removed | characters |"):
        assert part in artifact["data"]


def test_a_page_that_is_gone_is_stored_and_its_run_fails_with_the_verdict(prefect: Prefect, archived: Any) -> None:
    flow_run, state, message, _ = archived["/gone"]
    assert state == "FAILED"
    assert message.startswith("error (status-404), stored as v1/")
    assert prefect.ask(f"/flow_runs/{flow_run}")["state"]["message"] == message
    (artifact,) = artifacts_of(prefect, flow_run)
    assert "verdict: **error**: `status-404`" in artifact["data"]


def test_a_refused_address_fails_the_run_plainly_and_is_not_tried_again(prefect: Prefect, archived: Any) -> None:
    flow_run, state, message, outcome = archived["refused"]
    assert (state, outcome["key"]) == ("FAILED", None)
    assert message == outcome["error"]
    assert tasks_of(prefect, flow_run, {"capture"})["capture"]["run_count"] == 1


def test_a_server_that_does_not_answer_is_tried_as_often_as_the_settings_say(prefect: Prefect, archived: Any) -> None:
    flow_run, state, _, outcome = archived["closed"]
    assert (state, outcome["key"]) == ("FAILED", None)
    assert tasks_of(prefect, flow_run, {"capture"})["capture"]["run_count"] == 3


def test_a_run_in_this_process_gives_its_outcome(prefect: Prefect, site: str, archived: Any) -> None:
    urls = [f"http://{site}/ferry", f"http://{site}/gone"]
    assert prefect.run_python(HERE.format(urls=urls)).split() == ["ok", "error"]
    names = [run["name"] for run in prefect.runs_of("archive")]
    assert names.count(f"http://{site}/ferry") == 1


def test_a_worker_runs_the_module_entrypoint_and_refuses_a_relative_store(
    prefect: Prefect, site: str, archived: Any, tmp_path: Path
) -> None:
    prefect.ask("/work_pools/", {"name": "archivists", "type": "process"})
    deployment = prefect.ask("/deployments/" + prefect.run_python(DEPLOY % site).strip())
    assert deployment["entrypoint"] == "flows.archive.archive"
    create = f"/deployments/{deployment['id']}/create_flow_run"
    url = f"http://{site}/ferry"
    good = prefect.ask(create, {"parameters": {"url": url, "store": str(tmp_path / "store")}, "state": _NOW})
    bad = prefect.ask(create, {"parameters": {"url": url, "store": "here"}, "state": _NOW})
    environ = {key: value for key, value in prefect.environ.items() if key != "TEARSHEET_ALLOW"}
    command = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "archivists", "--run-once"]
    with process(command, tmp_path / "worker.log", environ, tmp_path):
        assert ended(prefect, good["id"])["type"] == "COMPLETED"
        refusal = ended(prefect, bad["id"])
    assert refusal["type"] == "FAILED"
    assert "absolute folder" in refusal["message"]
    assert len([*(tmp_path / "store").rglob("*.wacz")]) == 1


_NOW = {"type": "SCHEDULED"}


def ended(prefect: Prefect, flow_run: str) -> dict[str, Any]:
    """The final state of a flow run."""

    def final() -> dict[str, Any] | None:
        state = prefect.ask(f"/flow_runs/{flow_run}")["state"]
        return state if state["type"] in ("COMPLETED", "FAILED", "CRASHED", "CANCELLED") else None

    return until("the run to end", final, 60)


def one_run_of(prefect: Prefect, url: str) -> dict[str, Any]:
    """The newest run of the flow that archived `url`, once it has ended."""
    run = until(f"a run of {url}", lambda: [row for row in prefect.runs_of("archive") if row["name"] == url], 60)[-1]
    return {**run, "state": ended(prefect, run["id"])}


def test_a_url_is_triggered_by_the_command_line_of_tearsheet(prefect: Prefect, site: str, serving: Path) -> None:
    url = f"http://{site}/ferry?by=tearsheet"
    done = command(prefect, "flows.cli", "archive", url, "--json")
    assert json.loads(done)["verdict"] == "error"  # the site has no such page: stored all the same
    assert one_run_of(prefect, url)["state"]["type"] == "FAILED"


def test_a_url_is_triggered_by_the_command_line_of_prefect(
    prefect: Prefect, site: str, serving: Path, tmp_path: Path
) -> None:
    until("the deployment", lambda: is_served(prefect, "archive/default"), 60)
    url = f"http://{site}/crane?by=prefect"
    command(prefect, "prefect", "deployment", "run", "archive/default", "-p", f"url={url}", "-p", f"store={tmp_path}")
    assert "stored as v1/bundles/" in one_run_of(prefect, url)["state"]["message"]


def test_a_url_is_triggered_by_a_post_and_one_without_its_url_is_refused(
    prefect: Prefect, site: str, serving: Path, tmp_path: Path
) -> None:
    deployment = until("the deployment", lambda: is_served(prefect, "archive/default"), 60)
    create, url = f"/deployments/{deployment['id']}/create_flow_run", f"http://{site}/crane?by=post"
    run = prefect.ask(create, {"parameters": {"url": url, "store": str(tmp_path)}, "state": _NOW})
    assert "stored as v1/bundles/" in ended(prefect, run["id"])["message"]
    for parameters in ({"store": str(tmp_path)}, {"url": url, "mode": "fax"}):
        with pytest.raises(urllib.error.HTTPError, match=r"409|422"):
            prefect.ask(create, {"parameters": parameters, "state": _NOW})


def test_the_catalog_is_published_by_a_run(prefect: Prefect, serving: Path) -> None:
    pytest.importorskip("pyarrow")
    deployment = until("the deployment", lambda: is_served(prefect, "publish/default"), 60)
    run = prefect.ask(f"/deployments/{deployment['id']}/create_flow_run", {"state": _NOW})
    state = ended(prefect, run["id"])
    assert state["type"] == "COMPLETED", state
    assert state["message"].startswith("snapshot ")


def test_whoever_serves_gives_metrics_of_the_runs(prefect: Prefect, serving: Path) -> None:
    until("the deployment", lambda: is_served(prefect, "archive/default"), 60)
    with urllib.request.urlopen(f"http://127.0.0.1:{METRICS_PORT}/metrics", timeout=60) as answer:
        text = answer.read().decode()
    assert "tearsheet_prefect_up 1\n" in text
    assert 'tearsheet_runs{deployment="watch/harbour",state="failed"} 0\n' in text


def test_the_work_pool_s_file_deploys_every_flow_by_its_module_and_a_worker_runs_one_anywhere(
    prefect: Prefect, site: str, tmp_path: Path
) -> None:
    text = (Path(__file__).parents[2] / "config" / "prefect.yaml").read_text().replace("archivists", "from-a-file")
    (tmp_path / "prefect.yaml").write_text(text.replace("name: default", "name: pool"))
    prefect.ask("/work_pools/", {"name": "from-a-file", "type": "process"})
    command(prefect, "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(tmp_path / "prefect.yaml"))
    for flow in ("archive", "audit", "reclean", "publish"):
        deployed = prefect.ask(f"/deployments/name/{flow}/pool")
        assert deployed["entrypoint"] == f"flows.{flow}.{flow}"
        assert deployed["work_pool_name"] == "from-a-file"
        assert not deployed["pull_steps"]
    assert prefect.ask("/deployments/name/audit/pool")["schedules"][0]["schedule"]["cron"] == "40 3 * * *"
    wanted = {"parameters": {"url": f"http://{site}/crane", "store": str(tmp_path / "store")}, "state": _NOW}
    create = f"/deployments/{prefect.ask('/deployments/name/archive/pool')['id']}/create_flow_run"
    run = prefect.ask(create, wanted)
    worker = [sys.executable, "-m", "prefect", "worker", "start", "--pool", "from-a-file", "--run-once"]
    with process(worker, tmp_path / "worker.log", prefect.environ, tmp_path):
        assert ended(prefect, run["id"])["type"] == "COMPLETED"


BLOCKS = """
from prefect_aws import AwsCredentials, MinIOCredentials
from prefect_aws.client_parameters import AwsClientParameters
made = dict(aws_client_parameters=AwsClientParameters(endpoint_url={endpoint!r}))
MinIOCredentials(minio_root_user={user!r}, minio_root_password={password!r}, **made).save("archive")
AwsCredentials(aws_access_key_id={user!r}, aws_secret_access_key={password!r}, region_name="eu-west-3", **made).save(
    "archive"
)
"""


def test_a_run_takes_the_store_s_credentials_from_a_block(prefect: Prefect, site: str, local_s3: LocalS3) -> None:
    pytest.importorskip("prefect_aws")
    made = BLOCKS.format(user=local_s3.access_key, password=local_s3.secret_key, endpoint=local_s3.endpoint)
    prefect.run_python(made)
    run = RUN.format(urls=[f"http://{site}/crane"])

    def ended_as(block: str) -> tuple[str, str]:
        environ = {"TEARSHEET_STORE": f"s3://{local_s3.bucket}/of-{block.partition('-')[0] or 'none'}"}
        told = prefect.run_python(run, TEARSHEET_S3_BLOCK=block, AWS_EC2_METADATA_DISABLED="true", **environ)
        _, state, message, _ = json.loads(told)
        return state, message

    for block in ("minio-credentials/archive", "aws-credentials/archive"):
        assert ended_as(block)[0] == "COMPLETED", ended_as(block)
    for block, told in (("minio-credentials/none", "no such block"), ("", "credentials")):
        state, message = ended_as(block)
        assert state == "FAILED"
        assert told in message


def is_served(prefect: Prefect, name: str) -> dict[str, Any] | None:
    try:
        deployment = prefect.ask(f"/deployments/name/{name}")
    except urllib.error.HTTPError:
        return None
    return deployment if deployment["status"] == "READY" else None


def command(prefect: Prefect, module: str, *args: str) -> str:
    """What `python -m module` prints on stdout, run against the server."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "-m", module, *args],
        env=prefect.environ,
        cwd=prefect.folder,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode in (0, 1), done.stderr
    assert "Traceback" not in done.stderr
    return done.stdout


def test_a_schedule_fires_and_archives_what_the_feed_names(prefect: Prefect, serving: Path, archived: Any) -> None:
    def fired() -> dict[str, Any] | None:
        runs = prefect.runs_of("watch")
        return next((run for run in runs if run["auto_scheduled"] and run["state_type"] == "COMPLETED"), None)

    run = until("the schedule", fired, 110)
    assert run["state"]["name"] == "Incomplete"
    counts = "4 found, 0 held, 2 archived (2 new), 1 failed, 1 disallowed by robots.txt, 0 left over"
    assert run["state"]["message"] == f"harbour: {counts}"
    assert len([*serving.rglob("*.wacz")]) >= 3  # more where the next minute's run has tried /gone again
    shown = {artifact["key"]: artifact["data"] for artifact in artifacts_of(prefect, run["id"])}
    assert set(shown) == {"watch-harbour", "watch-harbour-pages"}
    assert "/private/minutes" in shown["watch-harbour"]
    assert "/gone" in shown["watch-harbour-pages"]
    assert set(tasks_of(prefect, run["id"], {"archive shard"})) == {"discover", "plan", "archive shard"}


def test_a_source_is_run_in_shares_beside_each_other(prefect: Prefect, serving: Path) -> None:
    """Its pages are of one host: one share has all of them, the other one nothing to do."""
    deployment = until("the deployment", lambda: is_served(prefect, "watch-wide/default"), 60)
    create = f"/deployments/{deployment['id']}/create_flow_run"
    run = prefect.ask(create, {"parameters": {"name": "harbour", "shares": 2}, "state": _NOW})
    message = ended(prefect, run["id"])["message"]
    assert re.fullmatch(r"share 0: (Completed|Incomplete|Failed); share 1: (Completed|Incomplete|Failed)", message)
    assert "Completed" in message


WIDE = """
import asyncio
from datetime import UTC, datetime, timedelta
from prefect.deployments.flow_runs import arun_deployment
from flows.watch import _ended, watch
async def main():
    later = datetime.now(UTC) + timedelta(days=1)
    run = await arun_deployment("watch/harbour", scheduled_time=later, timeout=0)
    (waits,) = await asyncio.wait_for(_ended([run.id], begin_s=0), 30)
    print(waits.state.type.value)
    state = await watch("harbour", share=3, shares=3, return_state=True)
    print(state.type.value, state.message)
asyncio.run(main())
"""


def test_wide_runs_do_not_wait_for_each_other_for_ever_and_a_share_that_is_none_is_refused(
    prefect: Prefect, serving: Path
) -> None:
    until("the deployment", lambda: is_served(prefect, "watch/harbour"), 60)
    waits, refused = prefect.run_python(WIDE).splitlines()[-2:]
    assert waits == "SCHEDULED"
    assert refused.startswith("FAILED share: there is no share 3 of 3. Shares are counted from 0")


LIMITED = """
import asyncio
from flows.watch import watch
async def main():
    state = await watch("harbour", store={store!r}, return_state=True)
    print(state.type.value, state.message)
asyncio.run(main())
"""


def test_a_run_takes_a_slot_of_the_limit_that_the_settings_name_and_fails_without_it(
    prefect: Prefect, serving: Path, tmp_path: Path
) -> None:
    code = LIMITED.format(store=str(tmp_path / "store"))
    environ = {"TEARSHEET_CONFIG": str(prefect.folder / "config"), "TEARSHEET_WATCH_LIMIT": "archive-runs"}
    refused = prefect.run_python(code, **environ).splitlines()[-1]
    assert refused.startswith("FAILED watch_limit: no such global concurrency limit is active: archive-runs")
    assert not [*(tmp_path / "store").rglob("*.wacz")]
    assert [finding.level for finding in _limit(PrefectApi(prefect.url), "archive-runs")] == ["fail"]

    prefect.ask("/v2/concurrency_limits/", {"name": "archive-runs", "limit": 1, "active": True})
    assert prefect.run_python(code, **environ).splitlines()[-1].startswith("COMPLETED harbour: 4 found")
    assert prefect.ask("/v2/concurrency_limits/archive-runs")["active_slots"] == 0
    assert [*_limit(PrefectApi(prefect.url), "archive-runs")] == []
