"""What a page says of itself, each field with its source: JSON-LD, meta elements, microdata, visible lines, the URL.

`page.py` gathers what stands there, one module a field decides what to believe; the words they go by are in `words.py`.
"""

from collections.abc import Mapping

from lxml import etree

from tasks.metadata import about
from tasks.metadata.authors import find_authors, stated_authors
from tasks.metadata.page import read_page
from tasks.metadata.published import find_modified, find_published, stated_published
from tasks.metadata.title import find_title
from tasks.metadata.visible import read_visible
from tasks.records import Metadata

__all__ = ["describe"]


def describe(root: etree._Element, *, url: str, headers: Mapping[str, str]) -> Metadata:
    """The metadata of a whole parsed page; the tree is only read, and nothing on it makes this fail.

    `url` is where the page was answered, `headers` those of the answer. Visible lines are searched only where
    the page states no author or no date (half the time of a page goes there).
    """
    page = read_page(root, url=url, headers=headers)
    site = about.find_site(page)
    stated_site = site.value if site and site.source != "url" else ""
    authors, published = stated_authors(page, stated_site), stated_published(page)
    visible = None if authors and published else read_visible(page)
    if visible:
        authors = authors or find_authors(page, stated_site, visible)
        published = published or find_published(page, visible)
    return Metadata(
        title=find_title(page, stated_site),
        authors=authors,
        published=published,
        modified=find_modified(page, visible),
        site=site,
        canonical_url=about.find_canonical(page),
        language=about.find_language(page),
        description=about.find_description(page),
        section=about.find_section(page),
        tags=about.find_tags(page),
        image=about.find_image(page),
    )
