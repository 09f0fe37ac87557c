"""S3 on bad days: through a proxy of ours before a real server, and with what users get wrong."""

import json
import secrets
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from tasks.errors import FixityError, FormatError, StoreRefused, StoreUnavailable, TearsheetError
from tasks.settings import load_settings
from tasks.store import Store, open_store
from tasks.store.layout import bundle_key, manifest_key
from tasks.store.local import LocalS3
from tasks.store.objects import Content, keys
from tasks.store.s3 import S3Objects
from tasks.store.s3_client import new_client
from tasks.store.s3_get import Getter
from tests.store.fault_proxy import FaultProxy, Plan, Request
from tests.store.kit import Crash, make_bundle

Opened = Callable[..., Store]
Through = Callable[[Plan], tuple[Store, FaultProxy]]


@pytest.fixture
def through(local_s3: LocalS3, s3_location: str) -> Iterator[Through]:
    """A store whose requests pass a proxy with the plan given; tries again without waiting."""
    with ExitStack() as stack:

        def opening(plan: Plan) -> tuple[Store, FaultProxy]:
            proxy = stack.enter_context(FaultProxy(local_s3.endpoint, plan))
            settings = replace(load_settings(), s3_endpoint=proxy.endpoint, store_timeout_s=5.0)
            objects = S3Objects(s3_location, settings, sleep=lambda wait_s: None)
            return stack.enter_context(Store(objects)), proxy

        yield opening


def every(number: int, fault: str, *methods: str) -> Plan:
    return lambda request: (
        fault if request.number % number == 0 and (not methods or request.method in methods) else None
    )


@pytest.mark.parametrize(
    ("fault", "methods"), [("slow-down", ()), ("reset", ()), ("conflict", ("PUT",)), ("lost", ("PUT",)), ("lost", ())]
)
def test_passing_faults_are_ridden_out(
    through: Through, opened: Opened, s3_location: str, tmp_path: Path, fault: str, methods: tuple[str, ...]
) -> None:
    store, proxy = through(every(3, fault, *methods))
    bundles = [make_bundle(tmp_path, number) for number in range(8)]

    for bundle in bundles:
        store.put_bundle(bundle)

    clean = opened(s3_location)
    assert list(clean.list_ids()) == [bundle.id for bundle in bundles]
    for bundle in bundles:
        assert clean.fetch_bundle(bundle.id, tmp_path / "out").read_bytes() == bundle.path.read_bytes()
    assert len(proxy.requests) > 3 * len(bundles)


def test_our_own_412_after_a_lost_reply_is_a_success(through: Through, tmp_path: Path) -> None:
    lost: list[str] = []

    def plan(request: Request) -> str | None:
        if request.method == "PUT" and "/v1/bundles/" in request.path and request.path not in lost:
            lost.append(request.path)
            return "lost"
        return None

    store, _ = through(plan)
    bundle = make_bundle(tmp_path)
    store.put_bundle(bundle)

    assert len(lost) == 2
    assert store.read_manifest(bundle.id) == bundle.manifest


def test_a_body_that_broke_off_goes_on_where_it_broke(through: Through, tmp_path: Path) -> None:
    store, proxy = through(lambda request: "cut" if request.method == "GET" and request.number % 4 else None)
    bundle = make_bundle(tmp_path, size=3_000_000)

    store.put_bundle(bundle)
    copy = store.fetch_bundle(bundle.id, tmp_path / "out")

    assert copy.read_bytes() == bundle.path.read_bytes()
    resumed = [request for request in proxy.requests if request.has("range")]
    assert resumed
    assert all(request.has("if-match") for request in resumed)


def test_a_flipped_bit_on_the_way_is_never_silent(
    through: Through, opened: Opened, s3_location: str, tmp_path: Path
) -> None:
    bundle = make_bundle(tmp_path)
    flipping, _ = through(
        lambda request: (
            "flip"
            if request.path.endswith((".wacz", ".json")) and request.method == "GET" and "bundles" in request.path
            else None
        )
    )

    with pytest.raises(FixityError, match="read back"):
        flipping.put_bundle(bundle)
    assert list(opened(s3_location).list_ids()) == []

    opened(s3_location).put_bundle(bundle)
    with pytest.raises(FixityError):
        flipping.read_manifest(bundle.id)
    only_wacz, _ = through(lambda request: "flip" if request.path.endswith(".wacz") else None)
    with pytest.raises(FixityError):
        only_wacz.fetch_bundle(bundle.id, tmp_path / "out")
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize("sums", [True, False], ids=["sha256", "no-sha256"])
@pytest.mark.parametrize("conditions", [True, False], ids=["conditions", "no-conditions"])
def test_servers_without_conditions_or_checksums_are_served(
    through: Through, s3_location: str, opened: Opened, tmp_path: Path, conditions: bool, sums: bool
) -> None:
    def plan(request: Request) -> str | None:
        if not conditions and request.has("if-none-match"):
            return "not-implemented"
        return "unsupported-header" if not sums and request.has("x-amz-checksum-sha256") else None

    store, proxy = through(plan)
    bundle, damaged = make_bundle(tmp_path), make_bundle(tmp_path, 2)
    damaged.path.write_bytes(b"other bytes")

    assert store.put_bundle(bundle).created
    assert not store.put_bundle(bundle).created
    with pytest.raises(FixityError):
        store.put_bundle(damaged)

    known = json.loads(b"".join(store.objects.read("v1/store.json")))["capabilities"]
    assert known["create_only"] == ("native" if conditions else "emulated")
    assert known["sha256"] == ("checked" if sums else "refused")
    assert known["sha256_back"] == sums
    assert list(keys(store.objects, "v1/probe/")) == []
    assert sums or any(request.has("content-md5") for request in proxy.requests)
    assert opened(s3_location).fetch_bundle(bundle.id, tmp_path / "out").read_bytes() == bundle.path.read_bytes()


