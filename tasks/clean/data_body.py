"""The article's text in the page's data, for pages that a script was to fill.

Asked only where the page itself shows hardly any article. JSON-LD's articleBody comes first; then the state that
frameworks embed as JSON (Next.js, Nuxt and others), where the longest prose under a telling key is taken.
"""

import json
import re
from collections.abc import Iterator
from typing import Any, Final

from lxml import etree

__all__ = ["paragraphs_of", "state_body"]

_STATE: Final = etree.XPath("//script[@type='application/json' or @id='__NEXT_DATA__']")
_KEYS: Final = frozenset(
    [
        "articlebody",
        "bodyhtml",
        "body_html",
        "bodytext",
        "contenthtml",
        "content_html",
        "content",
        "body",
        "html",
        "text",
        "story",
        "fulltext",
    ]
)
_LEAST: Final = 500  # characters of a text that may be an article
_LONGEST: Final = 4_000_000  # characters of one script that is looked into
_SENTENCE: Final = re.compile(r"[.!?。！？…][\s\"”»<]")
_LEAST_SENTENCES: Final = 4
_LINE_ENDS: Final = re.compile(r"(?i)</(?:p|div|h[1-6]|li|blockquote|tr|section)\s*>|<br\s*/?>|\n+")
_TAG: Final = re.compile(r"<[^<>]{0,5000}>")


def state_body(root: etree._Element) -> str:
    """The longest text in embedded JSON that reads like an article, or the empty string."""
    best = ""
    for script in _STATE(root):  # type: ignore[union-attr]
        text = script.text or ""  # type: ignore[union-attr]
        if _LEAST < len(text) <= _LONGEST:
            for value in _texts(text):
                if len(value) > len(best) and len(_SENTENCE.findall(value)) >= _LEAST_SENTENCES:
                    best = value
    return best


def _texts(text: str) -> Iterator[str]:
    try:
        stack: list[Any] = [json.loads(text, strict=False)]
    except (ValueError, RecursionError):
        return
    while stack:
        item = stack.pop()
        if isinstance(item, dict):
            for key, value in item.items():
                if isinstance(value, str):
                    if len(value) >= _LEAST and key.lower() in _KEYS:
                        yield value
                else:
                    stack.append(value)
        elif isinstance(item, list):
            stack.extend(item)


def paragraphs_of(body: str) -> list[str]:
    """The paragraphs of an article's text, without tags; at most one level of entities is resolved."""
    from html import unescape

    lines = (" ".join(unescape(_TAG.sub("", line)).split()) for line in _LINE_ENDS.split(body))
    return [line for line in lines if line]
