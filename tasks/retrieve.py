"""The way back: find → fetch → verify → extract, for pull, show and verify of what is stored."""

import contextlib
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.bundle.read import extract_bundle, member_names, read_member
from tasks.bundle.verify import is_sound, verify_file
from tasks.catalog import is_id
from tasks.errors import FixityError, NotFound
from tasks.lineage import lineage_problems
from tasks.records import Problem
from tasks.settings import Settings
from tasks.store import Store, open_store

__all__ = [
    "Pulled",
    "Shown",
    "check_sound",
    "fetched",
    "pull",
    "read_shown",
    "verify_stored",
    "verify_target",
]


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


def pull(store: Store, id_: str, dest: Path, *, force: bool = False) -> Pulled:
    """A bundle, verified with its manifest, below `dest`/<id>/.

    Raises NotFound, FixityError with the first problems, or WouldOverwrite without `force`.
    """
    with fetched(store, id_) as path:
        problems = check_sound(verify_stored(store, id_, path), where=f"{store.location} {id_}")
        folder = dest / id_
        return Pulled(id_, folder, tuple(extract_bundle(path, folder, force=force)), problems)


def check_sound(problems: tuple[Problem, ...], *, where: str) -> tuple[Problem, ...]:
    """The notes of a sound bundle; raises FixityError with the first problems of any other."""
    if not is_sound(problems):
        raise FixityError(
            "; ".join(str(problem) for problem in problems[:3]),
            where=where,
            remedy="Nothing was written. `tearsheet verify` lists every problem; restore the bundle from a copy",
        )
    return problems


def verify_stored(store: Store, id_: str, path: Path, *, level: str = "full") -> tuple[Problem, ...]:
    """Every problem of a stored bundle, its copy at `path`: of the file, of its manifest, of the parent it names."""
    manifest = store.read_manifest(id_)
    return (*verify_file(path, level=level, manifest=manifest), *lineage_problems(store, manifest))


@dataclass(frozen=True, slots=True)
class Shown:
    """What `show` prints of a bundle."""

    id: str
    metadata: dict[str, Any]
    markdown: str
    text: str
    removals: tuple[dict[str, Any], ...]

    @property
    def heading(self) -> str:
        """Title, byline and origin as Markdown, each where the page gave it."""
        title, authors, published = (
            (self.metadata.get(name) or {}).get("value") for name in ("title", "authors", "published")
        )
        byline = [", ".join(authors or ()), (published or "")[:10], self.metadata.get("final_url") or ""]
        title = f"# {' '.join(title.split())}\n\n" if title else ""
        return title + " · ".join(part for part in byline if part) + "\n\n"


def read_shown(path: Path) -> Shown:
    """Article, metadata and ledger of a bundle on disk; empty where the capture has no article."""
    names = member_names(path)

    def text(name: str) -> str:
        return read_member(path, name).decode("utf-8") if name in names else ""

    lines = text("article/removed.jsonl").split("\n")  # not splitlines: a text may hold other line ends
    return Shown(
        id=path.name.removesuffix(".wacz"),
        metadata=json.loads(text("article/metadata.json") or "{}"),
        markdown=text("article/article.md"),
        text=text("article/article.txt"),
        removals=tuple(json.loads(line) for line in lines if line),
    )


def verify_target(target: str, settings: Settings, level: str) -> tuple[Problem, ...]:
    """Every problem of a file, or of a stored bundle, named by its id, with its manifest."""
    try:
        if Path(target).exists():  # raises where the name itself is too long
            return verify_file(Path(target), level=level)
    except OSError as error:
        raise NotFound(
            error.strerror or str(error), where=target, remedy="Name a WACZ or WARC file that can be read"
        ) from error
    if not is_id(target):
        raise NotFound("no such file", where=target, remedy="Name a WACZ or WARC file, or the id of a stored bundle")
    with open_store(settings.store, settings) as store, fetched(store, target) as path:
        return verify_stored(store, target, path, level=level)
