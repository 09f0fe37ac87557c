"""The same store tests for every backend."""

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.settings import Settings, load_settings
from tasks.store import Store, open_store


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
