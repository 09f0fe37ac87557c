"""Many pages at once: whose turn it is (tasks/turns.py), so many under way, and one at a time in memory as a tree."""

import contextlib
import queue
import threading
from collections.abc import Callable, Iterable, Iterator, Sized
from concurrent.futures import Future, ThreadPoolExecutor
from contextvars import copy_context
from typing import Any, TypeVar

from tasks.errors import PermanentError
from tasks.garbage import collected_seldom
from tasks.pipeline import (
    Outcome,
    Plainly,
    Run,
    Tools,
    archive_page,
    capture_stage,
    compare_stage,
    gather_stage,
    observe_stage,
    probe_stage,
    render_stage,
    store_stage,
    timestamp_stage,
)
from tasks.turns import Turns

__all__ = ["archive_pages"]

R = TypeVar("R")
_Ended = queue.SimpleQueue[Future[Outcome] | None]  # None: a host may be asked again
_AHEAD = 1000  # pages read before their turn, where it is not known how many there are
_LOOK_EVERY_S = 0.1  # how soon it is noticed that the run shall end, or that a further page is named

# Stages that talk to someone else, or another process: they wait, and hold no tree.
_TALKING = (
    *(capture_stage, render_stage, probe_stage, gather_stage),
    *(compare_stage, observe_stage, store_stage, timestamp_stage),
)


def archive_pages(
    urls: Iterable[str | None],
    tools: Tools,
    *,
    run: Run | None = None,
    stopped: Callable[[], bool] = lambda: False,
    force: bool = False,
) -> Iterator[Outcome]:
    """Outcomes of many URLs as they finish, each as of archive_page; `urls` is read as places come free.

    A None among them says that none is named just now: the next one is asked for later. Pages of one host are begun in
    their order, those of others meanwhile. Once `stopped` says so no further page is begun; those under way finish and
    are given. Where whoever listens gives up, they finish, too, but wait for no host.
    """
    hosts, settings, over = tools.recorder.hosts, tools.settings, threading.Event()
    ahead = len(urls) + 1 if isinstance(urls, Sized) else _AHEAD  # one more: its end
    turns = Turns(urls, hosts, per_host=settings.per_host, ahead=ahead)
    ended: _Ended = queue.SimpleQueue()
    with (
        hosts.until(stopped),
        hosts.until(over.is_set),
        collected_seldom() as page_done,
        ThreadPoolExecutor(1, thread_name_prefix="trees") as trees,
        ThreadPoolExecutor(settings.workers, thread_name_prefix="page") as pool,
        contextlib.ExitStack() as last,
    ):
        last.callback(over.set)
        job, under_way = _Job(tools, run or Plainly(settings), turns, trees, ended, force), 0
        while True:
            while (begin := under_way < settings.workers and not stopped()) and (url := turns.take()) is not None:
                pool.submit(job.page, url).add_done_callback(ended.put)
                under_way += 1
            if not under_way and (stopped() or not turns.left):
                return
            # Where none may begin, whose turn it is does not matter: its time may be long past.
            done = _next(ended, min(turns.wait_s(), _LOOK_EVERY_S) if begin else _LOOK_EVERY_S)
            if done:
                under_way -= 1
                page_done()
                yield done.result()


def _next(ended: _Ended, timeout_s: float) -> Future[Outcome] | None:
    try:
        return ended.get(timeout=timeout_s)
    except queue.Empty:
        return None


class _Job:
    """What the pages of one run share.

    Work on trees is for one thread: it is CPU-bound, so more gain nothing, libxml2 is safest so, and glibc keeps what
    each thread freed for that thread: with trees in all of 50 the peak of 500 pages was 327 MB, and grew; now 219.
    """

    def __init__(
        self, tools: Tools, run: Run, turns: Turns, trees: ThreadPoolExecutor, ended: _Ended, force: bool
    ) -> None:
        self.tools, self.run, self.turns, self.trees, self.ended, self.force = tools, run, turns, trees, ended, force

    def page(self, url: str) -> Outcome:
        """The outcome of one page, whatever it brings to light: a defect is told, and stops none of the others."""
        asking = _Asking(self, url)
        try:
            return archive_page(url, self.tools, run=asking, force=self.force)
        except Exception as error:
            what = f"it could not be archived: {type(error).__name__}: {error}"
            return Outcome(url, error=PermanentError(what, where=url, remedy="Report it with this URL", code="defect"))
        finally:
            asking.done()


class _Asking:
    """Runs the stages of one page; its host is free for the next page once this one has been captured."""

    def __init__(self, job: _Job, url: str) -> None:
        self.job, self.url, self.over = job, url, False

    def __call__(self, stage: Callable[..., R], *args: Any) -> R:
        if stage in _TALKING:
            try:
                return self.job.run(stage, *args)
            finally:
                if stage is capture_stage:
                    self.done()
        return self.job.trees.submit(copy_context().run, self.job.run, stage, *args).result()

    def done(self) -> None:
        """Nothing more is asked of the host for the page itself."""
        if not self.over:
            self.over = True
            self.job.turns.free(self.url)
            self.job.ended.put(None)
