"""Segments: few of them, sorted, readable by others, fetched whole, removed when nobody needs them."""

import random
import re
import subprocess
import sys
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow as pa
import pyarrow.dataset as ds
import pyarrow.parquet as pq
import pytest

from tasks.errors import FixityError, NotFound
from tasks.lake import workshop
from tasks.lake.builder import Builder
from tasks.lake.compact import LARGEST_ROWS, due
from tasks.lake.fetch import fetch_segments
from tasks.lake.merge import merged
from tasks.lake.prune import Pruned, prune
from tasks.lake.publish import publish
from tasks.lake.rows import tombstone_row
from tasks.lake.schema import COLUMNS, ORDER, arrow_schema
from tasks.lake.snapshot import DATA, INDEX, Segment, links_folder, links_key, newest, numbers
from tasks.lake.workshop import Workshop
from tasks.settings import load_settings
from tasks.store import Store, open_store
from tasks.store.objects import keys
from tests.lake.kit import NOW, lake_ids, put, take_down

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
Opened = Callable[..., Store]


def run(store: Store, at: datetime = NOW) -> None:
    publish(store, now=lambda: at)


# ------------------------------------------------------------------ merge
def key(row: dict) -> tuple:
    return tuple(row[name] for name in ORDER)


@pytest.mark.parametrize("seed", range(20))
def test_merged_rows_are_all_of_them_in_order(seed: int) -> None:
    rng, at = random.Random(seed), datetime(2026, 1, 1, tzinfo=UTC)
    sources, rows = [], []
    for _ in range(rng.randint(1, 6)):
        own = [
            {
                "url_surtkey": rng.choice(
                    ["", "a", "é", "\U0001f600", "\uff5e", "example,a)/" + "x" * rng.randint(0, 3)]
                ),
                "fetch_time": at + timedelta(seconds=rng.randint(0, 2)),
                "bundle_id": f"{rng.getrandbits(64):x}",
            }
            for _ in range(rng.randint(0, 60))
        ]
        rows += own
        table = pa.Table.from_pylist(own, arrow_schema()).sort_by([(name, "ascending") for name in ORDER])
        step = rng.randint(1, 9)
        sources.append(iter([table.slice(start, step) for start in range(0, table.num_rows, step)]))

    found = [row for table in merged(sources, pa) for row in table.select(ORDER).to_pylist()]

    assert found == sorted(rows, key=key)


# ------------------------------------------------------------------ compaction
def segment(rows: int, number: int, month: str = "202611") -> Segment:
    return Segment(f"{DATA}{month}/0-{number:064x}.parquet", "sha256:" + f"{number:064x}", 1, rows, "", "")


def compacted(sizes: list[int]) -> tuple[list[int], int]:
    """The rows of each segment after publishing so many rows in turn, and how many rows were written in all."""
    segments, written = [], 0
    for number, rows in enumerate(sizes):
        segments.append(segment(rows, number))
        written += rows
        while group := due(segments):
            segments = [one for one in segments if one not in group]
            rows = sum(one.rows for one in group)
            segments.append(segment(rows, len(sizes) + written))
            written += rows
    return [one.rows for one in segments], written


