"""watch.toml in, Sources out; anything unknown, missing or mistyped is named with file, line and key."""

import re
import zoneinfo
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.errors import NotFound, SettingsError
from tasks.settings import read_toml
from tasks.sources.cron import is_cron
from tasks.sources.patterns import flaw_of
from tasks.sources.urls import is_url

__all__ = ["FILE", "KINDS", "Source", "duration_s", "duration_text", "load_sources", "named", "read_sources"]

FILE = "watch.toml"
KINDS = ("feed", "sitemap", "section", "list", "csv", "urls")
MODES = ("page", "requisites", "browser", "auto")
_ON_DISK = ("list", "csv")  # kinds that may be files too


@dataclass(frozen=True, slots=True)
class Source:
    """One table of watch.toml. It has a `cron` or an `interval_s`, never both."""

    name: str
    kind: str = "urls"  # one of KINDS
    at: str = ""  # URL, or absolute path of a list or csv; empty for urls
    urls: tuple[str, ...] = ()
    column: str = "url"  # of a csv
    include: tuple[str, ...] = ()  # patterns (patterns.py), one of which a URL has to fit; none: every URL is wanted
    exclude: tuple[str, ...] = ()
    mode: str = ""  # of capture; empty: the setting
    cron: str = ""
    interval_s: float | None = None
    timezone: str = "UTC"
    revisit: tuple[float, ...] = ()  # seconds after the first capture, rising
    adaptive: bool = False  # visited again as often as the article changes
    store: str = ""  # empty: the setting
    limit: int | None = None  # pages archived in one run
    paused: bool = False
    max_age_s: float | None = None
    where: str = ""  # file:line of the table

    @property
    def place(self) -> str:
        """Where its URLs come from, for people."""
        return self.at or f"{len(self.urls)} URL{'s' if len(self.urls) != 1 else ''}"

    @property
    def schedule(self) -> str:
        """When it runs, for people, as watch.toml says it."""
        return f"every {duration_text(self.interval_s)}" if self.interval_s else self.cron

    @property
    def plan(self) -> str:
        """When its pages are visited again, for people, as watch.toml says it."""
        return "adaptive" if self.adaptive else ", ".join(map(duration_text, self.revisit)) or "never"


# ------------------------------------------------------------------ load
def load_sources(dirs: Sequence[Path]) -> tuple[Source, ...]:
    """Every source of the folders' watch.toml files by name; a later folder's source replaces one of the same name.

    Raises SettingsError with file, line and key for anything unknown, missing or mistyped.
    """
    sources: dict[str, Source] = {}
    for folder in dirs:
        sources |= read_sources(folder / FILE)
    return tuple(sources[name] for name in sorted(sources))


def named(sources: Iterable[Source], name: str) -> Source:
    """The source of that name; NotFound lists those that there are."""
    by_name = {source.name: source for source in sources}
    if name not in by_name:
        known = ", ".join(by_name) or "none yet"
        raise NotFound("no such source", where=name, remedy=f"{FILE} has: {known}")
    return by_name[name]


def read_sources(path: Path) -> dict[str, Source]:
    """The sources of one file by name, none where there is no such file."""
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


# ------------------------------------------------------------------ one table
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
    _check_together(table, broken)
    return _made(name, table, path, f"{path}:{line}")


def _check_together(table: Mapping[str, Any], broken: Callable[[str, str, str], SettingsError]) -> None:
    """Raises for keys that are right one by one, and not together."""
    if len(table.keys() & set(KINDS)) != 1:
        raise broken("", f"one of {', '.join(KINDS[:-1])} and {KINDS[-1]} is wanted", "Give exactly one of them")
    if len(table.keys() & {"cron", "interval"}) != 1:
        remedy = "Say when it runs, such as interval = '30m' or cron = '*/30 * * * *'"
        raise broken("", "one of cron and interval is wanted", remedy)
    if "column" in table and "csv" not in table:
        raise broken("column", "column is given without csv", "Only a CSV has columns")
    if "timezone" in table and "cron" not in table:
        raise broken("timezone", "timezone is given without cron", "An interval is the same everywhere: remove it")
    for key in ("include", "exclude"):
        for pattern in table.get(key, ()):
            if flaw := flaw_of(pattern):
                remedy = "Write a glob such as *://*/sport/*, or a regular expression between slashes"
                raise broken(key, f"{key} has {pattern!r}: {flaw}", remedy)


