"""Exports: a bag that bagit-python validates, Markdown that readers take, and back in to the same keys and bytes."""

import hashlib
import json
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tasks.bundle.manifest import read_manifest
from tasks.errors import NotFound, StoreUnavailable, WouldOverwrite
from tasks.exporting import Exported, Report, Selection, export_bag, export_markdown, selected
from tasks.exporting.bagit import manifest_line
from tasks.exporting.markdown import file_name
from tasks.records import Metadata, Sourced, Verdict, VerdictKind
from tasks.settings import load_settings
from tasks.store import Store, open_store
from tasks.store.events import Event
from tasks.store.objects import Content, keys
from tests.bundle.samples import MOMENT, PROVENANCE, URL, digest, exchange, pack
from tests.importing.foreign_kit import TODAY, Warc, taken

AT = datetime(2026, 11, 25, 8, tzinfo=UTC)
ALL = Selection()


@pytest.fixture
def store(tmp_path: Path) -> Any:
    with open_store(str(tmp_path / "store"), load_settings()) as opened:
        yield opened


def fill(store: Store, folder: Path) -> list[str]:
    """A page, another one, and an imported one, with an event that has something beside it."""
    warc = Warc()
    warc.page()
    pages, _ = taken(store.location, warc.save(folder / "foreign.warc.gz"))
    ids = [pages[0].id]
    for name in ("plain", "chunked"):
        ids.append(store.put_bundle(pack(folder, name), today=TODAY).id)
    small = Warc()
    small.page("", head="HTTP/1.1 304 Not Modified\r\n")
    attached = Content.of_bytes(small.out.getvalue())
    store.put_event(Event("observation", AT, ids[1], {"why": "not-modified"}), attached)
    store.put_event(Event("observation", AT, "20200101000000-0123456789abcdef", {"why": "same-text"}))
    return sorted(ids)


def bag(store: Store, out: Path, wanted: Selection = ALL, **more: Any) -> tuple[Report, list[Exported]]:
    missing: list[Exported] = []
    ids = selected(store, wanted, broken=lambda error: None, missing=missing)
    return export_bag(store, ids, out, missing=missing, today=date(2026, 11, 26), **more), missing


def all_objects(store: Store) -> dict[str, bytes]:
    return {key: b"".join(store.objects.read(key)) for key in keys(store.objects, "v1/") if key != "v1/store.json"}


# ------------------------------------------------------------------ bags
@pytest.mark.filterwarnings("ignore:'count' is passed:DeprecationWarning")  # bagit-python on Python 3.13
def test_a_bag_is_valid_for_bagit_python(store: Store, tmp_path: Path) -> None:
    bagit = pytest.importorskip("bagit", reason="bagit-python is not installed; it is in the dev group")
    ids = fill(store, tmp_path)
    report, _ = bag(store, tmp_path / "bag", organization="mailto:desk@news.example\nX-Forged: yes")
    found = bagit.Bag(str(tmp_path / "bag"))
    found.validate(processes=1)

    assert report.good
    assert found.version_info == (1, 0)
    assert found.info["External-Identifier"] == ids
    assert found.info["Bagging-Date"] == "2026-11-26"
    assert found.info["Source-Organization"] == "mailto:desk@news.example X-Forged: yes"
    assert found.info["Payload-Oxum"] == f"{report.size}.{report.files}"
    (tmp_path / "bag" / "data" / f"{ids[0]}.json").write_bytes(b"{}")
    with pytest.raises(bagit.BagValidationError):
        bagit.Bag(str(tmp_path / "bag")).validate(processes=1)


def test_a_bag_holds_bundles_manifests_their_events_and_sources(store: Store, tmp_path: Path) -> None:
    ids = fill(store, tmp_path)
    bag(store, tmp_path / "bag")
    names = {
        path.relative_to(tmp_path / "bag" / "data").as_posix() for path in (tmp_path / "bag" / "data").rglob("*.*")
    }

    assert {f"{id_}{end}" for id_ in ids for end in (".wacz", ".json")} <= names
    source = hashlib.sha256((tmp_path / "foreign.warc.gz").read_bytes()).hexdigest()
    assert f"sources/{source}.warc.gz" in names
    observed = [name for name in names if "-observation-" in name]
    assert sorted(name.partition(".")[2] for name in observed) == ["json", "warc.gz"]  # not that of another bundle
    assert (tmp_path / "bag" / "bagit.txt").read_bytes() == (
        b"BagIt-Version: 1.0\nTag-File-Character-Encoding: UTF-8\n"
    )


