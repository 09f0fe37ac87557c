"""Reads rules from <folder>/rules/*.toml and <folder>/sites/*.toml; an error names file, line and key.

A file is a concept (`rules/promo.toml`) or a host (`sites/example.com.toml`, each rule then names its concept).
"""

import datetime
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, TypeVar

from tasks.clean.phrases import Phrases, parse_phrase
from tasks.clean.rules import ACTIONS, GUARDS, SAME_AS, Rule, RuleSet
from tasks.clean.selector import parse_selector
from tasks.errors import RuleError
from tasks.settings import read_toml

__all__ = ["load_rules", "read_rules", "rule_files"]

T = TypeVar("T")
Values = Mapping[str, Any]

_KEYS: Final = {
    "id": str,
    "concept": str,
    "why": str,
    "selector": str,
    "text": str,
    "lines": (list, dict),
    "same_as": str,
    "body": str,
    "strip": str,
    "keep": str,
    "max_chars": int,
    "unless": list,
    "sites": list,
    "valid_from": datetime.date,
    "valid_until": datetime.date,
    "fires": list,
    "spares": list,
}
_FINDERS: Final = ("selector", "text", "lines", "same_as")
_OWN_CONCEPT: Final = {"body": "outside", "keep": "keep"}  # what these do needs no name from the author


def rule_files(folder: Path) -> list[Path]:
    """The rule files of a configuration folder, concepts first."""
    return sorted([*folder.glob("rules/*.toml"), *folder.glob("sites/*.toml")])


def load_rules(dirs: Sequence[Path]) -> RuleSet:
    """All rules below `dirs`, the weakest folder first: a later rule of the same id replaces an earlier one,
    a later block scorer (model/scorer.json) the one before.

    Raises RuleError with file, line and key.
    """
    rules: dict[str, Rule] = {}
    model = None
    for folder in dirs:
        for path in rule_files(folder):
            rules |= {rule.id: rule for rule in read_rules(path)}
        if (folder / "model" / "scorer.json").is_file():
            model = folder / "model"
    return RuleSet(rules.values(), model=model)


def read_rules(path: Path) -> list[Rule]:
    """The rules of one file; RuleError at the first thing that is wrong with it."""
    file = _File(path)
    for key in file.table:
        if key != "rule":
            raise file.error(f"unknown key {key!r}", "A rule file holds [[rule]] tables only", key=key)
    tables = file.table.get("rule", [])
    if not (isinstance(tables, list) and all(isinstance(table, dict) for table in tables)):
        raise file.error("rule is no list of tables", "Write [[rule]], with two brackets", key="rule")
    host = path.stem if path.parent.name == "sites" else ""
    rules: list[Rule] = []
    seen: set[str] = set()
    for number, table in enumerate(tables):
        rule = _rule(file, number, table, host)
        if rule.id in seen:
            raise file.error(f"rule {rule.id!r} stands here twice", "Give one another id", number=number, key="id")
        seen.add(rule.id)
        rules.append(rule)
    return rules


class _File:
    """One rule file under reading; knows the line of each rule and key for its errors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table, self.text = read_toml(path, RuleError)
        heads = re.finditer(r"^\s*\[\[\s*rule\s*\]\]", self.text, re.MULTILINE)
        self.heads = [match.end() for match in heads]

    def place(self, number: int = -1, key: str = "") -> str:
        """file:line of a key of rule `number`, of its head, or of the file's first line."""
        start = self.heads[number] if 0 <= number < len(self.heads) else 0
        stop = self.heads[number + 1] if 0 <= number < len(self.heads) - 1 else len(self.text)
        pattern = rf"^\s*(?:\[+\s*(?:rule\.)?)?{re.escape(key)}\s*[\]=]"
        found = re.compile(pattern, re.MULTILINE).search(self.text, start, stop) if key else None
        return f"{self.path}:{self.text.count(chr(10), 0, found.end() if found else start) + 1}"

    def error(self, what: str, remedy: str, *, number: int = -1, key: str = "") -> RuleError:
        """The error at the key of rule `number`, or at its head, or at the file's first line."""
        return RuleError(what, where=self.place(number, key), remedy=remedy)


class _Table:
    """One [[rule]] table with its place in the file."""

    def __init__(self, file: _File, number: int, values: Values) -> None:
        self.file, self.number, self.values = file, number, dict(values)
        self.name = str(values.get("id", f"number {number + 1}"))

    def error(self, what: str, remedy: str, key: str = "") -> RuleError:
        """The error at one of its keys."""
        return self.file.error(f"rule {self.name}: {what}", remedy, number=self.number, key=key)

    def parsed(self, key: str, parse: Callable[[Any], T], remedy: str) -> T:
        """The value under `key`, parsed; what `parse` has against it becomes an error at that key."""
        try:
            return parse(self.values[key])
        except (ValueError, re.error) as error:
            raise self.error(f"{key}: {error}", remedy, key) from None


def _rule(file: _File, number: int, given: Values, host: str) -> Rule:
    table = _Table(file, number, given)
    _check_types(table)
    values = table.values
    action = next((name for name in ACTIONS if values.get(name)), "")
    values.setdefault("concept", _OWN_CONCEPT.get(action, "" if host else file.path.stem))
    if host:
        values.setdefault("sites", [host])
    _check_sense(table, action)
    for key in ("valid_from", "valid_until"):
        if key in values:
            values[key] = values[key].isoformat()
    if "lines" in values:
        values["lines"] = _lines(table)
    values |= {key: tuple(values[key]) for key in ("unless", "sites", "fires", "spares") if key in values}
    return Rule(**values, **_derived(table, action), where=file.place(number))


