"""Bundles that wait: parked whole, delivered once or twice, never lost."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks import outbox as outbox_module
from tasks import pipeline
from tasks.catalog import open_catalog
from tasks.errors import DiskFull, FixityError, NotFound, StoreConflict, StoreRefused, StoreUnavailable, TearsheetError
from tasks.many_pages import archive_pages
from tasks.outbox import REST_S, Outbox, deliver, deliver_first, load_bundle, outbox_folder
from tasks.pipeline import Outcome, Tools, archive_page, open_tools
from tasks.records import Bundle, BundleRef
from tasks.settings import Settings, config_dirs, load_settings
from tasks.store import Store, open_store
from tasks.store.local import LocalS3
from tasks.versioning import History
from tests.bundle.samples import captures, pack
from tests.history_kit import archived as kit_archived
from tests.history_kit import html, tools_of, visit
from tests.hostile.tough_server import ToughServer
from tests.store.fault_proxy import FaultProxy

DOWN = StoreUnavailable("no contact", where="s3://b/p at http://127.0.0.1:9", remedy="Is it running?")


@pytest.fixture(scope="module")
def tough() -> Iterator[ToughServer]:
    with ToughServer() as server:
        yield server


@pytest.fixture
def settings(tough: ToughServer, tmp_path: Path) -> Settings:
    places = {"store": str(tmp_path / "store"), "outbox": str(tmp_path / "outbox"), "cache": str(tmp_path / "cache")}
    return load_settings(environ={}, allow=(tough.pair,), retry_wait_s=0.0, **places)


@pytest.fixture
def outbox(settings: Settings) -> Outbox:
    return Outbox(settings)


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with open_store(settings.store, settings) as opened:
        yield opened


def packed(folder: Path, name: str) -> Bundle:
    folder.mkdir()
    return pack(folder, name)


def bundles(folder: Path) -> list[Bundle]:
    return [pack(folder, name) for name in captures() if name != "truncated"]


# ------------------------------------------------------------------ in and out
def test_what_is_parked_waits_whole_with_its_manifest(outbox: Outbox, tmp_path: Path) -> None:
    bundle = pack(tmp_path)
    path = outbox.park(bundle)

    assert path.read_bytes() == bundle.path.read_bytes()
    assert path.with_suffix(".json").read_bytes() == bundle.manifest
    assert outbox.waiting() == (path,)
    assert outbox.park(bundle) == path
    assert outbox.waiting() == (path,)
    assert outbox.folder.stat().st_mode & 0o077 == 0
    assert sorted(item.name for item in outbox.folder.iterdir()) == sorted([bundle.id, "store.json"])


def test_a_bundle_that_changed_on_the_way_is_not_parked(outbox: Outbox, tmp_path: Path) -> None:
    bundle = pack(tmp_path)
    bundle.path.write_bytes(b"other")

    with pytest.raises(FixityError):
        outbox.park(bundle)
    assert outbox.waiting() == ()
    assert [item.name for item in outbox.folder.iterdir()] == ["store.json"]


def test_stores_have_outboxes_of_their_own(settings: Settings, outbox: Outbox, tmp_path: Path) -> None:
    outbox.park(pack(tmp_path))
    other = Outbox(replace(settings, store="s3://bucket/p", s3_endpoint="http://user:secret@127.0.0.1:9"))
    elsewhere = Outbox(replace(settings, store="s3://bucket/p", s3_endpoint="http://127.0.0.1:10"))

    assert len({outbox.folder, other.folder, elsewhere.folder}) == 3
    assert "secret" not in other.place + str(other.folder)
    assert other.waiting() == ()
    assert list(other.elsewhere()) == [(1, str(tmp_path / "store"), outbox.folder)]


def test_the_outbox_is_in_the_users_data_folder(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", "/data")
    assert outbox_folder(replace(settings, outbox="")) == Path("/data/tearsheet/outbox")
    monkeypatch.setenv("XDG_DATA_HOME", "relative")
    assert outbox_folder(replace(settings, outbox="")) == Path.home() / ".local/share/tearsheet/outbox"


def test_what_a_killed_process_left_goes_after_a_day(outbox: Outbox, tmp_path: Path) -> None:
    outbox.park(pack(tmp_path))
    left = outbox.folder / ".tmp-0123"
    left.mkdir()
    now = left.stat().st_mtime

    outbox.sweep(now=lambda: now + 3600)
    assert left.exists()
    outbox.sweep(now=lambda: now + 90_000)
    assert not left.exists()
    assert len(outbox.waiting()) == 1


# ------------------------------------------------------------------ delivering
def test_what_waits_is_delivered_and_waits_no_longer(
    settings: Settings, outbox: Outbox, store: Store, tmp_path: Path
) -> None:
    made = bundles(tmp_path)
    for bundle in made:
        outbox.park(bundle)
    said: list[str] = []
    with History(store, lambda: open_catalog(store, settings)) as history:
        deliver_first(store, outbox, history, settings, say=said.append)

    assert outbox.waiting() == ()
    assert sorted(store.list_ids()) == sorted(bundle.id for bundle in made)
    for bundle in made:
        assert store.fetch_bundle(bundle.id, tmp_path / "out").read_bytes() == bundle.path.read_bytes()
    assert said[-1] == f"delivered: {len(made)}; still waiting: 0"


def test_a_bundle_damaged_while_it_waited_is_neither_stored_nor_dropped(
    outbox: Outbox, store: Store, tmp_path: Path
) -> None:
    good, bad = pack(tmp_path, "plain"), pack(tmp_path, "redirect")
    outbox.park(good)
    path = outbox.park(bad)
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)

    found = {done.path.stem: done for done in deliver(store, outbox.waiting(), outbox, workers=2)}
    assert found[good.id].ref
    assert isinstance(found[bad.id].error, FixityError)
    assert outbox.waiting() == (path,)
    assert list(store.list_ids()) == [good.id]


def test_other_bytes_under_the_key_keep_it_waiting(outbox: Outbox, store: Store, tmp_path: Path) -> None:
    bundle = pack(tmp_path)
    store.put_bundle(bundle)
    stored = next(Path(store.location).glob("v1/bundles/*/*/*/*.wacz"))
    stored.write_bytes(b"other")
    path = outbox.park(bundle)

    (done,) = deliver(store, outbox.waiting(), outbox, workers=2)
    assert isinstance(done.error, StoreConflict)
    assert outbox.waiting() == (path,)


class Failing(Store):
    """A store that answers `error`, from bundle number `after` on."""

    def __init__(self, store: Store, error: TearsheetError, after: int = 0) -> None:
        super().__init__(store.objects)
        self.error, self.after, self.tried = error, after, 0

    def put_bundle(self, bundle: Bundle, **more: object) -> BundleRef:
        self.tried += 1
        if self.tried > self.after:
            raise self.error
        return super().put_bundle(bundle)


@pytest.mark.parametrize(
    "error", [DOWN, StoreRefused("no", code="credentials"), DiskFull("full")], ids=["down", "refused", "full"]
)
def test_a_store_that_is_down_is_not_asked_for_each_bundle(
    outbox: Outbox, store: Store, tmp_path: Path, error: TearsheetError
) -> None:
    made = bundles(tmp_path)
    for bundle in made:
        outbox.park(bundle)
    failing = Failing(store, error, after=2)

    found = list(deliver(failing, outbox.waiting(), outbox, workers=1))
    assert [bool(done.ref) for done in found] == [True, True] + [False] * (len(made) - 2)
    assert failing.tried == 3
    assert len(outbox.waiting()) == len(made) - 2


def test_one_that_another_process_delivered_meanwhile_is_delivered(
    outbox: Outbox, store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox.park(pack(tmp_path))
    paths = outbox.waiting()

    def overtaken(path: Path) -> Bundle:
        bundle = load_bundle(path)
        store.put_bundle(bundle)
        outbox.drop(bundle.id)
        return bundle

    monkeypatch.setattr(outbox_module, "load_bundle", overtaken)
    (done,) = deliver(store, paths, outbox, workers=1)
    assert done.ref
    assert not done.error


PUSH = """
import sys
from tasks.outbox import Outbox, deliver
from tasks.settings import load_settings
from tasks.store import open_store
settings = load_settings(environ={}, store=sys.argv[1], outbox=sys.argv[2])
outbox = Outbox(settings)
with open_store(settings.store, settings) as store:
    for done in deliver(store, outbox.waiting(), outbox, workers=4):
        assert done.ref and not done.error, done
