"""What is wrong with one bundle, at a level: its manifest, its size, the digest that the server tells, its bytes."""

import contextlib
import hashlib
import io
import json
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, BinaryIO

from tasks.auditing.codes import Finding
from tasks.bundle.manifest import Manifest, read_manifest
from tasks.bundle.verify import manifest_problems
from tasks.bundle.verify_manifest import Beside
from tasks.errors import FixityError, FormatError, NotFound, StoreRefused, StoreUnavailable
from tasks.lineage import lineage_problems
from tasks.store import Store
from tasks.store.layout import bundle_key, manifest_key

__all__ = ["LEVELS", "Checked", "check_bundle", "digest_stored"]

LEVELS = ("size", "checksum", "full")
_IN_MEMORY = 4 << 20  # bytes of a bundle up to which its manifest is held against a copy in memory, else on disk


@dataclass(frozen=True, slots=True)
class Checked:
    """What was found of one bundle or source."""

    name: str
    findings: tuple[Finding, ...] = ()
    bytes: int = 0  # of the bundle that were read
    untold: int = 0  # 1 where the server tells no digest
    source: str = ""  # sha256 of the file that the bundle was imported from
    links: tuple[tuple[str, str], ...] = ()  # id and digest of the version that it says it follows
    read: bool = False  # every byte was read
    down: bool = False  # the server gave no answer for it: not about the bundle, perhaps


def check_bundle(store: Store, id_: str, level: str, size: int | None) -> Checked:
    """The bundle `id_`, whose WACZ was listed with `size` (None: not listed, which is said elsewhere)."""
    try:
        raw = b"".join(store.objects.read(manifest_key(id_)))
        manifest = read_manifest(raw)
    except NotFound:
        return Checked(id_)  # taken down since it was listed
    except (FormatError, FixityError) as error:
        return Checked(id_, (Finding("manifest-broken", manifest_key(id_), id_, found=error.what),))
    except (StoreUnavailable, StoreRefused) as error:
        return _unreadable(id_, manifest_key(id_), error)
    if finding := _of_another(id_, manifest):
        return Checked(id_, (finding,))
    found = Checked(id_, _lineage(store, id_, raw), source=_source_of(raw), links=_links(raw))
    if size is None:
        return found
    if size != manifest.bytes:
        said = Finding("wacz-size", bundle_key(id_), id_, f"{manifest.bytes} bytes", f"{size}")
        return replace(found, findings=(*found.findings, said))
    if level == "size":
        return found
    more = _told(store, id_, manifest) if level == "checksum" else _read(store, id_, manifest, raw)
    return replace(more, findings=(*found.findings, *more.findings), source=found.source, links=found.links)


def _of_another(id_: str, manifest: Manifest) -> Finding | None:
    """A manifest that is not of this id: by the id in it, by its digest, or by the second of the capture."""
    key, second = manifest_key(id_), "".join(filter(str.isdigit, manifest.captured_at))
    if manifest.id != id_:
        return Finding("manifest-other", key, id_, id_, manifest.id)
    if not manifest.sha256.startswith(f"sha256:{id_[15:]}"):
        return Finding("manifest-other", key, id_, f"sha256:{id_[15:]}…", manifest.sha256)
    if second != id_[:14]:
        return Finding("manifest-other", key, id_, id_[:14], manifest.captured_at)
    return None


def _lineage(store: Store, id_: str, raw: bytes) -> tuple[Finding, ...]:
    if b'"parent"' not in raw:
        return ()
    codes = {"parent-missing": "lineage-missing", "parent-mismatch": "lineage-mismatch"}
    return tuple(
        Finding(codes[problem.code], manifest_key(id_), id_, problem.expected, problem.found)
        for problem in lineage_problems(store, raw)
    )


