"""Files of other tools, each with one oddity: what is made of them, and that nothing is made up."""

import gzip
import json
import zipfile
from pathlib import Path
from typing import Any

import brotli
import pytest
import zstandard
from warcio.archiveiterator import ArchiveIterator

from tasks.bundle.original import read_original
from tasks.bundle.read import read_member
from tasks.bundle.verify import is_sound
from tasks.explaining import read_bundle_page
from tasks.recleaning import Job, capture_of, reclean_bundle
from tasks.recleaning import open_bench as open_reclean_bench
from tasks.retrieve import verify_stored
from tasks.settings import config_dirs, load_settings
from tasks.store import open_store
from tests.importing.foreign_kit import AT, HEAD, HTML, SENTENCES, URL, Warc, taken, wacz


class Taken:
    """A store that one file was imported into; the first page's bundle pulled."""

    def __init__(self, folder: Path, file: Path) -> None:
        self.store = str(folder / "store")
        self.pages, (self.file,) = taken(self.store, file)
        assert self.file.good, self.file.error or [page.error for page in self.pages]
        self.page = self.pages[0]
        with open_store(self.store, load_settings()) as store:
            self.path = store.fetch_bundle(self.page.id, folder)
            self.manifest = json.loads(store.read_manifest(self.page.id))
            self.problems = verify_stored(store, self.page.id, self.path)
        assert is_sound(self.problems), self.problems

    def member(self, name: str) -> Any:
        return json.loads(read_member(self.path, f"article/{name}"))

    @property
    def records(self) -> list[tuple[str, dict[str, str], bytes]]:
        with zipfile.ZipFile(self.path) as archive, archive.open("archive/data.warc.gz") as warc:
            return [
                (record.rec_type, dict(record.rec_headers.headers), record.raw_stream.read())
                for record in ArchiveIterator(warc, no_record_parse=True)
            ]

    @property
    def response(self) -> tuple[dict[str, str], bytes]:
        return [(fields, block) for kind, fields, block in self.records if kind in ("response", "resource")][-1]

    @property
    def facts(self) -> str:
        return [block for kind, _, block in self.records if kind == "metadata"][-1].decode()


def test_what_was_not_recorded_stays_absent(tmp_path: Path) -> None:
    warc = Warc()
    record = warc.page()
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    fields, block = found.response
    assert block == f"{HEAD}\r\n{HTML}".encode()
    assert "WARC-IP-Address" not in fields
    assert [kind for kind, _, _ in found.records] == ["warcinfo", "response", "metadata"]
    assert "TimeMs" not in found.facts
    assert "firstByteMs" not in found.facts
    assert "startedAt: 2026-03-14T07:30:00.000000Z" in found.facts
    assert found.page.id.startswith("20260314073000-")
    assert (found.page.verdict, found.page.title) == ("ok", "The tide")
    imported = found.member("provenance.json")["imported"]
    assert imported["record"] == record
    assert imported["records"] == [{"type": "response", "record": record, "date": "2026-03-14T07:30:00.000000Z"}]
    assert found.manifest["source"] == {"sha256": imported["sha256"], "bytes": imported["bytes"]}


def test_the_request_goes_along_byte_for_byte_with_its_agent(tmp_path: Path) -> None:
    warc = Warc()
    warc.asked(warc.page(WARC_IP_Address="192.0.2.9"), "User-Agent: Otherbot/2", "Sec-Fetch-Dest: document")
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    requests = [block for kind, _, block in found.records if kind == "request"]
    assert requests == [
        b"GET / HTTP/1.1\r\nHost: news.example\r\nUser-Agent: Otherbot/2\r\nSec-Fetch-Dest: document\r\n\r\n"
    ]
    assert b"http-header-user-agent: Otherbot/2" in found.records[0][2]
    assert found.response[0]["WARC-IP-Address"] == "192.0.2.9"
    assert found.page.why == "navigation"


HEADS = {
    "http2": "HTTP/2 200\r\ncontent-type: text/html\r\n",
    "http3": "HTTP/3.0 200 \r\ncontent-type: text/html\r\n",
    "no-reason": "HTTP/1.0 200 \r\nContent-Type: text/html\r\n",
    "no-reason-no-blank": "HTTP/1.1 200\r\nContent-Type: text/html\r\n",
    "renamed": HEAD + "x-orig-transfer-encoding: chunked\r\nx-orig-content-encoding: br\r\n",
    "gzip-removed": HEAD + "Content-Encoding: gzip\r\nContent-Length: 12\r\n",
    "brotli-removed": HEAD + "Content-Encoding: br\r\n",
    "zstd-removed": HEAD + "Content-Encoding: zstd\r\n",
    "unframed": HEAD + "Transfer-Encoding: chunked\r\n",
    "unframed-unzipped": HEAD + "Transfer-Encoding: chunked\r\nContent-Encoding: gzip\r\n",
}


