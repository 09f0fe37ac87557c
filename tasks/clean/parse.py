"""From decoded HTML to one lxml tree, whatever the page does to the parser."""

import re
from dataclasses import dataclass
from typing import Final

from lxml import etree

from tasks.clean.tags import HEAD_TAGS

__all__ = ["ATTRIBUTES_CUT", "FLATTENED", "NOT_XML", "Tree", "parse_tree"]

# Characters that libxml2 reads and lxml does not write: https://www.w3.org/TR/xml/#charsets
NOT_XML: Final = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
# What of a page is not in its tree as the page has it.
ATTRIBUTES_CUT: Final = "attributes-cut"  # a tag had more than tokens.MOST_ATTRIBUTES of them; the first are kept
FLATTENED: Final = "flattened"  # elements nested deeper than flat.DEEPEST are siblings of one another

# libxml2 takes time quadratic in the attributes of one element (2.6 s for 40,000): such tags are looked for. This asks
# only up to the first `>`, which costs .1 ms for 200 kB; pages of _CAREFUL_BYTES are looked through tag by tag, so that
# a quoted `>` can hide at most as many attributes as a page smaller than that holds (some 15 s).
_LONG_TAG: Final = re.compile(rb"<[A-Za-z][^>]{4096}")
_CAREFUL_BYTES: Final = 1 << 19


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed page; `root` is None where there is no element at all.

    libxml2 may leave a second <html> as a sibling of the root: readers walk `root` and root.itersiblings().
    """

    root: etree._Element | None
    parser: str  # "lxml", or "flat" where libxml2 would have cut the page at its depth limit
    flags: tuple[str, ...] = ()  # ATTRIBUTES_CUT, FLATTENED


def parse_tree(html: str) -> Tree:
    """The tree of a page; never raises for any text. NUL characters are dropped, as browsers do."""
    data = html.encode("utf-8", "replace")
    if b"\0" in data:
        data = data.replace(b"\0", b"")
    flags: tuple[str, ...] = ()
    if len(data) >= _CAREFUL_BYTES or _is_crowded(data):
        trimmed = _trimmed(data)
        flags = (ATTRIBUTES_CUT,) if len(trimmed) < len(data) else ()
        data = trimmed
    root, stopped = _parsed(data, huge=False)
    if stopped and "depth" not in stopped:  # a text of 10 MB: allowed, at the cost of a limit of 2,048 for the depth
        root, stopped = _parsed(data, huge=True)
    if stopped:
        from tasks.clean.flat import flat_tree  # seldom needed

        return Tree(flat_tree(data.decode("utf-8", "replace")), "flat", (*flags, FLATTENED))
    return Tree(_with_body(root), "lxml", flags)


def _parsed(data: bytes, *, huge: bool) -> tuple[etree._Element | None, str]:
    """The tree, and why libxml2 stopped before the end, or the empty string.

    At a limit it stops without an exception: only its log says that the rest is missing. The limit of 256 open
    elements is wanted: each stray end tag is compared with all that are open.
    """
    # A parser of its own a call: two threads must not share one, and the error log must be this page's.
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=huge, collect_ids=False
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:  # nothing but white space or comments
        root = None
    log = parser.error_log
    return root, log[-1].message if len(log) and log[-1].level_name == "FATAL" else ""


def _is_crowded(data: bytes) -> bool:
    """Whether one of the long tags has too many attributes."""
    end = 0
    for found in _LONG_TAG.finditer(data):
        if found.start() >= end:  # else it stands in an attribute of the tag before
            from tasks.clean.tokens import ONE_TAG  # seldom needed

            tag = ONE_TAG.match(data, found.start())
            if tag and tag["more"]:
                return True
            end = tag.end() if tag else end
    return False


def _trimmed(data: bytes) -> bytes:
    """The page without the attributes that one element has too many of."""
    from tasks.clean.tokens import TOO_MANY

    cuts = [match.span(name) for match in TOO_MANY.finditer(data) for name in ("more", "more_raw") if match[name]]
    kept, at = [], 0
    for start, stop in cuts:
        kept.append(data[at:start])
        at = stop
    return b"".join([*kept, data[at:]]) if cuts else data


def _with_body(root: etree._Element | None) -> etree._Element | None:
    """`root`, with what no head can hold at the start of the body, as browsers have it.

    libxml2 knows no tag younger than HTML 4: a page that leaves out <body> has its <article> in the head.
    """
    head = root.find("head") if root is not None else None
    if root is None or head is None:
        return root
    children = list(head)
    first = next((at for at, child in enumerate(children) if child.tag not in HEAD_TAGS), len(children))
    strays = children[first:]
    if strays:
        found = root.find("body")
        body = etree.SubElement(root, "body") if found is None else found
        strays[-1].tail = NOT_XML.sub("", (strays[-1].tail or "") + (body.text or ""))
        body.text = None
        body[:0] = strays
    return root
