"""`tearsheet catalog publish` and `segments`: the catalog as Parquet files for DuckDB, Athena, Spark and Trino."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from flows.cli_common import Config, Json, Store, warn
from tasks.settings import load_settings

if TYPE_CHECKING:
    from tasks.lake.prune import Pruned
    from tasks.lake.publish import Published

__all__ = ["add_commands"]


def publish(
    rebuild: Annotated[bool, typer.Option("--rebuild", help="From all of the store, not from what is new.")] = False,
    prune: Annotated[
        bool, typer.Option("--prune", help="Then remove old snapshots, and segments that no other one names.")
    ] = False,
    keep: Annotated[int, typer.Option(min=1, help="With --prune: how many of the newest snapshots stay.")] = 3,
    days: Annotated[int, typer.Option(min=1, help="With --prune: what is younger than so many days stays.")] = 7,
    alone: Annotated[
        bool, typer.Option("--alone", help="No other publisher runs: needed where a server cannot hold two apart.")
    ] = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Write the catalog into the store as Parquet segments, and set a new snapshot of them."""
    from tasks.lake.prune import prune as prune_lake
    from tasks.lake.publish import publish as publish_lake
    from tasks.lake.snapshot import links_folder
    from tasks.present import Talk, print_json
    from tasks.store import open_store

    settings = load_settings(config, store=store)
    with open_store(settings.store, settings) as opened, Talk(doing="publishing") as talk:
        done = publish_lake(opened, rebuild=rebuild, alone=alone, progress=talk.advance)
        pruned = prune_lake(opened, keep=keep, days=days) if prune else None
        links = links_folder(opened, done.snapshot)
    for error in done.broken:
        warn(error)
    print_json({**_as_json(done, pruned), "links": links}) if json else print(_line(done, pruned))
    raise typer.Exit(1 if done.broken else 0)


def segments(
    out: Annotated[
        Path | None, typer.Option("-o", "--out", help="Fetch them into <folder>/<yyyymm>/; old ones there go.")
    ] = None,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """List the segments of the newest snapshot, or fetch them, verified: Parquet files that hold each bundle once."""
    from dataclasses import asdict

    from tasks.lake.fetch import fetch_segments, live_segments
    from tasks.present import Talk, print_json
    from tasks.store import open_store

    settings = load_settings(config, store=store)
    with open_store(settings.store, settings) as opened, Talk(doing="fetching") as talk:
        base = opened.location.rstrip("/")
        if out:
            found = [(segment, str(path)) for segment, path in fetch_segments(opened, out, progress=talk.advance)]
        else:
            found = [(segment, f"{base}/{segment.key}") for segment in live_segments(opened).segments]
    for segment, place in found:
        print_json({**asdict(segment), "path": place}) if json else print(place)
    rows = sum(segment.rows for segment, _ in found)
    Talk().say(f"{_count(len(found), 'segment')}, {_count(rows, 'row')}")


def add_commands(app: typer.Typer) -> None:
    """Put the commands under `app`, which is `tearsheet catalog`."""
    app.command(epilog="Example: tearsheet catalog publish --store s3://bucket/prefix --prune")(publish)
    app.command(epilog="Example: tearsheet catalog segments --store s3://bucket/prefix -o lake")(segments)


def _as_json(done: "Published", pruned: "Pruned | None") -> dict[str, Any]:
    from dataclasses import asdict

    snapshot = done.snapshot
    return {
        "snapshot": snapshot.number,
        "created": done.changed,
        "rows": snapshot.rows,
        "segments": len(snapshot.segments),
        "bytes": sum(segment.bytes for segment in snapshot.segments),
        "added": done.added,
        "tombstones": done.tombstones,
        "pending": [id_ for id_, _ in snapshot.pending],
        "left_out": [str(error) for error in done.broken],
        "pruned": asdict(pruned) if pruned else None,
    }


def _line(done: "Published", pruned: "Pruned | None") -> str:
    snapshot = done.snapshot
    head = f"snapshot {snapshot.number}: {_count(snapshot.rows, 'row')} in {_count(len(snapshot.segments), 'segment')}"
    news = f"{done.added:,} new, {done.tombstones:,} taken down" if done.changed else "nothing new"
    lines = [f"{head}; {news}"]
    if snapshot.pending:
        lines.append(f"{len(snapshot.pending):,} announced and not there yet: the next run looks again")
    if pruned:
        gone = f"{_count(pruned.snapshots, 'snapshot')}, {_count(pruned.segments, 'segment')}, {pruned.bytes:,} bytes"
        lines.append(f"removed {gone}")
    return "\n".join(lines)


def _count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'s' if number != 1 else ''}"
