"""Work on many ids at once, in threads or in processes; a process that dies costs the id it died of and no other."""

import os
import signal
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, CancelledError, Executor, Future, ProcessPoolExecutor, wait
from concurrent.futures import ThreadPoolExecutor as ThreadPool
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context
from typing import TypeVar

__all__ = ["ahead", "cpus", "in_processes", "in_threads", "make_shards"]

R = TypeVar("R")
T = TypeVar("T")
Shard = tuple[str, ...]
Work = Callable[[Shard], Sequence[R]]  # one result for each id


def cpus() -> int:
    """Processors that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity else os.cpu_count() or 1


def make_shards(ids: Iterable[str], size: int) -> list[Shard]:
    """The ids in groups of at most `size`, in order."""
    every = tuple(ids)
    return [every[start : start + size] for start in range(0, len(every), size)]


def in_threads(work: Work[R], shards: Iterable[Shard], *, workers: int, stop: threading.Event) -> Iterator[R]:
    """Results as they come. Once `stop` is set no further shard is begun; those under way finish and are given."""
    with ThreadPool(workers, thread_name_prefix="shard") as pool:
        yield from _drain(pool, work, deque(shards), workers, stop, [])


def ahead(work: Callable[[T], R], items: Iterable[T], *, workers: int, stop: threading.Event) -> Iterator[R]:
    """The result for each item, in order; `workers` are under way at once, few are held, however many there are.

    Once `stop` is set no further one is begun. An error of one is raised in its place; those after it are dropped.
    """
    window: deque[Future[R]] = deque()
    with ThreadPool(workers, thread_name_prefix="ahead") as pool:
        try:
            for item in items:
                if stop.is_set():
                    break
                window.append(pool.submit(work, item))
                if len(window) >= workers * 2:
                    yield window.popleft().result()
            while window:
                yield window.popleft().result()
        finally:
            for future in window:
                future.cancel()


def in_processes(
    work: Work[R], shards: Iterable[Shard], *, workers: int, stop: threading.Event, died: Callable[[str], R]
) -> Iterator[R]:
    """Like in_threads, in processes; `work` and its results are picklable.

    Where a process dies, the shards that were under way are done again, each id alone in a process of its own; `died`
    gives the result of an id that kills that one too.
    """
    waiting, suspects = deque(shards), list[Shard]()
    while waiting and not stop.is_set():
        with _pool(workers) as pool:
            yield from _drain(pool, work, waiting, workers, stop, suspects)
    for id_ in (id_ for shard in suspects for id_ in shard):
        if stop.is_set():
            return
        with _pool(1) as pool:
            try:
                yield from pool.submit(work, (id_,)).result()
            except BrokenProcessPool:
                yield died(id_)


def _pool(workers: int) -> ProcessPoolExecutor:
    """New interpreters, not forks: a fork of a process with threads and open connections may hang."""
    return ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=_leave_interrupts)


def _leave_interrupts() -> None:
    """Ctrl-C reaches every process of a terminal; only the one that hands out work acts on it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _drain(
    pool: Executor, work: Work[R], waiting: deque[Shard], workers: int, stop: threading.Event, suspects: list[Shard]
) -> Iterator[R]:
    """Results until nothing is waiting or under way; a broken pool ends it, and what it held goes to `suspects`."""
    under_way: dict[Future[Sequence[R]], Shard] = {}
    try:
        while waiting or under_way:
            while waiting and len(under_way) < workers + 1 and not stop.is_set():
                future = pool.submit(work, waiting[0])  # raises where the pool is broken: the shard waits on
                under_way[future] = waiting.popleft()
            if stop.is_set():
                for future in under_way:
                    future.cancel()
            if not under_way:
                return
            for future in wait(under_way, timeout=1, return_when=FIRST_COMPLETED)[0]:
                shard = under_way.pop(future)
                yield from _result(future, shard, suspects)
    except BrokenProcessPool:
        suspects += under_way.values()
    finally:
        for future in under_way:
            future.cancel()


def _result(future: Future[Sequence[R]], shard: Shard, suspects: list[Shard]) -> Sequence[R]:
    try:
        return future.result()
    except CancelledError:  # it had not begun when the run was stopped
        return ()
    except BrokenProcessPool:
        suspects.append(shard)
        return ()
