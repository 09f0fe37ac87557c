"""A rolling audit reads each bundle once a period, catches up, keeps to its bounds, and goes on after a break."""

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.auditing import Plan, history
from tasks.errors import StoreUnavailable
from tasks.records import Bundle
from tasks.store import Store, open_store
from tasks.store.layout import bundle_key, manifest_key
from tests.auditing.kit import EVERYTHING, NOW, audit, codes, fill, flipped, make_bundles, overwrite, read

Opened = Callable[..., Store]
DAY = timedelta(days=1)
WEEK = Plan(period_days=7)
LATER = NOW + timedelta(days=3650)  # later than what the file system stamps on anything stored now


class Watched:
    """Objects that note which bundles were read, and can fail."""

    def __init__(self, store: Store) -> None:
        self.inner, self.location, self.read_keys = store.objects, store.location, list[str]()
        self.fails: Callable[[str], bool] = lambda key: False

    def read(self, key: str) -> Iterator[bytes]:
        if self.fails(key):
            raise StoreUnavailable("no answer", where=key)
        if key.endswith(".wacz"):
            self.read_keys.append(key)
        return self.inner.read(key)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.inner, name)


@pytest.fixture
def ids(tmp_path: Path) -> list[str]:
    with open_store(str(tmp_path / "store"), load()) as store:
        return [bundle.id for bundle in fill(store, make_bundles(tmp_path / "w", 21))]


def load() -> Any:
    from tasks.settings import load_settings

    return load_settings(environ={})


@pytest.fixture
def watched(tmp_path: Path, ids: list[str]) -> Iterator[tuple[Store, Watched]]:
    with open_store(str(tmp_path / "store"), load()) as store:
        objects = Watched(store)
        yield Store(objects), objects


def taken(objects: Watched) -> list[str]:
    """The ids read since it was asked last."""
    found, objects.read_keys = objects.read_keys, []
    return [key.rpartition("/")[2].removesuffix(".wacz") for key in found]


def test_every_bundle_is_read_once_a_period_in_equal_shares(watched: tuple[Store, Watched], ids: list[str]) -> None:
    store, objects = watched
    rounds = []
    for day in range(14):
        assert audit(store, WEEK, at=LATER + day * DAY).good
        rounds.append(taken(objects))

    assert [len(one) for one in rounds] == [3] * 14
    assert Counter(id_ for one in rounds[:7] for id_ in one) == Counter(ids)
    assert Counter(id_ for one in rounds[7:] for id_ in one) == Counter(ids)
    assert [set(one) for one in rounds[:7]] == [set(one) for one in rounds[7:]]  # the longest unread first


def test_days_missed_are_caught_up_and_a_second_run_of_a_day_reads_nothing(
    watched: tuple[Store, Watched], ids: list[str]
) -> None:
    store, objects = watched
    audit(store, WEEK, at=LATER)
    assert len(taken(objects)) == 3
    audit(store, WEEK, at=LATER + 3 * DAY)
    assert len(taken(objects)) == 9
    audit(store, WEEK, at=LATER + 3 * DAY + timedelta(minutes=2))
    assert len(taken(objects)) <= 1
    audit(store, WEEK, at=LATER + 300 * DAY)
    assert sorted(taken(objects)) == ids


