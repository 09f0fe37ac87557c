"""Which URLs name one article, and why: the key that all of them share, and the reasons kept beside each.

Dropped from a URL: scheme (http and https are one), default port, fragment, `www`, labels of mobile and AMP hosts, AMP
forms of the path and the query, Google's and Bing's AMP caches, parameters of trackers, `index.html`, a trailing slash;
the order of parameters. Kept: every other parameter, other ports, the case of the path. What is dropped is data:
config/urls.toml.

Two URLs of one capture name one article where a redirect or the page's canonical link says so, but for these, which
many pages have by mistake: a canonical link on another site than the one that answered; a redirect's end or a canonical
link that is the home page or a section above the page; a canonical link that has lost the parameter which named
the article (?id=5).
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any
from urllib.parse import unquote, urldefrag, urlsplit

from tasks.settings import config_dirs, read_toml

__all__ = ["Page", "Spelling", "host_of_key", "identity", "pages_of", "spell"]

FILE = "urls.toml"


@dataclass(frozen=True, slots=True)
class Spelling:
    """A URL as the catalog spells it."""

    key: str  # the same for all URLs that name one page
    host: str  # without www and the labels of smaller forms, with a port that is not the default
    path: str
    query: tuple[tuple[str, str], ...]
    dropped: tuple[str, ...]  # why it is not the key itself: http, www, mobile, amp, tracker, index, slash, fragment


@dataclass(frozen=True, slots=True)
class Page:
    """One URL that a bundle answers for."""

    key: str
    url: str
    why: tuple[str, ...]  # asked, redirected or canonical, then what was dropped from its spelling
    alike: bool = True  # names the article itself; False: a home page or section that a redirect ended at


def identity(url: str) -> str:
    """The key of the page that `url` names."""
    return spell(url).key


def host_of_key(key: str) -> str:
    """The host of a key that `identity` gave; empty where it has none."""
    return key.partition("://")[2].partition("/")[0]


def pages_of(asked: str, answered: str, canonical: str) -> tuple[Page, ...]:
    """The URLs that one capture answers for, each once, the first reason for it first."""
    first, last = spell(asked), spell(answered)
    found = [Page(first.key, asked, ("asked", *first.dropped))]
    if answered and answered != asked:
        found.append(Page(last.key, answered, ("redirected", *last.dropped), alike=not _above(last, first)))
    if canonical:
        own = spell(canonical)
        if _claims_well(own, last):
            found.append(Page(own.key, canonical, ("canonical", *own.dropped)))
    return tuple({page.url: page for page in reversed(found)}.values())[::-1]


def _claims_well(canonical: Spelling, answered: Spelling) -> bool:
    """Whether a page may call itself so: same site, not the home page or a section above it, no parameter lost."""
    if canonical.host != answered.host or not canonical.host:
        return False
    if canonical.key == answered.key:
        return True
    if _ahead(canonical, answered):
        return False
    lost = {name for name, _ in answered.query} - {name for name, _ in canonical.query}
    return canonical.path != answered.path or not lost & _data().article


def _above(end: Spelling, start: Spelling) -> bool:
    """Whether a redirect ended at the home page or a section above where it began, of the same site or another."""
    if end.key == start.key:
        return False
    return (end.path == "/" and not end.query and start.path != "/") or _ahead(end, start)


def _ahead(upper: Spelling, lower: Spelling) -> bool:
    """Whether the path of `upper` is a folder above that of `lower`."""
    if upper.path == "/":
        return lower.path != "/"
    return upper.path != lower.path and lower.path.startswith(upper.path + "/")


# ------------------------------------------------------------------ spelling
@lru_cache(maxsize=4096)
def spell(url: str) -> Spelling:
    """The spelling of `url`; one that is no http(s) URL is its own key."""
    try:
        bare = urldefrag(url.strip())
        parts = urlsplit(bare.url)
        port = parts.port
    except ValueError:
        return Spelling(url, "", url, (), ())
    scheme = parts.scheme.lower()
    if scheme not in ("http", "https") or not parts.hostname:
        return Spelling(url, "", url, (), ())
    dropped = ["fragment"] if bare.fragment else []
    dropped += ["http"] if scheme == "http" else []
    other_port = port if port and port != {"http": 80, "https": 443}[scheme] else 0
    host, path, query = _host(parts.hostname), parts.path or "/", parts.query
    inner = _out_of_cache(host, path)
    if inner:
        host, path, other_port = _host(inner[0]), inner[1], 0
        dropped.append("amp")
    host = _site(host, dropped)
    path = _path(path, dropped)
    kept = _query(query, dropped)
    place = f"{host}:{other_port}" if other_port else host
    tail = "?" + "&".join(f"{name}={value}" if value else name for name, value in kept) if kept else ""
    return Spelling(f"https://{place}{path}{tail}", place, path, kept, tuple(dict.fromkeys(dropped)))


def _host(host: str) -> str:
    host = host.lower().rstrip(".")
    if host.isascii():
        return host
    import idna  # only a few URLs need its tables

    try:
        return idna.encode(host, uts46=True).decode("ascii")
    except UnicodeError:
        return host


def _out_of_cache(host: str, path: str) -> tuple[str, str] | None:
    """Host and path of the page that a URL of an AMP cache or viewer shows."""
    data = _data()
    if any(host == cache or host.endswith(f".{cache}") for cache in data.caches):
        found = re.match(r"/[cv]/(?:s/)?([^/]+\.[^/]+)(/.*)?$", path)
    elif any(host.removeprefix("www.").startswith(viewer) for viewer in data.viewers):
        found = re.match(r"/amp/(?:s/)?([^/]+\.[^/]+)(/.*)?$", path)
    else:
        return None
    return (found[1], found[2] or "/") if found else None


def _site(host: str, dropped: list[str]) -> str:
    """The host without labels that mean a form of the same site; a registrable name is never cut."""
    data, labels = _data(), host.split(".")
    while (why := data.labels.get(labels[0])) and _is_site(labels[1:]):
        dropped.append(why)
        labels = labels[1:]
    if len(labels) > 3 and data.labels.get(labels[1]) == "mobile":  # en.m.wikipedia.org
        dropped.append("mobile")
        labels = [labels[0], *labels[2:]]
    return ".".join(labels)


def _is_site(labels: list[str]) -> bool:
    """Whether these can be a site's name: two labels, but not co.uk or com.au."""
    if len(labels) < 2 or labels[-1].isdigit():  # an address in dots has no labels
        return False
    return len(labels) > 2 or len(labels[1]) > 2 or len(labels[0]) > 3


