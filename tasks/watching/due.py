"""When a page that a source has named is due for another visit. Times are seconds since the epoch, UTC."""

from dataclasses import dataclass

__all__ = ["FAILED", "GONE", "GOOD", "Seen", "Visits", "next_visit"]

GOOD = frozenset({"ok", "partial", "unchanged"})
FAILED = "failed"  # nothing was stored
GONE = "gone"  # taken down: it shall not come back
HOUR, DAY = 3600.0, 86400.0
_LONGEST = 30 * DAY  # between two visits of an adaptive plan
_SHARE = 0.5  # of the time that a page has stood unchanged, after which it is visited again


@dataclass(frozen=True)  # no slots: the defaults are read from the class
class Visits:
    """How pages are visited again: so long after the first visit each, or by how often they change, or never."""

    after: tuple[float, ...] = ()  # seconds, rising
    adaptive: bool = False
    attempts: int = 3  # bad captures in a row after which a page is let be


@dataclass(frozen=True, slots=True)
class Seen:
    """What is known of one page of one source."""

    url: str
    first_at: float  # the first visit
    last_at: float  # the last one
    changed_at: float  # the last one that brought a new version
    kind: str  # of the last one: a verdict, unchanged or failed
    tries: int = 0  # visits in a row without a good capture
    words: int = 0  # of the last good capture


def next_visit(seen: Seen, visits: Visits) -> float | None:
    """When the page is due; None: never again.

    | the last visit | due |
    | --- | --- |
    | failed | at once, so that the next run tries; from the third time on after an hour, doubled up to a day |
    | had a bad verdict | at once; never after `attempts` in a row |
    | it was taken down | never |
    | was good, fixed plan | at the first of its times that the last visit was before |
    | was good, adaptive | after half the time that it has stood unchanged, an hour at least, 30 days at most |
    """
    if seen.kind == GONE:
        return None
    if seen.kind == FAILED:
        over = seen.tries - 2
        return seen.last_at if over <= 0 else seen.last_at + min(HOUR * 2 ** min(over - 1, 10), DAY)
    if seen.kind not in GOOD:
        return seen.last_at if seen.tries < visits.attempts else None
    if visits.adaptive:
        return seen.last_at + min(max((seen.last_at - seen.changed_at) * _SHARE, HOUR), _LONGEST)
    return next((seen.first_at + after for after in visits.after if seen.first_at + after > seen.last_at), None)
