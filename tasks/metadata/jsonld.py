"""JSON-LD of a page: read with patience, flattened, the article's own objects first."""

import html
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

from lxml import etree

from tasks.metadata.text import absolute, clip, plain
from tasks.metadata.words import ARTICLE_TYPES, PAGE_TYPES

__all__ = ["LinkedData", "Node", "linked_data", "names_of", "parse_json", "strings_of", "urls_of"]

MAX_SCRIPT = 500_000  # characters of one script; more is a catalogue, not an article
MAX_TOTAL = 2_000_000
MAX_NODES = 5_000
MAX_DEPTH = 8

Node = dict[str, Any]

_CONTROL = re.compile(r"[\x00-\x1f]+")
_TRAILING_COMMA = re.compile(r",\s*([}\]])")
_OPENERS = ("<!--", "//<![CDATA[", "// <![CDATA[", "/*<![CDATA[*/", "/* <![CDATA[ */", "<![CDATA[")
_CLOSERS = ("-->", "//]]>", "// ]]>", "/*]]>*/", "/* ]]> */", "]]>", ";", "//")
# Where further objects of this page hang; anything else (publisher, isPartOf, comment) is about something else.
_INWARD = ("@graph", "mainEntity", "mainEntityOfPage", "hasPart", "itemListElement")


@dataclass(slots=True)
class LinkedData:
    """The objects of a page by what they are, in document order (articles that name this page first)."""

    articles: list[Node] = field(default_factory=list)
    pages: list[Node] = field(default_factory=list)
    people: list[Node] = field(default_factory=list)
    sites: list[Node] = field(default_factory=list)
    others: list[Node] = field(default_factory=list)
    by_id: dict[str, Node] = field(default_factory=dict)

    @property
    def body(self) -> str:
        """The longest `articleBody` that an article states, tags and entities as given; "" for none."""
        bodies = (node.get("articleBody") for node in self.articles)
        return max((body for body in bodies if isinstance(body, str)), key=len, default="")


def linked_data(root: etree._Element, url: str) -> LinkedData:
    """The linked data in the `ld+json` scripts of a page and what libxml2 left beside it; broken ones are skipped."""
    found = LinkedData()
    left, nodes = MAX_TOTAL, 0
    trees = (tree for tree in (root, *root.itersiblings()) if isinstance(tree.tag, str))
    for script in chain.from_iterable(tree.iter("script") for tree in trees):
        if "ld+json" not in (script.get("type") or "").lower():
            continue
        text = script.text or ""
        if len(text) > min(MAX_SCRIPT, left):
            continue
        left -= len(text)
        for node in _objects(parse_json(text)):
            nodes += 1
            if nodes > MAX_NODES:
                break
            _sort_in(node, found)
    found.articles.sort(key=lambda node: url not in {absolute(url, text) for text in urls_of(_places(node))})
    return found


def parse_json(text: str) -> Any:
    """The JSON in a script, mended where that is safe (comments around, control characters, commas); None if broken."""
    text = _unwrapped(text)
    if not text:
        return None
    value = _loads(text)
    if value is None:
        mended = _TRAILING_COMMA.sub(r"\1", _CONTROL.sub(" ", text))
        value = _loads(mended)
        if value is None:
            value = _loads(html.unescape(mended)) if "&" in mended else None
    return value


def _loads(text: str) -> Any:
    """One JSON value, or all of several written one after the other; None where the first is broken."""
    decoder = json.JSONDecoder(strict=False)
    values: list[Any] = []
    at = 0
    try:
        while at < len(text) and len(values) < 100:
            value, at = decoder.raw_decode(text, at)
            values.append(value)
            while at < len(text) and text[at] in " \t\r\n,;":
                at += 1
    except (ValueError, RecursionError):
        return values or None
    return values[0] if len(values) == 1 else values or None


def _unwrapped(text: str) -> str:
    """A script's text without the comment or CDATA marks around it."""
    text = text.strip().lstrip("\ufeff")
    for _ in range(4):
        before = text
        for mark in _OPENERS:
            text = text.removeprefix(mark).strip()
        for mark in _CLOSERS:
            text = text.removesuffix(mark).strip()
        if text == before:
            break
    return text


def _objects(value: Any, depth: int = 0) -> Iterator[Node]:
    if depth > MAX_DEPTH:
        return
    if isinstance(value, list):
        for item in value[:MAX_NODES]:
            yield from _objects(item, depth + 1)
    elif isinstance(value, dict):
        yield value
        for name in _INWARD:
            if isinstance(value.get(name), list | dict):
                yield from _objects(value[name], depth + 1)


def _sort_in(node: Node, found: LinkedData) -> None:
    kinds = " ".join(strings_of(node.get("@type")))
    identity = node.get("@id")
    if isinstance(identity, str) and len(node) > 1:
        found.by_id.setdefault(identity, node)
    if ARTICLE_TYPES.search(kinds):
        found.articles.append(node)
    elif PAGE_TYPES.search(kinds):
        found.pages.append(node)
    elif kinds == "Person":
        found.people.append(node)
    elif kinds == "WebSite":
        found.sites.append(node)
    else:
        found.others.append(node)


def _places(node: Node) -> list[Any]:
    return [node.get("url"), node.get("mainEntityOfPage"), node.get("@id")]


def strings_of(value: Any) -> list[str]:
    """The strings in a string or list of strings."""
    items = value[:200] if isinstance(value, list) else [value]
    return [text for item in items if (text := plain(item))]


def urls_of(value: Any) -> list[str]:
    """The URLs in a string, an object (`url`, `contentUrl`, `@id`), or a list of these."""
    items = value[:50] if isinstance(value, list) else [value]
    found: list[str] = []
    for item in items:
        if isinstance(item, dict):
            found += [text for name in ("url", "contentUrl", "@id") if (text := clip(item.get(name), 2000))][:1]
        elif isinstance(item, str) and item.strip():
            found.append(clip(item, 2000))
    return found


def names_of(value: Any, data: LinkedData, depth: int = 0) -> list[str]:
    """The names in a string, an object with a `name` or a reference (`@id`), or a list of these."""
    if isinstance(value, str):
        return [text] if (text := plain(value)) else []
    if depth > MAX_DEPTH:
        return []
    if isinstance(value, list):
        return [name for item in value[:50] for name in names_of(item, data, depth + 1)]
    if isinstance(value, dict):
        named = names_of(value.get("name"), data, depth + 1)
        identity = value.get("@id")
        if named or not isinstance(identity, str) or identity not in data.by_id:
            return named
        named_there = plain(data.by_id[identity].get("name"))  # a string only: references may go in circles
        return [named_there] if named_there else []
    return []
