"""The way back: find → fetch → verify → extract, for pull, show, replay and verify of what is stored."""

import contextlib
import json
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from tasks.bundle.original import read_resources
from tasks.bundle.read import extract_bundle, member_names, read_member
from tasks.bundle.verify import is_sound, verify_file
from tasks.catalog import is_id
from tasks.errors import FixityError, NotFound
from tasks.lineage import lineage_problems, source_problems
from tasks.proof import Proof, Trust, prove_file, prove_stored
from tasks.records import Problem, digest_of
from tasks.settings import Settings
from tasks.store import Store, open_store
from tasks.store.disk import write_new
from tasks.timestamps import stamps_of

__all__ = [
    "Pulled",
    "Shown",
    "check_sound",
    "check_verified",
    "examine_target",
    "fetched",
    "pull",
    "read_shown",
    "verified",
    "verify_stored",
    "verify_target",
]

R = TypeVar("R")


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


def pull(store: Store, id_: str, dest: Path, *, force: bool = False, trust: Trust | None = None) -> Pulled:
    """A bundle, verified with its manifest, below `dest`/<id>/.

    Its time stamps lie beside it. With `trust` that requires a signature there must be one by a known key.
    Raises NotFound, FixityError with the first problems, or WouldOverwrite without `force`.
    """
    with fetched(store, id_) as path:
        problems = _check_copy(store, id_, path, trust)
        folder = dest / id_
        files = (*extract_bundle(path, folder, force=force), *_write_pictures(path, folder, force=force))
    return Pulled(id_, folder, (*files, *_write_stamps(store, id_, folder, force=force)), problems)


@contextlib.contextmanager
def verified(store: Store, id_: str, *, trust: Trust | None = None) -> Iterator[Path]:
    """A copy of the stored bundle, verified as `pull` does; gone afterwards."""
    with fetched(store, id_) as path:
        _check_copy(store, id_, path, trust)
        yield path


def _check_copy(store: Store, id_: str, path: Path, trust: Trust | None) -> tuple[Problem, ...]:
    """The notes of a copy at `path` that is sound, and signed where `trust` requires it; FixityError of any other."""
    found = verify_stored(store, id_, path)
    if trust and trust.required:
        found += tuple(item for item in prove_file(path, trust).problems if item.code == "signature-required")
    return check_sound(found, where=f"{store.location} {id_}")


# The DOM is not among them: opened from a disk its scripts would run, and ask the live web.
_PICTURES = {"view": "screenshot.png", "thumbnail": "thumbnail.webp", "pdf": "page.pdf"}


def _write_pictures(bundle: Path, folder: Path, *, force: bool) -> Iterator[Path]:
    """What a browser has shown of the page."""
    for resource in read_resources(bundle):
        if resource.name not in _PICTURES:
            continue
        path = folder / _PICTURES[resource.name]
        if force:
            path.unlink(missing_ok=True)
        with resource.block.open() as block:
            write_new(path, (block.read(),), sha256=resource.digest)
        yield path


def _write_stamps(store: Store, id_: str, folder: Path, *, force: bool) -> Iterator[Path]:
    """Each time stamp of a bundle as a file that `openssl ts` reads."""
    for stamp in stamps_of(store, id_):
        path = folder / f"{id_}-{stamp.key.rpartition('-')[2].removesuffix('.json')}.tsr"
        if force:
            path.unlink(missing_ok=True)
        write_new(path, (stamp.data,), sha256=digest_of(stamp.data))
        yield path


def check_sound(problems: tuple[Problem, ...], *, where: str) -> tuple[Problem, ...]:
    """The notes of a sound bundle; raises FixityError with the first problems of any other."""
    if not is_sound(problems):
        raise FixityError(
            "; ".join(str(problem) for problem in problems[:3]),
            where=where,
            remedy="Nothing was written. `tearsheet verify` lists every problem; restore the bundle from a copy",
        )
    return problems


def check_verified(store: Store, id_: str) -> None:
    """Read a stored bundle in full; FixityError with the first problems where it is not sound."""
    with fetched(store, id_) as path:
        check_sound(verify_stored(store, id_, path), where=f"{store.location} {id_}")


def verify_stored(store: Store, id_: str, path: Path, *, level: str = "full") -> tuple[Problem, ...]:
    """Every problem of a stored bundle, its copy at `path`: of file and manifest, of the parent and source it names."""
    manifest = store.read_manifest(id_)
    beside = (*lineage_problems(store, manifest), *source_problems(store, manifest))
    return (*verify_file(path, level=level, manifest=manifest), *beside)


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
    return _at_target(target, settings, partial(verify_file, level=level), partial(verify_stored, level=level))


def examine_target(target: str, settings: Settings, level: str, trust: Trust) -> tuple[tuple[Problem, ...], Proof]:
    """The same with what signature and time stamps prove; what is wrong with these is among the problems."""

    def of_file(path: Path) -> tuple[tuple[Problem, ...], Proof]:
        proof = prove_file(path, trust)
        return (*verify_file(path, level=level), *proof.problems), proof

    def of_stored(store: Store, id_: str, path: Path) -> tuple[tuple[Problem, ...], Proof]:
        proof = prove_stored(store, id_, path, trust)
        return (*verify_stored(store, id_, path, level=level), *proof.problems), proof

    return _at_target(target, settings, of_file, of_stored)


def _at_target(
    target: str, settings: Settings, of_file: Callable[[Path], R], of_stored: Callable[[Store, str, Path], R]
) -> R:
    """What one of the two gives for a file, or for a stored bundle named by its id."""
    try:
        if Path(target).exists():  # raises where the name itself is too long
            return of_file(Path(target))
    except OSError as error:
        raise NotFound(
            error.strerror or str(error), where=target, remedy="Name a WACZ or WARC file that can be read"
        ) from error
    if not is_id(target):
        raise NotFound("no such file", where=target, remedy="Name a WACZ or WARC file, or the id of a stored bundle")
    with open_store(settings.store, settings) as store, fetched(store, target) as path:
        return of_stored(store, target, path)
