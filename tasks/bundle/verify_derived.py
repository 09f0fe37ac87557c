"""What a bundle of ours derived from the page: copies agree with one another, and counts with what they count.

Nothing is cleaned again: whether the rules took the right text is not verify's question.
"""

import hashlib
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from tasks.bundle.manifest import read_lineage, read_previous
from tasks.bundle.rendered import RENDERED
from tasks.bundle.verify_captured import check_captured
from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_digest import matches, parse_digest
from tasks.bundle.verify_package import PACKAGE, read_json
from tasks.bundle.verify_provenance import check_provenance
from tasks.bundle.verify_rendered import check_rendered
from tasks.bundle.verify_warc import Record
from tasks.bundle.verify_zip import Zip, member_lines, read_small
from tasks.errors import FormatError
from tasks.records import count_words

__all__ = ["Derived", "check_derived"]

_ARTICLE = ("article.html", "article.md", "article.txt", "removed.jsonl")  # where the page has an article
DATA = "data.warc.gz"  # the WARC of the capture
_ALWAYS = ("metadata.json", "provenance.json")


@dataclass(slots=True)
class Derived:
    """The records that derived files are compared with; feed every record to `add`."""

    conversions: dict[str, Record] = field(default_factory=dict)  # media type: record
    resources: list[Record] = field(default_factory=list)
    rendered: list[Record] = field(default_factory=list)  # what a browser made of the page
    responses: dict[str, Record] = field(default_factory=dict)  # record id: record; of an import `resource`, too
    notes: list[Record] = field(default_factory=list)  # `metadata` records
    requested: set[str] = field(default_factory=set)  # ids of responses that have their request

    def add(self, record: Record) -> None:
        """Keep the record if anything is compared with it."""
        if record.type == "conversion":
            self.conversions[record.media_type or ""] = record
        elif record.type == "resource" and record.file == RENDERED:
            self.rendered.append(record)
        elif record.type == "resource" and record.file != DATA:
            self.resources.append(record)
        elif record.type in ("response", "resource"):
            self.responses[record.fields.get("warc-record-id", "")] = record
        elif record.type == "metadata":
            self.notes.append(record)
        elif record.type == "request":
            self.requested.update(record.concurrent)


def check_derived(
    file: BinaryIO, archive: Zip, package: Mapping[str, Any], page: Mapping[str, Any], kept: Derived, findings: Findings
) -> None:
    """Every comparison in turn; a file that cannot be read is a problem and ends only its own comparisons."""
    metadata = _json(file, archive, "metadata.json", findings)
    provenance = _json(file, archive, "provenance.json", findings)
    _check_presence(archive, metadata, findings)
    _check_copies(file, archive, page, kept, findings)
    if metadata is not None:
        _check_metadata(metadata, package, page, findings)
        _check_counts(file, archive, metadata, findings)
    if provenance is not None:
        _check_origin(provenance, metadata, kept, findings)
        _check_lineage(provenance, metadata, findings)
        check_captured(provenance, kept, findings)
        check_rendered(provenance, kept.rendered, findings)
        check_provenance(provenance, list(kept.responses.values()), kept.notes, findings)
    _check_notes(kept, findings)


def _json(file: BinaryIO, archive: Zip, name: str, findings: Findings) -> dict[str, Any] | None:
    member = archive.members.get(f"article/{name}")
    if member is None:
        return None  # _check_presence says so
    try:
        table = read_json(read_small(file, member))
    except (ValueError, EOFError, zlib.error) as error:
        findings.add("derived-broken", member.name, "JSON", error)
        return None
    if not isinstance(table, dict):
        findings.add("derived-broken", member.name, "an object", type(table).__name__)
        return None
    return table


def _check_presence(archive: Zip, metadata: Mapping[str, Any] | None, findings: Findings) -> None:
    """All files of an article, or none of them and a reason why."""
    present = [name for name in _ARTICLE if f"article/{name}" in archive.members]
    wanted = list(_ALWAYS)
    if present or (metadata is not None and metadata.get("no_article") is None):
        wanted += _ARTICLE
    for name in wanted:
        if f"article/{name}" not in archive.members:
            findings.add("derived-missing", f"article/{name}", "a member", "none")
    if present and metadata is not None and metadata.get("no_article") is not None:
        findings.add("derived-mismatch", "article/metadata.json", "no_article null", metadata["no_article"])