@pytest.mark.parametrize("name", HEADS)
def test_heads_that_other_tools_leave_are_kept_and_read(name: str, tmp_path: Path) -> None:
    warc = Warc()
    warc.page(head=HEADS[name])
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    assert found.response[1] == f"{HEADS[name]}\r\n{HTML}".encode()
    assert found.page.verdict == "ok"
    assert SENTENCES in read_member(found.path, "article/article.txt").decode()
    assert ("framing-removed" in found.facts) == name.startswith("unframed")


CODED = {
    "gzip": gzip.compress(HTML.encode(), mtime=0),
    "br": brotli.compress(HTML.encode()),
    "zstd": zstandard.compress(HTML.encode()),
}


@pytest.mark.parametrize("coding", CODED)
@pytest.mark.parametrize("framed", [False, True])
def test_coded_bodies_are_read(coding: str, framed: bool, tmp_path: Path) -> None:
    body = CODED[coding]
    head = HEAD + f"Content-Encoding: {coding}\r\n"
    if framed:
        head, body = head + "Transfer-Encoding: chunked\r\n", b"%x\r\n%b\r\n0\r\n\r\n" % (len(body), body)
    warc = Warc()
    warc.page(body, head=head)
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    assert found.response[1] == f"{head}\r\n".encode() + body
    assert found.page.verdict == "ok"
    assert f"payloadSize: {len(CODED[coding])}\r\n" in found.facts


def test_a_coding_that_nobody_knows_is_kept_and_never_good(tmp_path: Path) -> None:
    warc = Warc()
    warc.page(b"\x01\x02", head=HEAD + "Content-Encoding: x-ours\r\n")

    assert Taken(tmp_path, warc.save(tmp_path / "a.warc.gz")).page.reasons == ("unknown-coding",)


@pytest.mark.parametrize("reason", ["length", "disconnect", "unspecified"])
def test_a_truncated_record_is_cut_and_says_so(reason: str, tmp_path: Path) -> None:
    warc = Warc()
    warc.page(head=HEAD + "Content-Length: 99999\r\n", WARC_Truncated=reason)
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    assert (found.page.verdict, found.page.reasons) == ("cut", (f"truncated-{reason}",))
    assert found.response[0]["WARC-Truncated"] == reason


def test_a_body_shorter_than_its_length_is_cut_even_where_the_record_does_not_say_so(tmp_path: Path) -> None:
    warc = Warc()
    warc.page(head=HEAD + "Content-Length: 99999\r\n")

    assert Taken(tmp_path, warc.save(tmp_path / "a.warc.gz")).page.reasons == ("short-body",)


@pytest.mark.parametrize("at", ["2026-03-14T07:30:00.5Z", "2026-03-14T07:30:00.123456789Z"])
def test_fractions_of_a_second_are_kept_as_far_as_they_go(at: str, tmp_path: Path) -> None:
    warc = Warc()
    warc.page(at=at)
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    digits = at.partition(".")[2].removesuffix("Z")[:6].ljust(6, "0")
    assert found.member("metadata.json")["captured_at"] == f"2026-03-14T07:30:00.{digits}Z"
    assert found.response[0]["WARC-Date"] == AT


def test_an_uncompressed_warc_with_brackets_and_a_request_before_is_taken(tmp_path: Path) -> None:
    warc = Warc(gzip=False)
    warc.add("request", b"GET / HTTP/1.1\r\nUser-Agent: Wget/1.14\r\n\r\n", url=f"<{URL}>")
    warc.page(url=f"<{URL}>")
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc"))

    assert found.page.url == URL
    assert b"http-header-user-agent: Wget/1.14" in found.records[0][2]
    assert found.file.source.endswith(".warc")


def test_a_resource_of_html_is_taken_without_an_answer_being_made_up(tmp_path: Path) -> None:
    warc = Warc()
    warc.add("resource", HTML.encode(), content_type="text/html; charset=utf-8")
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    assert found.page.verdict == "ok"
    assert found.manifest["status"] == 0
    assert [kind for kind, _, _ in found.records] == ["warcinfo", "resource", "metadata"]
    assert found.response[1] == HTML.encode()
    assert capture_of(read_original(found.path)).page.header("content-type") == "text/html; charset=utf-8"


