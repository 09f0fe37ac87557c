"""The title: of what headings and head say, without the site's name, that which the traits speak for."""

import re
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit

from tasks.metadata.page import Page
from tasks.metadata.rank import Choice, gather
from tasks.metadata.text import clip, key, plain, text_of

__all__ = ["title_choices"]

# " | ", " - ", " :: " and their like set a site's name off from a title.
_BREAK = re.compile(r"\s(?:[|\-‐‑‒–—―·•»«/:<>]|::|\|\||//)\s|\s?[|｜]\s?")
_WORD = re.compile(r"\w{3,}")
_METAS = (
    "og:title", "twitter:title", "headline", "title", "dc.title", "dcterms.title", "sailthru.title", "parsely-title",
    "citation_title",
)  # fmt: skip
_MAIN = ("h1", "title", "meta:og:title", "json-ld:headline")  # what others are held against


def title_choices(page: Page, site: str) -> list[Choice[str]]:
    """What may be the title, with the traits of each."""
    names = _Names(page.host, site)
    given = [(text, source) for text, source in _given(page) if text]
    choices = gather((key(text), text, source) for text, source in _cut(given, names) if key(text))
    context = _Context(page, given)
    for mark, choice in choices.items():
        choice.traits.add(f"sources {min(len(choice.sources), 4)}")
        choice.traits |= set(context.traits(mark, choice.value))
        choice.traits.add("given by " + (" ".join(part for part in _MAIN if part in choice.sources) or "others"))
        if names.is_site(choice.value):
            choice.traits.add("is the site's name")
    return list(choices.values())


def _given(page: Page) -> Iterator[tuple[str, str]]:
    for number, text in enumerate(page.headings):
        yield text, "h1" if number == 0 else "h1+later"
    for name in ("headline", "name"):
        yield from ((plain(node.get(name)), f"json-ld:{name}") for node in page.data.articles[:1])
    yield from ((page.meta(name), f"meta:{name}") for name in _METAS)
    yield page.item("headline"), "microdata:headline"
    yield from ((plain(node.get("name")), "json-ld:WebPage.name") for node in page.data.pages[:1])
    yield page.title, "title"
    heads = key(page.title)
    for number, (_, element) in enumerate(page.h2s):
        text = text_of(element)
        if len(key(text)) > 7 and key(text) in heads:
            yield text, "h2+in the title"
        elif number == 0 and not page.headings:
            yield text, "h2"


def _cut(given: list[tuple[str, str]], names: "_Names") -> Iterator[tuple[str, str]]:
    """Each text without the site's name; then what stands before its last and behind its first break."""
    cut = [(names.cut(text), source) for text, source in given]
    yield from cut
    for text, source in cut:
        breaks = list(_BREAK.finditer(text))
        if breaks and source in _MAIN:
            yield text[: breaks[-1].start()].strip(), f"{source}+before a break"
            yield text[breaks[0].end() :].strip(), f"{source}+behind a break"


class _Context:
    """What the candidates of one page are held against."""

    def __init__(self, page: Page, given: list[tuple[str, str]]) -> None:
        self._marks = {source: key(text) for text, source in reversed(given) if source in _MAIN and text}
        self._slug = _slug_words(page.url)
        self._lone = len(page.h1s) == 1
        self._headings = {key(text): traits for text, traits in page.heading_traits.items()}
        self._dates = page.dates

    def traits(self, mark: str, text: str) -> Iterator[str]:
        """The traits of one candidate."""
        words = _words(text)
        yield f"words {_bucket(len(text.split()), (1, 2, 4, 8, 16, 24))}"
        for source, other in self._marks.items():
            if mark == other:
                if source == "h1" and self._lone:
                    yield "the only h1"
            elif mark in other:
                yield f"part of {source}" + (
                    ", its end" if other.endswith(mark) else ", its start" if other.startswith(mark) else ""
                )
            elif len(other) > 9 and other in mark:
                yield f"holds {source}" + (", at its start" if mark.startswith(other) else "")
        yield from self._headings.get(mark, ())
        if self._dates.visible(text):
            yield "a date in it"
        if _BREAK.search(text):
            yield "has a break"
        if text.endswith(("…", "...")):
            yield "ends in dots"
        if len(self._slug) > 2:
            yield f"slug {_bucket(round(4 * len(self._slug & words) / len(self._slug)), (0, 1, 2, 3))}"


def _bucket(number: int, bounds: tuple[int, ...]) -> str:
    return next((f"to {bound}" for bound in bounds if number <= bound), "more")


def _slug_words(url: str) -> set[str]:
    """The words in the last part of a URL's path."""
    try:
        path = unquote(urlsplit(url[:2000]).path, errors="replace")
    except ValueError:
        return set()
    return _words(path.rstrip("/").rpartition("/")[2].replace("_", " "))


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
        breaks = list(_BREAK.finditer(text))
        while breaks:
            last = breaks.pop()
            tail = key(text[last.end() :])
            head = text[: last.start()].strip()
            if not head or not tail or not self._names_site(tail):
                break
            text = head
        return clip(text)

    def _names_site(self, tail: str) -> bool:
        by_host = tail in self._host or (self._stem != "" and self._stem in tail)
        return by_host or (self._site != "" and (tail in self._site or self._site in tail))
