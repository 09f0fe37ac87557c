"""The authors: names cleaned of lead-ins, roles and dates, from the best source that has any."""

from collections.abc import Iterator

from tasks.metadata.jsonld import Node, names_of
from tasks.metadata.page import Page, item_value
from tasks.metadata.text import key, plain, text_of
from tasks.metadata.visible import Visible
from tasks.metadata.words import BY_INSIDE, CREDENTIALS, LEAD_IN, NAME_BREAK, NAME_TAIL, NOT_A_NAME, ROLE, WRITTEN_BY
from tasks.records import Sourced

__all__ = ["find_authors", "stated_authors"]

MAX_AUTHORS = 12
Authors = Sourced[tuple[str, ...]]

_META_FIRST = ("sailthru.author", "parsely-author", "cxenseparse:author", "citation_author", "articleauthor", "author")
# Kinds of visible byline, best first, with the source that is reported.
_VISIBLE = (
    ("rel", "rel:author"),
    ("class-after-heading", "byline:class"),
    ("byline", "byline"),
    ("link-after-heading", "byline:link"),
    ("byline-above", "byline"),
    ("class", "byline:class"),
    ("link", "byline:link"),
    ("byline-below", "byline"),
)
_ALL_LINES = ("rel",)  # each line is one person; of the others only the first that has a name counts


def stated_authors(page: Page, site: str) -> Authors | None:
    """The authors as JSON-LD, meta elements or microdata state them, or None."""
    for source, texts in _stated(page):
        names = _merged(_people(text, page.host, site) for text in texts)
        if names:
            return Sourced(names, source)
    names = _merged(_people(text, page.host, site, visible=True) for text in _item_names(page))
    return Sourced(names, "microdata:author") if names else None


def find_authors(page: Page, site: str, visible: Visible) -> Authors | None:
    """The authors as the page shows them; else a stated one that looks like the house itself; else None."""
    for kind, source in _VISIBLE:
        names = _shown(kind, visible.names.get(kind, []), page.host, site)
        if names:
            return Sourced(names, source)
    for source, texts in _stated(page):  # better the newsroom than nobody
        names = _merged(split_names(text) for text in texts)
        if names and source in ("json-ld:author", "json-ld:creator", "meta:author"):
            return Sourced(names, source)
    return None


def _stated(page: Page) -> Iterator[tuple[str, list[str]]]:
    yield "json-ld:author", _first_of(page.data.articles, "author", page)
    yield "json-ld:creator", _first_of(page.data.articles, "creator", page)
    for name in _META_FIRST:
        yield f"meta:{name}", page.metas.get(name, [])
    yield _labelled(page)
    yield "json-ld:WebPage.author", _first_of(page.data.pages, "author", page)
    yield "json-ld:Person", names_of(page.data.people[0].get("name"), page.data) if page.data.people else []
    yield "meta:article:author", page.metas.get("article:author", [])


def _labelled(page: Page) -> tuple[str, list[str]]:
    """The value of a Twitter card's line that is labelled "Written by" or the like."""
    for number in ("1", "2"):
        if WRITTEN_BY.match(page.meta(f"twitter:label{number}")):
            return f"meta:twitter:data{number}", page.metas.get(f"twitter:data{number}", [])
    return "", []


def _first_of(nodes: list[Node], name: str, page: Page) -> list[str]:
    return next((names for node in nodes if (names := names_of(node.get(name), page.data))), [])


def _item_names(page: Page) -> list[str]:
    """The text of each itemprop=author: its name where it has one."""
    texts = []
    for element in page.items.get("author", ())[:8]:
        name = next((part for part in element.iter("*") if part.get("itemprop") == "name"), None)
        texts.append(item_value(element) if name is None else plain(name.get("content")) or text_of(name, 200))
    return texts


def _shown(kind: str, lines: list[str], host: str, site: str) -> tuple[str, ...]:
    found: list[str] = []
    for line in lines:
        names = _people(line, host, site, visible=True)
        if not names or (kind.startswith("byline") and len(names[0].split()) < 2 and BY_INSIDE.search(line)):
            continue
        found += names
        if kind not in _ALL_LINES:
            break
    return _merged([found])


def _people(text: str, host: str, site: str, *, visible: bool = False) -> list[str]:
    return [name for name in split_names(text, visible=visible) if not _is_house(name, host, site)]


def _merged(groups: Iterator[list[str]] | list[list[str]]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(name for group in groups for name in group))[:MAX_AUTHORS]


def split_names(text: str, *, visible: bool = False) -> list[str]:
    """The names in one author text; of a `visible` byline the lead-in, place and date around them are cut."""
    text = plain(text)
    if visible:
        lead = BY_INSIDE.search(text)
        if lead and lead.start() < 40:
            text = text[lead.end() :]
    text = LEAD_IN.sub("", text)
    if visible:
        text = NAME_TAIL.sub("", text)
    names: list[str] = []
    for part in NAME_BREAK.split(text):
        name = _name(part)
        if not name or key(name) in CREDENTIALS or (names and ROLE.search(name)):
            continue
        if _no_name(name, visible=visible):
            if names:
                break
            continue
        if name not in names:
            names.append(name)
    return names


def _name(part: str) -> str:
    """One part of an author text without brackets, lead-in and punctuation around it."""
    start = part.find("(")
    if start >= 0:
        end = part.find(")", start)
        part = part[:start] + (f" {part[end + 1 :]}" if end >= 0 else "")
    return " ".join(LEAD_IN.sub("", part.strip()).strip(" ,:;-–|.•").split())


def _no_name(name: str, *, visible: bool) -> bool:
    words = name.split()
    return bool(NOT_A_NAME.search(name)) or len(name) > 45 or len(words) > 5 or (visible and words[0].islower())


def _is_house(name: str, host: str, site: str) -> bool:
    """Whether an author is the site itself; two words may be a person whose site bears their name."""
    text, words = key(name), len(name.split())
    if words != 2 and text in (key(site), key(host), key(host.partition(".")[0])):
        return True
    own = key(site)
    return bool(text) and words != 2 and (text in own or (bool(own) and own in text))
