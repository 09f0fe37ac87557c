"""remove, lift and hold as a user meets them."""

import json
import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest

from tasks.settings import load_settings
from tasks.store import open_store
from tasks.store.local import LocalS3
from tests.store.kit import article_fields, derived_fields, make_bundle
from tests.test_cli import environment, tearsheet

UNKNOWN = "20200101000000-0123456789abcdef"
WHY = ("--reason", "court order", "--by", "Ada")


@pytest.fixture
def stored(tmp_path: Path) -> tuple[str, str, str]:
    """A folder store; the ids of a capture and of a bundle derived from it."""
    store = str(tmp_path / "store")
    root = make_bundle(tmp_path, 1, **article_fields())
    child = make_bundle(tmp_path, 1, size=6000, **derived_fields(root))
    with open_store(store, load_settings(environ={})) as opened:
        opened.put_bundle(root)
        opened.put_bundle(child)
    return store, root.id, child.id


def ids(store: str) -> list[str]:
    with open_store(store, load_settings(environ={})) as opened:
        return list(opened.list_ids())


def test_a_removed_bundle_says_who_when_and_why(stored: tuple[str, str, str], tmp_path: Path) -> None:
    store, root, child = stored
    done = tearsheet("remove", root, *WHY, "--yes", "--store", store, "--json")

    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["id"], row["state"], row["by"], row["reason"]) == (root, "removed", "Ada", "court order")
    assert len(row["keys"]) == 2
    assert row["siblings"] == [child]
    assert f"STAYS: {child} holds the same capture; --family" in done.stderr
    for command in (("show", root), ("pull", root, "-o", str(tmp_path / "o")), ("verify", root)):
        shown = tearsheet(*command, "--store", store)
        assert shown.returncode == 1
        assert "by Ada: court order" in shown.stderr
        assert shown.stdout + shown.stderr == shown.stderr
        assert "The tide came in" not in shown.stderr
    listed = [
        line for line in tearsheet("list", "--all", "--store", store).stdout.splitlines() if line.startswith(root)
    ]
    assert len(listed) == 1
    assert "taken down" in listed[0]
    assert "words" not in listed[0]


def test_the_whole_capture_goes_with_family_and_a_rerun_says_so(stored: tuple[str, str, str]) -> None:
    store, root, child = stored
    done = tearsheet("remove", root, *WHY, "--family", "--yes", "--store", store)
    again = tearsheet("remove", root, child, "--reason", "another", "--yes", "--store", store)

    assert done.returncode == 0, done.stderr
    assert [line.split()[:2] for line in done.stdout.splitlines()] == [["removed", child], ["removed", root]]
    assert ids(store) == []
    assert again.returncode == 0
    assert again.stdout.count("removed before") == 2
    assert "court order" in again.stdout
    assert "another" not in again.stdout


def test_a_dry_run_changes_nothing(stored: tuple[str, str, str]) -> None:
    store, root, child = stored
    done = tearsheet("remove", root, *WHY, "--article", "--dry-run", "--store", store)

    assert done.returncode == 0, done.stderr
    assert [line.split()[:3] for line in done.stdout.splitlines()] == [["would", "go", child], ["would", "go", root]]
    assert "https://news.example/tide" in done.stderr
    assert ids(store) == sorted([root, child])


@pytest.mark.parametrize(
    ("args", "status", "said"),
    [
        (("remove", "{root}"), 2, "--reason"),
        (("remove", "{root}", "--reason", " ", "--yes"), 2, "--reason has 0 characters"),
        (("remove", "{root}", "--reason", "x" * 2001, "--yes"), 2, "give 1 to 2000"),
        (("remove", "{root}", "--reason", "x"), 2, "--yes is needed"),
        (("remove", "{root}", UNKNOWN, "--reason", "x", "--yes"), 1, f"no bundle {UNKNOWN}"),
        (("remove", "https://news.example/tide", "--reason", "x", "--yes"), 1, "not the id of a bundle"),
        (("lift", "{root}", "--reason", "x"), 1, "no tombstone"),
        (("hold", "{root}", "on", "--reason", "x"), 1, "A folder has none"),
        (("hold", "{root}", "maybe", "--reason", "x"), 2, "maybe"),
    ],
)
def test_what_cannot_be_done_is_said_and_changes_nothing(
    stored: tuple[str, str, str], args: tuple[str, ...], status: int, said: str
) -> None:
    store, root, child = stored
    done = tearsheet(*(arg.format(root=root) for arg in args), "--store", store)

    assert (done.returncode, done.stdout) == (status, "")
    assert said in " ".join(done.stderr.split())
    assert ids(store) == sorted([root, child])


@pytest.mark.skipif(sys.platform == "win32", reason="needs a terminal")
@pytest.mark.parametrize(("answer", "status"), [("y\n", 0), ("n\n", 1), ("\n", 1)])
def test_on_a_terminal_it_asks_first(stored: tuple[str, str, str], answer: str, status: int) -> None:
    store, root, _ = stored
    ours, theirs = pty.openpty()
    os.write(ours, answer.encode())
    command = [sys.executable, "-m", "flows.cli", "remove", root, *WHY, "--store", store]
    with os.fdopen(ours, "rb"), os.fdopen(theirs, "rb") as terminal:
        done = subprocess.run(
            command, env=environment(), stdin=terminal, stderr=terminal, stdout=subprocess.PIPE, timeout=60
        )

    assert done.returncode == status
    assert (root in ids(store)) == (status != 0)


def test_lift_allows_it_again(stored: tuple[str, str, str]) -> None:
    store, root, _ = stored
    tearsheet("remove", root, *WHY, "--yes", "--store", store)
    done = tearsheet("lift", root, "--reason", "set aside", "--store", store, "--json")

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["state"] == "lifted"
    assert "no bundle" in tearsheet("show", root, "--store", store).stderr


def test_a_lock_is_told_until_when_and_no_secret_is_printed(
    local_s3: LocalS3, s3_location: str, tmp_path: Path
) -> None:
    from tasks.store.s3_client import new_client

    client = new_client(load_settings())
    client.create_bucket(Bucket="cli-locked", ObjectLockEnabledForBucket=True)
    client.close()
    store, bundle = "s3://cli-locked/x", make_bundle(tmp_path)
    settings = load_settings(object_lock="governance", retention_days=2)
    with open_store(store, settings) as opened:
        opened.put_bundle(bundle)

    held = tearsheet("hold", bundle.id, "on", *WHY, "--store", store)
    under_hold = tearsheet("remove", bundle.id, *WHY, "--yes", "--store", store, "--bypass-governance")
    lifted = tearsheet("hold", bundle.id, "off", *WHY, "--store", store)
    locked = tearsheet("remove", bundle.id, *WHY, "--yes", "--store", store)
    done = tearsheet("remove", bundle.id, *WHY, "--yes", "--store", store, "--bypass-governance")

    assert [run.returncode for run in (held, under_hold, lifted, locked, done)] == [0, 1, 0, 1, 0]
    assert "under a legal hold" in under_hold.stderr
    assert "locked (governance) until 20" in locked.stderr
    for run in (held, under_hold, lifted, locked, done):
        for secret in (local_s3.secret_key, local_s3.access_key):
            assert secret not in run.stdout + run.stderr
