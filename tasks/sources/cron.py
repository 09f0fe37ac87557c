"""Cron lines: five fields, as crontab(5) has them."""

import re
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
_NUMBER = re.compile(r"[0-9]{1,4}", re.ASCII)
_SHORT = {2: 29, 4: 30, 6: 30, 9: 30, 11: 30}  # months with fewer than 31 days


def is_cron(value: Any) -> bool:
    """Whether it is a cron line with every number in its range, and a day in it that comes: Prefect's scheduler finds
    out about the 31st of February when it is too late."""
    parts = value.split() if isinstance(value, str) else []
    if len(parts) != len(_FIELDS):
        return False
    fits = all(_fits(item, *field) for part, field in zip(parts, _FIELDS, strict=True) for item in part.split(","))
    return fits and _comes(*parts[2:])


def _comes(days: str, months: str, weekdays: str) -> bool:
    if weekdays != "*":  # a day of either kind will do
        return True
    first = min(_numbers(days, *_FIELDS[2]))
    return any(first <= _SHORT.get(month, 31) for month in _numbers(months, *_FIELDS[3]))


def _numbers(part: str, low: int, high: int, names: list[str]) -> set[int]:
    """The numbers that a field in range stands for."""
    found: set[int] = set()
    for item in part.lower().split(","):
        span, slash, step = item.partition("/")
        ends = [low + names.index(end) if end in names else int(end) for end in span.split("-")] if span != "*" else []
        last = high if not ends or (slash and len(ends) == 1) else ends[-1]
        found.update(range(ends[0] if ends else low, last + 1, int(step or 1)))
    return found


def _fits(item: str, low: int, high: int, names: list[str]) -> bool:
    """Whether one item of a cron field (`*`, `5`, `1-5`, `mon-fri`, each with `/step`) is in range."""
    span, slash, step = item.lower().partition("/")
    if slash and not (_NUMBER.fullmatch(step) and 0 < int(step) <= high):
        return False
    if span == "*":
        return True
    ends = [str(low + names.index(end)) if end in names else end for end in span.split("-")]
    numbers = [int(end) for end in ends if _NUMBER.fullmatch(end)]
    return 0 < len(ends) == len(numbers) <= 2 and low <= numbers[0] <= numbers[-1] <= high
