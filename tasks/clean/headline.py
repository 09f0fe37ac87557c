"""The page's own words for its headline and standfirst, to know a line that repeats them."""

import re
from typing import Final

from tasks.clean.phrases import fold_line
from tasks.clean.walk import Page

__all__ = ["headlines", "standfirsts"]

_TITLES: Final = frozenset({"og:title", "twitter:title", "headline"})
_DESCRIPTIONS: Final = frozenset({"og:description", "twitter:description", "description"})
_SITE_MARK: Final = re.compile(r"\s+[|•·–—-]+\s+|\s*[|»«]\s*|\s+::\s+")
_MOST: Final = 300  # characters: what is longer is no headline, and a page may hold megabytes of it
_LEAST: Final = 12  # characters: a shorter headline may be a line of its own in the article


def headlines(page: Page) -> frozenset[str]:
    """The headline as <title>, og:title and the first <h1> have it, folded, with and without the site's name."""
    found = _metas(page, _TITLES)
    found += [element.text or "" for element in page.element[0].iterfind("head/title")]
    found += ["".join(page.texts[page.text_start[n] : page.text_end[n]]) for n in _first(page, "h1")]
    whole = [" ".join(one.split()) for one in found if len(one) <= _MOST]
    # A headline may hold a dash of its own: each piece longer than half of it may be the headline.
    pieces = [piece for one in whole for piece in _SITE_MARK.split(one) if len(piece) * 2 > len(one)]
    return frozenset(text for one in (*whole, *pieces) if len(text := fold_line(one)) >= _LEAST)


def standfirsts(page: Page) -> frozenset[str]:
    """The page's descriptions, folded."""
    return frozenset(text for one in _metas(page, _DESCRIPTIONS) if len(text := fold_line(one)) >= 2 * _LEAST)


def _metas(page: Page, names: frozenset[str]) -> list[str]:
    metas = page.element[0].iterfind("head/meta")
    found = [
        meta.get("content") or "" for meta in metas if (meta.get("property") or meta.get("name") or "").lower() in names
    ]
    return [" ".join(one.split()) for one in found if len(one) <= 2 * _MOST]


def _first(page: Page, tag: str) -> list[int]:
    return [page.tag.index(tag)] if tag in page.tag else []
