"""What stands on a page, gathered once: head fields, headings, microdata, linked data."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date
from email.utils import parsedate_to_datetime
from itertools import islice
from typing import Any

from lxml import etree

from tasks.metadata.dates import DateReader
from tasks.metadata.jsonld import LinkedData, read_linked_data
from tasks.metadata.text import absolute, clip, host_of, plain, text_of

__all__ = ["Page", "read_page"]

HEADINGS = 6  # h1 elements looked at
_FAR = date(2100, 1, 1)  # no Date header: no better bound than this
_MARKED = etree.XPath("descendant-or-self::*[@itemprop]", smart_strings=False)


@dataclass(slots=True)
class Page:
    """The sources of one page. `metas` and `items` map a lower-case name to its values, in document order."""

    roots: tuple[etree._Element, ...]
    url: str
    base: str
    headers: Mapping[str, str]
    host: str
    language: str
    dates: DateReader
    data: LinkedData
    metas: dict[str, list[str]] = field(default_factory=dict)
    items: dict[str, list[etree._Element]] = field(default_factory=dict)
    headings: list[str] = field(default_factory=list)
    title: str = ""

    def elements(self, *tags: str) -> Iterator[etree._Element]:
        """The elements of these tags, in document order."""
        for root in self.roots:
            yield from root.iter(*tags)

    def meta(self, name: str) -> str:
        """The first value of a meta element's name, or the empty string."""
        return next(iter(self.metas.get(name, ())), "")

    def item(self, name: str) -> str:
        """The first value of an itemprop, or the empty string."""
        return next((value for element in self.items.get(name, ())[:20] if (value := item_value(element))), "")


def read_page(root: etree._Element, *, url: str, headers: Mapping[str, str]) -> Page:
    """The sources of a parsed page; `root` and what hangs beside it are only read."""
    roots = tuple(tree for tree in (root, *root.itersiblings()) if isinstance(tree.tag, str))
    lowered = {str(name).lower(): str(value) for name, value in headers.items()}
    base_element = next((element for tree in roots for element in tree.iter("base") if element.get("href")), None)
    base = absolute(url, base_element.get("href")) if base_element is not None else ""
    language = clip(
        root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or root.get("xml:lang"), 40
    )
    page = Page(
        roots=roots,
        url=url,
        base=base or url,
        headers=lowered,
        host=host_of(url),
        language=language,
        dates=DateReader(language, _day_of(lowered.get("date", ""))),
        data=read_linked_data((script for tree in roots for script in tree.iter("script")), url),
    )
    _gather(page)
    return page


def _gather(page: Page) -> None:
    for meta in page.elements("meta"):
        name = meta.get("property") or meta.get("name") or meta.get("itemprop") or meta.get("http-equiv")
        value = plain(meta.get("content"), 2000)
        if name and value and len(name) < 100:
            values = page.metas.setdefault(name.strip().lower(), [])
            if value not in values and len(values) < 100:
                values.append(value)
    for root in page.roots:
        for element in _elements(_MARKED(root)):
            for name in (element.get("itemprop") or "")[:200].lower().split():
                page.items.setdefault(name, []).append(element)
    headings = (plain(text_of(element)) for element in islice(page.elements("h1"), 50))
    page.headings = list(islice((text for text in headings if text), HEADINGS))
    # An svg has title elements too: the first one with text is the page's.
    page.title = next((text for element in islice(page.elements("title"), 3) if (text := plain(text_of(element)))), "")


def item_value(element: etree._Element) -> str:
    """The value of a microdata item: its content, datetime or text."""
    return plain(element.get("content")) or clip(element.get("datetime")) or plain(text_of(element, 300))


def _elements(found: Any) -> list[etree._Element]:
    return found if isinstance(found, list) else []


def _day_of(header: str) -> date:
    """The day that the server said it was, or a far one."""
    try:
        return parsedate_to_datetime(header).astimezone(UTC).date()
    except (TypeError, ValueError, IndexError, OverflowError):
        return _FAR