def test_what_a_bound_left_is_owed_and_read_next_time(watched: tuple[Store, Watched], ids: list[str]) -> None:
    store, _objects = watched
    bounded = audit(store, Plan(period_days=7, limit=1), at=LATER)
    assert (bounded.read, bounded.owed) == (1, 2)
    assert audit(store, WEEK, at=LATER + DAY).read == 3 + 2
    size = audit(store, WEEK, at=LATER + 2 * DAY).bytes // 3
    bounded = audit(store, Plan(period_days=7, max_bytes=size * 2 + size // 2), at=LATER + 3 * DAY)
    assert (bounded.read, bounded.owed) == (2, 1)
    assert audit(store, Plan(period_days=7, max_bytes=1), at=LATER + 4 * DAY).read == 1  # at least one, else none ever


def test_an_unsound_bundle_is_read_in_every_run_until_it_is_sound(
    watched: tuple[Store, Watched], ids: list[str]
) -> None:
    store, _ = watched
    bad = bundle_key(ids[0])
    whole = read(store, bad)
    audit(store, EVERYTHING, at=LATER)
    overwrite(Store(watched[1].inner), bad, flipped(whole))
    assert codes(audit(store, EVERYTHING, at=LATER + DAY)) == [("wacz-digest", bad)]
    for day in (2, 3, 4):
        report = audit(store, Plan(period_days=30, limit=1), at=LATER + day * DAY)
        assert codes(report) == [("wacz-digest", bad)]
    overwrite(Store(watched[1].inner), bad, whole)
    assert audit(store, Plan(period_days=30, limit=1), at=LATER + 5 * DAY).good


def test_what_was_overwritten_since_it_was_read_is_read_first(watched: tuple[Store, Watched], ids: list[str]) -> None:
    store, _ = watched
    time.sleep(0.05)
    overwrite(Store(watched[1].inner), bundle_key(ids[13]), flipped(read(store, bundle_key(ids[13]))))

    assert codes(audit(store, Plan(period_days=30), at=NOW)) == [("wacz-digest", bundle_key(ids[13]))]


def test_only_events_whose_turn_it_is_are_read_and_all_within_a_period(
    watched: tuple[Store, Watched], ids: list[str]
) -> None:
    store, _ = watched
    event = next(event for event in store.events() if event.kind == "late")
    overwrite(Store(watched[1].inner), event.key, event.data[:-1])

    found = [codes(audit(store, WEEK, at=LATER + day * DAY)) for day in range(8)]
    assert [row for row in found if row] == [[("event-broken", event.key)]] * sum(1 for row in found if row)
    assert 1 <= sum(1 for row in found if row) <= 2


def test_events_of_another_store_do_not_count(watched: tuple[Store, Watched], ids: list[str]) -> None:
    """A copy has the events of its original: they tell nothing of the copy's bytes."""
    store, objects = watched
    audit(store, EVERYTHING, at=LATER)
    foreign = [event for event in store.events() if event.kind == "fixity"]
    assert foreign
    taken(objects)
    overwrite(
        Store(objects.inner), "v1/store.json", read(store, "v1/store.json").replace(store.id.encode(), b"ab" * 16)
    )

    audit(Store(objects), WEEK, at=LATER + 3 * DAY)
    assert len(taken(objects)) == 3  # a first share, no catching up


def test_a_stopped_audit_of_everything_goes_on_where_it_was(
    watched: tuple[Store, Watched], ids: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(history, "STRETCH", 4)
    store, objects = watched
    stop = threading.Event()

    def interrupted(done: int, total: int, name: str) -> None:
        if done == 5:
            stop.set()

    first = audit(store, at=LATER, stop=stop, progress=interrupted)
    assert first.stopped
    assert not first.good
    begun = set(taken(objects))
    second = audit(store, at=LATER + DAY)
    assert second.good
    assert second.gone_on == first.read >= 5
    assert set(taken(objects)) == set(ids) - begun
    third = audit(store, at=LATER + 2 * DAY)  # that one had ended: everything again
    assert (third.gone_on, third.read) == (0, 21)


def test_an_audit_anew_leaves_the_broken_off_one(watched: tuple[Store, Watched]) -> None:
    store, _ = watched
    stop = threading.Event()
    audit(store, at=LATER, stop=stop, progress=lambda *_: stop.set())

    assert audit(store, Plan(period_days=0, anew=True), at=LATER + DAY).gone_on == 0


def test_a_server_that_is_down_ends_it_and_one_bad_object_does_not(
    watched: tuple[Store, Watched], ids: list[str]
) -> None:
    store, objects = watched
    objects.fails = lambda key: key == bundle_key(ids[4])
    report = audit(store, at=LATER)
    assert codes(report) == [("unreadable", bundle_key(ids[4]))]
    assert report.read == 21

    objects.fails = lambda key: key.endswith(".wacz") and key > bundle_key(ids[9])
    taken(objects)
    with pytest.raises(StoreUnavailable, match="3 objects in a row"):
        audit(store, at=LATER + DAY)
    objects.fails = lambda key: False
    assert audit(store, at=LATER + 2 * DAY).gone_on == 10


KILLED = """
import sys, threading, os, signal
from tasks.auditing import Plan, audit_store, history
from tasks.settings import load_settings
from tasks.store import open_store
history.STRETCH = 4
with open_store(sys.argv[1], load_settings(environ={})) as store:
    def progress(done, total, name):
        if done == 11: os.kill(os.getpid(), signal.SIGKILL)
    audit_store(store, Plan(period_days=0), progress=progress)
"""


def test_a_killed_audit_counts_what_its_events_cover(tmp_path: Path, ids: list[str]) -> None:
    done = subprocess.run([sys.executable, "-c", KILLED, str(tmp_path / "store")], timeout=60)

    assert done.returncode == -signal.SIGKILL
    with open_store(str(tmp_path / "store"), load()) as store:
        from tasks.auditing import audit_store

        report = audit_store(store, EVERYTHING)
        assert (report.good, report.gone_on, report.read) == (True, 8, 13)
        assert [event.kind for event in store.events() if event.kind == "fixity"] == ["fixity"] * 3


def test_a_bundle_that_comes_while_an_audit_lists_is_no_finding(tmp_path: Path, watched: tuple[Store, Watched]) -> None:
    """Its WACZ was not yet there when its folder was listed, its manifest was when that was."""
    store, objects = watched
    (fresh,) = make_bundles(tmp_path / "late", 1, first=50)
    inner = objects.inner

    def listing(prefix: str) -> Iterator[Any]:
        rows = list(inner.listing(prefix))
        Store(inner).put_bundle(fresh)
        rows += [row for row in inner.listing(prefix) if row.key == manifest_key(fresh.id)]
        return iter(rows)

    objects.listing = listing  # type: ignore[attr-defined]
    assert audit(store, at=LATER).findings == []
    assert isinstance(fresh, Bundle)