def test_redirects_stand_before_the_page(tmp_path: Path) -> None:
    warc = Warc()
    moved = "HTTP/1.1 301 Moved\r\nLocation: {}\r\nContent-Length: 0\r\n"
    warc.page("", head=moved.format("https://news.example/"), url="http://news.example/", at="2026-03-14T07:29:58Z")
    warc.page("", head=moved.format("/2026/tide#top"), url="https://news.example/", at="2026-03-14T07:29:59Z")
    warc.page(
        "", head=moved.format(URL), url="https://old.example/", at="2026-03-13T07:29:59Z"
    )  # a day before: another visit
    warc.page()
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    urls = [fields["WARC-Target-URI"] for kind, fields, _ in found.records if kind == "response"]
    assert urls == ["http://news.example/", "https://news.example/", URL]
    assert found.manifest["url"] == "http://news.example/"
    assert found.manifest["final_url"] == URL
    assert found.page.id.startswith("20260314072958-")
    assert len(found.pages) == 1
    assert found.file.reasons == {"redirect": 3}


def test_a_redirect_in_a_circle_ends(tmp_path: Path) -> None:
    warc = Warc()
    warc.page("", head=f"HTTP/1.1 302 Found\r\nLocation: {URL}\r\n")
    warc.page()

    assert len(Taken(tmp_path, warc.save(tmp_path / "a.warc.gz")).pages) == 1


REVISIT = "http://netpreserve.org/warc/1.1/revisit/identical-payload-digest"


def test_a_revisit_is_resolved_and_says_so(tmp_path: Path) -> None:
    warc, later = Warc(), "2026-03-15T07:30:00Z"
    warc.page(WARC_Payload_Digest=payload(HTML))
    own = "HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nAge: 3\r\n\r\n"
    names = {"WARC_Refers_To_Target_URI": URL, "WARC_Refers_To_Date": AT, "WARC_Profile": REVISIT}
    warc.add("revisit", own.encode(), at=later, WARC_Payload_Digest=payload(HTML), **names)
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))
    with open_store(found.store, load_settings()) as store:
        path = store.fetch_bundle(found.pages[1].id, tmp_path)
    original = read_original(path)

    assert [page.verdict for page in found.pages] == ["ok", "ok"]
    assert original.exchanges[0].block.data == own.encode() + HTML.encode()
    assert "revisit-resolved" in original.exchanges[0].fact("flags")
    assert len(original.provenance["imported"]["records"][0]["payload"]) > 20


def payload(text: str) -> str:
    import base64
    import hashlib

    return "sha1:" + base64.b32encode(hashlib.sha1(text.encode()).digest()).decode()


def test_a_revisit_of_what_is_elsewhere_is_left_and_told(tmp_path: Path) -> None:
    warc = Warc()
    warc.page(url="https://news.example/other")
    warc.add("revisit", f"{HEAD}\r\n".encode(), WARC_Profile=REVISIT, WARC_Payload_Digest=payload("gone"))
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    assert [(item.url, item.reason) for item in found.file.left] == [(URL, "revisit-unresolved")]


# ------------------------------------------------------------------ which records are pages
REQUISITES = {
    "requisite-iframe": ("Sec-Fetch-Dest: iframe",),
    "requisite-empty": ("Sec-Fetch-Dest: empty",),
    "requisite-script": ("X-Requested-With: XMLHttpRequest",),
}


@pytest.mark.parametrize("reason", REQUISITES)
def test_what_a_page_asked_for_is_no_page(reason: str, tmp_path: Path) -> None:
    warc = Warc()
    warc.asked(warc.page(), "Sec-Fetch-Dest: document")
    other = "https://news.example/part"
    warc.asked(warc.page(url=other), *REQUISITES[reason], url=other)
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    assert [page.url for page in found.pages] == [URL]
    assert [(item.url, item.reason) for item in found.file.left] == [(other, reason)]


def test_posts_errors_and_pictures_are_no_pages(tmp_path: Path) -> None:
    warc = Warc()
    warc.page()
    form = "https://news.example/form"
    warc.asked(warc.page(url=form), url=form, method="POST")
    warc.page(head="HTTP/1.1 404 Not Found\r\nContent-Type: text/html\r\n", url="https://news.example/gone")
    warc.page(b"GIF89a", head="HTTP/1.1 200 OK\r\nContent-Type: image/gif\r\n", url="https://news.example/a.gif")
    warc.add("resource", b"log", url="urn:X-other:log")
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    assert found.file.reasons == {"method-post": 1, "status-404": 1, "not-html": 1, "not-http": 1}


def test_a_frame_is_found_by_the_page_that_its_referer_names_and_a_link_is_not(tmp_path: Path) -> None:
    warc = Warc()
    warc.page(HTML.replace("</article>", "<iframe width=3 src='/ad?a&amp;b'></iframe></article>"))
    for url in ("https://news.example/ad?a&b", "https://news.example/next"):
        warc.asked(warc.page(url=url, at="2026-03-14T07:30:01Z"), f"Referer: {URL}", url=url, at="2026-03-14T07:30:01Z")
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    assert [page.url for page in found.pages] == [URL, "https://news.example/next"]
    assert found.file.reasons == {"framed": 1}


