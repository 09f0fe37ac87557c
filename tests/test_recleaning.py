"""Newer rules over stored bundles: what changes, what never does, and what is said of each."""

import json
import shutil
import socket
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle.jsons import json_page
from tasks.bundle.manifest import read_manifest
from tasks.bundle.original import read_original, read_warc
from tasks.bundle.verify import is_sound, read_signature, verify_file
from tasks.bundle.verify_manifest import manifest_of
from tasks.catalog import entries, families, find, locate, newest, shown
from tasks.errors import FixityError, NotFound
from tasks.recleaning import (
    Recleaned,
    capture_of,
    due_by_id,
    due_of_all,
    open_bench,
    reclean_bundle,
    reclean_shard,
)
from tasks.records import Bundle, Capture, Clock, VerdictKind
from tasks.retrieve import pull, verify_stored, verify_target
from tasks.settings import config_dirs
from tasks.store import Store, open_store
from tests.bundle.forge import codes, members, rewrite
from tests.bundle.samples import METADATA, captures, exchange
from tests.hostile.tough_server import ToughServer
from tests.recleaning_kit import OFFER, RULE, STRICT, capture, html, job_for, packed, settings_of, with_rules
from tests.store.kit import Crash, Crashing


@pytest.fixture(params=["folder", "s3"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty store, a folder and a bucket in turn."""
    return str(tmp_path / "store") if request.param == "folder" else str(request.getfixturevalue("s3_location"))


@pytest.fixture
def folder(tmp_path: Path) -> str:
    return str(tmp_path / "store")


def put(store_location: str, tmp_path: Path, *visits: Capture) -> list[str]:
    """The ids of these captures, stored as the rules of the installation clean them."""
    job, ids = job_for(store_location), []
    with open_store(store_location, job.settings) as store:
        for visit in visits:
            ids.append(store.put_bundle(packed(tmp_path, visit, job)).id)
    return ids


def reclean(store_location: str, id_: str, dirs: tuple[Path, ...] | None = None, **more: Any) -> Recleaned:
    (found,) = reclean_shard((id_,), job_for(store_location, dirs=dirs, **more))
    return found


def stored(store_location: str) -> Store:
    return open_store(store_location, settings_of(store_location))


def fetched(store_location: str, id_: str, folder: Path) -> Path:
    with stored(store_location) as store:
        return store.fetch_bundle(id_, folder)


# ------------------------------------------------------------------ unchanged
def test_the_same_rules_change_nothing_and_write_nothing(location: str, tmp_path: Path) -> None:
    (id_,) = put(location, tmp_path, capture(html()))
    found = reclean(location, id_)

    assert (found.status, found.new_id, found.parts) == ("unchanged", "", ())
    with stored(location) as store:
        assert list(store.list_ids()) == [id_]


def tough_captures() -> list[Capture]:
    """Forms of answer that the WARC treats differently, and pages that the reader of pages does."""
    latin = "<title>Å</title><p>Räksmörgås på bryggan, sade hon, och gick hem i regnet.".encode("latin-1")
    kinds = [
        exchange(latin, headers=(("Content-Type", "text/html; charset=iso-8859-1"),)),
        exchange(b"\xef\xbb\xbf<title>x</title><p>" + b"word " * 40, headers=()),
        exchange(b"", headers=(("Content-Type", "text/html"), ("Content-Length", "0"))),
        exchange(b"<p>broken \xff\xfe entity &#x110000; <b><i>unclosed", headers=(("Content-type", "TEXT/html"),)),
        exchange(b"<p>twice", headers=(("X-Odd", "a"), ("X-Odd", "b"), ("Content-Type", "text/html"))),
        exchange(b"not gzip at all", headers=(("Content-Type", "text/html"), ("Content-Encoding", "gzip"))),
        exchange(b"x", headers=(("Content-Type", "text/html"),), flags=("odd-transfer-encoding", "obs-fold")),
        exchange(b"<p>big " + b"a word or two " * 310_000, headers=(("Content-Type", "text/html"),)),
    ]
    return [*captures().values(), *(Capture(one.url, (one,), "Agent") for one in kinds)]


@pytest.mark.parametrize("visit", tough_captures(), ids=lambda visit: f"{visit.page.status}-{visit.page.payload_size}")
def test_a_bundle_of_this_program_is_never_found_changed(visit: Capture, tmp_path: Path, folder: str) -> None:
    """The capture read back gives the reader all that the capture itself gave it, whatever the answer was like."""
    (id_,) = put(folder, tmp_path, visit)
    found = reclean(folder, id_)

    assert (found.status, found.error) == ("unchanged", None)
    again = capture_of(read_original(fetched(folder, id_, tmp_path / "f")))
    kept = ("url", "started_at", "request", "response_head", "status", "headers", "block_digest", "payload_digest")
    for one, other in zip(visit.exchanges, again.exchanges, strict=True):
        assert one.body.open().read() == other.body.open().read()
        assert [getattr(one, name) for name in (*kept, "payload_size", "chunked", "truncated", "flags")] == [
            getattr(other, name) for name in (*kept, "payload_size", "chunked", "truncated", "flags")
        ]


def test_what_a_tough_server_answered_is_never_found_changed(tmp_path: Path, folder: str) -> None:
    """As above, over bytes that a real recorder took from the wire."""
    from tasks.pipeline import archive_page, open_tools

    paths = ["plain", "gzip", "chunked", "chunked-gzip", "weird-headers", "early-hints", "truncated", "bad-gzip"]
    paths += ["redirect/3", "204", "404", "two-lengths", "close-delimited", "chunked-extended"]
    with ToughServer() as tough:
        settings = settings_of(folder, allow=(tough.pair,), retry_wait_s=0.0, total_timeout_s=3.0)
        with open_tools(settings, config_dirs(environ={})) as tools:
            ids = [ref.id for path in paths if (ref := archive_page(tough.url(f"/{path}"), tools).ref)]

    assert len(ids) > 10
    assert [(found.id, found.error) for found in (reclean(folder, id_) for id_ in ids) if found.parts] == []


# ------------------------------------------------------------------ changed
def test_a_newer_rule_gives_a_derived_bundle_that_names_its_parent(location: str, tmp_path: Path) -> None:
    (id_,) = put(location, tmp_path, capture(html()))
    dirs = with_rules(tmp_path / "mine", RULE)
    found = reclean(location, id_, dirs)

    assert (found.status, found.created, found.parts) == ("changed", True, ("article", "ledger"))
    assert (found.added, found.removed) == (0, len(OFFER.split()))
    parent, child = (fetched(location, name, tmp_path / "f") for name in (id_, found.new_id))
    assert b"".join(read_warc(child, "data.warc.gz")) == b"".join(read_warc(parent, "data.warc.gz"))
    assert OFFER in members(parent)["article/article.txt"].decode()
    assert OFFER not in members(child)["article/article.txt"].decode()
    made, before = (json.loads(members(path)["article/provenance.json"]) for path in (child, parent))
    with stored(location) as store:
        manifest = read_manifest(store.read_manifest(found.new_id))
        digest = read_manifest(store.read_manifest(id_)).sha256
        assert is_sound(verify_stored(store, found.new_id, child))
    link = {"id": id_, "sha256": digest}
    by = {name: before[name] for name in ("model", "rules", "software")}
    assert made["parent"] == {**link, **by}
    assert (made["root"], made["generation"]) == (link, 1)
    assert made["rules"] != before["rules"]
    assert manifest.lineage
    assert (manifest.lineage.parent.id, manifest.rules) == (id_, made["rules"])
    assert found.new_id[:14] == id_[:14]


def test_a_derived_bundle_is_signed_and_has_what_its_parent_knew_of_the_capture(folder: str, tmp_path: Path) -> None:
    visit = replace(capture(html()), clock=Clock("clock_gettime", synchronized=True))
    (id_,) = put(folder, tmp_path, visit)
    found = reclean(folder, id_, with_rules(tmp_path / "mine", RULE))
    parent, child = (fetched(folder, name, tmp_path / "f") for name in (id_, found.new_id))
    before, made = (json.loads(members(path)["article/provenance.json"]) for path in (parent, child))

    assert made["capture"] == before["capture"]
    assert made["capture"]["clock"] == {"source": "clock_gettime", "synchronized": True}
    assert (made["settings"], made["settings_digest"]) == (before["settings"], before["settings_digest"])
    signature = read_signature(child)
    assert signature is not None
    assert signature.genuine


def test_an_older_bundle_that_knew_less_of_its_capture_is_cleaned_all_the_same(folder: str, tmp_path: Path) -> None:
    def forget(table: dict[str, Any]) -> None:
        for name in ("capture", "settings_digest"):
            table.pop(name)
        table["settings"] = {"thin_words": 25, "contact": ""}

    (id_,) = put(folder, tmp_path, capture(html()))
    old = older(fetched(folder, id_, tmp_path / "f"), tmp_path / "old", forget)
    with stored(folder) as store:
        store.put_bundle(old)
    found = reclean(folder, old.id, with_rules(tmp_path / "mine", RULE))
    made = json.loads(members(fetched(folder, found.new_id, tmp_path / "f"))["article/provenance.json"])

    assert found.error is None
    assert "capture" not in made
    of_cleaning = {"max_decoded_bytes", "thin_words", "thinner_share", "thinner_from_words"}
    assert set(made["settings"]) == {"contact", *of_cleaning}  # nothing of now is said of then


def older(source: Path, folder: Path, change: Callable[[dict[str, Any]], None]) -> Bundle:
    """A bundle whose provenance.json is another, with its manifest."""
    folder.mkdir()
    table = json.loads(members(source)["article/provenance.json"])
    change(table)
    path = rewrite(source, folder / "x.wacz", {"article/provenance.json": json_page(table)})
    manifest = manifest_of(path)
    known = read_manifest(manifest)
    return Bundle(known.id, path.rename(folder / f"{known.id}.wacz"), known.sha256, known.bytes, manifest)


def test_doing_it_again_changes_nothing_and_works_from_the_newest(folder: str, tmp_path: Path) -> None:
    (id_,) = put(folder, tmp_path, capture(html()))
    dirs = with_rules(tmp_path / "mine", RULE)
    child = reclean(folder, id_, dirs).new_id
    with stored(folder) as store:
        assert due_by_id(store, [id_, child]).ids == (child,)
        assert due_of_all(store).ids == (child,)
    assert reclean(folder, child, dirs).status == "unchanged"
    back = reclean(folder, child)

    assert (back.status, back.added) == ("changed", len(OFFER.split()))
    made = json.loads(members(fetched(folder, back.new_id, tmp_path / "f"))["article/provenance.json"])
    assert (made["parent"]["id"], made["root"]["id"], made["generation"]) == (child, id_, 2)
    with stored(folder) as store:
        assert find(store, "https://news.example/tide/1") == back.new_id
        assert verify_stored(store, back.new_id, tmp_path / "f" / f"{back.new_id}.wacz") == ()


def test_the_same_capture_and_rules_give_the_same_derived_bundle_in_another_store(tmp_path: Path) -> None:
    dirs, ids = with_rules(tmp_path / "mine", RULE), []
    for name in ("one", "two"):
        (id_,) = put(str(tmp_path / name), tmp_path, capture(html()))
        ids.append(reclean(str(tmp_path / name), id_, dirs).new_id)

    assert ids[0] == ids[1]


def test_a_dry_run_tells_all_and_stores_nothing(folder: str, tmp_path: Path) -> None:
    (id_,) = put(folder, tmp_path, capture(html()))
    found = reclean(folder, id_, with_rules(tmp_path / "mine", RULE), dry_run=True, diff=True)

    assert (found.status, found.new_id, found.removed) == ("changed", "", len(OFFER.split()))
    assert found.diff
    assert [piece.text.strip() for piece in found.diff.pieces if piece.kind == "removed"] == [OFFER]
    with stored(folder) as store:
        assert list(store.list_ids()) == [id_]


def test_metadata_alone_may_change(folder: str, tmp_path: Path) -> None:
    """A bundle whose title was found otherwise: as an older program could have written it."""
    old = packed(tmp_path, capture(html()), job_for(folder), metadata=METADATA)
    with stored(folder) as store:
        store.put_bundle(old)
    found = reclean(folder, old.id)

    assert found.status == "changed"
    assert "metadata" in found.parts
    assert {"title", "authors", "published", "tags"} <= set(found.fields)


def test_no_network_is_used(folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (id_,) = put(folder, tmp_path, capture(html()))

    def refuse(*args: Any, **named: Any) -> Any:
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket, "socket", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)

    assert reclean(folder, id_, with_rules(tmp_path / "mine", RULE)).status == "changed"
    with pytest.raises(AssertionError, match="socket"):
        socket.create_connection(("127.0.0.1", 9))


# ------------------------------------------------------------------ verdicts
def test_a_worse_verdict_is_stored_and_said_but_never_shown_in_place_of_a_good_one(folder: str, tmp_path: Path) -> None:
    (id_,) = put(folder, tmp_path, capture(html()))
    found = reclean(folder, id_, thin_words=STRICT)

    assert (found.status, found.good, found.after) == ("worse", False, VerdictKind.THIN)
    with stored(folder) as store:
        assert find(store, "https://news.example/tide/1") == id_
        assert due_of_all(store).ids == (found.new_id,)
    assert reclean(folder, found.new_id, thin_words=STRICT).status == "unchanged"
    mended = reclean(folder, found.new_id, with_rules(tmp_path / "mine", RULE))
    with stored(folder) as store:
        assert find(store, "https://news.example/tide/1") == mended.new_id


def test_a_thin_page_may_become_a_good_one(folder: str, tmp_path: Path) -> None:
    """What was held to be too little is enough now, and the URL answers at last."""
    with stored(folder) as store:
        id_ = store.put_bundle(packed(tmp_path, capture(html()), job_for(folder, thin_words=STRICT))).id
        with pytest.raises(NotFound, match="bad verdict"):
            find(store, "https://news.example/tide/1")
    found = reclean(folder, id_)

    assert (found.before, found.after, found.good) == (VerdictKind.THIN, VerdictKind.OK, True)
    with stored(folder) as store:
        assert find(store, "https://news.example/tide/1") == found.new_id


# ------------------------------------------------------------------ crashes and races
def test_a_run_that_dies_anywhere_is_made_good_by_the_next(folder: str, tmp_path: Path) -> None:
    """Whatever operation of the store is the last one: no half bundle is seen, and the rerun gives the same one."""
    (id_,) = put(folder, tmp_path, capture(html()))
    dirs = with_rules(tmp_path / "mine", RULE)
    seen, at, died = set(), 0, True
    while died:
        at, died = at + 1, False
        copy = tmp_path / f"copy-{at}"
        shutil.copytree(folder, copy)
        with open_bench(job_for(str(copy), dirs=dirs)) as bench:
            dying = Store(Crashing(bench.store.objects, at, after=bool(at % 2)))
            try:
                reclean_bundle(id_, replace(bench, store=dying))
            except Crash:
                died = True
            with stored(str(copy)) as store:
                ids = list(store.list_ids())
            due = ids[-1] if len(ids) == 1 else next(name for name in ids if name != id_)
            again = reclean_bundle(due, bench)
            seen.add(again.new_id or due)
    assert at > 5
    assert len(seen) == 1


def test_of_two_children_of_one_parent_one_wins_everywhere(folder: str, tmp_path: Path) -> None:
    """Two runs with other rules at the same time: both are kept, the larger id is shown, and the next run goes on."""
    (id_,) = put(folder, tmp_path, capture(html()))
    one, two = (
        reclean(folder, id_, with_rules(tmp_path / name, rules)).new_id
        for name, rules in (("a", RULE), ("b", RULE.replace("sells herring", "an offer")))
    )
    with stored(folder) as store:
        (family,) = families(entries(store))
        assert len(family) == 3
        assert newest(family).id == shown(reversed(family)).id == max(one, two)
        assert due_by_id(store, [id_]).ids == (max(one, two),)
        due = max(one, two)
    third = reclean(folder, due).new_id
    with stored(folder) as store:
        assert find(store, "https://news.example/tide/1") == third


def test_two_captures_of_one_second_stay_apart(folder: str, tmp_path: Path) -> None:
    one, two = put(folder, tmp_path, capture(html(1)), capture(html(2), url="https://news.example/other"))
    assert one[:14] == two[:14]
    found = reclean(folder, one, with_rules(tmp_path / "mine", RULE))
    with stored(folder) as store:
        assert due_of_all(store).ids == tuple(sorted((found.new_id, two), key=lambda id_: one if id_ != two else two))
        assert find(store, "https://news.example/other") == two
        assert due_by_id(store, [two]).ids == (two,)


# ------------------------------------------------------------------ what says no
def test_a_bundle_whose_warc_was_altered_is_refused(folder: str, tmp_path: Path) -> None:
    (id_,) = put(folder, tmp_path, capture(html()))
    (path,) = Path(folder).glob("v1/bundles/*/*/*/*.wacz")
    data = bytearray(path.read_bytes())
    data[200] ^= 1
    path.write_bytes(data)
    found = reclean(folder, id_, with_rules(tmp_path / "mine", RULE))

    assert found.status == "problem"
    assert isinstance(found.error, FixityError)
    assert len(list(Path(folder).glob("v1/bundles/*/*/*/*.wacz"))) == 1


def test_a_bundle_that_fits_its_digests_but_not_itself_is_refused(folder: str, tmp_path: Path) -> None:
    """Manifest and digests were made to fit an altered text: reading it finds the copies that differ."""
    bundle = packed(tmp_path, capture(html()), job_for(folder))
    text = members(bundle.path)["article/article.txt"].replace(b"Tuesday", b"Friday.")
    forged = forge(bundle.path, tmp_path, {"article/article.txt": text})
    id_ = stored_raw(folder, forged, bundle.manifest)
    found = reclean(folder, id_)

    assert found.status == "problem"
    assert found.error
    assert "derived-text" in str(found.error)


def forge(path: Path, folder: Path, changes: dict[str, bytes]) -> Path:
    """The bundle with members replaced and all digests made to fit, under the id of its bytes."""
    import hashlib

    target = rewrite(path, folder / "forged.wacz", changes)
    digest = hashlib.sha256(target.read_bytes()).hexdigest()
    return target.rename(folder / f"{path.name[:14]}-{digest[:16]}.wacz")


def stored_raw(store: str, path: Path, manifest: bytes, change: Callable[[dict[str, Any]], None] | None = None) -> str:
    """A forged bundle in a store, with a manifest made to fit as far as its digest and id go."""
    import hashlib

    table = json.loads(manifest)
    data = path.read_bytes()
    digest = "sha256:" + hashlib.sha256(data).hexdigest()
    table |= {"id": path.stem, "sha256": digest, "bytes": len(data)}
    packed_members = members(path)
    table["members"] = {
        name: {"sha256": "sha256:" + hashlib.sha256(item).hexdigest(), "bytes": len(item)}
        for name, item in packed_members.items()
    }
    if change:
        change(table)
    stem = path.stem
    folder = Path(store) / "v1" / "bundles" / stem[:4] / stem[4:6] / stem[6:8]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / path.name).write_bytes(data)
    (folder / f"{stem}.json").write_text(json.dumps(table))
    return stem


def derived(folder: str, tmp_path: Path) -> tuple[str, str, Path]:
    """The ids of an original and of the bundle derived from it, and a copy of the latter."""
    (id_,) = put(folder, tmp_path, capture(html()))
    child = reclean(folder, id_, with_rules(tmp_path / "mine", RULE)).new_id
    return id_, child, fetched(folder, child, tmp_path / "f")


def test_a_parent_that_is_gone_is_noted_and_the_bundle_still_serves(folder: str, tmp_path: Path) -> None:
    id_, child, _ = derived(folder, tmp_path)
    for path in Path(folder).rglob(f"{id_}.*"):
        path.unlink()
    settings = settings_of(folder)
    problems = verify_target(child, settings, "full")

    assert [(item.code, item.severity) for item in problems] == [("parent-missing", "note")]
    with stored(folder) as store:
        found = locate(store, settings, "https://news.example/tide/1")
        assert pull(store, found, tmp_path / "out").id == child
    assert reclean(folder, child).status == "changed"


def provenance_with(path: Path, **changes: Any) -> dict[str, bytes]:
    table = json.loads(members(path)["article/provenance.json"])
    return {"article/provenance.json": json.dumps(table | changes, sort_keys=True, indent=2).encode() + b"\n"}


@pytest.mark.parametrize("what", ["digest", "other-capture", "generation"])
def test_a_forged_parent_is_found_and_not_given_out(what: str, folder: str, tmp_path: Path) -> None:
    """Each fits its own digests and manifest: only the bundle that it names in the store tells otherwise."""
    id_, child, path = derived(folder, tmp_path)
    (other,) = put(folder, tmp_path, capture(html(9), url="https://news.example/other"))
    table = json.loads(members(path)["article/provenance.json"])
    parent = table["parent"]
    if what == "digest":
        parent["sha256"] = parent["sha256"][:-1] + ("0" if parent["sha256"][-1] != "0" else "1")
        changes = {"parent": parent, "root": {"id": id_, "sha256": parent["sha256"]}, "generation": 1}
    elif what == "other-capture":
        with stored(folder) as store:
            digest = read_manifest(store.read_manifest(other)).sha256
        other_link = {"id": id_[:14] + other[14:], "sha256": digest}
        stored_under(folder, other, other_link["id"])
        changes = {"parent": other_link, "root": other_link, "generation": 1}
    else:
        changes = {"root": {"id": child, "sha256": "sha256:" + child[15:] + "0" * 48}, "generation": 3}
    forged = forge(path, tmp_path, provenance_with(path, **changes))
    with stored(folder) as store:
        manifest = store.read_manifest(child)
    id_forged = stored_raw(folder, forged, manifest, lambda table: table.update(changes))
    problems = verify_target(id_forged, settings_of(folder), "full")

    assert {item.code for item in problems} == {"parent-mismatch"}
    assert not is_sound(problems)
    with stored(folder) as store, pytest.raises(FixityError, match="parent-mismatch"):
        pull(store, id_forged, tmp_path / "out")
    assert reclean(folder, id_forged).status == "problem"


def stored_under(store: str, id_: str, name: str) -> None:
    """A copy of a stored manifest under another id, as if the capture had been in another second."""
    (source,) = Path(store).rglob(f"{id_}.json")
    table = json.loads(source.read_bytes())
    source.with_name(f"{name}.json").write_text(json.dumps(table))


@pytest.mark.parametrize(
    "changes",
    [
        {"parent": None},
        {"parent": {"id": "20261123105447-0123456789abcdef", "sha256": "sha256:" + "f" * 64}},
        {"parent": {"id": "20200101000000-0123456789abcdef", "sha256": "sha256:0123456789abcdef" + "0" * 48}},
        {"generation": 0},
        {"generation": 2},
        {"root": "somewhere"},
    ],
)
def test_a_lineage_that_cannot_be_is_found_in_the_file_alone(
    changes: dict[str, Any], folder: str, tmp_path: Path
) -> None:
    _, _, path = derived(folder, tmp_path)
    assert verify_file(path) == ()
    forged = forge(path, tmp_path, provenance_with(path, **changes))

    assert codes(forged) == {"derived-mismatch"}


def test_what_is_no_bundle_is_one_problem_and_stops_no_other(folder: str, tmp_path: Path) -> None:
    (id_,) = put(folder, tmp_path, capture(html()))
    missing = "20261123105448-0123456789abcdef"
    (Path(folder) / "v1/bundles/2026/11/23/20261123105449-0123456789abcdef.json").write_text("{")
    with stored(folder) as store:
        named = due_by_id(store, ["nonsense", missing, id_, id_])
        everything = due_of_all(store)

    assert named.ids == everything.ids == (id_,)
    assert [problem.id for problem in named.problems] == ["nonsense", missing]
    assert [problem.id for problem in everything.problems] == ["20261123105449-0123456789abcdef"]
    found = reclean_shard((missing, id_), job_for(folder))
    assert [item.status for item in found] == ["problem", "unchanged"]


def test_hosts_and_days_narrow_what_is_due(folder: str, tmp_path: Path) -> None:
    from datetime import date

    urls = ("https://news.example/1", "https://www.news.example/2", "https://other.example/3")
    ids = put(folder, tmp_path, *(capture(html(n), n, url=url) for n, url in enumerate(urls)))
    day = date(2026, 11, 23)
    with stored(folder) as store:
        assert due_of_all(store, host="News.example").ids == tuple(ids[:2])
        assert due_of_all(store, host="ews.example").ids == ()
        assert due_of_all(store, since=day, until=day).ids == tuple(ids)
        assert due_of_all(store, since=date(2026, 11, 24)).ids == ()
        assert due_of_all(store, until=date(2026, 11, 22)).ids == ()


def test_the_same_derived_bundle_comes_from_another_process(folder: str, tmp_path: Path) -> None:
    """Promise 3 across hash seeds, time zones and locales."""
    (id_,) = put(folder, tmp_path, capture(html()))
    dirs = with_rules(tmp_path / "mine", RULE)
    code = (
        "import sys; from pathlib import Path; from tasks.recleaning import reclean_shard\n"
        "from tests.recleaning_kit import job_for\n"
        "dirs = tuple(map(Path, sys.argv[3:]))\n"
        "print(reclean_shard((sys.argv[2],), job_for(sys.argv[1], dirs=dirs))[0].new_id)"
    )
    made = set()
    for seed, zone in (("1", "UTC"), ("2", "Asia/Tokyo")):
        copy = tmp_path / zone.replace("/", "-")
        shutil.copytree(folder, copy)
        env = {
            "PYTHONHASHSEED": seed,
            "TZ": zone,
            "PATH": "/usr/bin:/bin",
            "PYTHONPATH": str(Path(__file__).parents[1]),
        }
        command = [sys.executable, "-c", code, str(copy), id_, *map(str, dirs)]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        made.add(done.stdout)

    assert len(made) == 1
    assert made != {"\n"}
