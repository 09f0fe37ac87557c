"""The way back: nothing is given out, or called sound, whose manifest says something else than the bundle."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle.verify import is_sound
from tasks.errors import FixityError, NotFound
from tasks.records import Bundle
from tasks.retrieve import pull, read_shown, verify_target
from tasks.settings import load_settings
from tasks.store import open_store
from tests.bundle.samples import METADATA, article, pack


@pytest.fixture
def stored(tmp_path: Path) -> Bundle:
    bundle = pack(tmp_path)
    open_store(str(tmp_path / "store"), load_settings(environ={})).put_bundle(bundle)
    return bundle


def rewrite_manifest(store: Path, change: Callable[[dict[str, Any]], None]) -> None:
    (path,) = store.glob("v1/bundles/*/*/*/*.json")
    table = json.loads(path.read_bytes())
    change(table)
    path.write_text(json.dumps(table))


def test_a_stored_bundle_is_sound_and_pulled(stored: Bundle, tmp_path: Path) -> None:
    settings = load_settings(environ={}, store=str(tmp_path / "store"))
    assert is_sound(verify_target(stored.id, settings, "full"))
    assert pull(open_store(settings.store, settings), stored.id, tmp_path / "out").id == stored.id


def test_a_manifest_that_was_tampered_with_is_found_and_nothing_written(stored: Bundle, tmp_path: Path) -> None:
    """Its sha256 still fits the bundle: only what it says of the page was changed."""
    settings = load_settings(environ={}, store=str(tmp_path / "store"))
    rewrite_manifest(tmp_path / "store", lambda table: table["title"].update(value="It never came in"))

    assert [item.code for item in verify_target(stored.id, settings, "full")] == ["manifest-mismatch"]
    with pytest.raises(FixityError, match="manifest-mismatch at manifest:title"):
        pull(open_store(settings.store, settings), stored.id, tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_what_cannot_be_read_is_named_and_not_verified(tmp_path: Path) -> None:
    settings = load_settings(environ={}, store=str(tmp_path / "store"))
    with pytest.raises(NotFound, match="Is a directory"):
        verify_target(str(tmp_path), settings, "full")
    with pytest.raises(NotFound, match="no such file"):
        verify_target(str(tmp_path / "none.wacz"), settings, "full")


def test_what_is_shown_is_the_article_and_every_removal(tmp_path: Path) -> None:
    shown = read_shown(pack(tmp_path).path)
    assert shown.text == article().text
    assert shown.metadata["title"]["value"] == METADATA.title.value
    assert [row["rule"] for row in shown.removals] == [removal.rule for removal in article().removals]
    bare = read_shown(pack(tmp_path, "not-html").path)
    assert (bare.text, bare.markdown, bare.removals) == ("", "", ())
