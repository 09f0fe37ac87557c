"""What verify can find: the table of problem codes, and the list that collects findings in one pass."""

from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from tasks.records import Problem

__all__ = ["CODES", "Code", "Findings"]

MAX_PROBLEMS = 1000  # notes apart; a hostile file must not fill the memory with findings
MAX_NOTES = 100  # of one code: a crawl of a million sound records may have as many, and is read to its end
MAX_DETAIL = 300  # characters of `expected` and `found`


class Code(NamedTuple):
    """What a code means, and how bad it is in anyone's file and in a bundle of ours.

    error         the file contradicts itself or its standard: not sound
    unverifiable  can neither be proven nor refuted here: not sound
    note          worth knowing, nothing is lost or wrong: sound

    Many notes are errors in a bundle of ours, because Tearsheet never writes such a thing.
    """

    meaning: str
    severity: str = "error"
    ours: str = "error"


CODES: dict[str, Code] = {
    # ---- the file as a whole
    "unknown-format": Code("neither a WACZ (zip) nor a WARC, by its first bytes"),
    "file-digest": Code("the file's sha256 is not the one expected of it"),
    "too-many-problems": Code("more problems than are listed; the rest was not recorded"),
    "manifest-mismatch": Code("the manifest beside the bundle is none, or says something else than the bundle"),
    "parent-missing": Code("the bundle that this one was derived from is not in the store", "note", "note"),
    "source-missing": Code("the file that an imported bundle was made from is not in the store", "note", "note"),
    "source-mismatch": Code("the file that an imported bundle was made from has another size than the bundle says"),
    "parent-mismatch": Code("the bundle that this one names as its parent or root is another, or of another capture"),
    "previous-missing": Code("the version that this one follows is neither stored nor taken down", "note", "note"),
    "previous-mismatch": Code("the version that this one says it follows is another bundle, or a later capture"),
    # ---- zip storage
    "zip-broken": Code("the zip's directory cannot be read"),
    "zip-header": Code("a member's local header contradicts the directory"),
    "zip-overlap": Code("two members share bytes"),
    "zip-gap": Code("bytes that belong to no member: before, between or behind them"),
    "zip-duplicate": Code("two members of one name"),
    "zip-name": Code("a name that is unsafe to extract: absolute, '..', backslash, control character, link"),
    "zip-directory": Code("an entry for a directory", "note"),
    "zip-encrypted": Code("a member is encrypted"),
    "zip-method": Code("a compression that WACZ does not know; STORED and DEFLATE are allowed"),
    "zip-compressed": Code("a member that readers seek in (archive/*, *.gz) is compressed again"),
    "zip-data": Code("a member's data cannot be decompressed, or have another size than the directory says"),
    "zip-crc": Code("a member's CRC-32 is wrong"),
    "zip-not-canonical": Code("a bundle of ours differs from the one byte form that Tearsheet writes"),
    # ---- layout and datapackage
    "layout-missing": Code("a member that WACZ requires is missing"),
    "layout-extra": Code("a file in archive/, indexes/ or pages/ that does not belong there"),
    "package-broken": Code("datapackage.json or datapackage-digest.json is not the JSON that WACZ describes"),
    "package-version": Code("no wacz_version, or one that is not known"),
    "package-old-version": Code("an older version of WACZ than 1.1.1; readable", "note"),
    "package-no-digest": Code("no datapackage-digest.json: nothing guards datapackage.json itself", "note"),
    "package-digest": Code("datapackage-digest.json does not hold the hash of datapackage.json"),
    "package-name": Code("two resources of one name, or one without a name", "note"),
    "member-missing": Code("a member that datapackage.json lists is not there"),
    "member-unlisted": Code("a member that datapackage.json does not list"),
    "member-hash": Code("a member's hash is not the one listed"),
    "member-bytes": Code("a member's size is not the one listed"),
    "digest-unknown": Code("a digest of an unknown algorithm or form", "unverifiable"),
    # ---- signature
    "signature-broken": Code("signedData is not what WACZ signing (wacz-auth) describes"),
    "signature-wrong": Code("the signature is not that of this package by the key or certificate it brings"),
    "signature-certificate": Code(
        "no authority known here issued the signature's certificate for that domain and time"
    ),
    "signature-form": Code("signedData has properties too many or too few, or is not in its one form", "note"),
    "signature-unverified": Code("a signature by a kind of key that this version cannot check", "unverifiable"),
    "signature-domain": Code("a domain's genuine signature; who gave its time stamp is not known here", "note"),
    "signature-required": Code("a signature by a known key was asked for, and there is none"),
    "timestamp-missing": Code(
        "a time stamp was wanted and could not be had; `tearsheet timestamp` adds it", "note", "note"
    ),
    "timestamp-unknown": Code(
        "a time stamp by an authority that timestamp_ca does not name: no proof here", "note", "note"
    ),
    "timestamp-wrong": Code("the time stamp is broken, over something else, or does not fit the time of signing"),
    # ---- WARC records
    "warc-empty": Code("a WARC without a record"),
    "gzip-broken": Code("a gzip member cannot be decompressed, or is cut off"),
    "gzip-many-records": Code("one gzip member holds several records: no reader can seek in it"),
    "gzip-split-record": Code("a record goes on in another gzip member: no reader can seek in it"),
    "record-header": Code("no WARC record starts here, or its header does not end"),
    "record-length": Code("the block is not as long as Content-Length says"),
    "record-cut": Code("the file ends within a record"),
    "field-missing": Code("a mandatory WARC field is missing"),
    "field-invalid": Code("a WARC field has no valid value"),
    "field-forbidden": Code("a WARC field that this type of record must not have", "note"),
    "field-repeated": Code("a WARC field stands twice", "note"),
    "field-form": Code("line ends, folding or bytes of the WARC header depart from the standard", "note"),
    "record-type": Code("a type of record that WARC/1.1 does not know", "note"),
    "record-id-duplicate": Code("two records of one WARC-Record-ID", "note"),
    "reference-missing": Code("a record refers to one that is not in this file", "note"),
    "pair-date": Code("request and response of one exchange have different dates", "note"),
    "record-truncated": Code("the record says that its payload was cut when it was captured", "note", "note"),
    "record-segmented": Code("a record in segments: its payload was not put together", "unverifiable"),
    "block-digest": Code("the block does not have the digest that the record says"),
    "block-digest-none": Code("the record has no block digest", "note"),
    "payload-digest": Code("the payload does not have the digest that the record says"),
    "payload-digest-raw": Code("the payload digest was taken over the chunk framing too", "note"),
    "http-head": Code("the block is no HTTP message"),
    "http-head-end": Code("the HTTP head does not end in an empty line", "note"),
    "http-chunks": Code("the chunked body breaks off or has a wrong chunk size"),
    "http-not-chunked": Code("chunked by its header, but the framing was taken off", "note", "note"),
    "http-length": Code("the body is not as long as the HTTP Content-Length says", "note", "note"),
    "revisit-unresolved": Code("a revisit whose original is not in this file", "note"),
    "revisit-digest": Code("a revisit whose original has another payload digest"),
    # ---- index
    "index-broken": Code("an index file cannot be read"),
    "index-row": Code("a line of the index is no CDXJ row, or lacks a mandatory property"),
    "index-order": Code("index rows are not sorted: readers that search it may miss some", "note"),
    "index-duplicate": Code("two index rows for one record"),
    "index-no-record": Code("an index row points where no record starts"),
    "index-length": Code("an index row has another length than the record"),
    "index-url": Code("an index row has another URL than the record"),
    "index-key": Code("the sort key of a row is not the SURT of its URL", "note"),
    "index-date": Code("an index row has another date than the record"),
    "index-digest": Code("an index row has another digest than the payload"),
    "index-record-digest": Code("an index row's recordDigest is not that of the record's bytes"),
    "index-status": Code("an index row has another status than the response"),
    "index-mime": Code("an index row has another media type than the record", "note"),
    "index-missing-row": Code("a response or revisit record without an index row"),
    "index-block": Code("a block of the compressed index is not what its .idx line says"),
    # ---- pages and what was derived
    "pages-broken": Code("a page list has a line that is no JSON object, or no header line"),
    "pages-field": Code("a page without url or ts, or with one of a wrong form"),
    "pages-no-row": Code("a page that the index does not have at that time"),
    "derived-missing": Code("a derived file or record that a bundle of ours must have is missing"),
    "derived-broken": Code("a derived file is not the JSON that FORMAT.md describes"),
    "derived-text": Code("two copies of the clean text or HTML differ"),
    "derived-count": Code("a count does not fit what it counts"),
    "derived-mismatch": Code("two places of the bundle say different things of the same matter"),
}

