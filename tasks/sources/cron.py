"""Cron lines: five fields, as crontab(5) has them."""

from typing import Any

__all__ = ["is_cron"]

# Ranges of cron's five fields, and the names that the last two may use (crontab(5)).
_MONTHS = ["jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec"]
_DAYS = ["sun", "mon", "tue", "wed", "thu", "fri", "sat"]
_FIELDS: tuple[tuple[int, int, list[str]], ...] = (
    (0, 59, []),
    (0, 23, []),
    (1, 31, []),
    (1, 12, _MONTHS),
    (0, 7, _DAYS),
)


def is_cron(value: Any) -> bool:
    """Whether it is a cron line with every number in its range."""
    parts = value.split() if isinstance(value, str) else []
    if len(parts) != len(_FIELDS):
        return False
    return all(_fits(item, *field) for part, field in zip(parts, _FIELDS, strict=True) for item in part.split(","))


def _fits(item: str, low: int, high: int, names: list[str]) -> bool:
    """Whether one item of a cron field (`*`, `5`, `1-5`, `mon-fri`, each with `/step`) is in range."""
    span, slash, step = item.lower().partition("/")
    if slash and not (step.isascii() and step.isdigit() and 0 < int(step) <= high):
        return False
    if span == "*":
        return True
    ends = [str(low + names.index(end)) if end in names else end for end in span.split("-")]
    numbers = [int(end) for end in ends if end.isascii() and end.isdigit()]
    return 0 < len(ends) == len(numbers) <= 2 and low <= numbers[0] <= numbers[-1] <= high
