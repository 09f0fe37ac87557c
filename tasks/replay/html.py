"""A page with other URLs: tags are found as browsers find them, and only attributes that lead somewhere change.

The page is never parsed into a tree and written anew, which would move what browsers leave where it is. What is missed
here does not leave for the live web: the policy of the server sees to that.
"""

import html
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final
from urllib.parse import urldefrag, urljoin

from tasks.capture.requisites import parse_srcset
from tasks.replay.places import Place
from tasks.replay.sheets import mapped_sheet

__all__ = ["replayed_page"]

# https://html.spec.whatwg.org/#tokenization: what stands between "<name" and ">", without ever going back over it
_TAG = re.compile(r"<!---?>|<!--.*?(?:--!?>|\Z)|<(/?)([A-Za-z][^\s/>]*+)|<[!?/][^>]*+>?", re.DOTALL)
_ATTRIBUTE = re.compile(
    r"""[\s/]*+(?P<name>[^\s/>][^\s/>=]*+)(?P<is>\s*+=\s*+(?:"(?P<double>[^"]*+)"|'(?P<single>[^']*+)'|(?P<bare>[^\s>"'][^\s>]*+)?))?+"""
)
_TAG_END = re.compile(r"[\s/]*+>")
_REFERENCE = re.compile(r"&(?:#[xX]?[0-9A-Fa-f]+;?|[A-Za-z][A-Za-z0-9]*+(?:;|(?![=A-Za-z0-9])))")
_RAW = frozenset({"script", "style", "textarea", "title", "xmp", "iframe", "noembed", "noframes"})
_URLS = frozenset(
    {
        *("src", "href", "xlink:href", "poster", "data", "background", "action", "formaction", "lowsrc", "dynsrc"),
        *("longdesc", "manifest"),
    }
)
_SETS = frozenset({"srcset", "imagesrcset"})
# What would reach out of the frame or the machine, or forbid what was changed here.
_DROPPED = frozenset({"integrity", "ping", "target", "download", "nonce", "attributionsrc", "referrerpolicy"})
_DROPPED_METAS = frozenset({"content-security-policy", "content-security-policy-report-only", "x-dns-prefetch-control"})
_DROPPED_RELS = frozenset({"dns-prefetch", "preconnect", "prerender", "prefetch", "manifest"})
_REFRESH = re.compile(r"(\s*[\d.]+\s*[;,\s]\s*(?:url\s*=\s*)?)([\"']?)(.*?)\2\s*", re.IGNORECASE | re.DOTALL)
# Where lazy loaders keep a picture, the usual first: what a page without scripts is shown with.
_LAZY = ("data-src", "data-lazy-src", "data-original", "data-lazy", "data-srcset", "data-lazy-srcset")
_AWAY: Final = "data-tearsheet-"  # before the name of an attribute that is put out of force


@dataclass(slots=True)
class _Attribute:
    name: str  # lower case
    value: str  # references resolved
    start: int
    end: int
    raw_name: str


@dataclass(frozen=True, slots=True)
class _Tag:
    name: str
    closing: bool
    attributes: tuple[_Attribute, ...]
    start: int
    inner: int  # where its attributes begin
    end: int

    def get(self, name: str) -> str:
        return next((one.value for one in self.attributes if one.name == name), "")


def replayed_page(text: str, place: Place, *, held: Callable[[str], bool], insert: str = "") -> str:
    """The page archived at `place`, each reference leading into the archive; `insert` comes before all else of it.

    `held` tells whether the bundle holds a URL: without scripts, pictures that a lazy loader would show are shown then.
    """
    return _Page(text, place, held, place.url).replayed(insert)


