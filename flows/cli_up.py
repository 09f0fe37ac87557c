"""`tearsheet up`: the whole system on one machine, with one command."""

import contextlib
import shlex
import signal
import threading
from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli_common import Config, Json
from tasks import logs
from tasks.settings import load_settings

__all__ = ["add_commands"]


def up(
    data: Annotated[Path, typer.Option(help="Folder for all data; it keeps ports and credentials, too.")] = Path(
        "tearsheet-data"
    ),
    status: Annotated[bool, typer.Option("--status", help="Say what runs in that folder, and exit.")] = False,
    bind: Annotated[
        str, typer.Option(help="Address for Prefect's UI and API; beyond loopback only with credentials.")
    ] = "127.0.0.1",
    store: Annotated[
        str | None, typer.Option(help="Archive into this store instead of an S3 server of its own.")
    ] = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Run a Prefect server, an S3 server and the served deployments on this machine, until Ctrl-C."""
    import os

    from tasks.one_machine import Running, claimed, make_system
    from tasks.present import Talk

    folder = data.resolve()
    if status:
        raise typer.Exit(0 if _show_status(folder, json=json) else 1)
    if config:
        os.environ["TEARSHEET_CONFIG"] = str(Path(config).absolute())
    load_settings(config)
    logs.hand_on()
    stop, talk = _stop_on_signal(), Talk()
    with claimed(folder):
        system = make_system(folder, store=_absolute(store), bind=bind)
        for line in system.told:
            talk.say(line)
        talk.say(f"starting {', '.join(part.name for part in system.parts)}; data in {folder}")
        running = Running(system, say=talk.say, ready=lambda took_s: _tell_ready(system, took_s, json=json))
        running.run(stop)
    talk.say("all stopped")


def add_commands(app: typer.Typer) -> None:
    """Put the command under `app`."""
    app.command(epilog="Example: tearsheet up --data /srv/tearsheet")(up)


def _absolute(store: str | None) -> str:
    return "" if not store else store if "://" in store else str(Path(store).expanduser().absolute())


def _stop_on_signal() -> threading.Event:
    """Set by Ctrl-C and SIGTERM; once more is the same: stopping has its limits."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with contextlib.suppress(AttributeError):  # not on Windows
        if signal.getsignal(signal.SIGHUP) != signal.SIG_IGN:  # nohup: it is to stay when the terminal goes
            signal.signal(signal.SIGHUP, lambda *_: stop.set())
    return stop


def _tell_ready(system: Any, took_s: float, *, json: bool) -> None:
    from tasks.present import print_json

    env = system.write_env()
    ui = system.api.url.removesuffix("/api")
    metrics = f"http://127.0.0.1:{system.metrics_port}/metrics"
    if json:
        print_json(
            {
                "ready_s": round(took_s, 2),
                "prefect": ui,
                "api": system.api.url,
                "store": system.store,
                "metrics": metrics,
                "env": str(env),
            }
        )
        return
    print(
        f"ready in {took_s:.1f} s\n"
        f"  Prefect  {ui}\n"
        f"  store    {system.store}{_at(system)}\n"
        f"  metrics  {metrics}\n\n"
        f"In another terminal:\n"
        f"  . {shlex.quote(str(env))}\n"
        f"  prefect deployment run archive/default -p url=https://example.org/story\n"
        f"  tearsheet list\n\n"
        f"Ctrl-C stops all of it.",
        flush=True,
    )


def _at(system: Any) -> str:
    return "".join(f" at {part.url}" for part in system.parts if part.name == "s3")


def _show_status(folder: Path, *, json: bool) -> bool:
    """Print what runs; whether all of it does."""
    from tasks.one_machine import read_status
    from tasks.present import print_json

    found = read_status(folder)
    if json:
        print_json(found)
    elif not found["up"]:
        print(f"{folder}: not up")
    else:
        print(f"{folder}: {'up' if found.get('ready') else 'not all of it is up'}, process {found.get('pid')}")
        for part in found.get("parts", ()):
            again = f", started again {part['restarts']} times (last: {part['ended']})" if part["restarts"] else ""
            at = f"  {part['url']}" if part["url"] else ""
            print(f"  {part['name']:8} {part['state']:9} process {part['pid'] or '–'}{again}{at}")
    return bool(found["up"] and found.get("ready"))
