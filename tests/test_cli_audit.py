"""audit, replicate and gc as a user meets them: real processes, exit codes, JSON and plain words."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.records import Bundle
from tasks.settings import load_settings
from tasks.store import open_store
from tasks.store.layout import bundle_key
from tests.auditing.kit import fill, flipped, make_bundles
from tests.test_cli import environment


def tearsheet(*args: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "flows.cli", *args]
    environ = environment(PYTHONPATH=str(Path(__file__).parents[1]))
    return subprocess.run(command, env=environ, capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.fixture
def bundles(tmp_path: Path) -> list[Bundle]:
    with open_store(str(tmp_path / "archive"), load_settings(environ={})) as store:
        return fill(store, make_bundles(tmp_path / "w", 3))


def damage(folder: Path, bundle: Bundle) -> None:
    path = folder / bundle_key(bundle.id)
    path.write_bytes(flipped(path.read_bytes()))


def test_audit_says_what_is_wrong_and_what_to_do_and_repairs(tmp_path: Path, bundles: list[Bundle]) -> None:
    copied = tearsheet("replicate", "--to", "copy", cwd=tmp_path)
    assert copied.returncode == 0, copied.stderr
    assert "copied 3 bundles, " in copied.stderr
    damage(tmp_path / "archive", bundles[0])

    assert tearsheet("audit", "--level", "size", cwd=tmp_path).returncode == 0
    found = tearsheet("audit", "--level", "full", cwd=tmp_path)
    assert found.returncode == 1
    assert f"error     wacz-digest  {bundle_key(bundles[0].id)}" in found.stdout
    assert "tearsheet audit --level full --store archive/ --repair-from OTHER-STORE" in found.stdout
    repaired = tearsheet("audit", "--level", "full", "--repair-from", "copy", "--json", cwd=tmp_path)
    assert repaired.returncode == 0, repaired.stdout
    finding, summary = map(json.loads, repaired.stdout.splitlines())
    assert (finding["code"], finding["repaired"]) == ("wacz-digest", True)
    assert (summary["good"], summary["read"], summary["counts"]) == (True, 3, {"wacz-digest": 1})
    assert tearsheet("audit", cwd=tmp_path).returncode == 0


def test_a_rolling_audit_is_what_audit_does_by_itself(tmp_path: Path, bundles: list[Bundle]) -> None:
    done = tearsheet("audit", "--json", cwd=tmp_path)
    assert (json.loads(done.stdout)["period_days"], json.loads(done.stdout)["read"]) == (30, 1)
    assert json.loads(tearsheet("audit", "--period", "1d", "--json", cwd=tmp_path).stdout)["period_days"] == 1


@pytest.mark.parametrize("args", [("--level", "size", "--period", "7d"), ("--period", "soon"), ("--level", "deep")])
def test_an_audit_that_makes_no_sense_is_misuse(tmp_path: Path, args: tuple[str, ...]) -> None:
    assert tearsheet("audit", *args, cwd=tmp_path).returncode == 2


def test_replicate_names_conflicts_and_refuses_itself(tmp_path: Path, bundles: list[Bundle]) -> None:
    there = tmp_path / "copy" / bundle_key(bundles[1].id)
    there.parent.mkdir(parents=True)
    there.write_bytes(b"mine")
    done = tearsheet("replicate", "--to", "copy", "--json", cwd=tmp_path)

    assert done.returncode == 1
    trouble, summary = map(json.loads, done.stdout.splitlines())
    assert (trouble["code"], trouble["key"]) == ("conflict", bundle_key(bundles[1].id))
    assert summary["bundles"] == 2
    assert "the same store" in tearsheet("replicate", "--to", "archive/", cwd=tmp_path).stderr


def test_gc_marks_and_says_how_to_go_on(tmp_path: Path, bundles: list[Bundle]) -> None:
    import os

    orphan = tmp_path / "archive" / bundle_key("20261123101500-0123456789abcdef")
    orphan.write_bytes(b"half a day's work")
    os.utime(orphan, (0, 0))
    done = tearsheet("gc", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert "marked   v1/bundles/2026/11/23/20261123101500-0123456789abcdef.wacz" in done.stdout
    assert "tearsheet gc --apply --store archive/" in done.stderr
    assert "waits" in tearsheet("gc", "--apply", cwd=tmp_path).stdout
    assert orphan.exists()
