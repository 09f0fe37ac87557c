"""The selector language of rules: small enough to be answered by look-ups in dictionaries.

    SELECTOR  = COMPOUND ("," COMPOUND)*          any of them
    COMPOUND  = PART+                             all of them, about one tag; no combinators
    PART      = tag | .token | #token | ~word | [name] | [name=value] | [name^=value] | [name*=value]

`.token` is a whole class token and `#token` a whole id, both without regard to case. `~word` is a word of a class
token or of the id: `~newsletter` meets class="td-newsletterBox" (td, newsletter, box), not class="newsletters".
A full CSS engine over the kept part costs as much as all the rest of cleaning together.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from tasks.clean.words import split_words

__all__ = ["Compound", "Look", "look_at", "parse_selector"]

_PART: Final = re.compile(
    r"""(?P<tag>[a-z][a-z0-9-]*)|\.(?P<cls>[\w-]+)|\#(?P<id>[\w-]+)|~(?P<word>[a-z]+)
    |\[(?P<name>[a-z][a-z0-9-]*)(?:(?P<op>[\^*]?=)"?(?P<value>[^\]"]*)"?)?\]""",
    re.VERBOSE,
)
_TESTS: Final[dict[str, Callable[[str, str], bool]]] = {
    "=": lambda got, wanted: got == wanted,
    "^=": lambda got, wanted: got.startswith(wanted),
    "*=": lambda got, wanted: wanted in got,
}


@dataclass(frozen=True, slots=True)
class Compound:
    """One compound: all keys must be among the tag's keys, all attribute tests must hold."""

    keys: frozenset[str]  # "p", ".token", "#token", "~word", "[name"
    tests: tuple[tuple[str, str, str], ...]  # attribute, operator, value
    anchor: str  # the key by which it is found

    def holds(self, look: "Look", attributes: Mapping[str, str]) -> bool:
        """Whether the tag with these keys and attributes is meant."""
        return self.keys <= look and all(
            _TESTS[operator](attributes.get(name, "").lower(), value) for name, operator, value in self.tests
        )


Look = frozenset[str]
_MEMO_SIZE: Final = 20_000
_memo: dict[tuple[str, str], frozenset[str]] = {}


def look_at(tag: str, attributes: Mapping[str, str]) -> Look:
    """All keys by which a selector can find a tag."""
    named = attributes.get("class", ""), attributes.get("id", "")
    keys = _memo.get(named)
    if keys is None:
        words = split_words(named[0]) + split_words(named[1])
        keys = frozenset(
            [f".{token.lower()}" for token in named[0].split()]
            + [f"#{token.lower()}" for token in named[1].split()]
            + [f"~{word}" for word in words]
        )
        if len(_memo) >= _MEMO_SIZE:
            _memo.clear()
        _memo[named] = keys
    return keys | {tag, *(f"[{name}" for name in attributes)}


def parse_selector(text: str) -> tuple[Compound, ...]:
    """The compounds of a selector; ValueError says which part is not in the language."""
    return tuple(_parse_compound(part.strip()) for part in text.split(","))


def _parse_compound(text: str) -> Compound:
    keys: list[str] = []
    tests: list[tuple[str, str, str]] = []
    place = 0
    while place < len(text):
        part = _PART.match(text, place)
        if part is None or (part["tag"] and place):
            raise ValueError(f"{text[place:]!r} in {text!r} is no part of a selector")
        place = part.end()
        keys.append(_key(part))
        if part["op"]:
            tests.append((part["name"], part["op"], part["value"].lower()))
    if not keys:
        raise ValueError("an empty selector")
    anchor = min(keys, key=lambda key: ".#~[".find(key[0]) % 5)  # the rarest kind of key finds it fastest
    return Compound(frozenset(keys), tuple(tests), anchor)


def _key(part: re.Match[str]) -> str:
    for kind, sign in (("cls", "."), ("id", "#"), ("word", "~"), ("name", "[")):
        if part[kind]:
            return f"{sign}{part[kind].lower()}"
    return part["tag"]
