"""Site, canonical URL, language, description, section, tags and lead image."""

import re
from collections.abc import Iterable, Iterator
from typing import Any

from tasks.metadata.jsonld import Node, names_of, strings_of, urls_of
from tasks.metadata.page import Page
from tasks.metadata.rank import sourced
from tasks.metadata.text import absolute, clip, text_of
from tasks.records import Sourced

__all__ = [
    "find_canonical",
    "find_description",
    "find_image",
    "find_language",
    "find_section",
    "find_site",
    "find_tags",
]

MAX_TAGS = 50
Candidates = Iterator[tuple[str, str]]

_LANGUAGE = re.compile(r"[A-Za-z]{2,3}(?:-[A-Za-z0-9]{2,8}){0,3}")
_LINK_HEADER = re.compile(r"<([^<>]{1,2000})>\s?;[^,<>]{0,200}?rel=\"?canonical\b", re.I)


def find_site(page: Page) -> Sourced[str] | None:
    """The name of the site; its host where it gives none."""
    return _first(_sites(page))


def find_canonical(page: Page) -> Sourced[str] | None:
    """The URL that the page gives as its own, absolute."""
    return _first((source, absolute(page.base, text)) for source, text in _canonicals(page))


def find_language(page: Page) -> Sourced[str] | None:
    """The language as a BCP 47 tag, as the page spells it but for `_`."""
    tags = ((source, text.split(",")[0].strip().replace("_", "-")) for source, text in _languages(page))
    return _first((source, tag) for source, tag in tags if _LANGUAGE.fullmatch(tag))


def find_description(page: Page) -> Sourced[str] | None:
    """What the page says it is about, in a sentence or two."""
    return _first(_descriptions(page))


def find_section(page: Page) -> Sourced[str] | None:
    """The section of the site that the page belongs to."""
    return _first(_sections(page))


def find_tags(page: Page) -> Sourced[tuple[str, ...]] | None:
    """Keywords, in the order given, each once."""
    lists = []
    for source, texts in _keywords(page):
        parts = (clip(part, 100) for text in texts for part in _split_tags(text))
        tags = {part.casefold(): part for part in parts if part}
        lists.append((tuple(tags.values())[:MAX_TAGS], source))
    return sourced(lists)


def find_image(page: Page) -> Sourced[str] | None:
    """The URL of the lead image, absolute."""
    return _first((source, absolute(page.base, text)) for source, text in _images(page))


def _first(candidates: Iterable[tuple[str, str]]) -> Sourced[str] | None:
    return sourced((text, source) for source, text in candidates)


def _values(nodes: list[Node], name: str) -> Iterator[Any]:
    yield from (node[name] for node in nodes if name in node)


def _sites(page: Page) -> Candidates:
    yield "meta:og:site_name", page.meta("og:site_name")
    for value in _values(page.data.sites, "name"):
        yield from (("json-ld:WebSite.name", text) for text in strings_of(value)[:1])
    for value in _values(page.data.articles, "publisher"):
        yield from (("json-ld:publisher.name", text) for text in names_of(value, page.data)[:1])
    yield "meta:application-name", page.meta("application-name")
    yield "url", page.host


def _canonicals(page: Page) -> Candidates:
    yield from (("link:canonical", href) for rel, href in page.links if "canonical" in rel.split())
    match = _LINK_HEADER.search(page.headers.get("link", "")[:8000])
    if match:
        yield "header:link", match[1]
    yield "meta:og:url", page.meta("og:url")
    for name in ("mainEntityOfPage", "url"):
        for value in _values(page.data.articles, name):
            yield from ((f"json-ld:{name}", text) for text in urls_of(value)[:1])


def _languages(page: Page) -> Candidates:
    yield "html:lang", page.language
    for value in _values(page.data.articles, "inLanguage"):
        yield from (("json-ld:inLanguage", text) for text in strings_of(value)[:1])
    yield "meta:content-language", page.meta("content-language")
    yield "meta:og:locale", page.meta("og:locale")
    yield "header:content-language", clip(page.headers.get("content-language", ""))


def _descriptions(page: Page) -> Candidates:
    yield "meta:og:description", page.meta("og:description")
    yield "meta:description", page.meta("description")
    for value in _values(page.data.articles, "description"):
        yield from (("json-ld:description", text) for text in strings_of(value)[:1])
    for name in ("twitter:description", "dc.description", "dcterms.description"):
        yield f"meta:{name}", page.meta(name)
    yield "microdata:description", page.item("description")


def _sections(page: Page) -> Candidates:
    for value in _values(page.data.articles, "articleSection"):
        yield from (("json-ld:articleSection", text) for text in strings_of(value)[:1])
    for name in ("article:section", "parsely-section", "cxenseparse:section", "section"):
        yield f"meta:{name}", page.meta(name)
    yield "microdata:articleSection", page.item("articlesection")


def _keywords(page: Page) -> Iterator[tuple[str, list[str]]]:
    yield "meta:article:tag", page.metas.get("article:tag")
    for value in _values(page.data.articles, "keywords"):
        yield "json-ld:keywords", strings_of(value)
    for name in ("news_keywords", "parsely-tags", "keywords"):
        yield f"meta:{name}", page.metas.get(name)
    yield "rel:tag", [text_of(link, 100) for link in page.tag_links]


def _split_tags(text: str) -> list[str]:
    return text.split(";" if ";" in text and "," not in text else ",")


def _images(page: Page) -> Candidates:
    for name in ("og:image:secure_url", "og:image", "og:image:url"):
        yield f"meta:{name}", page.meta(name)
    for value in _values(page.data.articles, "image"):
        yield from (("json-ld:image", text) for text in urls_of(value)[:1])
    for name in ("twitter:image", "twitter:image:src", "image"):
        yield f"meta:{name}", page.meta(name)
    yield from (("link:image_src", href) for rel, href in page.links if rel == "image_src")
