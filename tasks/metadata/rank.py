"""Which candidate of a field to believe: traits that speak for or against each, weighed by learned weights.

The weights are data: config/metadata.toml, one table a field, trait = weight; written by tests/quality/train_meta.py. A
candidate's score is the sum of the weights of its traits; a trait without a weight counts nothing.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from typing import Generic, TypeVar

from tasks.records import Sourced
from tasks.settings import config_dirs, read_toml

__all__ = ["NOBODY", "Choice", "best", "gather", "load_weights", "sourced"]

T = TypeVar("T")

FILE = "metadata.toml"
MAX_CHOICES = 40  # candidates of one field that are weighed; pages that give more give the best first
MAX_RIVALS = 5
NOBODY = "none of these"  # its weight is the score that a field's best choice must reach


@dataclass(slots=True)
class Choice(Generic[T]):
    """What several sources give alike: the value in the spelling of the first, and the traits of all."""

    value: T
    source: str
    traits: set[str] = field(default_factory=set)
    sources: list[str] = field(default_factory=list)


def gather(candidates: Iterable[tuple[str, T, str]]) -> dict[str, Choice[T]]:
    """Candidates (key, value, source) put together by key, in the order of the first of each.

    What follows a "+" in a source is for the trait alone: "byline+later" is reported as "byline".
    """
    choices: dict[str, Choice[T]] = {}
    for key, value, source in candidates:
        choice = choices.get(key)
        if choice is None:
            if len(choices) == MAX_CHOICES:
                continue
            choice = choices[key] = Choice(value, source.partition("+")[0])
        if source not in choice.sources:
            choice.sources.append(source)
            choice.traits.add(f"from {source}")
    return choices


def best(choices: Iterable[Choice[T]], weights: Mapping[str, float]) -> Sourced[T] | None:
    """The choice of the greatest score with the others as its rivals, best first; of equals the first counts more.

    None where there is no choice, or none that scores more than `NOBODY` weighs.
    """
    scored = [(-sum(weights.get(trait, 0.0) for trait in sorted(choice.traits)), choice) for choice in choices]
    scored.sort(key=lambda pair: pair[0])
    if scored and NOBODY in weights and -scored[0][0] < weights[NOBODY]:
        return None
    return sourced((choice.value, choice.source) for _, choice in scored)


def sourced(candidates: Iterable[tuple[T, str]]) -> Sourced[T] | None:
    """The first candidate (value, source) with the next ones of another value as its rivals; None without any."""
    found: dict[T, str] = {}
    for value, source in candidates:
        if value and value not in found:
            found[value] = source
            if len(found) > MAX_RIVALS:
                break
    items = [Sourced(value, source) for value, source in found.items()]
    return Sourced(items[0].value, items[0].source, tuple(items[1:])) if items else None


@cache
def load_weights() -> Mapping[str, Mapping[str, float]]:
    """The weights by field and trait, as they came with the program."""
    table, _ = read_toml(config_dirs(environ={})[0] / FILE)
    return {name: part for name, part in table.items() if isinstance(part, dict)}
