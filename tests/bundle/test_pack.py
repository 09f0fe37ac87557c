import gzip
import json
import os
import subprocess
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle.verify import is_sound, verify_file
from tasks.errors import DiskFull
from tasks.records import Capture, Metadata, PageText, Sourced, Verdict, VerdictKind
from tests.bundle.samples import AGENT, METADATA, PROVENANCE, URL, MemoryBody, article, captures, digest, exchange, pack

ROOT = Path(__file__).parents[2]
MEMBERS = [
    "archive/data.warc.gz",
    "archive/derived.warc.gz",
    "indexes/index.cdx.gz",
    "indexes/index.idx",
    "pages/pages.jsonl",
    "article/article.html",
    "article/article.md",
    "article/article.txt",
    "article/metadata.json",
    "article/removed.jsonl",
    "article/provenance.json",
    "datapackage.json",
    "datapackage-digest.json",
]
OF_ARTICLE = {MEMBERS[1], *MEMBERS[5:8], MEMBERS[9]}  # absent where there is no article


def member(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as bundle:
        return bundle.read(name)


def table(path: Path, name: str) -> dict[str, Any]:
    return dict(json.loads(member(path, name)))


# ------------------------------------------------------------------ the file
@pytest.mark.parametrize("name", captures())
def test_every_kind_of_capture_gives_a_sound_bundle(name: str, tmp_path: Path) -> None:
    assert is_sound(verify_file(pack(tmp_path, name).path))


def test_members_stand_in_their_order_and_warcs_and_index_are_stored(tmp_path: Path) -> None:
    with zipfile.ZipFile(pack(tmp_path).path) as bundle:
        assert bundle.namelist() == MEMBERS
        stored = {info.filename for info in bundle.infolist() if info.compress_type == zipfile.ZIP_STORED}
    assert stored == {*MEMBERS[:3], *MEMBERS[-2:]}


def test_the_id_is_the_start_of_the_capture_and_of_the_digest(tmp_path: Path) -> None:
    bundle = pack(tmp_path, "redirect")
    found = digest(bundle.path.read_bytes())
    assert bundle.sha256 == found
    assert bundle.id == f"20261123105447-{found[7:23]}"
    assert bundle.path == tmp_path / f"{bundle.id}.wacz"
    assert bundle.size == bundle.path.stat().st_size
    assert list(tmp_path.iterdir()) == [bundle.path]


def test_the_same_input_gives_the_same_bytes_in_any_process(tmp_path: Path) -> None:
    """Other folder, hash seed, time zone, locale and umask."""
    script = (
        "import os, sys; from pathlib import Path; from tests.bundle.samples import captures, pack\n"
        "os.umask(int(sys.argv[2], 8))\n"
        "for name in captures():\n    bundle = pack(Path(sys.argv[1]), name)\n"
        "    print(bundle.sha256, bundle.manifest)\n"
    )
    found = set()
    for number, (seed, zone, locale, umask) in enumerate(
        [("1", "Pacific/Kiritimati", "C", "022"), ("2", "America/St_Johns", "tr_TR.UTF-8", "077")]
    ):
        folder = tmp_path / str(number)
        folder.mkdir()
        environ = {**os.environ, "PYTHONHASHSEED": seed, "TZ": zone, "LC_ALL": locale, "PYTHONPATH": str(ROOT)}
        done = subprocess.run(
            [sys.executable, "-c", script, folder, umask], env=environ, cwd=folder, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        found.add(done.stdout)
    assert len(found) == 1
    assert pack(tmp_path).sha256 in found.pop()


def test_another_rule_set_gives_another_bundle(tmp_path: Path) -> None:
    assert pack(tmp_path).id != pack(tmp_path, provenance={**PROVENANCE, "rules": "sha256:" + "b" * 64}).id


# ------------------------------------------------------------------ members
def test_pages_list_the_page_with_its_text(tmp_path: Path) -> None:
    assert member(pack(tmp_path, "redirect").path, "pages/pages.jsonl").decode() == (
        '{"format":"json-pages-1.0","hasText":true,"id":"pages","title":"All Pages"}\n'
        '{"id":"66dcd87ffd7a931d","text":"The tide\\n\\nThe tide came in — later than foretold.\\n\\n'
        'It left before noon.\\n","title":"The tide","ts":"2026-11-23T10:54:48Z",'
        '"url":"https://news.example/2026/tide"}\n'
    )


def test_the_datapackage_lists_every_other_member_with_its_digest(tmp_path: Path) -> None:
    path = pack(tmp_path).path
    package = table(path, "datapackage.json")
    assert [row["path"] for row in package["resources"]] == MEMBERS[:-2]
    for row in package["resources"]:
        data = member(path, row["path"])
        assert (row["hash"], row["bytes"]) == (digest(data), len(data))
        assert row["name"] == row["path"].replace("/", ".").lower()
    with zipfile.ZipFile(path) as bundle:
        deflated = {info.filename for info in bundle.infolist() if info.compress_type}
    assert {row["path"] for row in package["resources"] if "stored" in row} == deflated
    del package["resources"]
    assert package == {
        "created": "2026-11-23T10:54:47Z",
        "mainPageDate": "2026-11-23T10:54:47Z",
        "mainPageUrl": URL,
        "modified": "2026-11-23T10:54:47Z",
        "profile": "data-package",
        "software": "tearsheet/0.1.0",
        "tearsheet": {"format": "tearsheet-bundle/1"},
        "title": "The tide",
        "wacz_version": "1.1.1",
    }


def test_the_digest_file_closes_the_chain(tmp_path: Path) -> None:
    path = pack(tmp_path).path
    wanted = {"path": "datapackage.json", "hash": digest(member(path, "datapackage.json"))}
    assert table(path, "datapackage-digest.json") == wanted


def test_article_files_hold_what_cleaning_gave(tmp_path: Path) -> None:
    path = pack(tmp_path).path
    assert member(path, "article/article.txt").decode() == article().text
    assert member(path, "article/article.md").decode() == article().markdown
    document = member(path, "article/article.html").decode()
    assert document.startswith('<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n')
    assert article().html in document


def test_what_the_page_says_cannot_break_out_of_the_document(tmp_path: Path) -> None:
    bad = '"></title><script>alert(1)</script>'
    metadata = Metadata(title=Sourced(bad, "x"), language=Sourced(bad, "x"))
    document = member(pack(tmp_path, metadata=metadata).path, "article/article.html").decode()
    assert "<script" not in document
    assert "default-src 'none'" in document


def test_the_ledger_holds_every_field_of_every_removal(tmp_path: Path) -> None:
    lines = member(pack(tmp_path).path, "article/removed.jsonl").decode().splitlines()
    assert len(lines) == 2
    assert lines[1] == (
        f'{{"chars":19,"concept":"promo","digest":"{digest(b"Become a member today.")}",'
        '"doubt":0.5,"leading":[["links",-0.75]],'
        '"path":"/html[1]/body[1]/article[1]/p[2]","rule":"promo-member","score":0.25,'
        '"text":"Become a member today.","why":"asks for membership"}'
    )


def test_metadata_names_source_verdict_and_sums(tmp_path: Path) -> None:
    found = table(pack(tmp_path).path, "article/metadata.json")
    assert found["title"] == {"value": "The tide", "source": "meta:og:title", "rivals": []}
    assert found["site"] is None
    assert found["verdict"] == {"kind": "ok", "reasons": []}
    assert (found["page_chars"], found["kept_chars"], found["removed_chars"]) == (81, 58, 23)
    assert (found["no_article"], found["removals"], found["words"]) == (None, 2, 14)
    assert found["captured_at"] == "2026-11-23T10:54:47.123456Z"


def test_metadata_keeps_the_rivals_and_the_manifest_does_not(tmp_path: Path) -> None:
    rivals = (Sourced("Tides", "h1"), Sourced("The tide | Sea", "title"))
    bundle = pack(tmp_path, metadata=replace(METADATA, title=Sourced("The tide", "meta:og:title", rivals)))
    assert table(bundle.path, "article/metadata.json")["title"] == {
        "value": "The tide",
        "source": "meta:og:title",
        "rivals": [{"value": "Tides", "source": "h1"}, {"value": "The tide | Sea", "source": "title"}],
    }
    assert json.loads(bundle.manifest)["title"] == {"value": "The tide", "source": "meta:og:title"}


def test_provenance_names_the_record_that_the_article_comes_from(tmp_path: Path) -> None:
    path = pack(tmp_path, "redirect").path
    original = table(path, "article/provenance.json")["original"]
    warc = gzip.decompress(member(path, "archive/data.warc.gz")).decode("latin-1")
    assert f"WARC-Type: response\r\nWARC-Record-ID: {original['record']}\r\n" in warc
    assert original["date"] == "2026-11-23T10:54:48Z"
    assert (
        f"WARC-Refers-To: {original['record']}\r\n" in gzip.decompress(member(path, "archive/derived.warc.gz")).decode()
    )


@pytest.mark.parametrize(
    ("page", "verdict", "why"),
    [
        (PageText("application/pdf", None), Verdict(VerdictKind.OK, ("not-html",)), "not-html"),
        (PageText("text/html", None, flags=("x", "unknown-coding")), Verdict(VerdictKind.ERROR), "unknown-coding"),
        (PageText("text/html", ""), Verdict(VerdictKind.THIN), "no-article"),
    ],
)
def test_without_an_article_its_members_are_absent_and_metadata_says_why(
    page: PageText, verdict: Verdict, why: str, tmp_path: Path
) -> None:
    bundle = pack(tmp_path, article=None, page=page, verdict=verdict)
    with zipfile.ZipFile(bundle.path) as file:
        assert file.namelist() == [name for name in MEMBERS if name not in OF_ARTICLE]
    assert table(bundle.path, "article/metadata.json")["no_article"] == why
    assert is_sound(verify_file(bundle.path))


def test_half_a_surrogate_pair_becomes_the_replacement_character(tmp_path: Path) -> None:
    odd = replace(article(), text="a\ud83d b\n", html="<p>a\ud83d b</p>", markdown="a\ud83d b\n")
    metadata = replace(METADATA, title=Sourced("\ud83d", "x"))
    path = pack(tmp_path, article=odd, metadata=metadata).path
    assert member(path, "article/article.txt").decode() == "a\ufffd b\n"
    assert table(path, "article/metadata.json")["title"]["value"] == "\ud83d"


# ------------------------------------------------------------------ resources
def test_a_full_disk_leaves_nothing_and_says_so(tmp_path: Path) -> None:
    """A limit on file sizes stands for the full device: the write fails the same way."""
    script = (
        "import resource, signal, sys; from pathlib import Path\n"
        "from tasks.errors import DiskFull; from tests.bundle.samples import pack\n"
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (3000, 3000))\n"
        "try:\n    pack(Path(sys.argv[1]))\n"
        "except DiskFull as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", script, tmp_path], cwd=ROOT, capture_output=True, text=True, env=os.environ
    )
    assert done.returncode == 0, done.stderr
    assert "no room for the bundle" in done.stdout
    assert not list(tmp_path.iterdir())


