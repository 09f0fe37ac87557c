"""The flow that writes the catalog into the store as Parquet."""

import asyncio
from typing import Annotated, Any

from prefect import State, flow
from prefect.artifacts import acreate_markdown_artifact
from prefect.states import Completed, Failed
from pydantic import Field

from tasks.errors import TearsheetError
from tasks.lake.prune import Pruned
from tasks.lake.prune import prune as prune_lake
from tasks.lake.publish import Published
from tasks.lake.publish import publish as publish_lake
from tasks.steps import code, run_settings, tracked
from tasks.store import Store, open_store


@flow(name="publish", persist_result=False)
async def publish(
    store: str | None = None,
    rebuild: bool = False,
    prune: bool = False,
    keep: Annotated[int, Field(ge=1)] = 3,
    days: Annotated[int, Field(ge=1)] = 7,
    alone: bool = False,
) -> State[Any]:
    """Write the catalog into the store as Parquet segments, and set a new snapshot of them.

    Args:
        store: folder or s3://bucket/prefix; default: the setting `store`
        rebuild: from all of the store, not from what is new
        prune: then remove old snapshots, and segments that no other one names
        keep: with prune: how many of the newest snapshots stay
        days: with prune: what is younger than so many days stays
        alone: no other publisher runs: needed where a server cannot hold two apart

    Completes as "Incomplete" where some manifests could not be read. The state's data is what was published.
    """
    try:
        done, pruned = await asyncio.to_thread(_publish, store, rebuild, (prune, keep, days), alone)
    except TearsheetError as error:
        return Failed(message=str(error), data=error)
    message = _summary(done, pruned)
    await acreate_markdown_artifact(key="publish", markdown=_as_markdown(done, message), description=message)
    return Completed(name="Incomplete" if done.broken else None, message=message, data=done)


def _publish(
    store: str | None, rebuild: bool, pruning: tuple[bool, int, int], alone: bool
) -> tuple[Published, Pruned | None]:
    settings, (prune, keep, days) = run_settings(store), pruning
    with open_store(settings.store, settings) as opened:
        run = tracked(settings)
        done = run(publish_stage, opened, rebuild, alone)
        return done, run(prune_stage, opened, keep, days) if prune else None


def publish_stage(store: Store, rebuild: bool, alone: bool) -> Published:
    """Bring the lake up to the store."""
    return publish_lake(store, rebuild=rebuild, alone=alone)


def prune_stage(store: Store, keep: int, days: int) -> Pruned:
    """Remove what old snapshots alone name."""
    return prune_lake(store, keep=keep, days=days)


def _summary(done: Published, pruned: Pruned | None) -> str:
    snapshot = done.snapshot
    news = f"{done.added:,} new, {done.tombstones:,} taken down" if done.changed else "nothing new"
    gone = f"; removed {pruned.snapshots:,} snapshots, {pruned.segments:,} segments" if pruned else ""
    left = f"; {len(done.broken):,} left out" if done.broken else ""
    return (
        f"snapshot {snapshot.number}: {snapshot.rows:,} rows in {len(snapshot.segments):,} segments; {news}{gone}{left}"
    )


def _as_markdown(done: Published, message: str) -> str:
    return "\n".join([f"# {code(message)}", "", *(f"- left out: {code(str(error))}" for error in done.broken)])
