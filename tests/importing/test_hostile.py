"""Files made to break whoever takes them in: clear errors, limits, and nothing half stored."""

import json
import tracemalloc
import zipfile
from pathlib import Path

import pytest

from tasks.importing import foreign
from tasks.settings import load_settings
from tasks.store import open_store
from tests.importing.foreign_kit import AT, HEAD, HTML, URL, Warc, taken, wacz

LISTED = [{"url": URL, "ts": AT}]


def refused(tmp_path: Path, file: Path) -> str:
    """Why; nothing of it may be in the store, not even the store's own file."""
    store = tmp_path / "store"
    pages, (report,) = taken(str(store), file)
    assert report.error is not None
    assert not pages or all(page.error for page in pages)
    assert not [path for path in store.rglob("*") if path.is_file()]
    return str(report.error)


def one_page() -> Warc:
    warc = Warc()
    warc.page()
    return warc


@pytest.mark.parametrize("name", ["../../etc/passwd", "/abs/olute", "raw/..\\..\\x", "raw/\x01x"])
def test_names_that_leave_the_folder_are_refused(name: str, tmp_path: Path) -> None:
    file = wacz(tmp_path / "a.wacz", {"data.warc.gz": one_page()}, LISTED, extra={name: b"x"})

    assert "zip-name" in refused(tmp_path, file)


def test_a_page_list_that_unpacks_to_a_gigabyte_is_refused_in_little_memory(tmp_path: Path) -> None:
    line = json.dumps({"url": URL, "ts": AT, "text": "x" * (40 << 20)}).encode()
    file = wacz(tmp_path / "a.wacz", {"data.warc.gz": one_page()}, LISTED)
    with zipfile.ZipFile(file) as archive:
        pages = archive.read("pages/pages.jsonl") + line
    file = wacz(
        tmp_path / "b.wacz", {"data.warc.gz": one_page()}, [], extra={"pages/pages.jsonl": pages}, compress=True
    )
    assert file.stat().st_size < 1 << 20
    tracemalloc.start()
    told = refused(tmp_path, file)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()

    assert "pages-broken" in told
    assert peak < 200 << 20


def test_a_body_that_unpacks_without_end_is_kept_and_cut(tmp_path: Path) -> None:
    import gzip

    bomb = gzip.compress(b"<p>x</p>" * (40 << 20), mtime=0)  # 320 MiB, over max_decoded_bytes
    warc = Warc()
    warc.page(bomb, head=HEAD + "Content-Encoding: gzip\r\n")
    pages, (report,) = taken(str(tmp_path / "store"), warc.save(tmp_path / "a.warc.gz"))

    assert report.good
    assert (pages[0].verdict, pages[0].reasons) == ("cut", ("decoded-over-limit",))


@pytest.mark.parametrize("length", [5, 10**6, 10**30, -3])
def test_lengths_that_lie_are_refused(length: int, tmp_path: Path) -> None:
    warc = Warc(gzip=False)
    warc.page()
    data = warc.out.getvalue()
    at = data.index(b"Content-Length: ") + 16
    end = data.index(b"\r\n", at)
    (tmp_path / "a.warc").write_bytes(data[:at] + str(length).encode() + data[end:])

    assert "error " in refused(tmp_path, tmp_path / "a.warc")


def test_more_records_than_fit_are_refused_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "MAX_ENTRIES", 50)
    warc = Warc()
    for number in range(60):
        warc.page("", url=f"https://news.example/{number}")

    assert "Split the file" in refused(tmp_path, warc.save(tmp_path / "a.warc.gz"))


def test_more_pages_than_fit_are_refused_with_a_remedy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(foreign, "MAX_PAGES", 5)
    warc = Warc()
    pages = [{"url": f"https://news.example/{number}", "ts": AT} for number in range(9)]
    for page in pages:
        warc.page("", url=page["url"])

    assert "Split the file" in refused(tmp_path, wacz(tmp_path / "a.wacz", {"data.warc.gz": warc}, pages))


