"""Small text helpers: fold, clip, compare."""

import html
import re
import unicodedata
from functools import lru_cache
from typing import Any
from urllib.parse import urljoin, urlsplit

from lxml import etree

__all__ = ["absolute", "clip", "host_of", "key", "plain", "text_of"]

_PIECES = 300  # text nodes looked at for one short text: a heading over half the page stays cheap
_TAG = re.compile(r"</?[A-Za-z][^<>]{0,200}>")
_NOT_ALNUM = re.compile(r"[\W_]+")
_UNSEEN = re.compile("[\x00-\x08\x0e-\x1f\x7f-\x9f\u00ad\u200b-\u200f\u2060\ufeff\ud800-\udfff]")


def clip(value: Any, limit: int = 1000) -> str:
    """The visible text of an attribute or JSON string: white space folded, `limit` characters; "" for other types."""
    if not isinstance(value, str):
        return ""
    return " ".join(_UNSEEN.sub("", value[: 4 * limit]).split())[:limit].strip()


def plain(value: Any, limit: int = 1000) -> str:
    """As `clip`, with entities decoded and tags dropped, for fields that often hold HTML by mistake."""
    text = clip(value, limit)
    if "&" in text:
        text = html.unescape(html.unescape(text))
    return clip(_TAG.sub(" ", text) if "<" in text else text, limit)


def text_of(element: etree._Element, limit: int = 500) -> str:
    """The text of an element and what it holds, white space folded, cut at `limit`."""
    parts: list[str] = []
    size = 0
    for count, part in enumerate(element.itertext()):
        if count > _PIECES or size > limit:
            break
        if not part.isspace():
            parts.append(str(part[: 4 * limit]))
            size += len(part)
    return clip(" ".join(parts), limit)


@lru_cache(maxsize=512)  # of one page: its titles and names are compared with each other
def key(text: str) -> str:
    """Letters and digits alone, folded: equal for texts that differ in case, quotes, dashes and spaces."""
    folded = text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).casefold()
    return _NOT_ALNUM.sub("", folded)


def host_of(url: str) -> str:
    """The host of a URL without `www.`, or the empty string."""
    try:
        host = urlsplit(url).hostname or ""
    except ValueError:
        return ""
    return host.removeprefix("www.")


def absolute(base: str, reference: Any) -> str:
    """The http(s) URL that `reference` names from `base`, or the empty string."""
    text = clip(reference, 2000)
    if not text:
        return ""
    try:
        url = text if text.startswith(("https://", "http://")) else urljoin(base, text)
        return url if urlsplit(url).scheme in ("http", "https") and urlsplit(url).hostname else ""
    except ValueError:
        return ""