@pytest.mark.parametrize("kind", ["folder", "s3"])
def test_a_bag_imports_to_the_same_keys_and_bytes(
    kind: str, store: Store, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    fill(store, tmp_path)
    store.objects.delete(Event("observation", AT, "20200101000000-0123456789abcdef", {"why": "same-text"}).key)
    bag(store, tmp_path / "bag")
    other = str(tmp_path / "other") if kind == "folder" else str(request.getfixturevalue("s3_location"))
    pages, reports = taken(other, tmp_path / "bag")

    assert all(report.good for report in reports), [report.error for report in reports]
    assert len(pages) == 3
    with open_store(other, load_settings()) as copy:
        assert all_objects(copy) == all_objects(store)
    again, _ = taken(other, tmp_path / "bag")
    assert not any(page.created for page in again)


def test_a_single_bundle_imports_with_its_manifest_made_anew(store: Store, tmp_path: Path) -> None:
    bundle = pack(tmp_path, "redirect")
    store.put_bundle(bundle, today=TODAY)
    file = bundle.path.rename(tmp_path / "renamed by someone.wacz")
    (page,), (report,) = taken(str(tmp_path / "other"), file)

    assert (page.id, page.why, report.source) == (bundle.id, "bundle", "")
    with open_store(str(tmp_path / "other"), load_settings()) as copy:
        assert all_objects(copy) == all_objects(store)


HARM: dict[str, Any] = {
    "changed": lambda folder, name: (folder / name).write_bytes(b"other"),
    "gone": lambda folder, name: (folder / name).unlink(),
    "extra": lambda folder, name: (folder / "data" / "more.wacz").write_bytes(b"x"),
    "tag": lambda folder, name: (folder / "bag-info.txt").write_bytes(b"Bagging-Date: 2000-01-01\n"),
    "version": lambda folder, name: (folder / "bagit.txt").write_bytes(b"BagIt-Version: 9\n"),
    "no-list": lambda folder, name: (folder / "manifest-sha256.txt").unlink(),
    "escape": lambda folder, name: (folder / "manifest-sha256.txt").write_text(f"{'0' * 64}  data/../../x\n"),
    "absolute": lambda folder, name: (folder / "manifest-sha256.txt").write_text(f"{'0' * 64}  /etc/passwd\n"),
    "line": lambda folder, name: (folder / "manifest-sha256.txt").write_text("nonsense\n"),
}


@pytest.mark.parametrize("harm", HARM)
def test_a_bag_that_is_not_whole_is_refused_and_nothing_of_it_stored(harm: str, store: Store, tmp_path: Path) -> None:
    ids = fill(store, tmp_path)
    bag(store, tmp_path / "bag")
    HARM[harm](tmp_path / "bag", f"data/{ids[1]}.json")
    pages, (report,) = taken(str(tmp_path / "other"), tmp_path / "bag")

    assert report.error
    assert not pages
    assert not [path for path in (tmp_path / "other").rglob("*") if path.is_file()]


def test_names_are_percent_encoded() -> None:
    assert manifest_line("data/100%\r\n.wacz", digest(b"")) == f"{digest(b'')[7:]}  data/100%25%0D%0A.wacz\n"


def test_a_bundle_that_does_not_verify_is_left_out_and_told(store: Store, tmp_path: Path) -> None:
    ids = fill(store, tmp_path)
    victim = tmp_path / "store" / "v1" / "bundles" / "2026" / "11" / "23" / f"{ids[1]}.wacz"
    victim.write_bytes(victim.read_bytes()[:-1] + b"!")
    report, _ = bag(store, tmp_path / "bag")

    assert not report.good
    assert [item.id for item in report.left] == [ids[1]]
    assert f"Tearsheet-Left-Out: {ids[1]} " in (tmp_path / "bag" / "bag-info.txt").read_text()
    assert not (tmp_path / "bag" / "data" / f"{ids[1]}.wacz").exists()


def test_damaged_events_and_lost_sources_are_left_out_and_told(store: Store, tmp_path: Path) -> None:
    ids = fill(store, tmp_path)
    broken = Event("observation", AT, ids[2], {"why": "not-modified", "url": "https://broken.example/"})
    store.put_event(broken, Content.of_bytes(b"no WARC"))
    forged = Event("hold", AT, ids[2], {"state": "on"}).key
    assert store.objects.create(forged, Content.of_bytes(b"{}"))
    for path in (tmp_path / "store" / "v1" / "sources").iterdir():
        path.unlink()
    report, _ = bag(store, tmp_path / "bag")

    assert (report.bundles, report.good) == (3, False)
    assert {item.id for item in report.left[1:]} == {f"{broken.stem}.warc.gz", forged}
    assert "is gone" in str(report.left[0].error)
    names = {path.name for path in (tmp_path / "bag" / "data" / "events").iterdir()}
    assert not [name for name in names if name.startswith(broken.stem.rpartition("/")[2])]


def test_a_run_that_broke_off_goes_on_and_leaves_no_stray(store: Store, tmp_path: Path) -> None:
    ids = fill(store, tmp_path)
    fetched: list[str] = []
    whole = store.fetch_bundle

    def counting(id_: str, dest: Path) -> Path:
        fetched.append(id_)
        if len(fetched) == 3:
            raise StoreUnavailable("gone for now", where="store")
        return whole(id_, dest)

    store.fetch_bundle = counting  # type: ignore[method-assign]
    with pytest.raises(StoreUnavailable):
        bag(store, tmp_path / "bag")
    assert not (tmp_path / "bag").exists()
    (tmp_path / ".bag.partial" / "data" / "stray.wacz").write_bytes(b"x")
    report, _ = bag(store, tmp_path / "bag")

    assert report.good
    assert fetched == [*ids, ids[2]]
    assert not (tmp_path / ".bag.partial").exists()
    assert not (tmp_path / "bag" / "data" / "stray.wacz").exists()


def test_nothing_is_overwritten_without_force_and_only_an_export_with_it(store: Store, tmp_path: Path) -> None:
    fill(store, tmp_path)
    out = tmp_path / "out"
    out.mkdir()
    bag(store, out)  # an empty folder is free
    with pytest.raises(WouldOverwrite):
        bag(store, out)
    bag(store, out, force=True)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "thesis.txt").write_text("years of work")
    with pytest.raises(WouldOverwrite):
        bag(store, mine, force=True)
    (tmp_path / "link").symlink_to(out)
    with pytest.raises(WouldOverwrite):
        bag(store, tmp_path / "link", force=True)
    assert (mine / "thesis.txt").exists()
    assert sorted(path.name for path in tmp_path.iterdir() if path.name.startswith(".")) == []


