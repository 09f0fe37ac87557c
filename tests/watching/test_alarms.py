"""What a run notices, and what it does not."""

from typing import Any

import pytest

from tasks.watching.alarms import find_alarms

DAY = 86400.0
FACTS = {"found": 20, "tried": 20, "failed": 0, "captured": 20, "words": 600, "rules": {"nav": 20, "promo-x": 8}}
EVERY_HOUR = [DAY * 30 - 3600.0 * number for number in range(10)]


def codes(
    now: dict[str, Any], *, at: float = DAY * 30, newest: list[float] | None = None, earlier: int = 3
) -> list[str]:
    reports = [{"facts": FACTS}] * earlier
    return [alarm.code for alarm in find_alarms(at, FACTS | now, reports, EVERY_HOUR if newest is None else newest)]


def test_a_run_like_those_before_gives_no_alarm() -> None:
    assert codes({}) == []


@pytest.mark.parametrize(
    ("now", "code"),
    [
        ({"found": 0, "tried": 0, "captured": 0, "words": 0, "rules": {}}, "empty"),
        ({"words": 250}, "shorter"),
        ({"rules": {"nav": 20}}, "rule-silent"),
        ({"failed": 15}, "failing"),
    ],
)
def test_what_changed_since_earlier_runs_is_told_and_not_without_them(now: dict[str, Any], code: str) -> None:
    assert codes(now) == [code]
    assert codes(now, earlier=0) == []


@pytest.mark.parametrize("now", [{"words": 350}, {"rules": {"nav": 20, "promo-x": 1}}, {"failed": 9}])
def test_what_varies_from_run_to_run_is_no_alarm(now: dict[str, Any]) -> None:
    assert codes(now) == []


@pytest.mark.parametrize(
    "now", [{"captured": 4, "words": 100}, {"captured": 9, "rules": {}}, {"tried": 4, "failed": 4}]
)
def test_few_pages_tell_nothing(now: dict[str, Any]) -> None:
    assert codes(now) == []


def test_a_source_is_silent_after_five_times_its_usual_gap_and_three_days_at_least() -> None:
    assert codes({}, at=DAY * 32) == []
    assert codes({}, at=DAY * 34) == ["silent"]
    weekly = [DAY * 30 - 7 * DAY * number for number in range(6)]
    assert codes({}, at=DAY * 34, newest=weekly) == []
    assert codes({}, at=DAY * 66, newest=weekly) == ["silent"]
    assert codes({}, at=DAY * 99, newest=EVERY_HOUR[:3]) == []
