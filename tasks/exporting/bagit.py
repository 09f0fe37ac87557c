"""Bundles as a BagIt 1.0 bag (RFC 8493): data/<id>.wacz and .json, their events, the files they were imported from."""

import hashlib
import re
import shutil
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from functools import partial
from pathlib import Path
from typing import IO

from tasks import __version__
from tasks.bundle.manifest import Source, read_manifest
from tasks.bundle.verify import verify_file
from tasks.errors import FixityError, FormatError, NotFound, TearsheetError
from tasks.exporting.folder import whole_folder
from tasks.exporting.report import STOPS, Exported, Heard, Report
from tasks.records import Digest, digest_of
from tasks.retrieve import check_sound, verify_stored
from tasks.store import Store
from tasks.store.disk import create_file
from tasks.store.events import EVENT_KEY, Event
from tasks.store.layout import EVENTS, SOURCE_KINDS, source_key
from tasks.store.objects import keys

__all__ = ["export_bag", "manifest_line"]

_READERS, _AT_ONCE = 8, 256  # events read at once, and held
DECLARATION = b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"


@dataclass(slots=True)
class _Bag:
    """A bag while it is filled."""

    folder: Path
    lines: IO[str]  # of the payload manifest
    names: set[str] = field(default_factory=set)
    size: int = 0

    def add(self, name: str, sha256: Digest, size: int) -> None:
        """Note a payload file that is complete."""
        self.lines.write(manifest_line(name, sha256))
        self.names.add(name)
        self.size += size

    def write(self, name: str, data: bytes) -> None:
        """A payload file out of memory."""
        sha256 = digest_of(data)
        _write(self.folder / name, [data], sha256)
        self.add(name, sha256, len(data))


def manifest_line(name: str, sha256: Digest) -> str:
    """One line of a manifest; line ends and % in a name are percent-encoded (RFC 8493, 2.1.3)."""
    coded = name.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")
    return f"{sha256.removeprefix('sha256:')}  {coded}\n"


def export_bag(
    store: Store,
    ids: Iterable[str],
    out: Path,
    *,
    organization: str = "",
    missing: list[Exported],
    force: bool = False,
    today: date | None = None,
    heard: Heard = lambda exported: None,
) -> Report:
    """A valid bag of these bundles as the folder `out`; a run that broke off goes on where it was.

    `missing` are targets that the store lacks; it is read when `ids` is at its end, and told in bag-info.txt.
    """
    report = Report(out)
    with whole_folder(out, force=force, resume=True) as folder:
        (folder / "data").mkdir(exist_ok=True)
        with (folder / "manifest-sha256.txt").open("w", encoding="utf-8", newline="\n") as lines:
            bag = _Bag(folder, lines)
            _fill(bag, store, ids, report, heard)
        report.left[:0] = missing
        _drop_strays(bag)
        _write_tags(bag, report, organization, today or datetime.now(UTC).date())
        report.files, report.size = len(bag.names), bag.size
        if not report.bundles:
            shutil.rmtree(folder)
            raise NotFound("no bundle to export", where=store.location, remedy=_why_none(report))
    return report


def _why_none(report: Report) -> str:
    return str(report.left[0].error) if report.left else "`tearsheet list` shows what is there"


# ------------------------------------------------------------------ payload
def _fill(bag: _Bag, store: Store, ids: Iterable[str], report: Report, heard: Heard) -> None:
    """Bundles in the order of their ids, then sources, then events."""
    done, sources = set[str](), set[Source]()
    for id_ in ids:
        try:
            source = _add_bundle(bag, store, id_)
        except STOPS:
            raise
        except TearsheetError as error:
            report.left.append(Exported(id_, error=error))
            heard(report.left[-1])
            continue
        done.add(id_)
        sources |= {source} if source else set()
        report.bundles += 1
        heard(Exported(id_, (f"data/{id_}.wacz", f"data/{id_}.json")))
    for source in sorted(sources, key=lambda item: item.sha256):
        try:
            _add_source(bag, store, source)
        except STOPS:
            raise
        except TearsheetError as error:
            report.left.append(Exported(source.sha256, error=error))
            heard(report.left[-1])
    for damaged in _add_events(bag, store, done):
        report.left.append(Exported(damaged.where, error=damaged))
        heard(report.left[-1])


def _add_bundle(bag: _Bag, store: Store, id_: str) -> Source | None:
    """The verified bundle and its manifest; gives the file it was imported from."""
    data = store.read_manifest(id_)
    manifest = read_manifest(data)
    name = f"data/{id_}.wacz"
    path = bag.folder / name
    if not _is_there(path, manifest.sha256):
        store.fetch_bundle(id_, path.parent)
    check_sound(verify_stored(store, id_, path), where=f"{store.location} {id_}")
    bag.add(name, manifest.sha256, manifest.bytes)
    bag.write(f"data/{id_}.json", data)
    return manifest.source