"""


def test_two_processes_may_push_one_outbox_at_once(
    settings: Settings, outbox: Outbox, store: Store, tmp_path: Path
) -> None:
    made = bundles(tmp_path)
    for bundle in made:
        outbox.park(bundle)
    command = [sys.executable, "-c", PUSH, settings.store, settings.outbox]
    running = [subprocess.Popen(command, cwd=Path(__file__).parents[1]) for _ in range(2)]

    assert [process.wait() for process in running] == [0, 0]
    assert outbox.waiting() == ()
    assert sorted(store.list_ids()) == sorted(bundle.id for bundle in made)


# ------------------------------------------------------------------ archiving
def archived(
    settings: Settings, url: str, error: TearsheetError | None, *, stage: str = "store_stage", force: bool = False
) -> Outcome:
    """A page archived while the store answers one of the stages with an error."""

    def run(called: object, *args: object) -> object:
        if error and getattr(called, "__name__", "") == stage:
            raise error
        return called(*args)  # type: ignore[operator]

    with open_tools(settings, config_dirs(environ={})) as tools:
        outcome = archive_page(url, tools, run=run, force=force)  # type: ignore[arg-type]
        _nothing_left(tools)
        return outcome


def _nothing_left(tools: Tools) -> None:
    assert all(path.suffix == ".wacz" for path in tools.workspace.iterdir())


@pytest.mark.parametrize(
    "error",
    [DOWN, DiskFull("full"), StoreRefused("no", code="credentials"), StoreConflict("other"), FixityError("read back")],
    ids=lambda error: error.code,
)
def test_whatever_keeps_a_bundle_from_the_store_it_waits_and_the_next_run_delivers_it(
    settings: Settings, outbox: Outbox, store: Store, tough: ToughServer, error: TearsheetError
) -> None:
    outcome = archived(settings, tough.url("/plain"), error)

    assert (outcome.kind, outcome.good, outcome.ref) == ("waiting", False, None)
    assert type(outcome.error) is type(error)
    assert "tearsheet push" in str(outcome.error)
    assert outcome.waiting in str(outcome.error)
    assert outcome.as_json()["waiting"] == str(outbox.waiting()[0])
    assert list(store.list_ids()) == []

    later = archived(settings, tough.url("/number/1"), None)
    assert later.ref
    assert outbox.waiting() == ()
    assert len(list(store.list_ids())) == 2
    assert Path(outcome.waiting).stem in list(store.list_ids())


@pytest.mark.parametrize(
    ("stage", "force"), [("compare_stage", False), ("observe_stage", False), ("compare_stage", True)]
)
def test_a_page_that_cannot_be_held_against_the_store_is_kept_all_the_same(
    settings: Settings, outbox: Outbox, store: Store, tough: ToughServer, stage: str, force: bool
) -> None:
    url = tough.url("/plain")
    first = archived(settings, url, None)
    outcome = archived(settings, url, DOWN, stage=stage, force=force)

    assert outcome.kind == "waiting"
    assert load_bundle(Path(outcome.waiting)).id == Path(outcome.waiting).stem
    assert (Path(outcome.waiting).parent / "unsure").exists() is not force
    assert [first.ref.id] == list(store.list_ids()) if first.ref else False
    archived(settings, tough.url("/number/1"), None)
    assert outbox.waiting() == ()
    assert Path(outcome.waiting).stem in list(store.list_ids())


def test_a_wall_that_waited_never_becomes_the_newest_version(
    settings: Settings, outbox: Outbox, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the store was down nothing could tell that most of the words are gone."""
    with tools_of(settings.store, outbox=settings.outbox, cache=settings.cache) as tools:
        kit_archived(visit(html("A"), 0), tools)
        with monkeypatch.context() as patch:
            patch.setattr(pipeline, "compare_stage", failing("compare_stage"))
            waits = kit_archived(visit(html("thin"), 1), tools)
    assert waits.kind == "waiting"
    assert waits.verdict
    assert waits.verdict.good

    refused = push("--store", settings.store, outbox=Path(settings.outbox))
    assert refused.returncode == 1
    assert "not stored as the newest version: words-" in refused.stdout
    assert [path.stem for path in outbox.waiting()] == [Path(waits.waiting).stem]
    forced = push("--store", settings.store, "--force", outbox=Path(settings.outbox))
    assert forced.returncode == 0, forced.stderr + forced.stdout
    assert outbox.waiting() == ()


