import gzip
import json

import pytest

from tasks.bundle.cdxj import Row, cdxj_line, index_members, surt_key
from tasks.records import Digest
from tests.bundle.samples import MOMENT, digest


def row(url: str = "https://www.News.example/b?z=1&a=2", offset: int = 386) -> Row:
    return Row(
        url,
        MOMENT,
        "text/html",
        200,
        Digest("sha256:" + "1" * 64),
        "data.warc.gz",
        offset,
        554,
        Digest("sha256:" + "2" * 64),
    )


def test_a_line_reads_as_other_indexers_write_it() -> None:
    assert cdxj_line(row()) == (
        'example,news)/b?a=2&z=1 20261123105447 {"url": "https://www.News.example/b?z=1&a=2", "mime": "text/html", '
        f'"status": "200", "digest": "sha256:{"1" * 64}", "length": "554", "offset": "386", '
        f'"filename": "data.warc.gz", "recordDigest": "sha256:{"2" * 64}"}}'
    )


@pytest.mark.parametrize(
    ("url", "key"),
    [
        ("http://www2.Example.com:80/A/../B#c", "com,example)/b"),
        ("http://127.0.0.1:8080/", "1,0,0,127:8080)/"),
        ("urn:article:https://a.example/x", "urn:article:https://a.example/x"),
    ],
)
def test_keys_are_those_of_the_surt_library(url: str, key: str) -> None:
    assert surt_key(url) == key


def test_the_idx_names_each_member_of_the_index() -> None:
    index, idx = index_members([row("https://b.example/"), row("https://a.example/")])
    lines = gzip.decompress(index).decode().splitlines()
    assert [line.split(" ")[0] for line in lines] == ["example,a)/", "example,b)/"]
    assert idx.decode() == (
        '!meta 0 {"format": "cdxj-gzip-1.0", "filename": "index.cdx.gz"}\n'
        f'example,a)/ 20261123105447 {{"offset": 0, "length": {len(index)}, "digest": "{digest(index)}", '
        '"filename": "index.cdx.gz"}\n'
    )


def test_more_than_300_lines_make_a_second_member() -> None:
    index, idx = index_members(row(f"https://a.example/{number:03}") for number in range(301))
    places = [json.loads(line.split(b" ", 2)[2]) for line in idx.splitlines()[1:]]
    parts = [index[place["offset"] : place["offset"] + place["length"]] for place in places]
    assert [len(gzip.decompress(part).splitlines()) for part in parts] == [300, 1]
    assert [place["digest"] for place in places] == [digest(part) for part in parts]
    assert b"".join(parts) == index
