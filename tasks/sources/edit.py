"""Changes to a watch.toml: one source added, removed, paused or resumed; comments and order stay as they are.

A change is written beside the file, read back as the program will read it, and only then takes the file's place: what
stands there is always a whole file that works. A file that is broken already is never changed.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import tomlkit
import tomlkit.exceptions
from tomlkit.items import Table

from tasks.errors import NotFound, SettingsError, WouldOverwrite
from tasks.sources.config import KINDS, Source, read_sources

__all__ = ["add", "pause", "remove", "resume"]

Tables = dict[str, Any]
"""The sources of a file as TOML has them, by name."""


def add(path: Path, name: str, keys: Mapping[str, Any]) -> Source:
    """The new source `name` with these keys, at the end of `path`, which is made where there is none.

    Raises WouldOverwrite where there is one of that name, and SettingsError for keys that watch.toml would not take.
    """

    def added(text: str, sources: Mapping[str, Source]) -> str:
        if name in sources:
            remedy = "Remove it first, or take another name"
            raise WouldOverwrite(f"there is a source {name!r}", where=sources[name].where, remedy=remedy)
        table = tomlkit.document()
        for key in sorted(keys, key=lambda key: key not in KINDS):  # where from, then the rest
            table.add(key, keys[key])
        header = tomlkit.key(name).as_string()
        return f"{text.rstrip()}\n\n[sources.{header}]\n{tomlkit.dumps(table)}".lstrip("\n")

    return _change(path, name, added)[name]


def remove(path: Path, name: str) -> None:
    """The source `name` taken out; comments above and below it stay, those among its keys go."""

    def without(text: str, sources: Mapping[str, Source]) -> str:
        _check_there(sources, name, path)
        document = tomlkit.parse(text)
        tables: Any = document["sources"]
        names = list(tables)
        tail = _take_tail(tables[name])
        before = tables[names[names.index(name) - 1]] if names.index(name) else None
        if isinstance(before, Table):
            before.value.body.extend(tail)
        else:
            at = next(at for at, (key, _) in enumerate(document.body) if key and key.key == "sources")
            document.body[at:at] = tail
        del tables[name]
        return tomlkit.dumps(document)

    _change(path, name, without)


def pause(path: Path, name: str) -> Source:
    """The source with `paused = true`: it only runs by hand."""
    return _set_paused(path, name, True)


def resume(path: Path, name: str) -> Source:
    """The source with `paused = false`, or without the key where it had none."""
    return _set_paused(path, name, False)


def _set_paused(path: Path, name: str, paused: bool) -> Source:
    def changed(text: str, sources: Mapping[str, Source]) -> str:
        _check_there(sources, name, path)
        if sources[name].paused == paused:
            return text
        document = tomlkit.parse(text)
        table: Any = document["sources"][name]
        tail = _take_tail(table)
        table["paused"] = paused
        if tail:
            table.value.body.extend(tail)
        return tomlkit.dumps(document)

    return _change(path, name, changed)[name]


def _check_there(sources: Mapping[str, Source], name: str, path: Path) -> None:
    if name not in sources:
        known = ", ".join(sources) or "none"
        raise NotFound(f"no source {name!r}", where=str(path), remedy=f"The file has: {known}")


def _take_tail(table: Any) -> list[tuple[Any, Any]]:
    """Comments and blank lines after a table's last key, taken out of it: they are about what follows."""
    tail: list[tuple[Any, Any]] = []
    body = table.value.body if isinstance(table, Table) else []
    while body and body[-1][0] is None:
        tail.insert(0, body.pop())
    return tail


# ------------------------------------------------------------------ the file
def _change(path: Path, name: str, edit: Callable[[str, Mapping[str, Source]], str]) -> dict[str, Source]:
    """The file's sources after `edit` of its text; nothing is written where the result is not what was meant."""
    path = path.resolve()  # a link stays one
    with _alone(path.parent):
        return _changed(path, name, edit)


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """No other such change of a file in the folder meanwhile: between a look and a write another one would be lost."""
    handle = os.open(next(there for there in (folder, *folder.parents) if there.exists()), os.O_RDONLY)
    try:
        with contextlib.suppress(OSError):  # a file system without locks
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _changed(path: Path, name: str, edit: Callable[[str, Mapping[str, Source]], str]) -> dict[str, Source]:
    sources = read_sources(path)
    old = _bytes(path)
    text = old.decode("utf-8")
    try:
        new = edit(text, sources)
    except tomlkit.exceptions.TOMLKitError as error:
        raise _by_hand(path, str(error)) from None
    if "\r\n" in text:
        new = "\r\n".join(new.replace("\r\n", "\n").split("\n"))
    if _others(text, name, path) != _others(new, name, path):
        raise _by_hand(path, "other sources would change as well")
    return _replace(path, old, new, name) if new != text else sources


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.exists() else b""


def _others(text: str, name: str, path: Path) -> Tables:
    try:
        found: Tables = tomllib.loads(text.replace("\r\n", "\n")).get("sources", {})
    except tomllib.TOMLDecodeError as error:
        raise _by_hand(path, str(error)) from None
    return {key: value for key, value in found.items() if key != name}


def _by_hand(path: Path, why: str) -> SettingsError:
    return SettingsError(f"cannot be changed: {why}", where=str(path), remedy="Change it by hand; nothing was written")


def _replace(path: Path, old: bytes, text: str, name: str) -> dict[str, Source]:
    """The sources of `text`, which now stands at `path`, whole and on disk."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    new = Path(temporary)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(text.encode("utf-8"))
            file.flush()
            os.fsync(file.fileno())
        try:
            read_sources(new)
        except SettingsError as error:
            raise SettingsError(error.what, where=f"{path} [sources.{name}]", remedy=error.remedy) from None
        if path.exists():
            shutil.copymode(path, new)
        else:
            new.chmod(0o666 & ~_umask())
        if _bytes(path) != old:
            raise SettingsError("was changed meanwhile", where=str(path), remedy="Run the same again")
        new.replace(path)
    finally:
        new.unlink(missing_ok=True)
    return read_sources(path)


def _umask() -> int:
    mask = os.umask(0o077)
    os.umask(mask)
    return mask
