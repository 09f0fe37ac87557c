"""The segments of a snapshot in the making: rows come in, sorted and merged segments come out, memory stays flat."""

from collections.abc import Collection, Iterable

from tasks.lake.compact import due
from tasks.lake.rows import Row
from tasks.lake.snapshot import Segment
from tasks.lake.workshop import GROUP_ROWS, Workshop

__all__ = ["Builder"]

_BATCH_ROWS = 1000  # rows that are Python objects at once
RUN_ROWS = GROUP_ROWS  # rows sorted at once


class Builder:
    """Starts from the segments of a snapshot; `segments` are those of the next one once `finish` was called."""

    def __init__(self, workshop: Workshop, segments: Iterable[Segment], *, run_rows: int = RUN_ROWS) -> None:
        self.workshop, self.run_rows = workshop, run_rows
        self.segments = list(segments)
        self._base = frozenset(self.segments)
        self._month = ""
        self._rows: list[Row] = []
        self._batches: list[object] = []
        self._held = 0

    def add(self, row: Row) -> None:
        """One more row. Rows of one month should come one after the other."""
        month = str(row["bundle_id"])[:6]
        if month != self._month or self._held >= self.run_rows:
            self._flush()
            self._month = month
        self._rows.append(row)
        self._held += 1
        if len(self._rows) >= _BATCH_ROWS:
            self._pack()

    def drop(self, ids: Collection[str]) -> None:
        """Take these bundles out of the segments that hold them."""
        days = {id_[:8] for id_ in ids}
        for segment in list(self.segments):
            held = {id_ for id_ in self.workshop.ids([segment], days) if id_ in ids}
            if held:
                made = self.workshop.write(segment.month, self.workshop.tables(segment, without=held))
                self._swap([segment], made)

    def finish(self) -> None:
        """Write what is held, and merge what is due."""
        self._flush()
        self._merge_due()

    def _pack(self) -> None:
        if self._rows:
            self._batches.append(self.workshop.batch(self._rows))
            self._rows = []

    def _flush(self) -> None:
        """Make a segment of the rows that are held."""
        self._pack()
        if self._batches:
            made = self.workshop.write(self._month, [self.workshop.sorted_table(self._batches)])
            self._batches, self._held = [], 0
            self._swap([], made)
            self._merge_due()

    def _merge_due(self) -> None:
        while group := due(self.segments):
            self._swap(group, self.workshop.merge(group))

    def _swap(self, old: Iterable[Segment], new: Segment | None) -> None:
        """Put one segment in the place of others. Those of the snapshot we started from stay at hand."""
        for segment in old:
            self.segments.remove(segment)
            if segment not in self._base:
                self.workshop.forget(segment)
        if new:
            self.segments.append(new)
