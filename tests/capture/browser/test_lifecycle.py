"""A browser's life: what it leaves behind, what happens when it dies, hangs or its user does."""

import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from pathlib import Path

import pytest

from tasks.capture.browser import Browser, visit
from tasks.errors import CaptureTransient, MissingPart
from tests.capture.browser import processes
from tests.capture.browser.conftest import AFTER_THE_LIMIT_S, LIMITS, bytes_of, text_of
from tests.capture.browser.hostile_pages import MARK

ROOT = Path(__file__).parents[3]


@pytest.fixture
def own(at):
    """A browser for one test alone, which may end it."""
    with Browser(at.settings) as browser:
        yield browser


def is_fine(at, browser):
    seen = at.visit(browser, "/plain")
    return MARK in text_of(seen) and bytes_of(seen, "view").startswith(b"\x89PNG")


def renderers(browser):
    return [pid for pid in browser.processes() if processes.is_renderer(pid)]


def during(at, browser, path, act, once="/drip?1"):
    """Visits `path` and calls `act` once the server was asked for what the page waits for; the error, if any."""
    asked = len(at.server.requests(once))

    def wait_and_act():
        while len(at.server.requests(once)) == asked:
            time.sleep(0.02)
        act()

    thread = threading.Thread(target=wait_and_act)
    thread.start()
    try:
        at.visit(browser, path)
    except CaptureTransient as error:
        return error
    finally:
        thread.join()
    return None


def kill_all(browser):
    for pid in browser.processes():
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            pass  # another one took it along


# ------------------------------------------------------------------ what is left
def test_nothing_is_started_before_the_first_visit(at):
    with Browser(at.settings) as browser:
        assert browser.processes() == []
        assert list(at.folder.iterdir()) == []


def test_a_closed_browser_leaves_no_process_and_no_file(at):
    before = processes.open_files(), threading.active_count()
    with Browser(at.settings) as browser:
        assert is_fine(at, browser)
        at.give_back()
        pids = browser.processes()
        assert len(pids) > 2
        assert list(at.folder.iterdir()) != []

    assert processes.gone(pids) == []
    assert processes.zombies() == []
    assert list(at.folder.iterdir()) == []
    assert (processes.open_files(), threading.active_count()) == before


def test_pages_in_a_row_leave_no_process_no_file_and_no_thread(at, own):
    held = []
    for _ in range(5):
        assert is_fine(at, own)
        at.give_back()
        time.sleep(0.2)  # for the renderer of the page before
        held.append((len(own.processes()), processes.open_files(), threading.active_count()))

    assert held[-1] == held[1], held
    assert len(list(at.folder.iterdir())) == 1


def test_captures_stay_readable_after_the_browser_is_closed(at):
    with Browser(at.settings) as browser:
        seen = at.visit(browser, "/plain")

    assert MARK in text_of(seen)
    assert seen.requisites.missing == ()
    assert [exchange.url for exchange in seen.beside if exchange.url.endswith("/pixel")] == [at.server.url("/pixel")]


def test_what_the_server_was_asked_is_what_the_capture_holds(at, own):
    """A request that Chromium made itself would be one more at the server."""
    before = len(at.server.requests("/images-1000")) + len(at.server.requests("/pixel?7"))
    seen = at.visit(own, "/images-1000")
    held = [exchange.url for exchange in (*seen.exchanges, *seen.beside)]

    assert len(set(held)) == len(held)
    for url in held:
        path = url.removeprefix(at.server.url(""))
        assert len(at.server.requests(path)) == 1 or path in ("/images-1000", "/favicon.ico", "/pixel?7")
    assert len(at.server.requests("/images-1000")) + len(at.server.requests("/pixel?7")) == before + 2
    assert not at.server.requests("/pixel?999")
    assert "over-requests" in {missing.reason for missing in seen.requisites.missing}


# ------------------------------------------------------------------ what goes wrong
def test_a_browser_that_is_killed_during_a_visit_is_replaced(at, own):
    assert is_fine(at, own)
    pids = own.processes()
    error = during(at, own, "/dripping", lambda: kill_all(own))

    assert error.code == "browser-crashed"
    assert processes.gone(pids) == []
    assert is_fine(at, own)


