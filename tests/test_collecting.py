"""gc deletes only what nobody needs, in two phases; and no timing of a writer and gc loses a bundle."""

import itertools
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from tasks.collecting import collect, mark
from tasks.errors import NotFound, StoreRefused, StoreUnavailable
from tasks.records import Bundle
from tasks.store import Store
from tasks.store.claims import WRITER, claim
from tasks.store.events import Event
from tasks.store.layout import bundle_key, claim_key, manifest_key
from tasks.store.objects import Content, keys
from tests.auditing.kit import audit, overwrite
from tests.store.conftest import location, opened
from tests.store.kit import Crash, make_bundle

__all__ = ["location", "opened"]

Opened = Callable[..., Store]
DAY = timedelta(days=1)


def in_days(days: float) -> Callable[[], datetime]:
    """A clock that stands so many days from now: what is stored now is that old then."""
    moment = datetime.now(UTC) + days * DAY
    return lambda: moment


def orphaned(store: Store, folder: Path, number: int = 1) -> Bundle:
    """A bundle whose writer died before the manifest."""
    bundle = make_bundle(folder, number)
    store.id or store.put_event(Event("hold", datetime.now(UTC)))  # the store is no new one
    overwrite(store, bundle_key(bundle.id), bundle.path.read_bytes())
    return bundle


def states(found: Any) -> dict[str, str]:
    return {orphan.key: orphan.state for orphan in found.orphans}


