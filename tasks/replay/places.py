"""Where on the second server an archived URL is: `/<token>/20261123105446/https://news.example/story?page=2`.

`js_` behind the moment means that scripts run. Where an archived URL leads is told by its place alone, so that relative
references in scripts work as they did. The token is a secret of one run: without it nobody reads a page there.
"""

import re
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import quote, urldefrag, urljoin

__all__ = ["SCRIPTS", "Place", "read_place"]

SCRIPTS: Final = "js_"
_BLANKS = re.compile(r"[\t\n\r]+")  # browsers drop them: https://url.spec.whatwg.org/#concept-basic-url-parser
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")
_PLACE = re.compile(r"/([A-Za-z0-9_-]{16,64})/([0-9]{14})(js_)?/(.+)", re.DOTALL)
_WEB = re.compile(r"https?:/*", re.IGNORECASE)
_SAFE = "!$%&'()*+,/:;=?@[]~"  # what a URL in a path may hold; all else is percent-encoded, as browsers do


@dataclass(frozen=True, slots=True)
class Place:
    """An archived URL at a moment, and whether scripts run there."""

    token: str
    stamp: str
    scripts: bool
    url: str

    @property
    def prefix(self) -> str:
        """The path of everything archived at this moment."""
        return f"/{self.token}/{self.stamp}{SCRIPTS if self.scripts else ''}/"

    @property
    def path(self) -> str:
        """The path on the server."""
        return self.prefix + quote(self.url, safe=_SAFE)

    def at(self, url: str) -> "Place":
        """Another URL at the same moment."""
        return replace(self, url=url)

    def mapped(self, reference: str, base: str) -> str:
        """What a reference in a page or sheet at the URL `base` is here; itself where it leads to no server."""
        text = _BLANKS.sub("", reference.strip("\x00\x09\x0a\x0c\x0d\x20"))
        scheme = _SCHEME.match(text)
        if not text or text.startswith("#") or (scheme and scheme[0].lower() not in ("http:", "https:")):
            return reference
        try:
            url, fragment = urldefrag(urljoin(base, text.replace("\\", "/")))
        except ValueError:  # no URL: it led nowhere then, either
            return "about:invalid"
        path = self.at(url).path
        return f"{path}#{quote(fragment, safe=_SAFE)}" if fragment else path


def read_place(path: str) -> Place | None:
    """The place that a path with its query names."""
    match = _PLACE.fullmatch(path)
    if not match:
        return None
    url = match[4]
    web = _WEB.match(url)
    if web:  # browsers and tools may have folded the two slashes
        url = f"{web[0].rstrip('/').lower()}//{url[web.end() :]}"
    return Place(match[1], match[2], bool(match[3]), url)
