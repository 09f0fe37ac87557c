"""The page's own words for its headline and standfirst, to know a line that repeats them."""

import re
from typing import Final

from tasks.clean.phrases import fold_line
from tasks.clean.walk import Page

__all__ = ["head_metas", "headlines", "standfirsts"]

_TITLES: Final = frozenset({"og:title", "twitter:title", "headline"})
_DESCRIPTIONS: Final = frozenset({"og:description", "twitter:description", "description"})
_SITE_MARK: Final = re.compile(r"\s+[|•·–—-]+\s+|\s*[|»«]\s*|\s+::\s+")
_MOST: Final = 300  # characters: what is longer is no headline, and a page may hold megabytes of it
_LEAST: Final = 12  # characters: a shorter headline may be a line of its own in the article


def head_metas(page: Page) -> list[tuple[str, str]]:
    """Lower-case name and content of each <meta> in the head that may be of use here."""
    metas = (meta for head in page.element[0].iterchildren("head") for meta in head.iterchildren("meta"))
    named = (((meta.get("property") or meta.get("name") or "").lower(), meta) for meta in metas)
    return [(name, meta.get("content") or "") for name, meta in named if name in _TITLES or name in _DESCRIPTIONS]


def headlines(page: Page, metas: list[tuple[str, str]]) -> frozenset[str]:
    """The headline as <title>, og:title and the first <h1> have it, folded, with and without the site's name."""
    found = _contents(metas, _TITLES)
    found += [element.text or "" for element in page.element[0].iterfind("head/title")]
    found += ["".join(page.texts[page.text_start[n] : page.text_end[n]]) for n in _first(page, "h1")]
    whole = [" ".join(one.split()) for one in found if len(one) <= _MOST]
    # A headline may hold a dash of its own: each piece longer than half of it may be the headline.
    pieces = [piece for one in whole for piece in _SITE_MARK.split(one) if len(piece) * 2 > len(one)]
    return frozenset(text for one in (*whole, *pieces) if len(text := fold_line(one)) >= _LEAST)


def standfirsts(metas: list[tuple[str, str]]) -> frozenset[str]:
    """The page's descriptions, folded."""
    return frozenset(text for one in _contents(metas, _DESCRIPTIONS) if len(text := fold_line(one)) >= 2 * _LEAST)


def _contents(metas: list[tuple[str, str]], names: frozenset[str]) -> list[str]:
    return [" ".join(one.split()) for name, one in metas if name in names and len(one) <= 2 * _MOST]


def _first(page: Page, tag: str) -> list[int]:
    return [page.tag.index(tag)] if tag in page.tag else []
