"""One thing that a page or sheet needs, as an absolute URL."""

import re
from dataclasses import dataclass
from urllib.parse import urldefrag, urljoin

__all__ = ["KINDS", "Wanted", "absolute"]

# What is fetched first: without sheets and fonts a page looks like another one; a second size of a picture can wait.
KINDS = ("style", "font", "image", "size", "icon", "data", "media")

_BLANKS = re.compile(r"[\t\n\r]+")  # browsers drop them: https://url.spec.whatwg.org/#concept-basic-url-parser
_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:")


@dataclass(frozen=True, slots=True)
class Wanted:
    """A requisite: its URL, of which kind it is, and the page or sheet that names it."""

    url: str
    kind: str  # one of KINDS
    via: str


def absolute(reference: str, base: str) -> str:
    """The URL that a reference means, without its fragment; empty where it leads to no server (data:, #top, …)."""
    text = _BLANKS.sub("", reference.strip("\x00\x09\x0a\x0c\x0d\x20"))
    if not text or text.startswith("#"):
        return ""
    scheme = _SCHEME.match(text)
    if scheme and scheme[0].lower() not in ("http:", "https:"):
        return ""
    try:
        joined = urldefrag(urljoin(base, text.replace("\\", "/").replace(" ", "%20")))[0]
    except ValueError:
        return text  # no URL: who fetches it says so
    return joined if joined.lower().startswith(("http://", "https://")) else ""
