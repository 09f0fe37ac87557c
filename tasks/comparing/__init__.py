"""Two stored captures side by side: which two, and what differs of metadata and text, by word.

Manifests alone are read: they hold text and metadata. lines.py shows it on a terminal, page.py as an HTML page.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tasks.bundle.manifest import SOURCED, Manifest, read_manifest
from tasks.catalog import Catalog, Entry, families, is_id, shown
from tasks.diff import Diff, diff_texts
from tasks.errors import FormatError, NotFound
from tasks.normalising import normalised
from tasks.records import Sourced, Verdict
from tasks.store import Store

__all__ = ["Comparison", "FieldChange", "chosen_ids", "compare_bundles", "compare_manifests"]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """One field of the metadata, or the verdict, that is not the same."""

    name: str
    before: str  # lists joined by commas; empty where there is none
    after: str
    diff: Diff


@dataclass(frozen=True, slots=True)
class Comparison:
    """All that differs between two captures."""

    before: Manifest
    after: Manifest
    fields: tuple[FieldChange, ...]
    text: Diff

    @property
    def changed(self) -> bool:
        """Whether a word of the text is another."""
        return any(piece.kind != "same" for piece in self.text.pieces)

    @property
    def alike(self) -> bool:
        """Whether the texts are the same but for white space and typography: no version by itself."""
        return normalised(self.before.text) == normalised(self.after.text)

    def as_json(self) -> dict[str, Any]:
        """The fields of `diff --json`."""
        return {
            "before": _side(self.before),
            "after": _side(self.after),
            "fields": [
                {"name": item.name, "before": item.before or None, "after": item.after or None,
                 "diff": item.diff.as_json()}
                for item in self.fields
            ],
            "changed": self.changed,
            "alike": self.alike,
            "words_added": self.text.added,
            "words_removed": self.text.removed,
            "text": self.text.as_json(),
        }  # fmt: skip


def _side(manifest: Manifest) -> dict[str, Any]:
    return {
        "id": manifest.id,
        "sha256": manifest.sha256,
        "url": manifest.final_url,
        "captured_at": manifest.captured_at,
        "verdict": manifest.verdict.kind.value,
        "words": manifest.words,
        "text_sha256": manifest.text_sha256,
    }


def compare_bundles(store: Store, before: str, after: str) -> Comparison:
    """What differs between two stored bundles. NotFound or FormatError where a manifest cannot be had."""
    return compare_manifests(_manifest(store, before), _manifest(store, after))


def compare_manifests(before: Manifest, after: Manifest) -> Comparison:
    """What differs between two manifests."""
    return Comparison(before, after, tuple(_fields(before, after)), diff_texts(before.text, after.text))


def _manifest(store: Store, id_: str) -> Manifest:
    try:
        return read_manifest(store.read_manifest(id_))
    except FormatError as error:
        raise FormatError(error.what, where=f"{id_}.json", remedy=error.remedy) from None


def _fields(before: Manifest, after: Manifest) -> Iterator[FieldChange]:
    pairs = [(name, _value(getattr(before.metadata, name)), _value(getattr(after.metadata, name))) for name in SOURCED]
    pairs.append(("verdict", _verdict(before.verdict), _verdict(after.verdict)))
    for name, old, new in pairs:
        if old != new:
            yield FieldChange(name, old, new, diff_texts(old, new))


def _value(found: Sourced[Any] | None) -> str:
    if found is None:
        return ""
    return found.value if isinstance(found.value, str) else ", ".join(found.value)


def _verdict(verdict: Verdict) -> str:
    reasons = f" ({', '.join(verdict.reasons)})" if verdict.reasons else ""
    return f"{verdict.kind.value}{reasons}"


# ------------------------------------------------------------------ which two
def chosen_ids(
    store: Store, catalog: Catalog, targets: tuple[str, ...], *, since: datetime | None, at: datetime | None
) -> tuple[str, str]:
    """The ids of the older and the newer bundle that one or two targets (ids or URLs) mean.

    | targets | older | newer |
    | --- | --- | --- |
    | two | the first, a URL's as of `since`, else of `at` | the second, a URL's as of `at` |
    | a URL | as of `since`, else the version before the newer | the newest as of `at` |
    | an id | the version that it says it follows | itself |

    Raises NotFound where there are no two.
    """
    if len(targets) == 2:
        return catalog.find(targets[0], since or at), catalog.find(targets[1], at)
    target = targets[0]
    if is_id(target):
        return _before(store, target), target
    if since:
        return catalog.find(target, since), catalog.find(target, at)
    return _last_two(catalog, target, at)


def _before(store: Store, id_: str) -> str:
    previous = _manifest(store, id_).previous
    if previous is None:
        raise NotFound("it follows no earlier version", where=id_, remedy="Name the two bundles to compare")
    return previous.id


def _last_two(catalog: Catalog, url: str, at: datetime | None) -> tuple[str, str]:
    newest = catalog.find(url, at)  # raises NotFound, saying what there is
    stamp = newest[:14]
    older = [entry for entry in _standing(catalog, url) if entry.good and entry.id[:14] <= stamp and entry.id != newest]
    if not older:
        raise NotFound(
            f"{newest} is the only version of this URL", where=url, remedy="`tearsheet versions URL` shows all"
        )
    return max(older, key=lambda entry: entry.capture).id, newest


def _standing(catalog: Catalog, url: str) -> Iterator[Entry]:
    """The bundle that stands for each capture of an article."""
    return (shown(family) for family in families(catalog.versions(url)))