def _check_types(table: _Table) -> None:
    for key, value in table.values.items():
        kind = _KEYS.get(key)
        if kind is None:
            raise table.error(f"unknown key {key!r}", f"Known are {', '.join(_KEYS)}", key)
        kinds = kind if isinstance(kind, tuple) else (kind,)
        listed = value.values() if isinstance(value, dict) else [value] if isinstance(value, list) else []
        strings = all(isinstance(part, list) and all(isinstance(item, str) for item in part) for part in listed)
        if type(value) not in kinds or not strings:
            names = " or ".join(one.__name__ for one in kinds)
            raise table.error(f"{key} is not of type {names}", _TYPE_HELP.get(key, "Correct the value"), key)


_TYPE_HELP: Final = {
    "valid_from": "Write a date without quotes: 2027-12-31",
    "valid_until": "Write a date without quotes: 2027-12-31",
    "lines": 'Write ["one", "two"], or a table of languages with such lists',
}


def _check_sense(table: _Table, action: str) -> None:
    """What has the right type and makes no sense."""
    values = table.values
    for key in ("id", "concept", "why"):
        if not values.get(key, "").strip():
            raise table.error(f"{key} is missing", f"Add {key} = …", key)
    found_by = [key for key in _FINDERS if values.get(key)]
    if not (found_by or action):
        raise table.error(
            "neither selector nor text nor lines",
            f"Say what it finds: {', '.join(_FINDERS)}, or for a site {', '.join(ACTIONS)}",
        )
    others = [*found_by, *(name for name in ACTIONS if values.get(name) and name != action), *values.get("unless", ())]
    if action and others:
        raise table.error(f"{action} goes with no {others[0]}", "Write two rules", action)
    if action and not values.get("sites"):
        raise table.error(f"{action} needs the hosts it is for", "Move it into sites/<host>.toml, or add sites", action)
    if "same_as" in found_by and len(found_by) > 1:
        raise table.error(f"same_as goes with no {found_by[0]}", "Write two rules", "same_as")
    if values.get("same_as", "headline") not in SAME_AS:
        raise table.error(f"unknown same_as {values['same_as']!r}", f"Known are {', '.join(SAME_AS)}", "same_as")
    for guard in values.get("unless", ()):
        if guard not in GUARDS:
            raise table.error(f"unknown guard {guard!r}", f"Known are {', '.join(GUARDS)}", "unless")
    if "valid_from" in values and "valid_until" in values and values["valid_from"] > values["valid_until"]:
        raise table.error("valid_until is before valid_from", "Turn them round", "valid_until")


def _lines(table: _Table) -> tuple[tuple[str, tuple[str, ...]], ...]:
    given = table.values["lines"]
    by_language = given if isinstance(given, dict) else {"": given}
    return tuple((language, tuple(phrases)) for language, phrases in by_language.items())


def _derived(table: _Table, action: str) -> dict[str, Any]:
    """The fields that are made of others."""
    values, made = table.values, dict[str, Any]()
    selector = action or ("selector" if values.get("selector") else "")
    if selector:
        made["compounds"] = table.parsed(selector, parse_selector, "config/rules/README.md describes the language")
    if values.get("text"):
        made["pattern"] = table.parsed("text", _pattern, "config/rules/README.md says what a pattern may be")
    if values.get("lines"):
        table.parsed("lines", _check_phrases, "config/rules/README.md describes phrases")
        if selector or values.get("text"):
            made["phrases"] = _made_phrases(values["lines"])
    return made


def _check_phrases(lines: Sequence[tuple[str, Sequence[str]]]) -> None:
    for _, phrases in lines:
        for phrase in phrases:
            parse_phrase(phrase)


def _made_phrases(lines: Sequence[tuple[str, Sequence[str]]]) -> Phrases[bool]:
    return Phrases((phrase, True) for _, phrases in lines for phrase in phrases)


def _pattern(text: str) -> re.Pattern[str]:
    if not text.startswith("^"):
        # An unanchored pattern is tried at every character of every line, and means more than its author thinks.
        raise ValueError("must start with ^")
    found = re.compile(text, re.IGNORECASE)
    if inner := _endless(text):
        raise ValueError(f"{inner} repeats without limit what is itself repeated: on some lines it would never end")
    return found


_PIECE: Final = re.compile(r"\\.|\[\^?\]?(?:\\.|[^\]\\])*\]|\(|\)|(?:[*+]|\{\d*,?\d*\})[?+]?|[^()]", re.DOTALL)
_ENDLESS: Final = re.compile(r"[*+]|\{\d*,\}")


def _endless(text: str) -> str:
    """The group of a pattern that is repeated and holds a repeat without limit: (a+)+ takes exponential time."""
    opened: list[tuple[int, bool]] = []  # start of each open group, whether it holds such a repeat
    pieces = [(piece.start(), piece[0]) for piece in _PIECE.finditer(text)]
    for number, (place, piece) in enumerate(pieces):
        following = pieces[number + 1][1] if number + 1 < len(pieces) else ""
        if piece == "(":
            opened.append((place, False))
        elif piece == ")" and opened:
            start, endless = opened.pop()
            if endless and following[:1] in ("*", "+", "{"):
                return text[start : place + 1] + following
            if opened:
                opened[-1] = (opened[-1][0], opened[-1][1] or endless)
        elif _ENDLESS.match(piece) and opened:
            opened[-1] = (opened[-1][0], True)
    return ""