@pytest.mark.parametrize("fault", ["reset", "lost"], ids=["before", "after"])
def test_a_crash_at_any_request_shows_nothing_bad_and_a_rerun_converges(
    local_s3: LocalS3, s3_location: str, tmp_path: Path, fault: str
) -> None:
    def die(_: float) -> None:
        raise Crash

    bundle, at, crashed = make_bundle(tmp_path), 0, True
    while crashed:
        at += 1
        place = f"{s3_location}/{at}"
        with FaultProxy(local_s3.endpoint, lambda request: fault if request.number == at else None) as proxy:  # noqa: B023 used at once
            settings = replace(load_settings(), s3_endpoint=proxy.endpoint)
            with Store(S3Objects(place, settings, sleep=die)) as dying:
                try:
                    dying.put_bundle(bundle)
                    crashed = False
                except Crash:
                    crashed = True
        with open_store(place, load_settings()) as survivor:
            for bundle_id in survivor.list_ids():
                survivor.fetch_bundle(bundle_id, tmp_path / f"seen-{at}")
            survivor.put_bundle(bundle)
            assert survivor.read_manifest(bundle.id) == bundle.manifest
            assert not survivor.put_bundle(bundle).created
    assert at > 12  # store.json, the probe, store.json twice, the bundle twice, its manifest


WRITER = """
import sys
from pathlib import Path
from tasks.settings import load_settings
from tasks.store import open_store
from tests.store.kit import make_bundle
with open_store(sys.argv[1], load_settings()) as store:
    for number in range(10_000):
        store.put_bundle(bundle := make_bundle(Path(sys.argv[2]), number, size=50_000))
        print(bundle.id, flush=True)
"""


@pytest.mark.parametrize("wait_s", [0.9, 1.3])
def test_what_was_acknowledged_before_a_kill_is_there_and_whole(
    location: str, opened: Opened, tmp_path: Path, wait_s: float
) -> None:
    command = [sys.executable, "-c", WRITER, location, str(tmp_path / "work")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=Path(__file__).parents[2]) as writer:
        assert writer.stdout is not None
        acknowledged = [writer.stdout.readline().strip()]
        time.sleep(wait_s - 0.8)
        writer.send_signal(signal.SIGKILL)
        acknowledged += [line.strip() for line in writer.stdout]

    store = opened(location)
    there = list(store.list_ids())
    assert set(filter(None, acknowledged)) <= set(there)
    for bundle_id in there:
        store.fetch_bundle(bundle_id, tmp_path / "out")
    for number in range(len(there) + 1):  # the rerun
        store.put_bundle(make_bundle(tmp_path / "work", number, size=50_000))
    assert len(list(store.list_ids())) == len(there) + 1


# -------------------------------------------------------------------- what users get wrong
def refusal(location: str, **changes: object) -> TearsheetError:
    objects = S3Objects(location, replace(load_settings(), **changes), sleep=lambda wait_s: None)  # type: ignore[arg-type]
    with Store(objects) as store, pytest.raises(TearsheetError) as caught:
        list(store.list_ids())
    return caught.value


def test_wrong_credentials_are_said_without_them(s3_location: str, monkeypatch: pytest.MonkeyPatch) -> None:
    secret = secrets.token_hex(20)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", secret)
    error = refusal(s3_location)
    assert isinstance(error, StoreRefused)
    assert error.code == "credentials"
    assert "AWS_SECRET_ACCESS_KEY" in error.remedy

    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "nobodyatall")
    assert refusal(s3_location).code == "credentials"
    assert secret not in str(error)
    assert "nobodyatall" not in str(refusal(s3_location))


def test_no_credentials_are_said(s3_location: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))

    error = refusal(s3_location)
    assert error.code == "credentials"
    assert "no usable credentials" in error.what


def test_a_missing_bucket_is_said_and_not_made(s3_location: str, tmp_path: Path, opened: Opened) -> None:
    for call in (lambda: refusal("s3://no-such-bucket/x"), lambda: refusal("s3://no-such-bucket/x")):
        error = call()
        assert error.code == "no-bucket"
        assert "no-such-bucket" in error.what
    with pytest.raises(StoreRefused, match="no such bucket"):
        opened("s3://no-such-bucket/x").put_bundle(make_bundle(tmp_path))