def _path(path: str, dropped: list[str]) -> str:
    """The path without AMP forms, the file of a folder, and the slash at its end; escapes in one spelling."""
    data = _data()
    path = re.sub(r"%([0-9A-Fa-f]{2})", _unescape, path)
    segments = [segment for at, segment in enumerate(path.split("/")) if at]
    last = segments[-1].lower()
    if last in data.index:
        segments[-1] = ""
        dropped.append("index")
    elif ending := next((end for end in data.endings if last.endswith(end) and last != end), ""):
        segments[-1] = segments[-1][: -len(ending)] + (".html" if ending.endswith(".html") else "")
        dropped.append("amp")
    while segments and not segments[-1]:
        segments.pop()
    if len(segments) > 1 and segments[-1].lower() in data.segments and _names_article(segments[-2]):
        segments.pop()
        dropped.append("amp")
    elif len(segments) > 1 and segments[0].lower() in data.segments and _names_article(segments[-1]):
        segments.pop(0)
        dropped.append("amp")
    if path.endswith("/") and path != "/":
        dropped.append("slash")
    return "/" + "/".join(segments)


def _unescape(found: re.Match[str]) -> str:
    sign = chr(int(found[1], 16))
    return sign if sign.isascii() and (sign.isalnum() or sign in "-._~") else found[0].upper()


def _names_article(segment: str) -> bool:
    """Whether a segment is an article's own rather than a section's: /guitars/amp is no AMP form of /guitars."""
    return len(segment) >= 16 or bool(re.search(r"[-_.%0-9]", segment))


def _query(query: str, dropped: list[str]) -> tuple[tuple[str, str], ...]:
    """The parameters that stay, sorted by name; those of one name keep their order."""
    data, kept = _data(), list[tuple[str, str]]()
    for part in query.split("&") if query else ():
        name, _, value = part.partition("=")
        low = unquote(name).lower()
        if data.tracks(low):
            dropped.append("tracker")
        elif data.is_amp(low, value.lower()):
            dropped.append("amp")
        elif part:
            kept.append((name, value))
    return tuple(sorted(kept, key=lambda pair: pair[0]))


# ------------------------------------------------------------------ data
@dataclass(frozen=True, slots=True)
class _Data:
    exact: frozenset[str]
    starts: tuple[str, ...]
    amp: dict[str, Any]
    labels: dict[str, str]  # label of a host → why it is dropped
    index: frozenset[str]
    article: frozenset[str]

    def tracks(self, name: str) -> bool:
        return name in self.exact or name.startswith(self.starts)

    def is_amp(self, name: str, value: str) -> bool:
        amp = self.amp
        return (
            name in amp["added"]
            or (name in amp["parameters"] and value in amp["values"])
            or (name in amp["outputs"] and value == "amp")
        )

    @property
    def caches(self) -> list[str]:
        return list(self.amp["caches"])

    @property
    def viewers(self) -> list[str]:
        return list(self.amp["viewers"])

    @property
    def segments(self) -> list[str]:
        return list(self.amp["segments"])

    @property
    def endings(self) -> list[str]:
        return list(self.amp["endings"])


@lru_cache(maxsize=1)
def _data() -> _Data:
    table, _ = read_toml(config_dirs(environ={})[0] / FILE)
    names = [name for group in table["trackers"].values() for name in group]
    return _Data(
        exact=frozenset(name for name in names if not name.endswith("*")),
        starts=tuple(name[:-1] for name in names if name.endswith("*")),
        amp=table["amp"],
        labels={label: why for why in ("www", "mobile", "amp") for label in table["hosts"][why]},
        index=frozenset(table["index"]["files"]),
        article=frozenset(table["article"]["parameters"]),
    )
