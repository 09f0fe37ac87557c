"""Rules: data that names clutter, read from <folder>/rules/*.toml and <folder>/sites/*.toml.

A file is a concept (`rules/promo.toml`) or a host (`sites/example.com.toml`, each rule then names its concept). Format:
config/rules/README.md.
"""

import datetime
import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Final

from tasks.clean.selector import Compound, Look, parse_selector
from tasks.errors import RuleError
from tasks.records import Digest
from tasks.settings import read_toml

__all__ = ["GUARDS", "Rule", "RuleSet", "load_rules"]

GUARDS: Final = {
    "dense": "the element holds running prose: many words, few of them linked, whole sentences",
    "sentence": "the line goes on with a sentence of its own after the first",
    "links": "the element holds no link",
    "item": "the element is an item of a list, or stands in one",
}
_TEXT_LIMIT: Final = 200  # characters of a line that a text pattern may look at, unless the rule says otherwise


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Where it has both a selector and a text pattern, both must hold."""

    id: str
    concept: str
    why: str
    selector: str = ""
    text: str = ""
    max_chars: int = _TEXT_LIMIT  # only with `text`: longer elements are spared
    unless: tuple[str, ...] = ()  # guards, see GUARDS
    sites: tuple[str, ...] = ()  # hosts, their sub-domains included; empty: every site
    valid_until: str = ""  # ISO date after which maintainers should look at it again; it stays in force
    compounds: tuple[Compound, ...] = ()
    pattern: re.Pattern[str] | None = None

    def for_host(self, host: str) -> bool:
        """Whether the rule is meant for this host."""
        return not self.sites or any(host == site or host.endswith(f".{site}") for site in self.sites)


class RuleSet:
    """The rules in force, indexed by what finds them; `digest` changes with any of them."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = tuple(sorted(rules, key=lambda rule: (rule.concept, rule.id)))
        self.digest = _digest(self.rules)
        self._by_key: dict[str, list[tuple[Compound, Rule]]] = {}
        self.lines: list[Rule] = []  # found by their text alone
        for rule in self.rules:
            for compound in rule.compounds:
                self._by_key.setdefault(compound.anchor, []).append((compound, rule))
            if rule.pattern and not rule.compounds:
                self.lines.append(rule)
        self._anchors = frozenset(self._by_key)
        self.longest_line = max((rule.max_chars for rule in self.lines), default=0)
        # Most lines are no rule's: one alternation says so, of those rules only that look at lines so long.
        self._any_line = {
            limit: re.compile(
                "|".join(f"(?:{rule.text})" for rule in self.lines if rule.max_chars >= limit), re.IGNORECASE
            )
            for limit in sorted({rule.max_chars for rule in self.lines})
        }

    def by_tag(self, look: Look, attributes: Mapping[str, str], host: str) -> list[Rule]:
        """The rules whose selector means this tag, in order of their ids."""
        found = {
            rule.id: rule
            for key in self._anchors & look
            for compound, rule in self._by_key[key]
            if compound.holds(look, attributes) and rule.for_host(host)
        }
        return [found[name] for name in sorted(found)]

    def by_text(self, line: str, host: str) -> list[Rule]:
        """The rules that know this line by its words alone."""
        size = len(line)
        for limit, any_line in self._any_line.items():
            if size <= limit:
                if any_line.match(line):
                    break
                return []
        return [
            rule
            for rule in self.lines
            if len(line) <= rule.max_chars and rule.pattern and rule.pattern.match(line) and rule.for_host(host)
        ]


def _any_of(texts: Iterable[str]) -> re.Pattern[str]:
    return re.compile("|".join(f"(?:{text})" for text in texts), re.IGNORECASE)


def _digest(rules: Sequence[Rule]) -> Digest:
    seen = hashlib.sha256()
    for rule in rules:
        values = [getattr(rule, item.name) for item in fields(rule) if item.name not in ("compounds", "pattern")]
        seen.update(repr(values).encode())
    return Digest(f"sha256:{seen.hexdigest()}")


def load_rules(dirs: Sequence[Path]) -> RuleSet:
    """All rules below `dirs`, the weakest folder first: a later rule of the same id replaces an earlier one.

    Raises RuleError with file, line and key.
    """
    rules: dict[str, Rule] = {}
    for folder in dirs:
        for path in sorted([*folder.glob("rules/*.toml"), *folder.glob("sites/*.toml")]):
            mine = _read(path)
            rules |= {rule.id: rule for rule in mine}
    return RuleSet(rules.values())


