"""A catalog follows its store: what comes late, is announced early, is taken down, is damaged, or was never told."""

import json
import multiprocessing
import os
import signal
import sqlite3
import time
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tasks.catalog import Heard, entries, open_catalog
from tasks.catalog import refresh as refreshing
from tasks.catalog.tables import SCHEMA
from tasks.records import Bundle
from tasks.store import open_store
from tasks.store.events import Event
from tasks.store.layout import manifest_key
from tasks.store.objects import Content
from tests.bundle.samples import pack
from tests.catalog.kit import Desk, manifest, put, settings_of

NOW = datetime.now(UTC)
TODAY = NOW.date()


def stamp(day: date, time_: str = "080000") -> str:
    return f"{day:%Y%m%d}{time_}"


def days_ago(count: int) -> date:
    return TODAY - timedelta(days=count)


def announced(desk: Desk, id_: str, day: date = TODAY) -> None:
    desk.store.put_event(Event("late", datetime(day.year, day.month, day.day, tzinfo=UTC), id_))


# ------------------------------------------------------------------ what is new
def test_an_empty_store_has_an_empty_catalog_and_stays_empty(desk: Desk) -> None:
    assert desk.ids() == []
    assert not (desk.folder / "store").exists()
    assert not (desk.folder / "cache").exists()


def test_a_refresh_lists_new_days_alone(desk: Desk) -> None:
    old = put(desk.store, stamp(days_ago(40)))
    assert desk.ids() == [old]
    unseen = put(desk.store, stamp(days_ago(39)))  # nobody announced it: a rebuild finds it, an audit asks who did that
    new = put(desk.store, stamp(days_ago(2)), "The tide went out.")
    assert desk.ids() == [old, new]
    with desk.catalog() as catalog:
        assert catalog.rebuild() == 3
    assert desk.ids() == [old, unseen, new]


def test_a_bundle_committed_on_another_day_is_found_by_its_announcement(desk: Desk, tmp_path: Path) -> None:
    put(desk.store, stamp(days_ago(40)))
    assert len(desk.ids()) == 1
    bundle: Bundle = pack(tmp_path)  # of a day that is not today
    desk.store.put_bundle(bundle)
    assert bundle.id in desk.ids()


def test_an_announcement_may_come_before_its_manifest(desk: Desk) -> None:
    put(desk.store, stamp(days_ago(40)))
    id_, data = manifest(stamp(days_ago(30)), "Late news.")
    announced(desk, id_)
    assert len(desk.ids()) == 1
    with desk.catalog() as catalog:
        assert catalog.info().pending == 1
    desk.store.objects.create(manifest_key(id_), Content.of_bytes(data))
    assert id_ in desk.ids()
    with desk.catalog() as catalog:
        assert catalog.info().pending == 0


def test_an_announcement_that_a_rebuild_read_is_not_forgotten(desk: Desk) -> None:
    desk.store._ready_to_write()
    id_, data = manifest(stamp(days_ago(30)), "Late news.")
    announced(desk, id_)
    assert desk.ids() == []
    desk.store.objects.create(manifest_key(id_), Content.of_bytes(data))
    assert desk.ids() == [id_]


def test_an_announcement_whose_writer_died_is_let_go_in_the_end(desk: Desk) -> None:
    put(desk.store, stamp(days_ago(40)))
    announced(desk, manifest(stamp(days_ago(30)))[0])
    with desk.catalog() as catalog, catalog.cache.locked(wait_s=1):
        later = TODAY + timedelta(days=refreshing.PENDING_DAYS + 1)
        refreshing.refresh(catalog.cache, desk.store, Heard(), today=later)
        assert catalog.info().pending == 0


def test_observations_are_counted_and_the_last_is_kept(desk: Desk) -> None:
    id_ = put(desk.store, stamp(days_ago(40)))
    for hour in (1, 2):
        at = datetime(TODAY.year, TODAY.month, TODAY.day, hour, tzinfo=UTC) - timedelta(days=1)
        desk.store.put_event(Event("observation", at, id_, {"url": "https://a.example/", "why": "same-text"}))
    with desk.catalog() as catalog:
        entry = catalog.get(id_)
        assert entry
        assert (entry.observed, entry.seen_at) == (2, f"{TODAY - timedelta(days=1)}T02:00:00Z")
        catalog.rebuild()
        assert catalog.get(id_) == entry


