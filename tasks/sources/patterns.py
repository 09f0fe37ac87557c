"""Patterns of include and exclude: globs and regular expressions, held against the whole URL.

| pattern | is |
| --- | --- |
| `https://a.example/sport/*` | a glob: `*` is any characters, all else is itself; it fits from end to end |
| `/\\/20\\d\\d\\//` | a regular expression between slashes, found anywhere in it |
"""

import re
from functools import lru_cache

__all__ = ["flaw_of", "matches"]


def matches(pattern: str, url: str) -> bool:
    """Whether `pattern` fits `url`."""
    return _compiled(pattern).search(url) is not None


def flaw_of(pattern: str) -> str:
    """What is wrong with a pattern; empty where nothing is."""
    try:
        _compiled(pattern)
    except (re.error, OverflowError, RecursionError) as error:
        return f"no regular expression: {error}"
    if not _is_regex(pattern) and not re.match(r"\*|https?:", pattern):
        return "fits no URL, for it begins with neither * nor http"
    return ""


def _is_regex(pattern: str) -> bool:
    return len(pattern) > 2 and pattern[0] == pattern[-1] == "/"


@lru_cache(maxsize=1024)
def _compiled(pattern: str) -> re.Pattern[str]:
    if _is_regex(pattern):
        return re.compile(pattern[1:-1])
    return re.compile(r"\A(?s:" + ".*".join(map(re.escape, re.split(r"\*+", pattern))) + r")\Z")
