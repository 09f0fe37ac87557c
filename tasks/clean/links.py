"""Addresses of links and pictures: absolute, and none that runs code."""

import re
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urljoin, urlsplit

from tasks.clean.embeds import embed_name
from tasks.clean.walk import Page

__all__ = ["Links"]

_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel", "ftp"})
_LAZY: Final = ("data-src", "data-lazy-src", "data-original", "data-lazy", "data-url", "data-srcset", "srcset")
_LAZY_FRAME: Final = ("data-src", "data-lazy-src", "data-litespeed-src", "data-url")
_PIXEL: Final = frozenset({"0", "1", "0px", "1px"})
# Addresses of which urljoin makes what stands here: no dots to resolve, nothing to drop.
_ABSOLUTE: Final = re.compile(r"https?://[\w.-]+(?::\d+)?/(?:[!-~]*[!->@-~])?", re.ASCII)
_ORIGIN: Final = re.compile(r"https?://[^/?#\s]+")
_ROOTED: Final = re.compile(r"/(?!/)[\w%~&=+,:@/?.-]*[\w/]", re.ASCII)
_ODD: Final = re.compile(r"[?;#](?:$|#)|;")
_DROPPED = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


class Links:
    """Resolves the addresses of one page against its <base> and its own address."""

    def __init__(self, page: Page, url: str) -> None:
        self.base = url
        self.here = url.partition("#")[0]
        self._origin = ""
        self._known: dict[str, str] = {}  # a page's links are written in HTML and in Markdown
        head = page.element[0].getroottree().getroot() if page.element else None
        base = next(iter(head.iter("base")), None) if head is not None else None
        if base is not None:
            self.base = self._resolved(base.get("href") or "") or url
        found = _ORIGIN.match(self.base)
        self._origin = found[0] if found else ""

    def absolute(self, value: str) -> str:
        """The absolute address, or the empty string where it leads nowhere safe."""
        known = self._known.get(value)
        if known is None:
            known = self._known[value] = self._resolved(value)
        return known

    def _resolved(self, value: str) -> str:
        # Most links are plain, and urljoin costs more than all the rest of writing one.
        if _ABSOLUTE.fullmatch(value) and not _ODD.search(value):
            return value
        if self._origin and _ROOTED.fullmatch(value) and "/." not in value:
            return self._origin + value
        value = _DROPPED.sub("", value).strip()
        if not value:
            return ""
        try:
            absolute = urljoin(self.base, value)
            scheme = urlsplit(absolute).scheme.lower()
        except ValueError:  # such as http://[
            return ""
        if scheme:
            return absolute if scheme in _SCHEMES else ""
        return "" if _SCHEME.match(absolute) else absolute

    def is_here(self, address: str) -> bool:
        """Whether an absolute address is a place on the page itself."""
        return address.partition("#")[0] == self.here

    def picture(self, attributes: Mapping[str, Any]) -> str:
        """The address of an <img>, also where a script was to fill it in; empty for pixels and placeholders."""
        if attributes.get("width") in _PIXEL or attributes.get("height") in _PIXEL:
            return ""
        source = str(attributes.get("src") or "").strip()
        if not source or source.startswith(("data:", "about:")):
            source = next((str(attributes[name]) for name in _LAZY if attributes.get(name)), "")
        return self.absolute(source.split(",")[0].split(" ")[0] if " " in source.strip() else source)

    def frame(self, attributes: Mapping[str, Any]) -> tuple[str, str]:
        """Where an <iframe> leads, also where a script was to fill it in, and what to call it.

        Both are empty for frames that show nothing to read.
        """
        if attributes.get("width") in _PIXEL or attributes.get("height") in _PIXEL or "hidden" in attributes:
            return "", ""
        if "none" in (style := str(attributes.get("style") or "")) and "display:none" in style.replace(" ", "").lower():
            return "", ""
        source = str(attributes.get("src") or "").strip()
        if not source or source.startswith(("about:", "data:", "javascript:")):
            source = next((str(attributes[name]) for name in _LAZY_FRAME if attributes.get(name)), "")
        address = self.absolute(source)
        name = embed_name(address) if address else ""
        return (address, name) if name else ("", "")
