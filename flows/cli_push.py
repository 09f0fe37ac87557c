"""The command that stores bundles from this disk: push."""

from pathlib import Path
from typing import Annotated

import typer

from flows.cli_common import Config, Json, Store, heard
from tasks.settings import load_settings

__all__ = ["add_commands"]


def add_commands(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command("push", epilog="Example: tearsheet push --store s3://bucket/prefix")(push)


def push(
    files: Annotated[
        list[Path] | None, typer.Argument(help="Bundles (.wacz with its .json beside it); none: those that wait.")
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="Store also what has lost most of the words of its latest version.")
    ] = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Store the bundles that wait in the outbox because their store was down, or bundles from files."""
    from tasks.catalog import open_catalog
    from tasks.outbox import Outbox, deliver, not_thinner
    from tasks.present import Talk, print_json, pushed_line
    from tasks.store import open_store
    from tasks.versioning import History

    settings = load_settings(config, store=store)
    outbox = Outbox(settings)
    paths = tuple(map(outbox.find, files)) if files else outbox.waiting()
    stored, said = 0, ""
    with (
        open_store(settings.store, settings) as opened,
        History(opened, lambda: open_catalog(opened, settings, heard=heard())) as history,
        Talk(len(paths), doing="pushing") as talk,
    ):
        sure = (lambda bundle: None) if force else not_thinner(history, settings)
        for done in deliver(opened, paths, outbox, workers=settings.workers, sure=sure):
            stored += done.ref is not None
            if json:
                print_json(done.as_json())
            elif str(done.error) != said:  # a store that is down says the same of each
                print(pushed_line(done), flush=True)
            said = str(done.error) if done.error else ""
            talk.advance(done.path.name)
        talk.say(
            f"{stored:,} of {len(paths):,} stored in {outbox.place}" if paths else f"none waits for {outbox.place}"
        )
        for count, place, folder in outbox.elsewhere():
            talk.say(f"{count:,} wait{'s' if count == 1 else ''} for {place}, in {folder}")
    raise typer.Exit(0 if stored == len(paths) else 1)
