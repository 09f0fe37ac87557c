"""A browser for the whole run, whose every way to the web ends in a trap, and the viewer of another maker."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replay.chromium import Chromium
from tests.replay.kit import Trap, trap
from tests.replay.viewer import get_viewer


@pytest.fixture(scope="session")
def web() -> Iterator[Trap]:
    """Where everything goes that the browser asks of any host but 127.0.0.1."""
    with trap() as made:
        yield made


@pytest.fixture(scope="session")
def browser(web: Trap) -> Iterator[Chromium]:
    with Chromium(f"--proxy-server=http://{web.pair}") as started:
        yield started


@pytest.fixture(scope="session")
def replaywebpage(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with ReplayWeb.page, as TEARSHEET_TEST_REPLAYWEB names it, or as npm gives it."""
    named = os.environ.get("TEARSHEET_TEST_REPLAYWEB")
    if named:
        return Path(named)
    if not shutil.which("npm"):
        pytest.skip("no npm for ReplayWeb.page, and TEARSHEET_TEST_REPLAYWEB names no folder that has it")
    folder = tmp_path_factory.mktemp("viewer")
    if wrong := get_viewer(folder):
        pytest.skip(wrong)
    return folder


@pytest.fixture(scope="session")
def readers() -> Path:
    folder = os.environ.get("TEARSHEET_TEST_READERS")
    if not folder:
        pytest.skip("TEARSHEET_TEST_READERS is not set; tests/readers-requirements.txt says how to make its folder")
    return Path(folder) / "bin"
