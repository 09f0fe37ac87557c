"""A copy of a store holds what the original holds, verified; nothing is deleted or hidden there in silence."""

import threading
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tasks.errors import StoreRefused
from tasks.records import digest_of
from tasks.replicating import replicate
from tasks.store import Store
from tasks.store.events import Event
from tasks.store.layout import bundle_key, manifest_key
from tasks.store.objects import Content, keys
from tests.auditing.kit import audit, flipped, overwrite, read, remove
from tests.store.conftest import location, opened
from tests.store.kit import Crash, Crashing, make_bundle

__all__ = ["location", "opened"]

Opened = Callable[..., Store]
NOW = datetime(2026, 12, 1, 12, tzinfo=UTC)
Two = tuple[Store, Store]


@pytest.fixture
def two(location: str, opened: Opened, tmp_path: Path) -> Two:
    """A store of five bundles, events and a source, in a folder; and an empty one of each kind."""
    source, target = opened(str(tmp_path / "original")), opened(location)
    for number in range(1, 6):
        source.put_bundle(make_bundle(tmp_path, number), today=date(2026, 11, 24))
    event = Event("observation", NOW, "20261123000001-0123456789abcdef")
    source.put_event(event, Content.of_bytes(b"a response"))
    overwrite(source, f"v1/sources/{digest_of(b'a WARC').removeprefix('sha256:')}.warc", b"a WARC")
    overwrite(source, "v1/index/x.parquet", b"derived")
    return source, target


def copy(two: Two, **more: object):  # type: ignore[no-untyped-def]
    return replicate(*two, clock=lambda: NOW, **more)  # type: ignore[arg-type]


def objects(store: Store) -> set[str]:
    return set(keys(store.objects, "v1/"))


def test_everything_but_what_is_derived_arrives_and_a_rerun_does_nothing(two: Two) -> None:
    source, target = two

    report = copy(two)

    assert report.good
    assert (report.bundles, report.events, report.sources) == (5, 6, 1)
    copied = objects(source) - {"v1/store.json", "v1/index/x.parquet"}
    assert copied <= objects(target)
    assert all(read(source, key) == read(target, key) for key in copied)
    assert target.id != source.id
    own = objects(target) - copied - {"v1/store.json"}
    assert sorted(key.split("-")[1] for key in own) == ["late"] * 5 + ["replica"]
    replica = next(event for event in target.events() if event.kind == "replica")
    assert replica.detail == {"from": source.id, "bundles": 5, "days": ["20261124", "20261201"]}
    before = objects(target)
    again = copy(two)
    assert again.good
    assert (again.bundles, again.events, again.sources, again.bytes) == (0, 0, 0, 0)
    assert objects(target) == before
    assert audit(target).counts.get("wacz-missing") is None


def test_only_what_is_new_is_copied_next_time(two: Two, tmp_path: Path) -> None:
    source, target = two
    copy(two)
    source.put_bundle(make_bundle(tmp_path, 9))

    assert copy(two).bundles == 1
    assert list(target.list_ids()) == list(source.list_ids())


def test_other_bytes_in_the_copy_are_a_conflict_and_stay(two: Two, tmp_path: Path) -> None:
    source, target = two
    longer, same_size = make_bundle(tmp_path, 1), make_bundle(tmp_path, 2)
    overwrite(target, bundle_key(longer.id), longer.path.read_bytes() + b"more")
    overwrite(target, bundle_key(same_size.id), flipped(same_size.path.read_bytes()))

    report = copy(two)

    assert not report.good
    assert sorted((trouble.code, trouble.key.rpartition(".")[0]) for trouble in report.troubles) == [
        ("conflict", bundle_key(longer.id).removesuffix(".wacz")),
        ("conflict", manifest_key(same_size.id).removesuffix(".json")),
    ]
    assert list(target.list_ids()) == [id_ for id_ in source.list_ids() if id_ not in (longer.id, same_size.id)]
    assert read(target, bundle_key(longer.id)).endswith(b"more")


def test_a_listing_does_not_see_what_changed_and_kept_its_size(two: Two, tmp_path: Path) -> None:
    _, target = two
    copy(two)
    bundle = make_bundle(tmp_path, 1)
    overwrite(target, bundle_key(bundle.id), flipped(bundle.path.read_bytes()))

    assert copy(two).good


def test_what_is_damaged_in_the_original_is_not_copied(two: Two, tmp_path: Path) -> None:
    source, target = two
    bundle, other = make_bundle(tmp_path, 1), make_bundle(tmp_path, 2)
    overwrite(source, bundle_key(bundle.id), flipped(bundle.path.read_bytes()))
    overwrite(source, manifest_key(other.id), b"{}")
    event = next(event for event in source.events() if event.kind == "late")
    overwrite(source, event.key, event.data[:-1])
    key = f"v1/sources/{digest_of(b'a WARC').removeprefix('sha256:')}.warc"
    overwrite(source, key, b"a warc")

    report = copy(two)

    assert {(trouble.code, trouble.key) for trouble in report.troubles} == {
        ("damaged", manifest_key(bundle.id)),
        ("damaged", manifest_key(other.id)),
        ("damaged", event.key),
        ("damaged", key),
    }
    assert not {bundle_key(bundle.id), event.key, key} & objects(target)