def test_observations_of_days_long_ago_that_were_copied_here_are_found(desk: Desk) -> None:
    """Events added under an old day: `replica` tells the days, as of which they may still be on their way."""
    id_ = put(desk.store, stamp(days_ago(40)))
    assert desk.ids() == [id_]
    old = Event("observation", NOW - timedelta(days=30), id_, {"url": "https://a.example/", "why": "same-text"})
    desk.store.put_event(Event("replica", NOW, detail={"from": "x", "bundles": 0, "days": [f"{days_ago(30):%Y%m%d}"]}))
    assert desk.ids() == [id_]
    desk.store.put_event(old)
    with desk.catalog() as catalog:
        assert catalog.get(id_).observed == 1  # type: ignore[union-attr]


def test_a_list_of_copied_days_that_cannot_be_read_is_told(desk: Desk) -> None:
    put(desk.store, stamp(days_ago(40)))
    desk.ids()
    event = Event("replica", NOW, detail={"from": "x", "bundles": 0, "days": []})
    desk.store.objects.create(event.key, Content.of_bytes(event.data.replace(b"x", b"y")))
    desk.ids()
    assert desk.broken == [event.key]


def test_a_manifest_that_was_put_back_is_found(desk: Desk) -> None:
    id_ = put(desk.store, stamp(days_ago(40)))
    data = desk.store.read_manifest(id_)
    desk.store.objects.delete(manifest_key(id_))
    assert desk.ids() == []
    desk.store.objects.create(manifest_key(id_), Content.of_bytes(data))
    desk.store.put_event(Event("repair", NOW, detail={"key": manifest_key(id_)}))
    assert desk.ids() == [id_]


def test_what_was_just_stored_can_be_put_in_at_once(desk: Desk) -> None:
    put(desk.store, stamp(days_ago(40)))
    with desk.catalog() as catalog:
        id_ = put(desk.store, stamp(TODAY), "Fresh news.")
        assert catalog.get(id_) is None
        catalog.add(id_, desk.store.read_manifest(id_))
        catalog.add(id_, desk.store.read_manifest(id_))
        assert catalog.get(id_)
        catalog.add("20260101000000-0123456789abcdef", b"{")  # never an error of who stored it
    assert desk.found("fresh") == [id_]


# ------------------------------------------------------------------ taken down, gone, damaged
def test_a_bundle_that_is_taken_down_loses_its_text_and_keeps_its_mark(desk: Desk) -> None:
    id_ = put(desk.store, stamp(days_ago(40)), "Slanderous words.", title="Slander", authors=["Anon"])
    assert desk.found("slanderous") == [id_]
    desk.store.put_event(Event("tombstone", NOW, id_, {"reason": "court order", "by": "desk"}))
    assert desk.found("slanderous", every=True) == desk.found("anon", every=True) == []
    with desk.catalog() as catalog:
        entry = catalog.get(id_)
        assert entry
        assert (entry.title, entry.authors, entry.good) == ("", (), False)
        assert entry.tombstone.endswith("court order")
        assert catalog.latest([entry.url]) is None
        path = catalog.cache.path
        catalog.cache.db.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    assert b"slander" not in path.read_bytes().lower()
    assert desk.ids() == [id_]


def test_a_rebuild_shows_the_tombstone_too_and_a_lifted_one_comes_back(desk: Desk) -> None:
    id_, data = manifest(stamp(days_ago(40)), "Slanderous words.")
    put(desk.store, stamp(days_ago(40)), "Slanderous words.")
    desk.store.put_event(Event("tombstone", NOW, id_, {"reason": "court order"}))
    desk.store.objects.delete(manifest_key(id_))
    with desk.catalog() as catalog:
        assert catalog.get(id_)
        assert catalog.get(id_).tombstone  # type: ignore[union-attr]
    desk.store.put_event(Event("lift", NOW, id_, {"reason": "set aside"}))
    assert desk.ids() == []
    desk.store.objects.create(manifest_key(id_), Content.of_bytes(data))
    assert desk.found("slanderous") == [id_]


