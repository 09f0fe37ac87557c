"""The same store tests for every backend."""

import secrets
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.settings import Settings, load_settings
from tasks.store import Store, open_store
from tasks.store.local import LocalS3
from tasks.store.s3_client import new_client


@pytest.fixture(params=["folder", "s3"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store, a folder and a bucket in turn."""
    return str(tmp_path / "store") if request.param == "folder" else str(request.getfixturevalue("s3_location"))


@pytest.fixture
def opened() -> Iterator[Callable[..., Store]]:
    """Opens stores and closes them after the test."""
    stores = []

    def opening(location: str, settings: Settings | None = None) -> Store:
        stores.append(open_store(location, settings or load_settings()))
        return stores[-1]

    yield opening
    for store in stores:
        store.close()


@pytest.fixture
def bucket(local_s3: LocalS3, s3_location: str) -> Callable[..., str]:
    """Makes a bucket and gives an empty store in it: plain, versioned or locked (with Object Lock)."""

    def making(kind: str) -> str:
        name = f"{kind}-{secrets.token_hex(6)}"
        client = new_client(load_settings())
        client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=kind == "locked")
        if kind == "versioned":
            client.put_bucket_versioning(Bucket=name, VersioningConfiguration={"Status": "Enabled"})
        client.close()
        return f"s3://{name}/p"

    return making