def test_orphans_are_marked_and_a_day_later_deleted(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    orphan, kept = orphaned(store, tmp_path), make_bundle(tmp_path, 2)
    store.put_bundle(kept)
    event = Event("observation", datetime.now(UTC), kept.id)
    overwrite(store, f"{event.stem}.warc.gz", b"a response")
    overwrite(store, f"v1/sources/{'0' * 64}.warc", b"evidence")
    overwrite(store, "v1/index/x.parquet", b"derived")
    overwrite(store, "v1/bundles/2026/11/23/notes.txt", b"mine")
    wanted = {bundle_key(orphan.id), f"{event.stem}.warc.gz"}

    assert mark(store, clock=in_days(6)).orphans == []
    assert collect(store, clock=in_days(30)).orphans == []  # nothing is marked
    assert states(mark(store, clock=in_days(8))) == dict.fromkeys(wanted, "marked")
    assert states(mark(store, clock=in_days(8.1))) == dict.fromkeys(wanted, "waits")
    assert states(collect(store, clock=in_days(8.5))) == dict.fromkeys(wanted, "waits")
    before = set(keys(store.objects, "v1/"))
    assert states(collect(store, clock=in_days(9.1))) == dict.fromkeys(wanted, "deleted")

    after = set(keys(store.objects, "v1/"))
    assert before - after == wanted
    marked, deleted = (event for event in store.events() if event.kind == "gc")
    assert marked.detail["state"] == "marked"
    assert {row["key"] for row in deleted.detail["objects"]} == wanted
    assert collect(store, clock=in_days(12)).orphans == []
    assert store.fetch_bundle(kept.id, tmp_path / "out").exists()


def test_what_changed_or_was_committed_since_the_mark_stays(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    rewritten, committed = orphaned(store, tmp_path, 1), orphaned(store, tmp_path, 2)
    mark(store, clock=in_days(8))
    overwrite(store, bundle_key(rewritten.id), rewritten.path.read_bytes() + b"more")
    store.put_bundle(committed)

    assert states(collect(store, clock=in_days(10))) == {}
    assert store.fetch_bundle(committed.id, tmp_path / "out").exists()
    assert bundle_key(rewritten.id) in set(keys(store.objects, "v1/"))


def test_unfinished_uploads_and_left_overs_go_too(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    bundle = orphaned(store, tmp_path)
    claim(store.objects, bundle_key(bundle.id), WRITER)
    overwrite(store, "v1/probe/00/a", b"")
    if "client" in dir(store.objects):
        objects: Any = store.objects
        place = {"Bucket": objects.bucket, "Key": f"{objects.prefix}v1/bundles/2026/11/23/big.wacz"}
        objects.client.create_multipart_upload(**place)
    else:
        overwrite(store, "v1/bundles/2026/11/23/.tmp-00", b"half")
    mark(store, clock=in_days(8))

    found = states(collect(store, clock=in_days(10)))
    assert sorted(found.values()) == ["deleted"] * 3
    assert bundle_key(bundle.id) not in found  # a claim stood on it: its turn comes after the claim's
    assert list(store.objects.uploads()) == []
    mark(store, clock=in_days(11))
    assert states(collect(store, clock=in_days(13))) == {bundle_key(bundle.id): "deleted"}


def test_marks_of_another_store_do_not_count(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    orphan = orphaned(store, tmp_path)
    item = next(row for row in store.objects.listing("v1/") if row.key == bundle_key(orphan.id))
    row = {"key": item.key, "size": item.size, "at": f"{item.modified_at:%Y%m%d%H%M%S.%f}"}
    store.put_event(Event("gc", datetime.now(UTC), detail={"store": "another", "state": "marked", "objects": [row]}))
    assert collect(store, clock=in_days(10)).orphans == []
    store.put_event(Event("gc", datetime.now(UTC), detail={"store": store.id, "state": "marked", "objects": [row]}))
    assert states(collect(store, clock=in_days(10))) == {bundle_key(orphan.id): "deleted"}


def test_what_may_not_be_deleted_is_kept_and_said(opened: Opened, tmp_path: Path) -> None:
    store = opened(str(tmp_path / "store"))
    orphan = orphaned(store, tmp_path)
    mark(store, clock=in_days(8))

    def locked(key: str) -> None:
        if key == bundle_key(orphan.id):
            raise StoreRefused("locked until 2030")

    (found,) = collect(Store(Hooked(store.objects, delete=locked)), clock=in_days(10)).orphans
    assert (found.state, found.why) == ("kept", "locked until 2030")
    assert [event.detail["state"] for event in store.events() if event.kind == "gc"] == ["marked"]


# ------------------------------------------------------------------ a writer and gc at once
class Hooked:
    """Objects that run something before their operation number `at` (from 1), and die before number `dies`."""

    def __init__(self, inner: Any, at: int = 0, then: Callable[[], Any] = int, *, dies: int = 0, **hooks: Any) -> None:
        self.inner, self.at, self.then, self.dies, self.hooks, self.count = inner, at, then, dies, hooks, 0
        self.location = inner.location

    def __getattr__(self, name: str) -> Any:
        method = getattr(self.inner, name)
        if name in ("adopt", "close"):
            return method

        def call(*args: Any, **more: Any) -> Any:
            self.count += 1
            if self.count == self.at:
                self.then()
            if self.count == self.dies:
                raise Crash
            self.hooks.get(name, lambda *_: None)(*args)
            return method(*args, **more)

        return call


def check_consistent(store: Store, folder: Path) -> None:
    """What is visible is whole."""
    for id_ in store.list_ids():
        store.fetch_bundle(id_, folder)


def stores(opened: Opened, tmp_path: Path) -> Iterator[tuple[Store, Bundle, Path]]:
    """Stores of the same kind, each with an orphan that is marked and ripe."""
    for number in itertools.count(1):
        store = opened(str(tmp_path / f"store-{number}"))
        bundle = orphaned(store, tmp_path / "w")
        mark(store, clock=in_days(8))
        yield store, bundle, tmp_path / f"out-{number}"


def test_a_whole_gc_between_any_two_steps_of_a_writer_loses_nothing(opened: Opened, tmp_path: Path) -> None:
    outcomes = set()
    for at, (store, bundle, out) in zip(itertools.count(1), stores(opened, tmp_path), strict=False):
        found: list[Any] = []
        hooked = Hooked(store.objects, at, lambda: found.append(collect(store, clock=in_days(10))))  # noqa: B023
        ref = Store(hooked).put_bundle(bundle)
        assert store.fetch_bundle(ref.id, out).read_bytes() == bundle.path.read_bytes()
        assert list(keys(store.objects, "v1/claims/")) == []
        outcomes.update(orphan.state for run in found for orphan in run.orphans)
        if not found:
            break
    assert at > 8
    assert outcomes == {"deleted"}  # before the writer's claim; afterwards the orphan is not looked at


def test_without_claims_a_gc_in_between_would_lose_one(
    opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.store.base.keep_for_writer", lambda *args: None)
    lost = 0
    for at, (store, bundle, _) in zip(range(1, 12), stores(opened, tmp_path), strict=False):
        with suppress(NotFound):
            Store(Hooked(store.objects, at, partial(collect, store, clock=in_days(10)))).put_bundle(bundle)
        lost += set(keys(store.objects, "v1/bundles/")) == {manifest_key(bundle.id)}
    assert lost


def test_a_whole_writer_between_any_two_steps_of_gc_loses_nothing(opened: Opened, tmp_path: Path) -> None:
    said = []
    for at, (store, bundle, out) in zip(itertools.count(1), stores(opened, tmp_path), strict=False):
        called: list[int] = []

        def write() -> None:
            called.append(1)  # noqa: B023
            try:
                store.put_bundle(bundle)  # noqa: B023
                said.append("stored")
            except StoreUnavailable as error:
                said.append(error.code)

        collect(Store(Hooked(store.objects, at, write)), clock=in_days(10))
        check_consistent(store, out)
        if called and said[-1] == "stored":
            assert list(store.list_ids()) == [bundle.id]
        store.put_bundle(bundle)  # and again, as whoever was refused does
        assert list(store.list_ids()) == [bundle.id]
        if not called:
            break
    assert {"stored", "under-deletion"} == set(said)


def test_with_a_gc_in_between_a_writer_may_die_anywhere(opened: Opened, tmp_path: Path) -> None:
    made = stores(opened, tmp_path)
    for at in range(1, 12):
        for dies in range(at, 14):
            store, bundle, out = next(made)
            try:
                between = partial(collect, store, clock=in_days(10))
                Store(Hooked(store.objects, at, between, dies=dies)).put_bundle(bundle)
            except Crash:
                pass
            check_consistent(store, out)
            store.put_bundle(bundle)
            assert store.fetch_bundle(bundle.id, out / "again").exists()


def test_a_gc_may_die_anywhere(opened: Opened, tmp_path: Path) -> None:
    for dies, (store, bundle, out) in zip(itertools.count(1), stores(opened, tmp_path), strict=False):
        crashed = False
        try:
            collect(Store(Hooked(store.objects, dies=dies)), clock=in_days(10))
        except Crash:
            crashed = True
        check_consistent(store, out)
        collect(store, clock=in_days(11))  # the next one passes over the claim of the dead one
        store.put_bundle(bundle)
        assert store.fetch_bundle(bundle.id, out / "again").exists()
        assert all(finding.severity == "note" for finding in audit(store).findings if "bundles" not in finding.key)
        if not crashed:
            break
    assert dies > 6


def test_a_writer_is_told_of_a_gc_that_holds_the_claim(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    bundle = orphaned(store, tmp_path)
    assert claim(store.objects, bundle_key(bundle.id), "gc 01")

    with pytest.raises(StoreUnavailable, match="tearsheet gc --apply") as caught:
        store.put_bundle(bundle)
    assert caught.value.code == "under-deletion"
    assert list(store.list_ids()) == []


def test_a_claim_is_held_by_one(location: str, opened: Opened) -> None:
    objects, key = opened(location).objects, "v1/bundles/2026/11/23/x.wacz"

    assert claim(objects, key, WRITER)
    assert claim(objects, key, WRITER)  # writers of one key share it
    assert not claim(objects, key, "gc 1")
    objects.delete(claim_key(key))
    assert claim(objects, key, "gc 1")
    assert not claim(objects, key, "gc 2")
    assert not claim(objects, key, WRITER)
    objects.delete(claim_key(key))
    objects.create(claim_key(key), Content.of_bytes(b"damaged"))
    assert not claim(objects, key, WRITER)


def test_an_attachment_is_kept_for_its_event_like_a_bundle_for_its_manifest(opened: Opened, tmp_path: Path) -> None:
    for at in itertools.count(1):
        store = opened(str(tmp_path / f"store-{at}"))
        store.put_event(Event("hold", datetime.now(UTC)))
        event, attachment = Event("observation", datetime.now(UTC)), Content.of_bytes(b"a response")
        overwrite(store, f"{event.stem}.warc.gz", b"a response")
        mark(store, clock=in_days(8))
        ran: list[Any] = []
        hooked = Hooked(store.objects, at, lambda: ran.append(collect(store, clock=in_days(10))))  # noqa: B023
        Store(hooked).put_event(event, attachment)
        assert {event.key, f"{event.stem}.warc.gz"} <= set(keys(store.objects, "v1/events/"))
        if not ran:
            break
    assert at > 6
