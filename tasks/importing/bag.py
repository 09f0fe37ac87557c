"""A BagIt bag (RFC 8493) as it lies on disk: checked whole, then what it holds for a store."""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tasks.errors import FixityError, FormatError
from tasks.records import BUNDLE_ID, Digest
from tasks.store.events import EVENT_KEY, Event, read_event
from tasks.store.layout import EVENTS
from tasks.store.objects import Content

__all__ = ["Bag", "SourceFile", "is_bag", "open_bag"]

_LINE = re.compile(r"([0-9A-Fa-f]+)[ \t]+\*?(.+)")
_UNSAFE = re.compile(r"^/|^~|^[A-Za-z]:|\\|(^|/)\.\.?(/|$)|[\x00-\x1f\x7f]")
_FILES = (".wacz", ".warc", ".warc.gz")
_SOURCE = re.compile(r"([0-9a-f]{64})\.(wacz|warc|warc\.gz)")
_EVENT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})[0-9]{6}-[a-z]+-[0-9a-f]{16}\.json")
_MAX_LISTS = 256 << 20  # bytes of one manifest
_ALGORITHMS = ("sha512", "sha256")


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file of another tool that bundles in the bag were made from."""

    path: Path
    sha256: Digest
    kind: str


@dataclass(frozen=True, slots=True)
class Bag:
    """A bag whose every byte fits its manifests."""

    folder: Path
    digests: Mapping[str, str]  # payload path: hex digest

    @property
    def files(self) -> tuple[Path, ...]:
        """WACZ and WARC files, in the order of their names, but for the sources of bundles."""
        names = sorted(name for name in self.digests if name.endswith(_FILES) and not self._belongs(name))
        return tuple(self.folder / name for name in names)

    @property
    def sources(self) -> Iterator[SourceFile]:
        """What bundles in the bag were made from."""
        for name in sorted(self.digests):
            match = _SOURCE.fullmatch(name.removeprefix("data/sources/"))
            if name.startswith("data/sources/") and match:
                yield SourceFile(self.folder / name, Digest(f"sha256:{match[1]}"), match[2])

    def manifest_of(self, file: Path) -> bytes | None:
        """The manifest beside a bundle of ours."""
        beside = file.with_suffix(".json")
        if BUNDLE_ID.fullmatch(file.stem) and str(beside.relative_to(self.folder).as_posix()) in self.digests:
            return beside.read_bytes()
        return None

    def events(self) -> Iterator[tuple[Event, Content | None]]:
        """Events of bundles in the bag, each with what belongs to it."""
        for name in sorted(self.digests):
            match = _EVENT.fullmatch(name.removeprefix("data/events/"))
            if not (name.startswith("data/events/") and match):
                continue
            key = f"{EVENTS}{match[1]}/{match[2]}/{match[3]}/{match[0]}"
            if EVENT_KEY.fullmatch(key):
                attached = name.removesuffix(".json") + ".warc.gz"
                content = _content(self.folder / attached) if attached in self.digests else None
                yield read_event(key, (self.folder / name).read_bytes()), content

    def _belongs(self, name: str) -> bool:
        """Whether a file is kept for another one: a source, or what belongs to an event."""
        return name.startswith(("data/sources/", "data/events/"))


def _content(path: Path) -> Content:
    with path.open("rb") as file:
        return Content(path, Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"), file.tell())


def is_bag(path: Path) -> bool:
    """Whether `path` is the folder of a bag."""
    try:
        return (path / "bagit.txt").is_file()
    except OSError:  # a name that is too long: whoever opens it says so
        return False


def open_bag(folder: Path) -> Bag:
    """The bag in `folder`. FormatError where it is none, FixityError where a file is missing, extra or changed."""
    declared = (folder / "bagit.txt").read_bytes()[:1000].decode("utf-8", "replace")
    if not re.match(r"BagIt-Version: (0\.9[67]|1\.0)\r?\nTag-File-Character-Encoding: UTF-8\r?\n?$", declared, re.I):
        raise _broken(folder, "bagit.txt does not declare a bag of version 0.96 to 1.0 in UTF-8")
    algorithm = next((name for name in _ALGORITHMS if (folder / f"manifest-{name}.txt").is_file()), None)
    if algorithm is None:
        raise _broken(folder, "no manifest-sha256.txt or manifest-sha512.txt")
    digests = _read_list(folder, f"manifest-{algorithm}.txt")
    _check_all(folder, digests, algorithm)
    if (folder / f"tagmanifest-{algorithm}.txt").is_file():
        _check_all(folder, _read_list(folder, f"tagmanifest-{algorithm}.txt"), algorithm)
    found = {path.relative_to(folder).as_posix() for path in (folder / "data").rglob("*") if not path.is_dir()}
    if extra := sorted(found - set(digests)):
        raise FixityError(f"{extra[0]} is in no manifest", where=str(folder), remedy="Nothing of the bag was stored")
    return Bag(folder, digests)


def _read_list(folder: Path, name: str) -> dict[str, str]:
    """Path and digest of each line of a manifest; each path is one inside the bag."""
    path = folder / name
    if path.stat().st_size > _MAX_LISTS:
        raise _broken(folder, f"{name} has more than {_MAX_LISTS:,} bytes")
    found: dict[str, str] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").split("\n"):
        if not line.strip():
            continue
        match = _LINE.fullmatch(line.rstrip("\r"))
        if not match:
            raise _broken(folder, f"{name}: {line[:80]!r} is no digest and path")
        listed = re.sub(r"%(0A|0D|25)", lambda found: chr(int(found[1], 16)), match[2], flags=re.I)
        if _UNSAFE.search(listed) or (folder / listed).is_symlink() or listed in found:
            raise _broken(folder, f"{name}: {listed[:80]!r} is no safe path, or stands there twice")
        found[listed] = match[1].lower()
    return found


def _check_all(folder: Path, digests: Mapping[str, str], algorithm: str) -> None:
    for name, wanted in digests.items():
        path = folder / name
        if not path.is_file() or not path.resolve().is_relative_to(folder.resolve()):
            raise FixityError(f"{name} is missing", where=str(folder), remedy="Nothing of the bag was stored")
        with path.open("rb") as file:
            found = hashlib.file_digest(file, algorithm).hexdigest()
        if found != wanted:
            remedy = "Nothing of the bag was stored: get it again from where it came"
            raise FixityError(f"{name} is {algorithm}:{found}, {wanted} was meant", where=str(folder), remedy=remedy)


def _broken(folder: Path, what: str) -> FormatError:
    return FormatError(what, where=str(folder), remedy="Nothing of it was stored")
