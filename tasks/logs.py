"""What is said on stderr: lines for people, or one JSON object a line for machines, as `log_format` asks.

A line tells when, how bad, what, and what it is about: the flow run, the source, the URL, as far as they are known.
"""

import contextlib
import json
import os
import sys
from collections.abc import Iterator
from datetime import UTC, datetime

from tasks.errors import SettingsError
from tasks.settings import load_settings

__all__ = ["about", "as_json", "choose", "hand_on", "say"]

_ABOUT: dict[str, str] = {}  # of this process: a flow run is a process of its own
_CHOSEN: list[str] = []  # the format, once somebody asked for it


def choose(log_format: str = "") -> None:
    """Take this format from now on; empty: what the settings say when the next line is written."""
    _CHOSEN[:] = [log_format] if log_format else []


def as_json() -> bool:
    """Whether lines are JSON: asked for, or under `auto` where stderr is no terminal."""
    if not _CHOSEN:
        try:
            _CHOSEN.append(load_settings().log_format)
        except SettingsError:  # the command itself says what is wrong with them
            _CHOSEN.append("text")
    return _CHOSEN[0] == "json" or (_CHOSEN[0] == "auto" and not sys.stderr.isatty())


@contextlib.contextmanager
def about(**fields: str) -> Iterator[None]:
    """Every line of this process within the block is about these: run, source, url."""
    before = dict(_ABOUT)
    _ABOUT.update({name: value for name, value in fields.items() if value})
    try:
        yield
    finally:
        _ABOUT.clear()
        _ABOUT.update(before)


def hand_on() -> None:
    """Let the processes that this one starts, such as flow runs, write as --log-format has it here."""
    if _CHOSEN:
        os.environ["TEARSHEET_LOG_FORMAT"] = _CHOSEN[0]


def say(message: str, *, level: str = "info", **fields: str) -> None:
    """Write one line to stderr; where that is gone or full, nothing: no work is given up for a line about it."""
    if as_json():
        now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
        message = json.dumps({"time": now, "level": level, "message": message, **_ABOUT, **fields})
    with contextlib.suppress(OSError):
        sys.stderr.write(message + "\n")
        sys.stderr.flush()