def test_a_head_without_end_is_no_page_and_stops_no_other(tmp_path: Path) -> None:
    warc = Warc()
    lines = b"".join(b"X-%d: %s\r\n" % (number, b"y" * 200) for number in range(8000))
    warc.add("response", HEAD.encode() + lines + b"\r\n" + HTML.encode(), url="https://news.example/bomb")
    warc.page()
    pages, (report,) = taken(str(tmp_path / "store"), warc.save(tmp_path / "a.warc.gz"))

    assert [(page.url, bool(page.error)) for page in pages] == [("https://news.example/bomb", True), (URL, False)]
    assert (report.pages, report.failed, report.good) == (1, 1, False)


def test_a_million_headers_in_one_record_are_refused(tmp_path: Path) -> None:
    warc = Warc(gzip=False)
    warc.page()
    head, rest = warc.out.getvalue().split(b"\r\n", 1)
    (tmp_path / "a.warc").write_bytes(head + b"\r\n" + b"X: y\r\n" * 1_000_000 + rest)

    assert "record-header" in refused(tmp_path, tmp_path / "a.warc")


@pytest.mark.parametrize("data", [b"", b"PK", b"\x1f\x8b", b"<html>", b"WARC/1.0\r\n", bytes(5000)])
def test_what_is_no_archive_is_refused(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "a.wacz").write_bytes(data)

    refused(tmp_path, tmp_path / "a.wacz")


def test_a_missing_file_and_a_folder_are_told(tmp_path: Path) -> None:
    assert "No such file" in refused(tmp_path, tmp_path / "gone.wacz")
    assert "directory" in refused(tmp_path, tmp_path)


def test_a_sound_file_without_a_page_is_told_and_not_kept(tmp_path: Path) -> None:
    warc = Warc()
    warc.page(b"GIF89a", head="HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\n")

    assert "no page in it (1 not-html)" in refused(tmp_path, warc.save(tmp_path / "a.warc.gz"))


def test_a_flipped_byte_is_refused_or_of_no_weight(tmp_path: Path) -> None:
    """Some bytes of a foreign zip mean nothing, such as times: what is taken is then just the same."""
    data = bytearray(wacz(tmp_path / "a.wacz", {"data.warc.gz": one_page()}, LISTED).read_bytes())
    file, whole, refusals = tmp_path / "b.wacz", data_of(tmp_path / "whole", tmp_path / "a.wacz"), 0
    for at in range(0, len(data), 41):
        data[at] ^= 0x41
        file.write_bytes(data)
        found = data_of(tmp_path / f"store{at}", file)
        assert found in (None, whole), at
        refusals += found is None
        data[at] ^= 0x41
    assert refusals > len(data) / 41 / 2


def data_of(folder: Path, file: Path) -> str | None:
    """The digest of the WARC that was made of a file; None where it was refused."""
    pages, (report,) = taken(str(folder), file)
    if report.error:
        assert not [path for path in folder.rglob("*") if path.is_file()]
        return None
    with open_store(str(folder), load_settings()) as store:
        return str(json.loads(store.read_manifest(pages[0].id))["members"]["archive/data.warc.gz"]["sha256"])


def test_nothing_is_stored_by_a_dry_run(tmp_path: Path) -> None:
    pages, (report,) = taken(str(tmp_path / "store"), one_page().save(tmp_path / "a.warc.gz"), dry_run=True)

    assert (report.pages, report.source, pages[0].id, pages[0].verdict) == (1, "", "", "ok")
    assert not [path for path in (tmp_path / "store").rglob("*") if path.is_file()]


def test_a_bundle_that_was_taken_down_is_not_brought_back(tmp_path: Path) -> None:
    from datetime import UTC, datetime

    from tasks.store.events import Event

    file, store = one_page().save(tmp_path / "a.warc.gz"), str(tmp_path / "store")
    (page,), _ = taken(store, file)
    with open_store(store, load_settings()) as opened:
        opened.put_event(Event("tombstone", datetime(2026, 11, 25, tzinfo=UTC), page.id, {"reason": "asked for"}))
    (again,), (report,) = taken(store, file)

    assert "taken down" in str(again.error)
    assert not report.good
