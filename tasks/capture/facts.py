"""Facts of a page that help to tell it from a wall, read from the tree that is there anyway."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from lxml import etree

from tasks.records import Article

__all__ = ["Facts", "read_facts"]

_HEADINGS = 4
_META = ("property", "name", "itemprop")
_NODES = 5_000  # elements looked at: what matters stands at the beginning


@dataclass(frozen=True, slots=True)
class Facts:
    """What one page shows and says of itself."""

    article: Article
    words: int  # of the article
    titles: tuple[str, ...] = ()  # of title elements and og:title
    headings: tuple[str, ...] = ()  # the first ones
    password: bool = False  # a field for a password
    refresh: str = ""  # where a meta refresh leads
    is_article: bool = False  # it says that it is an article, in JSON-LD or Open Graph
    is_free: bool | None = None  # isAccessibleForFree, in JSON-LD or microdata; None: not said
    tier: str = ""  # article:content_tier: free, metered or locked
    stated_words: int = 0  # wordCount of its JSON-LD


def read_facts(root: etree._Element | None, article: Article, linked: Sequence[Mapping[str, Any]] = ()) -> Facts:
    """The facts of a page; `linked` are the article objects of its JSON-LD, `article` is what cleaning made of it."""
    titles: list[str] = []
    headings: list[str] = []
    metas: dict[str, str] = {}
    refresh, password = "", False
    for element in islice(_elements(root), _NODES):
        match element.tag:
            case "title" if not _inside_drawing(element):
                titles.append(_text(element))
            case "h1" | "h2" if len(headings) < _HEADINGS:
                headings.append(_text(element))
            case "input":
                password = password or (element.get("type") or "").lower() == "password"
            case "meta":
                name = next((value for key in _META if (value := element.get(key))), "").lower()
                metas.setdefault(name, (element.get("content") or "")[:300])
                if (element.get("http-equiv") or "").lower() == "refresh":
                    refresh = refresh or _target(element.get("content") or "")
    return Facts(
        article=article,
        words=article.words,
        titles=tuple(filter(None, titles[:2])),
        headings=tuple(filter(None, headings)),
        password=password,
        refresh=refresh,
        is_article=bool(linked) or metas.get("og:type", "").lower() == "article" or "article:published_time" in metas,
        is_free=_is_free(linked, metas.get("isaccessibleforfree", "")),
        tier=metas.get("article:content_tier", "").strip().lower(),
        stated_words=_stated_words(linked),
    )


def _elements(root: etree._Element | None) -> Iterator[etree._Element]:
    return iter(()) if root is None else root.iter("title", "h1", "h2", "input", "meta")


def _inside_drawing(element: etree._Element) -> bool:
    parent = element.getparent()
    return parent is not None and parent.tag not in ("head", "html", "body")  # SVG has titles of its own


def _text(element: etree._Element) -> str:
    return " ".join("".join(str(text) for text in islice(element.itertext(), 50))[:300].split())


def _target(content: str) -> str:
    """The address in `5; url='/login'`; the empty string where the page reloads itself."""
    _, found, address = content.partition("=")
    return address.strip(" \"'") if found and "url" in content.lower() else ""


def _is_free(linked: Sequence[Mapping[str, Any]], microdata: str) -> bool | None:
    said = [str(node["isAccessibleForFree"]) for node in linked if "isAccessibleForFree" in node]
    for node in linked:
        parts = node.get("hasPart")
        for part in parts if isinstance(parts, list) else [parts]:
            if isinstance(part, dict) and "isAccessibleForFree" in part:
                said.append(str(part["isAccessibleForFree"]))
    said += [microdata] if microdata else []
    free = [text.strip().rpartition("/")[2].lower() not in ("false", "no", "0") for text in said]
    return all(free) if free else None


def _stated_words(linked: Sequence[Mapping[str, Any]]) -> int:
    for node in linked:
        said = str(node.get("wordCount", ""))[:8].strip()
        if said.isascii() and said.isdigit():
            return int(said)
    return 0
