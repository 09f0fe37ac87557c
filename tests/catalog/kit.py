"""Stores with manifests made by hand: what a catalog reads, without the bundles beside them."""

import json
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle.manifest import SOURCED
from tasks.catalog import Catalog, Heard, open_catalog
from tasks.settings import Settings, load_settings
from tasks.store import Store, open_store
from tasks.store.layout import bundle_key, manifest_key
from tasks.store.objects import Content

URL = "https://news.example/2026/tide"


def settings_of(store: Path | str, cache: Path, **more: Any) -> Settings:
    return load_settings(environ={}, store=str(store), cache=str(cache), **more)


def said(value: Any) -> dict[str, Any] | None:
    return {"value": value, "source": "meta:x"} if value else None


def manifest(at: str = "20260314073000", text: str = "The tide came in.", **more: Any) -> tuple[str, bytes]:
    """Id and manifest; `more`: fields, metadata by its plain value."""
    url = more.pop("url", URL)
    digest = sha256(json.dumps([at, text, url, more], sort_keys=True).encode()).hexdigest()
    table: dict[str, Any] = {name: said(more.pop(name, None)) for name in SOURCED}
    table |= {
        "format": "tearsheet-manifest/1",
        "id": f"{at}-{digest[:16]}",
        "sha256": f"sha256:{digest}",
        "bytes": 1000,
        "url": url,
        "final_url": more.pop("final_url", url),
        "captured_at": f"{at[:4]}-{at[4:6]}-{at[6:8]}T{at[8:10]}:{at[10:12]}:{at[12:14]}Z",
        "verdict": {"kind": more.pop("verdict", "ok"), "reasons": list(more.pop("reasons", ()))},
        "status": 200,
        "media_type": "text/html",
        "words": len(text.split()),
        "removed_chars": 0,
        "removed": {},
        "text": text,
        "text_sha256": f"sha256:{sha256(text.encode('utf-8', 'replace')).hexdigest()}",
        "members": {},
        "software": "tearsheet/0",
        "rules": f"sha256:{digest}",
        **more,
    }
    return table["id"], json.dumps(table).encode() + b"\n"


def put(store: Store, at: str = "20260314073000", text: str = "The tide came in.", **more: Any) -> str:
    """The id of a bundle that is in the store afterwards, without a word about it on any other day."""
    id_, data = manifest(at, text, **more)
    store._ready_to_write()
    store.objects.create(bundle_key(id_), Content.of_bytes(b"wacz " + id_.encode()))
    store.objects.create(manifest_key(id_), Content.of_bytes(data))
    return id_


def derived(store: Store, parent: str, text: str, *, generation: int = 1, root: str = "", **more: Any) -> str:
    links = {
        name: {"id": id_, "sha256": f"sha256:{id_[15:]}{'0' * 48}"}
        for name, id_ in (("parent", parent), ("root", root or parent))
    }
    return put(store, parent[:14], text, generation=generation, **links, **more)


class Desk:
    """A store and the settings of one user."""

    def __init__(self, folder: Path, location: str = "") -> None:
        self.folder = folder
        self.settings = settings_of(location or folder / "store", folder / "cache")
        self.store = open_store(self.settings.store, self.settings)
        self.said: list[str] = []
        self.broken: list[str] = []

    def catalog(self, **more: Any) -> Catalog:
        told = Heard(say=self.said.append, broken=lambda error: self.broken.append(error.where))
        return open_catalog(self.store, self.settings, heard=told, **more)

    def ids(self, **filters: Any) -> list[str]:
        from tasks.catalog import Filters

        with self.catalog() as catalog:
            return [entry.id for entry in catalog.list(Filters(**filters))]

    def found(self, words: str, **more: Any) -> list[str]:
        from tasks.catalog import parse_query

        with self.catalog() as catalog:
            return [hit.entry.id for hit in catalog.search(parse_query(words), **more)]


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)
