"""The authors: names cleaned of lead-ins, roles and dates, from the best source that has any."""

import re
from collections.abc import Iterator

from tasks.metadata.jsonld import Node, names_of
from tasks.metadata.page import Page, item_value
from tasks.metadata.rank import Choice, gather
from tasks.metadata.text import key, plain, text_of
from tasks.metadata.visible import Visible
from tasks.metadata.words import (
    BY_INSIDE,
    CREDENTIALS,
    LEAD_IN,
    NAME_BREAK,
    NAME_TAIL,
    NOT_A_NAME,
    ORGANISATION,
    ROLE,
    WRITTEN_BY,
)

__all__ = ["author_choices"]

MAX_AUTHORS = 12
_ORDER = {  # whose spelling of a name is taken where several give it
    kind: place
    for place, kind in enumerate(
        (
            "rel:author", "byline:class", "byline", "byline:link", "byline:next", "byline:above", "byline:class-above",
            "byline:link-above", "text:beside-date", "byline:below", "byline:class-elsewhere",
        )
    )
}  # fmt: skip
_INVERTED = ("meta:citation_author", "meta:dc.creator", "meta:dcterms.creator")  # one person each, the last name first

_METAS = (
    "sailthru.author", "parsely-author", "cxenseparse:author", "citation_author", "articleauthor", "author",
    "article:author", "article:author_name", "dc.creator", "dcterms.creator", "byl", "twitter:creator", "creator",
    "article.author", "og:author", "author_name",
)  # fmt: skip
_ALL_LINES = ("rel:author", "byline:link", "byline:class")  # lines that may each be one of several persons


_CAPITALS = re.compile(r"(?:[A-Z]-?){2,6}(?: \d+)?")  # of a degree or a house, where a name stands before it


def author_choices(page: Page, site: str, visible: Visible) -> list[Choice[tuple[str, ...]]]:
    """Who may be the authors, with the traits of each list of names."""
    found = [*_stated(page), *_shown(visible)]
    lists = [(names, source) for names, source in ((_names(texts, source), source) for texts, source in found) if names]
    choices = gather((_mark(names), names, source) for names, source in lists)
    context = _Context(page, site, choices)
    for choice in choices.values():
        choice.traits.add(f"sources {min(len(choice.sources), 4)}")
        choice.traits |= set(context.traits(choice.value))
    return list(choices.values())


def _names(texts: list[str], source: str) -> tuple[str, ...]:
    visible = source.startswith(("byline", "rel", "microdata", "text"))
    if source in _INVERTED:
        texts = [_turned(text) for text in texts]
    return tuple(dict.fromkeys(n for text in texts for n in split_names(text, visible=visible)))[:MAX_AUTHORS]


def _turned(text: str) -> str:
    """ "Lee, Ann" as "Ann Lee"."""
    last, comma, first = text.partition(",")
    return f"{first.strip()} {last}" if comma and "," not in first and len(last.split()) < 3 else text


def _mark(names: tuple[str, ...]) -> str:
    return " ".join(sorted(map(key, names)))


class _Context:
    """What the lists of names of one page are held against."""

    def __init__(self, page: Page, site: str, choices: dict[str, Choice[tuple[str, ...]]]) -> None:
        self._host, self._site = page.host, site
        self._sets = [frozenset(map(key, choice.value)) for choice in choices.values()]

    def traits(self, names: tuple[str, ...]) -> Iterator[str]:
        """The traits of one list of names."""
        keys = frozenset(map(key, names))
        yield f"names {min(len(names), 4)}"
        lengths = {min(len(name.split()), 4) for name in names}
        yield from (f"words {length}" for length in lengths)
        if any(ROLE.search(name) for name in names):
            yield "a role in it"
        if any(char.isdigit() for name in names for char in name):
            yield "a digit in it"
        if any(not word[0].isupper() for name in names for word in name.split()[:1]):
            yield "begins in lower case"
        if all(name.isupper() for name in names):
            yield "capitals"
        if any(_is_house(name, self._host, self._site) for name in names):
            yield "the site itself"
        if any(ORGANISATION.search(name) for name in names):
            yield "an organisation"
        if any(keys < other for other in self._sets):
            yield "some of another list"
        if any(other < keys for other in self._sets):
            yield "another list and more"
        for other in self._sets:
            if len(keys) == len(other) == 1 and keys != other:
                (mine,), (theirs,) = keys, other
                if mine in theirs:
                    yield "shorter than another"
                elif theirs in mine:
                    yield "longer than another"


def _stated(page: Page) -> Iterator[tuple[list[str], str]]:
    yield _first_of(page.data.articles, "author", page), "json-ld:author"
    yield _first_of(page.data.articles, "creator", page), "json-ld:creator"
    yield from ((page.metas.get(name), f"meta:{name}") for name in _METAS)
    yield _labelled(page)
    yield _first_of(page.data.pages, "author", page), "json-ld:WebPage.author"
    people = page.data.people[:1]
    yield names_of(people[0].get("name"), page.data) if people else [], "json-ld:Person"
    yield _item_names(page), "microdata:author"


def _shown(visible: Visible) -> Iterator[tuple[list[str], str]]:
    for kind in sorted(visible.names, key=_ORDER.__getitem__):
        lines = visible.names[kind]
        if len(lines) > 1 and kind in _ALL_LINES:
            yield lines, f"{kind}+all"
        yield from (([line], kind if number == 0 else f"{kind}+later") for number, line in enumerate(lines))


def _labelled(page: Page) -> tuple[list[str], str]:
    """The value of a Twitter card's line that is labelled "Written by" or the like."""
    for number in ("1", "2"):
        if WRITTEN_BY.match(page.meta(f"twitter:label{number}")):
            return page.metas.get(f"twitter:data{number}"), f"meta:twitter:data{number}"
    return [], ""


def _first_of(nodes: list[Node], name: str, page: Page) -> list[str]:
    return next((names for node in nodes if (names := names_of(node.get(name), page.data))), [])


def _item_names(page: Page) -> list[str]:
    """The text of each itemprop=author: its name where it has one."""
    texts = []
    for element in page.items.get("author", ())[:8]:
        name = next((part for part in element.iter("*") if part.get("itemprop") == "name"), None)
        texts.append(item_value(element) if name is None else plain(name.get("content")) or text_of(name, 200))
    return texts


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
        if not name or key(name) in CREDENTIALS or (names and (ROLE.search(name) or _CAPITALS.fullmatch(name))):
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
    return (
        bool(NOT_A_NAME.search(name))
        or len(name) > 45
        or len(words) > 5
        or (visible and words[0].islower() and len(words) > 1)
    )


def _is_house(name: str, host: str, site: str) -> bool:
    """Whether an author is the site itself; two words may be a person whose site bears their name."""
    text, words = key(name), len(name.split())
    if words != 2 and text in (key(site), key(host), key(host.partition(".")[0])):
        return True
    own = key(site)
    return bool(text) and words != 2 and (text in own or (bool(own) and own in text))