class _File:
    """One rule file under reading; knows the line of each rule and key for its errors."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.table, self.text = read_toml(path, RuleError)
        heads = re.finditer(r"^\s*\[\[\s*rule\s*\]\]", self.text, re.MULTILINE)
        self.heads = [match.start() for match in heads]

    def error(self, what: str, remedy: str, *, number: int = -1, key: str = "") -> RuleError:
        """The error at the key of rule `number`, or at its head, or at the file's first line."""
        start = self.heads[number] if 0 <= number < len(self.heads) else 0
        stop = self.heads[number + 1] if 0 <= number < len(self.heads) - 1 else len(self.text)
        found = re.compile(rf"^\s*{re.escape(key)}\s*=", re.MULTILINE).search(self.text, start, stop) if key else None
        place = found.end() if found else start
        return RuleError(what, where=f"{self.path}:{self.text.count(chr(10), 0, place) + 1}", remedy=remedy)


def _read(path: Path) -> list[Rule]:
    file = _File(path)
    for key in file.table:
        if key != "rule":
            raise file.error(f"unknown key {key!r}", "A rule file holds [[rule]] tables only", key=key)
    host = path.stem if path.parent.name == "sites" else ""
    rules: list[Rule] = []
    seen: set[str] = set()
    for number, table in enumerate(file.table.get("rule", [])):
        rule = _rule(file, number, table, host)
        if rule.id in seen:
            raise file.error(f"rule {rule.id!r} stands here twice", "Give one another id", number=number, key="id")
        seen.add(rule.id)
        rules.append(rule)
    return rules


_KEYS: Final = {
    "id": str,
    "concept": str,
    "why": str,
    "selector": str,
    "text": str,
    "max_chars": int,
    "unless": list,
    "sites": list,
    "valid_until": datetime.date,
}


def _rule(file: _File, number: int, table: Mapping[str, Any], host: str) -> Rule:
    values = dict(table)
    name = str(values.get("id", f"number {number + 1}"))
    for key, value in values.items():
        kind = _KEYS.get(key)
        if kind is None:
            raise file.error(
                f"rule {name}: unknown key {key!r}", f"Known are {', '.join(_KEYS)}", number=number, key=key
            )
        listed = kind is not list or all(isinstance(item, str) for item in value)
        if type(value) is not kind or not listed:
            raise file.error(
                f"rule {name}: {key} is not of type {kind.__name__}", "Correct the value", number=number, key=key
            )
    values.setdefault("concept", "" if host else file.path.stem)
    if host:
        values.setdefault("sites", [host])
    for key in ("id", "concept", "why"):
        if not values.get(key, "").strip():
            raise file.error(f"rule {name}: {key} is missing", f"Add {key} = …", number=number, key=key)
    if not (values.get("selector") or values.get("text")):
        raise file.error(f"rule {name}: neither selector nor text", "Say what it finds", number=number)
    for guard in values.get("unless", ()):
        if guard not in GUARDS:
            remedy = f"Known are {', '.join(GUARDS)}"
            raise file.error(f"rule {name}: unknown guard {guard!r}", remedy, number=number, key="unless")
    if "valid_until" in values:
        values["valid_until"] = values["valid_until"].isoformat()
    values |= {key: tuple(values[key]) for key in ("unless", "sites") if key in values}
    return Rule(**values, compounds=_compounds(file, number, values), pattern=_pattern(file, number, values))


def _compounds(file: _File, number: int, values: Mapping[str, Any]) -> tuple[Compound, ...]:
    if not values.get("selector"):
        return ()
    try:
        return parse_selector(values["selector"])
    except ValueError as error:
        remedy = "The language is described in config/rules/README.md"
        raise file.error(f"rule {values['id']}: selector: {error}", remedy, number=number, key="selector") from None


def _pattern(file: _File, number: int, values: Mapping[str, Any]) -> re.Pattern[str] | None:
    text = values.get("text")
    if not text:
        return None
    if not text.startswith("^"):
        # An unanchored pattern is tried at every character of every line, and means more than its author thinks.
        raise file.error(f"rule {values['id']}: text must start with ^", "Anchor it", number=number, key="text")
    try:
        return re.compile(text, re.IGNORECASE)
    except re.error as error:
        remedy = "Correct the pattern (Python's re)"
        raise file.error(f"rule {values['id']}: text: {error}", remedy, number=number, key="text") from None
