"""Small pages of our own for the metadata tests."""

import json
from typing import Any

from lxml import etree

from tasks.metadata import describe
from tasks.records import Metadata, Sourced

URL = "https://www.harbour-post.example/news/2024/ferry"


def parse(html: str) -> etree._Element:
    """The root of a page, as the pipeline parses it."""
    parser = etree.HTMLParser(encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True)
    return etree.fromstring(html.encode(), parser)


def described(html: str, *, url: str = URL, headers: dict[str, str] | None = None) -> Metadata:
    """What `describe` says of a page."""
    return describe(parse(html), url=url, headers=headers or {})


def told(field: Sourced[Any] | None) -> tuple[Any, str] | None:
    """Value and source of a field, its rivals left aside."""
    return (field.value, field.source) if field else None


def page(body: str = "", *, head: str = "", lang: str = "en") -> str:
    """A page around `head` and `body`."""
    return f'<!doctype html><html lang="{lang}"><head>{head}</head><body>{body}</body></html>'


def linked(*objects: Any) -> str:
    """A script element with linked data."""
    data = objects[0] if len(objects) == 1 else list(objects)
    return f'<script type="application/ld+json">{json.dumps(data)}</script>'


def article(**fields: Any) -> str:
    """A script element with one NewsArticle."""
    return linked({"@context": "https://schema.org", "@type": "NewsArticle", **fields})
