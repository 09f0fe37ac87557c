"""Sorted rows of several segments as one sorted stream, in which only a batch of each is held."""

from bisect import bisect_right
from collections.abc import Iterator, Sequence
from typing import Any

from tasks.lake.schema import ORDER

__all__ = ["merged"]


def merged(sources: Sequence[Iterator[Any]], pa: Any) -> Iterator[Any]:
    """The rows of all sources in ORDER, some at a time. Each source gives tables in ORDER, none of them empty."""
    heads = [head for source in sources if (head := _Head(source)).more()]
    while heads:
        bound = min(head.last for head in heads)  # nothing that is still to come stands before it
        table = pa.concat_tables([head.take(bound) for head in heads])
        yield table.sort_by([(name, "ascending") for name in ORDER])
        heads = [head for head in heads if head.more()]


class _Head:
    """The rows of one source that are next."""

    def __init__(self, source: Iterator[Any]) -> None:
        self._source = source
        self._table: Any = None

    def more(self) -> bool:
        """Whether rows are left; reads on where the last ones were taken."""
        if self._table is None or not self._table.num_rows:
            self._table = next(self._source, None)
        return self._table is not None

    @property
    def last(self) -> tuple[Any, ...]:
        """The key of the last row that is held."""
        return self._key(self._table.num_rows - 1)

    def take(self, bound: tuple[Any, ...]) -> Any:
        """The rows up to `bound`, which are held no longer."""
        count = bisect_right(range(self._table.num_rows), bound, key=self._key)
        taken, self._table = self._table.slice(0, count), self._table.slice(count)
        return taken

    def _key(self, row: int) -> tuple[Any, ...]:
        return tuple(self._table[name][row].as_py() for name in ORDER)