def failing(name: str) -> Any:
    def stage(*args: object) -> None:
        raise DOWN

    stage.__name__ = name
    return stage


def test_a_store_that_kept_us_waiting_is_let_alone_for_a_while(settings: Settings) -> None:
    now = [0.0]
    outbox = Outbox(settings, clock=lambda: now[0])

    def ask(error: TearsheetError, took_s: float) -> None:
        with suppress(TearsheetError), outbox.asking():
            now[0] += took_s
            raise error

    ask(StoreRefused("no"), 10)
    ask(DOWN, 0.5)  # asking again costs nothing
    ask(DOWN, 2)
    asked = []
    for _ in range(9):
        now[0] += 1
        with suppress(StoreUnavailable), outbox.asking():
            asked.append(now[0])
    assert asked == [20.5, 21.5]  # let alone four times as long, from 12.5 on
    ask(DOWN, 300)
    now[0] += REST_S - 1
    assert outbox.trouble is DOWN
    now[0] += 2
    assert outbox.trouble is None


def test_a_store_that_hangs_costs_many_pages_little_more_than_one(
    settings: Settings, tough: ToughServer, local_s3: LocalS3, s3_location: str
) -> None:
    hanging = [False]
    with FaultProxy(local_s3.endpoint, lambda request: "hang" if hanging[0] else None) as proxy:
        far = replace(
            settings, store=s3_location, s3_endpoint=proxy.endpoint, store_timeout_s=60.0, store_total_s=2.0, attempts=2
        )
        assert archived(far, tough.url("/plain"), None).ref
        hanging[0] = True
        started = time.monotonic()
        with open_tools(far, config_dirs(environ={})) as tools:
            outcomes = list(archive_pages([tough.url(f"/number/{number}") for number in range(8)], tools))
        assert [outcome.kind for outcome in outcomes] == ["waiting"] * 8
        assert all(s3_location in str(outcome.error) for outcome in outcomes)
        assert time.monotonic() - started < 20

        hanging[0] = False
        assert archived(far, tough.url("/number/9"), None).ref
        assert Outbox(far).waiting() == ()
        with open_store(far.store, far) as store:
            assert len(list(store.list_ids())) == 10