def _add_source(bag: _Bag, store: Store, source: Source) -> None:
    for kind in SOURCE_KINDS:
        key = source_key(source.sha256, kind)
        name = f"data/sources/{key.rpartition('/')[2]}"
        if not _is_there(bag.folder / name, source.sha256):
            try:
                _write(bag.folder / name, store.objects.read(key), source.sha256)
            except NotFound:
                continue
        bag.add(name, source.sha256, source.bytes)
        return
    remedy = "The bundles made from it are whole without it"
    raise NotFound("the file that bundles were imported from is gone", where=source.sha256, remedy=remedy)


def _add_events(bag: _Bag, store: Store, ids: set[str]) -> Iterator[TearsheetError]:
    """Every event that is about one of the bundles, with what belongs to it; gives what is damaged and left out."""
    found = sorted(filter(EVENT_KEY.fullmatch, keys(store.objects, EVENTS)))
    with ThreadPoolExecutor(_READERS, thread_name_prefix="read") as pool:
        for start in range(0, len(found), _AT_ONCE):
            for event in pool.map(partial(_read_event, store), found[start : start + _AT_ONCE]):
                if isinstance(event, TearsheetError):
                    yield event
                elif event.bundle in ids:
                    yield from _add_event(bag, store, event)


def _read_event(store: Store, key: str) -> Event | FormatError:
    try:
        return store.read_event(key)
    except FormatError as error:
        return error


def _add_event(bag: _Bag, store: Store, event: Event) -> Iterator[TearsheetError]:
    name, key = f"data/events/{event.stem.rpartition('/')[2]}", f"{event.stem}.warc.gz"
    try:
        attached = b"".join(store.objects.read(key))
    except NotFound:
        attached = None
    if attached is not None:
        path = bag.folder / f"{name}.warc.gz"
        _write(path, [attached], digest_of(attached))
        errors = [item for item in verify_file(path) if item.severity == "error"]
        if errors:
            path.unlink()
            yield FixityError(str(errors[0]), where=key, remedy="It is damaged: put it back from a copy")
            return
        bag.write(f"{name}.warc.gz", attached)
    bag.write(f"{name}.json", event.data)


def _is_there(path: Path, sha256: Digest) -> bool:
    """Whether an earlier run left just these bytes; others are removed."""
    if not path.is_file():
        return False
    with path.open("rb") as file:
        if f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}" == sha256:
            return True
    path.unlink()
    return False


def _write(path: Path, pieces: Iterable[bytes], sha256: Digest) -> None:
    if not _is_there(path, sha256):
        create_file(path, pieces, sha256=sha256)


def _drop_strays(bag: _Bag) -> None:
    """What an earlier run with another selection left."""
    for path in sorted((bag.folder / "data").rglob("*")):
        if path.is_file() and path.relative_to(bag.folder).as_posix() not in bag.names:
            path.unlink()


# ------------------------------------------------------------------ tag files
def _write_tags(bag: _Bag, report: Report, organization: str, today: date) -> None:
    (bag.folder / "bagit.txt").write_bytes(DECLARATION)
    with (bag.folder / "bag-info.txt").open("w", encoding="utf-8", newline="\n") as info:
        for name, value in _info(bag, report, organization, today):
            info.write(f"{name}: {_one_line(value)}\n")
    with (bag.folder / "tagmanifest-sha256.txt").open("w", encoding="utf-8", newline="\n") as tags:
        for name in ("bag-info.txt", "bagit.txt", "manifest-sha256.txt"):
            with (bag.folder / name).open("rb") as file:
                found = hashlib.file_digest(file, "sha256").hexdigest()
            tags.write(manifest_line(name, Digest(f"sha256:{found}")))


def _info(bag: _Bag, report: Report, organization: str, today: date) -> Iterator[tuple[str, str]]:
    """RFC 8493, 2.2.2; External-Identifier is there once for each bundle, which that section allows."""
    if organization:
        yield "Source-Organization", organization
    yield "Bagging-Date", today.isoformat()
    yield "Bag-Software-Agent", f"tearsheet/{__version__}"
    yield "External-Description", f"{report.bundles} bundles of Tearsheet: WACZ files with their manifests"
    for name in sorted(bag.names):
        if re.fullmatch(r"data/[0-9-]+[0-9a-f]+\.wacz", name):
            yield "External-Identifier", name.removeprefix("data/").removesuffix(".wacz")
    yield "Bag-Size", f"{bag.size} bytes"
    yield "Payload-Oxum", f"{bag.size}.{len(bag.names)}"
    for item in report.left:
        yield "Tearsheet-Left-Out", f"{item.id} {item.error}"


def _one_line(value: str) -> str:
    """Without line ends and other controls, which a tag file cannot hold."""
    return " ".join("".join(char if char.isprintable() else " " for char in value).split())