def test_a_rebuild_drops_what_was_deleted_by_hand(desk: Desk) -> None:
    gone, kept = put(desk.store, stamp(days_ago(40))), put(desk.store, stamp(days_ago(39)), "Kept words.")
    assert desk.ids() == [gone, kept]
    desk.store.objects.delete(manifest_key(gone))
    assert desk.ids() == [gone, kept]
    with desk.catalog() as catalog:
        catalog.rebuild()
    assert desk.ids() == [kept]
    assert desk.found("tide") == []


def test_a_manifest_that_cannot_be_read_is_told_each_time_until_it_can(desk: Desk) -> None:
    kept = put(desk.store, stamp(days_ago(40)))
    id_, data = manifest(stamp(days_ago(20)), "Mended words.")
    desk.store.objects.create(manifest_key(id_), Content.of_bytes(b"{"))
    for _ in range(2):
        desk.broken.clear()
        assert desk.ids() == [kept]
        assert desk.broken == [f"{id_}.json"]
    with desk.catalog() as catalog:
        assert catalog.broken() == ((id_, "the whole: not JSON"),)
    desk.store.objects.delete(manifest_key(id_))
    desk.store.objects.create(manifest_key(id_), Content.of_bytes(data))
    assert desk.ids() == [kept, id_]
    with desk.catalog() as catalog:
        assert catalog.broken() == ()


def test_an_event_that_cannot_be_read_is_told_and_stops_nothing(desk: Desk) -> None:
    id_ = put(desk.store, stamp(days_ago(40)))
    key = f"v1/events/{TODAY:%Y/%m/%d}/{stamp(TODAY)}-late-0123456789abcdef.json"
    desk.store.objects.create(key, Content.of_bytes(b"{}"))
    for _ in range(2):
        desk.broken.clear()
        assert desk.ids() == [id_]
        assert desk.broken == [key]


def test_the_error_ends_it_for_who_wants_that(desk: Desk) -> None:
    from tasks.catalog import stop_at
    from tasks.errors import FormatError

    id_, _ = manifest()
    desk.store._ready_to_write()
    desk.store.objects.create(manifest_key(id_), Content.of_bytes(b"{"))
    with pytest.raises(FormatError, match=id_):
        open_catalog(desk.store, desk.settings, heard=Heard(broken=stop_at))


def test_the_catalog_has_just_what_the_manifests_say(desk: Desk) -> None:
    for day in range(30):
        put(desk.store, stamp(days_ago(day)), f"Words of day {day}.", title=f"Day {day}", authors=["A", "B"])
    with desk.catalog() as catalog:
        from tasks.catalog import Filters

        assert list(catalog.list(Filters(every=True))) == list(entries(desk.store))


# ------------------------------------------------------------------ the file
def cache_file(desk: Desk) -> Path:
    (path,) = (desk.folder / "cache").glob("*.sqlite")
    return path


@pytest.mark.parametrize("damage", ["no database", "another version", "empty", "torn", "another store's"])
def test_a_file_that_is_no_use_is_made_anew(desk: Desk, damage: str) -> None:
    ids = [put(desk.store, stamp(days_ago(day)), f"Words of day {day}. " * 50) for day in range(30, 0, -1)]
    assert desk.ids() == ids
    path = cache_file(desk)
    if damage == "no database":
        path.write_bytes(b"This is no database." * 1000)
    elif damage == "empty":
        path.write_bytes(b"")
    elif damage == "torn":
        data = bytearray(path.read_bytes())
        data[4096:] = os.urandom(len(data) - 4096)
        path.write_bytes(bytes(data))
    else:
        with sqlite3.connect(path) as db:
            db.execute(f"PRAGMA user_version = {SCHEMA + 1}" if damage == "another version" else "UPDATE meta SET value = 'x' WHERE key = 'store'")  # fmt: skip # noqa: E501
        db.close()
    assert desk.ids() == ids
    assert len(desk.found("words", limit=50, every=True)) == 30


def test_one_store_under_two_addresses_has_one_catalog(desk: Desk) -> None:
    id_ = put(desk.store)
    assert desk.ids() == [id_]
    (desk.folder / "link").symlink_to(desk.folder / "store")
    other = settings_of(desk.folder / "link", desk.folder / "cache")
    with open_store(other.store, other) as store, open_catalog(store, other, fresh=False) as catalog:
        assert catalog.get(id_)
    assert cache_file(desk).stem == json.loads((desk.folder / "store/v1/store.json").read_text())["id"]


