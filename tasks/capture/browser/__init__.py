"""A page as a browser draws it: Chromium without a network of its own, whose every request our recorder makes.

    with Recorder(settings) as recorder, Browser(settings) as browser:
        seen = browser.visit(recorder.capture(url), recorder)

`seen` is the capture with the exchanges of all that the page asked for beside it, and `rendered`: its DOM, screenshot,
thumbnail, PDF. Chromium is started at the first visit; one serves many pages, one after the other.
"""

import threading
from collections.abc import Mapping
from typing import Any

from tasks.capture.browser.chromium import Chromium, find_chromium
from tasks.capture.browser.pipe import CallFailed, Gone, Late
from tasks.capture.browser.visit import Visit
from tasks.capture.fetch import Recorder
from tasks.errors import CaptureTransient
from tasks.records import Capture
from tasks.settings import Settings

__all__ = ["Browser", "find_chromium"]

_VISITS = 100  # after which a browser is replaced: what it may have lost of memory and files goes with it


class Browser:
    """One Chromium at a time, replaced when it crashed, hangs or took too much. Safe in threads, which take turns."""

    def __init__(self, settings: Settings) -> None:
        self._settings, self._turn = settings, threading.Lock()
        self._chromium: Chromium | None = None
        self._visit: Visit | None = None
        self._visits = 0

    def __enter__(self) -> "Browser":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End the browser; a later visit starts another one."""
        with self._turn:
            self._drop()

    def processes(self) -> list[int]:
        """The ids of all processes of the browser that runs now."""
        return self._chromium.processes() if self._chromium else []

    def visit(self, capture: Capture, recorder: Recorder, *, lead_on: bool = False) -> Capture:
        """The capture, as the browser sees its page; its bodies go over to the one that is given.

        With `lead_on` another page that its scripts put in its place is followed like a redirect; else it is kept.
        Raises CaptureTransient with code browser-start, browser-crashed, browser-hung, browser-memory or browser-dom,
        and MissingPart where there is no browser; `capture` is as it was then.
        """
        with self._turn:
            try:
                visit = self._visit = Visit(self._running(), capture, recorder, lead_on=lead_on)
                seen = visit.run()
            except BaseException as error:
                self._drop()
                if isinstance(error, Gone | Late | CallFailed):
                    raise _unwell(error, capture.url) from None
                raise
            try:
                visit.close()
            except (Gone, Late, CallFailed):  # what it gave is whole; the next page gets another one
                self._drop()
            self._visit = None
            return seen

    def _running(self) -> Chromium:
        if self._chromium and (self._visits >= _VISITS or not self._chromium.running):
            self._drop()
        if self._chromium is None:
            self._chromium, self._visits = Chromium(find_chromium(self._settings.chromium), self._on_event), 0
            attach = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
            self._chromium.pipe.call("Target.setAutoAttach", attach, timeout_s=10)
        self._visits += 1
        return self._chromium

    def _on_event(self, method: str, params: Mapping[str, Any], session: str) -> None:
        if self._visit:
            self._visit.on_event(method, params, session)
        elif method == "Target.attachedToTarget" and self._chromium:
            self._chromium.pipe.tell("Runtime.runIfWaitingForDebugger", {}, params["sessionId"])

    def _drop(self) -> None:
        chromium, self._chromium, self._visit = self._chromium, None, None
        if chromium:
            chromium.close()


def _unwell(error: Exception, url: str) -> CaptureTransient:
    crashed = isinstance(error, Gone)
    return CaptureTransient(
        "the browser ended while it showed the page" if crashed else f"the browser hangs over the page: {error}",
        where=url,
        remedy="Archive it with --mode requisites, or raise the limits that begin with browser_",
        code="browser-crashed" if crashed else "browser-hung",
    )
