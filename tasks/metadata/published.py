"""When the page was published and modified: the best source that gives a date."""

from collections.abc import Iterator

from tasks.metadata.dates import url_date
from tasks.metadata.jsonld import Node
from tasks.metadata.page import Page
from tasks.metadata.visible import Visible
from tasks.records import Sourced

__all__ = ["find_modified", "find_published", "stated_published"]

_METAS_FIRST = (
    "og:article:published_time",
    "sailthru.date",
    "parsely-pub-date",
    "cxenseparse:recs:publishtime",
    "datepublished",
)
_METAS_LATER = (
    "published",
    "date_published",
    "publish-date",
    "publishdate",
    "publish_date",
    "vr:published-time",
    "originalpublicationdate",
    "pubdate",
    "citation_publication_date",
    "citation_date",
)
_METAS_MODIFIED = (
    "article:modified_time",
    "og:article:modified_time",
    "og:updated_time",
    "datemodified",
    "last-modified",
)
# Order measured on the development pages: each source with the share of its dates that are right.
_SHOWN_FIRST = (("near-heading", "text:near-heading"), ("time-published", "time:class"))
_SHOWN_THEN = (("time-after-heading", "time:after-heading"), ("time", "time"))
_SHOWN_LAST = (
    ("published-line", "text:published"),
    ("dated-class", "text:class"),
    ("updated", "text:updated"),
    ("any", "text"),
)
_SHOWN_MODIFIED = (("time-updated", "time:updated"), ("updated", "text:updated"))


def stated_published(page: Page) -> Sourced[str] | None:
    """The date of publication as JSON-LD, meta elements, microdata or the URL state it, or None."""
    return next(_dated(page, _stated(page)), None)


def find_published(page: Page, visible: Visible) -> Sourced[str] | None:
    """The date of publication from what readers see and from weaker statements, or None."""
    return next(_dated(page, _shown(page, visible)), None)


def find_modified(page: Page, visible: Visible | None) -> Sourced[str] | None:
    """The date of the last change, or None."""
    return next(_dated(page, _modified(page, visible)), None)


def _dated(page: Page, candidates: Iterator[tuple[str, object]]) -> Iterator[Sourced[str]]:
    for source, value in candidates:
        stamp = page.dates.stamp(value)
        if stamp:
            yield Sourced(stamp, source)


def _stated(page: Page) -> Iterator[tuple[str, object]]:
    yield from _of(page.data.articles, "datePublished", "json-ld:datePublished")
    yield "meta:article:published_time", page.meta("article:published_time")
    yield from _of(page.data.pages, "datePublished", "json-ld:WebPage.datePublished")
    yield from _metas(page, _METAS_FIRST)
    yield "microdata:datePublished", page.item("datepublished")
    yield from _metas(page, ("dc.date.issued", "dcterms.issued"))
    yield "url", url_date(page.url)


def _shown(page: Page, visible: Visible) -> Iterator[tuple[str, object]]:
    yield from _days(visible, _SHOWN_FIRST)
    yield from _metas(page, ("date", "dc.date", "dcterms.date"))
    yield from _days(visible, _SHOWN_THEN)
    yield from _metas(page, _METAS_LATER)
    yield from _of(page.data.articles, "dateCreated", "json-ld:dateCreated")
    yield from _metas(page, ("datecreated", "dcterms.created", "dc.date.created"))
    yield from _days(visible, _SHOWN_LAST)
    yield from _modified(page, visible)  # the day of a change is better than no day


def _modified(page: Page, visible: Visible | None) -> Iterator[tuple[str, object]]:
    yield from _of(page.data.articles, "dateModified", "json-ld:dateModified")
    yield from _metas(page, _METAS_MODIFIED[:2])
    yield from _of(page.data.pages, "dateModified", "json-ld:WebPage.dateModified")
    yield from _metas(page, _METAS_MODIFIED[2:])
    yield "microdata:dateModified", page.item("datemodified")
    if visible:
        yield from _days(visible, _SHOWN_MODIFIED)


def _of(nodes: list[Node], name: str, source: str) -> Iterator[tuple[str, object]]:
    yield from ((source, node.get(name)) for node in nodes)


def _metas(page: Page, names: tuple[str, ...]) -> Iterator[tuple[str, object]]:
    yield from ((f"meta:{name}", page.meta(name)) for name in names)


def _days(visible: Visible, kinds: tuple[tuple[str, str], ...]) -> Iterator[tuple[str, object]]:
    yield from ((source, visible.days.get(kind)) for kind, source in kinds)
