"""What a page loads: pictures in every size, sheets, fonts, icons, posters, and what scripts would load later.

Scripts and frames are not among it: the first would run for nobody, the second are documents of their own.
"""

import json
import re
from collections.abc import Iterable, Iterator
from typing import Any

from lxml import etree

from tasks.capture.requisites.sheets import sheet_requisites, style_requisites
from tasks.capture.requisites.srcset import parse_srcset
from tasks.capture.requisites.wanted import KINDS, Wanted, absolute

__all__ = ["page_requisites"]

# https://html.spec.whatwg.org/#linkTypes, and what browsers know besides
_RELS = {
    "stylesheet": "style", "icon": "icon", "apple-touch-icon": "icon", "apple-touch-icon-precomposed": "icon",
    "mask-icon": "icon", "fluid-icon": "icon", "image_src": "image", "manifest": "data",
}  # fmt: skip
_PRELOADED = {"style": "style", "font": "font", "image": "image"}  # `as` of a preload
_METAS = frozenset(
    {
        *("og:image", "og:image:url", "og:image:secure_url", "twitter:image", "twitter:image:src"),
        *("msapplication-tileimage", "image", "thumbnailurl"),
    }
)
_SOURCES = {  # element → its attributes that name one thing, with the kind
    "img": (("src", "image"),), "amp-img": (("src", "image"),), "image": (("href", "image"), ("xlink:href", "image")),
    "use": (("href", "image"), ("xlink:href", "image")), "feimage": (("href", "image"), ("xlink:href", "image")),
    "video": (("poster", "image"), ("src", "media")), "amp-video": (("poster", "image"), ("src", "media")),
    "audio": (("src", "media"),), "track": (("src", "data"),), "embed": (("src", "media"),),
    "object": (("data", "media"),), "input": (("src", "image"),),
}  # fmt: skip
_SETS = ("srcset", "imagesrcset")
# Where lazy loaders keep what they will load: lazysizes, lozad, WordPress and its plugins, Drupal, Cloudflare Mirage.
_LAZY = (
    *("data-src", "data-lazy-src", "data-original", "data-lazy", "data-image", "data-hi-res-src", "data-full-src"),
    *("data-original-src", "data-bg", "data-background", "data-background-image", "data-bg-image", "data-poster"),
    *("data-flickity-lazyload", "data-cfsrc", "data-img", "data-imgsrc", "data-lazyload", "data-pagespeed-lazy-src"),
    *("data-image-src", "data-bgset", "data-url"),
)
_LAZY_SETS = ("data-srcset", "data-lazy-srcset", "data-sources", "data-original-set")
_BY_SCRIPT = frozenset({*_LAZY, *_LAZY_SETS})
_AMBIGUOUS = ("data-url", "data-lazy", "data-background")  # names with other uses: only what looks like a picture
_PICTURE = re.compile(r"\.(?:avif|bmp|gif|ico|jpe?g|png|svg|webp)(?:[?#]|$)", re.IGNORECASE)
_NOT_SEEN = frozenset({"iframe", "frame", "script", "portal", "a"})  # whose data-src is no picture
_LINKED_DATA = 10  # pictures taken from JSON-LD


def page_requisites(html: str, url: str) -> list[Wanted]:
    """What a page at `url` needs to be seen, each URL once, in the order of the page."""
    parser = etree.HTMLParser(encoding="utf-8", huge_tree=True)
    root = etree.fromstring(html.encode("utf-8", "replace") or b" ", parser)
    if root is None:
        return []
    base, found = _base(root, url), dict[str, Wanted]()
    for element in root.iter(etree.Element):
        for one in _of_element(element, base):
            if one.url and one.url != url and (one.url not in found or _sooner(one, found[one.url])):
                found[one.url] = Wanted(one.url, one.kind, url)
    return list(found.values())


def _sooner(one: Wanted, other: Wanted) -> bool:
    """Whether a reference wants it to be fetched sooner than another reference to the same thing did."""
    return KINDS.index(one.kind) < KINDS.index(other.kind)


def _base(root: Any, url: str) -> str:
    for element in root.iter("base"):
        if href := element.get("href"):
            return absolute(href, url) or url
    return url


