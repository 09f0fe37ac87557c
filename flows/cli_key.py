"""`tearsheet key`: the key that signs bundles; and `tearsheet timestamp`, which asks an authority for the time."""

from pathlib import Path
from typing import Annotated, Any

import typer

from flows.cli_common import Config, Json, Store
from tasks.errors import NotFound, TearsheetError
from tasks.settings import Settings, load_settings

__all__ = ["add_commands", "made_key_lines"]

key_app = typer.Typer(
    help="The key that signs your bundles: made on first use.", no_args_is_help=True, rich_markup_mode=None
)


def add_commands(app: typer.Typer) -> None:
    """Register `key …` and `timestamp`."""
    app.add_typer(key_app, name="key")
    app.command(epilog="Example: tearsheet timestamp 20261123101500-0123456789abcdef --timestamp https://tsa.example/")(
        timestamp
    )


def made_key_lines(settings: Settings) -> list[str]:
    """What to say where this run makes the key, which is made now; nothing where it is there or nothing is signed."""
    from tasks.keys import key_path, signer_of

    path = key_path(settings)
    if not settings.sign or path.exists():
        return []
    signer = signer_of(settings)
    shown = signer.fingerprint if signer else ""
    return [
        f"made a key to sign with: {path}, fingerprint {shown}",
        "back it up with `tearsheet key export FILE`, and publish the fingerprint where your readers find you",
    ]


# ------------------------------------------------------------------ key
@key_app.command(epilog="Example: tearsheet key show --json")
def show(json: Json = False, config: Config = None) -> None:
    """Show every key that was in use here, the one in use last."""
    from tasks.keys import key_path, known_keys
    from tasks.present import print_json

    path = key_path(load_settings(config))
    known = known_keys(path)
    for number, key in enumerate(known, 1):
        used = number == len(known) and path.exists()
        if json:
            row: dict[str, Any] = {"fingerprint": key.fingerprint, "public_key": key.public_key}
            print_json(row | {"since": key.since or None, "in_use": used, "file": str(path) if used else None})
        else:
            print(f"{key.fingerprint}  since {key.since or 'an unknown day'}{f'  in use: {path}' if used else ''}")
    if not known:
        raise _no_key(path)


@key_app.command(epilog="Example: tearsheet key fingerprint")
def fingerprint(config: Config = None) -> None:
    """Print the fingerprint of the key in use: what to publish, and what others give to --trusted."""
    print(_signer(config).fingerprint)


@key_app.command(epilog="Example: tearsheet key new")
def new(json: Json = False, config: Config = None) -> None:
    """Make a new key and take it into use; bundles that the old one signed stay known as yours."""
    from tasks.keys import key_path, new_key
    from tasks.present import print_json

    path = key_path(load_settings(config))
    signer, kept = new_key(path)
    if json:
        print_json({"fingerprint": signer.fingerprint, "file": str(path), "old": str(kept) if kept else None})
        return
    print(f"in use now: {signer.fingerprint}  {path}")
    if kept:
        print(f"the old key is {kept}; delete it if others may have had it")


@key_app.command(epilog="Example: tearsheet key export desk.pub.pem --public")
def export(
    file: Annotated[Path, typer.Argument(help="The new file.")],
    public: Annotated[bool, typer.Option("--public", help="The public key, which may be given to anyone.")] = False,
    config: Config = None,
) -> None:
    """Write a backup of the private key, readable by you alone; or the public key."""
    from tasks.keys import export_key, export_public, key_path

    path = key_path(load_settings(config))
    try:
        (export_public if public else export_key)(path, file)
    except FileNotFoundError:
        raise _no_key(path) from None
    print(f"{'public' if public else 'PRIVATE'} key written to {file}")


def _signer(config: str | None) -> Any:
    from tasks.keys import key_path, load_signer

    path = key_path(load_settings(config))
    try:
        return load_signer(path)
    except FileNotFoundError:
        raise _no_key(path) from None


def _no_key(path: Path) -> NotFound:
    return NotFound("no key yet", where=str(path), remedy="`tearsheet key new` makes one; so does the first `archive`")


# ------------------------------------------------------------------ timestamp
def timestamp(
    ids: Annotated[list[str], typer.Argument(help="Ids of stored bundles.")],
    url: Annotated[
        str | None, typer.Option("--timestamp", help="RFC 3161 server to ask. [timestamp_url of the settings]")
    ] = None,
    again: Annotated[bool, typer.Option("--again", help="Also where a time stamp is there already.")] = False,
    store: Store = None,
    json: Json = False,
    config: Config = None,
) -> None:
    """Ask an authority to stamp the time over the signatures of stored bundles."""
    from tasks.present import Talk, print_json
    from tasks.proof import stamp_stored
    from tasks.store import open_store

    settings = load_settings(config, store=store, timestamp_url=url)
    good, talk = True, Talk(len(ids), doing="stamping")
    with open_store(settings.store, settings) as opened, talk:
        for id_ in dict.fromkeys(ids):
            try:
                token = stamp_stored(opened, id_, settings, again=again)
            except TearsheetError as error:  # one never stops the others
                talk.say(f"tearsheet: {error}")
                good = False
                continue
            time = f"{token.time:%Y-%m-%dT%H:%M:%SZ}" if token else None
            if json:
                print_json({"id": id_, "time": time, "authority": token.authority if token else None})
            else:
                print(f"{id_}  {f'stamped {time} by {token.authority}' if token else 'has a time stamp'}")
            talk.advance(id_)
    raise typer.Exit(0 if good else 1)
