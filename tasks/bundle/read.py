"""Reading a bundle of ours, and taking it apart into a folder without ever leaving that folder."""

import contextlib
import errno
import json
import os
import re
import shutil
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import IO

from tasks.errors import DiskFull, FormatError, NotFound, WouldOverwrite

__all__ = ["extract_bundle", "member_names", "read_member", "read_members"]

MAX_MEMBER = 256 << 20  # bytes of one member that is read into memory
_SAFE = re.compile(r"(?!\.)[A-Za-z0-9._-]+(/(?!\.)[A-Za-z0-9._-]+){0,2}")  # no drive, no "..", no backslash
_EXTRACTED = ("archive/", "article/")
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)


def member_names(path: Path) -> tuple[str, ...]:
    """The members that datapackage.json lists, in its order. FormatError where a name is unsafe or there is none."""
    with _opened(path) as bundle:
        return _listed(bundle, path)


def read_member(path: Path, name: str) -> bytes:
    """The data of one listed member; NotFound where there is none of that name."""
    with _opened(path) as bundle:
        if name not in _listed(bundle, path):
            raise NotFound(f"no member {name}", where=path.name, remedy="`tearsheet verify` lists what is wrong")
        return _read(bundle, name, path)


def read_members(path: Path, names: Iterable[str]) -> dict[str, bytes]:
    """The data of those of `names` that are listed, and datapackage.json."""
    with _opened(path) as bundle:
        listed = _listed(bundle, path)
        wanted = [*(name for name in names if name in listed), "datapackage.json"]
        return {name: _read(bundle, name, path) for name in wanted}


def extract_bundle(path: Path, dest: Path, *, force: bool = False) -> tuple[Path, ...]:
    """The files written into `dest`: the WACZ itself, its WARCs, the article files; folders inside it are left out.

    Raises WouldOverwrite, before anything is written, when one of them exists and not `force`; DiskFull; FormatError.
    A file appears under its name only when it is complete.
    """
    with _opened(path) as bundle:
        names = [name for name in _listed(bundle, path) if name.startswith(_EXTRACTED)]
        targets = {name: dest / name.rpartition("/")[2] for name in names}
        copy = dest / path.name
        written = (copy, *targets.values())
        if len(set(written)) != len(written):
            raise _broken(path, "two members of one file name")
        for target in written:
            if os.path.lexists(target) and not (force and _is_file(target)):
                raise WouldOverwrite("exists already", where=str(target), remedy="Name another folder, or use --force")
        _make_folder(dest)
        with path.open("rb") as source:
            _write(source, copy)
        for name, target in targets.items():
            with _errors_named(path), bundle.open(name) as member:
                _write(member, target)
    return written


def _is_file(target: Path) -> bool:
    return target.is_symlink() or not target.is_dir()


def _make_folder(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        if error.errno in _FULL:
            raise DiskFull("no room", where=str(folder), remedy="Free some space and pull again") from None
        what = f"no folder can be made there: {error.strerror or error}"
        raise WouldOverwrite(what, where=str(folder), remedy="Name another folder") from None


@contextlib.contextmanager
def _opened(path: Path) -> Iterator[zipfile.ZipFile]:
    try:
        bundle = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, ValueError, UnicodeDecodeError):
        raise _broken(path, "not a WACZ") from None
    with bundle:
        yield bundle


def _broken(path: Path, why: str) -> FormatError:
    return FormatError(why, where=path.name, remedy="`tearsheet verify` lists every problem")


@contextlib.contextmanager
def _errors_named(path: Path) -> Iterator[None]:
    """Whatever zipfile raises on damaged data, as FormatError."""
    try:
        yield
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, KeyError) as error:
        raise _broken(path, f"a member cannot be read: {error}") from None


def _listed(bundle: zipfile.ZipFile, path: Path) -> tuple[str, ...]:
    try:
        names = [row["path"] for row in json.loads(_read(bundle, "datapackage.json", path))["resources"]]
    except (ValueError, KeyError, TypeError, RecursionError):
        raise _broken(path, "datapackage.json lists no members") from None
    inside = set(bundle.namelist())
    for name in names:
        if not isinstance(name, str) or not _SAFE.fullmatch(name):
            raise _broken(path, f"unsafe member name {name!r}")
        if name not in inside:
            raise _broken(path, f"{name} is listed but missing")
    return tuple(names)


def _read(bundle: zipfile.ZipFile, name: str, path: Path) -> bytes:
    with _errors_named(path), bundle.open(name) as member:
        data = member.read(MAX_MEMBER + 1)
    if len(data) > MAX_MEMBER:
        raise _broken(path, f"{name} has more than {MAX_MEMBER} bytes")
    return data


def _write(source: IO[bytes], target: Path) -> None:
    """Copy under a temporary name, then rename; a link that stands at the name is replaced, not followed."""
    with tempfile.NamedTemporaryFile(dir=target.parent, prefix=".pulling-", delete=False) as file:
        temporary = Path(file.name)
        try:
            shutil.copyfileobj(source, file, 1 << 20)
            file.close()
            temporary.chmod(0o644)
            temporary.replace(target)
        except OSError as error:
            if error.errno not in _FULL:
                raise
            with contextlib.suppress(OSError):  # closing flushes once more; that failure says nothing new
                file.close()
            raise DiskFull("no room", where=str(target), remedy="Free some space and pull again") from None
        finally:
            temporary.unlink(missing_ok=True)
