"""`tearsheet catalog publish` and `segments`, as a user runs them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.settings import load_settings
from tasks.store import open_store
from tests.lake.kit import put

ROOT = Path(__file__).parents[2]


def tearsheet(*args: str, cwd: Path, **env: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", "catalog", *args]
    environ = {**os.environ, "PYTHONPATH": str(ROOT), **env}
    return subprocess.run(command, cwd=cwd, env=environ, capture_output=True, text=True)


@pytest.fixture
def stored(tmp_path: Path) -> str:
    """The id of the one bundle in archive/."""
    with open_store(str(tmp_path / "archive"), load_settings()) as store:
        return put(store, tmp_path)


def test_publish_and_fetch(stored: str, tmp_path: Path) -> None:
    first = tearsheet("publish", "--prune", cwd=tmp_path)
    again = tearsheet("publish", "--json", cwd=tmp_path)
    listed = tearsheet("segments", cwd=tmp_path)
    fetched = tearsheet("segments", "-o", "lake", "--json", cwd=tmp_path)

    assert first.returncode == 0, first.stderr
    assert first.stdout.splitlines()[0] == "snapshot 1: 1 row in 1 segment; 1 new, 0 taken down"
    assert json.loads(again.stdout)["created"] is False
    assert (tmp_path / listed.stdout.strip()).is_file()
    assert (tmp_path / json.loads(fetched.stdout)["path"]).is_file()
    assert fetched.stderr.endswith("1 segment, 1 row\n")


def test_a_manifest_that_cannot_be_read_ends_in_exit_1(stored: str, tmp_path: Path) -> None:
    with open_store(str(tmp_path / "archive"), load_settings()) as store:
        bad = put(store, tmp_path, "20261124090000", title="no object")

    ran = tearsheet("publish", cwd=tmp_path)

    assert ran.returncode == 1
    assert f"left out: {bad}.json: title" in ran.stderr
    assert ran.stdout.startswith("snapshot 1: 1 row ")


def test_segments_of_a_store_without_any_say_what_to_do(tmp_path: Path) -> None:
    ran = tearsheet("segments", "-o", "lake", cwd=tmp_path)
    assert ran.returncode == 1
    assert "tearsheet catalog publish" in ran.stderr


def test_segments_are_fetched_without_pyarrow(stored: str, tmp_path: Path) -> None:
    tearsheet("publish", cwd=tmp_path)
    (tmp_path / "none").mkdir()
    (tmp_path / "none" / "pyarrow.py").write_text("raise ImportError")
    env = {"PYTHONPATH": f"{tmp_path / 'none'}{os.pathsep}{ROOT}"}

    assert tearsheet("segments", "-o", "lake", cwd=tmp_path, **env).returncode == 0
    refused = tearsheet("publish", cwd=tmp_path, **env)
    assert refused.returncode == 1
    assert "pip install 'tearsheet[lake]'" in refused.stderr
