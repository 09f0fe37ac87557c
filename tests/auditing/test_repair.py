"""Repair from a second store: only what was verified is put back, and nothing is overwritten blindly."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.auditing import Plan
from tasks.records import Bundle, digest_of
from tasks.store import Store
from tasks.store.events import Event
from tasks.store.layout import bundle_key, manifest_key
from tests.auditing.kit import NOW, audit, codes, fill, flipped, make_bundles, overwrite, read, remove

Opened = Callable[..., Store]
Pair = tuple[Store, Store, list[Bundle]]


@pytest.fixture
def pair(location: str, opened: Opened, tmp_path: Path) -> Pair:
    """A store, a second one with the same bundles, and those."""
    store, other, bundles = opened(location), opened(str(tmp_path / "other")), make_bundles(tmp_path / "w", 6)
    fill(store, bundles)
    fill(other, bundles)
    return store, other, bundles


def test_all_that_is_missing_or_changed_is_put_back(pair: Pair) -> None:
    store, other, bundles = pair
    audit(store, at=NOW - timedelta(days=1))
    remove(store, bundle_key(bundles[0].id))
    overwrite(store, bundle_key(bundles[1].id), flipped(bundles[1].path.read_bytes()))
    overwrite(store, bundle_key(bundles[2].id), b"short")
    overwrite(store, manifest_key(bundles[3].id), bundles[3].manifest.replace(b"tide", b"Tide", 1))
    remove(store, bundle_key(bundles[4].id))
    remove(store, manifest_key(bundles[4].id))
    overwrite(store, manifest_key(bundles[5].id), b"{")
    overwrite(store, bundle_key(bundles[5].id), flipped(bundles[5].path.read_bytes()))
    event = Event("hold", NOW, bundles[0].id, {"state": "on"})
    other.put_event(event)
    overwrite(store, event.key, event.data[:-1])
    source = f"v1/sources/{digest_of(b'a WARC').removeprefix('sha256:')}.warc"
    overwrite(other, source, b"a WARC")
    overwrite(store, source, b"a warc")

    report = audit(store, repair_from=other)

    assert report.good, report.findings
    assert report.repaired == len([finding for finding in report.findings if finding.severity != "note"]) == 9
    for bundle in bundles:
        assert read(store, bundle_key(bundle.id)) == bundle.path.read_bytes()
        assert read(store, manifest_key(bundle.id)) == bundle.manifest
    assert read(store, event.key) == event.data
    assert read(store, source) == b"a WARC"
    repairs = [event for event in store.events() if event.kind == "repair"]
    assert len(repairs) == 9
    assert {event.detail["from"] for event in repairs} == {other.location}
    assert repairs[0].detail["sha256"].startswith("sha256:")
    assert audit(store, at=NOW + timedelta(days=1)).good


def test_a_second_store_that_is_damaged_itself_repairs_nothing(pair: Pair) -> None:
    store, other, bundles = pair
    bad = flipped(bundles[0].path.read_bytes())
    overwrite(store, bundle_key(bundles[0].id), bad)
    overwrite(other, bundle_key(bundles[0].id), flipped(bundles[0].path.read_bytes(), 500))
    overwrite(store, manifest_key(bundles[1].id), b"{")
    overwrite(other, manifest_key(bundles[1].id), bundles[1].manifest.replace(b"tide", b"Tide", 1))
    remove(store, bundle_key(bundles[2].id))
    remove(other, bundle_key(bundles[2].id))

    report = audit(store, repair_from=other)

    assert sorted(code for code, _ in codes(report)) == ["manifest-broken", "wacz-digest", "wacz-missing"]
    assert (report.good, report.repaired) == (False, 0)
    assert all("not repaired: " in finding.repair for finding in report.findings)
    assert read(store, bundle_key(bundles[0].id)) == bad
    assert read(store, manifest_key(bundles[1].id)) == b"{"
    assert [event for event in store.events() if event.kind == "repair"] == []


def test_without_a_second_store_nothing_is_changed_and_the_command_is_told(pair: Pair) -> None:
    store, _, bundles = pair
    remove(store, bundle_key(bundles[0].id))

    (finding,) = audit(store).findings
    assert not finding.repaired
    assert finding.remedy(store.location).endswith("--repair-from OTHER-STORE")


def test_size_repairs_what_it_finds_too(pair: Pair) -> None:
    store, other, bundles = pair
    remove(store, bundle_key(bundles[0].id))

    report = audit(store, Plan("size", 0), repair_from=other)
    assert (report.good, report.repaired) == (True, 1)


def test_what_was_taken_down_is_not_put_back(pair: Pair) -> None:
    store, other, bundles = pair
    audit(store, at=NOW - timedelta(days=1))
    store.put_event(Event("tombstone", NOW, bundles[0].id, {"sha256": bundles[0].sha256, "reason": "r", "by": "me"}))
    remove(store, bundle_key(bundles[0].id))
    remove(store, manifest_key(bundles[0].id))

    assert audit(store, repair_from=other).findings == []
    assert len(list(store.list_ids())) == 5
