"""What many tests need: the shared material, where it is there."""

import os
from pathlib import Path

import pytest

SHARED = Path(os.environ.get("TEARSHEET_TEST_SHARED", Path(__file__).parents[2] / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """Corpora, benches and other tools' archives; the test skips where they are missing."""
    if not SHARED.is_dir():
        pytest.skip(f"no shared test material at {SHARED} (TEARSHEET_TEST_SHARED names another place)")
    return SHARED
