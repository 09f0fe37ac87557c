"""What an audit finds in a folder and on a real S3 server, what each level does not see, and what it writes."""

import json
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from tasks.auditing import CODES, Plan
from tasks.records import digest_of
from tasks.store import Store
from tasks.store.events import Event
from tasks.store.folder import FolderObjects
from tasks.store.layout import STORE_KEY, bundle_key, manifest_key
from tasks.store.objects import Content
from tests.auditing.kit import (
    EVERYTHING,
    NOW,
    audit,
    codes,
    fill,
    flipped,
    make_bundles,
    noted,
    overwrite,
    read,
    remove,
)

Opened = Callable[..., Store]
SIZE, CHECKSUM = Plan("size", 0), Plan("checksum", 0)
FUTURE = NOW + timedelta(days=3650)  # later than what the server stamps on anything stored now


def test_a_sound_store_is_well_at_full_and_size(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundles = opened(location), make_bundles(tmp_path / "w", 5)
    fill(store, bundles)

    report = audit(store)

    assert report.good
    assert (report.findings, report.bundles, report.read) == ([], 5, 5)
    assert report.bytes == sum(bundle.size for bundle in bundles)
    assert audit(store, SIZE, at=NOW + timedelta(hours=1)).findings == []
    event = next(event for event in store.events() if event.kind == "fixity")
    assert event.detail["read"] == {"20261123": sorted(bundle.id[8:] for bundle in bundles)}
    assert event.detail["store"] == store.id
    assert event.detail["end"]["owed"] == 0


def test_a_new_store_is_well_and_stays_new(location: str, opened: Opened) -> None:
    store = opened(location)

    assert audit(store, SIZE).good
    assert list(store.objects.listing("v1/")) == []


def test_a_flipped_byte_is_seen_by_full_and_not_by_size(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundles = opened(location), make_bundles(tmp_path / "w", 3)
    fill(store, bundles)
    key = bundle_key(bundles[1].id)
    overwrite(store, key, flipped(bundles[1].path.read_bytes()))

    assert audit(store, SIZE).good
    report = audit(store)
    assert codes(report) == [("wacz-digest", key)]
    assert not report.good
    assert f"tearsheet audit --level full --store {location} --repair-from" in report.findings[0].remedy(location)


def test_checksum_sees_what_the_server_recorded_and_says_where_it_recorded_nothing(
    location: str, opened: Opened, tmp_path: Path
) -> None:
    store, bundles = opened(location), make_bundles(tmp_path / "w", 2)
    fill(store, bundles)
    data = Content.of_bytes(flipped(bundles[0].path.read_bytes()))
    store.objects.replace(bundle_key(bundles[0].id), data)  # an upload with a digest of its own

    report = audit(store, CHECKSUM)

    if isinstance(store.objects, FolderObjects):
        assert codes(report) == [("untold-digest", "v1/bundles/")]
        assert report.findings[0].found == "2 of 2 objects"
    else:
        assert codes(report) == [("wacz-digest", bundle_key(bundles[0].id))]
    assert not report.good


def test_checksum_does_not_see_what_changed_below_the_server(s3_location: str, opened: Opened, tmp_path: Path) -> None:
    """The server goes on telling what it recorded, whatever became of the bytes."""
    store, bundles = opened(s3_location), make_bundles(tmp_path / "w", 1)
    fill(store, bundles)
    wrong = Content(flipped(bundles[0].path.read_bytes()), bundles[0].sha256, bundles[0].size)
    told = store.objects.stat(bundle_key(bundles[0].id))

    class Decayed(type(store.objects)):  # type: ignore[misc] # the server as it is, but for one body
        def read(self, key: str):  # type: ignore[no-untyped-def]
            if key == bundle_key(bundles[0].id):
                return iter((wrong.read_bytes(),))
            return super().read(key)

    store.objects.__class__ = Decayed
    assert told.sha256 == bundles[0].sha256
    assert audit(store, CHECKSUM).good
    assert codes(audit(store)) == [("wacz-digest", bundle_key(bundles[0].id))]


@pytest.mark.parametrize("plan", [SIZE, EVERYTHING], ids=["size", "full"])
def test_what_the_listing_and_manifests_show(location: str, opened: Opened, tmp_path: Path, plan: Plan) -> None:
    store, bundles = opened(location), make_bundles(tmp_path / "w", 8)
    fill(store, bundles)
    ids = [bundle.id for bundle in bundles]
    remove(store, bundle_key(ids[0]))
    overwrite(store, bundle_key(ids[1]), bundles[1].path.read_bytes() + b"more")
    overwrite(store, manifest_key(ids[2]), b"{}")
    overwrite(store, manifest_key(ids[3]), bundles[4].manifest)
    overwrite(store, manifest_key(ids[5]).replace("/23/", "/22/"), bundles[5].manifest)
    overwrite(store, "v1/bundles/2026/11/23/notes.txt", b"mine")
    event = Event("late", NOW, ids[6])
    overwrite(store, event.key, event.data[:-1])

    report = audit(store, plan)

    assert sorted(codes(report)) == sorted(
        [
            ("wacz-missing", bundle_key(ids[0])),
            ("wacz-size", bundle_key(ids[1])),
            ("manifest-broken", manifest_key(ids[2])),
            ("manifest-other", manifest_key(ids[3])),
            ("misplaced", manifest_key(ids[5]).replace("/23/", "/22/")),
            ("extra", "v1/bundles/2026/11/23/notes.txt"),
            ("event-broken", event.key),
        ]
    )
    assert report.counts["extra"] == 1


def test_a_manifest_that_says_something_else_than_its_bundle_is_seen_by_full(
    location: str, opened: Opened, tmp_path: Path
) -> None:
    store, bundles = opened(location), make_bundles(tmp_path / "w", 2)
    fill(store, bundles)
    key = manifest_key(bundles[0].id)
    overwrite(store, key, bundles[0].manifest.replace(b"The tide 1", b"The tide 9", 1))

    assert audit(store, SIZE).good
    assert codes(audit(store)) == [("manifest-mismatch", key)]


def test_what_was_left_over_is_noted_with_its_age_and_bad_for_nobody(
    location: str, opened: Opened, tmp_path: Path
) -> None:
    store, (orphan, bundle) = opened(location), make_bundles(tmp_path / "w", 2)
    fill(store, [bundle])
    event = Event("observation", NOW, bundle.id)
    overwrite(store, bundle_key(orphan.id), orphan.path.read_bytes())
    overwrite(store, f"{event.stem}.warc.gz", b"a response")
    overwrite(store, f"v1/sources/{'0' * 64}.warc", b"")
    overwrite(store, "v1/index/data/x.parquet", b"derived")
    overwrite(store, "v1/probe/0011/a", b"")

    report = audit(store, SIZE, at=FUTURE)

    assert report.good
    assert {(finding.code, finding.key) for finding in noted(report)} == {
        ("wacz-orphan", bundle_key(orphan.id)),
        ("attachment-orphan", f"{event.stem}.warc.gz"),
        ("source-orphan", f"v1/sources/{'0' * 64}.warc"),
        ("left-over", "v1/probe/0011/a"),
    }
    assert all("days old" in finding.found for finding in noted(report))


def test_an_unfinished_upload_is_noted_once_it_is_old(s3_location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(s3_location)
    fill(store, make_bundles(tmp_path / "w", 1))
    objects: object = store.objects
    upload = objects.client.create_multipart_upload(  # type: ignore[attr-defined]
        Bucket=objects.bucket,
        Key=f"{objects.prefix}v1/bundles/2026/11/23/big.wacz",  # type: ignore[attr-defined]
    )
    (listed,) = store.objects.uploads()

    assert (listed.key, listed.id) == ("v1/bundles/2026/11/23/big.wacz", upload["UploadId"])
    assert audit(store, SIZE, at=listed.started_at + timedelta(days=6)).findings == []  # type: ignore[operator]
    (finding,) = audit(store, SIZE, at=FUTURE).findings
    assert (finding.code, finding.key) == ("upload-abandoned", listed.key)
    store.objects.abort(listed)
    store.objects.abort(listed)
    assert list(store.objects.uploads()) == []


def test_what_a_killed_writer_left_in_a_folder_is_an_unfinished_upload(opened: Opened, tmp_path: Path) -> None:
    store = opened(str(tmp_path / "store"))
    fill(store, make_bundles(tmp_path / "w", 1))
    overwrite(store, "v1/bundles/2026/11/23/.tmp-0123", b"half")

    (finding,) = audit(store, SIZE, at=FUTURE).findings
    assert (finding.code, finding.key) == ("upload-abandoned", "v1/bundles/2026/11/23/.tmp-0123")
    (upload,) = store.objects.uploads()
    store.objects.abort(upload)
    assert list(store.objects.uploads()) == []


def test_sources_are_held_against_their_names(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    fill(store, make_bundles(tmp_path / "w", 1))
    good, bad = (digest_of(data).removeprefix("sha256:") for data in (b"a WARC", b"another"))
    overwrite(store, f"v1/sources/{good}.warc", b"a WARC")
    overwrite(store, f"v1/sources/{bad}.warc.gz", b"damaged")

    assert codes(audit(store)) == [("source-digest", f"v1/sources/{bad}.warc.gz")]
    assert audit(store, SIZE).good


def test_a_source_that_a_bundle_names_must_be_there(location: str, opened: Opened, tmp_path: Path) -> None:
    store, (bundle,) = opened(location), make_bundles(tmp_path / "w", 1)
    fill(store, [bundle])
    table = json.loads(bundle.manifest) | {"source": {"sha256": digest_of(b"a WARC"), "bytes": 6}}
    overwrite(store, manifest_key(bundle.id), json.dumps(table).encode())
    key = f"v1/sources/{digest_of(b'a WARC').removeprefix('sha256:')}"

    assert codes(audit(store, SIZE)) == [("source-missing", key)]
    overwrite(store, f"{key}.warc", b"a WARC")
    assert audit(store, SIZE, at=NOW + timedelta(hours=1)).findings == []


def test_a_bundle_that_went_as_a_whole_is_missed_once_an_audit_has_seen_it(
    location: str, opened: Opened, tmp_path: Path
) -> None:
    store, (gone, taken, _) = opened(location), make_bundles(tmp_path / "w", 3)
    fill(store, [gone, taken, _])
    audit(store)
    for bundle in (gone, taken):
        remove(store, bundle_key(bundle.id))
        remove(store, manifest_key(bundle.id))
    store.put_event(Event("tombstone", NOW, taken.id, {"sha256": taken.sha256, "reason": "r", "by": "me"}))

    assert codes(audit(store, SIZE, at=NOW + timedelta(days=1))) == [("bundle-vanished", bundle_key(gone.id))]


def test_a_bundle_that_no_audit_saw_can_go_unnoticed(location: str, opened: Opened, tmp_path: Path) -> None:
    store, (gone, _) = opened(location), make_bundles(tmp_path / "w", 2)
    fill(store, [gone, _])
    remove(store, bundle_key(gone.id))
    remove(store, manifest_key(gone.id))

    assert audit(store).good


def test_a_bundle_that_was_taken_down_must_not_be_there(location: str, opened: Opened, tmp_path: Path) -> None:
    store, (bundle,) = opened(location), make_bundles(tmp_path / "w", 1)
    fill(store, [bundle])
    store.put_event(Event("tombstone", NOW, bundle.id, {"sha256": bundle.sha256, "reason": "r", "by": "me"}))

    keys = [bundle_key(bundle.id), manifest_key(bundle.id)]
    assert sorted(codes(audit(store, SIZE))) == sorted(("tombstone-ignored", key) for key in keys)


@pytest.mark.parametrize(
    ("previous", "code"),
    [
        ({"id": "20261123101500-0123456789abcdef", "sha256": f"sha256:{'0' * 64}"}, "manifest-broken"),
        ({"id": "20261123101500-0000000000000000", "sha256": f"sha256:{'0' * 64}"}, "lineage-missing"),
        ("nonsense", "manifest-broken"),
    ],
)
def test_the_version_before_must_be_the_one_named(opened: Opened, tmp_path: Path, previous: object, code: str) -> None:
    store, (bundle,) = opened(str(tmp_path / "store")), make_bundles(tmp_path / "w", 1)
    fill(store, [bundle])
    table = json.loads(bundle.manifest) | {"previous": previous}
    overwrite(store, manifest_key(bundle.id), json.dumps(table).encode())

    (finding,) = audit(store, SIZE).findings
    assert (finding.code, finding.key) == (code, manifest_key(bundle.id))


def test_store_json_is_looked_at(location: str, opened: Opened, tmp_path: Path) -> None:
    store, bundles = opened(location), make_bundles(tmp_path / "w", 1)
    fill(store, bundles)
    whole = read(store, STORE_KEY)
    overwrite(store, STORE_KEY, b"{")

    report = audit(opened(location), SIZE)
    assert ("store-broken", STORE_KEY) in codes(report)
    assert ("not-recorded", "v1/events/") in codes(report)
    remove(store, STORE_KEY)
    for _ in range(2):  # the audit makes no new one
        assert ("store-missing", STORE_KEY) in codes(audit(opened(location), SIZE))
    overwrite(store, STORE_KEY, whole)
    assert audit(opened(location), SIZE).good


def test_every_code_has_a_meaning_and_a_remedy() -> None:
    for code, kind in CODES.items():
        assert kind.meaning, code
        assert kind.remedy, code
        assert kind.severity in ("error", "unproven", "note")


def test_a_plan_that_makes_no_sense_is_misuse() -> None:
    for level, period in (("size", 30), ("deep", 0)):
        with pytest.raises(ValueError, match="no audit"):
            Plan(level, period)
