"""Events: append-only, found by their day, and whole; and what every backend does with single objects."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta, timezone
from pathlib import Path

import pytest

from tasks.errors import FormatError, NotFound, StoreConflict
from tasks.store import Store
from tasks.store.events import Event, read_event
from tasks.store.objects import Content, Listed, keys
from tests.store.kit import DAY, make_bundle

Opened = Callable[..., Store]
AT = datetime(2026, 11, 24, 8, 30, tzinfo=UTC)
ID = "20261123101500-0123456789abcdef"


def test_an_event_comes_back_as_it_was(location: str, opened: Opened) -> None:
    event = Event("observation", AT, ID, {"url": "https://x.example/é", "status": 200})

    key = opened(location).put_event(event)

    assert key == event.key
    assert key.startswith("v1/events/2026/11/24/20261124083000-observation-")
    assert list(opened(location).events()) == [event]
    assert opened(location).read_event(key) == event


def test_storing_an_event_again_changes_nothing(location: str, opened: Opened) -> None:
    store, event = opened(location), Event("hold", AT, ID, {"state": "on"})

    assert store.put_event(event) == store.put_event(event)
    assert list(store.events()) == [event]


def test_an_attachment_stands_beside_its_event(location: str, opened: Opened) -> None:
    store, event = opened(location), Event("observation", AT, ID)

    key = store.put_event(event, Content.of_bytes(b"a small WARC"))

    assert sorted(keys(store.objects, "v1/events/")) == [key, f"{event.stem}.warc.gz"]
    assert b"".join(store.objects.read(f"{event.stem}.warc.gz")) == b"a small WARC"
    with pytest.raises(StoreConflict):
        store.put_event(event, Content.of_bytes(b"another one"))


def test_events_are_listed_by_day_in_order(location: str, opened: Opened) -> None:
    store = opened(location)
    later = [Event("fixity", AT + timedelta(hours=hours), detail={"n": hours}) for hours in (30, 5, 1)]
    for event in later:
        store.put_event(event)

    assert list(store.events("20261124")) == [later[2], later[1]]
    assert list(store.events("20261125")) == [later[0]]
    assert list(store.events("20261126")) == []
    assert list(store.events()) == later[::-1]


def test_the_time_of_an_event_is_kept_in_utc() -> None:
    event = Event("fixity", datetime(2026, 11, 24, 1, 0, tzinfo=timezone(timedelta(hours=2))))

    assert event.key.startswith("v1/events/2026/11/23/20261123230000-fixity-")
    assert read_event(event.key, event.data) == event


@pytest.mark.parametrize("damage", [b"", b"[]", b"{}", b"not json", b'{"format":"tearsheet-event/2"}'])
def test_a_damaged_event_is_said(location: str, opened: Opened, damage: bytes) -> None:
    store, event = opened(location), Event("fixity", AT)
    store.objects.create(event.key, Content.of_bytes(damage))

    with pytest.raises(FormatError, match="put it back from a copy"):
        list(store.events())


@pytest.mark.parametrize("old", [b"24T", b"fixity", b"n", b":1"])
def test_one_changed_byte_of_an_event_is_noticed(old: bytes) -> None:
    event = Event("fixity", AT, detail={"n": 1})
    changed = event.data.replace(old, bytes([old[0] ^ 1]) + old[1:])

    assert changed != event.data
    with pytest.raises(FormatError):
        read_event(event.key, changed)


@pytest.mark.parametrize("wrong", [Event("Fixity", AT), Event("a/b", AT), Event("hold", AT, detail={"kind": "x"})])
def test_what_is_no_event_is_refused(location: str, opened: Opened, wrong: Event) -> None:
    with pytest.raises(ValueError, match="no event"):
        opened(location).put_event(wrong)


# -------------------------------------------------------------------- late
@pytest.mark.parametrize("today", [DAY - timedelta(1), DAY + timedelta(1), DAY + timedelta(400)])
def test_a_bundle_of_another_day_is_announced_under_the_day_of_its_commit(
    location: str, opened: Opened, tmp_path: Path, today: date
) -> None:
    store, bundle = opened(location), make_bundle(tmp_path)

    store.put_bundle(bundle, today=today)
    store.put_bundle(bundle, today=today)

    (event,) = store.events(f"{today:%Y%m%d}")
    assert (event.kind, event.bundle) == ("late", bundle.id)


def test_a_bundle_of_the_day_needs_no_announcement(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    store.put_bundle(make_bundle(tmp_path), today=DAY)

    assert list(store.events()) == []


# -------------------------------------------------------------------- single objects
def test_an_object_is_listed_with_its_size_and_time(location: str, opened: Opened) -> None:
    objects, started = opened(location).objects, datetime.now(UTC) - timedelta(seconds=5)
    objects.create("v1/probe/x/one.json", Content.of_bytes(b"12345"))

    (found,) = objects.listing("v1/probe/")

    assert isinstance(found, Listed)
    assert (found.key, found.size) == ("v1/probe/x/one.json", 5)
    assert found.modified_at
    assert started <= found.modified_at <= datetime.now(UTC) + timedelta(seconds=5)


def test_an_object_is_known_without_being_read(location: str, opened: Opened) -> None:
    objects, content = opened(location).objects, Content.of_bytes(b"12345")
    objects.create("v1/probe/x/one.json", content)

    found = objects.stat("v1/probe/x/one.json")

    assert found.size == 5
    assert found.sha256 == (content.sha256 if location.startswith("s3://") else None)
    with pytest.raises(NotFound):
        objects.stat("v1/probe/x/two.json")


def test_a_deleted_object_is_gone_and_deleting_it_again_is_fine(location: str, opened: Opened) -> None:
    objects = opened(location).objects
    for name in ("one.json", "one.jso", "one.json2"):
        objects.create(f"v1/probe/x/{name}", Content.of_bytes(b"12345"))

    objects.delete("v1/probe/x/one.json")
    objects.delete("v1/probe/x/one.json")
    objects.delete("v1/probe/none/at-all.json")

    assert sorted(keys(objects, "v1/probe/")) == ["v1/probe/x/one.jso", "v1/probe/x/one.json2"]
    assert objects.create("v1/probe/x/one.json", Content.of_bytes(b"another"))