def test_a_crawler_tells_links_from_embedded_things(tmp_path: Path) -> None:
    warc = Warc()
    for hops, url in (("", URL), ("LL", "https://news.example/l"), ("LE", "https://news.example/e")):
        name = warc.page(url=url)
        block = f"via: x\r\nhopsFromSeed: {hops}\r\n".encode()
        warc.add("metadata", block, url=url, content_type="application/warc-fields", WARC_Concurrent_To=name)
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))

    assert [page.url for page in found.pages] == [URL, "https://news.example/l"]
    assert found.file.reasons == {"requisite-hop-E": 1}


# ------------------------------------------------------------------ WACZ
def test_the_pages_that_a_wacz_lists_are_taken_from_any_of_its_warcs(tmp_path: Path) -> None:
    first, second = Warc(), Warc(gzip=False)
    first.page()
    first.page(url="https://news.example/unlisted")
    second.page(url="https://news.example/b")
    pages = [{"url": URL, "ts": AT}, {"url": "https://news.example/b", "ts": AT}]
    raw = {"raw/response_2026-03-14T07:30:00Z_x_sha256:00": b"as it came"}
    found = Taken(tmp_path, wacz(tmp_path / "a.wacz", {"a.warc.gz": first, "b.warc": second}, pages, extra=raw))

    assert [page.url for page in found.pages] == [URL, "https://news.example/b"]
    assert {page.why for page in found.pages} == {"listed"}
    assert found.file.reasons == {"not-listed": 1}
    assert found.file.software == "othertool 7"
    assert found.member("provenance.json")["imported"]["records"][0]["warc"] == "archive/a.warc.gz"
    source = Path(found.store) / found.file.source
    assert source.read_bytes() == (tmp_path / "a.wacz").read_bytes()


def test_a_listed_page_that_redirected_is_followed(tmp_path: Path) -> None:
    warc, start = Warc(), "http://news.example/tide"
    warc.page("", head=f"HTTP/1.1 302 Found\r\nLocation: {URL}\r\n", url=start)
    warc.page(at="2026-03-14T07:30:02Z")
    found = Taken(tmp_path, wacz(tmp_path / "a.wacz", {"data.warc.gz": warc}, [{"url": start, "ts": AT}]))

    assert (found.manifest["url"], found.manifest["final_url"]) == (start, URL)
    assert found.file.reasons == {}


def test_a_wacz_that_lists_no_page_is_read_like_a_warc(tmp_path: Path) -> None:
    warc = Warc()
    warc.page()

    assert Taken(tmp_path, wacz(tmp_path / "a.wacz", {"data.warc.gz": warc}, [])).page.why == "html"


# ------------------------------------------------------------------ afterwards
def resource(warc: Warc) -> None:
    warc.add("resource", HTML.encode(), content_type="text/html; charset=utf-8")


AFTER = {
    "bare": lambda warc: warc.page(),
    "unframed": lambda warc: warc.page(head=HEADS["unframed"]),
    "http2": lambda warc: warc.page(head=HEADS["http2"]),
    "resource": resource,
}


@pytest.mark.parametrize("name", AFTER)
def test_an_imported_page_is_cleaned_anew_and_explained_like_any_other(name: str, tmp_path: Path) -> None:
    warc = Warc()
    AFTER[name](warc)
    found = Taken(tmp_path, warc.save(tmp_path / "a.warc.gz"))
    settings = load_settings(store=found.store, thin_words=100_000)  # by which every page is thin
    with open_reclean_bench(Job(settings, config_dirs())) as bench:
        done = reclean_bundle(found.page.id, bench)
        assert done.error is None
        path = bench.store.fetch_bundle(done.new_id, tmp_path)
        assert is_sound(verify_stored(bench.store, done.new_id, path))
        manifest = json.loads(bench.store.read_manifest(done.new_id))

    assert (done.before, done.after) == ("ok", "thin")
    assert manifest["source"] == found.manifest["source"]
    assert (
        json.loads(read_member(path, "article/provenance.json"))["imported"]
        == found.member("provenance.json")["imported"]
    )
    assert read_bundle_page(found.path, settings)[1].text == HTML


def test_a_url_that_no_tool_can_index_stops_no_other(tmp_path: Path) -> None:
    warc = Warc()
    warc.page()
    warc.add("resource", HTML.encode(), url="https://news.example:99999/", content_type="text/html")
    pages, (report,) = taken(str(tmp_path / "store"), warc.save(tmp_path / "a.warc.gz"))

    assert [bool(page.error) for page in pages] == [False, True]
    assert "Port out of range" in str(pages[1].error)
    assert (report.pages, report.failed) == (1, 1)
