"""Section and home pages in, the links that look like articles out, each with the signs that say so.

| sign | weight | is |
| --- | --- | --- |
| date in its path | 3 | /2026/11/29/ferry, /2026-11-29-ferry, /20261129/ferry |
| long slug | 3 | four words or more in the last part of the path |
| id | 2 | five digits or more in a row in the last part, or a parameter such as id= |
| headline text | 2 | four words or more |
| in an article or heading | 2 | the link stands in <article>, or with an <h1> to <h4> |

A link is taken with 3 or more. Before that, media files, other sites, tags, authors, log-in and navigation are passed
over, the last only where the path has neither date nor id.
"""

import re
from dataclasses import dataclass
from functools import cache
from itertools import islice
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from tasks.errors import FormatError
from tasks.sources.found import Discovery, Fetched, Found
from tasks.sources.markup import name_of, parse_html
from tasks.sources.urls import absolute, is_url, without_fragment

__all__ = ["parse_section", "same_site", "signs_in_url"]

LINKS = 10_000  # read of one page
TITLE = 300  # characters kept of a link's text
_PARTS = 200  # elements and texts looked at in one link: a whole page may stand in it
ENOUGH = 3
_WORDS = 4  # in a headline, or in a slug

# The last two parts of a path, by what they lead to; whole parts only.
_MEANS = {
    **dict.fromkeys(("tag", "tags", "topic", "topics", "thema", "themen", "category", "categories", "tema"), "tags"),
    **dict.fromkeys(("author", "authors", "autor", "autoren", "auteur", "profile"), "authors"),
    **dict.fromkeys(("login", "signin", "sign-in", "log-in", "register", "signup", "sign-up", "logout"), "log-in"),
    **dict.fromkeys(("account", "my-account", "subscribe", "subscription", "abo", "checkout", "cart"), "log-in"),
    **dict.fromkeys(("search", "suche", "about", "about-us", "contact", "contact-us", "kontakt"), "navigation"),
    **dict.fromkeys(("impressum", "imprint", "privacy", "privacy-policy", "datenschutz", "terms"), "navigation"),
    **dict.fromkeys(("newsletter", "newsletters", "rss", "feed", "feeds", "sitemap", "archive"), "navigation"),
    **dict.fromkeys(("help", "faq", "jobs", "advertise", "cookies", "page", "share", "print"), "navigation"),
}
_MEDIA = re.compile(
    r"\.(jpe?g|png|gif|webp|avif|svg|ico|bmp|mp[34]|m4[av]|mov|webm|ogg|wav|pdf|zip|gz|epub|docx?|xlsx?|pptx?"
    r"|css|js|json|xml|rss|atom|ics|txt|apk|exe|dmg)$",
    re.I,
)
_YEAR, _MONTH, _DAY = r"(?:19|20)\d\d", r"(?:0?[1-9]|1[0-2]|[a-z]{3})", r"(?:0?[1-9]|[12]\d|3[01])"
_DATED = re.compile(
    rf"/{_YEAR}/{_MONTH}(?:/{_DAY})?/[^/]|(?<!\d){_YEAR}-(?:0[1-9]|1[0-2])-{_DAY}(?!\d)"
    r"|(?<!\d)20\d\d(?:0[1-9]|1[0-2])(?:0[1-9]|[12]\d|3[01])(?!\d)",
    re.I,
)
_ARCHIVE = re.compile(rf"/{_YEAR}(?:[/-]{_MONTH}(?:[/-]{_DAY})?)?/?", re.I)  # /2026/11/: the days of a month
_ID = re.compile(r"\d{5,}")
_ID_NAMES = frozenset({"id", "p", "articleid", "article_id", "story", "storyid", "nid", "aid", "newsid"})
_ENDING = re.compile(r"\.(s?html?|php|aspx?|jsp|amp)$", re.I)
_AROUND = frozenset({"nav", "footer", "menu"})
_AROUND_ROLES = frozenset({"navigation", "contentinfo", "menu", "menubar"})
_HEADINGS = frozenset({"h1", "h2", "h3", "h4"})
# Scripts that put no spaces between words: two of their characters count as one word.
_UNSPACED = re.compile(r"[\u0e00-\u0eff\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")


@dataclass(slots=True)
class _Link:
    """All the links of a page to one URL, taken together."""

    text: str = ""
    prominent: bool = False  # one of them is in an article or with a heading
    around: bool = True  # all of them are in navigation


def parse_section(answer: Fetched) -> Discovery:
    """The links of a page, parted into those that look like articles and the rest; raises FormatError for no HTML."""
    root, cut = parse_html(answer)
    if root is None or root.find("body") is None:
        raise FormatError("no HTML page", where=answer.url, remedy="Name a page whose links lead to articles")
    links, notes = _links(root, answer.url, cut)
    if not links:
        notes = (*notes, "the page has no links: perhaps a script draws them")
    found, passed = list[Found](), list[tuple[Found, str]]()
    for url, link in links.items():
        taken, why = _judged(url, link, answer.url)
        one = Found(url, why if taken else "link of the page", link.text)
        if taken:
            found.append(one)
        else:
            passed.append((one, why))
    return Discovery(tuple(found), tuple(passed), notes, answer.validators)


