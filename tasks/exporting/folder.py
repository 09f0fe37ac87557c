"""A folder that is either complete under its name or not there: filled as `.<name>.partial`, then renamed."""

import contextlib
import secrets
import shutil
from collections.abc import Iterator
from pathlib import Path

from tasks.errors import WouldOverwrite
from tasks.store.disk import os_errors, sync_folder

__all__ = ["MARK", "whole_folder"]

MARK = "<!-- written by tearsheet export -->"  # the first line of index.md: such a folder may be replaced


@contextlib.contextmanager
def whole_folder(out: Path, *, force: bool, resume: bool) -> Iterator[Path]:
    """The folder to fill, next to `out`, which it becomes when the block ends well; else it stays, for the next run.

    What is in it already is kept with `resume` and removed without. WouldOverwrite where something stands at `out`;
    with `force` only where that is no earlier export.
    """
    out = out.absolute()
    _check_free(out, force=force)
    partial = out.parent / f".{out.name}.partial"
    with os_errors(out):
        if not resume:
            shutil.rmtree(partial, ignore_errors=True)
        partial.mkdir(parents=True, exist_ok=True)
    yield partial
    with os_errors(out):
        old = None
        if out.is_dir():
            old = out.parent / f".{out.name}.old-{secrets.token_hex(4)}"
            out.rename(old)
        partial.rename(out)
        sync_folder(out.parent)
        if old:
            shutil.rmtree(old)


def _check_free(out: Path, *, force: bool) -> None:
    if not out.exists() and not out.is_symlink():
        return
    if out.is_dir() and not out.is_symlink():
        if not any(out.iterdir()):
            return
        if not force:
            raise WouldOverwrite("the folder is not empty", where=str(out), remedy="Name another one, or use --force")
        if _is_export(out):
            return
    remedy = "--force replaces an earlier export only: name another folder"
    raise WouldOverwrite("what stands there is no export of Tearsheet", where=str(out), remedy=remedy)


def _is_export(out: Path) -> bool:
    index, info = out / "index.md", out / "bag-info.txt"
    if info.is_file() and (out / "bagit.txt").is_file():
        return b"Bag-Software-Agent: tearsheet/" in info.read_bytes()
    return index.is_file() and index.read_bytes().startswith(MARK.encode())
