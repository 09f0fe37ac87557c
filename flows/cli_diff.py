"""The command that shows what changed between two captures."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.cli_common import At, Config, Force, Json, Store, at_moment, heard
from tasks import logs
from tasks.settings import load_settings

if TYPE_CHECKING:
    from tasks.comparing import Comparison

__all__ = ["add_commands"]


def add_commands(app: typer.Typer) -> None:
    """Register `diff`."""
    app.command(epilog="Example: tearsheet diff https://example.org/story --from 2026-03-01 --html changes.html")(diff)


def diff(
    targets: Annotated[
        list[str],
        typer.Argument(help="Two ids or URLs. A URL alone: its last two versions; an id: it and the version before."),
    ],
    since: Annotated[
        str | None, typer.Option("--from", help="The older: a URL's newest not after this day or ISO time (UTC).")
    ] = None,
    at: At = None,
    html: Annotated[Path | None, typer.Option(help="Write the whole text, marked, into this file as well.")] = None,
    full: Annotated[bool, typer.Option("--full", help="Read both bundles and verify them first.")] = False,
    force: Force = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Show what changed between two captures: title, byline, dates and text, word by word."""
    from tasks.catalog import is_id, open_catalog
    from tasks.comparing import chosen_ids, compare_bundles
    from tasks.present import print_json
    from tasks.retrieve import check_verified
    from tasks.store import open_store

    if len(targets) > 2:
        raise typer.BadParameter("name one or two bundles or URLs")
    if since and is_id(targets[0]):
        raise typer.BadParameter("--from is for a URL; an id has its moment")
    since_then, at_then = at_moment(since), at_moment(at)
    settings = load_settings(config, store=store)
    with open_store(settings.store, settings) as opened:
        with open_catalog(opened, settings, heard=heard()) as catalog:
            ids = chosen_ids(opened, catalog, tuple(targets), since=since_then, at=at_then)
        for id_ in ids if full else ():
            check_verified(opened, id_)
        found = compare_bundles(opened, *ids)
    if json:
        print_json({**found.as_json(), "verified": full})
    else:
        _print_lines(found)
    if html:
        _save(html, found, verified=full, force=force)


def _print_lines(found: "Comparison") -> None:
    from tasks.comparing.lines import comparison_lines

    for line in comparison_lines(found, colour=sys.stdout.isatty()):
        print(line)


def _save(path: Path, found: "Comparison", *, verified: bool, force: bool) -> None:
    from tasks.comparing.page import comparison_page
    from tasks.standalone import save_page

    save_page(path, comparison_page(found, verified=verified), force=force)
    logs.say(f"written to {path}")
