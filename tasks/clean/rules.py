"""Rules: data that names clutter, and what finds those that mean a tag or a line. rule_files.py reads them.

Format: config/rules/README.md.
"""

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from datetime import date
from pathlib import Path
from typing import Final

from tasks.clean.phrases import Phrases, fold_line
from tasks.clean.scorer import Scorer, load_scorer
from tasks.clean.selector import Compound, look_at
from tasks.records import Digest
from tasks.settings import config_dirs

__all__ = ["ACTIONS", "GUARDS", "SAME_AS", "Rule", "RuleSet"]

GUARDS: Final = {
    "dense": "the element holds running prose: many words, few of them linked, whole sentences",
    "sentence": "the line goes on with a sentence of its own after the first",
    "links": "the element holds no link",
    "item": "the element is an item of a list, or stands in one",
    "followed": "running prose stands after it",
}
ACTIONS: Final = {
    "body": "the article is these elements: what stands outside goes, what stands inside stays",
    "strip": "these elements go, whatever they hold",
    "keep": "no score and no rule takes anything of these elements",
}
SAME_AS: Final = {
    "headline": "the line repeats the page's headline",
    "standfirst": "the line repeats the page's description, and does so for the second time",
}
TEXT_LIMIT: Final = 200  # characters of a line that text or lines may look at, unless the rule says otherwise


@dataclass(frozen=True, slots=True)
class Rule:
    """One rule. Where it has both a selector and words (text, lines), both must hold."""

    id: str
    concept: str
    why: str
    selector: str = ""
    text: str = ""
    lines: tuple[tuple[str, tuple[str, ...]], ...] = ()  # language ("" for any) → phrases, see phrases.py
    same_as: str = ""  # see SAME_AS
    body: str = ""  # the three ACTIONS, each a selector; a rule with one of them has no other
    strip: str = ""
    keep: str = ""
    max_chars: int = TEXT_LIMIT  # only with text and lines: longer elements are spared
    unless: tuple[str, ...] = ()  # guards, see GUARDS
    sites: tuple[str, ...] = ()  # hosts, their sub-domains included; empty: every site
    valid_from: str = ""  # ISO dates of the first and last day whose captures the rule is for
    valid_until: str = ""
    fires: tuple[str, ...] = ()  # fragments that prove it: it takes something of each of these
    spares: tuple[str, ...] = ()  # and nothing of these
    compounds: tuple[Compound, ...] = ()
    pattern: re.Pattern[str] | None = None
    phrases: Phrases[bool] | None = None  # only beside a selector; the others are in RuleSet.phrases
    where: str = ""  # file:line

    @property
    def action(self) -> str:
        """One of ACTIONS, or "take"."""
        return next((name for name in ACTIONS if getattr(self, name)), "take")

    @property
    def languages(self) -> tuple[str, ...]:
        """The languages whose lines it knows."""
        return tuple(language for language, _ in self.lines if language)

    def for_host(self, host: str) -> bool:
        """Whether the rule is meant for this host."""
        return not self.sites or any(host == site or host.endswith(f".{site}") for site in self.sites)

    def for_day(self, day: date) -> bool:
        """Whether the rule is meant for captures of this day."""
        return self.valid_from <= day.isoformat() <= (self.valid_until or "9")

    def words_hold(self, line: str) -> bool:
        """Whether text and lines, where it has them, mean this line."""
        if not (self.pattern or self.phrases):
            return True
        if len(line) > self.max_chars or (self.pattern and not self.pattern.match(line)):
            return False
        return not self.phrases or bool(self.phrases.find(line))


_NO_PART_OF_IT: Final = frozenset({"compounds", "pattern", "phrases", "where", "fires", "spares"})


