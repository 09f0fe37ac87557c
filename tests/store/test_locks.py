"""Versions, Object Lock and legal holds, on buckets of a real server that have them and on places that have not."""

import json
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from tasks.errors import StoreLocked, StoreRefused, StoreUnavailable
from tasks.settings import Settings, load_settings
from tasks.store import Store
from tasks.store.layout import STORE_KEY, bundle_key, manifest_key
from tasks.store.local import LocalS3
from tasks.store.locks import check_unlocked
from tasks.store.objects import Content, Version, keys
from tasks.store.s3 import S3Objects
from tests.store.fault_proxy import FaultProxy, Plan, Request
from tests.store.kit import DAY, make_bundle

Opened = Callable[..., Store]
Bucket = Callable[[str], str]
NOW = datetime(2026, 11, 24, tzinfo=UTC)


def locking(mode: str = "governance") -> Settings:
    return replace(load_settings(), object_lock=mode, retention_days=2)


def s3(store: Store) -> S3Objects:
    assert isinstance(store.objects, S3Objects)
    return store.objects


def raw_versions(store: Store, key: str = "") -> list[str]:
    objects = s3(store)
    page: Any = objects.client.list_object_versions(Bucket=objects.bucket, Prefix=objects.prefix + key)
    return [entry["Key"] for entry in (*page.get("Versions", ()), *page.get("DeleteMarkers", ()))]


def put_twice_and_mark(store: Store, key: str) -> None:
    """Two versions and a delete marker."""
    objects = s3(store)
    for body in (b"one", b"two"):
        objects.client.put_object(Bucket=objects.bucket, Key=objects.prefix + key, Body=body)
    objects.client.delete_object(Bucket=objects.bucket, Key=objects.prefix + key)


# -------------------------------------------------------------------- versions
@pytest.mark.parametrize("kind", ["plain", "versioned", "locked"])
def test_deleting_leaves_no_version_of_just_that_key(bucket: Bucket, opened: Opened, kind: str) -> None:
    store = opened(bucket(kind))
    near = ("v1/x/a.json", "v1/x/a.jso", "v1/x/a-1", "v1/x/A")
    for key in ("v1/x/a", *near):
        store.objects.create(key, Content.of_bytes(b"0"))
    if kind != "plain":
        put_twice_and_mark(store, "v1/x/a")
        assert len(store.objects.versions("v1/x/a")) == 4

    store.objects.delete("v1/x/a")
    store.objects.delete("v1/x/a")

    assert sorted(raw_versions(store)) == sorted(s3(store).prefix + key for key in near)
    assert store.objects.versions("v1/x/a") == ()
    assert store.objects.create("v1/x/a", Content.of_bytes(b"1"))


def test_no_earlier_version_shows_up_while_they_are_deleted(bucket: Bucket, opened: Opened) -> None:
    store = opened(bucket("versioned"))
    put_twice_and_mark(store, "v1/x/a")

    found = store.objects.versions("v1/x/a")

    assert [version.latest for version in found] == [False, False, True]
    assert found[-1].marker


def test_long_lists_of_versions_come_in_pages(bucket: Bucket, opened: Opened) -> None:
    store = opened(bucket("versioned"))
    put_twice_and_mark(store, "v1/x/a")
    put_twice_and_mark(
        store, "v1/x/b.json"
    )  # of keys where one begins with the other SeaweedFS loses some between pages
    events = s3(store).client.meta.events
    events.register("before-parameter-build.s3.ListObjectVersions", lambda params, **_: params.update(MaxKeys=1))

    assert len(store.objects.versions("v1/x/a")) == 3
    store.objects.delete("v1/x/a")
    assert store.objects.versions("v1/x/a") == ()
    assert len(store.objects.versions("v1/x/b.json")) == 3