def test_nothing_to_export_is_an_error(store: Store, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        bag(store, tmp_path / "bag", Selection(targets=("20200101000000-0123456789abcdef",)))
    assert not list(tmp_path.glob("*bag*"))


# ------------------------------------------------------------------ which
def chosen(store: Store, wanted: Selection) -> list[str]:
    return list(selected(store, wanted, broken=lambda error: None, missing=[]))


def test_a_selection_by_host_and_day(store: Store, tmp_path: Path) -> None:
    ids = fill(store, tmp_path)

    assert chosen(store, Selection()) == ids
    assert chosen(store, Selection(since=date(2026, 11, 1))) == ids[1:]
    assert chosen(store, Selection(until=date(2026, 11, 1))) == ids[:1]
    assert chosen(store, Selection(host="example")) == ids
    assert chosen(store, Selection(host="ews.example")) == []


def test_the_newest_good_bundle_stands_for_an_article(store: Store, tmp_path: Path) -> None:
    def put(day: int, kind: VerdictKind, **more: Any) -> str:
        moment = MOMENT.replace(day=day)
        made = pack(tmp_path, capture=one(started_at=moment, **more), verdict=Verdict(kind), provenance=PROVENANCE)
        return store.put_bundle(made, today=TODAY).id

    def one(**more: Any) -> Any:
        from tasks.records import Capture

        got = exchange(**more)
        return Capture(got.url, (got,), "a")

    put(1, VerdictKind.OK)
    newest = put(2, VerdictKind.OK)
    put(3, VerdictKind.ERROR)
    other = put(1, VerdictKind.OK, url="https://news.example/2026/other")
    put(4, VerdictKind.ERROR, url="https://news.example/2026/bad")

    assert set(chosen(store, Selection(newest=True))) == {newest, other}
    assert len(chosen(store, Selection())) == 5
    assert chosen(store, Selection(targets=(URL,), newest=True)) == [newest]


# ------------------------------------------------------------------ Markdown
def markdown(store: Store, out: Path, wanted: Selection = ALL, **more: Any) -> Report:
    ids = selected(store, wanted, broken=lambda error: None, missing=[])
    return export_markdown(store, ids, out, missing=[], **more)


def test_markdown_has_front_matter_and_the_article(store: Store, tmp_path: Path) -> None:
    bundle = pack(tmp_path)
    store.put_bundle(bundle, today=TODAY)
    markdown(store, tmp_path / "md")
    name = f"2026-11-22-the-tide-{bundle.id}.md"
    _, front, body = (tmp_path / "md" / name).read_text().split("---\n", 2)

    assert yaml.safe_load(front) == {
        "title": "The tide",
        "authors": ["Ada Byron", "K. Čapek"],
        "published": "2026-11-22T08:00:00+01:00",
        "language": "en",
        "url": URL,
        "final_url": URL,
        "captured_at": "2026-11-23T10:54:47Z",
        "verdict": "ok",
        "id": bundle.id,
        "sha256": bundle.sha256,
        "words": read_manifest(bundle.manifest).words,
    }
    assert body == "\n# The tide\n\nThe tide came in — later than foretold.\n\nIt left before noon.\n"
    assert f"- 2026-11-22 [The tide]({name})" in (tmp_path / "md" / "index.md").read_text()


@pytest.mark.parametrize(
    ("title", "slug"),
    [
        ("../../etc/passwd", "etc-passwd-"),
        ("CON", "con-"),
        ("Été à l'œuvre: 100%?", "ete-a-l-uvre-100-"),
        ("漢字", ""),
        ("x" * 500, "x" * 60 + "-"),
        ("a\x00b\nc", "a-b-c-"),
    ],
)
def test_file_names_are_safe_everywhere(title: str, slug: str, tmp_path: Path) -> None:
    bundle = pack(tmp_path, metadata=Metadata(title=Sourced(title, "h1")))
    name = file_name(read_manifest(bundle.manifest))

    assert name == f"2026-11-23-{slug}{bundle.id}.md"


def test_a_title_cannot_break_the_index(store: Store, tmp_path: Path) -> None:
    title = "x](http://evil.example) <script>\n# [y"
    store.put_bundle(pack(tmp_path, metadata=Metadata(title=Sourced(title, "h1"))), today=TODAY)
    markdown(store, tmp_path / "md")
    line = (tmp_path / "md" / "index.md").read_text().splitlines()[3]

    assert line.startswith(r"- 2026-11-23 [x\]\(http://evil.example\) \<script\> \# \[y](2026")


def test_a_capture_without_article_is_left_out_of_markdown(store: Store, tmp_path: Path) -> None:
    for name in ("plain", "not-html"):
        store.put_bundle(pack(tmp_path, name), today=TODAY)
    report = markdown(store, tmp_path / "md")

    assert (report.bundles, [item.error.what for item in report.left if item.error]) == (
        1, ["this capture has no article"],
    )  # fmt: skip


def test_markdown_replaces_markdown_with_force_only(store: Store, tmp_path: Path) -> None:
    store.put_bundle(pack(tmp_path), today=TODAY)
    markdown(store, tmp_path / "md")
    with pytest.raises(WouldOverwrite):
        markdown(store, tmp_path / "md")
    markdown(store, tmp_path / "md", force=True)
    assert len(list((tmp_path / "md").iterdir())) == 2
    assert json.loads(json.dumps(markdown(store, tmp_path / "md", force=True).as_json()))["bundles"] == 1