def test_a_folder_that_cannot_be_used_costs_a_line_and_nothing_else(desk: Desk) -> None:
    id_ = put(desk.store)
    (desk.folder / "cache").write_text("a file")
    assert desk.ids() == [id_]
    assert desk.found("tide") == [id_]
    assert any("temporary file" in line for line in desk.said)
    assert not list(Path(desk.folder).glob("tearsheet-catalog-*"))


def test_the_users_cache_folder_is_the_default(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.catalog.cache import cache_folder
    from tasks.settings import load_settings

    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache_folder(load_settings(environ={})) == tmp_path / "tearsheet"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")  # to be ignored, by the specification
    assert cache_folder(load_settings(environ={})) == Path.home() / ".cache" / "tearsheet"


# ------------------------------------------------------------------ several processes
def build_slowly(folder: Path, started: str) -> None:
    """A first build that is killed half way."""
    desk = Desk(folder)
    seen = 0

    def step(_: str) -> None:
        nonlocal seen
        seen += 1
        if seen == 12:
            Path(started).touch()
            time.sleep(60)

    refreshing._BATCH = 10
    open_catalog(desk.store, desk.settings, heard=Heard(step=step))


def test_a_build_that_is_killed_goes_on_where_it_was(desk: Desk) -> None:
    ids = [put(desk.store, stamp(days_ago(day)), f"Words of day {day}.") for day in range(40, 0, -1)]
    process = multiprocessing.get_context("spawn").Process(
        target=build_slowly, args=(desk.folder, str(desk.folder / "started"))
    )
    process.start()
    while not (desk.folder / "started").exists():
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)  # type: ignore[arg-type]
    process.join()
    steps: list[str] = []
    with open_catalog(desk.store, desk.settings, heard=Heard(say=desk.said.append, step=steps.append)):
        pass
    assert 0 < len(steps) < 40
    assert any("going on" in line for line in desk.said)
    assert desk.ids() == ids


def look(folder: Path, turns: int) -> None:
    desk = Desk(folder)
    for _ in range(turns):
        assert desk.ids()
        assert desk.found("tide")


def test_several_processes_share_one_file(desk: Desk) -> None:
    put(desk.store, stamp(days_ago(50)))
    processes = [multiprocessing.get_context("spawn").Process(target=look, args=(desk.folder, 10)) for _ in range(3)]
    for process in processes:
        process.start()
    wanted = [put(desk.store, stamp(TODAY, f"0800{number:02}"), f"The tide {number}.") for number in range(30)]
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0, 0]
    assert set(wanted) <= set(desk.ids())


def test_readers_are_served_while_another_refreshes(desk: Desk, monkeypatch: pytest.MonkeyPatch) -> None:
    from tasks.catalog import local

    monkeypatch.setattr(local, "_WAIT_S", 0.05)
    id_ = put(desk.store, stamp(days_ago(50)))
    assert desk.ids() == [id_]
    with desk.catalog() as other, other.cache.locked(wait_s=1) as mine:
        assert mine
        put(desk.store, stamp(TODAY), "The tide went out.")
        assert desk.ids() == [id_]
        assert any("another process" in line for line in desk.said)
    assert len(desk.ids()) == 2


# ------------------------------------------------------------------ on S3
def test_a_real_s3_store_is_catalogued_the_same_way(s3_location: str, tmp_path: Path) -> None:
    desk = Desk(tmp_path, s3_location)
    desk.settings = settings_of(s3_location, tmp_path / "cache", **_server())
    desk.store = open_store(s3_location, desk.settings)
    old, new = put(desk.store, stamp(days_ago(40))), None
    assert desk.ids() == [old]
    new = put(desk.store, stamp(TODAY), "The tide went out.")
    bundle = pack(tmp_path)
    desk.store.put_bundle(bundle)
    assert sorted(desk.ids()) == sorted([old, new, bundle.id])
    assert desk.found("went") == [new]


def _server() -> dict[str, str]:
    return {"s3_endpoint": os.environ["TEARSHEET_S3_ENDPOINT"]}
