"""What the rules of a host force before anything is chosen: the article's body, what goes in any case, what stays."""

from dataclasses import dataclass, field
from itertools import accumulate

from tasks.clean.rules import Rule, RuleSet
from tasks.clean.selector import look_at
from tasks.clean.walk import Page

__all__ = ["Forced", "SiteChoice", "site_choice"]

_ORDER = {"strip": 0, "keep": 1, "body": 2}  # where several mean one element


@dataclass(frozen=True, slots=True)
class Forced:
    """What becomes of a text whatever any score says, and the rule that says so."""

    keep: bool  # else it goes
    rule: Rule


@dataclass(slots=True)
class SiteChoice:
    """What is forced on one page; all of it is empty where no rule forces anything."""

    texts: list[Forced | None] = field(default_factory=list)  # for each text node
    held: list[int] = field(default_factory=list)  # elements before number n that a keep rule holds
    unmet: list[Rule] = field(default_factory=list)  # body rules for this host, none of which met an element

    def holds(self, number: int, end: int) -> bool:
        """Whether a keep rule holds something among these elements."""
        return bool(self.held) and self.held[end] > self.held[number]


def site_choice(page: Page, rules: RuleSet, host: str) -> SiteChoice:
    """What the rules with body, strip or keep force on this page of this host.

    The innermost element that a rule means decides; of several rules for one element, strip before keep before body.
    Only the first body rule that meets an element counts. Inside of it stays what is shown; controls and what is hidden
    are judged as anywhere. A body rule that meets nothing forces nothing.
    """
    forcing = [rule for rule in rules.forcing if rule.for_host(host)]
    if not forcing:
        return SiteChoice()
    met = _met(page, forcing)
    bodies = [rule for rule in forcing if rule.action == "body"]
    body = next((rule for rule in bodies if any(rule in found for found in met.values())), None)
    mark: list[Forced | None] = [Forced(False, body) if body else None] * len(page.tag)
    for number in range(1, len(page.tag)):
        mark[number] = mark[page.parent[number]]
        chosen = [rule for rule in met.get(number, ()) if rule.action != "body" or rule is body]
        if chosen:
            rule = min(chosen, key=lambda one: _ORDER[one.action])
            mark[number] = Forced(rule.action != "strip", rule)
    texts = [mark[holder] for holder in page.holder]
    _give_back(page, texts)
    held = [0, *accumulate(bool(one and one.rule.keep) for one in mark)]
    return SiteChoice(texts, held, [] if body else bodies)


def _met(page: Page, forcing: list[Rule]) -> dict[int, list[Rule]]:
    """For each element, where there are any, the rules that mean it."""
    found: dict[int, list[Rule]] = {}
    for number in range(1, len(page.tag)):
        attributes = {str(name): str(value) for name, value in page.element[number].items()}
        look = look_at(page.tag[number], attributes)
        rules = [rule for rule in forcing if any(one.holds(look, attributes) for one in rule.compounds)]
        if rules:
            found[number] = rules
    return found


def _give_back(page: Page, texts: list[Forced | None]) -> None:
    """A body rule keeps what is shown of it as text: controls and what is hidden are judged as anywhere."""
    for block, control in enumerate(page.widget):
        for index in range(page.starts[block], page.starts[block + 1]):
            forced = texts[index]
            if forced and forced.keep and forced.rule.body and (control or page.hidden[page.holder[index]]):
                texts[index] = None