def test_what_comes_back_while_it_is_deleted_is_said(bucket: Bucket, opened: Opened) -> None:
    store = opened(bucket("versioned"))
    objects = s3(store)
    place = {"Bucket": objects.bucket, "Key": f"{objects.prefix}v1/x/a"}
    objects.client.put_object(Body=b"0", **place)
    objects.client.meta.events.register(
        "after-call.s3.DeleteObject", lambda **_: objects.client.put_object(Body=b"1", **place)
    )

    with pytest.raises(StoreUnavailable, match="comes back"):
        store.objects.delete("v1/x/a")


# -------------------------------------------------------------------- servers without
def without(request: Request) -> str | None:
    """Answers as Garage does: no versions, no Object Lock."""
    query = request.path.partition("?")[2]
    asked = ("versions", "versioning", "object-lock", "legal-hold", "retention")
    return "not-implemented" if any(part.split("=")[0] in asked for part in query.split("&")) else None


@pytest.fixture
def proxied(local_s3: LocalS3, s3_location: str) -> Any:
    """A store whose requests pass a proxy with the plan given."""
    with ExitStack() as stack:

        def opening(plan: Plan, settings: Settings, location: str = s3_location) -> tuple[Store, FaultProxy]:
            proxy = stack.enter_context(FaultProxy(local_s3.endpoint, plan))
            objects = S3Objects(location, replace(settings, s3_endpoint=proxy.endpoint), sleep=lambda wait_s: None)
            return stack.enter_context(Store(objects)), proxy

        yield opening


def test_a_server_without_versions_and_locks_is_served(proxied: Any, tmp_path: Path) -> None:
    store, _ = proxied(without, load_settings())
    bundle = make_bundle(tmp_path)
    store.put_bundle(bundle)
    known = json.loads(b"".join(store.objects.read(STORE_KEY)))["capabilities"]

    assert (known["versioning"], known["object_lock"]) == (False, False)
    assert store.objects.versions(bundle_key(bundle.id)) == (Version(""),)
    store.objects.delete(bundle_key(bundle.id))
    store.objects.delete(bundle_key(bundle.id))
    assert store.objects.versions(bundle_key(bundle.id)) == ()
    with pytest.raises(StoreRefused) as caught:
        store.objects.hold(manifest_key(bundle.id), True)
    assert caught.value.code == "no-object-lock"


def test_who_may_not_list_versions_deletes_nothing(proxied: Any, tmp_path: Path) -> None:
    """Else old versions would stay without a word."""
    forbidden = [False]
    store, proxy = proxied(lambda r: "forbidden" if forbidden[0] and "?versions" in r.path else None, load_settings())
    bundle = make_bundle(tmp_path)
    store.put_bundle(bundle)
    forbidden[0] = True

    with pytest.raises(StoreRefused, match="403"):
        store.objects.delete(bundle_key(bundle.id))
    assert not any(r.method == "DELETE" and "/bundles/" in r.path for r in proxy.requests)


@pytest.mark.parametrize("plan", [without, lambda request: None], ids=["none-such", "bucket-without"])
def test_locks_that_the_server_lacks_are_refused_before_anything_is_stored(
    proxied: Any, opened: Opened, s3_location: str, tmp_path: Path, plan: Plan
) -> None:
    store, _ = proxied(plan, locking())

    with pytest.raises(StoreRefused, match="no Object Lock here") as caught:
        store.put_bundle(make_bundle(tmp_path))

    assert caught.value.code == "no-object-lock"
    assert list(keys(opened(s3_location).objects, "v1/")) == []
    assert list(store.list_ids()) == []  # reading is fine


def test_a_store_made_without_locks_refuses_them_later(bucket: Bucket, opened: Opened, tmp_path: Path) -> None:
    location = bucket("plain")
    opened(location).put_bundle(make_bundle(tmp_path))

    with pytest.raises(StoreRefused, match="no Object Lock here"):
        opened(location, locking()).put_bundle(make_bundle(tmp_path, 2))
    assert len(list(opened(location).list_ids())) == 1


