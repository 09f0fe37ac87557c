"""What every store promises; each test runs on a folder and on a real S3 server."""

import itertools
import json
import re
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.errors import FixityError, FormatError, NotFound, StoreConflict, WouldOverwrite
from tasks.store import Store
from tasks.store.layout import STORE_KEY, bundle_key, manifest_key
from tasks.store.objects import Content, keys
from tests.store.kit import DAY, Crash, Crashing, make_bundle

Opened = Callable[..., Store]


def put_raw(store: Store, key: str, data: bytes) -> None:
    assert store.objects.create(key, Content.of_bytes(data))


def all_keys(store: Store) -> list[str]:
    return sorted(keys(store.objects, "v1/"))


def test_a_stored_bundle_comes_back_exactly(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path, size=3_000_000)

    ref = store.put_bundle(bundle)

    assert ref.created
    assert (ref.id, ref.key, ref.sha256, ref.size) == (bundle.id, bundle_key(bundle.id), bundle.sha256, bundle.size)
    assert store.read_manifest(bundle.id) == bundle.manifest
    copy = store.fetch_bundle(bundle.id, tmp_path / "out" / "deep")
    assert copy == tmp_path / "out" / "deep" / f"{bundle.id}.wacz"
    assert copy.read_bytes() == bundle.path.read_bytes()


