"""Hostile pages: no packet goes past the recorder, each visit ends within its limits, and the browser goes on."""

import time

import pytest

from tasks.capture.browser import Browser, chromium
from tasks.errors import CaptureFailed, CaptureTransient, TearsheetError
from tests.capture.browser import processes
from tests.capture.browser.conftest import AFTER_THE_LIMIT_S, bytes_of, text_of
from tests.capture.browser.hostile_pages import MARK, PAGES, Page

GIVEN_UP = {"browser-crashed", "browser-hung", "browser-memory", "browser-dom"}


def show(world, browser, page: Page):
    """The visit's capture, or the error it was given up with, after what every hostile page has to stand."""
    started = time.monotonic()
    try:
        seen = world.visit(browser, f"/{page.name}")
    except TearsheetError as error:
        assert isinstance(error, CaptureTransient | CaptureFailed)
        assert error.code in GIVEN_UP
        assert page.may_fail, error
        seen = error
    took = time.monotonic() - started

    assert world.seen == []
    assert took < world.settings.browser_page_s + AFTER_THE_LIMIT_S
    assert processes.zombies() == []
    return seen


def is_the_page(seen, page: Page, world) -> None:
    assert seen.mode == "browser"
    assert seen.final_url == world.server.url(f"/{page.name}")
    if page.leaves and seen.rendered.flags + seen.rendered.refused:
        return
    assert MARK in text_of(seen)
    assert bytes_of(seen, "view").startswith(b"\x89PNG") or "no-view" in seen.rendered.flags


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_a_hostile_page_is_shown_or_given_up_and_the_next_one_works(at, browser, page):
    seen = show(at, browser, page)
    if not isinstance(seen, TearsheetError):
        is_the_page(seen, page, at)

    after = at.visit(browser, "/plain?after")
    assert MARK in text_of(after)
    assert after.rendered.title == "plain"
    assert after.requisites.missing == ()
    assert at.seen == []


def test_nothing_came_out_late(world, browser):
    """What a page began may be sent after it: the browser is ended first."""
    browser.close()
    time.sleep(0.5)

    assert world.seen == []
    assert list(world.folder.iterdir()) == []
    assert processes.zombies() == []


TALKING = [page for page in PAGES if page.talks]


@pytest.fixture(scope="module")
def browser_with_flags_only(world):
    """The browser where this machine gives nobody a network namespace: its own flags alone hold it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(chromium, "_namespaces", lambda: ())
        with Browser(world.settings) as browser:
            yield browser


@pytest.mark.parametrize("page", TALKING, ids=[page.name for page in TALKING])
def test_without_a_network_namespace_no_packet_goes_out_either(at, browser_with_flags_only, page):
    show(at, browser_with_flags_only, page)

    assert {processes.network_of(pid) for pid in browser_with_flags_only.processes()} == {processes.network_of()}
    assert at.seen == []


def test_without_a_network_namespace_nothing_came_out_late(world, browser_with_flags_only):
    browser_with_flags_only.close()
    time.sleep(0.5)

    assert world.seen == []
