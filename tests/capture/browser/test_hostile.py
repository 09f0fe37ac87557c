"""Hostile pages: no packet goes past the recorder, each visit ends within its limits, and the browser goes on."""

import socket
import time

import pytest

from tasks.capture.browser import Browser, chromium
from tasks.capture.fetch import Recorder
from tasks.errors import CaptureTransient, TearsheetError, UrlRefused
from tests.capture.browser import processes
from tests.capture.browser.conftest import AFTER_THE_LIMIT_S, bytes_of, text_of
from tests.capture.browser.hostile_pages import MARK, PAGES, Page
from tests.capture.browser.trap import OwnNetwork, Trap
from tests.hostile.cases import Close, response
from tests.hostile.tough_server import ToughServer

GIVEN_UP = {"browser-crashed", "browser-hung", "browser-memory", "browser-dom"}


def show(at, browser, page: Page):
    """The visit's capture, or the error it was given up with, after what every hostile page has to stand."""
    started = time.monotonic()
    try:
        seen = at.visit(browser, f"/{page.name}", browser_page_s=page.page_s)
    except CaptureTransient as error:  # no other one
        seen = error
    took = time.monotonic() - started

    assert at.seen == []
    assert took < page.page_s + AFTER_THE_LIMIT_S
    assert processes.zombies() == []
    if isinstance(seen, TearsheetError):
        assert page.may_fail, seen
        assert seen.code in GIVEN_UP
    return seen


def is_the_page(seen, page: Page, world) -> None:
    assert seen.mode == "browser"
    assert seen.final_url == world.server.url(f"/{page.name}")
    if page.leaves:
        return  # what is shown is what the page made of itself
    assert MARK in text_of(seen)
    assert bytes_of(seen, "view").startswith(b"\x89PNG") or "no-view" in seen.rendered.flags


@pytest.mark.parametrize("page", PAGES, ids=[page.name for page in PAGES])
def test_a_hostile_page_is_shown_or_given_up_and_the_next_one_works(at, browser, page):
    seen = show(at, browser, page)
    if not isinstance(seen, TearsheetError):
        is_the_page(seen, page, at)
    if page.may_fail or page.leaves:  # after the others the next page of the table is the next one
        the_next_one_works(at, browser)


def the_next_one_works(at, browser):
    after = at.visit(browser, "/plain?after")
    assert MARK in text_of(after)
    assert after.rendered.title == "plain"
    assert after.rendered.flags == ()
    assert after.requisites.missing == ()
    assert at.seen == []


def test_after_all_of_them_the_next_one_works(at, browser):
    the_next_one_works(at, browser)


def test_a_name_that_turns_into_this_machine_is_not_followed_there(at, browser):
    """The first answer of DNS is a public address, where the page is; the next one is the trap's."""
    if at.wire is None:
        pytest.skip(OwnNetwork.why_not())
    answers = iter(["93.184.216.34"])

    def flips(host, port, *_):
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers, "127.0.0.1"), port))]

    page = response(f"<h1>{MARK}</h1><img src='/x.png'><iframe src='/'></iframe>".encode(), b"Connection: close")
    at.wire.expected.add(("93.184.216.34", 80))
    with (
        ToughServer(cases={"": lambda _: iter([page, Close()])}, address=("93.184.216.34", 80)) as server,
        Trap(80, "127.0.0.1") as trap,
        Recorder(at.settings, resolver=flips) as recorder,
    ):
        at.kept.append(recorder.capture("http://flips.example/"))
        at.kept.append(browser.visit(at.kept[-1], recorder))
        seen = at.kept[-1]

        assert MARK in text_of(seen)
        assert ("http://flips.example/x.png", "address") in {(one.url, one.reason) for one in seen.requisites.missing}
        assert server.connections == 1
        assert trap.seen == []
    assert at.seen == []


def test_the_prototypes_hostile_page_sends_nothing(at, browser, shared):
    site = shared / "prototypes" / "capture" / "site"
    if not (site / "hostile.html").is_file():
        pytest.skip(f"no hostile.html in {site}")
    text = (site / "hostile.html").read_text(encoding="utf-8")
    for port, other in ((16090, at.trap.port), (16091, at.trap.port), (16000, at.server.port)):
        text = text.replace(str(port), str(other))
    at.server.cases["prototype"] = lambda _: iter([response(text.encode())])
    seen = at.visit(browser, "/prototype")

    assert seen.rendered.title == "hostile"
    assert "dialog-dismissed" in seen.rendered.flags
    assert len(seen.requisites.missing) + len(seen.rendered.refused) > 5
    assert at.seen == []


@pytest.mark.parametrize(
    "there",
    [
        "javascript:alert(1)",
        "data:text/html,x",
        "file:///etc/passwd",
        "http://169.254.169.254/",
        "http://[fd00:ec2::254]/",
    ],
)
def test_a_page_that_is_a_redirect_to_somewhere_forbidden_never_gets_to_the_browser(at, browser, there):
    with pytest.raises(UrlRefused):
        at.visit(browser, f"/redirect-to?{there}")
    assert at.seen == []


def test_a_page_that_wants_a_password_is_shown_as_it_is(at, browser):
    seen = at.visit(browser, "/basic")

    assert "who?" in text_of(seen)
    assert seen.page.status == 401


def test_a_page_that_drips_is_shown_as_far_as_it_came(at, browser):
    seen = at.visit(browser, "/drips-as-a-page")

    assert seen.page.truncated == "time"
    assert "drop" in text_of(seen)


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

    networks = {processes.network_of(pid) for pid in browser_with_flags_only.processes()} - {""}
    assert networks == {processes.network_of()}
    assert at.seen == []


def test_without_a_network_namespace_nothing_came_out_late(world, browser_with_flags_only):
    browser_with_flags_only.close()
    time.sleep(0.5)

    assert world.seen == []


def test_the_trap_sees_what_a_page_would_send(at):
    """The pages do aim at it: the same addresses, by hand."""
    for aim in at.aims:
        host, _, port = aim.rpartition(":")
        try:
            socket.create_connection((host.strip("[]"), int(port)), 2).close()
        except ConnectionRefusedError:
            pass  # nobody listens there; the packet was sent all the same
    ends = time.monotonic() + 2
    while len(at.seen) < len(at.aims) and time.monotonic() < ends:
        time.sleep(0.02)

    assert len(at.seen) >= len(at.aims)
