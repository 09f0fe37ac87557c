"""What a page says of itself in its head and its data: words to compare its blocks with."""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from lxml import etree

__all__ = ["Clues", "find_clues"]

_WORD: Final = re.compile(r"\w+")
_TITLES: Final = frozenset({"og:title", "twitter:title", "headline"})
_ABOUT: Final = frozenset({"og:description", "description"})
_AUTHORS: Final = frozenset({"author", "article:author", "dc.creator", "parsely-author", "sailthru.author"})
_SITES: Final = frozenset({"og:site_name", "application-name", "publisher"})
_LONGEST: Final = 2_000_000  # characters of one JSON-LD script that are looked into
_LEAST: Final = 200  # characters of an article's text


@dataclass(frozen=True, slots=True)
class Clues:
    """Words are lower-case; `body` is the longest articleBody of the page's JSON-LD, or the empty string."""

    title: frozenset[str] = frozenset()
    about: frozenset[str] = frozenset()
    author: frozenset[str] = frozenset()
    site: frozenset[str] = frozenset()
    body: str = ""


def find_clues(root: etree._Element) -> Clues:
    """The clues of a page; a scan of its meta tags, its <title> and its JSON-LD."""
    head = root.find("head")
    element = head.find(".//title") if head is not None else None
    title, about = [(element.text or "") if element is not None else ""], ""
    author, site = [], []
    metas, scripts = _unshown(root)
    for meta in metas:
        name = (meta.get("property") or meta.get("name") or "").lower()
        content = meta.get("content")
        if content is None:
            continue
        if name in _TITLES:
            title.append(content)
        elif name in _ABOUT:
            about = about or content
        elif name in _AUTHORS and "//" not in content:
            author.append(content)
        elif name in _SITES:
            site.append(content)
    body = ""
    for script in scripts:
        text = script.text or ""
        if '"articleBody"' in text or '"author"' in text:
            for key, value in _members(text):
                if key == "articleBody" and len(value) > len(body):
                    body = value
                elif key == "author":
                    author.append(value)
    return Clues(
        _words(" ".join(title)),
        _words(about),
        _words(" ".join(author[:8])),
        _words(" ".join(site)),
        body if len(body) >= _LEAST else "",
    )


def _unshown(root: etree._Element) -> tuple[list[etree._Element], list[etree._Element]]:
    """The meta tags and the JSON-LD scripts, in one pass; an XPath for each costs three times as much."""
    metas, scripts = [], []
    for top in (root, *root.itersiblings()):
        for element in top.iter("meta", "script"):
            if element.tag == "meta":
                metas.append(element)
            elif "ld+json" in (element.get("type") or ""):
                scripts.append(element)
    return metas, scripts


def _words(text: str) -> frozenset[str]:
    return frozenset(_WORD.findall(text[:1000].lower()))


def _members(text: str) -> Iterator[tuple[str, str]]:
    """The article bodies and names of authors in a JSON-LD script, whatever its shape."""
    if len(text) > _LONGEST:
        return
    try:
        stack: list[Any] = [json.loads(text, strict=False)]
    except (ValueError, RecursionError):
        return
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            for key, value in item.items():
                if key == "articleBody" and isinstance(value, str):
                    yield key, value
                elif key == "author":
                    yield from (("author", name) for name in _names(value))
                elif isinstance(value, dict | list):
                    stack.append(value)
        elif isinstance(item, list):
            stack.extend(item)


def _names(author: Any) -> Iterator[str]:
    for one in author if isinstance(author, list) else [author]:
        name = one.get("name") if isinstance(one, dict) else one
        if isinstance(name, str):
            yield name
