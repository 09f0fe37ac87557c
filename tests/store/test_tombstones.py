"""A tombstone wins, whatever is still in the store, and tells who, when and why."""

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.errors import FormatError, NotFound, StoreTombstoned
from tasks.store import Store
from tasks.store.events import Event
from tasks.store.layout import TOMBSTONES, manifest_key, tombstone_key
from tasks.store.objects import Content
from tasks.store.tombstones import FRESH_S, Tombstones
from tests.store.kit import make_bundle

Opened = Callable[..., Store]
AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)


def tombstone(bundle_id: str, reason: str = "court order") -> Event:
    return Event("tombstone", AT, bundle_id, {"sha256": "", "reason": reason, "by": "Ada", "removed": []})


def test_a_tombstone_hides_a_bundle_that_is_still_there(location: str, opened: Opened, tmp_path: Path) -> None:
    store, gone, stays = opened(location), make_bundle(tmp_path, 1), make_bundle(tmp_path, 2)
    store.put_bundle(gone)
    store.put_bundle(stays)

    store.put_event(tombstone(gone.id))

    for seen in (store, opened(location)):
        assert list(seen.list_ids()) == [stays.id]
        assert [id_ for id_, _ in seen.manifests()] == [stays.id]
        with pytest.raises(StoreTombstoned, match="taken down on 2026-11-24 08:30 UTC by Ada: court order"):
            seen.read_manifest(gone.id)
        with pytest.raises(StoreTombstoned):
            seen.fetch_bundle(gone.id, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_bundle_that_was_taken_down_is_not_stored_again(location: str, opened: Opened, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path)
    opened(location).put_event(tombstone(bundle.id))
    store = opened(location)

    with pytest.raises(StoreTombstoned, match="tearsheet lift"):
        store.put_bundle(bundle)

    assert not store.objects.versions(manifest_key(bundle.id))
    assert store.put_bundle(make_bundle(tmp_path, 2)).created


def test_a_lift_allows_storing_it_again(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_event(tombstone(bundle.id))
    other = opened(location)
    assert list(other.list_ids()) == []

    store.put_event(Event("lift", AT, bundle.id, {"reason": "set aside", "by": "Ada"}))

    assert other.put_bundle(bundle).created  # it knew the tombstone, and asks before it refuses
    assert store.read_manifest(bundle.id) == bundle.manifest
    assert {event.kind for event in store.events()} >= {"tombstone", "lift"}


def test_the_first_tombstone_stays(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_event(tombstone(bundle.id, "first"))
    store.put_event(tombstone(bundle.id, "second"))

    with pytest.raises(StoreTombstoned, match="first"):
        store.read_manifest(bundle.id)
    assert len(list(store.events())) == 2


def test_a_damaged_tombstone_still_hides(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(bundle)
    store.objects.create(tombstone_key(bundle.id), Content.of_bytes(b"{"))

    with pytest.raises(StoreTombstoned, match="damaged"):
        opened(location).read_manifest(bundle.id)
    with pytest.raises(FormatError):
        store.tombstones.find(bundle.id)
    other = make_bundle(tmp_path, 2)
    store.objects.create(tombstone_key(other.id), Content.of_bytes(tombstone(bundle.id).data))
    with pytest.raises(FormatError, match="not the tombstone of this bundle"):
        store.tombstones.find(other.id)


def test_what_is_no_tombstone_hides_nothing(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(bundle)
    name = tombstone_key(bundle.id).rpartition("/")[2]
    for key in (f"{TOMBSTONES}2026/11/22/{name}", f"{TOMBSTONES}2026/11/23/{name}x", f"{TOMBSTONES}readme"):
        store.objects.create(key, Content.of_bytes(b"{}"))

    assert list(opened(location).list_ids()) == [bundle.id]


def test_a_reason_cannot_write_on_the_terminal(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_event(tombstone(bundle.id, "a\x1b[2Jb\u202ec\nd"))

    with pytest.raises(StoreTombstoned) as caught:
        store.read_manifest(bundle.id)
    assert "a\ufffd[2Jb\ufffdc\ufffdd" in str(caught.value)


def test_an_unknown_bundle_is_not_said_to_be_taken_down(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(bundle)
    with pytest.raises(NotFound) as caught:
        store.read_manifest(make_bundle(tmp_path, 2).id)
    assert not isinstance(caught.value, StoreTombstoned)


class Counted:
    """The listings of a store's objects, by prefix."""

    def __init__(self, store: Store) -> None:
        self.objects, self.listed = store.objects, list[str]()

    def __getattr__(self, name: str) -> object:
        if name == "listing":
            return lambda prefix: (self.listed.append(prefix), self.objects.listing(prefix))[1]
        return getattr(self.objects, name)


def test_what_another_process_takes_down_is_seen_before_long(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle, now = opened(location), make_bundle(tmp_path), [100.0]
    counted = Counted(store)
    known = Tombstones(counted, clock=lambda: now[0])  # type: ignore[arg-type]
    for _ in range(1000):
        known.check(bundle.id)
    assert counted.listed == [TOMBSTONES]

    opened(location).put_event(tombstone(bundle.id))
    known.check(bundle.id)
    now[0] += FRESH_S + 0.1
    with pytest.raises(StoreTombstoned):
        known.check(bundle.id)
    assert known.ids() == {bundle.id}
    assert counted.listed == [TOMBSTONES] * 2


def test_the_reading_that_finds_no_manifest_asks_for_a_tombstone_of_now(
    location: str, opened: Opened, tmp_path: Path
) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(make_bundle(tmp_path, 2))
    opened(location).put_event(tombstone(bundle.id))  # after the listing that `store` still believes

    with pytest.raises(StoreTombstoned):
        store.read_manifest(bundle.id)