def test_other_failures_leave_nothing_and_pass_through(tmp_path: Path) -> None:
    class Gone(MemoryBody):
        def open(self) -> Any:
            raise OSError(5, "input/output error")

    page = replace(exchange(), body=Gone(b""))
    with pytest.raises(OSError, match="input/output") as caught:
        pack(tmp_path, capture=Capture(page.url, (page,), AGENT))
    assert not isinstance(caught.value, DiskFull)
    assert not list(tmp_path.iterdir())


def test_a_large_body_stays_out_of_memory(tmp_path: Path) -> None:
    """64 MiB packed by a process whose peak stays under what the body alone would need."""
    script = (
        "import hashlib, resource, sys; from dataclasses import replace; from pathlib import Path\n"
        "from tasks.records import Capture; from tests.bundle.samples import AGENT, digest, exchange, pack\n"
        "path = Path(sys.argv[1]) / 'body'\n"
        "with path.open('wb') as file:\n    file.truncate(64 << 20)\n"
        "class OnDisk:\n    size = 64 << 20\n    file = path.open('rb')\n"
        "    def open(self):\n        self.file.seek(0)\n        return self.file\n"
        "    def close(self):\n        self.file.close()\n"
        "page = replace(exchange(b'', headers=(('Content-Type', 'video/mp4'),)), body=OnDisk())\n"
        "pack(Path(sys.argv[1]), 'not-html')\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "made = pack(Path(sys.argv[1]), 'not-html', capture=Capture(page.url, (page,), AGENT))\n"
        "print(made.size >> 20, (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) >> 10)\n"
    )
    done = subprocess.run([sys.executable, "-c", script, tmp_path], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    size, grown_mib = map(int, done.stdout.split())
    assert size == 64
    assert grown_mib < 16
