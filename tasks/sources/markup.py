"""XML and HTML of strangers, parsed without entities, without network and within lxml's own bounds."""

import re
from typing import Any

from tasks.sources.found import Fetched
from tasks.sources.urls import charset_of

__all__ = ["name_of", "parse_html", "parse_xml"]

_DEEP_OR_BROKEN = "the markup is broken and was mended"
# Nothing in it is ever tried twice (++, *+, ?+), so that it is linear whatever the page holds.
_ATTRIBUTE = r"""[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"?+|'[^']*+'?+|[^\s>"'][^\s>]*+)?+)?+"""
_CROWDED = re.compile(rf"(<[A-Za-z][^\s/>]*+(?:{_ATTRIBUTE}){{1000}}+)(?:{_ATTRIBUTE})++".encode())


def parse_xml(answer: Fetched) -> tuple[Any, tuple[str, ...]]:
    """The root element, None where there is none, and a note where the markup had to be mended.

    Entities stay what they are, a reference: nothing is expanded, read or fetched.
    """
    from lxml import etree

    payload = answer.payload.lstrip()  # blank lines before the declaration are common, and no XML
    declared = payload.startswith(b"<?xml") and b"encoding" in payload[:200].partition(b"?>")[0]
    parser = etree.XMLParser(
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        recover=True,
        huge_tree=False,
        remove_comments=True,
        remove_pis=True,
        encoding=None if declared else charset_of(answer.content_type) or None,
    )
    try:
        root = etree.fromstring(payload, parser)
    except (etree.XMLSyntaxError, ValueError, LookupError):
        return None, ()
    return root, (_DEEP_OR_BROKEN,) if len(parser.error_log) else ()


def parse_html(answer: Fetched) -> tuple[Any, tuple[str, ...]]:
    """The root element of a page, None where there is none, and a note where not all of it could be read.

    Decoded as the Content-Type says, else as UTF-8 where it is that, else as its <meta> says.
    """
    from lxml import etree

    parser = etree.HTMLParser(
        no_network=True, huge_tree=False, remove_comments=True, remove_pis=True, encoding=_encoding(answer)
    )
    try:
        root = etree.fromstring(_trimmed(answer.payload), parser)
    except (etree.XMLSyntaxError, ValueError, LookupError):
        return None, ()
    log = parser.error_log
    stopped = len(log) > 0 and log[-1].level_name == "FATAL"  # at a limit libxml2 stops without an exception
    return root, (f"the page was read up to line {log[-1].line} only: {log[-1].message}",) if stopped else ()


def _trimmed(payload: bytes) -> bytes:
    """The page without attributes beyond the first 1,000 of a tag: libxml2 takes 40 s for 40,000 of them."""
    return _CROWDED.sub(rb"\1", payload)


def _encoding(answer: Fetched) -> str | None:
    named = charset_of(answer.content_type)
    if named:
        return named
    try:
        answer.payload.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return "utf-8"


def name_of(node: Any) -> str:
    """The element's name in lower case without its namespace; empty for what is no element."""
    return node.tag.rpartition("}")[2].lower() if isinstance(node.tag, str) else ""