def _check_copies(file: BinaryIO, archive: Zip, page: Mapping[str, Any], kept: Derived, findings: Findings) -> None:
    """The text and the HTML stand in the bundle as files, as records, and the text in the page list."""
    for name, media_type in (("article.txt", "text/plain"), ("article.html", "text/html")):
        data = _data(file, archive, name)
        record = kept.conversions.get(media_type)
        if data is None:
            if record:
                findings.add("derived-missing", f"article/{name}", f"the text of {record.place}", "none")
            continue
        copies = [record, *(kept.resources if name == "article.html" else ())]
        if record is None or (name == "article.html" and not kept.resources):
            findings.add("derived-missing", "archive/derived.warc.gz", f"records that hold article/{name}", "none")
        digest = {"sha256": hashlib.sha256(data).digest()}
        for copy in copies:
            if copy is not None and copy.block.get("sha256", digest["sha256"]) != digest["sha256"]:
                findings.add("derived-text", copy.place, f"the bytes of article/{name}", "others")
        if name == "article.txt" and str(page.get("text", "")).encode("utf-8", "surrogatepass") != data:
            findings.add("derived-text", "pages/pages.jsonl", "the text of article/article.txt", "another")


def _data(file: BinaryIO, archive: Zip, name: str) -> bytes | None:
    member = archive.members.get(f"article/{name}")
    try:
        return read_small(file, member) if member else None
    except (EOFError, zlib.error):
        return None  # check_fixity has said so


def _check_metadata(
    metadata: Mapping[str, Any], package: Mapping[str, Any], page: Mapping[str, Any], findings: Findings
) -> None:
    place = "article/metadata.json"
    url = metadata.get("final_url")
    for where, found in ((PACKAGE, package.get("mainPageUrl")), ("pages/pages.jsonl", page.get("url"))):
        if found != url:
            findings.add("derived-mismatch", where, f"{url} ({place})", found)
    if package.get("mainPageDate") != page.get("ts"):
        findings.add("derived-mismatch", PACKAGE, page.get("ts"), package.get("mainPageDate"))


def _check_counts(file: BinaryIO, archive: Zip, metadata: Mapping[str, Any], findings: Findings) -> None:
    """Words of the text; and promise 1 as far as sums can show it: page = kept + removed."""
    place = "article/metadata.json"
    text = _data(file, archive, "article.txt")
    words = count_words(text.decode("utf-8", "replace")) if text is not None else 0
    _expect(findings, place, "words", words, metadata.get("words"))
    kept, removed = metadata.get("kept_chars"), metadata.get("removed_chars")
    if isinstance(kept, int) and isinstance(removed, int):
        _expect(findings, place, "page_chars", kept + removed, metadata.get("page_chars"))
    else:
        findings.add("derived-broken", place, "kept_chars and removed_chars", f"{kept}, {removed}")
    ledger = archive.members.get("article/removed.jsonl")
    if ledger is None:
        return
    try:
        lines = [read_json(line) for line in member_lines(file, ledger)]
    except (ValueError, EOFError, zlib.error) as error:
        findings.add("derived-broken", ledger.name, "one JSON object on each line", error)
        return
    if not all(isinstance(line, dict) for line in lines):
        findings.add("derived-broken", ledger.name, "one JSON object on each line", "something else")
        return
    _check_ledger(ledger.name, lines, metadata, findings)


def _check_ledger(
    place: str, lines: Sequence[Mapping[str, Any]], metadata: Mapping[str, Any], findings: Findings
) -> None:
    """The sums of the ledger against metadata.json; each removal's count against its own text."""
    concepts: dict[str, int] = {}
    for number, line in enumerate(lines, 1):
        chars, text = line.get("chars"), line.get("text")
        if type(chars) is not int or not isinstance(text, str) or parse_digest(str(line.get("digest"))) is None:
            findings.add("derived-broken", f"{place}:{number}", "chars, text and digest", line)
            continue
        if not _fits(line):
            findings.add("derived-broken", f"{place}:{number}", "score, doubt and leading as FORMAT.md has them", line)
        # White space is not counted, so that the folded text has as many characters as the nodes it came from.
        _expect(findings, f"{place}:{number}", "chars", sum(map(len, text.split())), chars)
        concepts[str(line.get("concept"))] = concepts.get(str(line.get("concept")), 0) + chars
    _expect(findings, place, "removals", metadata.get("removals"), len(lines))
    _expect(findings, place, "removed_chars", metadata.get("removed_chars"), sum(concepts.values()))
    _expect(findings, place, "removed", metadata.get("removed"), dict(sorted(concepts.items())))


