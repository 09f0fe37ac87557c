"""The garbage collector while many pages go by."""

import gc
import threading
import weakref
from collections.abc import Iterator

import pytest

from tasks.garbage import collected_seldom


class Circle:
    """Garbage that only the collector finds."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    """The collector is afterwards as each test found it."""
    threshold = gc.get_threshold()
    yield
    gc.enable()
    gc.unfreeze()
    gc.set_threshold(*threshold)


def test_garbage_goes_every_twenty_pages() -> None:
    with collected_seldom() as page_done:
        for _ in range(3):
            circle = weakref.ref(Circle())
            for _ in range(19):
                page_done()
            assert circle() is not None
            page_done()
            assert circle() is None


def test_garbage_goes_without_pages_once_there_is_much_of_it() -> None:
    """Other threads make circles, too, and a page may take minutes."""
    with collected_seldom():
        first = weakref.ref(Circle())
        for _ in range(60_000):
            Circle()
        assert first() is None


def test_what_lives_on_is_frozen_and_thawed() -> None:
    with collected_seldom() as page_done:
        for _ in range(20):
            page_done()
        assert gc.get_freeze_count() > 0
    assert gc.get_freeze_count() == 0


def test_the_collector_is_as_it_was_after_an_error() -> None:
    def fail() -> None:
        with collected_seldom() as page_done:
            for _ in range(20):
                page_done()
            assert gc.get_threshold() != (500, 7, 9)
            raise ValueError("broken")

    gc.set_threshold(500, 7, 9)
    with pytest.raises(ValueError, match="broken"):
        fail()
    assert gc.get_threshold() == (500, 7, 9)
    assert gc.isenabled()


def test_a_collector_switched_off_stays_so() -> None:
    gc.disable()
    with collected_seldom() as page_done:
        circle = weakref.ref(Circle())
        for _ in range(40):
            page_done()
        assert not gc.isenabled()
        assert circle() is not None
    assert not gc.isenabled()


def test_what_somebody_else_froze_is_not_thawed() -> None:
    gc.freeze()
    frozen = gc.get_freeze_count()
    with collected_seldom() as page_done:
        for _ in range(20):
            page_done()
    assert gc.get_freeze_count() >= frozen - 50  # some of it has gone meanwhile by its reference count


def test_the_last_to_leave_restores_it() -> None:
    before = gc.get_threshold()
    with collected_seldom() as outer:
        within = gc.get_threshold()
        with collected_seldom() as inner:
            for _ in range(10):
                inner()
                outer()
            assert gc.get_freeze_count() > 0
        assert gc.get_threshold() == within != before
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_threads_may_share_it() -> None:
    def use() -> None:
        started.wait()
        for _ in range(50):
            with collected_seldom() as page_done:
                page_done()

    before, started = gc.get_threshold(), threading.Barrier(8)
    threads = [threading.Thread(target=use) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert gc.get_threshold() == before
    assert gc.get_freeze_count() == 0


def test_a_use_that_a_collection_ends_does_not_hang() -> None:
    """A generator that was left suspended in a circle is closed by the collector itself."""

    def pages(holder: list[object]) -> Iterator[int]:
        with collected_seldom():
            yield len(holder)

    before = gc.get_threshold()
    circle: list[object] = []
    suspended = pages(circle)
    circle.append(suspended)
    assert next(suspended) == 1
    del suspended, circle
    with collected_seldom() as page_done:
        for _ in range(20):
            page_done()
    assert gc.get_threshold() == before