def test_where_it_cannot_even_wait_the_error_says_so(settings: Settings, tough: ToughServer) -> None:
    Path(settings.outbox).write_text("no folder")
    outcome = archived(settings, tough.url("/plain"), DOWN)

    assert outcome.error
    assert not outcome.waiting
    assert settings.outbox in str(outcome.error)


# ------------------------------------------------------------------ push
def push(*args: str, outbox: Path, **more: str) -> subprocess.CompletedProcess[str]:
    kept = {key: value for key, value in os.environ.items() if not key.startswith("TEARSHEET_")}
    command = [sys.executable, "-m", "flows.cli", "push", *args]
    environ = {**kept, "TEARSHEET_OUTBOX": str(outbox), **more}
    return subprocess.run(command, env=environ, capture_output=True, text=True, timeout=120)


def test_push_delivers_what_waits(settings: Settings, outbox: Outbox, tmp_path: Path) -> None:
    bundle = pack(tmp_path)
    path = outbox.park(bundle)
    done = push("--store", settings.store, "--json", outbox=Path(settings.outbox))

    assert done.returncode == 0, done.stderr
    row = json.loads(done.stdout)
    assert (row["id"], row["delivered"], row["created"], row["path"]) == (bundle.id, True, True, str(path))
    again = push("--store", settings.store, outbox=Path(settings.outbox))
    assert (again.returncode, again.stdout) == (0, "")
    assert "none waits" in again.stderr


def test_push_says_what_still_waits(settings: Settings, tmp_path: Path) -> None:
    far = replace(settings, store="s3://bucket/p", s3_endpoint="http://127.0.0.1:9")
    for bundle in bundles(tmp_path):
        Outbox(far).park(bundle)
    place = {"TEARSHEET_S3_ENDPOINT": far.s3_endpoint, "AWS_ACCESS_KEY_ID": "a", "AWS_SECRET_ACCESS_KEY": "b"}
    done = push("--store", far.store, outbox=Path(settings.outbox), **place)

    count = len(Outbox(far).waiting())
    assert done.returncode == 1
    assert f"0 of {count} stored" in done.stderr
    assert done.stdout.count("no contact with the server") == 1
    near = push("--store", settings.store, outbox=Path(settings.outbox))
    assert near.returncode == 0
    assert f"{count} wait for s3://bucket/p at http://127.0.0.1:9" in near.stderr


def test_push_stores_files_of_ours(settings: Settings, store: Store, tmp_path: Path) -> None:
    bundle, bare = packed(tmp_path / "a", "plain"), packed(tmp_path / "b", "redirect")
    bundle.path.with_suffix(".json").write_bytes(bundle.manifest)
    done = push(str(bundle.path), str(bare.path), "--store", settings.store, outbox=Path(settings.outbox))

    assert done.returncode == 1
    assert "no manifest beside the bundle" in done.stdout
    assert list(store.list_ids()) == [bundle.id]
    assert bundle.path.exists()


def test_a_file_with_the_manifest_of_another_is_refused(tmp_path: Path) -> None:
    one, other = packed(tmp_path / "a", "plain"), packed(tmp_path / "b", "redirect")
    one.path.with_suffix(".json").write_bytes(other.manifest)
    with pytest.raises(FixityError):
        load_bundle(one.path)
    with pytest.raises(NotFound):
        load_bundle(tmp_path / "none.wacz")
