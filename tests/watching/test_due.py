"""When pages are visited again."""

import pytest

from tasks.watching.due import DAY, HOUR, Seen, Visits, next_visit

PLAN = Visits(after=(HOUR, 6 * HOUR, DAY))
ADAPTIVE = Visits(adaptive=True)


def seen(kind: str = "ok", *, first: float = 0.0, last: float = 0.0, changed: float = 0.0, tries: int = 0) -> Seen:
    return Seen("https://a.example/1", first, last, changed, kind, tries)


@pytest.mark.parametrize(
    ("page", "visits", "due"),
    [
        (seen(), PLAN, HOUR),
        (seen(last=HOUR), PLAN, 6 * HOUR),
        (seen(last=7 * HOUR), PLAN, DAY),  # a late visit stands for all that it is late for
        (seen("unchanged", last=DAY), PLAN, None),
        (seen(), Visits(), None),
        (seen(), ADAPTIVE, HOUR),
        (seen("unchanged", last=10 * HOUR), ADAPTIVE, 15 * HOUR),
        (seen("ok", last=10 * HOUR, changed=10 * HOUR), ADAPTIVE, 11 * HOUR),
        (seen("unchanged", last=365 * DAY), ADAPTIVE, 395 * DAY),
        (seen("failed", last=5.0, tries=1), PLAN, 5.0),
        (seen("failed", last=5.0, tries=2), PLAN, 5.0),
        (seen("failed", last=5.0, tries=3), PLAN, 5.0 + HOUR),
        (seen("failed", last=5.0, tries=5), PLAN, 5.0 + 4 * HOUR),
        (seen("failed", last=5.0, tries=5000), PLAN, 5.0 + DAY),
        (seen("blocked", last=5.0, tries=2), PLAN, 5.0),
        (seen("blocked", last=5.0, tries=3), PLAN, None),
    ],
)
def test_each_kind_of_page_is_due_when_it_should_be(page: Seen, visits: Visits, due: float | None) -> None:
    assert next_visit(page, visits) == due
