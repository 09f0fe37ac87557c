"""Publish: each bundle once, whatever came late, was taken down or is published by two at once."""

import itertools
import json
import threading
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tasks.errors import FixityError, FormatError, MissingPart, StoreRefused
from tasks.lake.fetch import fetch_segments
from tasks.lake.prune import prune
from tasks.lake.publish import Published, publish
from tasks.lake.snapshot import DATA, newest, numbers, snapshot_key
from tasks.replicating import replicate
from tasks.store import Store
from tasks.store.events import Event
from tasks.store.layout import EVENTS, INDEX, manifest_key
from tasks.store.objects import Content, keys
from tests.lake.kit import NOW, bundle, lake_ids, lake_rows, put, take_down
from tests.store.fault_proxy import FaultProxy
from tests.store.kit import Crash, Crashing

Opened = Callable[..., Store]


def run(store: Store, at: datetime = NOW, **more: bool) -> Published:
    return publish(store, now=lambda: at, **more)


def test_a_row_says_what_the_manifest_says(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    first = put(store, tmp_path, "20261124070000")
    id_ = put(
        store,
        tmp_path,
        url="https://www.courier.example/s?b=2&a=1",
        final_url="https://www.courier.example:8443/s/é?b=2&a=1",
        status=203,
        title={"value": "Half \ud800 a pair", "source": "h1"},
        authors={"value": ["Ada Byron", "B. C."], "source": "byline"},
        published={"value": "2026-11-20", "source": "time"},
        language={"value": "en", "source": "html:lang"},
        canonical_url={"value": "https://courier.example/s", "source": "link:canonical"},
        verdict={"kind": "error", "reasons": ["status-203"]},
        previous={"id": first, "sha256": "sha256:" + first[-16:] + "0" * 48},
    )

    assert run(store).added == 2

    row = lake_rows(store, tmp_path)[1]
    assert row.pop("bundle_sha256").startswith(f"sha256:{id_[15:]}")
    assert row.pop("text_sha256").startswith("sha256:")
    assert row == {
        "url_surtkey": "example,courier:8443)/s/%c3%a9?a=1&b=2",
        "url": "https://www.courier.example:8443/s/é?b=2&a=1",
        "url_host_name": "www.courier.example",
        "url_host_tld": "example",
        "url_protocol": "https",
        "url_port": 8443,
        "url_path": "/s/é",
        "url_query": "b=2&a=1",
        "fetch_time": datetime(2026, 11, 24, 8, 0, tzinfo=UTC),
        "fetch_status": 203,
        "content_mime_type": "text/html",
        "asked_url": "https://www.courier.example/s?b=2&a=1",
        "canonical_url": "https://courier.example/s",
        "language": "en",
        "title": "Half \ufffd a pair",
        "authors": ["Ada Byron", "B. C."],
        "published": "2026-11-20",
        "section": None,
        "site": None,
        "words": 4,
        "verdict": "error",
        "verdict_reasons": ["status-203"],
        "bundle_id": id_,
        "bundle_key": f"v1/bundles/2026/11/24/{id_}.wacz",
        "bundle_bytes": row["bundle_bytes"],
        "manifest_key": f"v1/bundles/2026/11/24/{id_}.json",
        "parent": None,
        "previous": first,
        "tombstoned": False,
    }


def test_the_key_of_a_manifest_needs_no_index(location: str, opened: Opened, tmp_path: Path) -> None:
    """The day of the id is the folder of the key."""
    store = opened(location)
    put(store, tmp_path)
    run(store)

    (row,) = lake_rows(store, tmp_path)
    id_ = row["bundle_id"]
    computed = f"v1/bundles/{id_[0:4]}/{id_[4:6]}/{id_[6:8]}/{id_}.json"
    assert computed == row["manifest_key"] == manifest_key(id_)
    assert json.loads(b"".join(store.objects.read(computed)))["id"] == id_


def test_each_run_adds_what_is_new_and_nothing_twice(location: str, opened: Opened, tmp_path: Path) -> None:
    store, ids = opened(location), []
    for day in range(1, 20):
        at = datetime(2026, 11, day, 9, tzinfo=UTC)
        ids += [put(store, tmp_path, f"202611{day:02}08{n:02}00", today=at) for n in range(3)]
        assert run(store, at).added == 3
        assert not run(store, at).changed

    assert lake_ids(store, tmp_path) == ids
    assert newest(store).number == 19
    assert len(newest(store).segments) <= 5  # of 19 that were written


def test_nothing_is_published_of_an_empty_store(location: str, opened: Opened) -> None:
    assert not run(opened(location)).changed


def test_late_bundles_are_found_by_the_day_of_their_commit(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    put(store, tmp_path)
    run(store)

    much_later = NOW + timedelta(days=40)
    late = put(store, tmp_path, "20250101000000", today=much_later)
    run(store, much_later + timedelta(days=1))

    assert lake_ids(store, tmp_path)[0] == late
    assert not run(store, much_later + timedelta(days=2)).changed


def test_a_bundle_that_is_announced_and_not_there_yet_is_waited_for(
    location: str, opened: Opened, tmp_path: Path
) -> None:
    store = opened(location)
    late = bundle(tmp_path, "20250101000000")
    store._announce(late.id, NOW.date())
    put(store, tmp_path)

    assert [id_ for id_, _ in run(store).snapshot.pending] == []  # the first run looks through everything
    put(store, tmp_path, "20261124081500")
    assert [id_ for id_, _ in run(store).snapshot.pending] == [late.id]
    store.objects.create(manifest_key(late.id), Content.of_bytes(late.manifest))
    done = run(store, NOW + timedelta(days=20))

    assert done.snapshot.pending == ()
    assert lake_ids(store, tmp_path)[0] == late.id


def test_a_bundle_that_never_comes_is_not_waited_for_any_longer(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    put(store, tmp_path)
    run(store)
    store._announce(bundle(tmp_path, "20250101000000").id, NOW.date())

    assert len(run(store).snapshot.pending) == 1
    assert run(store, NOW + timedelta(days=31)).snapshot.pending == ()


@pytest.mark.parametrize("before", [True, False], ids=["published before", "never published"])
def test_of_what_was_taken_down_a_row_without_words_is_left(
    before: bool, location: str, opened: Opened, tmp_path: Path
) -> None:
    store = opened(location)
    id_ = put(store, tmp_path, title={"value": "Private matter", "source": "h1"})
    other = put(store, tmp_path, "20261123080000", today=NOW)
    if before:
        run(store)
        put(store, tmp_path, "20261124082000")
        run(store)  # one that merges: the first segment is dead and still there
    take_down(store, id_)

    done = run(store)

    assert done.tombstones == 1
    assert not run(store).changed
    rows = {row["bundle_id"]: row for row in lake_rows(store, tmp_path)}
    assert {name for name, value in rows[id_].items() if value not in (None, "")} == {
        "fetch_time", "bundle_id", "bundle_sha256", "tombstoned"
    }  # fmt: skip
    assert rows[id_]["tombstoned"]
    assert not rows[other]["tombstoned"]
    assert all(b"Private matter" not in segment_text(store, key, tmp_path) for key in keys(store.objects, DATA))


@pytest.mark.parametrize("rebuild", [False, True])
@pytest.mark.parametrize("stamp", ["20261124080000", "20260301080000"], ids=["today", "long ago"])
def test_what_was_taken_down_and_lifted_is_a_row_again_once_it_is_stored(
    location: str, opened: Opened, tmp_path: Path, rebuild: bool, stamp: str
) -> None:
    store = opened(location)
    id_ = put(store, tmp_path, stamp)
    take_down(store, id_)
    run(store)
    store.put_event(Event("lift", NOW, id_, {"reason": "a mistake", "by": "desk"}))

    run(store, rebuild=rebuild)
    assert lake_rows(store, tmp_path) == []
    assert put(store, tmp_path, stamp) == id_
    run(store, rebuild=rebuild)

    assert [(row["bundle_id"], row["tombstoned"]) for row in lake_rows(store, tmp_path)] == [(id_, False)]
    assert not run(store).changed


def test_a_lake_shows_what_was_copied_into_its_store(location: str, opened: Opened, tmp_path: Path) -> None:
    """A tombstone of a day long ago, which no publisher of the copy would look at."""
    source, copy = opened(str(tmp_path / "original")), opened(location)
    old, kept = put(source, tmp_path, "20260301080000"), put(source, tmp_path, "20260302080000")
    take_down(source, old, datetime(2026, 4, 1, tzinfo=UTC))
    put(copy, tmp_path, "20261123080000")
    run(copy)

    replicate(source, copy, clock=lambda: NOW)
    run(copy)

    rows = [(row["bundle_id"], row["tombstoned"]) for row in lake_rows(copy, tmp_path)]
    assert [(old, True), (kept, False)] == rows[:2]
    assert not run(copy).changed


def segment_text(store: Store, key: str, folder: Path) -> bytes:
    import pyarrow.parquet as pq

    path = folder / "one.parquet"
    path.write_bytes(b"".join(store.objects.read(key)))
    return repr(pq.read_table(path).to_pylist()).encode()


def test_a_lake_published_anew_has_equal_rows(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    for day in range(1, 12):
        at = datetime(2026, 11, day, 9, tzinfo=UTC)
        ids = [put(store, tmp_path, f"2026{11 - n:02}{day:02}08{n:02}00", today=at) for n in range(4)]
        if day % 4 == 0:
            take_down(store, ids[-1], at)
        run(store, at)
    rows = lake_rows(store, tmp_path)
    assert len(rows) == 44

    assert run(store, at, rebuild=True).changed
    assert lake_rows(store, tmp_path) == rows
    for key in list(keys(store.objects, INDEX)):
        store.objects.delete(key)
    run(store, at + timedelta(days=9))
    assert newest(store).number == 1
    assert lake_rows(store, tmp_path) == rows


def test_a_damaged_manifest_is_told_and_the_others_are_published(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    good = put(store, tmp_path)
    bad = put(store, tmp_path, "20261124080001", title="no object")
    wrong_time = put(store, tmp_path, "20261124080002", captured_at="2026-99-99T00:00:00Z")

    done = run(store)

    assert [error.where for error in done.broken] == [f"{bad}.json", f"{wrong_time}.json"]
    assert lake_ids(store, tmp_path) == [good]


def test_a_manifest_that_was_put_back_is_published(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    good = put(store, tmp_path)
    made = bundle(tmp_path, "20250101000000")
    store.objects.create(manifest_key(made.id), Content.of_bytes(b"damaged"))
    assert len(run(store).broken) == 1
    assert lake_ids(store, tmp_path) == [good]

    later = NOW + timedelta(days=90)
    store.objects.delete(manifest_key(made.id))
    store.objects.create(manifest_key(made.id), Content.of_bytes(made.manifest))
    store.put_event(Event("repair", later, detail={"key": manifest_key(made.id), "from": "b", "sha256": "-"}))
    store.put_event(Event("repair", later, detail={"key": "v1/store.json"}))
    run(store, later)

    assert lake_ids(store, tmp_path) == [made.id, good]


def test_a_damaged_event_is_told(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    put(store, tmp_path)
    key = f"{EVENTS}2026/11/24/20261124090000-tombstone-0123456789abcdef.json"
    store.objects.create(key, Content.of_bytes(b"{}"))

    assert [error.where for error in run(store).broken] == [key]


def test_very_many_late_bundles_are_found_by_a_full_listing(
    location: str, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Their ids would fill the memory."""
    store = opened(location)
    ids = [put(store, tmp_path)]
    run(store)
    ids += [put(store, tmp_path, f"2025010100000{n}") for n in range(4)]
    monkeypatch.setattr("tasks.lake.publish.LATE_MAX", 3)

    assert run(store).added == 5
    assert lake_ids(store, tmp_path) == sorted(ids)
    assert newest(store).number == 2


def test_a_damaged_snapshot_is_told_and_a_rebuild_helps(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    id_ = put(store, tmp_path)
    store.objects.create(snapshot_key(7), Content.of_bytes(b'{"format":"tearsheet-snapshot/1","number":8}\n'))

    with pytest.raises(FormatError, match="--rebuild"):
        run(store)
    run(store, rebuild=True)

    assert newest(store).number == 8
    assert lake_ids(store, tmp_path) == [id_]


def test_publishers_at_once_lose_nothing(location: str, opened: Opened, tmp_path: Path) -> None:
    """Four publishers, one of them rebuilding, while eight writers store bundles, some of other days."""
    store = opened(location)
    put(store, tmp_path, "20261124120000")
    ids, errors, stop = ["".join(store.list_ids())], [], threading.Event()

    def guarded(work: Callable[[], None]) -> Callable[[], None]:
        def safely() -> None:
            try:
                work()
            except BaseException as error:  # noqa: BLE001, RUF100
                errors.append(error)

        return safely

    def publishing(rebuild: bool) -> None:
        own = opened(location)
        while not stop.is_set():
            run(own, rebuild=rebuild)

    def writing(writer: int) -> None:
        for n in range(8):
            day = 24 - (n % 2) * writer
            ids.append(put(store, tmp_path / str(writer), f"202611{day:02}0{writer}{n:02}00"))

    publishers = [threading.Thread(target=guarded(lambda n=n: publishing(n == 0))) for n in range(4)]
    writers = [threading.Thread(target=guarded(lambda n=n: writing(n))) for n in range(8)]
    for thread in publishers + writers:
        thread.start()
    for thread in writers:
        thread.join()
    stop.set()
    for thread in publishers:
        thread.join()
    run(store)

    assert errors == []
    assert lake_ids(store, tmp_path) == sorted(ids)
    assert sorted(numbers(store)) == list(range(1, newest(store).number + 1))


def test_the_second_of_two_publishers_looks_again(
    location: str, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store, other = opened(location), opened(location)
    ids = [put(store, tmp_path, "20261124080000")]
    create, first = store.objects.create, []

    def late_create(key: str, content: Content) -> bool:
        if key == snapshot_key(1) and not first:
            first.append(put(other, tmp_path, "20261124080100"))
            assert run(other).snapshot.number == 1
        return create(key, content)

    monkeypatch.setattr(store.objects, "create", late_create)
    ids.append(put(store, tmp_path, "20261124080050"))
    done = run(store)

    assert lake_ids(store, tmp_path) == sorted([*ids, *first])
    assert done.snapshot.number == 1
    assert not done.changed  # the other one saw all three
    assert set(keys(store.objects, DATA)) == {segment.key for segment in newest(store).segments}


def test_a_takedown_by_another_publisher_is_no_trouble(
    location: str, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The segments that we are about to read go away, since they held what was taken down."""
    store, other = opened(location), opened(location)
    gone, ids = put(store, tmp_path), [put(store, tmp_path, "20261124081000")]
    run(store)
    ids.append(put(store, tmp_path, "20261124082000"))
    read, done = store.objects.read, []

    def late_read(key: str) -> Iterator[bytes]:
        if key.startswith(DATA) and not done:
            done.append(key)
            take_down(other, gone)
            assert run(other).tombstones == 1
            assert key not in set(keys(other.objects, DATA))
        return read(key)

    monkeypatch.setattr(store.objects, "read", late_read)
    ids.append(put(store, tmp_path, "20261124083000"))
    run(store)

    assert done
    assert lake_ids(store, tmp_path) == sorted([gone, *ids])


def test_a_live_segment_that_is_gone_is_told(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    ids = [put(store, tmp_path)]
    (segment,) = run(store).snapshot.segments
    store.objects.delete(segment.key)
    ids.append(put(store, tmp_path, "20261124090000"))

    with pytest.raises(FixityError, match="--rebuild"):
        run(store)
    with pytest.raises(FixityError, match="--rebuild"):
        fetch_segments(store, tmp_path / "lake")
    run(store, rebuild=True)

    assert lake_ids(store, tmp_path) == ids


def test_a_publisher_that_dies_anywhere_does_no_harm(opened: Opened, tmp_path: Path) -> None:
    """Dying before or after each of its requests; the next run brings all, and prune removes what was left over."""
    for after in (False, True):
        for at in itertools.count(1):
            store = opened(str(tmp_path / f"store-{after}-{at}"))
            gone, ids = put(store, tmp_path), [put(store, tmp_path, "20261124081000")]
            run(store)
            take_down(store, gone)
            ids.append(put(store, tmp_path, "20261124082000"))
            dying = Crashing(store.objects, at, after=after)
            try:
                run(Store(dying))
            except Crash:
                pass
            else:
                assert at > 8
                break
            before = lake_ids(store, tmp_path)
            assert before in (sorted([gone, ids[0]]), sorted([gone, *ids]))
            run(store)
            assert lake_ids(store, tmp_path) == sorted([gone, *ids])
            prune(store, keep=1, days=1, now=lambda: datetime.now(UTC) + timedelta(days=2))
            assert set(keys(store.objects, DATA)) == {segment.key for segment in newest(store).segments}


def test_an_unconditional_server_is_refused_unless_the_caller_is_alone(
    local_s3, s3_location: str, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def plan(request):
        return "not-implemented" if request.method == "PUT" and request.has("if-none-match") else None

    with FaultProxy(local_s3.endpoint, plan) as proxy:
        monkeypatch.setenv("TEARSHEET_S3_ENDPOINT", proxy.endpoint)
        store = opened(s3_location)
        id_ = put(store, tmp_path)

        with pytest.raises(StoreRefused, match="--alone"):
            run(store)
        assert list(numbers(store)) == []
        run(store, alone=True)

        assert lake_ids(store, tmp_path) == [id_]
        store.close()


def test_a_lost_reply_to_the_snapshot_is_no_lost_race(
    local_s3, s3_location: str, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = []

    def plan(request):
        if request.method == "PUT" and "/snapshots/" in request.path and not lost:
            lost.append(request)
            return "lost"
        return None

    with FaultProxy(local_s3.endpoint, plan) as proxy:
        monkeypatch.setenv("TEARSHEET_S3_ENDPOINT", proxy.endpoint)
        store = opened(s3_location)
        put(store, tmp_path)

        done = run(store)

        assert lost
        assert done.changed
        assert done.snapshot == newest(store)
        assert done.snapshot.number == 1
        store.close()


def test_without_pyarrow_the_extra_is_named(
    location: str, opened: Opened, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = opened(location)
    put(store, tmp_path)
    monkeypatch.setitem(__import__("sys").modules, "pyarrow", None)

    with pytest.raises(MissingPart, match=r"pip install 'tearsheet\[lake\]'"):
        run(store)
