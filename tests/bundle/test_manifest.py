import json
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle.manifest import Link, read_manifest
from tasks.errors import FormatError
from tasks.records import Digest, Metadata, Sourced, Verdict, VerdictKind
from tests.bundle.samples import METADATA, PROVENANCE, article, captures, digest, pack


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return dict(json.loads(pack(tmp_path_factory.mktemp("b")).manifest))


def test_a_manifest_reads_back_as_it_was_packed(tmp_path: Path) -> None:
    bundle = pack(tmp_path)
    manifest = read_manifest(bundle.manifest)
    assert (manifest.id, manifest.sha256, manifest.bytes) == (bundle.id, bundle.sha256, bundle.path.stat().st_size)
    assert manifest.metadata == METADATA
    assert manifest.verdict == Verdict(VerdictKind.OK)
    assert manifest.text == article().text
    assert manifest.removed == {"navigation": 4, "promo": 19}


def test_the_manifest_of_a_page_without_article_is_this(tmp_path: Path) -> None:
    bundle = pack(tmp_path, "not-html")
    text = bundle.manifest.decode()
    members = text[text.index('"members":') : text.index('},"mod')]
    assert text.replace(members, '"members":{…') == (
        '{"authors":null,"bytes":' + str(bundle.size) + ',"canonical_url":null,"captured_at":"2026-11-23T10:54:47Z",'
        '"description":null,"final_url":"https://news.example/2026/tide","format":"tearsheet-manifest/1",'
        f'"id":"{bundle.id}","image":null,"language":null,"media_type":"application/pdf",'
        '"members":{…},"modified":null,"original":{"date":"2026-11-23T10:54:47Z","member":"archive/data.warc.gz",'
        f'"payload":"{captures()["not-html"].page.payload_digest}","record":"{record_of(bundle.manifest)}",'
        '"url":"https://news.example/2026/tide"},"published":null,"removed":{},"removed_chars":0,'
        f'"rules":"sha256:{"a" * 64}","section":null,"sha256":"{bundle.sha256}","site":null,'
        '"software":"tearsheet/0.1.0","status":200,"tags":null,"text":"",'
        f'"text_sha256":"{digest(b"")}","title":null,"url":"https://news.example/2026/tide",'
        '"verdict":{"kind":"ok","reasons":["not-html"]},"words":0}\n'
    )
    assert members.startswith('"members":{"archive/data.warc.gz":{"bytes":')


def record_of(manifest: bytes) -> str:
    """The id of the page's record: it follows from the capture, so any text will do here."""
    return str(json.loads(manifest)["original"]["record"])


def test_half_a_surrogate_pair_in_a_title_survives(tmp_path: Path) -> None:
    bundle = pack(tmp_path, metadata=Metadata(title=Sourced("a \ud83d b", "json-ld:headline")))
    title = read_manifest(bundle.manifest).metadata.title
    assert title is not None
    assert title.value == "a \ud83d b"


EARLIER = {"id": "20261122101010-" + "b" * 16, "sha256": "sha256:" + "b" * 64}


def test_the_version_before_and_the_page_s_record_read_back(tmp_path: Path) -> None:
    bundle = pack(tmp_path, provenance={**PROVENANCE, "previous": EARLIER})
    manifest = read_manifest(bundle.manifest)
    assert manifest.previous == Link(EARLIER["id"], digest_named(EARLIER["sha256"]))
    assert manifest.original is not None
    assert manifest.original.payload == captures()["plain"].page.payload_digest


def digest_named(text: str) -> Digest:
    return Digest(text)


def test_a_manifest_of_before_has_no_record_and_no_version_before(table: dict[str, Any]) -> None:
    found = read_manifest(json.dumps({key: value for key, value in table.items() if key != "original"}).encode())
    assert (found.original, found.previous) == (None, None)


def test_fields_of_a_later_version_are_let_be(table: dict[str, Any]) -> None:
    assert read_manifest(json.dumps({**table, "later": [1]}).encode()).words == 14


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("format", "tearsheet-manifest/2"),
        ("id", "../x"),
        ("sha256", "sha256:ABC"),
        ("bytes", "12"),
        ("bytes", True),
        ("bytes", -1),
        ("url", None),
        ("captured_at", "yesterday"),
        ("original", "record"),
        ("original", {"record": "<urn:uuid:0>", "url": "https://news.example/", "date": "", "payload": "sha1:x"}),
        ("previous", EARLIER["id"]),
        ("previous", {"id": "20261122101010-" + "b" * 16, "sha256": "sha256:" + "c" * 64}),
        ("previous", {"id": "20261123105448-" + "b" * 16, "sha256": "sha256:" + "b" * 64}),
        ("verdict", {"kind": "splendid", "reasons": []}),
        ("verdict", {"kind": "ok"}),
        ("verdict", "ok"),
        ("title", "bare"),
        ("title", {"value": 1, "source": "x"}),
        ("title", {"value": "x"}),
        ("authors", {"value": "Ada", "source": "x"}),
        ("removed", {"promo": "many"}),
        ("members", {"a": {"sha256": "x", "bytes": 1}}),
        ("members", []),
        ("text", None),
        ("rules", None),
    ],
)
def test_a_broken_field_is_named(table: dict[str, Any], field: str, value: object) -> None:
    with pytest.raises(FormatError) as caught:
        read_manifest(json.dumps({**table, field: value}).encode())
    assert field in caught.value.what or field in {"verdict", "title", "authors", "removed", "members", "original"}


@pytest.mark.parametrize("data", [b"", b"{", b"[]", b"\xff", b"[" * 100_000])
def test_what_is_no_manifest_is_refused(data: bytes) -> None:
    with pytest.raises(FormatError):
        read_manifest(data)
