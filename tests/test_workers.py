"""Work on many ids: every id has its result, whatever becomes of a process."""

import os
import signal
import threading
import time
from collections.abc import Sequence

import pytest

from tasks.workers import cpus, in_processes, in_threads, make_shards

IDS = tuple(f"id-{number}" for number in range(20))


def double(shard: tuple[str, ...]) -> Sequence[str]:
    return [id_ * 2 for id_ in shard]


def fragile(shard: tuple[str, ...]) -> Sequence[str]:
    """Dies of two ids, as a parser that runs into a defect does."""
    for id_ in shard:
        if id_ in ("id-3", "id-17"):
            os.kill(os.getpid(), signal.SIGKILL)
    return double(shard)


def slow(shard: tuple[str, ...]) -> Sequence[str]:
    time.sleep(0.05)
    return double(shard)


def test_shards_hold_every_id_once_in_order() -> None:
    shards = make_shards(IDS, 6)
    assert [len(shard) for shard in shards] == [6, 6, 6, 2]
    assert sum(shards, ()) == IDS
    assert make_shards((), 6) == []


@pytest.mark.parametrize("workers", [1, 2])
def test_every_id_has_its_result(workers: int) -> None:
    stop, shards = threading.Event(), make_shards(IDS, 3)
    wanted = sorted(double(IDS))
    assert sorted(in_threads(double, shards, workers=workers, stop=stop)) == wanted
    assert sorted(in_processes(double, shards, workers=workers, stop=stop, died=str)) == wanted


def test_a_process_that_dies_costs_the_id_it_died_of_and_no_other() -> None:
    found = list(
        in_processes(fragile, make_shards(IDS, 3), workers=2, stop=threading.Event(), died="died of {}".format)
    )
    assert sorted(item for item in found if item.startswith("died")) == ["died of id-17", "died of id-3"]
    assert len(found) == len(IDS)


def test_an_error_of_the_work_is_not_hidden() -> None:
    with pytest.raises(TypeError):
        list(in_processes(len, [IDS[:1]], workers=1, stop=threading.Event(), died=str))  # type: ignore[arg-type]


@pytest.mark.parametrize("run", [in_threads, in_processes])
def test_stop_begins_no_further_shard_and_gives_what_is_under_way(run: object) -> None:
    stop, found = threading.Event(), []
    more = {"died": str} if run is in_processes else {}
    for item in run(slow, make_shards(IDS, 1), workers=2, stop=stop, **more):  # type: ignore[operator]
        found.append(item)
        stop.set()
    assert 0 < len(found) < len(IDS)


def test_there_is_a_processor() -> None:
    assert cpus() >= 1
