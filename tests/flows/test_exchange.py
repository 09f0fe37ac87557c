"""`tearsheet import` and `tearsheet export` as a user meets them."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.importing.foreign_kit import URL, Warc


def tearsheet(*args: str | Path, cwd: Path) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("TEARSHEET_", "PREFECT_", "AWS_"))}
    kept["PYTHONPATH"] = str(Path(__file__).parents[2])
    command = [sys.executable, "-m", "flows.cli", *map(str, args)]
    return subprocess.run(command, env=kept, capture_output=True, text=True, cwd=cwd, timeout=120)


@pytest.fixture
def foreign(tmp_path: Path) -> Path:
    warc = Warc()
    warc.page()
    warc.page("gone", head="HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n", url="https://news.example/\x1b[31m")
    return warc.save(tmp_path / "old.warc.gz")


def test_a_foreign_page_is_listed_shown_and_verified_like_any_other(foreign: Path, tmp_path: Path) -> None:
    done = tearsheet("import", foreign, cwd=tmp_path)
    listed = tearsheet("list", "--json", cwd=tmp_path)
    id_ = json.loads(listed.stdout)["id"]

    assert done.returncode == 0, done.stderr
    assert "old.warc.gz: 1 taken (WARC/1.1)" in done.stdout
    assert "1 status-404" in done.stdout
    assert "\x1b" not in done.stdout
    assert "The tide of day 3" in tearsheet("show", URL, cwd=tmp_path).stdout
    assert f"{id_}: sound (full)" in tearsheet("verify", id_, cwd=tmp_path).stdout
    assert tearsheet("explain", id_, "--limit", "3", cwd=tmp_path).returncode == 0
    assert "unchanged" in tearsheet("reclean", id_, cwd=tmp_path).stdout


def test_json_has_a_line_a_page_and_a_line_a_file(foreign: Path, tmp_path: Path) -> None:
    (tmp_path / "bad.wacz").write_bytes(b"no archive")
    done = tearsheet("import", "bad.wacz", foreign, "--json", "--store", "s", cwd=tmp_path)
    bad, page, file = map(json.loads, done.stdout.splitlines())

    assert done.returncode == 1
    assert (bad["kind"], bad["file"], bad["pages"]) == ("file", "bad.wacz", 0)
    assert "unknown-format" in bad["error"]
    assert (page["kind"], page["url"], page["verdict"], page["created"]) == ("page", URL, "ok", True)
    assert (file["kind"], file["pages"], file["left"]) == ("file", 1, {"status-404": 1})
    assert (tmp_path / "s" / file["source"]).read_bytes() == foreign.read_bytes()


def test_a_dry_run_tells_and_stores_nothing(foreign: Path, tmp_path: Path) -> None:
    done = tearsheet("import", foreign, "--dry-run", cwd=tmp_path)

    assert done.returncode == 0
    assert "1 to be taken" in done.stdout
    assert not list((tmp_path / "archive").rglob("*.*"))


def test_export_and_import_go_round(foreign: Path, tmp_path: Path) -> None:
    tearsheet("import", foreign, cwd=tmp_path)
    out = tearsheet("export", "--all", "-o", "bag", "--json", cwd=tmp_path)
    *bundles, report = map(json.loads, out.stdout.splitlines())
    back = tearsheet("import", "bag", "--store", "copy", cwd=tmp_path)

    assert out.returncode == back.returncode == 0, out.stderr + back.stderr
    assert (report["bundles"], report["left_out"], len(bundles)) == (1, [], 1)
    assert bundles[0]["files"] == [f"data/{bundles[0]['id']}.wacz", f"data/{bundles[0]['id']}.json"]
    assert tearsheet("list", "--store", "copy", cwd=tmp_path).stdout == tearsheet("list", cwd=tmp_path).stdout


def test_markdown_of_an_url(foreign: Path, tmp_path: Path) -> None:
    tearsheet("import", foreign, cwd=tmp_path)
    done = tearsheet("export", URL, "--as", "markdown", "-o", "md", cwd=tmp_path)

    assert done.returncode == 0, done.stderr
    assert len(list((tmp_path / "md").glob("2026-03-14-the-tide-*.md"))) == 1


def test_what_is_missing_ends_with_one(foreign: Path, tmp_path: Path) -> None:
    tearsheet("import", foreign, cwd=tmp_path)
    missing = "20200101000000-0123456789abcdef"
    done = tearsheet("export", URL, missing, "-o", "bag", cwd=tmp_path)
    again = tearsheet("export", URL, "-o", "bag", cwd=tmp_path)

    assert done.returncode == 1
    assert f"left out: {missing}" not in done.stdout
    assert missing in done.stderr
    assert again.returncode == 1
    assert "not empty" in again.stderr


@pytest.mark.parametrize("args", [(), ("--all", "x"), ("x", "--host", "y"), ("--all", "--since", "soon")])
def test_misuse_ends_with_two(args: tuple[str, ...], tmp_path: Path) -> None:
    assert tearsheet("export", *args, cwd=tmp_path).returncode == 2
