"""What stands on a page, gathered in one pass over its elements: head fields, headings, microdata, linked data."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date
from email.utils import parsedate_to_datetime
from itertools import islice
from urllib.parse import urlsplit

from lxml import etree

from tasks.metadata.dates import DateReader
from tasks.metadata.jsonld import LinkedData
from tasks.metadata.text import absolute, clip, host_of, plain, text_of

__all__ = ["Page", "Place", "item_value", "read_page"]

HEADINGS = 6  # h1 elements looked at
LOOKED_AT = 50_000  # elements of a page that bylines and dates are searched in
EACH = 40  # elements of one kind that are kept

_PARTS = frozenset(("article", "main", "header", "nav", "aside", "footer"))
_BARE = frozenset(("br", "b", "i", "script", "style", "option", "path", "td", "tr", "svg"))  # never marked, and many
# An element and its number in the order of the page.
Place = tuple[int, etree._Element]


@dataclass(slots=True)
class Page:
    """The sources of one page. `metas` and `items` map a lower-case name to its values, in document order."""

    url: str
    base: str
    headers: Mapping[str, str]
    host: str
    language: str
    dates: DateReader
    data: LinkedData
    metas: "Metas" = field(default_factory=lambda: Metas())
    items: dict[str, list[etree._Element]] = field(default_factory=dict)
    links: list[tuple[str, str]] = field(default_factory=list)  # rel and href of link elements
    tag_links: list[etree._Element] = field(default_factory=list)  # a rel=tag
    order: list[etree._Element] = field(default_factory=list)  # every element, as far as looked at
    h1s: list[tuple[int, str]] = field(default_factory=list)  # number and text
    h2s: list[Place] = field(default_factory=list)
    times: list[Place] = field(default_factory=list)
    by_rel: list[Place] = field(default_factory=list)  # a rel=author
    classed: list[Place] = field(default_factory=list)  # elements whose class says author
    heading_traits: dict[str, set[str]] = field(default_factory=dict)  # of h1 texts: where and as what they stand
    title: str = ""

    def meta(self, name: str) -> str:
        """The first value of a meta element's name, or the empty string."""
        return next(iter(self.metas.get(name)), "")

    def item(self, name: str) -> str:
        """The first value of an itemprop, or the empty string."""
        return next((value for element in self.items.get(name, ())[:20] if (value := item_value(element))), "")

    @property
    def headings(self) -> list[str]:
        """The texts of the first h1 elements."""
        return [text for _, text in self.h1s]


class Metas:
    """The values of meta elements by name; folded only when asked for, since most never are."""

    def __init__(self) -> None:
        self._raw: dict[str, list[str]] = {}
        self._folded: dict[str, list[str]] = {}

    def __iter__(self) -> Iterator[str]:
        return iter(self._raw)

    def take(self, name: str, content: str | None) -> None:
        """Keep one value, a hundred of a name."""
        if content:
            values = self._raw.setdefault(name, [])
            if len(values) < 100:
                values.append(content)

    def get(self, name: str) -> list[str]:
        """The values of a name, each once, in document order."""
        if name not in self._raw:
            return []
        if name not in self._folded:
            values = (plain(content, 2000) for content in self._raw[name])
            self._folded[name] = list(dict.fromkeys(value for value in values if value))
        return self._folded[name]


def read_page(root: etree._Element, data: LinkedData, *, url: str, headers: Mapping[str, str]) -> Page:
    """The sources of a parsed page; `root` and what hangs beside it are only read."""
    lowered = {str(name).lower(): str(value) for name, value in headers.items()}
    language = clip(
        root.get("lang") or root.get("{http://www.w3.org/XML/1998/namespace}lang") or root.get("xml:lang"), 40
    )
    page = Page(
        url=url,
        base=url,
        headers=lowered,
        host=host_of(url),
        language=language,
        dates=DateReader(language, _day_of(lowered.get("date", ""))),
        data=data,
    )
    for tree in roots_of(root):
        _gather(tree, page)
    return page


def roots_of(root: etree._Element) -> Iterator[etree._Element]:
    """The root and what libxml2 may have left beside it."""
    return (tree for tree in (root, *root.itersiblings()) if isinstance(tree.tag, str))