def test_another_program_finds_what_was_stored(location: str, opened: Opened, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    opened(location).put_bundle(bundle)

    assert opened(location).read_manifest(bundle.id) == bundle.manifest


def test_storing_again_changes_nothing(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(bundle)
    before = all_keys(store)

    again = opened(location).put_bundle(bundle)

    assert not again.created
    assert all_keys(store) == before


def test_keys_are_those_of_the_layout(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path, 101500)
    store.put_bundle(bundle, today=DAY)

    stem = f"v1/bundles/2026/11/23/{bundle.id}"
    assert all_keys(store) == [f"{stem}.json", f"{stem}.wacz", "v1/store.json"]
    assert all(re.fullmatch(r"[a-z0-9._/-]+", key) for key in all_keys(store))


def test_other_bytes_under_the_key_are_a_conflict_and_stay(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle, other = opened(location), make_bundle(tmp_path), make_bundle(tmp_path / "other", 2)
    put_raw(store, bundle_key(bundle.id), b"not the bundle")

    with pytest.raises(StoreConflict, match="other bytes stand there") as caught:
        store.put_bundle(bundle)

    assert bundle_key(bundle.id) in caught.value.where
    assert b"".join(store.objects.read(bundle_key(bundle.id))) == b"not the bundle"
    assert list(store.list_ids()) == []
    assert store.put_bundle(other).created


def test_another_manifest_for_the_bundle_is_a_conflict(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(bundle)

    with pytest.raises(StoreConflict):
        store.put_bundle(replace(bundle, manifest=bundle.manifest + b" "))

    assert store.read_manifest(bundle.id) == bundle.manifest


def test_a_file_without_its_digest_is_not_stored(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    bundle.path.write_bytes(b"x" * bundle.size)

    with pytest.raises(FixityError):
        store.put_bundle(bundle)

    assert all_keys(store) == [STORE_KEY]


def test_ids_are_sorted_and_only_of_committed_bundles(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    bundles = [make_bundle(tmp_path, number) for number in (3, 1, 2)]
    for bundle in bundles:
        store.put_bundle(bundle)
    orphan = make_bundle(tmp_path, 9)
    put_raw(store, bundle_key(orphan.id), orphan.path.read_bytes())
    put_raw(store, "v1/bundles/2026/11/22/" + manifest_key(bundles[0].id).rpartition("/")[2], b"{}")  # not its day

    assert list(store.list_ids()) == sorted(bundle.id for bundle in bundles)
    assert list(store.manifests()) == sorted((bundle.id, bundle.manifest) for bundle in bundles)
    with pytest.raises(NotFound):
        store.fetch_bundle(orphan.id, tmp_path / "out")


def test_manifests_are_in_order_when_there_are_many(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    for number in range(40):
        bundle = make_bundle(tmp_path, number, size=10)
        put_raw(store, manifest_key(bundle.id), bundle.manifest)

    found = list(store.manifests())

    assert [bundle_id for bundle_id, _ in found] == list(store.list_ids())
    assert all(json.loads(manifest)["id"] == bundle_id for bundle_id, manifest in found)
    next(store.manifests())  # and one may stop early
    assert len(found) == 40


def test_an_unknown_id_is_not_found(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(bundle)

    with pytest.raises(NotFound, match="tearsheet list"):
        store.read_manifest("20200101000000-0123456789abcdef")
    for bad in ("", "../../etc/passwd", "20261123000001-XYZ", f"{bundle.id}/..", bundle.id + "\n"):
        with pytest.raises(NotFound, match="not the id"):
            store.fetch_bundle(bad, tmp_path / "out")


def test_reading_a_new_store_says_so_and_writes_nothing(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)

    assert list(store.list_ids()) == []
    assert list(store.manifests()) == []
    with pytest.raises(NotFound, match="The store is new"):
        store.read_manifest(make_bundle(tmp_path).id)
    assert all_keys(store) == []


def test_a_store_of_a_newer_format_is_left_alone(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    put_raw(store, STORE_KEY, b'{"format":"tearsheet-store/2"}')

    with pytest.raises(FormatError, match="update Tearsheet"):
        store.put_bundle(make_bundle(tmp_path))
    with pytest.raises(FormatError):
        list(store.list_ids())
    assert all_keys(store) == [STORE_KEY]


def test_a_broken_store_file_is_said(location: str, opened: Opened) -> None:
    store = opened(location)
    put_raw(store, STORE_KEY, b"not json")

    with pytest.raises(FormatError, match="not a JSON object"):
        list(store.list_ids())


def test_fetching_never_overwrites(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(bundle)

    with pytest.raises(WouldOverwrite):
        store.fetch_bundle(bundle.id, bundle.path.parent)


def test_a_bundle_damaged_in_the_store_is_not_handed_out(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    damaged = bytearray(bundle.path.read_bytes())
    damaged[1000] ^= 1
    put_raw(store, bundle_key(bundle.id), bytes(damaged))
    put_raw(store, manifest_key(bundle.id), bundle.manifest)

    with pytest.raises(FixityError):
        store.fetch_bundle(bundle.id, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_manifest_that_names_another_digest_is_not_believed(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    put_raw(store, bundle_key(bundle.id), bundle.path.read_bytes())
    put_raw(store, manifest_key(bundle.id), b'{"sha256":"sha256:%s"}' % (b"0" * 64))

    with pytest.raises(FixityError, match="not the id's"):
        store.fetch_bundle(bundle.id, tmp_path / "out")


def test_a_bundle_gone_from_under_its_manifest_is_said(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    put_raw(store, manifest_key(bundle.id), bundle.manifest)

    with pytest.raises(FixityError, match="bundle is gone"):
        store.fetch_bundle(bundle.id, tmp_path / "out")


@pytest.mark.parametrize("days_late", [0, 1])
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_crash_at_any_operation_shows_nothing_bad_and_a_rerun_converges(
    location: str, opened: Opened, tmp_path: Path, after: bool, days_late: int
) -> None:
    today = DAY + timedelta(days_late)
    bundle = make_bundle(tmp_path)
    for at in itertools.count(1):
        place = f"{location}-{at}"
        dying, crashed = Store(Crashing(opened(place).objects, at, after=after)), False
        try:
            dying.put_bundle(bundle, today=today)
        except Crash:
            crashed = True
        survivor = opened(place)
        for bundle_id in survivor.list_ids():  # what is visible is whole
            survivor.fetch_bundle(bundle_id, tmp_path / f"seen-{at}")
        survivor.put_bundle(bundle, today=today)
        copy = survivor.fetch_bundle(bundle.id, tmp_path / f"out-{at}")

        assert copy.read_bytes() == bundle.path.read_bytes()
        assert not opened(place).put_bundle(bundle, today=today).created
        assert [event.bundle for event in survivor.events()] == [bundle.id] * days_late
        if not crashed:
            break
    assert at == 8 + days_late  # store.json: read, probe, create, read; bundle: create, read; late event; manifest


def test_of_many_writers_of_one_bundle_one_creates_it(location: str, opened: Opened, tmp_path: Path) -> None:
    bundle, stores = make_bundle(tmp_path, size=200_000), [opened(location) for _ in range(8)]

    with ThreadPoolExecutor(8) as pool:
        refs = list(pool.map(lambda store: store.put_bundle(bundle), stores))

    assert sorted(ref.created for ref in refs) == [False] * 7 + [True]
    assert [key for key in all_keys(stores[0]) if "probe" in key] == []
    assert stores[0].fetch_bundle(bundle.id, tmp_path / "out").read_bytes() == bundle.path.read_bytes()


def test_threads_share_a_store(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundles = opened(location), [make_bundle(tmp_path, number) for number in range(24)]

    with ThreadPoolExecutor(8) as pool:
        refs = list(pool.map(store.put_bundle, bundles))

    assert all(ref.created for ref in refs)
    assert list(store.list_ids()) == [bundle.id for bundle in bundles]
