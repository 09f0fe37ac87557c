"""Lists of URLs and CSV tables in, URLs out."""

import csv
import io
import re

from tasks.errors import FormatError
from tasks.sources.found import Discovery, Fetched, Found
from tasks.sources.urls import is_url, text_of

__all__ = ["parse_csv", "parse_list"]

_NO_URL = "no http or https URL"
_DELIMITERS = ",;\t"


def parse_list(answer: Fetched) -> Discovery:
    """The URLs of a list: one a line; empty lines and what follows ` #` or a leading # are left out."""
    found, passed = list[Found](), list[tuple[Found, str]]()
    for number, line in enumerate(text_of(answer.payload).splitlines(), 1):
        url = (re.sub(r"(^|\s)#.*", "", line) if "#" in line else line).strip()
        if is_url(url):
            found.append(Found(url, "named in the list"))  # no text of its own for each of a million
        elif url:
            passed.append((Found(url, f"line {number} of the list"), _NO_URL))
    return Discovery(tuple(found), tuple(passed), validators=answer.validators)


def parse_csv(answer: Fetched, column: str) -> Discovery:
    """The URLs in `column` of a table whose first row names the columns; commas, semicolons or tabs part them.

    Raises FormatError where there is no such column, or no table.
    """
    rows = csv.reader(io.StringIO(text_of(answer.payload), newline=""), delimiter=_delimiter(answer.payload))
    found, passed = list[Found](), list[tuple[Found, str]]()
    try:
        names = [name.strip() for name in next(rows, [])]
        at = _place(names, column, answer.url)
        for row in rows:
            url = row[at].strip() if at < len(row) else ""
            if is_url(url):
                found.append(Found(url, "named in the table"))
            elif any(row):
                why_not = _NO_URL if url else f"nothing in column {column}"
                passed.append((Found(url, f"line {rows.line_num} of the table"), why_not))
    except csv.Error as error:
        where = f"{answer.url}:{rows.line_num}"
        raise FormatError(f"no CSV: {error}", where=where, remedy="Save it as CSV with a row of names") from None
    return Discovery(tuple(found), tuple(passed), validators=answer.validators)


def _delimiter(payload: bytes) -> str:
    """What parts the columns, by the first row."""
    head = text_of(payload[:65_536]).lstrip().partition("\n")[0]
    return max(_DELIMITERS, key=head.count)


def _place(names: list[str], column: str, where: str) -> int:
    folded = [name.casefold() for name in names]
    if column in names:
        return names.index(column)
    if column.casefold() in folded:
        return folded.index(column.casefold())
    shown = ", ".join(re.sub(r"[^\w .-]", "\ufffd", name[:40]) for name in names[:20]) or "none"
    raise FormatError(f"no column {column!r}", where=where, remedy=f"Set `column` to one of: {shown}")