def _gather(root: etree._Element, page: Page) -> None:
    order, classes = page.order, _ClassNames()
    for element in islice(root.iter("*"), LOOKED_AT):
        tag = element.tag
        if tag in _TAKEN:
            _TAKEN[tag](page, element)
        if tag not in _BARE:
            name = element.get("class")
            if name and classes[name] and len(page.classed) < EACH:
                page.classed.append((len(order), element))
            name = element.get("itemprop")
            if name:
                for part in name[:200].lower().split():
                    page.items.setdefault(part, []).append(element)
        order.append(element)


class _ClassNames(dict[str, bool]):
    """Whether a class attribute says that its element names the author; each is looked at once."""

    def __missing__(self, name: str) -> bool:
        low = name[:200].lower()  # plain searches: a pattern over every class of a page takes ten times as long
        says = "author" in low or "byline" in low or "autor" in low or "auteur" in low
        self[name] = says = says and "comment" not in low
        return says


# ------------------------------------------------------------------ by tag
def _take_meta(page: Page, meta: etree._Element) -> None:
    name = meta.get("property") or meta.get("name") or meta.get("itemprop") or meta.get("http-equiv")
    if name and len(name) < 100:
        page.metas.take(name.strip().lower(), meta.get("content"))


def _take_base(page: Page, element: etree._Element) -> None:
    if page.base == page.url:
        page.base = absolute(page.url, element.get("href")) or page.url


def _take_link(page: Page, link: etree._Element) -> None:
    rel = (link.get("rel") or "").lower()
    if rel in ("canonical", "image_src") or "canonical" in rel.split():
        page.links.append((rel, clip(link.get("href"), 2000)))


def _take_title(page: Page, title: etree._Element) -> None:
    # An svg has title elements too: the first one with text is the page's.
    if not page.title:
        page.title = plain(text_of(title))


def _take_h1(page: Page, heading: etree._Element) -> None:
    if len(page.h1s) < HEADINGS:
        text = plain(text_of(heading))
        if text:
            page.h1s.append((len(page.order), text))
            page.heading_traits.setdefault(text, set()).update(_heading_traits(page, heading))


def _take_h2(page: Page, heading: etree._Element) -> None:
    if len(page.h2s) < HEADINGS:
        page.h2s.append((len(page.order), heading))


def _take_time(page: Page, time: etree._Element) -> None:
    if len(page.times) < EACH:
        page.times.append((len(page.order), time))


def _take_a(page: Page, link: etree._Element) -> None:
    rel = link.get("rel")
    if not rel:
        return
    if "author" in rel and len(page.by_rel) < EACH:
        page.by_rel.append((len(page.order), link))
    elif "tag" in rel.lower().split() and len(page.tag_links) < EACH:
        page.tag_links.append(link)


_TAKEN: dict[object, Callable[[Page, etree._Element], None]] = {
    "meta": _take_meta,
    "base": _take_base,
    "link": _take_link,
    "title": _take_title,
    "h1": _take_h1,
    "h2": _take_h2,
    "time": _take_time,
    "a": _take_a,
}


def _heading_traits(page: Page, heading: etree._Element) -> Iterator[str]:
    """Where a heading stands, what its class says, whether its link leads to the front page."""
    link = next(heading.iter("a"), None)
    if link is not None and _leads_home(page.url, link.get("href")):
        yield "a heading that links home"
    above = next((e.tag for e in islice(heading.iterancestors(), 12) if e.tag in _PARTS), "none")
    yield f"a heading in {above}"
    words = f"{heading.get('class') or ''} {heading.get('id') or ''}"[:200].lower()
    if any(word in words for word in ("logo", "site", "brand")):
        yield "a heading classed as the site's"
    elif any(word in words for word in ("title", "headline", "entry", "post")):
        yield "a heading classed as a title"


def _leads_home(url: str, reference: str | None) -> bool:
    """Whether a link leads to the front page of the site."""
    try:
        here = not reference or reference.startswith("#")
        return not here and urlsplit(absolute(url, reference)).path in ("", "/")
    except ValueError:
        return False


def item_value(element: etree._Element) -> str:
    """The value of a microdata item: its content, datetime or text."""
    return plain(element.get("content")) or clip(element.get("datetime")) or plain(text_of(element, 300))


def _day_of(header: str) -> date:
    """The day that the server said it was, or a far one."""
    try:
        return parsedate_to_datetime(header).astimezone(UTC).date()
    except (TypeError, ValueError, IndexError, OverflowError):
        return _FAR


_FAR = date(2100, 1, 1)  # no Date header: no better bound than this