def _of_element(element: Any, base: str) -> Iterator[Wanted]:
    """What one element loads."""
    name, attributes = element.tag.lower(), element.attrib
    if name == "style":
        yield from sheet_requisites("".join(element.itertext()), base)
    elif name == "script":
        yield from _refer(_linked_data(element), base, "image")
    elif name == "link":
        yield from _of_link(attributes, base)
    elif name == "meta":
        said = (attributes.get("property") or attributes.get("name") or attributes.get("itemprop") or "").lower()
        yield from _refer([attributes.get("content", "")] if said in _METAS else (), base, "icon")
    if not attributes:
        return
    for attribute, kind in _sources(element, name, attributes):
        yield from _refer([attributes.get(attribute, "")], base, kind)
    for attribute in _SETS:
        yield from _of_set(attributes.get(attribute, ""), base)
    if name not in _NOT_SEEN:
        yield from _lazy(attributes, base)
    if style := attributes.get("style"):
        yield from style_requisites(style, base)


def _refer(references: Iterable[str], base: str, kind: str) -> Iterator[Wanted]:
    for reference in references:
        if url := absolute(reference, base):
            yield Wanted(url, kind, base)


def _of_link(attributes: Any, base: str) -> Iterator[Wanted]:
    rels = attributes.get("rel", "").lower().split()
    kinds = [_RELS[rel] for rel in rels if rel in _RELS]
    if {"preload", "prefetch"} & {*rels}:
        kinds += [_PRELOADED[what] for what in [attributes.get("as", "").lower()] if what in _PRELOADED]
    yield from _refer([attributes.get("href", "")] if kinds else (), base, kinds[0] if kinds else "")


def _sources(element: Any, name: str, attributes: Any) -> Iterator[tuple[str, str]]:
    """The attributes of an element that name one thing, with its kind."""
    if name == "source":
        parent = element.getparent()
        yield "src", "media" if parent is not None and parent.tag in ("video", "audio") else "image"
    elif name == "object":
        kind = attributes.get("type", "").lower()
        if kind.startswith("image/") or _PICTURE.search(attributes.get("data", "")):
            yield "data", "image"
    elif name != "input" or attributes.get("type", "").lower() == "image":
        yield from _SOURCES.get(name, ())
    if name in ("body", "table", "td", "th", "tr"):
        yield "background", "image"


def _of_set(text: str, base: str) -> Iterator[Wanted]:
    return _refer(parse_srcset(text) if text else (), base, "size")


def _lazy(attributes: Any, base: str) -> Iterator[Wanted]:
    """What a script would put in place of a stand-in."""
    for name, value in attributes.items():
        text = value.strip() if name in _BY_SCRIPT else ""
        if not text or text.startswith(("{", "[")):
            continue
        if name in _LAZY_SETS or (name == "data-bgset" and " " in text):
            yield from _of_set(text, base)
        elif text.startswith(("url(", "image-set(")):
            yield from style_requisites(text, base)
        elif name not in _AMBIGUOUS or _PICTURE.search(text):
            yield from _refer([text], base, "image")


def _linked_data(script: Any) -> Iterator[str]:
    """The lead pictures that JSON-LD names."""
    if script.get("type", "").strip().lower() != "application/ld+json":
        return iter(())
    try:
        table = json.loads("".join(script.itertext()), strict=False)
    except (ValueError, RecursionError):
        return iter(())
    return iter(list(dict.fromkeys(_pictures(table, 0)))[:_LINKED_DATA])


def _pictures(value: Any, depth: int, *, inside: bool = False) -> Iterator[str]:
    """URLs under `image` and `thumbnailUrl`: texts, lists, or objects with `url` or `contentUrl`."""
    if depth > 8:
        return
    if isinstance(value, str) and inside:
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _pictures(item, depth + 1, inside=inside)
    elif isinstance(value, dict):
        for name, item in value.items():
            picture = name in ("image", "thumbnailUrl") or (inside and name in ("url", "contentUrl", "@list"))
            if picture or isinstance(item, list | dict):
                yield from _pictures(item, depth + 1, inside=picture)
