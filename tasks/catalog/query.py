"""The language of `search`, read into words; nothing that a user writes becomes FTS5's own syntax.

ferry harbour        both words            "last ferry"     one after the other
ferr*                words that begin so   -bus -"new bus"  not these
title:ferry          in the title          author:Byron     by whom; author:"Ada Byron"
site:courier.example with its sub-domains  section:sport    lang:en   with its regions
since:2026-03-01     captured that day or later             until:2026-03-31
"""

import re
from dataclasses import dataclass
from datetime import date, timedelta

from tasks.catalog.listing import host_named
from tasks.catalog.tables import language_tokens, site_tokens
from tasks.catalog.words import query_words, spellings

__all__ = ["Phrase", "Query", "parse_query"]

_IN_WORDS = {"": "{title text author}", "title": "title", "author": "author", "section": "section"}
_FIELDS = (*(name for name in _IN_WORDS if name), "site", "lang", "since", "until")
_TERM = re.compile(r'(?P<minus>-?)(?:(?P<field>[A-Za-z]+):)?(?:"(?P<phrase>[^"]*)"|(?P<word>[^\s"]+))(?P<star>\*?)')


@dataclass(frozen=True, slots=True)
class Phrase:
    """Words, one after the other, in one of the forms that they are looked for in."""

    words: tuple[str, ...]
    begins: bool  # the last one only begins so


@dataclass(frozen=True, slots=True)
class Query:
    """A search, understood."""

    match: str  # FTS5's expression; made of folded words alone
    in_title: str  # of a single word, the same in the title; else empty
    wanted: tuple[Phrase, ...]  # what a snippet shows
    since: date | None = None
    until: date | None = None


def parse_query(text: str) -> Query:
    """The query in `text`. Raises ValueError, in words for the user, where it is none."""
    if text.count('"') % 2:
        raise ValueError('a " has no other one: write "last ferry" for words that follow each other')
    wanted: list[Phrase] = []
    asked: list[str] = []
    refused: list[str] = []
    days: dict[str, date] = {}
    at = 0
    while at < len(text):
        if text[at].isspace():
            at += 1
            continue
        found = _TERM.match(text, at)
        if not found:
            raise ValueError(f"{text[at:].split()[0]!r} is nothing to look for")
        at = found.end()
        field = (found["field"] or "").lower()
        if field in ("since", "until"):
            days[field] = _day(field, found)
            continue
        expression, phrases = _expression(field, found)
        if found["minus"]:
            refused.append(f" NOT {expression}")
        else:
            asked.append(expression)
        wanted += [] if found["minus"] or field in ("site", "lang", "author", "section") else phrases
    if not asked:
        raise ValueError("name at least one word to look for; `tearsheet list` shows all of a day or host")
    match = " AND ".join(asked) + "".join(refused)
    alone = len(asked) == 1 and len(wanted) == 1 and len(wanted[0].words) == 1
    in_title = match.replace(_IN_WORDS[""], "title", 1) if alone else ""
    return Query(match, in_title, tuple(wanted), days.get("since"), days.get("until"))


def _day(field: str, found: re.Match[str]) -> date:
    try:
        if found["minus"]:
            raise ValueError
        return date.fromisoformat(found["phrase"] if found["phrase"] is not None else found["word"])
    except ValueError:
        raise ValueError(f"{found[0]!r} names no day; write {field}:2026-03-14") from None


def _expression(field: str, found: re.Match[str]) -> tuple[str, list[Phrase]]:
    """FTS5's expression for one term, and its phrases."""
    value = found["phrase"] if found["phrase"] is not None else found["word"]
    if field == "site":
        return _filter("site", list(site_tokens(host_named(value)))[:1], found)
    if field == "lang":
        return _filter("language", language_tokens(value).split()[:1], found)
    if field not in _IN_WORDS:  # such as 10:30 or https://…: words
        value, field = f"{found['field']}:{value}", ""
    begins = bool(found["star"]) or (found["phrase"] is None and value.endswith("*"))
    value = value.rstrip("*")
    if "*" in value:
        raise ValueError(f"{found[0]!r}: a * can stand at the end of a word only")
    phrases = _phrases(value, begins)
    if not phrases:
        raise ValueError(f"{found[0]!r} has no letter or digit to look for")
    inner = " OR ".join(f'"{" ".join(phrase.words)}"' + (" *" if phrase.begins else "") for phrase in phrases)
    return f"({_IN_WORDS[field]} : ({inner}))", phrases


def _filter(column: str, tokens: list[str], found: re.Match[str]) -> tuple[str, list[Phrase]]:
    if not tokens or not tokens[0]:
        raise ValueError(f"{found[0]!r} names nothing")
    return f'({column} : "{tokens[0]}")', []


def _phrases(value: str, begins: bool) -> list[Phrase]:
    """The forms that the words of one term may have in a text."""
    pieces = query_words(value)
    if not pieces:
        return []
    own = tuple(word for word, _ in pieces)
    found = [Phrase(own, begins or pieces[-1][1])]
    if len(own) == 1 and not pieces[0][1]:
        found += [
            Phrase((other,), begins) for other in spellings(value) if other and other != own[0] and other.isalnum()
        ]
    return found


def until_stamp(day: date) -> str:
    """The first id that is after a day."""
    return f"{day + timedelta(days=1):%Y%m%d}"
