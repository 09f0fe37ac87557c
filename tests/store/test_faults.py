"""Each fault of network and server against each operation, held against a model of what the store must hold.

What was acknowledged reads back exact; without a manifest nothing is visible; a rerun converges; and whoever reads gets
the very bytes or an error of ours.
"""

import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tasks.errors import FixityError, StoreRefused, StoreUnavailable, TearsheetError
from tasks.records import Bundle
from tasks.settings import load_settings
from tasks.store import Store, open_store
from tasks.store.events import Event
from tasks.store.layout import bundle_key
from tasks.store.local import LocalS3
from tasks.store.s3 import S3Objects
from tests.auditing.kit import audit, codes, fill, flipped, make_bundles, overwrite, read, remove
from tests.store.fault_proxy import FaultProxy, Plan, Request
from tests.store.kit import DAY, make_bundle

FAULTS = ("slow-down", "reset", "lost", "hang", "cut", "stall", "longer", "shorter", "flip", "conflict")
ANSWERED = ("GET", "HEAD")  # a conflict is an answer to a write only
Through = Callable[..., Store]


@pytest.fixture
def through(local_s3: LocalS3, s3_location: str) -> Iterator[Through]:
    """A store whose requests pass a proxy with the plan given; no waits between tries."""
    with ExitStack() as stack:

        def opening(plan: Plan, *, timeout_s: float = 1.0, total_s: float = 60.0) -> Store:
            proxy = stack.enter_context(FaultProxy(local_s3.endpoint, plan))
            settings = replace(
                load_settings(), s3_endpoint=proxy.endpoint, store_timeout_s=timeout_s, store_total_s=total_s
            )
            return stack.enter_context(Store(S3Objects(s3_location, settings, sleep=lambda wait_s: None)))

        yield opening


@pytest.fixture
def clean(s3_location: str) -> Iterator[Store]:
    """The same store without a proxy."""
    with open_store(s3_location, load_settings()) as store:
        yield store


def sometimes(fault: str) -> Plan:
    """The fault for every third request, counted for each method by itself."""
    seen: dict[str, int] = {}

    def plan(request: Request) -> str | None:
        seen[request.method] = seen.get(request.method, 0) + 1
        hits = seen[request.method] % 3 == 0 and not (fault == "conflict" and request.method in ANSWERED)
        return fault if hits else None

    return plan


def event(number: int) -> Event:
    return Event("fixity", datetime(2026, 11, 24, 10, 0, number, tzinfo=UTC), detail={"number": number})


def exact(store: Store, bundle: Bundle, out: Path) -> bool:
    copy = store.fetch_bundle(bundle.id, out)
    same = copy.read_bytes() == bundle.path.read_bytes() and store.read_manifest(bundle.id) == bundle.manifest
    copy.unlink()
    return same