# What an imported bundle may have, because its blocks are as another tool captured them.
AS_CAPTURED = frozenset({"http-head-end"})


class Findings:
    """Problems in the order they were found; severities are settled once it is known whose file it is."""

    def __init__(self) -> None:
        self._found: list[tuple[str, str, str, str]] = []
        self._over = False
        self._errors = 0
        self._notes: Counter[str] = Counter()
        self.ours = False  # set once datapackage.json says that Tearsheet wrote the file
        self.imported = False  # set once provenance.json says that another tool captured what is in it

    def add(self, code: str, place: str, expected: object = "", found: object = "") -> None:
        """Record one finding; `code` is a key of CODES."""
        if CODES[code].severity == "note":
            self._notes[code] += 1
            if self._notes[code] <= MAX_NOTES:
                self._found.append((code, place[:MAX_DETAIL], _clip(expected), _clip(found)))
            return
        self._errors += 1
        if self._errors > MAX_PROBLEMS:
            if not self._over:
                self._over = True
                self._found.append(("too-many-problems", place, f"at most {MAX_PROBLEMS}", "more"))
            return
        self._found.append((code, place[:MAX_DETAIL], _clip(expected), _clip(found)))

    @property
    def full(self) -> bool:
        """Whether more would not be recorded: a reader of hostile bytes may stop."""
        return self._over

    def __iter__(self) -> Iterator[Problem]:
        more = [(code, count - MAX_NOTES) for code, count in self._notes.items() if count > MAX_NOTES]
        rest = [(code, "further places", f"{MAX_NOTES} are listed", f"{count} more") for code, count in more]
        end = len(self._found) - self._over  # that there are too many is said last
        for code, place, expected, found in (*self._found[:end], *rest, *self._found[end:]):
            kind = CODES[code]
            strict = self.ours and not (self.imported and code in AS_CAPTURED)
            yield Problem(code, place, expected, found, kind.ours if strict else kind.severity)


def _clip(value: object) -> str:
    text = str(value)
    text = text if len(text) <= MAX_DETAIL else text[:MAX_DETAIL] + "…"
    return text if text.isprintable() else repr(text)[1:-1]