class RuleSet:
    """The rules in force, indexed by what finds them, and the folder of the scorer that decides before them.

    `digest` changes with any rule.
    """

    def __init__(self, rules: Iterable[Rule], *, model: Path | None = None) -> None:
        self.model = model or config_dirs()[0] / "model"
        self.rules = tuple(sorted(rules, key=lambda rule: (rule.concept, rule.id)))
        self.digest = _digest(self.rules)
        self._on: dict[frozenset[str], RuleSet] = {}
        self._by_key: dict[str, list[tuple[Compound, Rule]]] = {}
        self.forcing = [rule for rule in self.rules if rule.action != "take"]
        self.repeats = [rule for rule in self.rules if rule.same_as]
        self.lines: list[Rule] = []  # found by their words alone
        for rule in self.rules:
            if rule.action in ("take", "strip"):
                for compound in rule.compounds:
                    self._by_key.setdefault(compound.anchor, []).append((compound, rule))
            if (rule.text or rule.lines) and not rule.compounds:
                self.lines.append(rule)
        self._anchors = frozenset(self._by_key)
        self.longest_line = max((rule.max_chars for rule in self.lines), default=0)
        self._phrases = Phrases(
            (phrase, number) for number, rule in enumerate(self.lines) for phrase in _phrases(rule) if not rule.text
        )
        self._texts = [(number, rule) for number, rule in enumerate(self.lines) if rule.text]
        # Most lines are no rule's: one alternation says so, of those rules only that look at lines so long.
        self._any_line = {
            limit: re.compile(
                "|".join(f"(?:{rule.text})" for _, rule in self._texts if rule.max_chars >= limit), re.IGNORECASE
            )
            for limit in sorted({rule.max_chars for _, rule in self._texts})
        }

    def on(self, day: date) -> "RuleSet":
        """The rules for captures of a day; without it, every rule is in force whatever its dates."""
        if not any(rule.valid_from or rule.valid_until for rule in self.rules):
            return self
        fitting = [rule for rule in self.rules if rule.for_day(day)]
        key = frozenset(rule.id for rule in fitting)
        if key not in self._on:
            self._on[key] = RuleSet(fitting, model=self.model)
        return self._on[key]

    @property
    def scorer(self) -> Scorer:
        """The block scorer in force; read when it is first asked for."""
        return load_scorer(self.model)

    def by_tag(self, tag: str, attributes: Mapping[str, str], host: str) -> list[Rule]:
        """The rules whose selector means this tag, in order of their ids."""
        if not attributes and tag not in self._anchors:
            return []
        look = look_at(tag, attributes)
        if self._anchors.isdisjoint(look):  # as for most tags
            return []
        found = {
            rule.id: rule
            for key in self._anchors & look
            for compound, rule in self._by_key[key]
            if compound.holds(look, attributes) and rule.for_host(host)
        }
        return [found[name] for name in sorted(found)]

    def by_text(self, line: str, host: str, *, words: str | None = None) -> list[Rule]:
        """The rules that know this line by its words alone; `words` is fold_line(line) where the caller has it."""
        size = len(line)
        if size > self.longest_line:
            return []
        numbers = self._phrases.find_folded(fold_line(line) if words is None else words)
        if self._any_text(line):
            numbers.update(number for number, rule in self._texts if rule.pattern and rule.pattern.match(line))
        known = [self.lines[number] for number in sorted(numbers)]
        return [rule for rule in known if size <= rule.max_chars and rule.for_host(host)]

    def _any_text(self, line: str) -> bool:
        for limit, any_line in self._any_line.items():
            if len(line) <= limit:
                return bool(any_line.match(line))
        return False


def _phrases(rule: Rule) -> list[str]:
    return [phrase for _, phrases in rule.lines for phrase in phrases]


def _digest(rules: Sequence[Rule]) -> Digest:
    seen = hashlib.sha256()
    for rule in rules:
        values = [getattr(rule, item.name) for item in fields(rule) if item.name not in _NO_PART_OF_IT]
        seen.update(repr(values).encode())
    return Digest(f"sha256:{seen.hexdigest()}")
