"""The rules that WARC/1.1 sets for header fields, as tables; and those between records."""

import re
from datetime import datetime
from typing import Protocol

from tasks.bundle.verify_codes import Findings

__all__ = ["HTTP_TYPES", "CrossCheck", "check_fields", "parse_fields"]

HTTP_TYPES = {"response": "response", "request": "request", "revisit": "response"}  # record type: message in it

# https://iipc.github.io/warc-specifications/specifications/warc-format/warc-1.1/ sections 5 and 6
_MANDATORY = ("warc-record-id", "content-length", "warc-date", "warc-type")
_TYPES = {"warcinfo", "response", "resource", "request", "metadata", "revisit", "conversion", "continuation"}
_NEEDS = {
    "response": ("warc-target-uri",),
    "resource": ("warc-target-uri",),
    "request": ("warc-target-uri",),
    "revisit": ("warc-target-uri", "warc-profile"),
    "conversion": ("warc-target-uri",),
    "continuation": ("warc-target-uri", "warc-segment-origin-id", "warc-segment-number"),
}
_UNRELATED = ("warc-concurrent-to", "warc-ip-address")
_ORIGINAL = ("warc-refers-to-target-uri", "warc-refers-to-date", "warc-profile")
_PLAIN = ("warc-refers-to", "warc-filename", *_ORIGINAL)
_FORBIDDEN = {
    "warcinfo": (
        "warc-target-uri",
        "warc-payload-digest",
        "warc-refers-to",
        "warc-warcinfo-id",
        *_UNRELATED,
        *_ORIGINAL,
    ),
    "response": _PLAIN,
    "resource": _PLAIN,
    "request": _PLAIN,
    "metadata": ("warc-filename", "warc-payload-digest", "warc-identified-payload-type", *_ORIGINAL),
    "revisit": ("warc-filename",),
    "conversion": ("warc-filename", *_UNRELATED, *_ORIGINAL),
    "continuation": (*_PLAIN, *_UNRELATED),
}
_TRUNCATED = {"length", "time", "disconnect", "unspecified"}

_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_ID = re.compile(r"<[A-Za-z][A-Za-z0-9+.-]*:[^\s<>]+>")
_DATE = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(\.\d{1,9})?Z", re.ASCII)
_DIGEST = re.compile(r"[A-Za-z0-9_-]+:[A-Za-z0-9+/_=-]+")


def parse_fields(header: bytes, place: str, findings: Findings) -> tuple[dict[str, str], tuple[str, ...]]:
    """The named fields (names lower-case, the first value of each), and every WARC-Concurrent-To."""
    fields: dict[str, str] = {}
    concurrent: list[str] = []
    try:
        text = header.decode("utf-8")
    except UnicodeDecodeError:
        findings.add("field-form", place, "UTF-8", "other bytes")
        text = header.decode("latin-1")
    if not text.count("\n") == text.count("\r\n") == text.count("\r"):
        findings.add("field-form", place, "lines that end in CR LF", "other line ends")
    for line in text.split("\n"):
        line = line.rstrip("\r")
        if not line:
            continue
        name, colon, value = line.partition(":")
        if line[0] in " \t":
            findings.add("field-form", place, "fields on one line each", line)
        elif not colon or not _NAME.fullmatch(name):
            findings.add("field-invalid", place, "name: value", line)
        elif name.lower() == "warc-concurrent-to":
            concurrent.append(value.strip())
        elif name.lower() in fields:
            findings.add("field-repeated", place, "once", name)
        else:
            fields[name.lower()] = value.strip()
    url = fields.get("warc-target-uri", "")
    if url.startswith("<") and url.endswith(">"):  # written so by tools that followed WARC/1.0 to the letter
        fields["warc-target-uri"] = url[1:-1]
    return fields, tuple(concurrent)


def check_fields(
    kind: str, version: str, fields: dict[str, str], concurrent: tuple[str, ...], place: str, findings: Findings
) -> int | None:
    """Content-Length, with every broken rule among the findings; None when it cannot be read."""
    for name in (*_MANDATORY, *_NEEDS.get(kind, ())):
        if not fields.get(name):
            findings.add("field-missing", place, name)
    if kind and kind not in _TYPES:
        findings.add("record-type", place, "a type of WARC/1.1", kind)
    for name in _FORBIDDEN.get(kind, ()):
        if name in fields or (concurrent and name == "warc-concurrent-to"):
            findings.add("field-forbidden", place, f"no {name} on {kind}", fields.get(name, ""))
    _check_values(fields, concurrent, place, findings)
    if "warc-truncated" in fields and kind != "revisit":
        findings.add("record-truncated", place, "a whole payload", fields["warc-truncated"])
    if "warc-segment-number" in fields:
        findings.add("record-segmented", place, "a whole record", f"segment {fields['warc-segment-number']}")
    length = fields.get("content-length", "")
    if not (length.isascii() and length.isdigit() and len(length) < 19):
        if length:
            findings.add("field-invalid", place, "a number of bytes", f"Content-Length: {length}")
        return None
    return int(length)


