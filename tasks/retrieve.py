"""The way back: find → fetch → verify → extract, for pull, show and verify of what is stored."""

import contextlib
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tasks.bundle.read import extract_bundle
from tasks.bundle.verify import is_sound, verify_file
from tasks.catalog import find
from tasks.errors import FixityError
from tasks.records import Problem
from tasks.store import Store

__all__ = ["Pulled", "fetched", "pull"]


@dataclass(frozen=True, slots=True)
class Pulled:
    """A verified copy on disk."""

    id: str
    folder: Path
    files: tuple[Path, ...]
    problems: tuple[Problem, ...]  # notes only: an unsound bundle is never given out


@contextlib.contextmanager
def fetched(store: Store, id_: str) -> Iterator[Path]:
    """A copy of the stored bundle, its digest checked against the manifest; gone afterwards."""
    with tempfile.TemporaryDirectory(prefix="tearsheet-") as folder:
        yield store.fetch_bundle(id_, Path(folder))


def pull(store: Store, target: str, dest: Path, *, at: datetime | None = None, force: bool = False) -> Pulled:
    """The bundle that `target` (an id or a URL) means, verified, below `dest`/<id>/.

    Raises NotFound, FixityError with the first problems, or WouldOverwrite without `force`.
    """
    id_ = find(store, target, at)
    with fetched(store, id_) as path:
        problems = verify_file(path)
        if not is_sound(problems):
            raise FixityError(
                "; ".join(str(problem) for problem in problems[:3]),
                where=f"{store.location} {id_}",
                remedy="Nothing was written. `tearsheet verify` lists every problem; restore the bundle from a copy",
            )
        folder = dest / id_
        return Pulled(id_, folder, tuple(extract_bundle(path, folder, force=force)), problems)
