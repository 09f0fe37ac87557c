"""Articles as a folder of Markdown files with YAML front matter, and an index.md."""

import json
import re
import shutil
import unicodedata
from collections.abc import Iterable, Iterator
from pathlib import Path

from tasks.bundle.manifest import Manifest, read_manifest
from tasks.bundle.read import read_members
from tasks.errors import FormatError, NotFound, TearsheetError
from tasks.exporting.folder import MARK, whole_folder
from tasks.exporting.front_matter import Value, front_matter
from tasks.exporting.report import STOPS, Exported, Heard, Report
from tasks.present import printable
from tasks.retrieve import check_sound, fetched, verify_stored
from tasks.store import Store

__all__ = ["export_markdown", "file_name"]

_ARTICLE = "article/article.md"
_SLUG = 60  # characters
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_MARKUP = re.compile(r"([\\`*_{}\[\]()<>#+!|~&-])")


def export_markdown(
    store: Store,
    ids: Iterable[str],
    out: Path,
    *,
    missing: list[Exported],
    force: bool = False,
    heard: Heard = lambda exported: None,
) -> Report:
    """One file an article in the folder `out`, complete once it is there; bundles without article are left out."""
    report = Report(out)
    with whole_folder(out, force=force, resume=False) as folder:
        with (folder / "index.md").open("w", encoding="utf-8", newline="\n") as index:
            index.write(f"{MARK}\n# Articles\n\n")
            for id_ in ids:
                try:
                    name, line, size = _write_article(store, id_, folder)
                except STOPS:
                    raise
                except TearsheetError as error:
                    report.left.append(Exported(id_, error=error))
                    heard(report.left[-1])
                    continue
                index.write(line)
                report.bundles, report.files, report.size = report.bundles + 1, report.files + 1, report.size + size
                heard(Exported(id_, (name,)))
        report.left[:0] = missing
        if not report.bundles:
            shutil.rmtree(folder)
            remedy = str(report.left[0].error) if report.left else "`tearsheet list` shows what is there"
            raise NotFound("no article to export", where=store.location, remedy=remedy)
    return report


def _write_article(store: Store, id_: str, folder: Path) -> tuple[str, str, int]:
    """Name and size of the file of one article, and its line of the index."""
    data = store.read_manifest(id_)
    with fetched(store, id_) as path:
        check_sound(verify_stored(store, id_, path), where=f"{store.location} {id_}")
        article = read_members(path, [_ARTICLE]).get(_ARTICLE)
    if article is None:
        raise FormatError("this capture has no article", where=id_, remedy="`tearsheet pull` gives the original")
    manifest = read_manifest(data)
    name = file_name(manifest)
    text = front_matter(_fields(manifest, data)).encode("utf-8") + b"\n" + article
    (folder / name).write_bytes(text)
    title = _MARKUP.sub(r"\\\1", " ".join(printable(_title(manifest)).split())[:300])
    return name, f"- {_day(manifest)} [{title}]({name})\n", len(text)


def _fields(manifest: Manifest, data: bytes) -> Iterator[tuple[str, Value]]:
    """The front matter; what the page does not say is left out."""
    about = manifest.metadata
    for name in ("title", "authors", "published", "modified", "site", "language"):
        if found := getattr(about, name):
            yield name, found.value
    yield "url", manifest.url
    yield "final_url", manifest.final_url
    yield "captured_at", manifest.captured_at
    yield "verdict", manifest.verdict.kind.value
    yield "id", manifest.id
    yield "sha256", manifest.sha256
    yield "words", manifest.words
    previous = json.loads(data).get("previous")
    if isinstance(previous, dict) and isinstance(previous.get("id"), str):
        yield "previous", previous["id"]
    if manifest.lineage:
        yield "parent", manifest.lineage.parent.id


def file_name(manifest: Manifest) -> str:
    """`<day>-<words of the title>-<id>.md`: ASCII in lower case, short, and no other bundle's on any file system."""
    plain = unicodedata.normalize("NFKD", _title(manifest)).encode("ascii", "ignore").decode()
    slug = re.sub(r"[^a-z0-9]+", "-", plain.lower())[:_SLUG].strip("-")
    return "-".join(part for part in (_day(manifest), slug, manifest.id) if part) + ".md"


def _title(manifest: Manifest) -> str:
    return manifest.metadata.title.value if manifest.metadata.title else manifest.final_url


def _day(manifest: Manifest) -> str:
    """The day of publication, else of the capture."""
    published = manifest.metadata.published.value if manifest.metadata.published else ""
    found = _DAY.match(published)
    return found[0] if found else manifest.captured_at[:10]