def test_an_unreachable_server_is_said(s3_location: str) -> None:
    error = refusal(s3_location, s3_endpoint="http://user:password@127.0.0.1:9")

    assert isinstance(error, StoreUnavailable)
    assert "127.0.0.1:9" in error.where
    assert "s3_endpoint" in error.remedy
    assert "password" not in str(error)


def test_trying_again_ends_with_the_time_for_it(through: Through) -> None:
    store, proxy = through(lambda request: "slow-down")
    with pytest.raises(StoreUnavailable, match="SlowDown"):
        list(store.list_ids())
    tries = len(proxy.requests)

    hasty, proxy = through(lambda request: "slow-down")
    assert isinstance(hasty.objects, S3Objects)
    hasty.objects.settings = replace(hasty.objects.settings, store_total_s=1e-9)
    with pytest.raises(StoreUnavailable):
        list(hasty.list_ids())

    assert tries == 8
    assert len(proxy.requests) == 1


def test_something_else_than_an_s3_server_is_said(through: Through) -> None:
    store, _ = through(lambda request: "not-s3")
    with pytest.raises(FormatError, match="not a JSON object"):
        list(store.list_ids())


@pytest.mark.parametrize("endpoint", ["127.0.0.1:8333", "http://", "not a url", "ftp:/x"])
def test_an_endpoint_that_is_no_url_is_said(s3_location: str, endpoint: str) -> None:
    error = refusal(s3_location, s3_endpoint=endpoint)
    assert isinstance(error, StoreRefused)
    assert "s3_endpoint" in str(error)


@pytest.mark.parametrize(
    "location",
    ["s3://", "s3:///prefix", "s3://UPPER/x", "s3://key:hunter2@bucket/x", "s3://bucket/a//b", "s3://bucket/../x",
     "s3://bucket/é", "s3://bucket/x?y=hunter2", "http://bucket/x", "S3://bucket/x", "", " "],
)  # fmt: skip
def test_a_location_that_is_no_store_is_refused(location: str) -> None:
    with pytest.raises(StoreRefused) as caught:
        open_store(location, load_settings())

    assert caught.value.code == "location"
    assert "hunter2" not in str(caught.value)


def test_the_prefix_may_be_empty(local_s3: LocalS3, s3_location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(f"s3://{local_s3.bucket}"), make_bundle(tmp_path, 999)

    assert store.put_bundle(bundle).key == bundle_key(bundle.id)
    assert bundle.id in list(store.list_ids())


def test_only_a_file_too_large_for_memory_asks_before_it_is_sent(
    through: Through, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tasks.store.s3_sent.IN_MEMORY", 1_000_000)
    store, proxy = through(lambda request: None)
    small, large = make_bundle(tmp_path, 1), make_bundle(tmp_path, 2, size=2_000_000)

    store.put_bundle(small)
    assert not any(request.has("expect") for request in proxy.requests)
    store.put_bundle(large)

    assert [request.path.endswith(f"{large.id}.wacz") for request in proxy.requests if request.has("expect")] == [True]
    assert store.fetch_bundle(large.id, tmp_path / "out").read_bytes() == large.path.read_bytes()


def test_long_lists_come_in_pages(s3_location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(s3_location)
    for number in range(5):
        store.objects.create(manifest_key(make_bundle(tmp_path, number).id), Content.of_bytes(b"{}"))
    assert isinstance(store.objects, S3Objects)
    client = store.objects.client
    client.meta.events.register("before-parameter-build.s3.ListObjectsV2", lambda params, **_: params.update(MaxKeys=2))

    assert len(list(store.list_ids())) == 5


# -------------------------------------------------------------------- GET past the client
@pytest.mark.parametrize("direct", [True, False], ids=["direct", "through-the-client"])
def test_objects_are_read_past_the_client_and_else_through_it(
    s3_location: str, opened: Opened, tmp_path: Path, direct: bool
) -> None:
    store, bundle = opened(s3_location), make_bundle(tmp_path, size=3_000_000)
    store.put_bundle(bundle)
    assert isinstance(store.objects, S3Objects)
    through: list[str] = []
    store.objects.client.meta.events.register("before-call.s3.GetObject", lambda **_: through.append("client"))
    if not direct:
        store.objects.getter.session = None

    assert store.fetch_bundle(bundle.id, tmp_path / "out").read_bytes() == bundle.path.read_bytes()
    assert bool(through) is not direct


def test_the_address_of_objects_is_the_one_that_the_client_uses(s3_location: str) -> None:
    def base(**changes: str) -> str:
        return Getter(new_client(replace(load_settings(), **changes)), "bucket").base  # type: ignore[arg-type]

    assert base(s3_endpoint="http://127.0.0.1:9") == "http://127.0.0.1:9/bucket/"
    assert base(s3_endpoint="http://h.example:9", s3_addressing="virtual") == "http://bucket.h.example:9/"