def test_a_folder_says_that_it_has_no_locks(opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(str(tmp_path / "s"), locking()), make_bundle(tmp_path)

    with pytest.raises(StoreRefused, match="no Object Lock here") as caught:
        store.put_bundle(bundle)
    assert caught.value.code == "no-object-lock"
    opened(str(tmp_path / "s")).put_bundle(bundle)
    with pytest.raises(StoreRefused, match="A folder has none"):
        store.objects.hold(manifest_key(bundle.id), True)


# -------------------------------------------------------------------- Object Lock
def test_what_the_bucket_can_is_noted_when_the_store_is_made(bucket: Bucket, opened: Opened, tmp_path: Path) -> None:
    for kind, expected in (("plain", (False, False)), ("versioned", (True, False)), ("locked", (True, True))):
        store = opened(bucket(kind))
        store.put_bundle(make_bundle(tmp_path))
        known = json.loads(b"".join(store.objects.read(STORE_KEY)))["capabilities"]
        assert (known["versioning"], known["object_lock"]) == expected
        assert [key for key in raw_versions(store) if "probe" in key] == []


@pytest.mark.parametrize("mode", ["governance", "compliance"])
def test_bundles_are_locked_and_nothing_else(bucket: Bucket, opened: Opened, tmp_path: Path, mode: str) -> None:
    store, bundle = opened(bucket("locked"), locking(mode)), make_bundle(tmp_path)
    store.put_bundle(bundle, today=DAY + timedelta(1))
    store.objects.create("v1/index/data.parquet", Content.of_bytes(b"1"))

    for key in sorted(keys(store.objects, "v1/")):
        (version,) = store.objects.versions(key)
        if key in (bundle_key(bundle.id), manifest_key(bundle.id)):
            assert version.mode == mode
            assert version.until is not None
            assert timedelta(hours=47) < version.until - datetime.now(UTC) < timedelta(hours=49)
        else:
            assert (version.mode, version.until, version.held) == ("", None, False)
    assert not store.put_bundle(bundle, today=DAY + timedelta(1)).created


def test_without_the_setting_nothing_is_locked(bucket: Bucket, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(bucket("locked")), make_bundle(tmp_path)
    store.put_bundle(bundle)

    assert all(version.until is None for version in store.objects.versions(bundle_key(bundle.id)))
    store.objects.delete(bundle_key(bundle.id))
    assert raw_versions(store, bundle_key(bundle.id)) == []


def test_a_governance_lock_forbids_deleting_unless_bypassed(bucket: Bucket, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(bucket("locked"), locking()), make_bundle(tmp_path)
    store.put_bundle(bundle)

    with pytest.raises(StoreLocked, match=r"locked \(governance\) until .*--bypass-governance") as caught:
        store.objects.delete(bundle_key(bundle.id))
    assert caught.value.until is not None
    assert caught.value.until > datetime.now(UTC) + timedelta(hours=47)
    assert store.fetch_bundle(bundle.id, tmp_path / "out").read_bytes() == bundle.path.read_bytes()

    store.objects.delete(bundle_key(bundle.id), bypass_governance=True)
    assert raw_versions(store, bundle_key(bundle.id)) == []


def test_a_compliance_lock_cannot_be_bypassed(bucket: Bucket, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(bucket("locked"), locking("compliance")), make_bundle(tmp_path)
    store.put_bundle(bundle)

    with pytest.raises(StoreLocked, match=r"locked \(compliance\) until .*Nobody can delete it before"):
        store.objects.delete(bundle_key(bundle.id), bypass_governance=True)
    assert store.fetch_bundle(bundle.id, tmp_path / "out").read_bytes() == bundle.path.read_bytes()


def test_a_lock_ends(bucket: Bucket, opened: Opened) -> None:
    store = opened(bucket("locked"))
    objects = s3(store)
    until = datetime.now(UTC) + timedelta(seconds=2)
    lock: Any = {"ObjectLockMode": "COMPLIANCE", "ObjectLockRetainUntilDate": until}
    objects.client.put_object(Bucket=objects.bucket, Key=f"{objects.prefix}v1/x/a", Body=b"1", **lock)
    with pytest.raises(StoreLocked):
        objects.delete("v1/x/a")
    time.sleep(3.1)  # the server keeps whole seconds
    objects.delete("v1/x/a")
    assert raw_versions(store) == []


def test_a_legal_hold_forbids_deleting_until_it_is_lifted(bucket: Bucket, opened: Opened, tmp_path: Path) -> None:
    store, bundle = opened(bucket("locked")), make_bundle(tmp_path)
    store.put_bundle(bundle)
    store.objects.hold(bundle_key(bundle.id), True)
    store.objects.hold(bundle_key(bundle.id), True)

    with pytest.raises(StoreLocked, match="under a legal hold") as caught:
        store.objects.delete(bundle_key(bundle.id), bypass_governance=True)
    assert caught.value.until is None

    store.objects.hold(bundle_key(bundle.id), False)
    store.objects.delete(bundle_key(bundle.id))
    assert raw_versions(store, bundle_key(bundle.id)) == []


@pytest.mark.parametrize(
    ("versions", "bypass", "said"),
    [
        ([], False, ""),
        ([Version("1")], False, ""),
        ([Version("1", mode="governance", until=NOW - timedelta(1))], False, ""),
        ([Version("1", mode="governance", until=NOW + timedelta(1))], False, "governance) until 2026-11-25"),
        ([Version("1", mode="governance", until=NOW + timedelta(1))], True, ""),
        ([Version("1", mode="compliance", until=NOW + timedelta(1))], True, "compliance) until 2026-11-25"),
        ([Version("1", mode="governance", until=NOW + timedelta(days)) for days in (3, 1)], False, "2026-11-27"),
        ([Version("1"), Version("2", held=True)], True, "legal hold"),
    ],
)
def test_what_a_lock_forbids(versions: list[Version], bypass: bool, said: str) -> None:
    try:
        check_unlocked(versions, "here", bypass_governance=bypass, now=NOW)
        found = ""
    except StoreLocked as error:
        found = str(error)
    assert said in found
    assert bool(said) == bool(found)


# -------------------------------------------------------------------- private
def test_no_request_makes_anything_public(proxied: Any, bucket: Bucket, tmp_path: Path) -> None:
    store, proxy = proxied(lambda request: None, locking(), bucket("locked"))
    bundle = make_bundle(tmp_path)
    store.put_bundle(bundle, today=DAY + timedelta(1))
    store.fetch_bundle(bundle.id, tmp_path / "out")
    store.objects.hold(manifest_key(bundle.id), True)
    store.objects.hold(manifest_key(bundle.id), False)
    for key in (manifest_key(bundle.id), bundle_key(bundle.id)):
        store.objects.delete(key, bypass_governance=True)

    assert len(proxy.requests) > 30
    assert [request.path for request in proxy.requests if makes_public(request)] == []


def makes_public(request: Request) -> bool:
    """Whether a request sets an access list or a policy, or asks to."""
    subresources = {part.partition("=")[0] for part in request.path.partition("?")[2].split("&")}
    head = request.head.lower()
    return (
        b"\r\nx-amz-acl:" in head
        or b"\r\nx-amz-grant-" in head
        or bool({"acl", "policy", "publicAccessBlock", "ownershipControls", "website", "cors"} & subresources)
    )


@pytest.mark.parametrize(
    ("path", "header"),
    [
        ("/b/k", "x-amz-acl: public-read"),
        ("/b/k", "X-Amz-Grant-Read: uri=x"),
        ("/b?policy", "a: b"),
        ("/b/k?x=1&acl", "a: b"),
    ],
)
def test_a_request_that_makes_something_public_would_be_seen(path: str, header: str) -> None:
    assert makes_public(Request(1, "PUT", path, f"PUT {path} HTTP/1.1\r\n{header}\r\n".encode()))
    assert not makes_public(Request(1, "PUT", "/b/k?x=1", b"PUT /b/k HTTP/1.1\r\nhost: acl\r\n"))
