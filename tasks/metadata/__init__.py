"""What a page says of itself, each field with its source: JSON-LD, meta elements, microdata, visible lines, the URL.

`page.py` gathers what stands there, one module a field lists what may be its value, with traits that speak for or
against it, and `rank.py` weighs them; the words they go by are in `words.py`.
"""

from collections.abc import Mapping
from typing import Any

from lxml import etree

from tasks.metadata import about
from tasks.metadata.authors import author_choices
from tasks.metadata.jsonld import LinkedData, linked_data
from tasks.metadata.page import read_page
from tasks.metadata.published import find_modified, published_choices
from tasks.metadata.rank import Choice, best, load_weights
from tasks.metadata.title import title_choices
from tasks.metadata.visible import read_visible
from tasks.records import Metadata

__all__ = ["LinkedData", "describe", "linked_data", "weigh"]

Weights = Mapping[str, Mapping[str, float]]


def describe(root: etree._Element, *, url: str, headers: Mapping[str, str], data: LinkedData | None = None) -> Metadata:
    """The metadata of a whole parsed page; the tree is only read, and nothing on it makes this fail.

    `url` is where the page was answered, `headers` those of the answer; `data` is what `linked_data` gave for the
    page where a caller needed that already.
    """
    return weigh(root, url=url, headers=headers, data=data, weights=load_weights())[0]


def weigh(
    root: etree._Element, *, url: str, headers: Mapping[str, str], data: LinkedData | None = None, weights: Weights
) -> tuple[Metadata, dict[str, list[Choice[Any]]]]:
    """As `describe` with these weights, and the choices of each weighed field: what the weights are learned from."""
    page = read_page(root, data or linked_data(root, url), url=url, headers=headers)
    site = about.find_site(page)
    stated_site = site.value if site and site.source != "url" else ""
    choices: dict[str, list[Choice[Any]]] = {"title": title_choices(page, stated_site)}
    title = best(choices["title"], weights["title"])
    visible = read_visible(page, title.value if title else "")
    choices["authors"] = author_choices(page, stated_site, visible)
    choices["published"] = published_choices(page, visible)
    metadata = Metadata(
        title=title,
        authors=best(choices["authors"], weights["authors"]),
        published=best(choices["published"], weights["published"]),
        modified=find_modified(page, visible),
        site=site,
        canonical_url=about.find_canonical(page),
        language=about.find_language(page),
        description=about.find_description(page),
        section=about.find_section(page),
        tags=about.find_tags(page),
        image=about.find_image(page),
    )
    return metadata, choices
