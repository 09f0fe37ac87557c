"""A browser for the whole run, whose every way to the web ends in a trap, and the viewer of another maker."""

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.replay.chromium import Chromium
from tests.replay.kit import Trap, trap

# npm's package of ReplayWeb.page (AGPL-3.0), a program that these tests run and nobody ships. Packed alone: its two
# files are whole, what it names as dependencies went into them.
VIEWER = "replaywebpage@2.4.6"
VIEWER_SHA512 = "uG50jESRld0p+fY7+nUxIWl7hvfimreNjSmaNkc/a9a8gBdmb7PH4J42Iib+vgk9KrHd0HLScVT++LgqV5fwpQ=="
VIEWER_FILES = ("ui.js", "sw.js")


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
    command = ["npm", "pack", VIEWER, "--ignore-scripts", "--silent", "--fetch-timeout=30000", "--fetch-retries=1"]
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=180, check=False)
    packed = next(folder.glob("*.tgz"), None)
    if packed is None:
        pytest.skip(f"npm gave no {VIEWER}: {done.stderr.strip()[-200:]}")
    assert base64.b64encode(hashlib.sha512(packed.read_bytes()).digest()).decode() == VIEWER_SHA512
    with tarfile.open(packed) as archive:
        for name in VIEWER_FILES:
            member = archive.extractfile(f"package/{name}")
            assert member
            with member:
                (folder / name).write_bytes(member.read())
    return folder


@pytest.fixture(scope="session")
def readers() -> Path:
    folder = os.environ.get("TEARSHEET_TEST_READERS")
    if not folder:
        pytest.skip("TEARSHEET_TEST_READERS is not set; tests/readers-requirements.txt says how to make its folder")
    return Path(folder) / "bin"