# ------------------------------------------------------------------ links
def _links(root: Any, url: str, notes: tuple[str, ...]) -> tuple[dict[str, _Link], tuple[str, ...]]:
    """URL → its links, in the order of the page; fragments of the page itself and mailto: are no links to pages."""
    base = next((absolute(url, node.get("href", "")) for node in root.iter("base")), url)
    links: dict[str, _Link] = {}
    for count, node in enumerate(root.iter("a", "area")):
        if count == LINKS:
            return links, (*notes, f"links beyond the first {LINKS} left unread")
        href = (node.get("href") or "").strip()
        if not href or href.startswith("#"):
            continue
        target = without_fragment(absolute(base, href))
        if is_url(target):
            _add(links.setdefault(target, _Link()), node)
    return links, notes


def _add(link: _Link, node: Any) -> None:
    """What one <a> adds to what is known of its URL."""
    text = " ".join("".join(part[:TITLE] for part in islice(node.itertext(), _PARTS)).split())[:TITLE]
    text = text or node.get("title", "")[:TITLE]
    if len(text) > len(link.text):
        link.text = text
    names = {name_of(above) for above in node.iterancestors()}
    roles = {above.get("role", "") for above in node.iterancestors()}
    around = bool(names & _AROUND or roles & _AROUND_ROLES)
    headed = any(name_of(inner) in _HEADINGS for inner in islice(node.iter(), _PARTS))
    link.prominent |= not around and (headed or bool(names & (_HEADINGS | {"article"})))
    link.around &= around


# ------------------------------------------------------------------ judgement
def _judged(url: str, link: _Link, page: str) -> tuple[bool, str]:
    """Whether it looks like an article, and why, or why not."""
    why_not = _no_article(url, page)
    if why_not:
        return False, why_not
    signs = signs_in_url(url)
    if link.around and not ({"date in its path", "id"} & signs.keys()):
        return False, "navigation"
    if _words(link.text) >= _WORDS:
        signs["headline text"] = 2
    if link.prominent:
        signs["in an article or heading"] = 2
    names = ", ".join(signs)
    if sum(signs.values()) >= ENOUGH:
        return True, names
    return False, f"no article by its looks ({names} alone)" if names else "no article by its looks"


def _no_article(url: str, page: str) -> str:
    """What else the URL leads to; empty where that cannot be told."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    if not same_site(url, page):
        return "another site"
    if url == without_fragment(page):
        return "the page itself"
    if path in ("", "/") and not parts.query:
        return "front page"
    if _MEDIA.search(path):
        return "media or data file"
    if _ARCHIVE.fullmatch(path):
        return "navigation"
    segments = [segment for segment in path.lower().split("/") if segment]
    # Only the last two: /tag/port leads to a tag, /topics/port/the-old-crane-stays to an article.
    meaning = next((_MEANS[segment] for segment in segments[-2:] if segment in _MEANS), "")
    if meaning == "navigation" and (_DATED.search(path) or _ID.search(segments[-1])):
        return ""  # /technology/archive/2026/11/story, /archive/63076
    return meaning


def signs_in_url(url: str) -> dict[str, int]:
    """The signs that a URL alone gives, with their weights."""
    parts = urlsplit(url)
    path = unquote(parts.path)
    last = _ENDING.sub("", next((part for part in reversed(path.split("/")) if part), ""))
    signs: dict[str, int] = {}
    if _DATED.search(path):
        signs["date in its path"] = 3
    words = [word for word in re.split(r"[-_+ ]+", last) if re.search(r"[^\W\d_]", word)]
    if len(words) >= _WORDS or len(_UNSPACED.findall(last)) >= 2 * _WORDS:
        signs["long slug"] = 3
    query = {name.lower(): value for name, value in parse_qsl(parts.query)}
    if _ID.search(last) or any(query.get(name, "").isdigit() for name in _ID_NAMES):
        signs["id"] = 2
    return signs


def _words(text: str) -> int:
    return max(len(text.split()), len(_UNSPACED.findall(text)) // 2)


# ------------------------------------------------------------------ sites
def same_site(one: str, other: str) -> bool:
    """Whether two URLs are of one registrable domain; where a host has none, of the same host and port."""
    a, b = urlsplit(one), urlsplit(other)
    domain = _domain(a.hostname or "")
    if domain:
        return domain == _domain(b.hostname or "")
    return a.netloc.lower() == b.netloc.lower()


@cache
def _extract() -> Any:
    """The public suffix list as it was installed; nothing is fetched or cached on disk."""
    import tldextract  # 0.1 s that only section pages are worth

    return tldextract.TLDExtract(suffix_list_urls=(), cache_dir=None, include_psl_private_domains=True)


def _domain(host: str) -> str:
    found = _extract().extract_str(host)
    return f"{found.domain}.{found.suffix}".lower() if found.domain and found.suffix else ""