def test_what_was_taken_down_is_not_copied_and_its_tombstone_is(two: Two, tmp_path: Path) -> None:
    source, target = two
    bundle = make_bundle(tmp_path, 1)
    remove(source, bundle_key(bundle.id))
    remove(source, manifest_key(bundle.id))
    source.put_event(Event("tombstone", NOW, bundle.id, {"sha256": bundle.sha256, "reason": "r", "by": "me"}))

    assert copy(two).good
    assert bundle.id not in list(target.list_ids())
    assert [event.bundle for event in target.events() if event.kind == "tombstone"] == [bundle.id]


def test_a_takedown_is_said_where_the_copy_still_holds_the_bundle_and_hides_nothing(two: Two, tmp_path: Path) -> None:
    source, target = two
    copy(two)
    bundle = make_bundle(tmp_path, 1)
    remove(source, bundle_key(bundle.id))
    remove(source, manifest_key(bundle.id))
    source.put_event(Event("tombstone", NOW, bundle.id, {"sha256": bundle.sha256, "reason": "r", "by": "me"}))

    report = copy(two)

    assert [(trouble.code, trouble.key) for trouble in report.troubles] == [("taken-down-here", bundle_key(bundle.id))]
    assert f"tearsheet remove {bundle.id} --store {target.location}" in str(report.troubles[0])
    assert not report.good
    assert target.fetch_bundle(bundle.id, tmp_path / "out").exists()
    assert [event for event in target.events() if event.kind == "tombstone"] == []


def test_what_was_taken_down_in_the_copy_does_not_come_back_and_that_is_said(two: Two, tmp_path: Path) -> None:
    _, target = two
    copy(two)
    bundle = make_bundle(tmp_path, 1)
    remove(target, bundle_key(bundle.id))
    remove(target, manifest_key(bundle.id))
    target.put_event(Event("tombstone", NOW, bundle.id, {"sha256": bundle.sha256, "reason": "r", "by": "me"}))

    report = copy(two)

    assert [trouble.code for trouble in report.troubles] == ["taken-down-there"]
    assert report.good
    assert bundle.id not in list(target.list_ids())


def test_a_bundle_that_is_there_in_spite_of_its_tombstone_is_not_copied(two: Two, tmp_path: Path) -> None:
    source, target = two
    bundle = make_bundle(tmp_path, 1)
    source.put_event(Event("tombstone", NOW, bundle.id, {"sha256": bundle.sha256, "reason": "r", "by": "me"}))

    assert [trouble.code for trouble in copy(two).troubles] == ["tombstone-ignored"]
    assert bundle.id not in list(target.list_ids())


def test_a_copy_broken_off_anywhere_is_consistent_and_goes_on(opened: Opened, tmp_path: Path) -> None:
    source = opened(str(tmp_path / "original"))
    bundle = make_bundle(tmp_path, 1)
    source.put_bundle(bundle)
    for at in range(1, 40):
        place = str(tmp_path / f"copy-{at}")
        crashed = False
        try:
            copy((source, Store(Crashing(opened(place).objects, at, after=False))))
        except Crash:
            crashed = True
        target = opened(place)
        for id_ in target.list_ids():
            target.fetch_bundle(id_, tmp_path / f"seen-{at}")
        assert copy((source, target)).good
        assert list(target.list_ids()) == [bundle.id]
        if not crashed:
            break
    assert at > 8


def test_a_stopped_copy_says_so(two: Two) -> None:
    stop = threading.Event()
    stop.set()

    report = copy(two, stop=stop)
    assert (report.stopped, report.good, report.bundles) == (True, False, 0)


def test_a_store_is_not_copied_to_itself(two: Two, opened: Opened) -> None:
    source, target = two
    with pytest.raises(StoreRefused, match="the same store"):
        replicate(source, opened(source.location))
    overwrite(target, "v1/store.json", read(source, "v1/store.json"))  # a copy made by other means
    with pytest.raises(StoreRefused, match=r"delete v1/store\.json"):
        copy(two)


def test_audits_of_the_original_tell_nothing_of_the_copy(two: Two) -> None:
    source, target = two
    audit(source, at=NOW - timedelta(days=1))
    copy(two)

    assert [event.kind for event in target.events() if event.kind == "fixity"] == ["fixity"]
    assert audit(target).gone_on == 0