@pytest.mark.parametrize("kind", ["even", "random", "falling"])
def test_segments_are_few_and_rows_are_written_anew_few_times(kind: str) -> None:
    rng = random.Random(7)
    sizes = {
        "even": [100] * 1000,
        "random": [rng.choice([1, 3, 100, 5000]) for _ in range(1000)],
        "falling": [2 ** (12 - n // 80) for n in range(960)],
    }[kind]

    left, written = compacted(sizes)

    assert sum(left) == sum(sizes)
    assert len(left) <= 12  # log3 of the rows
    assert written <= 12 * sum(sizes)


def test_a_large_segment_is_let_be_and_months_stay_apart() -> None:
    assert due([segment(LARGEST_ROWS, 1), segment(LARGEST_ROWS, 2)]) == ()
    assert due([segment(5, 1), segment(5, 2, "202610")]) == ()
    assert len(due([segment(5, 1), segment(5, 2)])) == 2


def test_many_rows_make_one_segment_a_month_in_flat_memory(
    tmp_path: Path, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Rows are flushed and merged on the way; row groups have the size that is asked for."""
    monkeypatch.setattr(workshop, "GROUP_ROWS", 64)
    monkeypatch.setattr(workshop, "BATCH_ROWS", 10)
    ids = [f"202611{n % 28 + 1:02}{n // 60:04}{n % 60:02}-{n:016x}" for n in range(900)]
    with Workshop(opened(str(tmp_path / "store"))) as shop:
        builder = Builder(shop, (), run_rows=100)
        for id_ in ids:
            builder.add(tombstone_row(id_, None))
        builder.finish()
        assert len(builder.segments) <= 3
        assert len(list(Path(shop._folder.name).iterdir())) == len(builder.segments)
        found = [
            row["bundle_id"] for one in builder.segments for table in shop.tables(one) for row in table.to_pylist()
        ]
        groups = pq.ParquetFile(shop._path(max(builder.segments, key=lambda one: one.rows))).metadata
    assert sorted(found) == sorted(ids)
    assert {groups.row_group(n).num_rows for n in range(groups.num_row_groups - 1)} == {64}


# ------------------------------------------------------------------ fetch
def filled(store: Store, folder: Path) -> list[str]:
    """A store with three bundles of two months, one taken down, published twice."""
    ids = [
        put(store, folder, "20261005060000", url="https://b.example/x", final_url="https://b.example/x"),
        put(store, folder, title={"value": "Bridge closed", "source": "h1"}),
        put(store, folder, "20261124090000"),
    ]
    run(store)
    take_down(store, ids[2])
    run(store)
    return ids


def test_fetched_segments_are_the_live_ones(location: str, opened: Opened, tmp_path: Path) -> None:
    store, folder = opened(location), tmp_path / "lake"
    filled(store, tmp_path)
    old = [path for _, path in fetch_segments(store, folder)]
    mine = folder / "202611" / "mine.parquet"
    mine.write_text("mine")
    put(store, tmp_path, "20261124110000")
    run(store)

    paths = [path for _, path in fetch_segments(store, folder)]

    assert sorted(folder.rglob("*.parquet")) == sorted([*paths, mine])
    assert set(old) != set(paths)
    assert sorted(pq.read_table(paths[0].parent.parent / "202611" / paths[-1].name).column_names) == sorted(
        name for name, _ in COLUMNS
    )


def test_a_damaged_copy_is_fetched_again_and_a_damaged_segment_is_refused(
    location: str, opened: Opened, tmp_path: Path
) -> None:
    store, folder = opened(location), tmp_path / "lake"
    filled(store, tmp_path)
    one, path = fetch_segments(store, folder)[0]
    whole = path.read_bytes()
    path.write_bytes(b"x" * len(whole))

    fetch_segments(store, folder)
    assert path.read_bytes() == whole

    path.unlink()
    store.objects.delete(one.key)
    damaged = workshop.Content.of_bytes(whole[:-1] + b"?")
    store.objects.create(one.key, damaged)
    with pytest.raises(FixityError):
        fetch_segments(store, folder)
    assert not path.exists()


def test_nothing_to_fetch_is_said(location: str, opened: Opened, tmp_path: Path) -> None:
    with pytest.raises(NotFound, match="catalog publish"):
        fetch_segments(opened(location), tmp_path)


# ------------------------------------------------------------------ prune
def test_prune_keeps_what_a_reader_may_need(location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(location)
    today = datetime.now(UTC)
    for minute in range(6):
        put(store, tmp_path, f"2026112408{minute:02}00", today=today)
        run(store, today)
    there = set(keys(store.objects, INDEX))

    assert prune(store, keep=1, days=1) == Pruned(0, 0, 0)  # all of it is young
    assert set(keys(store.objects, INDEX)) == there
    done = prune(store, keep=2, days=1, now=lambda: today + timedelta(days=2))

    assert sorted(numbers(store)) == [5, 6]
    assert (done.snapshots, done.segments > 0, done.bytes > 0) == (4, True, True)
    assert len(lake_ids(store, tmp_path)) == 6
    last = {segment.key for segment in newest(store).segments}
    assert last <= set(keys(store.objects, DATA)) < there


# ------------------------------------------------------------------ other readers
def example(language: str, mark: str) -> str:
    """The block of README of that language that holds `mark`."""
    (found,) = [text for text in re.findall(rf"^```{language}\n(.*?)^```$", README, re.M | re.S) if mark in text]
    return found


@pytest.fixture
def fetched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with `lake/`, the segments of a small store; it is the working folder."""
    with open_store(str(tmp_path / "store"), load_settings()) as store:
        filled(store, tmp_path)
        fetch_segments(store, tmp_path / "lake")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "lake"


def test_the_duckdb_query_of_readme_answers(fetched: Path) -> None:
    duckdb = pytest.importorskip("duckdb", reason="no duckdb here")
    con = duckdb.connect()

    rows = con.execute(example("sql", "read_parquet")).fetchall()

    assert [row[-1] for row in rows] == ["Bridge closed"]
    types = {name: kind for name, kind, *_ in con.execute("describe from read_parquet('lake/*/*.parquet')").fetchall()}
    wanted = {
        "string": "VARCHAR", "timestamp": "TIMESTAMP WITH TIME ZONE", "smallint": "SMALLINT", "int": "INTEGER",
        "bigint": "BIGINT", "boolean": "BOOLEAN", "array<string>": "VARCHAR[]",
    }  # fmt: skip
    assert types == {name: wanted[kind] for name, kind in COLUMNS}
    assert con.execute("select count(*), count(distinct bundle_id) from 'lake/*/*.parquet'").fetchone() == (3, 3)


def test_the_pyarrow_query_of_readme_answers(fetched: Path) -> None:
    ran = subprocess.run([sys.executable, "-c", example("py", "pyarrow.dataset")], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "Bridge closed" in ran.stdout
    assert ds.dataset(fetched, format="parquet").schema.equals(arrow_schema())


def test_the_table_of_readme_has_the_columns() -> None:
    ddl = example("sql", "CREATE EXTERNAL TABLE")
    columns = re.search(r"\(\n(.*?)\n\)", ddl, re.S)
    assert columns
    pairs = [tuple(pair.split()) for pair in re.split(r",\s+", columns[1].strip())]
    assert pairs == list(COLUMNS)


def test_the_list_for_hive_names_the_live_segments(s3_location: str, opened: Opened, tmp_path: Path) -> None:
    store = opened(s3_location)
    filled(store, tmp_path)

    assert links_folder(store, newest(store)) == f"{s3_location}/v1/index/symlinks/00000000000000000002/"
    named = b"".join(store.objects.read(links_key(2))).decode().splitlines()

    assert named == [f"{s3_location}/{segment.key}" for segment in newest(store).segments]


def test_segments_have_what_lets_readers_skip(fetched: Path) -> None:
    path = next(fetched.rglob("*.parquet"))
    group = pq.ParquetFile(path).metadata.row_group(0)
    column = group.column(0)
    assert column.compression == "ZSTD"
    assert column.is_stats_set
    assert column.has_column_index
    assert column.has_offset_index
    assert [sorting.column_index for sorting in group.sorting_columns] == [
        [name for name, _ in COLUMNS].index(name) for name in ORDER
    ]
    duckdb = pytest.importorskip("duckdb", reason="no duckdb here")
    columns = f"select path_in_schema from parquet_metadata('{path}') where bloom_filter_offset is not null"
    blooms = duckdb.sql(columns).fetchall()
    assert {name for (name,) in blooms} == {"url", "bundle_id"}
