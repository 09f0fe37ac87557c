"""Which segments become one, so that there are few of them however often a snapshot is made."""

from collections import defaultdict
from collections.abc import Iterable, Sequence

from tasks.lake.snapshot import Segment

__all__ = ["LARGEST_ROWS", "due"]

RATIO = 2  # each segment has more than so many times the rows of all smaller ones of its month together
LARGEST_ROWS = 4_000_000  # a segment of so many rows is never merged again


def due(segments: Iterable[Segment]) -> Sequence[Segment]:
    """Segments of one month that are to be merged now; empty where none are.

    Each row is written anew a logarithmic number of times, and n rows of a month are in log3(n) segments or fewer.
    """
    by_month: defaultdict[str, list[Segment]] = defaultdict(list)
    for segment in segments:
        if segment.rows < LARGEST_ROWS:
            by_month[segment.month].append(segment)
    return next((group for month in sorted(by_month) if (group := _smallest(by_month[month]))), ())


def _smallest(segments: list[Segment]) -> Sequence[Segment]:
    """The largest segment that is too small beside the smaller ones, with all of these."""
    ordered = sorted(segments, key=lambda segment: (segment.rows, segment.key))
    smaller, found = 0, 0
    for at, segment in enumerate(ordered):
        if at and segment.rows <= RATIO * smaller:
            found = at + 1
        smaller += segment.rows
    return ordered[:found]
