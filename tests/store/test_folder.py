"""A folder on bad days: full, read-only, not a folder, power cut."""

import errno
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.errors import DiskFull, StoreRefused, StoreUnavailable
from tasks.settings import load_settings
from tasks.store import Store, open_store
from tasks.store.layout import bundle_key
from tasks.store.objects import keys
from tests.store.kit import DAY, Crash, make_bundle

Opened = Callable[..., Store]
ROOT = Path(__file__).parents[2]


def files_in(folder: Path) -> list[str]:
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())


def test_the_folder_appears_with_the_first_bundle(opened: Opened, tmp_path: Path) -> None:
    store = opened(str(tmp_path / "a" / "b"))
    assert list(store.list_ids()) == []
    assert not (tmp_path / "a").exists()

    bundle = make_bundle(tmp_path / "work")
    store.put_bundle(bundle)

    assert (tmp_path / "a" / "b" / bundle_key(bundle.id)).read_bytes() == bundle.path.read_bytes()


def test_a_file_in_place_of_the_folder_is_said(opened: Opened, tmp_path: Path) -> None:
    (tmp_path / "store").write_text("a file")

    for call in (lambda store: list(store.list_ids()), lambda store: store.put_bundle(make_bundle(tmp_path))):
        with pytest.raises(StoreRefused, match="Name a folder") as caught:
            call(opened(str(tmp_path / "store")))
        assert caught.value.code == "location"


PUT = """
import sys
from pathlib import Path
from tasks.errors import TearsheetError
from tasks.settings import load_settings
from tasks.store import open_store
from tests.store.kit import DAY, make_bundle
store = open_store(sys.argv[1], load_settings())
try:
    store.put_bundle(make_bundle(Path(sys.argv[2]), size=1_000_000))
except TearsheetError as error:
    print(type(error).__name__, error.remedy)
left = [path.name for path in Path(sys.argv[1]).rglob("*") if path.is_file()]
print(sorted(left), list(store.list_ids()))
"""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ("size=200k", "DiskFull Make room, then run the same again\n['store.json'] []\n"),
        ("size=200k,ro", "StoreRefused Check the folder's permissions\n[] []\n"),
    ],
    ids=["full", "read-only"],
)
def test_a_full_or_read_only_disk_is_said_and_left_clean(tmp_path: Path, options: str, said: str) -> None:
    """A real little file system, mounted in a name space of its own."""
    if not shutil.which("unshare") or subprocess.run(["unshare", "-rm", "true"], capture_output=True).returncode:
        pytest.skip("this system lets us mount nothing")
    disk = tmp_path / "disk"
    disk.mkdir()
    script = f'mount -t tmpfs -o {options} none "$1" && exec "$2" -c "$3" "$1" "$4"'
    run = subprocess.run(
        ["unshare", "-rm", "sh", "-c", script, "sh", str(disk), sys.executable, PUT, str(tmp_path / "work")],
        capture_output=True, text=True, cwd=ROOT,
    )  # fmt: skip

    assert run.stdout == said, run.stderr


@pytest.mark.parametrize(
    ("number", "kind"), [(errno.ENOSPC, DiskFull), (errno.EACCES, StoreRefused), (errno.EIO, StoreUnavailable)]
)
def test_each_trouble_of_the_disk_has_its_error_and_leaves_nothing(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int, kind: type[Exception]
) -> None:
    store, folder = opened(str(tmp_path / "store")), tmp_path / "store"
    store.put_bundle(make_bundle(tmp_path, 1))
    before, second = files_in(folder), make_bundle(tmp_path, 2)

    def failing(handle: int) -> None:
        raise OSError(number, os.strerror(number))

    with monkeypatch.context() as patched:
        patched.setattr(os, "fsync", failing)
        with pytest.raises(kind) as caught:
            store.put_bundle(second)

    assert second.id in str(caught.value)
    assert files_in(folder) == before
    assert store.put_bundle(second).created


@pytest.mark.parametrize("call", ["fsync", "link"])
def test_a_crash_at_any_system_call_shows_nothing_bad(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, call: str
) -> None:
    bundle, real, at, crashed = make_bundle(tmp_path), getattr(os, call), 0, True
    while crashed:
        at += 1
        place, count = str(tmp_path / f"store-{at}"), 0

        def dying(*args: object, at: int = at) -> object:
            nonlocal count
            count += 1
            if count == at:
                raise Crash
            return real(*args)

        with monkeypatch.context() as patched:
            patched.setattr(os, call, dying)
            try:
                opened(place).put_bundle(bundle, today=DAY)
                crashed = False
            except Crash:
                crashed = True
        survivor = open_store(place, load_settings())
        for bundle_id in survivor.list_ids():
            survivor.fetch_bundle(bundle_id, tmp_path / f"seen-{at}")
        survivor.put_bundle(bundle, today=DAY)
        assert survivor.fetch_bundle(bundle.id, tmp_path / f"out-{at}").read_bytes() == bundle.path.read_bytes()

    assert at == {"fsync": 13, "link": 4}[call]


def test_bytes_and_names_are_synced_before_the_manifest_appears(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(str(tmp_path / "store"))
    store.put_bundle(make_bundle(tmp_path, 1), today=DAY)
    steps: list[str] = []
    sync, link = os.fsync, os.link

    def syncing(handle: int) -> None:
        steps.append("sync " + ("folder" if os.path.isdir(f"/proc/self/fd/{handle}") else "file"))  # noqa: PTH112
        sync(handle)

    def linking(source: Path, target: Path) -> None:
        steps.append(f"name {target.suffix}")
        link(source, target)

    monkeypatch.setattr(os, "fsync", syncing)
    monkeypatch.setattr(os, "link", linking)
    store.put_bundle(make_bundle(tmp_path, 2), today=DAY)

    assert steps == ["sync file", "name .wacz", "sync folder", "sync file", "name .json", "sync folder"]


def test_a_disk_without_links_still_creates_only(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusing(source: Path, target: Path) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", refusing)
    store, bundle = opened(str(tmp_path / "store")), make_bundle(tmp_path)

    assert store.put_bundle(bundle).created
    assert not store.put_bundle(bundle).created
    assert [name for name in files_in(tmp_path / "store") if ".tmp-" in name] == []


def test_what_a_killed_writer_left_is_no_bundle(opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(str(tmp_path / "store")), make_bundle(tmp_path)
    store.put_bundle(bundle)
    (tmp_path / "store" / bundle_key(bundle.id)).with_name(".tmp-0123").write_bytes(b"half")

    assert list(store.list_ids()) == [bundle.id]
    assert not any("tmp" in key for key in keys(store.objects, "v1/"))