# ------------------------------------------------------------------ the matrix
@pytest.mark.parametrize("fault", FAULTS)
def test_what_is_written_through_faults_is_whole_or_not_there(
    through: Through, clean: Store, tmp_path: Path, fault: str
) -> None:
    store = through(sometimes(fault))
    bundles = [make_bundle(tmp_path / "work", number) for number in range(5)]
    acknowledged = []
    for bundle in bundles:
        with suppress(TearsheetError):
            store.put_bundle(bundle, today=DAY)
            acknowledged.append(bundle)
    events = []
    for number in range(5):
        with suppress(TearsheetError):
            events.append(store.put_event(event(number)))

    listed = list(clean.list_ids())
    assert {bundle.id for bundle in acknowledged} <= set(listed)
    assert len(acknowledged) >= 4  # a fault in three is ridden out
    for bundle in bundles:
        assert bundle.id not in listed or exact(clean, bundle, tmp_path / "out")
    assert [clean.read_event(key).kind for key in events] == ["fixity"] * len(events)
    assert len(events) >= 4

    for bundle in bundles:  # the rerun
        clean.put_bundle(bundle, today=DAY)
    assert list(clean.list_ids()) == [bundle.id for bundle in bundles]
    assert all(exact(clean, bundle, tmp_path / "out") for bundle in bundles)


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "conflict"])
def test_what_is_read_through_faults_is_exact_or_an_error(
    through: Through, clean: Store, tmp_path: Path, fault: str
) -> None:
    bundles = [make_bundle(tmp_path / "work", number, size=30_000) for number in range(4)]
    for bundle in bundles:
        clean.put_bundle(bundle, today=DAY)
    store, ids = through(sometimes(fault)), [bundle.id for bundle in bundles]
    good = 0
    for bundle in bundles:
        with suppress(TearsheetError):
            assert exact(store, bundle, tmp_path / "out")
            good += 1
        with suppress(TearsheetError):
            found = store.objects.stat(bundle_key(bundle.id))
            assert (found.size, found.sha256) == (bundle.size, bundle.sha256)
            good += 1
    for _ in range(4):
        with suppress(TearsheetError):
            assert fault == "flip" or list(store.list_ids()) == ids  # a flipped listing has a test of its own
            good += 1
        with suppress(TearsheetError):
            assert [data for _, data in store.manifests()] == [bundle.manifest for bundle in bundles]
            good += 1
    assert good >= 12
    assert not [path for path in (tmp_path / "out").rglob("*") if path.is_file()]


@pytest.mark.parametrize("fault", [fault for fault in FAULTS if fault != "conflict"])
def test_an_audit_through_faults_finds_what_is_damaged_and_nothing_else(
    through: Through, clean: Store, tmp_path: Path, fault: str
) -> None:
    bundles = fill(clean, make_bundles(tmp_path, 4))
    broken, lacking = bundle_key(bundles[1].id), bundle_key(bundles[2].id)
    overwrite(clean, broken, flipped(read(clean, broken)))
    remove(clean, lacking)
    met = set[tuple[str, str]]()

    def once(request: Request) -> str | None:
        """The fault where a thing is first asked for; but no flip in a listing, which makes other keys of it."""
        asked = request.method, request.path
        if asked in met or (fault == "flip" and "list-type=2" in request.path):
            return None
        met.add(asked)
        return fault

    assert set(codes(audit(through(once)))) == {("wacz-digest", broken), ("wacz-missing", lacking)}


def test_a_listing_with_a_flipped_bit_is_never_shorter_and_what_it_names_is_read_or_missed(
    through: Through, clean: Store, tmp_path: Path
) -> None:
    """A bit in an id makes another id of it: only reading tells, over plain HTTP; TLS notices by itself."""
    bundles = [make_bundle(tmp_path / "work", number) for number in range(3)]
    for bundle in bundles:
        clean.put_bundle(bundle, today=DAY)
    manifests = [bundle.manifest for bundle in bundles]
    for at in range(0, 1500, 37):
        store = through(lambda request, at=at: f"flip@{at}" if "list-type=2" in request.path else None)
        with suppress(TearsheetError):
            assert [data for _, data in store.manifests()] == manifests
        store.close()


# ------------------------------------------------------------------ nothing but the fault
@pytest.mark.parametrize("fault", ["slow-down", "reset", "hang", "stall", "cut", "trickle", "skewed", "flip"])
def test_a_server_that_never_recovers_gives_one_clear_error_in_time(
    through: Through, clean: Store, s3_location: str, tmp_path: Path, fault: str
) -> None:
    stored, new = make_bundle(tmp_path / "work", 1), make_bundle(tmp_path / "work", 2)
    clean.put_bundle(stored, today=DAY)
    total_s = 2.0
    store = through(lambda request: fault, timeout_s=60.0, total_s=total_s)

    for call in (lambda: store.fetch_bundle(stored.id, tmp_path / "out"), lambda: store.put_bundle(new, today=DAY)):
        started = time.monotonic()
        with pytest.raises(TearsheetError) as caught:
            call()
        assert time.monotonic() - started < 3 * total_s + 2  # store.json, the bundle, its manifest: one each
        assert isinstance(caught.value, FixityError | StoreUnavailable | StoreRefused)
        assert s3_location in str(caught.value)
        assert caught.value.remedy
    assert list(clean.list_ids()) == [stored.id]