def test_a_browser_that_is_killed_between_visits_is_replaced(at, own):
    assert is_fine(at, own)
    kill_all(own)
    time.sleep(0.2)

    assert is_fine(at, own)


def test_a_renderer_that_is_killed_is_replaced(at, own):
    error = during(at, own, "/dripping", lambda: [os.kill(pid, signal.SIGKILL) for pid in renderers(own)])

    assert error.code == "browser-crashed"
    assert is_fine(at, own)


@pytest.fixture
def impatient(monkeypatch):
    """Calls that a healthy browser answers at once are waited for but a little."""
    monkeypatch.setattr(visit, "_CALL_S", 3.0)


def test_a_renderer_that_hangs_is_replaced_within_the_limits(at, own, impatient):
    assert is_fine(at, own)
    pids, started = own.processes(), time.monotonic()
    error = during(at, own, "/dripping", lambda: [os.kill(pid, signal.SIGSTOP) for pid in renderers(own)])

    assert error.code == "browser-hung"
    assert time.monotonic() - started < LIMITS["browser_page_s"] + AFTER_THE_LIMIT_S
    assert processes.gone(pids) == []
    assert is_fine(at, own)


def test_a_browser_that_hangs_while_it_is_sent_much_is_replaced(at, own, impatient):
    """What is sent to it then stands in a pipe that nobody empties."""
    assert is_fine(at, own)
    pids, started = own.processes(), time.monotonic()
    stop = lambda: [os.kill(pid, signal.SIGSTOP) for pid in own.processes()]  # noqa: E731
    error = during(at, own, "/much", stop, once="/large?2")

    assert error.code == "browser-hung"
    assert time.monotonic() - started < LIMITS["browser_page_s"] + AFTER_THE_LIMIT_S
    assert processes.gone(pids) == []
    assert is_fine(at, own)


def test_a_browser_that_is_not_there_is_named(at):
    with (
        Browser(at.settings_with(chromium="/nowhere/chromium")) as browser,
        pytest.raises(MissingPart, match="nowhere"),
    ):
        at.visit(browser, "/plain")


def test_a_program_that_is_no_browser_is_an_error_of_ours(at):
    with Browser(at.settings_with(chromium="/bin/true")) as browser, pytest.raises(CaptureTransient) as caught:
        at.visit(browser, "/plain")

    assert caught.value.code == "browser-start"
    assert list(at.folder.iterdir()) == []


def test_a_browser_ends_with_the_program_that_started_it(at, tmp_path):
    """Even where that is killed and can clear nothing up."""
    code = f"""
        import os, sys, tempfile
        tempfile.tempdir = {str(tmp_path)!r}
        from tasks.capture.browser import Browser, visit
        from tasks.capture.fetch import Recorder
        from tasks.settings import load_settings
        settings = load_settings(environ={{}}, allow=({at.server.pair!r},))
        with Recorder(settings) as recorder, Browser(settings) as browser:
            browser.visit(recorder.capture({at.server.url("/plain")!r}), recorder)
            print(*browser.processes(), flush=True)
            sys.stdin.read()
    """
    command = [sys.executable, "-c", textwrap.dedent(code)]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(ROOT)}
    ) as program:
        pids = [int(pid) for pid in program.stdout.readline().split()]
        program.kill()

    assert len(pids) > 2
    assert processes.gone(pids) == []


# ------------------------------------------------------------------ how it is held
def test_the_browser_is_in_a_network_of_its_own_that_never_sent_a_packet(at, own):
    if os.geteuid() != 0:
        pytest.skip("other users' networks are looked at in test_as_user.py")
    at.visit(own, "/webrtc-stun-and-turn")
    itself = [pid for pid in own.processes() if processes.is_chromium(pid)]

    assert itself
    for pid in itself:
        assert processes.network_of(pid) != processes.network_of()
        assert processes.packets_sent(pid) == dict.fromkeys(processes.packets_sent(pid), 0)
