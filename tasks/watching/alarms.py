"""What a run notices that nobody looks for: a source that went silent, a site that was made anew.

| code | when |
| --- | --- |
| silent | the source has named no new page for five times as long as it usually takes, three days at least |
| empty | the source names nothing at all, and did before |
| shorter | the articles of this run have less than half of the words that those of the runs before had (medians) |
| rule-silent | a rule that fired on a fifth of the pages of the runs before has not fired once |
| failing | more than half of the pages failed or were bad, and less than a fifth in the runs before |
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

from tasks.pipeline import Outcome

__all__ = ["HELD_AGAINST", "Alarm", "facts_of", "find_alarms", "known_facts"]

HELD_AGAINST = 30  # reports of earlier runs
_DAY = 86400.0
_SILENT_TIMES, _SILENT_LEAST_S = 5, 3 * _DAY
_GAPS = 20  # between new pages that are looked at
_PAGES_NOW, _PAGES_BEFORE = 5, 20  # fewer tell nothing
_SHORTER = 0.5
_FIRED, _FIRED_PAGES = 0.2, 10
_FAILING, _FAILED_BEFORE = 0.5, 0.2


@dataclass(frozen=True, slots=True)
class Alarm:
    """Something that a person should look at."""

    code: str
    what: str


def facts_of(outcomes: Sequence[Outcome], found: int) -> dict[str, Any]:
    """What later runs are held against: sizes of the articles captured, rules that fired on them, failures."""
    captured = [outcome for outcome in outcomes if outcome.good and not outcome.observation]
    words = [outcome.words for outcome in captured if outcome.words]
    rules = Counter(rule for outcome in captured for rule in outcome.rules)
    return {
        "found": found,
        "tried": len(outcomes),
        "failed": sum(not outcome.good for outcome in outcomes),
        "captured": len(captured),
        "words": round(median(words)) if words else 0,
        "rules": dict(sorted(rules.items())),
    }


def known_facts(reports: Iterable[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The facts of reports, of those that have them as facts_of makes them: another program's may not."""
    found = [report.get("facts") for report in reports]
    return [facts for facts in found if isinstance(facts, dict) and _is_whole(facts)]


def _is_whole(facts: Mapping[str, Any]) -> bool:
    counts = [facts.get(name) for name in ("found", "tried", "failed", "captured", "words")]
    rules = facts.get("rules")
    return isinstance(rules, dict) and all(type(count) is int and count >= 0 for count in (*counts, *rules.values()))


def find_alarms(
    now: float, facts: Mapping[str, Any], reports: Iterable[Mapping[str, Any]], first_seen: Sequence[float]
) -> Iterator[Alarm]:
    """The alarms of a run with these facts; `reports` are those of earlier runs, `first_seen` when the newest pages of
    the source were first visited, this run's included, the newest first."""
    before = known_facts(reports)
    if facts["found"] == 0 and any(one["found"] for one in before):
        yield Alarm("empty", "the source names no page any more: has its feed or section moved?")
    yield from _silent(now, first_seen)
    yield from _shorter(facts, before)
    yield from _silent_rules(facts, before)
    yield from _failing(facts, before)


def _silent(now: float, first_seen: Sequence[float]) -> Iterator[Alarm]:
    gaps = [later - earlier for later, earlier in pairwise(sorted(set(first_seen[: _GAPS + 1]), reverse=True))]
    if len(gaps) < 3:
        return
    usual, silent = median(gaps), now - first_seen[0]
    if silent > max(usual * _SILENT_TIMES, _SILENT_LEAST_S):
        yield Alarm("silent", f"no new page for {silent / _DAY:.1f} days; one came every {usual / 3600:.1f} h before")


def _shorter(facts: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> Iterator[Alarm]:
    earlier = [one["words"] for one in before for _ in range(one["captured"]) if one["words"]]
    if facts["captured"] < _PAGES_NOW or len(earlier) < _PAGES_BEFORE or not facts["words"]:
        return
    usual = median(earlier)
    if facts["words"] < usual * _SHORTER:
        yield Alarm("shorter", f"articles have {facts['words']} words, and had {usual:.0f}: was the site made anew?")


def _silent_rules(facts: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> Iterator[Alarm]:
    pages = sum(one["captured"] for one in before)
    if facts["captured"] < _FIRED_PAGES or pages < _PAGES_BEFORE:
        return
    fired: Counter[str] = Counter()
    for one in before:
        fired.update(one["rules"])
    for rule, count in sorted(fired.items()):
        if count >= pages * _FIRED and rule not in facts["rules"]:
            yield Alarm("rule-silent", f"the rule {rule} fired on {count} of {pages} pages, and on none now")


def _failing(facts: Mapping[str, Any], before: Sequence[Mapping[str, Any]]) -> Iterator[Alarm]:
    tried, failed = sum(one["tried"] for one in before), sum(one["failed"] for one in before)
    if facts["tried"] < _PAGES_NOW or tried < _PAGES_BEFORE or failed > tried * _FAILED_BEFORE:
        return
    if facts["failed"] > facts["tried"] * _FAILING:
        yield Alarm("failing", f"{facts['failed']} of {facts['tried']} pages failed, and {failed} of {tried} before")
