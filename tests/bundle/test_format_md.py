"""FORMAT.md names everything that a bundle has: a field without a description is a failure."""

import gzip
import json
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tasks.clean.tags import UNSEEN_TAGS, WIDGET_TAGS
from tests.bundle.samples import captures, pack

TEXT = (Path(__file__).parents[2] / "tasks" / "bundle" / "FORMAT.md").read_text(encoding="utf-8")
CODE = {part for span in re.findall(r"`([^`\n]+)`", TEXT) for part in re.findall(r"[A-Za-z0-9_!./:-]+", span)}
WARC_FIELD = re.compile(r"^([A-Za-z-]+): ", re.M)


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> list[Any]:
    folder = tmp_path_factory.mktemp("b")
    return [pack(folder, name) for name in captures()]


def documents(path: Path) -> Iterator[tuple[str, bytes]]:
    with zipfile.ZipFile(path) as bundle:
        for name in bundle.namelist():
            yield name, bundle.read(name)


def test_every_member_is_named(bundles: list[Any]) -> None:
    names = {name for bundle in bundles for name, _ in documents(bundle.path)}
    assert names <= CODE
    assert len(names) == 14


def test_every_manifest_field_is_named(bundles: list[Any]) -> None:
    section = TEXT[TEXT.index("## The manifest") : TEXT.index("## The store")]
    for bundle in bundles:
        missing = [key for key in json.loads(bundle.manifest) if f"`{key}`" not in section]
        assert not missing


def test_every_json_field_is_named(bundles: list[Any]) -> None:
    found: set[str] = set()
    for bundle in bundles:
        for name, data in documents(bundle.path):
            if name.endswith((".json", ".jsonl")):
                for line in data.splitlines() if name.endswith("l") else [data]:
                    found |= {*json.loads(line)}
    assert found <= CODE


def test_every_index_field_is_named(bundles: list[Any]) -> None:
    for bundle in bundles:
        for name, data in documents(bundle.path):
            if name.startswith("indexes/"):
                lines = (gzip.decompress(data) if name.endswith("gz") else data).splitlines()
                assert {key for line in lines for key in json.loads(line.split(b" ", 2)[2])} <= CODE


def test_every_line_of_our_warc_records_is_named(bundles: list[Any]) -> None:
    for bundle in bundles:
        for name, data in documents(bundle.path):
            if name.startswith("archive/"):
                parts = gzip.decompress(data).split(b"WARC/1.1\r\n")
                ours = [part for part in parts if re.search(rb"^Content-Type: application/warc-fields", part, re.M)]
                missing = {key for part in ours for key in WARC_FIELD.findall(part.decode()) if key not in TEXT}
                assert ours
                assert not missing


def test_every_unseen_element_is_named_with_its_reason() -> None:
    start = TEXT.index("| elements | why")
    table, rest = TEXT[start:].split("\n\n", 1)
    assert set(re.findall(r"`([a-z]+)`", table)) == UNSEEN_TAGS
    assert set(re.findall(r"`([a-z]+)`", rest.split("\n\n", 1)[0])) == WIDGET_TAGS


def test_a_name_that_is_not_there_is_missed() -> None:
    assert "no_such_field" not in CODE
