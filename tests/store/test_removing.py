"""Taking bundles down: nothing of them is left but a tombstone, whatever happens on the way."""

import itertools
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import NotFound, StoreLocked, StoreRefused, StoreTombstoned
from tasks.records import Bundle
from tasks.related import article_of, family_of
from tasks.removing import Decision, hold, lift, plan_removals, remove
from tasks.settings import load_settings
from tasks.store import Store
from tasks.store.events import Event
from tasks.store.layout import STORE_KEY, bundle_key, manifest_key, tombstone_key
from tasks.store.objects import Content, keys
from tasks.store.s3 import S3Objects
from tests.store.kit import DAY, Crash, Crashing, article_fields, derived_fields, make_bundle

Opened = Callable[..., Store]
Bucket = Callable[[str], str]
AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
WHY = Decision("court order 7 O 12/26", "Ada")
UNKNOWN = "20200101000000-0123456789abcdef"


@pytest.fixture(params=["folder", "plain", "versioned"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store: a folder, a bucket, and a bucket that keeps versions."""
    if request.param == "folder":
        return str(tmp_path / "store")
    made: str = request.getfixturevalue("bucket")(request.param)
    return made


def take_down(store: Store, *bundles: Bundle, **more: Any) -> list[Event]:
    plan = plan_removals(store, [bundle.id for bundle in bundles], **more)
    return [remove(store, removal, WHY, now=AT, **more) for removal in plan]


def everything(store: Store) -> list[str]:
    """Every key of which a version is left."""
    if not isinstance(store.objects, S3Objects):
        return sorted(keys(store.objects, "v1/"))
    objects = store.objects
    page: Any = objects.client.list_object_versions(Bucket=objects.bucket, Prefix=objects.prefix)
    found = (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))
    return sorted(entry["Key"].removeprefix(objects.prefix) for entry in found)


def observe(store: Store, bundle: Bundle, hours: int = 0) -> str:
    event = Event("observation", AT + timedelta(hours=hours), bundle.id, {"url": "https://news.example/tide"})
    return store.put_event(event, Content.of_bytes(b"a revisit record"))


# -------------------------------------------------------------------- the main job
def test_nothing_is_left_of_a_removed_bundle_but_its_tombstone(place: str, opened: Opened, tmp_path: Path) -> None:
    store, gone, stays = opened(place), make_bundle(tmp_path, 1), make_bundle(tmp_path, 2)
    store.put_bundle(gone, today=DAY)
    store.put_bundle(stays, today=DAY)

    (event,) = take_down(store, gone)

    assert (event.kind, event.bundle, event.at) == ("tombstone", gone.id, AT)
    removed = [manifest_key(gone.id), bundle_key(gone.id)]
    assert event.detail == {"sha256": gone.sha256, "reason": WHY.reason, "by": "Ada", "removed": removed}
    own = [tombstone_key(gone.id), event.key]
    assert everything(store) == sorted([*own, bundle_key(stays.id), manifest_key(stays.id), STORE_KEY])
    assert list(opened(place).list_ids()) == [stays.id]
    with pytest.raises(StoreTombstoned, match="by Ada: court order 7 O 12/26"):
        opened(place).fetch_bundle(gone.id, tmp_path / "out")
    with pytest.raises(StoreTombstoned):
        opened(place).put_bundle(gone)
    assert list(store.events()) == [event]


def test_old_versions_and_delete_markers_go_as_well(bucket: Bucket, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(bucket("versioned")), make_bundle(tmp_path)
    store.put_bundle(bundle, today=DAY)
    assert isinstance(store.objects, S3Objects)
    for key in (manifest_key(bundle.id), bundle_key(bundle.id)):
        own = {"Bucket": store.objects.bucket, "Key": store.objects.prefix + key}
        store.objects.client.put_object(Body=b"another", **own)
        store.objects.client.delete_object(**own)  # the bundle seems to be gone, and is not
    assert list(store.list_ids()) == []

    take_down(store, bundle)

    assert [key for key in everything(store) if "/bundles/" in key] == []


def test_an_orphan_without_its_manifest_can_be_removed(place: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(place), make_bundle(tmp_path)
    store.put_bundle(make_bundle(tmp_path, 2))
    store.objects.create(bundle_key(bundle.id), Content(bundle.path, bundle.sha256, bundle.size))

    (event,) = take_down(store, bundle)

    assert event.detail["sha256"] == bundle.sha256
    assert event.detail["removed"] == [bundle_key(bundle.id)]
    assert not store.objects.versions(bundle_key(bundle.id))


@pytest.mark.parametrize("manifest", [b"", b"not json", b"[]", b'{"sha256":"sha256:00","source":7}'])
def test_a_bundle_with_a_damaged_manifest_can_be_removed(
    location: str, opened: Opened, tmp_path: Path, manifest: bytes
) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(replace(bundle, manifest=manifest))

    (event,) = take_down(store, bundle)

    assert event.detail["sha256"] == bundle.sha256
    assert list(store.list_ids()) == []


# -------------------------------------------------------------------- what else holds the page
def test_observations_of_the_bundle_go_and_those_of_others_stay(place: str, opened: Opened, tmp_path: Path) -> None:
    store, gone, stays = opened(place), make_bundle(tmp_path, 1), make_bundle(tmp_path, 2)
    store.put_bundle(gone, today=DAY)
    store.put_bundle(stays, today=DAY)
    its = [observe(store, gone, hours) for hours in (1, 30)]
    other = observe(store, stays)

    (event,) = take_down(store, gone)

    attachments = [f"{key.removesuffix('.json')}.warc.gz" for key in its]
    assert event.detail["removed"][2:] == [*attachments, *its]
    there = [key for key in everything(store) if "-observation-" in key]
    assert there == [other, f"{other.removesuffix('.json')}.warc.gz"]


def test_a_damaged_observation_is_told_and_stops_nothing(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle, heard = opened(location), make_bundle(tmp_path), list[str]()
    store.put_bundle(bundle)
    event = Event("observation", AT, bundle.id)
    store.objects.create(event.key, Content.of_bytes(b"{"))

    plan_removals(store, [bundle.id], heard=heard.append)

    assert any(event.key in line for line in heard)


def imported(folder: Path, number: int, source: Content) -> Bundle:
    return make_bundle(folder, number, source={"sha256": source.sha256, "bytes": source.size})


def test_an_imported_file_goes_with_the_last_bundle_that_needs_it(place: str, opened: Opened, tmp_path: Path) -> None:
    source = Content.of_bytes(b"a WARC of another tool")
    key = f"v1/sources/{source.sha256.removeprefix('sha256:')}.warc.gz"
    first, second, other = (imported(tmp_path, 1, source), imported(tmp_path, 2, source), make_bundle(tmp_path, 3))
    store = opened(place)
    store.objects.create(key, source)
    for bundle in (first, second, other):
        store.put_bundle(bundle, today=DAY)

    (plan,) = plan_removals(store, [first.id])
    assert key not in plan.keys
    assert plan.kept == (key,)
    take_down(store, first)
    assert store.objects.versions(key)

    take_down(store, second)
    assert not store.objects.versions(key)
    assert list(store.list_ids()) == [other.id]


def test_an_imported_file_goes_when_all_that_need_it_go_at_once(location: str, opened: Opened, tmp_path: Path) -> None:
    source, store = Content.of_bytes(b"a WARC of another tool"), opened(location)
    key = f"v1/sources/{source.sha256.removeprefix('sha256:')}.wacz"
    bundles = [imported(tmp_path, number, source) for number in (1, 2)]
    store.objects.create(key, source)
    for bundle in bundles:
        store.put_bundle(bundle)

    take_down(store, *bundles)

    assert not store.objects.versions(key)


def test_a_bundle_of_the_same_capture_that_stays_is_told(location: str, opened: Opened, tmp_path: Path) -> None:
    root = make_bundle(tmp_path, 1, **article_fields())
    child = make_bundle(tmp_path, 1, size=6000, **derived_fields(root))
    stranger = make_bundle(tmp_path, 1, size=7000, **article_fields("https://other.example/"))
    later = make_bundle(tmp_path, 5, **article_fields("https://news.example:443/tide#top"))
    store = opened(location)
    for bundle in (root, child, stranger, later):
        store.put_bundle(bundle)

    assert [removal.siblings for removal in plan_removals(store, [root.id])] == [(child.id,)]
    assert [removal.siblings for removal in plan_removals(store, [child.id])] == [(root.id,)]
    assert [removal.siblings for removal in plan_removals(store, [child.id, root.id])] == [(), ()]
    assert [removal.siblings for removal in plan_removals(store, [stranger.id])] == [()]
    assert family_of(store, child.id) == tuple(sorted([root.id, child.id]))
    assert article_of(store, child.id) == tuple(sorted([root.id, child.id, later.id]))

    take_down(store, root)
    assert family_of(store, root.id) == (child.id,)
    assert article_of(store, root.id) == (root.id,)
    assert store.fetch_bundle(child.id, tmp_path / "out")


# -------------------------------------------------------------------- wrong, twice, unknown
def test_an_unknown_id_removes_nothing_of_the_others(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(bundle)
    before = everything(store)

    for wrong in (UNKNOWN, "../../etc/passwd", "", bundle.id[:-1], bundle.id + "\n"):
        with pytest.raises(NotFound):
            plan_removals(store, [bundle.id, wrong])
    assert everything(store) == before
    with pytest.raises(NotFound):
        plan_removals(opened(f"{location}-new"), [bundle.id])
    assert list(keys(opened(f"{location}-new").objects, "v1/")) == []


def test_removing_twice_keeps_the_first_tombstone(place: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(place), make_bundle(tmp_path)
    store.put_bundle(bundle)
    (first,) = take_down(store, bundle)
    after = everything(store)

    (plan,) = plan_removals(opened(place), [bundle.id])
    again = remove(opened(place), plan, Decision("another reason", "Bob"), now=AT + timedelta(1))

    assert (plan.keys, plan.tombstone, again) == ((), first, first)
    assert everything(store) == after


def test_what_came_back_under_a_tombstone_is_cleared_away(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(bundle)
    take_down(store, bundle)
    store.objects.create(bundle_key(bundle.id), Content(bundle.path, bundle.sha256, bundle.size))
    store.objects.create(manifest_key(bundle.id), Content.of_bytes(bundle.manifest))
    assert list(opened(location).list_ids()) == []

    take_down(store, bundle)

    assert [key for key in everything(store) if "/bundles/" in key] == []


def test_a_tombstone_cannot_name_the_objects_of_others(location: str, opened: Opened, tmp_path: Path) -> None:
    store, gone, stays = opened(location), make_bundle(tmp_path, 1), make_bundle(tmp_path, 2)
    store.put_bundle(stays)
    others = [bundle_key(stays.id), manifest_key(stays.id), STORE_KEY, "v1/sources/../store.json", "../x", 7, None]
    store.put_event(Event("tombstone", AT, gone.id, {"sha256": "", "removed": others}))

    assert [removal.keys for removal in plan_removals(store, [gone.id])] == [()]


# -------------------------------------------------------------------- killed on the way
@pytest.mark.parametrize("after", [False, True], ids=["before", "after"])
def test_a_kill_at_any_step_shows_no_text_and_a_rerun_completes(
    place: str, opened: Opened, tmp_path: Path, after: bool
) -> None:
    source = Content.of_bytes(b"a WARC of another tool")
    key = f"v1/sources/{source.sha256.removeprefix('sha256:')}.warc"
    bundle, stays = imported(tmp_path, 1, source), make_bundle(tmp_path, 2)
    crashed = True
    for at in itertools.count(1):
        here = f"{place}-{at}" if "://" not in place else f"{place}/{at}"
        store = opened(here)
        store.objects.create(key, source)
        store.put_bundle(bundle, today=DAY)
        store.put_bundle(stays, today=DAY)
        observe(store, bundle)
        try:
            take_down(Store(Crashing(opened(here).objects, at, after=after)), bundle)
            crashed = False
        except Crash:
            pass

        survivor = opened(here)
        begun = bool(survivor.objects.versions(tombstone_key(bundle.id)))
        assert (bundle.id in survivor.list_ids()) == (not begun)
        if begun:
            with pytest.raises(StoreTombstoned):
                survivor.read_manifest(bundle.id)
        else:
            survivor.fetch_bundle(bundle.id, tmp_path / f"out-{at}")
        take_down(survivor, bundle)

        (event,) = survivor.events()
        kept = [tombstone_key(bundle.id), event.key, bundle_key(stays.id), manifest_key(stays.id), STORE_KEY]
        assert everything(survivor) == sorted(kept)
        if not crashed:
            break
    assert at > 9  # reads of the plan; tombstone, event, its bundle, manifest, source, observation with its attachment


# -------------------------------------------------------------------- locks, holds, lifts
def test_a_lock_forbids_removing_before_anything_is_done(bucket: Bucket, opened: Opened, tmp_path: Path) -> None:
    settings = replace(load_settings(), object_lock="governance", retention_days=2)
    store, free, locked = opened(bucket("locked"), settings), make_bundle(tmp_path, 1), make_bundle(tmp_path, 2)
    opened(store.location, load_settings()).put_bundle(free)
    store.put_bundle(locked)
    before = everything(store)

    with pytest.raises(StoreLocked, match=r"\.json: locked \(governance\) until 20") as caught:
        take_down(store, free, locked)
    assert caught.value.until is not None
    assert everything(store) == before
    assert store.fetch_bundle(locked.id, tmp_path / "out")

    take_down(store, free, locked, bypass_governance=True)
    assert [key for key in everything(store) if "/bundles/" in key] == []


def test_a_hold_forbids_removing_and_leaves_events(bucket: Bucket, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(bucket("locked")), make_bundle(tmp_path)
    store.put_bundle(bundle, today=DAY)

    first = hold(store, bundle.id, Decision("evidence", "Ada"), on=True, now=AT)
    with pytest.raises(StoreLocked, match="legal hold"):
        take_down(store, bundle, bypass_governance=True)
    second = hold(store, bundle.id, Decision("settled", "Bob"), on=False, now=AT + timedelta(1))
    take_down(store, bundle)

    assert (first.kind, first.detail) == ("hold", {"state": "on", "reason": "evidence", "by": "Ada"})
    assert (second.kind, second.detail) == ("hold", {"state": "off", "reason": "settled", "by": "Bob"})
    assert [event.kind for event in store.events()] == ["hold", "tombstone", "hold"]


def test_a_hold_needs_a_bundle_and_locks(location: str, bucket: Bucket, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(bundle, today=DAY)

    with pytest.raises(StoreRefused, match="no Object Lock here"):
        hold(store, bundle.id, WHY, on=True)
    assert list(store.events()) == []
    for wrong in (UNKNOWN, "../x"):
        with pytest.raises(NotFound):
            hold(opened(bucket("locked")), wrong, WHY, on=True)


def test_a_lifted_bundle_can_be_stored_and_removed_again(place: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(place), make_bundle(tmp_path)
    store.put_bundle(bundle, today=DAY)
    take_down(store, bundle)

    event = lift(store, bundle.id, Decision("set aside", "Ada"), now=AT)
    assert (event.kind, event.detail) == ("lift", {"reason": "set aside", "by": "Ada"})
    assert store.put_bundle(bundle, today=DAY).created
    assert list(opened(place).list_ids()) == [bundle.id]

    take_down(store, bundle)  # with the very same event as the first time
    assert list(opened(place).list_ids()) == []
    with pytest.raises(NotFound, match="no tombstone"):
        lift(store, UNKNOWN, WHY)


def test_a_damaged_tombstone_can_be_lifted_and_does_not_stop_removing(
    location: str, opened: Opened, tmp_path: Path
) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)
    store.put_bundle(bundle)
    store.objects.create(tombstone_key(bundle.id), Content.of_bytes(b"{"))

    take_down(store, bundle)
    assert not store.objects.versions(bundle_key(bundle.id))
    lift(store, bundle.id, WHY)
    assert store.put_bundle(bundle).created
