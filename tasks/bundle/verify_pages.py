"""Page lists against the index: each page can be replayed at the time that it names."""

import re
import zlib
from collections.abc import Set
from typing import Any, BinaryIO

from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_index import timestamp
from tasks.bundle.verify_package import read_json
from tasks.bundle.verify_zip import Member, Zip, member_lines

__all__ = ["check_pages"]

MAIN = "pages/pages.jsonl"
_TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|[+-]\d\d:\d\d)", re.ASCII)


def check_pages(file: BinaryIO, archive: Zip, times: Set[tuple[str, str]], findings: Findings) -> dict[str, Any]:
    """The first page of pages/pages.jsonl (empty when there is none); every page list is checked."""
    first: dict[str, Any] = {}
    for name, member in archive.members.items():
        if name.startswith("pages/") and name.endswith(".jsonl") and member.start >= 0:
            try:
                page = _check_list(file, member, times, findings)
            except (zlib.error, EOFError, ValueError) as error:
                findings.add("pages-broken", name, "one JSON object on each line", error)
                continue
            first = page if name == MAIN else first
    return first


def _check_list(file: BinaryIO, member: Member, times: Set[tuple[str, str]], findings: Findings) -> dict[str, Any]:
    first: dict[str, Any] = {}
    for number, line in enumerate(member_lines(file, member), 1):
        if not line.strip():
            continue
        place = f"{member.name}:{number}"
        page = read_json(line)
        if not isinstance(page, dict):
            raise ValueError(f"line {number} is no object")
        if number == 1 and "url" not in page:
            if not str(page.get("format", "")).startswith("json-pages-"):
                findings.add("pages-broken", place, "a header with format json-pages-1.0", page.get("format"))
            continue
        if number == 1:  # ReplayWeb.page drops the first line whatever it is
            findings.add("pages-broken", place, "a header line", "a page")
        first = first or page
        _check_page(page, place, times, findings)
    return first


def _check_page(page: dict[str, Any], place: str, times: Set[tuple[str, str]], findings: Findings) -> None:
    url, moment = page.get("url"), page.get("ts")
    if not isinstance(url, str) or not isinstance(moment, str) or not _TIME.fullmatch(moment):
        findings.add("pages-field", place, "url and an RFC 3339 ts", f"{url}, {moment}")
    elif (url, timestamp(moment)[:14]) not in times:
        findings.add("pages-no-row", place, f"an index row of {url}", f"none at {moment}")