def _made(name: str, table: Mapping[str, Any], path: Path, where: str) -> Source:
    kind = next(kind for kind in KINDS if kind in table)
    at = "" if kind == "urls" else table[kind]
    if kind in _ON_DISK and not is_url(at):
        at = str((path.parent / Path(at).expanduser()).resolve())
    revisit = table.get("revisit", "never")
    return Source(
        name=name,
        kind=kind,
        at=at,
        urls=tuple(table.get("urls", ())),
        column=table.get("column", "url"),
        include=tuple(table.get("include", ())),
        exclude=tuple(table.get("exclude", ())),
        mode=table.get("mode", ""),
        cron=table.get("cron", ""),
        interval_s=duration_s(table["interval"]) if "interval" in table else None,
        timezone=table.get("timezone", "UTC"),
        revisit=() if isinstance(revisit, str) else tuple(map(duration_s, revisit)),
        adaptive=revisit == "adaptive",
        store=table.get("store", ""),
        limit=table.get("limit"),
        paused=table.get("paused", False),
        max_age_s=duration_s(table["max_age"]) if "max_age" in table else None,
        where=where,
    )


# ------------------------------------------------------------------ durations
_SECONDS = {"m": 60, "h": 3_600, "d": 86_400}
_DURATION = re.compile(r"([1-9][0-9]{0,5})([mhd])")


def duration_s(text: str) -> float:
    """The seconds of `30m`, `6h` or `1d`; ValueError for anything else."""
    match = _DURATION.fullmatch(text)
    if not match:
        raise ValueError(f"{text!r} is no duration; write 30m, 6h or 1d")
    return float(int(match[1]) * _SECONDS[match[2]])


def duration_text(seconds: float) -> str:
    """A duration as watch.toml has it, in the largest unit that leaves no rest."""
    unit = next((unit for unit in "dhm" if seconds % _SECONDS[unit] == 0), "")
    return f"{seconds / _SECONDS[unit]:.0f}{unit}" if unit else f"{seconds:g}s"


# ------------------------------------------------------------------ keys
def _is_text(value: Any) -> bool:
    return isinstance(value, str) and value.strip() == value != ""


def _is_place(value: Any) -> bool:
    """Whether it can name a file or a URL: no NUL, and the home directory of somebody."""
    try:
        return _is_text(value) and "\0" not in value and bool(Path(value).expanduser())
    except RuntimeError:  # ~nobody
        return False


def _are_texts(value: Any) -> bool:
    return isinstance(value, list) and bool(value) and all(map(_is_text, value))


def _is_zone(value: Any) -> bool:
    return isinstance(value, str) and value in zoneinfo.available_timezones()


def _is_duration(value: Any) -> bool:
    return isinstance(value, str) and _DURATION.fullmatch(value) is not None


def _is_plan(value: Any) -> bool:
    if isinstance(value, list):
        rising = [duration_s(one) for one in value] if value and all(map(_is_duration, value)) else []
        return bool(rising) and rising == sorted(set(rising))
    return value in ("never", "adaptive")


_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_DURATIONS = "a duration such as 30m, 6h or 1d"
_KEYS: dict[str, tuple[Callable[[Any], bool], str]] = {
    "feed": (is_url, "the http or https URL of an RSS, Atom or JSON feed"),
    "sitemap": (is_url, "the http or https URL of a sitemap or of an index of them"),
    "section": (is_url, "the http or https URL of a page with links to articles"),
    "list": (_is_place, "a file or an http or https URL"),
    "csv": (_is_place, "a file or an http or https URL"),
    "urls": (_are_texts, "a list of URLs"),
    "column": (_is_text, "the name of the column with the URLs"),
    "include": (_are_texts, "a list of patterns"),
    "exclude": (_are_texts, "a list of patterns"),
    "mode": (lambda value: value in MODES, f"one of {', '.join(MODES)}"),
    "cron": (is_cron, "five fields: minute hour day-of-month month day-of-week, and a day that comes"),
    "interval": (_is_duration, _DURATIONS),
    "timezone": (_is_zone, "an IANA name such as Europe/Berlin"),
    "revisit": (_is_plan, '"never", "adaptive", or rising durations such as ["1h", "6h", "1d", "7d", "30d"]'),
    "store": (_is_text, "a folder or s3://bucket/prefix"),
    "limit": (lambda value: type(value) is int and value > 0, "a whole number above 0"),
    "paused": (lambda value: type(value) is bool, "true or false"),
    "max_age": (_is_duration, _DURATIONS),
}
