"""What is derived from the page and stands beside it in the bundle: article files, ledger, metadata, provenance."""

import html
from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from tasks.bundle.jsons import json_line, json_page, utf8
from tasks.bundle.manifest import metadata_fields, removed_chars
from tasks.records import Article, Capture, Metadata, PageText, Removal, Sourced, Verdict

__all__ = ["METADATA_FORMAT", "article_document", "article_files", "ledger", "metadata_json"]

METADATA_FORMAT = "tearsheet-metadata/1"
UNREADABLE = ("decoded-over-limit", "unknown-coding")  # flags of HTML whose text could not be had
_REMOVAL = tuple(item.name for item in fields(Removal))
# The saved article fetches nothing, runs nothing: pictures are links until it is opened in a replay.
POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def article_files(
    capture: Capture, page: PageText, verdict: Verdict, article: Article | None, metadata: Metadata
) -> dict[str, bytes]:
    """Every file of article/ but provenance.json, in the order of the bundle; without an article metadata.json alone.

    They follow from the capture and from what was read of it: where they are the same, nothing new was found.
    """
    files = {}
    if article:
        files["article.html"] = article_document(article, metadata, capture.final_url)
        files["article.md"] = utf8(article.markdown)
        files["article.txt"] = utf8(article.text)
    files["metadata.json"] = metadata_json(capture, page, verdict, article, metadata)
    if article:
        files["removed.jsonl"] = ledger(article)
    return files


def article_document(article: Article, metadata: Metadata, url: str) -> bytes:
    """The clean article as an HTML document that stands alone."""
    language = f' lang="{html.escape(metadata.language.value)}"' if metadata.language else ""
    title = metadata.title.value if metadata.title else url
    return utf8(
        f"<!doctype html>\n<html{language}>\n<head>\n"
        '<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">\n'
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{html.escape(title, quote=False)}</title>\n"
        f'<link rel="canonical" href="{html.escape(url)}">\n'
        f"</head>\n<body>\n{article.html}\n</body>\n</html>\n"
    )


def ledger(article: Article) -> bytes:
    """removed.jsonl: one removal a line, in the order of the page; the sums stand in metadata.json."""
    return b"".join(json_line(_removal(removal)) + b"\n" for removal in article.removals)


def _removal(removal: Removal) -> dict[str, Any]:
    return {name: getattr(removal, name) for name in _REMOVAL}


def metadata_json(
    capture: Capture, page: PageText, verdict: Verdict, article: Article | None, metadata: Metadata
) -> bytes:
    """metadata.json: what the page says of itself, each field with its source, and what became of it."""
    removed = removed_chars(article)
    table: Mapping[str, Any] = {
        "format": METADATA_FORMAT,
        "url": capture.url,
        "final_url": capture.final_url,
        "captured_at": f"{capture.started_at:%Y-%m-%dT%H:%M:%S.%fZ}",
        "mode": capture.mode,
        "verdict": verdict.as_json(),
        "status": capture.page.status,
        "media_type": page.media_type,
        "charset": page.charset,
        "charset_source": page.charset_source,
        "decode_flags": list(page.flags),
        "no_article": None if article else _why_not(page),
        **{name: _with_rivals(item, getattr(metadata, name)) for name, item in metadata_fields(metadata).items()},
        "next_page": (article.next_page or None) if article else None,
        "words": article.words if article else 0,
        "page_chars": article.page_chars if article else 0,
        "kept_chars": article.kept_chars if article else 0,
        "removed_chars": sum(removed.values()),
        "removed": removed,
        "removals": len(article.removals) if article else 0,
        "parser": article.parser if article else None,
        "source": article.source if article else None,
        "parse_flags": list(article.flags) if article else [],
    }
    return json_page(table)


def _with_rivals(item: dict[str, Any] | None, field: Sourced[Any] | None) -> dict[str, Any] | None:
    """A field as in the manifest, and the values that lost."""
    if item is None or field is None:
        return None
    return item | {"rivals": [{"value": rival.value, "source": rival.source} for rival in field.rivals]}


def _why_not(page: PageText) -> str:
    """Why there is no article."""
    if page.text is not None:
        return "no-article"
    return next((flag for flag in page.flags if flag in UNREADABLE), "not-html")
