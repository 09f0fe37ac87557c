"""What many tests need: the shared material, where it is there."""

import os
import secrets
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.store.local import LocalS3

SHARED = Path(os.environ.get("TEARSHEET_TEST_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session", autouse=True)
def key_of_this_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A home of this run's own for the signing key; the user's is never touched."""
    home = tmp_path_factory.mktemp("home")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(home))
        yield home


@pytest.fixture(scope="session")
def shared() -> Path:
    """Corpora, benches and other tools' archives; the test skips where they are missing."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared test material at {SHARED} (TEARSHEET_TEST_SHARED names another place)")
    return SHARED


@pytest.fixture(scope="session", autouse=True)
def cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Catalogs of the tests' stores, in this process and those it starts, stay out of the user's cache folder."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(folder))
        yield folder


@pytest.fixture(scope="session")
def local_s3(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalS3]:
    """One real SeaweedFS for the whole run."""
    with LocalS3(tmp_path_factory.mktemp("seaweedfs"), bucket="tests") as server:
        yield server


@pytest.fixture
def s3_location(local_s3: LocalS3, monkeypatch: pytest.MonkeyPatch) -> str:
    """An empty store of this test's own on it; the environment names server and credentials."""
    for name, value in local_s3.environ.items():
        monkeypatch.setenv(name, value)
    return f"s3://{local_s3.bucket}/{secrets.token_hex(6)}"
