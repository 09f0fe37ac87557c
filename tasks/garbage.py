"""Python's garbage collector while many pages go by.

Page after page makes thousands of objects and nearly all go by their reference counts; the collector, left to itself,
comes several times a page and time and again looks through all that the program has loaded: 3 ms a page of 80.
"""

import gc
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

__all__ = ["collected_seldom"]

_PAGES = 20  # from one collection to the next: circles of some 500 objects a page are all that waits for it
_OBJECTS = 50_000  # made since the last collection and not gone, one comes nevertheless: other threads make circles too


@contextmanager
def collected_seldom() -> Iterator[Callable[[], None]]:
    """Garbage is collected every 20 pages; what is given is to be called after each page.

    What lives on after the first 20 pages (modules, rules, models) is not looked at again. Afterwards the collector
    is as it was. May be nested and used by several threads: the last to leave restores it. A collector that somebody
    switched off is left alone.
    """
    if not gc.isenabled():
        yield lambda: None
        return
    _process.enter()
    try:
        yield _process.count_page
    finally:
        _process.leave()


class _Process:
    """What this process does about its collector: there is one, whoever uses it."""

    def __init__(self) -> None:
        self._lock = threading.RLock()  # a collection may end somebody's use of this, in the thread that it comes to
        self._users = self._pages = 0
        self._before = gc.get_threshold()
        self._frozen = False  # by us

    def enter(self) -> None:
        with self._lock:
            self._users += 1
            if self._users == 1:
                self._pages, self._before = 0, gc.get_threshold()
                gc.set_threshold(_OBJECTS, *self._before[1:])

    def count_page(self) -> None:
        with self._lock:
            self._pages += 1
            pages = self._pages
        if pages % _PAGES == 0:
            gc.collect()
        if pages == _PAGES:
            self._freeze()

    def _freeze(self) -> None:
        with self._lock:
            if self._users and not gc.get_freeze_count():  # what somebody else froze, unfreeze() would thaw as well
                gc.freeze()
                self._frozen = True

    def leave(self) -> None:
        with self._lock:
            self._users -= 1
            if self._users == 0:
                gc.set_threshold(*self._before)
                if self._frozen:
                    gc.unfreeze()
                    self._frozen = False


_process = _Process()