def _fits(line: Mapping[str, Any]) -> bool:
    """Whether score and doubt are shares and the leading features pairs; early bundles have no doubt."""
    score, doubt, leading = line.get("score"), line.get("doubt", 0.0), line.get("leading", [])
    return (
        (score is None or _is_share(score))
        and _is_share(doubt)
        and isinstance(leading, list)
        and all(
            isinstance(pair, list) and len(pair) == 2 and isinstance(pair[0], str) and _is_number(pair[1])
            for pair in leading
        )
    )


def _is_share(value: object) -> bool:
    return _is_number(value) and 0 <= value <= 1  # type: ignore[operator] # a number


def _is_number(value: object) -> bool:
    return type(value) in (int, float)


def _expect(findings: Findings, place: str, name: str, expected: object, found: object) -> None:
    if expected != found:
        findings.add("derived-count", place, f"{name} {expected}", found)


def _check_origin(
    provenance: Mapping[str, Any], metadata: Mapping[str, Any] | None, kept: Derived, findings: Findings
) -> None:
    """provenance.json names the response that the article came from; conversions refer to the same."""
    place, origin = "article/provenance.json", provenance.get("original")
    if not isinstance(origin, dict):
        findings.add("derived-broken", place, "original, an object", type(origin).__name__)
        return
    record = kept.responses.get(str(origin.get("record")))
    if record is None:
        findings.add("derived-mismatch", place, "the id of a response record", origin.get("record"))
        return
    differs: list[tuple[str, object, object]] = [
        ("url", record.url, origin.get("url")),
        ("date", record.date, origin.get("date")),
    ]
    if metadata is not None:
        differs.append(("status", record.status or "0", str(metadata.get("status"))))
    read = _read_record(origin, metadata, kept)
    differs += [(item.place, read, item.fields.get("warc-refers-to")) for item in kept.conversions.values()]
    for name, expected, found in differs:
        if expected != found:
            findings.add("derived-mismatch", place, f"{name} {expected}", found)
    if matches(str(origin.get("payload")), record.payload) is False:
        findings.add("derived-mismatch", place, "the digest of the page's payload", origin.get("payload"))


def _read_record(origin: Mapping[str, Any], metadata: Mapping[str, Any] | None, kept: Derived) -> object:
    """The id of the record that the article was read from: the page, or the DOM that a browser made of it."""
    if (metadata or {}).get("source") != "dom":
        return origin.get("record")
    found = (record for record in kept.rendered if record.url.startswith("urn:dom:"))
    return next((record.fields.get("warc-record-id") for record in found), "a resource with the DOM")


def _check_lineage(provenance: Mapping[str, Any], metadata: Mapping[str, Any] | None, findings: Findings) -> None:
    """Parent and root of a derived bundle are others of the same capture, and the version before is an earlier one;
    whether they are so only a store can tell."""
    captured_at = str((metadata or {}).get("captured_at", ""))[:19]
    own = "".join(filter(str.isdigit, captured_at)) + "-"
    for wanted, read in (("parent and root of this capture", read_lineage), ("an earlier version", read_previous)):
        try:
            read(provenance, own)
        except FormatError as error:
            findings.add("derived-mismatch", "article/provenance.json", wanted, error.what)


def _check_notes(kept: Derived, findings: Findings) -> None:
    """A metadata record's payloadDigest is that of the response beside it: the only one a chunked body has."""
    for note in kept.notes:
        record = next((kept.responses[name] for name in note.concurrent if name in kept.responses), None)
        for line in (note.text or b"").split(b"\r\n"):
            if record and line.startswith(b"payloadDigest:"):
                stated = line.partition(b":")[2].strip().decode("utf-8", "replace")
                if matches(stated, record.payload) is False:
                    findings.add("derived-mismatch", note.place, f"the payload's digest of {record.place}", stated)
