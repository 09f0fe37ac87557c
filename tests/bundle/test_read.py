import json
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tasks.bundle.read import extract_bundle, member_names, read_member
from tasks.errors import FormatError, NotFound, WouldOverwrite
from tests.bundle.samples import article, pack


def hostile(path: Path, *names: str) -> Path:
    """A zip whose datapackage lists exactly these members."""
    with zipfile.ZipFile(path, "w") as bundle:
        for name in set(names):
            bundle.writestr(name, b"x")
        rows = [{"path": name} for name in names]
        bundle.writestr("datapackage.json", json.dumps({"resources": rows}))
    return path


def test_a_member_reads_as_it_was_packed(tmp_path: Path) -> None:
    path = pack(tmp_path).path
    assert read_member(path, "article/article.txt").decode() == article().text
    assert "pages/pages.jsonl" in member_names(path)
    with pytest.raises(NotFound):
        read_member(path, "article/other.txt")


def test_a_bundle_comes_apart_into_wacz_warcs_and_article(tmp_path: Path) -> None:
    path = pack(tmp_path).path
    written = extract_bundle(path, tmp_path / "out" / "x")
    assert [item.name for item in written] == [
        path.name,
        "data.warc.gz",
        "derived.warc.gz",
        "article.html",
        "article.md",
        "article.txt",
        "metadata.json",
        "removed.jsonl",
        "provenance.json",
    ]
    assert sorted(item.name for item in (tmp_path / "out" / "x").iterdir()) == sorted(item.name for item in written)
    assert written[0].read_bytes() == path.read_bytes()


def test_nothing_is_overwritten_without_force(tmp_path: Path) -> None:
    path, out = pack(tmp_path).path, tmp_path / "out"
    out.mkdir()
    (out / "article.txt").write_text("mine")
    with pytest.raises(WouldOverwrite):
        extract_bundle(path, out)
    assert [item.name for item in out.iterdir()] == ["article.txt"]
    assert (out / "article.txt").read_text() == "mine"
    extract_bundle(path, out, force=True)
    assert (out / "article.txt").read_text() == article().text


def test_force_replaces_a_link_and_never_follows_it(tmp_path: Path) -> None:
    path, out, mine = pack(tmp_path).path, tmp_path / "out", tmp_path / "mine"
    out.mkdir()
    mine.write_text("mine")
    (out / "article.txt").symlink_to(mine)
    with pytest.raises(WouldOverwrite):
        extract_bundle(path, out)
    extract_bundle(path, out, force=True)
    assert mine.read_text() == "mine"
    assert not (out / "article.txt").is_symlink()


def test_a_full_disk_leaves_no_half_file(tmp_path: Path) -> None:
    """A limit on file sizes stands for the full device: the write fails the same way."""
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from tasks.bundle.read import extract_bundle; from tasks.errors import DiskFull\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "try:\n    extract_bundle(Path(sys.argv[1]), Path(sys.argv[2]))\n"
        "except DiskFull as error:\n    print(error)\n"
    )
    command = [sys.executable, "-B", "-c", script, pack(tmp_path).path, tmp_path / "out"]
    done = subprocess.run(command, cwd=Path(__file__).parents[2], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "no room" in done.stdout
    assert not list((tmp_path / "out").iterdir())


@pytest.mark.parametrize(
    "name",
    ["../x", "/etc/x", "article/../../x", "C:/x", "article\\x", "article/", "", "article/.x", "article//x", "a/b/c/d"],
)
def test_unsafe_names_are_refused_before_anything_is_written(name: str, tmp_path: Path) -> None:
    path = hostile(tmp_path / "x.wacz", "article/a.txt", name) if name else tmp_path / "x.wacz"
    if not name:
        with zipfile.ZipFile(path, "w") as bundle:
            bundle.writestr("datapackage.json", '{"resources": [{"path": ""}]}')
    with pytest.raises(FormatError):
        extract_bundle(path, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_two_members_of_one_file_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="one file name"):
        extract_bundle(hostile(tmp_path / "x.wacz", "article/a", "archive/a"), tmp_path / "out")


@pytest.mark.parametrize(
    "package", ["", "[]", '{"resources": 1}', '{"resources": [1]}', '{"resources": [{"path": 3}]}']
)
def test_a_datapackage_that_lists_nothing_is_refused(package: str, tmp_path: Path) -> None:
    path = tmp_path / "x.wacz"
    with zipfile.ZipFile(path, "w") as bundle:
        bundle.writestr("datapackage.json", package)
    with pytest.raises(FormatError):
        member_names(path)


def test_damaged_bundles_are_refused_and_leave_no_half_file(tmp_path: Path) -> None:
    path = pack(tmp_path).path
    data = bytearray(path.read_bytes())
    with zipfile.ZipFile(path) as bundle:
        info = bundle.getinfo("archive/data.warc.gz")
    data[info.header_offset + 30 + len(info.filename) + 50] ^= 1
    path.write_bytes(data)
    with pytest.raises(FormatError, match="cannot be read"):
        extract_bundle(path, tmp_path / "out")
    assert not (tmp_path / "out" / "data.warc.gz").exists()
    assert not list((tmp_path / "out").glob(".pulling*"))
    path.write_bytes(data[:200])
    with pytest.raises(FormatError, match="not a WACZ"):
        member_names(path)
