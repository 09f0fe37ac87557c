"""Where the shards of a large store are worked on: threads, processes, Dask on this machine, or a cluster elsewhere."""

import importlib.util
from typing import Annotated, Any, Literal

from prefect.task_runners import ProcessPoolTaskRunner, TaskRunner, ThreadPoolTaskRunner
from pydantic import Field

from tasks.errors import MissingPart

__all__ = ["Runner", "make_runner"]

# Of `dask:`, what follows is the address of a scheduler: https://distributed.dask.org, "Client".
Runner = Literal["thread", "process", "dask"] | Annotated[str, Field(pattern=r"^dask:(tcp|tls)://\S+$")]


def make_runner(kind: str, workers: int) -> TaskRunner[Any]:
    """The task runner of that kind. Raises MissingPart for `dask` where prefect-dask is not installed."""
    if kind == "thread":
        return ThreadPoolTaskRunner(max_workers=workers)
    if kind == "process":
        return ProcessPoolTaskRunner(max_workers=workers)
    if not importlib.util.find_spec("prefect_dask"):
        raise MissingPart(
            "the Dask task runner is not installed",
            where="--runner dask",
            remedy="`pip install 'tearsheet[dask]'`, or choose thread or process",
        )
    from prefect_dask.task_runners import DaskTaskRunner

    if address := kind.removeprefix("dask").removeprefix(":"):
        there: TaskRunner[Any] = DaskTaskRunner(address=address)
        return there
    # A cluster of this machine's own on loopback, without its web page; one thread each, for cleaning is CPU-bound.
    cluster = {"n_workers": workers, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    runner: TaskRunner[Any] = DaskTaskRunner(cluster_kwargs={**cluster, "host": "127.0.0.1"})
    return runner
