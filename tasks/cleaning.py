"""Cleaning of saved pages, without archiving: one file, or a batch of JSON lines."""

import json
import sys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, TextIO

from tasks.bundle.manifest import removed_chars
from tasks.capture.charset import decide_charset, decode_text
from tasks.clean import RuleSet, load_rules
from tasks.errors import FormatError, NotFound
from tasks.garbage import collected_seldom
from tasks.reading import read_article
from tasks.records import Article, Metadata, Removal, Sourced

__all__ = ["Cleaned", "batch_lines", "clean_file", "clean_html", "cleaned_json", "read_batch", "read_html"]


@dataclass(frozen=True, slots=True)
class Cleaned:
    """One cleaned page."""

    id: str
    url: str
    article: Article
    metadata: Metadata
    verdict: str  # ok or thin: there is no response to judge


def clean_html(html: str, *, id_: str, url: str, rules: RuleSet, thin_words: int) -> Cleaned:
    """The page cleaned and described."""
    article, metadata = read_article(html, url=url, rules=rules)
    return Cleaned(id_, url, article, metadata, "ok" if article.words >= thin_words else "thin")


def clean_file(file: str, *, url: str, dirs: Sequence[Path], thin_words: int) -> Cleaned:
    """The page of an HTML file, or of stdin for "-", cleaned."""
    return clean_html(read_html(file), id_=file, url=url, rules=load_rules(tuple(dirs)), thin_words=thin_words)


def read_html(file: str) -> str:
    """The text of an HTML file, or of stdin for "-"; its charset is found as for a captured page."""
    try:
        stdin = sys.stdin.buffer.read() if file == "-" and sys.stdin else b""
        payload = stdin if file == "-" else Path(file).read_bytes()
    except OSError as error:
        raise NotFound(error.strerror or str(error), where=file, remedy="Name an HTML file that can be read") from error
    return decode_text(payload, decide_charset(payload, ""))[0]


def batch_lines(file: str, out: TextIO, *, dirs: Sequence[Path], thin_words: int) -> int:
    """Cleans JSON lines {"id","url","html"} of a file or stdin onto `out`, one line each; the number of broken lines.

    A line that is no such object gives {"id": null, "error": …} in its place; none is lost and none stops the rest.
    """
    rules = load_rules(tuple(dirs))
    failed = 0
    with _opened(file) as stream, collected_seldom() as page_done:
        for number, line in _filled(stream):
            failed += not _answer(line, number, out, rules, thin_words)
            page_done()
    out.flush()
    return failed


def _answer(line: bytes, number: int, out: TextIO, rules: RuleSet, thin_words: int) -> bool:
    """Write what becomes of one line; whether it was a page."""
    try:
        row = _row(line, number)
    except FormatError as error:
        out.write(json.dumps({"id": None, "line": number, "error": str(error)}) + "\n")
        return False
    cleaned = clean_html(row["html"], id_=row["id"], url=row.get("url") or "", rules=rules, thin_words=thin_words)
    ascii_only = (out.encoding or "utf-8").lower() != "utf-8"  # JSON is UTF-8, or ASCII with escapes
    out.write(json.dumps(cleaned_json(cleaned), ensure_ascii=ascii_only) + "\n")
    return True


def read_batch(file: str) -> Iterator[dict[str, Any]]:
    """The objects of a file of JSON lines {"id","url","html"}; FormatError at the first line that is none."""
    with _opened(file) as stream:
        yield from (_row(line, number) for number, line in _filled(stream))


def _opened(file: str) -> AbstractContextManager[Iterable[bytes]]:
    if file == "-":
        return nullcontext(sys.stdin.buffer if sys.stdin else ())
    try:
        return Path(file).open("rb")
    except OSError as error:
        raise NotFound(error.strerror or str(error), where=file, remedy="Name a file of JSON lines") from error


def _filled(lines: Iterable[bytes]) -> Iterable[tuple[int, bytes]]:
    """Number and text of each line that is not empty."""
    return ((number, line) for number, line in enumerate(lines, 1) if line.strip())


def _row(line: bytes, number: int) -> dict[str, Any]:
    try:
        row = json.loads(line.decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:  # UnicodeDecodeError is a ValueError
        raise FormatError(f"not JSON: {error}", where=f"line {number}", remedy="One object a line") from error
    fits = isinstance(row, dict) and isinstance(row.get("html"), str) and isinstance(row.get("url") or "", str)
    if not fits or "id" not in row:
        raise FormatError(
            'no object with "id" and "html"', where=f"line {number}", remedy='Write {"id": …, "url": …, "html": …}'
        )
    return dict(row)


_REMOVAL = tuple(field.name for field in fields(Removal))  # asdict copies deeply, at five times the cost


def cleaned_json(cleaned: Cleaned) -> dict[str, Any]:
    """The fields of `clean --json`."""
    metadata, article = cleaned.metadata, cleaned.article
    return {
        "id": cleaned.id,
        "url": cleaned.url,
        "title": _value(metadata.title),
        "authors": list(metadata.authors.value) if metadata.authors else [],
        "published": _value(metadata.published),
        "modified": _value(metadata.modified),
        "site": _value(metadata.site),
        "language": _value(metadata.language),
        "description": _value(metadata.description),
        "text": article.text,
        "captions": list(article.captions),
        "next_page": article.next_page or None,
        "markdown": article.markdown,
        "html": article.html,
        "removed": [{name: getattr(removal, name) for name in _REMOVAL} for removal in article.removals],
        "removed_by_concept": removed_chars(article),
        "verdict": cleaned.verdict,
        "parse_flags": list(article.flags),
    }


def _value(field: Sourced[str] | None) -> str | None:
    return field.value if field else None
