"""The title: the heading that the head confirms, else what the head says, without the site's name."""

import re
from collections.abc import Iterator

from tasks.metadata.page import Page
from tasks.metadata.text import clip, key, plain
from tasks.records import Sourced

__all__ = ["find_title"]

# " | ", " - ", " :: " and their like set a site's name off from a title.
_BREAK = re.compile(r"\s(?:[|\-‐‑‒–—―·•»/]|::|\|\|)\s")
_WORD = re.compile(r"\w{3,}")


def find_title(page: Page, site: str) -> Sourced[str] | None:
    """The title and its source, or None for a page that has none."""
    names = _Names(page.host, site)
    head = [(names.cut(text), source) for text, source in _head_titles(page)]
    head = [(text, source) for text, source in head if not names.is_site(text)]
    headings = [names.cut(text) for text in page.headings if not names.is_site(text)]
    heading = _confirmed(headings, [text for text, _ in head])
    if heading:
        return _without_kicker(heading, head) or Sourced(heading, "h1")
    if head:
        return Sourced(*head[0])
    if page.headings:
        return Sourced(page.headings[0], "h1")
    last = page.title or page.meta("og:title")
    return Sourced(last, "title" if page.title else "meta:og:title") if last else None


def _head_titles(page: Page) -> Iterator[tuple[str, str]]:
    """What the head calls the page, best first."""
    yield from _of(page.data.articles, "headline", "json-ld:headline")
    for name in ("og:title", "twitter:title", "headline"):
        if page.meta(name):
            yield page.meta(name), f"meta:{name}"
    yield from _of(page.data.pages, "name", "json-ld:WebPage.name")
    if page.title:
        yield page.title, "title"


def _of(nodes: list[dict[str, object]], name: str, source: str) -> Iterator[tuple[str, str]]:
    yield from ((text, source) for node in nodes[:1] if (text := plain(node.get(name))))


def _confirmed(headings: list[str], head: list[str]) -> str:
    """The heading that a head title repeats; else one that holds it or is held by it; else one with half its words."""
    keys = [key(text) for text in head]
    for heading in headings:
        if len(key(heading)) > 7 and key(heading) in keys:
            return heading
    for heading in headings:
        text = key(heading)
        if len(text) > 9 and any(text in other or (len(other) > 15 and other in text) for other in keys):
            return heading
    vocabularies = [words for text in head if len(words := _words(text)) >= 3]
    for heading in headings:
        words = _words(heading)
        if len(words) >= 3 and any(2 * len(words & other) >= min(len(words), len(other)) for other in vocabularies):
            return heading
    return ""


def _without_kicker(heading: str, head: list[tuple[str, str]]) -> Sourced[str] | None:
    """The head title that the heading holds with a kicker, date or count beside it, or None."""
    text = key(heading)
    held = ((title, source) for title, source in head if text != key(title) and len(key(title)) > 15)
    return next((Sourced(title, source) for title, source in held if text.endswith(key(title))), None)


def _words(text: str) -> set[str]:
    return set(_WORD.findall(text.casefold()))


class _Names:
    """What the site calls itself: by host and by name."""

    def __init__(self, host: str, site: str) -> None:
        self._site = key(site)
        self._host = key(host)
        self._stem = key(host.rpartition(".")[0] or host)
        self._first = key(host.partition(".")[0])

    def is_site(self, text: str) -> bool:
        """Whether a title is nothing but the site's name."""
        return key(text) in ("", self._site, self._host, self._first)

    def cut(self, text: str) -> str:
        """`text` without trailing parts that are the site's name."""
        while breaks := list(_BREAK.finditer(text)):
            tail = key(text[breaks[-1].end() :])
            head = text[: breaks[-1].start()].strip()
            if not head or not tail or not self._names_site(tail):
                break
            text = head
        return clip(text)

    def _names_site(self, tail: str) -> bool:
        by_host = tail in self._host or (self._stem != "" and self._stem in tail)
        return by_host or (self._site != "" and (tail in self._site or self._site in tail))