def _check_values(fields: dict[str, str], concurrent: tuple[str, ...], place: str, findings: Findings) -> None:
    ids = [(name, fields[name]) for name in ("warc-record-id", "warc-refers-to", "warc-warcinfo-id") if name in fields]
    for name, value in (*ids, *(("warc-concurrent-to", value) for value in concurrent)):
        if value and not _ID.fullmatch(value):
            findings.add("field-invalid", place, "<urn:uuid:…>", f"{name}: {value}")
    for name in ("warc-date", "warc-refers-to-date"):
        if fields.get(name) and not _is_date(fields[name]):
            findings.add("field-invalid", place, "2026-11-23T10:20:30Z", f"{name}: {fields[name]}")
    for name in ("warc-block-digest", "warc-payload-digest"):
        if name in fields and not _DIGEST.fullmatch(fields[name]):
            findings.add("field-invalid", place, "algorithm:value", f"{name}: {fields[name]}")
    if fields.get("warc-truncated", "length").lower() not in _TRUNCATED:
        findings.add(
            "field-invalid", place, ", ".join(sorted(_TRUNCATED)), f"warc-truncated: {fields['warc-truncated']}"
        )


def _is_date(text: str) -> bool:
    match = _DATE.fullmatch(text)
    try:
        return bool(match and datetime.fromisoformat(match[1]))
    except ValueError:
        return False


class _Linked(Protocol):
    """What the rules between records need of a record."""

    fields: dict[str, str]
    concurrent: tuple[str, ...]

    @property
    def type(self) -> str: ...
    @property
    def url(self) -> str: ...
    @property
    def date(self) -> str: ...
    @property
    def place(self) -> str: ...


class CrossCheck:
    """The rules between records; feed every record of all WARC files of a WACZ, then call `finish`."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._seen: dict[str, tuple[str, str]] = {}  # record id: (type, date)
        self._references: list[tuple[str, str, str, str, str]] = []  # place, field, id, type, date
        self._originals: dict[tuple[str, str], str] = {}  # (URL, date): payload digest
        self._revisits: list[tuple[str, str, str, str]] = []  # place, URL, date, digest

    def add(self, record: _Linked) -> None:
        """Take note of one record."""
        fields, name = record.fields, record.fields.get("warc-record-id", "")
        if name in self._seen:
            self._findings.add("record-id-duplicate", record.place, "a WARC-Record-ID of its own", name)
        self._seen[name] = (record.type, record.date)
        links = [("WARC-Concurrent-To", value) for value in record.concurrent]
        links += [(key, fields[key.lower()]) for key in ("WARC-Refers-To", "WARC-Warcinfo-ID") if key.lower() in fields]
        for key, value in links:
            self._references.append((record.place, key, value, record.type, record.date))
        digest = fields.get("warc-payload-digest", "")
        if record.type in ("response", "resource"):
            self._originals[record.url, record.date] = digest
        elif record.type == "revisit" and "identical-payload" in fields.get("warc-profile", ""):
            url = fields.get("warc-refers-to-target-uri", record.url).strip("<>")
            self._revisits.append((record.place, url, fields.get("warc-refers-to-date", ""), digest))

    def finish(self) -> None:
        """Resolve what refers to other records."""
        for place, key, value, kind, date in self._references:
            if value not in self._seen:
                if not (kind == "revisit" and key == "WARC-Refers-To"):
                    self._findings.add("reference-missing", place, f"{key} {value}", "no such record")
                continue
            other, other_date = self._seen[value]
            if key == "WARC-Concurrent-To" and {kind, other} == {"request", "response"} and date != other_date:
                self._findings.add("pair-date", place, other_date, date)
        for place, url, date, digest in self._revisits:
            original = self._originals.get((url, date))
            if original is None:
                self._findings.add("revisit-unresolved", place, f"{url} at {date}", "not in this file")
            elif original and digest.lower() != original.lower():
                self._findings.add("revisit-digest", place, original, digest)