class _Page:
    """One page while it is put together."""

    def __init__(self, text: str, place: Place, held: Callable[[str], bool], base: str) -> None:
        self.text, self.place, self.held, self.base = text, place, held, base
        self._insert = ""
        self._based = False  # the first base alone counts

    def replayed(self, insert: str) -> str:
        kept, at = list[str](), 0
        self._insert = insert
        for tag in _tags(self.text):
            if insert and not tag.closing and tag.name not in ("html", "head"):
                kept += [self.text[at : tag.start], insert]
                at, insert = tag.start, ""
            if not tag.closing:
                kept += [self.text[at : tag.inner], *self._attributes(tag)]
                at = tag.end
            if tag.name == "style" and not tag.closing:
                end = _raw_end(self.text, "style", tag.end)
                kept.append(mapped_sheet(self.text[tag.end : end], self.map))
                at = end
        return "".join([*kept, self.text[at:], insert])

    def map(self, reference: str) -> str:
        """Where a reference of the page leads here."""
        return self.place.mapped(reference, self.base)

    def _attributes(self, tag: _Tag) -> Iterator[str]:
        """What stands in the tag behind its name, up to and including >."""
        if tag.name == "base" and tag.get("href") and not self._based:
            self.base, self._based = _joined(self.base, tag.get("href")), True
        at, extra = tag.inner, self._shown_lazily(tag)
        for one in tag.attributes:
            new = None if one.name in extra else self._value(tag, one)
            if new == one.value:
                continue
            yield self.text[at : one.start]
            if new is None:
                yield _AWAY + one.raw_name + self.text[one.start + len(one.raw_name) : one.end]
            else:
                yield f'{one.raw_name}="{html.escape(new)}"'
            at = one.end
        close = _TAG_END.search(self.text, at, tag.end)
        stop = close.start() if close else tag.end - 1
        yield self.text[at:stop]
        yield from (f' {name}="{html.escape(value)}"' for name, value in extra.items())
        yield self.text[stop : tag.end]

    def _value(self, tag: _Tag, one: _Attribute) -> str | None:
        """The value that an attribute gets; None puts it out of force."""
        name = one.name
        if name in _DROPPED:
            return None
        if tag.name == "base":
            return None if name == "href" else one.value
        if tag.name == "meta":
            return self._of_meta(tag, one)
        if tag.name == "link" and name == "href" and _DROPPED_RELS & {*tag.get("rel").lower().split()}:
            return None
        if tag.name == "script" and name == "type" and one.value.strip().lower() == "speculationrules":
            return None
        if name in _URLS:
            return self.map(one.value)
        if name in _SETS:
            return self._set(one.value)
        if name == "style":
            return mapped_sheet(one.value, self.map)
        if name == "srcdoc":
            return _Page(one.value, self.place, self.held, self.base).replayed(self._insert)
        return one.value

    def _of_meta(self, tag: _Tag, one: _Attribute) -> str | None:
        said = tag.get("http-equiv").strip().lower()
        if one.name == "http-equiv" and said in _DROPPED_METAS:
            return None
        if one.name == "name" and one.value.strip().lower() == "referrer":
            return None
        refresh = _REFRESH.fullmatch(one.value) if one.name == "content" and said == "refresh" else None
        return refresh[1] + self.map(refresh[3]) if refresh and refresh[3] else one.value

    def _set(self, text: str) -> str:
        """A srcset, its candidates mapped where they stand."""
        kept, at = [], 0
        for url in parse_srcset(text):
            start = text.index(url, at)
            kept += [text[at:start], self.map(url).replace(",", "%2C")]
            at = start + len(url)
        return "".join([*kept, text[at:]])

    def _shown_lazily(self, tag: _Tag) -> dict[str, str]:
        """The attributes by which a page without scripts shows a picture that a script would have shown."""
        if tag.name not in ("img", "source") or self.place.scripts or (tag.name == "img" and self._shows(tag)):
            return {}
        for name in _LAZY:
            value = tag.get(name).strip()
            if not value:
                continue
            if name.endswith("srcset"):
                found = [url for url in parse_srcset(value) if self.held(_joined(self.base, url))]
                if found:
                    return {"srcset": self._set(value)} if tag.name == "source" else {"src": self.map(found[-1])}
            elif tag.name == "img" and self.held(_joined(self.base, value)):
                return {"src": self.map(value)}
        return {}

    def _shows(self, tag: _Tag) -> bool:
        """Whether a picture shows something that is archived, rather than a stand-in."""
        sources = [tag.get("src").strip(), *parse_srcset(tag.get("srcset"))]
        lazy = any(tag.get(name) for name in _LAZY)
        return any(url and not (lazy and url.startswith("data:")) for url in sources) and not (
            lazy and not any(self.held(_joined(self.base, url)) for url in sources if url)
        )


def _joined(base: str, reference: str) -> str:
    try:
        return urldefrag(urljoin(base, reference.strip()))[0]
    except ValueError:
        return ""


# ------------------------------------------------------------------ tags
def _tags(text: str) -> Iterator[_Tag]:
    """Every whole tag, but for those that stand in raw text; a tag that the page ends in is none."""
    at = 0
    while match := _TAG.search(text, at):
        at = match.end()
        if not match[2]:
            continue
        name, closing = match[2].lower(), bool(match[1])
        attributes, end = _attributes_from(text, at)
        if end is None:
            return
        yield _Tag(name, closing, attributes, match.start(), at, end)
        at = end
        if name in _RAW and not closing:
            at = _raw_end(text, name, end)
        elif name == "plaintext" and not closing:
            return


def _attributes_from(text: str, at: int) -> tuple[tuple[_Attribute, ...], int | None]:
    """The attributes from here on, each name once, and where the tag ends; None where it does not."""
    found: dict[str, _Attribute] = {}
    while True:
        if end := _TAG_END.match(text, at):
            return tuple(found.values()), end.end()
        match = _ATTRIBUTE.match(text, at)
        if not match:
            return (), None
        if match["is"] and match.end() < len(text) and match["double"] is match["single"] is match["bare"] is None:
            quote = text[match.end()]
            if quote in "\"'":  # opened and never closed: the page ends within this tag
                return (), None
        value = match["double"] or match["single"] or match["bare"] or ""
        name = match["name"].lower()
        found.setdefault(name, _Attribute(name, _resolved(value), match.start("name"), match.end(), match["name"]))
        at = match.end()


def _resolved(value: str) -> str:
    return _REFERENCE.sub(lambda match: html.unescape(match[0]), value) if "&" in value else value


def _raw_end(text: str, name: str, at: int) -> int:
    """Where the text of a raw element ends: before its end tag, or with the page."""
    match = re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE).search(text, at)
    return match.start() if match else len(text)
