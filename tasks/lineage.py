"""What a bundle says of its parent, the version before it, and the file it was imported from, held against the store.

Whether the parent's rules, or the newer ones, gave just this article is not seen here: `tearsheet reclean` shows it.
"""

from collections.abc import Iterator

from tasks.bundle.manifest import PREVIOUS, Lineage, Link, Manifest, Source, read_manifest
from tasks.bundle.rendered import RENDERED
from tasks.bundle.verify_codes import Findings
from tasks.errors import FormatError, NotFound
from tasks.records import Problem
from tasks.store import Store
from tasks.store.layout import SOURCE_KINDS, source_key

__all__ = ["lineage_problems", "source_problems"]

_TAKEN_OVER = ("archive/data.warc.gz", f"archive/{RENDERED}")  # by a bundle that was cleaned anew


def lineage_problems(store: Store, manifest: bytes) -> tuple[Problem, ...]:
    """What does not fit of the bundles that a stored one names; nothing where it names none.

    Parent and root must be there with the digests named, of the same capture (the same WARC, URL and time), and the
    parent one generation older under the same root; the version before must be there, or taken down, with the digest
    named, and captured earlier. One that is gone is a note: each bundle holds all of its own capture.
    """
    try:
        own = read_manifest(manifest)
    except FormatError:
        return ()  # verify_file says so
    findings = Findings()
    findings.ours = True
    if own.lineage:
        _check(store, own, own.lineage, findings)
    if own.previous:
        _check_previous(store, own, own.previous, findings)
    return tuple(findings)


def source_problems(store: Store, manifest: bytes) -> tuple[Problem, ...]:
    """What does not fit of the file that an imported bundle was made from; nothing for a capture of ours.

    It is asked for, not read. One that is gone is a note: the bundle holds all of its capture itself.
    """
    try:
        source = read_manifest(manifest).source
    except FormatError:
        return ()  # verify_file says so
    findings = Findings()
    findings.ours = True
    if source:
        _check_source(store, source, findings)
    return tuple(findings)


def _check_source(store: Store, source: Source, findings: Findings) -> None:
    for kind in SOURCE_KINDS:
        key = source_key(source.sha256, kind)
        try:
            size = store.objects.stat(key).size
        except NotFound:
            continue
        if size != source.bytes:
            findings.add("source-mismatch", key, source.bytes, size)
        return
    findings.add("source-missing", "manifest:source", source.sha256, "no such file in the store")


def _check(store: Store, own: Manifest, lineage: Lineage, findings: Findings) -> None:
    for name, link in _links(lineage):
        try:
            other = read_manifest(store.read_manifest(link.id))
        except NotFound:
            findings.add("parent-missing", f"manifest:{name}", link.id, "no such bundle in the store")
            continue
        except FormatError as error:
            findings.add("parent-mismatch", f"manifest:{name}", link.id, error.what)
            continue
        for what, expected, found in _compared(own, lineage, name, link, other):
            if expected != found:
                findings.add("parent-mismatch", f"manifest:{name}", f"{what} {expected}", found)


def _check_previous(store: Store, own: Manifest, link: Link, findings: Findings) -> None:
    place = f"manifest:{PREVIOUS}"
    try:
        other = read_manifest(store.read_manifest(link.id))
    except NotFound as error:
        if error.code != "tombstoned":
            findings.add("previous-missing", place, link.id, "no such bundle in the store")
        return
    except FormatError as error:
        findings.add("previous-mismatch", place, link.id, error.what)
        return
    if other.sha256 != link.sha256:
        findings.add("previous-mismatch", place, f"sha256 {link.sha256}", other.sha256)
    if other.captured_at > own.captured_at:
        findings.add("previous-mismatch", place, f"captured by {own.captured_at}", other.captured_at)


def _links(lineage: Lineage) -> Iterator[tuple[str, Link]]:
    yield "parent", lineage.parent
    if lineage.root != lineage.parent:
        yield "root", lineage.root


def _compared(
    own: Manifest, lineage: Lineage, name: str, link: Link, other: Manifest
) -> Iterator[tuple[str, object, object]]:
    yield "sha256", link.sha256, other.sha256
    for what in ("url", "final_url", "captured_at", "status"):
        yield what, getattr(own, what), getattr(other, what)
    for member in _TAKEN_OVER:
        yield member, own.members.get(member), other.members.get(member)
    above = other.lineage
    is_root = name == "root" or lineage.parent == lineage.root
    yield "generation", 0 if is_root else lineage.generation - 1, above.generation if above else 0
    if above:
        yield "root", lineage.root.id, above.root.id
