"""How Prefect runs the stages: name, retries and tags of each. The only module in tasks/ that imports Prefect.

tracked(settings) is a `Run` for tasks/pipeline.py and tasks/watching/run.py; everything else there stays as it is.
There are no timeouts here: Prefect cannot interrupt a thread, so each stage keeps to limits of its own (settings).
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, TypeVar

import httpx
from prefect import Task
from prefect.blocks.core import Block
from prefect.cache_policies import NO_CACHE
from prefect.client.orchestration import get_client
from prefect.futures import PrefectFuture
from prefect.runtime import deployment, flow_run
from prefect.settings import PREFECT_API_URL
from prefect.task_runners import TaskRunner
from prefect.tasks import exponential_backoff

from tasks.errors import MissingPart, SettingsError, TransientError
from tasks.pipeline import Run
from tasks.settings import Settings, load_settings

__all__ = [
    "START_A_SERVER",
    "STEPS",
    "Step",
    "absolute_store",
    "check_server_answers",
    "code",
    "run_here",
    "run_id",
    "run_settings",
    "spread",
    "tracked",
    "with_block",
]

R = TypeVar("R")


@dataclass(frozen=True, slots=True)
class Step:
    """How one stage stands in Prefect."""

    name: str
    retried: bool = False  # on TransientError, `attempts` and `retry_wait_s` of the settings
    tags: tuple[str, ...] = ()  # a tag costs each run one call to the server; only where a global limit makes sense


STEPS = {
    "capture_stage": Step("capture", retried=True, tags=("tearsheet-capture",)),
    "clean_stage": Step("clean"),
    "probe_stage": Step("probe"),
    "compare_stage": Step("compare", retried=True),
    "observe_stage": Step("observe", retried=True, tags=("tearsheet-store",)),
    "render_stage": Step("render"),
    "gather_stage": Step("gather"),
    "pack_stage": Step("pack"),
    "verify_stage": Step("verify"),
    "store_stage": Step("store", retried=True, tags=("tearsheet-store",)),
    "timestamp_stage": Step("timestamp"),
    "discover_stage": Step("discover"),
    "plan_stage": Step("plan", retried=True),
    "archive_shard": Step("archive shard", tags=("tearsheet-capture",)),
    "reclean_shard": Step("reclean shard"),
    "audit_stage": Step("audit", retried=True),
    "audit_shard": Step("audit shard", retried=True),
    "publish_stage": Step("publish", retried=True),
    "prune_stage": Step("prune", retried=True),
}


class _Call:
    """A stage with its arguments. Opaque on purpose: Prefect walks through dataclasses, lists and dicts it is given."""

    __slots__ = ("args", "stage")

    def __init__(self, stage: Callable[..., Any], args: tuple[Any, ...]) -> None:
        self.stage, self.args = stage, args


def _perform(call: _Call) -> Any:
    return call.stage(*call.args)


def tracked(settings: Settings) -> Run:
    """Runs each stage as a Prefect task; to be called within a flow run, from any thread that has its context."""
    tasks: dict[str, Callable[[_Call], Any]] = {stage: _as_task(step, settings) for stage, step in STEPS.items()}

    def run(stage: Callable[..., R], *args: Any) -> R:
        result: R = tasks[stage.__name__](_Call(stage, args))
        return result

    return run


def spread(
    stage: Callable[..., R],
    calls: Iterable[tuple[Any, ...]],
    runner: TaskRunner[Any],
    *,
    at_once: int,
    settings: Settings,
) -> Iterator[R | BaseException]:
    """The stage's results for each call's arguments, in order, each run as a task on `runner`; or the error of one.

    Within a flow run. No more than `at_once` calls are handed out: who stops reading stops what has not begun.
    """
    task, window = _as_task(STEPS[stage.__name__], settings), deque[PrefectFuture[Any]]()
    with runner:
        for call in calls:
            window.append(runner.submit(task, {"call": _Call(stage, call)}))
            if len(window) >= at_once:
                yield window.popleft().result(raise_on_failure=False)
        while window:
            yield window.popleft().result(raise_on_failure=False)


def _as_task(step: Step, settings: Settings) -> Task[[_Call], Any]:
    return Task(
        _perform,
        name=step.name,
        tags=step.tags,
        retries=settings.attempts - 1 if step.retried else 0,
        retry_delay_seconds=exponential_backoff(settings.retry_wait_s),
        retry_jitter_factor=0.5,
        retry_condition_fn=_may_pass,
        persist_result=False,
        cache_policy=NO_CACHE,
    )


def _may_pass(task: Any, task_run: Any, state: Any) -> bool:
    """Whether a failed task may be tried again: its error says so by its class."""
    error = state.result(raise_on_failure=False)
    return isinstance(error, TransientError) and error.passes_soon


# ------------------------------------------------------------------ what flows need
def run_settings(store: str | None = None) -> Settings:
    """The settings of a flow run; `store` overrides as --store does.

    Raises SettingsError where a deployment would write into a relative folder: a worker's run has a temporary working
    folder, and what was stored there would be gone with it.
    """
    settings = load_settings(store=store)
    if deployment.get_id() and not _is_absolute(settings.store):
        raise SettingsError(
            f"store is the relative folder {settings.store!r}",
            where="deployment",
            remedy="Give the deployment an absolute folder or s3://bucket/prefix",
        )
    return with_block(settings) if settings.s3_block else settings


def with_block(settings: Settings) -> Settings:
    """The settings with what the block `s3_block` says of the server; its credentials go into this process's
    environment, where every S3 client finds them, and nowhere else.

    Raises MissingPart where prefect-aws is not installed, SettingsError where the block cannot be loaded.
    """
    try:
        import prefect_aws  # noqa: F401 makes its kinds of blocks known
    except ImportError:
        remedy = "`pip install 'tearsheet[prefect-aws]'` where flows run"
        raise MissingPart("prefect-aws is not installed", where="s3_block", remedy=remedy) from None
    try:
        block: Any = Block.load(settings.s3_block, _sync=True)  # type: ignore[call-arg]
    except Exception as error:  # a server that does not answer, no such block, one that is not as its kind has it
        remedy = "Make it in Prefect's UI (Blocks), of the kind and name that s3_block says"
        raise SettingsError(f"no such block: {error}", where=f"s3_block {settings.s3_block}", remedy=remedy) from error
    _take(dict(_credentials(block)))
    return replace(
        settings,
        s3_endpoint=settings.s3_endpoint or block.aws_client_parameters.endpoint_url or "",
        s3_region=settings.s3_region or block.region_name or "",
    )


def _take(found: dict[str, str]) -> None:
    """Put credentials into the environment. Nothing of the machine's own goes with a key of the block's: a session
    token that belongs to another key, or a profile, would have every request refused, or made as someone else."""
    if found["AWS_ACCESS_KEY_ID"]:
        for name in found:
            os.environ.pop(name, None)
    os.environ |= {name: value for name, value in found.items() if value}


def _credentials(block: Any) -> Iterator[tuple[str, str]]:
    """The variables that S3 clients read; a block without a key leaves them what the machine itself has."""

    def secret(name: str) -> str:
        value: Any = getattr(block, name, None)
        return str(value.get_secret_value() if hasattr(value, "get_secret_value") else value or "")

    yield "AWS_ACCESS_KEY_ID", secret("minio_root_user") or secret("aws_access_key_id")
    yield "AWS_SECRET_ACCESS_KEY", secret("minio_root_password") or secret("aws_secret_access_key")
    yield "AWS_SESSION_TOKEN", secret("aws_session_token")
    yield "AWS_PROFILE", secret("profile_name")


def run_id() -> str:
    """The id of the flow run that this is; empty outside of one."""
    return flow_run.get_id() or ""


START_A_SERVER = "Start one with `prefect server start`, then `export PREFECT_API_URL=http://127.0.0.1:4200/api`"


def check_server_answers() -> None:
    """Raises SettingsError, saying how to start a server, where one is named and does not answer."""
    url = PREFECT_API_URL.value()
    if not url:
        return
    with get_client(sync_client=True) as client:
        try:
            client.hello().raise_for_status()
        except httpx.HTTPStatusError as error:
            status = error.response.status_code
            remedy = (
                "Set PREFECT_API_AUTH_STRING" if status == 401 else "Read the server's log; does the URL end in /api?"
            )
            raise SettingsError(f"the Prefect server answered {status}", where=url, remedy=remedy) from error
        except httpx.HTTPError as error:
            raise SettingsError(f"no Prefect server answers: {error}", where=url, remedy=START_A_SERVER) from error


def run_here(flow: Callable[..., Any], **parameters: Any) -> Any:
    """The data of the state in which one run of an async flow in this process ends. Raises what broke or interrupted
    the run; SettingsError where the server that is named does not answer."""
    check_server_answers()

    async def run() -> Any:
        state = await flow(**parameters, return_state=True)
        found = await state.aresult(raise_on_failure=False)
        if isinstance(found, BaseException):
            raise found
        return found

    return asyncio.run(run())


def absolute_store(location: str) -> str:
    """The same store, whatever the working folder."""
    return location if "://" in location else str(Path(location).expanduser().absolute())


def _is_absolute(location: str) -> bool:
    return "://" in location or Path(location).expanduser().is_absolute()


def code(text: str) -> str:
    """`text` as inline code of a Markdown artifact, in which nothing of it can act as markup."""
    return "`" + " ".join(text.replace("`", "'").split()) + "`"
