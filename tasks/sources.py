"""Sources of URLs to watch: watch.toml, feeds and lists in, URLs out. Nothing here touches the network."""

import io
import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.errors import FormatError, NotFound, SettingsError
from tasks.settings import read_toml

__all__ = ["Fetched", "Source", "discover", "load_sources", "named", "parse_feed", "parse_list", "without_fragment"]

FILE = "watch.toml"


@dataclass(frozen=True, slots=True)
class Source:
    """One table of watch.toml; exactly one of `feed`, `list_at` and `urls` is set."""

    name: str
    cron: str
    feed: str = ""
    list_at: str = ""  # URL, or absolute path of a file
    urls: tuple[str, ...] = ()
    timezone: str = "UTC"
    store: str = ""  # empty: the setting
    limit: int | None = None  # pages archived in one run
    mode: str = ""
    revisit: tuple[float, ...] = ()
    adaptive: bool = False
    where: str = ""  # file:line of the table


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a feed's or list's URL answered, content coding removed."""

    url: str  # after redirects: relative links count from here
    payload: bytes
    content_type: str = ""


# ------------------------------------------------------------------ watch.toml
def load_sources(dirs: Sequence[Path]) -> tuple[Source, ...]:
    """Every source of the folders' watch.toml files by name; a later folder's source replaces one of the same name.

    Raises SettingsError with file, line and key for anything unknown, missing or mistyped.
    """
    sources: dict[str, Source] = {}
    for folder in dirs:
        sources |= _read(folder / FILE)
    return tuple(sources[name] for name in sorted(sources))


def named(sources: Iterable[Source], name: str) -> Source:
    """The source of that name; NotFound lists those that there are."""
    by_name = {source.name: source for source in sources}
    if name not in by_name:
        known = ", ".join(by_name) or "none yet"
        raise NotFound("no such source", where=name, remedy=f"{FILE} has: {known}")
    return by_name[name]


def _read(path: Path) -> dict[str, Source]:
    if not path.exists():
        return {}
    tables, text = read_toml(path)
    for key in tables:
        if key != "sources":
            raise _broken(f"unknown key {key!r}", path, _line_of(text, key), "Sources are tables [sources.<name>]")
    found = tables.get("sources", {})
    if not isinstance(found, dict):
        raise _broken("sources is no table", path, _line_of(text, "sources"), "Sources are tables [sources.<name>]")
    return {name: _source(name, table, path, text) for name, table in found.items()}


def _broken(what: str, path: Path, line: int, remedy: str) -> SettingsError:
    return SettingsError(what, where=f"{path}:{line}", remedy=remedy)


def _line_of(text: str, key: str, after: int = 1) -> int:
    """The line of the first `key =` or `[key` from line `after` on; `after` itself where there is none."""
    pattern = re.compile(rf"^\s*(?:\[\s*)?(?:sources\s*\.\s*)?[\"']?{re.escape(key)}[\"']?\s*[\].=]")
    lines = text.splitlines()
    return next((n for n in range(after, len(lines) + 1) if pattern.match(lines[n - 1])), after)


def _source(name: str, table: Any, path: Path, text: str) -> Source:
    line = _line_of(text, name)

    def broken(key: str, what: str, remedy: str) -> SettingsError:
        return _broken(f"source {name!r}: {what}", path, _line_of(text, key, line) if key else line, remedy)

    if not _NAME.fullmatch(name):
        raise broken("", "a name has lower-case letters, digits and dashes", "Rename the source")
    if not isinstance(table, dict):
        raise broken("", "not a table", "Write [sources.<name>] and the keys below it")
    for key, value in table.items():
        if key not in _KEYS:
            raise broken(key, f"unknown key {key!r}", f"Keys are {', '.join(_KEYS)}")
        check, wanted = _KEYS[key]
        if not check(value):
            raise broken(key, f"{key} is {value!r}", f"Give {wanted}")
    if len(table.keys() & {"feed", "list", "urls"}) != 1:
        raise broken("", "one of feed, list and urls is wanted", "Give exactly one of them")
    if "cron" not in table:
        raise broken("", "no cron", "Say when it runs, such as cron = '*/30 * * * *'")
    return _made(name, table, path, f"{path}:{line}")


def _made(name: str, table: Mapping[str, Any], path: Path, where: str) -> Source:
    list_at = table.get("list", "")
    if list_at and not _is_url(list_at):
        list_at = str((path.parent / list_at).resolve())
    return Source(
        name=name,
        cron=table["cron"],
        feed=table.get("feed", ""),
        list_at=list_at,
        urls=tuple(table.get("urls", ())),
        timezone=table.get("timezone", "UTC"),
        store=table.get("store", ""),
        limit=table.get("limit"),
        where=where,
    )


def _is_url(value: Any) -> bool:
    return isinstance(value, str) and re.match(r"https?://[^\s/]", value, re.I) is not None


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() == value != ""


def _is_zone(value: Any) -> bool:
    return value in zoneinfo.available_timezones()


# Ranges of cron's five fields, and the names that the last two may use (crontab(5)).
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[int, int, list[str]], ...] = (
    (0, 59, []),
    (0, 23, []),
    (1, 31, []),
    (1, 12, _MONTHS),
    (0, 7, _DAYS),
)


def _is_cron(value: Any) -> bool:
    parts = value.split() if isinstance(value, str) else []
    if len(parts) != len(_FIELDS):
        return False
    return all(_fits(item, *field) for part, field in zip(parts, _FIELDS, strict=True) for item in part.split(","))


def _fits(item: str, low: int, high: int, names: list[str]) -> bool:
    """Whether one item of a cron field (`*`, `5`, `1-5`, `mon-fri`, each with `/step`) is in range."""
    span, slash, step = item.lower().partition("/")
    if slash and not (step.isascii() and step.isdigit() and 0 < int(step) <= high):
        return False
    if span == "*":
        return True
    ends = [str(low + names.index(end)) if end in names else end for end in span.split("-")]
    numbers = [int(end) for end in ends if end.isascii() and end.isdigit()]
    return 0 < len(ends) == len(numbers) <= 2 and low <= numbers[0] <= numbers[-1] <= high


_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_KEYS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "feed": (_is_url, "the http or https URL of a feed"),
    "list": (_is_text, "a file or an http or https URL"),
    "urls": (lambda value: isinstance(value, list) and bool(value) and all(map(_is_text, value)), "a list of URLs"),
    "cron": (_is_cron, "five fields: minute hour day-of-month month day-of-week"),
    "timezone": (_is_zone, "an IANA name such as Europe/Berlin"),
    "store": (_is_text, "a folder or s3://bucket/prefix"),
    "limit": (lambda value: type(value) is int and value > 0, "a whole number above 0"),
}


# ------------------------------------------------------------------ URLs
def discover(source: Source, fetch: Callable[[str], Fetched]) -> tuple[str, ...]:
    """The URLs that `source` names now, in its order, each once, without fragments.

    `fetch` gets the feed or list where it is a URL. Raises FormatError for a feed that is none, NotFound for a list
    file that is not there, and whatever `fetch` raises.
    """
    if source.feed:
        return parse_feed(fetch(source.feed))
    if _is_url(source.list_at):
        return parse_list(fetch(source.list_at).payload)
    if source.list_at:
        try:
            return parse_list(Path(source.list_at).read_bytes())
        except OSError as error:
            reason = error.strerror or "not readable"
            raise NotFound(reason, where=source.list_at, remedy=f"Correct list at {source.where}") from error
    return _once(source.urls)


def parse_feed(answer: Fetched) -> tuple[str, ...]:
    """The absolute link of each entry of an RSS or Atom feed.

    An entry without an http or https link names no page; feedparser then offers its id, such as a urn: or tag:.
    """
    import feedparser  # 0.1 s that only feeds are worth

    headers = {"content-type": answer.content_type, "content-location": answer.url}
    # Bytes in BytesIO: plain bytes or str could name a file or URL, which feedparser would open.
    feed = feedparser.parse(io.BytesIO(answer.payload), response_headers=headers, sanitize_html=False)
    if not feed.get("version") and not feed.entries:
        raise FormatError("neither RSS nor Atom", where=answer.url, remedy="Name the feed itself, not its web page")
    links = (entry.get("link", "") for entry in feed.entries)  # made absolute by feedparser, "" where they cannot be
    return _once(link for link in links if _is_url(link))


def parse_list(payload: bytes) -> tuple[str, ...]:
    """The URLs of a list: one a line; empty lines and what follows ` #` or a leading # are passed over."""
    lines = payload.decode("utf-8-sig", "replace").splitlines()
    return _once(url for line in lines if (url := re.sub(r"(^|\s)#.*", "", line).strip()))


def _once(urls: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(without_fragment(url.strip()) for url in urls))


def without_fragment(url: str) -> str:
    """`url` up to its #, after which nothing reaches a server."""
    return url.partition("#")[0]
