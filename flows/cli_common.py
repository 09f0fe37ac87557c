"""Options and small parts that several commands share."""

import codecs
import io
import os
import select
import signal
import threading
from collections.abc import Iterator
from datetime import date, datetime
from typing import TYPE_CHECKING, Annotated, Any, TextIO

import typer

from tasks import logs
from tasks.errors import TearsheetError

if TYPE_CHECKING:
    from tasks.catalog import Heard

__all__ = [
    *("At", "Config", "Force", "Json", "RequireSignature", "Store", "Target", "Track", "Trusted"),
    *("at_moment", "day", "heard", "lines_of", "stop_on_interrupt", "warn"),
]

Store = Annotated[str | None, typer.Option("--store", help="Folder or s3://bucket/prefix. [TEARSHEET_STORE, archive/]")]
Config = Annotated[
    str | None, typer.Option("--config", help="Folder with your settings.toml, rules/, sites/, watch.toml.")
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object a line.")]
Force = Annotated[bool, typer.Option("--force", help="Replace files that are there already.")]
RequireSignature = Annotated[
    bool, typer.Option("--require-signature", help="Refuse what no key of yours, or one you trust, has signed.")
]
Trusted = Annotated[
    list[str] | None, typer.Option("--trusted", help="Fingerprint, or file with a public key, that you trust.")
]
Target = Annotated[str, typer.Argument(help="A bundle's id, or a URL: its newest good bundle.")]
Track = Annotated[bool, typer.Option("--track", help="As a Prefect flow run, even without PREFECT_API_URL.")]
At = Annotated[str | None, typer.Option("--at", help="The newest not after this day or ISO time (UTC).")]


def warn(error: TearsheetError) -> None:
    """What could not be read, on stderr; the rest goes on."""
    logs.say(f"tearsheet: left out: {error}", level="warning", code=error.code)


def heard() -> "Heard":
    """What a command says while it opens the catalog: on stderr."""
    from tasks.catalog import Heard
    from tasks.present import Talk

    return Heard(say=Talk().say, broken=warn)


def at_moment(text: str | None) -> datetime | None:
    """The moment that --at means; misuse where it means none."""
    from tasks.catalog import parse_at

    try:
        return parse_at(text) if text else None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day or time; write 2026-03-14 or 2026-03-14T08:30:00Z") from None


def day(text: str | None) -> date | None:
    """The day that --since or --until means; misuse where it means none."""
    try:
        return date.fromisoformat(text) if text else None
    except ValueError:
        raise typer.BadParameter(f"{text!r} is no day; write 2026-03-14") from None


def stop_on_interrupt() -> threading.Event:
    """Set by the first Ctrl-C or SIGTERM: what is under way finishes. A second Ctrl-C ends at once."""
    stop = threading.Event()

    def interrupted(*_: Any) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)
        logs.say("stopping: finishing what is under way (Ctrl-C again to drop it)")
        stop.set()

    signal.signal(signal.SIGINT, interrupted)
    signal.signal(signal.SIGTERM, interrupted)
    return stop


def lines_of(file: TextIO | None) -> Iterator[str | None]:
    """The lines of stdin, as they come; None where the next one is not there yet, so that nothing waits for it."""
    if file is None:
        return
    try:
        number = file.fileno()
    except io.UnsupportedOperation:  # no file of the system: all of it is there
        yield from file
        return
    decoder = io.IncrementalNewlineDecoder(codecs.getincrementaldecoder(file.encoding)(file.errors or "strict"), True)
    rest, more = "", True
    while more:
        if not select.select([number], [], [], 0)[0]:
            yield None
            continue
        more = bool(data := os.read(number, 65_536))
        *lines, rest = (rest + decoder.decode(data, final=not more)).split("\n")
        yield from lines
    yield rest
