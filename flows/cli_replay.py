"""`tearsheet replay`: a stored bundle in the browser, on loopback."""

import os
import sys
import threading
from pathlib import Path
from typing import Annotated

import typer

from flows.cli_common import At, Config, Json, Store, Target, at_moment, heard, stop_on_interrupt
from tasks import logs
from tasks.settings import load_settings

__all__ = ["add_commands"]


def add_commands(app: typer.Typer) -> None:
    """Register the command of this file."""
    app.command(epilog="Example: tearsheet replay https://example.org/story --at 2026-03-01 --port 8700")(replay)


def replay(
    target: Target,
    at: At = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Port of the page to open; 0: a free one.")] = 0,
    replayweb: Annotated[
        str | None, typer.Option("--replayweb", help="Folder with ReplayWeb.page's ui.js and sw.js. [replayweb]")
    ] = None,
    open_: Annotated[
        bool | None, typer.Option("--open/--no-open", help="Open it in the browser. [where a terminal has a screen]")
    ] = None,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Show a stored page as it was captured, in the browser, from this machine alone; Ctrl-C ends it."""
    from tasks.catalog import locate
    from tasks.present import print_json, printable
    from tasks.proof import trust_of
    from tasks.replay import replaying
    from tasks.retrieve import verified
    from tasks.store import open_store

    settings, moment = load_settings(config, store=store, replayweb=replayweb), at_moment(at)
    viewer = Path(settings.replayweb).expanduser() if settings.replayweb else None
    stop = stop_on_interrupt()
    with open_store(settings.store, settings) as opened:
        id_ = locate(opened, settings, target, moment, heard=heard())
        with (
            verified(opened, id_, trust=trust_of(settings)) as path,
            replaying(path, settings, port=port, viewer=viewer) as shown,
        ):
            if json:
                print_json({"id": shown.id, "url": shown.url, "address": shown.address, "content": shown.content})
            else:
                print(f"{shown.id}  verified  {printable(shown.url)}\n{shown.address}", flush=True)
                logs.say("serving it to this machine until Ctrl-C")
            _open(shown.address, open_)
            _wait(stop)


def _wait(stop: threading.Event) -> None:
    while not stop.wait(0.5):  # a wait without an end would not hear Ctrl-C on Windows
        pass


def _open(address: str, wanted: bool | None) -> None:
    """In the browser, if that is wanted, or where nobody said and there is a screen."""
    screen = sys.platform in ("darwin", "win32") or any(map(os.environ.get, ("DISPLAY", "WAYLAND_DISPLAY")))
    if wanted or (wanted is None and screen and sys.stdout.isatty()):
        import webbrowser

        if not webbrowser.open(address):
            logs.say("no browser could be opened; open the address above yourself")
