"""Segments on the local disk while a snapshot is made: fetched, read, sorted, merged, written, uploaded."""

import hashlib
import secrets
import tempfile
from collections.abc import Collection, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from tasks.errors import NotFound
from tasks.lake.merge import merged
from tasks.lake.rows import Row
from tasks.lake.schema import ORDER, arrow, arrow_schema
from tasks.lake.snapshot import Segment, segment_key
from tasks.records import Digest
from tasks.store import Store
from tasks.store.disk import os_errors, write_new
from tasks.store.objects import Content

__all__ = ["Workshop"]

GROUP_ROWS = 1 << 15  # rows of a row group: what a reader skips or reads at once
BATCH_ROWS = 1 << 12  # rows read at once from each segment that is merged
_PIECE = 1 << 20


class Workshop:
    """A temporary folder with the segments that are worked on; a context manager."""

    def __init__(self, store: Store) -> None:
        self.pa, self.schema = arrow(), arrow_schema()
        self.store = store
        self.run = secrets.token_hex(16)  # in each file: no two publishers ever make the same one
        self._folder = tempfile.TemporaryDirectory(prefix="tearsheet-lake-")
        self._local: dict[str, Path] = {}  # key → file
        self.uploaded: set[str] = set()

    def __enter__(self) -> "Workshop":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._folder.cleanup()

    # ---------------------------------------------------------------- reading
    def tables(self, segment: Segment, *, without: Collection[str] = (), columns: list[str] | None = None) -> Any:
        """The rows of a segment in their order, some at a time, but for the bundles `without`."""
        pa = self.pa
        unwanted = pa.array(sorted(without), pa.string())
        with pa.parquet.ParquetFile(self._path(segment), pre_buffer=False) as file:
            for batch in file.iter_batches(BATCH_ROWS, columns=columns, use_threads=False):
                table = pa.Table.from_batches([batch])
                if without:
                    table = table.filter(pa.compute.invert(pa.compute.is_in(table["bundle_id"], unwanted)))
                if table.num_rows:
                    yield table if columns else table.cast(self.schema)

    def ids(self, segments: Iterable[Segment], days: Collection[str]) -> dict[str, bool]:
        """The ids of those days in those segments; True for a tombstone."""
        first, last = min(days, default=""), max(days, default="")
        found: dict[str, bool] = {}
        for segment in segments:
            if segment.first_day <= last and segment.last_day >= first:
                for table in self.tables(segment, columns=["bundle_id", "tombstoned"]):
                    pairs = zip(table["bundle_id"].to_pylist(), table["tombstoned"].to_pylist(), strict=True)
                    found.update((id_, tombstoned) for id_, tombstoned in pairs if id_[:8] in days)
        return found

    def _path(self, segment: Segment) -> Path:
        """The segment's file; fetched, and held against its digest, where it is not here yet."""
        if segment.key not in self._local:
            path = Path(self._folder.name) / segment.sha256.removeprefix("sha256:")
            write_new(path, self.store.objects.read(segment.key), sha256=segment.sha256)
            self._local[segment.key] = path
        return self._local[segment.key]

    # ---------------------------------------------------------------- writing
    def sorted_table(self, batches: list[Any]) -> Any:
        """The rows of some record batches, as one table in ORDER."""
        return self.pa.Table.from_batches(batches, self.schema).sort_by([(name, "ascending") for name in ORDER])

    def batch(self, rows: list[Row]) -> Any:
        """Rows as a record batch: a tenth of their memory."""
        return self.pa.RecordBatch.from_pylist(rows, self.schema)

    def merge(self, segments: Iterable[Segment]) -> Segment:
        """One segment with the rows of all of them, which are of one month."""
        chosen = list(segments)
        made = self.write(chosen[0].month, merged([self.tables(segment) for segment in chosen], self.pa))
        if made is None:
            raise ValueError("segments without rows")
        return made

    def write(self, month: str, tables: Iterable[Any]) -> Segment | None:
        """A new segment of tables that follow each other in ORDER; None where there is no row."""
        path = Path(self._folder.name) / f"new-{secrets.token_hex(8)}"
        with os_errors(path):
            count, first, last = self._write(path, tables)
            if not count:
                path.unlink()
                return None
            sha256, size = _digest(path), path.stat().st_size
        segment = Segment(segment_key(month, count, sha256), sha256, size, count, first, last)
        self._local[segment.key] = path
        return segment

    def _write(self, path: Path, tables: Iterable[Any]) -> tuple[int, str, str]:
        """Count of the rows, first and last day of their ids."""
        pa, count, days = self.pa, 0, set[str]()
        schema = self.schema.with_metadata({"tearsheet.run": self.run})
        with pa.parquet.ParquetWriter(path, schema, **self._options()) as out:
            for table in _grouped(tables, pa):
                out.write_table(table.cast(schema), row_group_size=GROUP_ROWS)
                count += table.num_rows
                day = pa.compute.utf8_slice_codeunits(table["bundle_id"], 0, 8)
                days |= set(pa.compute.min_max(day).as_py().values())
        return count, min(days, default=""), max(days, default="")

    def _options(self) -> dict[str, Any]:
        """How segments are written: what lets readers skip, and nothing that only the newest of them read."""
        at = [self.schema.get_field_index(name) for name in ORDER]
        one = {"ndv": GROUP_ROWS, "fpp": 0.01}
        return {
            "compression": "zstd",
            "version": "2.6",
            "data_page_version": "1.0",
            "write_statistics": True,
            "write_page_index": True,
            "sorting_columns": [self.pa.parquet.SortingColumn(index) for index in at],
            "bloom_filter_options": {"url": one, "bundle_id": one},
        }

    # ---------------------------------------------------------------- the store
    def upload(self, segments: Iterable[Segment]) -> None:
        """Put the segments that were made here into the store; those that are there already stay."""
        for segment in segments:
            path = self._local.get(segment.key)
            if path and path.name.startswith("new-"):
                self.store.objects.create(segment.key, Content(path, segment.sha256, segment.bytes))
                self.uploaded.add(segment.key)

    def check_uploaded(self, segments: Iterable[Segment]) -> None:
        """Put again what someone took away before the snapshot named it."""
        for segment in segments:
            if segment.key in self.uploaded:
                try:
                    self.store.objects.stat(segment.key)
                except NotFound:
                    self.upload([segment])

    def withdraw(self, *, but: Iterable[Segment] = ()) -> None:
        """Take away what was uploaded `but` for these segments: no snapshot names it, nobody else has the same."""
        for key in self.uploaded - {segment.key for segment in but}:
            self.store.objects.delete(key)
        self.uploaded.clear()

    def forget(self, segment: Segment) -> None:
        """Free the disk of a segment that is not needed any more."""
        path = self._local.pop(segment.key, None)
        if path:
            path.unlink(missing_ok=True)


def _grouped(tables: Iterable[Any], pa: Any) -> Iterator[Any]:
    """The same rows in tables of GROUP_ROWS; the last one may be smaller."""
    held: list[Any] = []
    count = 0
    for table in tables:
        held.append(table)
        count += table.num_rows
        while count >= GROUP_ROWS:
            whole = pa.concat_tables(held)
            yield whole.slice(0, GROUP_ROWS)
            held, count = [whole.slice(GROUP_ROWS)], count - GROUP_ROWS
    if count:
        yield pa.concat_tables(held)


def _digest(path: Path) -> Digest:
    digest = hashlib.sha256()
    with path.open("rb") as source:
        while piece := source.read(_PIECE):
            digest.update(piece)
    return Digest(f"sha256:{digest.hexdigest()}")