def _links(raw: bytes) -> tuple[tuple[str, str], ...]:
    """The bundle that this one follows as a version; what it was derived from is checked by _lineage."""
    previous = json.loads(raw).get("previous") if b'"previous"' in raw else None
    if previous is None:
        return ()
    row = previous if isinstance(previous, dict) else {}
    return ((str(row.get("id")), str(row.get("sha256"))),)


def _source_of(raw: bytes) -> str:
    source = json.loads(raw).get("source") if b'"source"' in raw else None
    digest = source.get("sha256") if isinstance(source, dict) else None
    return digest.removeprefix("sha256:") if isinstance(digest, str) else ""


# ------------------------------------------------------------------ the bundle's bytes
def _told(store: Store, id_: str, manifest: Manifest) -> Checked:
    """What the server recorded when the bundle was stored."""
    key = bundle_key(id_)
    try:
        stat = store.objects.stat(key)
    except NotFound:
        return Checked(id_)  # said where the listing is looked at
    except (StoreUnavailable, StoreRefused) as error:
        return _unreadable(id_, key, error)
    if stat.size != manifest.bytes:
        return Checked(id_, (Finding("wacz-size", key, id_, f"{manifest.bytes} bytes", f"{stat.size}"),))
    if stat.sha256 is None:
        return Checked(id_, untold=1)
    if stat.sha256 != manifest.sha256:
        return Checked(id_, (Finding("wacz-digest", key, id_, manifest.sha256, f"{stat.sha256} recorded"),))
    return Checked(id_)


def _read(store: Store, id_: str, manifest: Manifest, raw: bytes) -> Checked:
    """Every byte, and each field of the manifest against them."""
    key = bundle_key(id_)
    try:
        with _copy(store, key, manifest.bytes) as (file, size, sha256):
            if sha256 != manifest.sha256:
                return Checked(id_, (Finding("wacz-digest", key, id_, manifest.sha256, sha256),), size)
            problems = manifest_problems(file, size, Beside(id_, raw, manifest.sha256))
    except NotFound:
        return Checked(id_)  # said where the listing is looked at
    except FixityError as error:
        return Checked(id_, (Finding("wacz-digest", key, id_, manifest.sha256, error.what),))
    except (StoreUnavailable, StoreRefused) as error:
        return _unreadable(id_, key, error)
    bad = [problem for problem in problems if problem.severity != "note"]
    other = [problem for problem in bad if problem.code != "manifest-mismatch"]
    if other:
        return Checked(id_, (Finding("wacz-unsound", key, id_, found=str(other[0])),), size)
    findings = tuple(
        Finding("manifest-mismatch", manifest_key(id_), id_, f"{p.place}: {p.expected}", p.found) for p in bad[:3]
    )
    return Checked(id_, findings, size, read=True)


@contextlib.contextmanager
def _copy(store: Store, key: str, size: int) -> Iterator[tuple[BinaryIO, int, str]]:
    """The object in memory or in a temporary file, its size and its digest."""
    digest, total = hashlib.sha256(), 0
    file: Any = io.BytesIO() if size <= _IN_MEMORY else tempfile.TemporaryFile()  # noqa: SIM115 closed below
    with file:
        for piece in store.objects.read(key):
            digest.update(piece)
            total += len(piece)
            if total <= size:  # one that grew is wrong already
                file.write(piece)
        file.seek(0)
        yield file, total, f"sha256:{digest.hexdigest()}"


def digest_stored(store: Store, key: str) -> tuple[int, str]:
    """Size and digest of an object as it is read; the store's errors."""
    digest, size = hashlib.sha256(), 0
    for piece in store.objects.read(key):
        digest.update(piece)
        size += len(piece)
    return size, f"sha256:{digest.hexdigest()}"


def _unreadable(id_: str, key: str, error: StoreUnavailable | StoreRefused) -> Checked:
    finding = Finding("unreadable", key, id_, found=error.what)
    return Checked(id_, (finding,), down=isinstance(error, StoreUnavailable))
