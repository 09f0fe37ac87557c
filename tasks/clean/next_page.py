"""Whether an article goes on at another address: "page 1 of 3" is a part of it, and must not pass for the whole.

Pages say so with rel=next, but blogs say the same of the next article. It is the next page where its address is this
one's with a number one higher: /crane → /crane/2, /crane-2.html, /crane?page=2; /crane?page=2 → /crane?page=3.
"""

import re
from typing import Final

from tasks.clean.links import Links
from tasks.clean.walk import Page

__all__ = ["next_page"]

_COUNTED: Final = re.compile(r"(?:/page/|/seite[/-]|[?&](?:page|p|pg|paged|seite|pagina|sida)=)(\d{1,3})/?$")
_FIRST: Final = re.compile(r"(?:/|-|_|,)2$")
_END: Final = re.compile(r"(?:\.html?|\.php|/)$")


def next_page(page: Page, links: Links) -> str:
    """The address of the article's next page; empty where there is none."""
    head = page.element[0].find("head")
    elements = [element for element, tag in zip(page.element, page.tag, strict=True) if tag == "a"]
    elements += [] if head is None else list(head.iterchildren("link"))
    for element in elements:
        if "next" in (element.get("rel") or ""):
            address = links.absolute(element.get("href") or "").partition("#")[0]
            if address and _follows(links.here, address):
                return address
    return ""


def _follows(page: str, address: str) -> bool:
    this, other = _COUNTED.search(page), _COUNTED.search(address)
    if other:
        number, start = (int(this[1]), page[: this.start()]) if this else (1, page)
        return int(other[1]) == number + 1 and _END.sub("", address[: other.start()]) == _END.sub("", start)
    bare = _END.sub("", address)
    first = _FIRST.search(bare)
    return first is not None and bare[: first.start()] == _END.sub("", page)
