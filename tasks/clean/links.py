"""Addresses of links and pictures: absolute, and none that runs code."""

import re
from typing import Final
from urllib.parse import urljoin, urlsplit

from tasks.clean.walk import Page

__all__ = ["Links"]

_SCHEMES: Final = frozenset({"http", "https", "mailto", "tel", "ftp"})
_LAZY: Final = ("data-src", "data-lazy-src", "data-original", "data-lazy", "data-url", "data-srcset", "srcset")
_DROPPED = re.compile(r"[\x00-\x1f\x7f]")
_SCHEME = re.compile(r"[a-zA-Z][a-zA-Z0-9+.-]*:")


class Links:
    """Resolves the addresses of one page against its <base> and its own address."""

    def __init__(self, page: Page, url: str) -> None:
        self.base = url
        self._known: dict[str, str] = {}  # a page's links are written in HTML and in Markdown
        head = page.element[0].getroottree().getroot() if page.element else None
        base = next(iter(head.iter("base")), None) if head is not None else None
        if base is not None:
            self.base = self._resolved(base.get("href") or "") or url

    def absolute(self, value: str) -> str:
        """The absolute address, or the empty string where it leads nowhere safe."""
        known = self._known.get(value)
        if known is None:
            known = self._known[value] = self._resolved(value)
        return known

    def _resolved(self, value: str) -> str:
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

    def picture(self, attributes: dict[str, str]) -> str:
        """The address of an <img>, also where a script was to fill it in; empty for pixels and placeholders."""
        if attributes.get("width") in ("0", "1") or attributes.get("height") in ("0", "1"):
            return ""
        source = attributes.get("src", "").strip()
        if not source or source.startswith(("data:", "about:")):
            source = next((attributes[name] for name in _LAZY if attributes.get(name)), "")
        return self.absolute(source.split(",")[0].split(" ")[0] if " " in source.strip() else source)

    def frame(self, attributes: dict[str, str]) -> str:
        """The address of an <iframe>, also where a script was to fill it in."""
        source = attributes.get("src", "")
        if not source or source.startswith("about:"):
            source = attributes.get("data-src", "")
        return self.absolute(source)
