"""Puts back, from a second store, what an audit found missing or changed.

Nothing is overwritten blindly: the replacement is fetched to disk and verified first (its digest against the manifest,
the manifest against the bundle, an event or source against its name), then written, then read back.
"""

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from tasks.auditing.bundles import digest_stored
from tasks.auditing.codes import Finding
from tasks.bundle.manifest import Manifest, read_manifest
from tasks.bundle.verify import manifest_problems
from tasks.bundle.verify_manifest import Beside
from tasks.errors import FixityError, FormatError, NotFound
from tasks.records import Bundle, Digest
from tasks.store import Store
from tasks.store.disk import write_new
from tasks.store.events import Event, read_event
from tasks.store.layout import SOURCES, bundle_key, manifest_key
from tasks.store.objects import Content

__all__ = ["Repairer"]


@dataclass(frozen=True, slots=True)
class Repairer:
    """Repairs `store` from `other`; each repair is an event in `store`."""

    store: Store
    other: Store
    clock: Callable[[], datetime]

    def repair(self, finding: Finding) -> None:
        """The object of a repairable finding is whole again; else an error of ours that says why it is not."""
        with tempfile.TemporaryDirectory(prefix="tearsheet-repair-") as folder:
            if finding.code == "event-broken":
                content = self._event(finding.key)
            elif finding.key.startswith(SOURCES):
                content = self._source(finding.key, Path(folder))
            else:
                self._bundle(finding, Path(folder))
                return
            self._put_back(finding.key, content)

    def _bundle(self, finding: Finding, folder: Path) -> None:
        ours = finding.code.startswith("wacz-")
        with self._fetched(finding.bundle, folder, self.store if ours else self.other) as (manifest, raw, path):
            data = Content(path, manifest.sha256, manifest.bytes)
            if finding.code == "bundle-vanished":
                self.store.put_bundle(Bundle(manifest.id, path, data.sha256, data.size, raw))
                self._tell(bundle_key(manifest.id), data.sha256, manifest.id)
            elif ours:
                self._put_back(bundle_key(manifest.id), data, manifest.id)
            else:
                self._put_back(manifest_key(manifest.id), Content.of_bytes(raw), manifest.id)

    @contextlib.contextmanager
    def _fetched(self, id_: str, folder: Path, trusted: Store) -> Iterator[tuple[Manifest, bytes, Path]]:
        """The bundle of the other store, with the manifest of the `trusted` one, verified with each other."""
        raw = trusted.read_manifest(id_)
        manifest, path = read_manifest(raw), folder / f"{id_}.wacz"
        if manifest.id != id_ or not manifest.sha256.startswith(f"sha256:{id_[15:]}"):
            raise FormatError(f"it is that of {manifest.id}", where=f"{trusted.location} manifest of {id_}")
        try:
            write_new(path, self.other.objects.read(bundle_key(id_)), sha256=manifest.sha256)
        except NotFound:
            raise NotFound("it does not hold the bundle", where=f"{self.other.location} {id_}") from None
        with path.open("rb") as file:
            problems = manifest_problems(file, manifest.bytes, Beside(id_, raw))
        bad = [str(problem) for problem in problems if problem.severity != "note"]
        if bad:
            raise FixityError(f"the manifest does not fit: {bad[0]}", where=f"{trusted.location} {id_}")
        yield manifest, raw, path

    def _event(self, key: str) -> Content:
        data = b"".join(self.other.objects.read(key))
        read_event(key, data)
        return Content.of_bytes(data)

    def _source(self, key: str, folder: Path) -> Content:
        path, sha256 = folder / "source", Digest(f"sha256:{key.removeprefix(SOURCES).partition('.')[0]}")
        write_new(path, self.other.objects.read(key), sha256=sha256)
        return Content(path, sha256, path.stat().st_size)

    def _put_back(self, key: str, content: Content, bundle: str = "") -> None:
        if not self.store.objects.create(key, content):
            self.store.objects.replace(key, content)
        _, found = digest_stored(self.store, key)
        if found != content.sha256:
            raise FixityError(
                f"read back as {found}, put back as {content.sha256}", where=f"{self.store.location} {key}"
            )
        self._tell(key, content.sha256, bundle)

    def _tell(self, key: str, sha256: str, bundle: str) -> None:
        detail = {"key": key, "from": self.other.location, "sha256": sha256, "store": self.store.id}
        self.store.put_event(Event("repair", self.clock(), bundle, detail))