def test_a_body_that_stalls_goes_on_where_it_stopped(through: Through, clean: Store, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "work", size=3_000_000)
    clean.put_bundle(bundle, today=DAY)
    stalled: list[str] = []

    def plan(request: Request) -> str | None:
        if request.path.endswith(".wacz") and request.method == "GET":
            stalled.append("range" if request.has("range") else "whole")
            return "stall" if len(stalled) < 3 else None
        return None

    assert exact(through(plan), bundle, tmp_path / "out")
    assert stalled == ["whole", "range", "range"]


def test_who_reads_slowly_is_not_cut_off(clean: Store, through: Through, tmp_path: Path) -> None:
    bundle = make_bundle(tmp_path / "work", size=6_000_000)
    clean.put_bundle(bundle, today=DAY)
    store = through(lambda request: None, total_s=2.0, timeout_s=2.0)
    size = 0
    for piece in store.objects.read(bundle_key(bundle.id)):
        size += len(piece)
        if size < 3_000_000:
            time.sleep(0.9)
    assert size == bundle.size


# ------------------------------------------------------------------ other servers
def test_a_clock_that_is_wrong_is_said(through: Through, clean: Store, tmp_path: Path) -> None:
    clean.put_bundle(make_bundle(tmp_path), today=DAY)
    with pytest.raises(StoreRefused, match="RequestTimeTooSkewed") as caught:
        list(through(lambda request: "skewed").list_ids())
    assert caught.value.code == "clock"
    assert "clock" in caught.value.remedy


@pytest.mark.parametrize("flipping", [False, True], ids=["sound", "flipping"])
def test_a_server_that_records_no_digests_is_read_twice(
    through: Through, clean: Store, tmp_path: Path, flipping: bool
) -> None:
    """Nothing but a second reading tells that a manifest changed on the way."""
    bundle, seen = make_bundle(tmp_path / "work"), list[str]()
    clean.put_bundle(bundle, today=DAY)

    def plan(request: Request) -> str | None:
        manifest = request.path.endswith(f"{bundle.id}.json")
        seen.extend([request.path] if manifest else [])
        return "flip-no-sums" if manifest and flipping and len(seen) % 2 else "no-sums"

    if flipping:
        with pytest.raises(FixityError, match="differ each time"):
            through(plan).read_manifest(bundle.id)
    else:
        assert through(plan).read_manifest(bundle.id) == bundle.manifest
        assert len(seen) == 2


def test_a_server_without_versions_or_conditions_keeps_the_promises(
    through: Through, clean: Store, tmp_path: Path
) -> None:
    def plan(request: Request) -> str | None:
        if request.has("if-none-match") or re_versions(request.path):
            return "not-implemented"
        return "slow-down" if request.number % 4 == 0 else None

    store = through(plan)
    bundles = [make_bundle(tmp_path / "work", number) for number in range(4)]
    for bundle in bundles:
        assert store.put_bundle(bundle, today=DAY).created
        assert not store.put_bundle(bundle, today=DAY).created
    store.objects.delete(bundle_key(bundles[0].id))

    assert list(clean.list_ids()) == [bundle.id for bundle in bundles]
    with pytest.raises(FixityError, match="the bundle is gone"):
        clean.fetch_bundle(bundles[0].id, tmp_path / "out")
    assert all(exact(clean, bundle, tmp_path / "out") for bundle in bundles[1:])


def re_versions(path: str) -> bool:
    return any(word in path for word in ("?versions", "?versioning", "&versions", "?object-lock"))
