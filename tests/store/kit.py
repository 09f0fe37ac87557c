"""Bundles to store, and ways to crash."""

import hashlib
import json
import random
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from tasks.errors import NotFound
from tasks.records import Bundle, Digest
from tasks.store.objects import Content, Listed, Objects, Stat, Upload, Version

DAY = date(2026, 11, 23)  # of the captures of make_bundle


class Crash(BaseException):
    """The process dies here: nothing may catch it."""


def make_bundle(folder: Path, number: int = 1, *, size: int = 5000, **more: Any) -> Bundle:
    data = random.Random(number * 1_000_003 + size).randbytes(size)
    sha256 = hashlib.sha256(data).hexdigest()
    bundle_id = f"20261123{number:06d}-{sha256[:16]}"
    path = folder / f"{bundle_id}.wacz"
    folder.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    manifest = json.dumps({"id": bundle_id, "sha256": f"sha256:{sha256}", "bytes": size, **more}).encode()
    return Bundle(bundle_id, path, Digest(f"sha256:{sha256}"), size, manifest)


class Crashing:
    """Objects that die before or after their operation number `at`, counted from 1."""

    def __init__(self, objects: Objects, at: int, *, after: bool) -> None:
        self.objects, self.location = objects, objects.location
        self.at, self.after, self.count = at, after, 0

    def _before(self) -> bool:
        self.count += 1
        if self.count == self.at and not self.after:
            raise Crash
        return self.count == self.at

    def create(self, key: str, content: Content) -> bool:
        dies = self._before()
        created = self.objects.create(key, content)
        if dies:
            raise Crash
        return created

    def read(self, key: str) -> Iterator[bytes]:
        dies = self._before()
        try:
            yield from self.objects.read(key)
        except NotFound:
            if not dies:
                raise
        if dies:
            raise Crash

    def probe(self, folder: str) -> dict[str, Any]:
        dies = self._before()
        found = self.objects.probe(folder)
        if dies:
            raise Crash
        return found

    def listing(self, prefix: str) -> Iterator[Listed]:
        return self.objects.listing(prefix)

    def stat(self, key: str) -> Stat:
        return self.objects.stat(key)

    def versions(self, key: str) -> tuple[Version, ...]:
        return self.objects.versions(key)

    def hold(self, key: str, on: bool) -> None:
        dies = self._before()
        self.objects.hold(key, on)
        if dies:
            raise Crash

    def delete(self, key: str, *, bypass_governance: bool = False) -> None:
        dies = self._before()
        self.objects.delete(key, bypass_governance=bypass_governance)
        if dies:
            raise Crash

    def replace(self, key: str, content: Content) -> None:
        dies = self._before()
        self.objects.replace(key, content)
        if dies:
            raise Crash

    def uploads(self) -> Iterator[Upload]:
        return self.objects.uploads()

    def abort(self, upload: Upload) -> None:
        dies = self._before()
        self.objects.abort(upload)
        if dies:
            raise Crash

    def adopt(self, capabilities: dict[str, Any]) -> None:
        self.objects.adopt(capabilities)

    def close(self) -> None:
        self.objects.close()


def article_fields(url: str = "https://news.example/tide", **more: Any) -> dict[str, Any]:
    """What a whole manifest says besides what make_bundle knows: `make_bundle(…, **article_fields())`."""
    nothing = "sha256:" + "0" * 64
    return {
        "format": "tearsheet-manifest/1",
        "url": url,
        "final_url": url,
        "captured_at": "2026-11-23T00:00:01Z",
        "verdict": {"kind": "ok", "reasons": []},
        "media_type": "text/html",
        "text": "The tide came in on Tuesday.",
        "text_sha256": nothing,
        "software": "tearsheet/0",
        "rules": nothing,
        "status": 200,
        "words": 6,
        "removed_chars": 0,
        "removed": {},
        "members": {},
        **more,
    }


def derived_fields(parent: Bundle, **more: Any) -> dict[str, Any]:
    """The same for a bundle that was derived from an original one; give it the parent's number and another size."""
    link = {"id": parent.id, "sha256": parent.sha256}
    return article_fields(parent=link, root=link, generation=1, **more)
