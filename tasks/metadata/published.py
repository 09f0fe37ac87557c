"""When the page was published and modified: what states or shows a day, with the traits of each."""

import re
from collections.abc import Iterator
from datetime import date, timedelta
from itertools import islice

from tasks.metadata.dates import url_date, url_month
from tasks.metadata.jsonld import Node
from tasks.metadata.page import Page
from tasks.metadata.rank import Choice, gather, sourced
from tasks.metadata.visible import Visible
from tasks.records import Sourced

__all__ = ["find_modified", "published_choices"]

_METAS = (
    "article:published_time", "og:article:published_time", "article:published", "sailthru.date", "parsely-pub-date",
    "cxenseparse:recs:publishtime", "datepublished", "dc.date.issued", "dcterms.issued", "date", "dc.date",
    "dcterms.date", "published", "date_published", "publish-date", "publishdate", "publish_date", "vr:published-time",
    "originalpublicationdate", "pubdate", "citation_publication_date", "citation_date", "datecreated",
    "dcterms.created", "dc.date.created", "publication_date", "og:pubdate", "article.published", "release_date",
)  # fmt: skip
_METAS_MODIFIED = (
    "article:modified_time",
    "og:article:modified_time",
    "og:updated_time",
    "datemodified",
    "last-modified",
    "dcterms.modified",
    "dc.date.modified",
)
_SHOWN_MODIFIED = ("time:updated", "text:updated", "text:updated-elsewhere")

_OTHER_METAS = re.compile(
    r"(?:.*[.:_-])?publi(?:sh(?:ed|ing)?|cation)[._-]?(?:at|on|date|time|datetime)?(?:[._-].*)?|.*[._:-]pub_?date"
)
_PUBLICATION = re.compile(
    r"json-ld:(?:WebPage\.)?datePublished|microdata:datePublished|meta:.*publi|meta:datepublished"
).match
_SHOWN = re.compile(r"text|time").match

Stamps = Iterator[tuple[str, object]]


def published_choices(page: Page, visible: Visible) -> list[Choice[str]]:
    """The days that may be the one of publication, each as the source says it that says most: time and offset."""
    stamps = [*_dated(page, _stated(page)), *_dated(page, _modified(page))]
    stamps += _turned(_shown(visible), {stamp[:10] for stamp, _ in stamps})
    choices = gather((stamp[:10], stamp, source) for stamp, source in stamps)
    for stamp, source in stamps:  # the spelling that says most
        choice = choices.get(stamp[:10])
        if choice and len(stamp) > len(choice.value):
            choice.value, choice.source = stamp, source.partition("+")[0]
    context = _Context(page, choices)
    for day, choice in choices.items():
        choice.traits |= set(context.traits(day, choice.sources))
    return list(choices.values())


def find_modified(page: Page, visible: Visible) -> Sourced[str] | None:
    """The date of the last change, or None."""
    shown = ((visible.days[kind], kind) for kind in _SHOWN_MODIFIED if kind in visible.days)
    return sourced([*_dated(page, _modified(page)), *shown])


class _Context:
    """What the days of one page are held against."""

    def __init__(self, page: Page, choices: dict[str, Choice[str]]) -> None:
        days = sorted(choices)
        self._first, self._last, self._several = days[:1], days[-1:], len(days) > 1
        self._month = url_month(page.url)
        self._stated = sorted(day for day, choice in choices.items() if not all(map(_SHOWN, choice.sources)))
        self._after_utc = {
            (date.fromisoformat(day) + timedelta(days=1)).isoformat()
            for day, choice in choices.items()
            if choice.value.endswith("Z") and day != "9999-12-31"
        }

    def traits(self, day: str, sources: list[str]) -> Iterator[str]:
        """The traits of one day."""
        if self._several:
            if [day] == self._first:
                yield "the earliest"
            if [day] == self._last:
                yield "the latest"
        if self._month:
            yield "month of the URL" if day.startswith(self._month) else "not the month of the URL"
        if day in self._after_utc:
            yield "the day after one in UTC"
        if any(map(_PUBLICATION, sources)):
            yield "stated as publication"
        if self._stated and day not in self._stated:
            where = "before" if day < self._stated[0] else "after" if day > self._stated[-1] else "between"
            yield f"shown alone, {where} what is stated"


def _dated(page: Page, candidates: Stamps) -> Iterator[tuple[str, str]]:
    for source, value in candidates:
        stamp = page.dates.stamp(value) if value else ""
        if stamp:
            yield stamp, source


def _stated(page: Page) -> Stamps:
    yield from _of(page.data.articles, "datePublished", "json-ld:datePublished")
    yield from _of(page.data.pages, "datePublished", "json-ld:WebPage.datePublished")
    yield from ((f"meta:{name}", page.meta(name)) for name in _METAS)
    others = (name for name in page.metas if _OTHER_METAS.fullmatch(name) and name not in _METAS)
    yield from ((f"meta:{name}", page.meta(name)) for name in islice(others, 5))
    yield "microdata:datePublished", page.item("datepublished")
    yield "url", url_date(page.url)
    yield from _of(page.data.articles, "dateCreated", "json-ld:dateCreated")
    yield from _of(page.data.others, "datePublished", "json-ld:other.datePublished")
    yield from _of(page.data.others, "uploadDate", "json-ld:other.uploadDate")


def _shown(visible: Visible) -> Iterator[tuple[str, str]]:
    yield from ((day, kind) for kind, day in visible.days.items())


def _turned(shown: Iterator[tuple[str, str]], stated: set[str]) -> Iterator[tuple[str, str]]:
    """The days shown, day and month exchanged where only that gives a day which the page states."""
    for day, source in shown:
        turned = f"{day[:4]}-{day[8:10]}-{day[5:7]}"
        yield (turned if day[:10] not in stated and turned in stated else day), source


def _modified(page: Page) -> Stamps:
    yield from _of(page.data.articles, "dateModified", "json-ld:dateModified")
    yield from _of(page.data.pages, "dateModified", "json-ld:WebPage.dateModified")
    yield from ((f"meta:{name}", page.meta(name)) for name in _METAS_MODIFIED)
    yield "microdata:dateModified", page.item("datemodified")


def _of(nodes: list[Node], name: str, source: str) -> Stamps:
    yield from ((source, node.get(name)) for node in nodes[:3])
