"""`tearsheet doctor`: whether this machine can archive, and what to do where it cannot."""

import typer

from flows.cli_common import Config, Json, Store

__all__ = ["add_commands"]


def doctor(store: Store = None, json: Json = False, config: Config = None) -> None:
    """Check configuration, store, disk, clock, Chromium and Prefect, and say what to do; exit 1 where one fails."""
    from tasks.doctor import examine
    from tasks.present import print_json, printable

    good = True
    for finding in examine(config, store=store):
        good &= finding.level != "fail"
        print_json(finding.as_json()) if json else print(printable(str(finding)), flush=True)
    raise typer.Exit(0 if good else 1)


def add_commands(app: typer.Typer) -> None:
    """Put the command under `app`."""
    app.command(epilog="Example: tearsheet doctor --store s3://bucket/prefix")(doctor)
