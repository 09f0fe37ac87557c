"""From decoded HTML to one lxml tree, whatever the page does to the parser."""

import re
from dataclasses import dataclass

from lxml import etree

from tasks.clean.tags import names

__all__ = ["Tree", "parse_tree"]

_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"[A-Za-z_][\w.-]*")
# What may stand in a head: https://html.spec.whatwg.org/multipage/parsing.html#parsing-main-inhead
_IN_HEAD = names("base basefont bgsound link meta noframes noscript script style template title")


@dataclass(frozen=True, slots=True)
class Tree:
    """A parsed page; `root` is None where there is no element at all.

    libxml2 may leave a second <html> as a sibling of the root: readers walk `root` and root.itersiblings().
    """

    root: etree._Element | None
    parser: str  # "lxml", or "bs4-lxml" where libxml2 would have cut the page at its depth limit


def parse_tree(html: str) -> Tree:
    """The tree of a page; never raises for any text. NUL characters are dropped, as browsers do."""
    data = html.encode("utf-8", "replace")
    if b"\0" in data:
        data = data.replace(b"\0", b"")
    # A parser of its own a call: two threads must not share one, and the error log must be this page's.
    parser = etree.HTMLParser(
        encoding="utf-8", remove_comments=True, remove_pis=True, huge_tree=True, collect_ids=False
    )
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError:  # nothing but white space or comments
        root = None
    log = parser.error_log
    # At 2048 open elements libxml2 stops without an exception: only its log says that the rest is missing.
    if len(log) and log[-1].level_name == "FATAL":
        return Tree(_with_body(_soup_root(html)), "bs4-lxml")
    return Tree(_with_body(root), "lxml")


def _with_body(root: etree._Element | None) -> etree._Element | None:
    """`root`, with what no head can hold at the start of the body, as browsers have it.

    libxml2 knows no tag younger than HTML 4: a page that leaves out <body> has its <article> in the head.
    """
    head = root.find("head") if root is not None else None
    if root is None or head is None:
        return root
    children = list(head)
    first = next((at for at, child in enumerate(children) if child.tag not in _IN_HEAD), len(children))
    strays = children[first:]
    if strays:
        found = root.find("body")
        body = etree.SubElement(root, "body") if found is None else found
        strays[-1].tail = (strays[-1].tail or "") + (body.text or "")
        body.text = None
        body[:0] = strays
    return root


def _soup_root(html: str) -> etree._Element | None:
    """BeautifulSoup's tree of the page as lxml elements; any depth."""
    from bs4 import BeautifulSoup
    from bs4.element import NavigableString, PreformattedString, Tag

    soup = BeautifulSoup(html.replace("\0", ""), "lxml")
    top = soup.find(True)
    if not isinstance(top, Tag):
        return None
    root = etree.Element("html")
    stack = [(iter(top.contents), root)]
    while stack:
        children, parent = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
        elif isinstance(child, Tag):
            element = etree.SubElement(parent, _xml_name(child.name))
            for name, value in child.attrs.items():
                if _NAME.fullmatch(name):
                    text = value if isinstance(value, str) else " ".join(value)
                    element.set(name, _NOT_XML.sub("", text))
            stack.append((iter(child.contents), element))
        elif isinstance(child, NavigableString) and not isinstance(child, PreformattedString):
            _append_text(parent, _NOT_XML.sub("", child))
    return root


def _xml_name(name: str) -> str:
    return name if _NAME.fullmatch(name) else "span"


def _append_text(parent: etree._Element, text: str) -> None:
    if len(parent):
        parent[-1].tail = (parent[-1].tail or "") + text
    else:
        parent.text = (parent.text or "") + text
