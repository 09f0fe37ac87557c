"""One page in the browser, from an empty tab to its DOM and pictures.

navigate → wait until it is quiet → scroll → wait again → DOM → screenshot. Whatever a page does, this ends at its
deadline with what could be had by then, or with an error.
"""

import base64
import json
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from tasks.capture.body import SpooledBody
from tasks.capture.browser.answers import Answers, as_fulfilled
from tasks.capture.browser.chromium import Chromium
from tasks.capture.browser.overlays import our_overlays
from tasks.capture.browser.pipe import CallFailed, Gone, Late
from tasks.capture.browser.scripts import DOM, FIND_OVERLAYS, SCROLL, SETTLE, SIZE
from tasks.capture.fetch import Recorder
from tasks.errors import CaptureTransient
from tasks.records import Capture, Rendered, Resource, digest_of

__all__ = ["Visit"]

_WIDTH, _HEIGHT = 1280, 960  # CSS pixels of the window
_TALLEST = 16_384  # CSS pixels of a screenshot; taller pages are cut there, and that is noted
_THUMBNAIL = 0.25
_LOOK_S = 0.02
_MEMORY_S = 0.5
_CALL_S = 10.0  # for a call that a healthy browser answers at once
_SCROLL_S, _SETTLE_S = 12.0, 5.0  # four times what they take; on a page that may run no scripts they never end
_SHOT_S = 15.0
_LEAST_S = 3.0  # for a picture, however late it is
_KEPT_S = 0.3  # share of the time of a page that is kept for DOM and pictures
_PAGES = ("page", "iframe", "webview")


class Visit:
    """One visit; `on_event` is told what the browser says of it."""

    def __init__(self, chromium: Chromium, capture: Capture, recorder: Recorder, *, lead_on: bool) -> None:
        self.chromium, self.pipe, self.settings = chromium, chromium.pipe, recorder.settings
        self.capture, self.started = capture, time.monotonic()
        self.deadline = self.started + self.settings.browser_page_s
        self.quiet_by = self.deadline - _KEPT_S * self.settings.browser_page_s
        self.answers = Answers(capture, recorder, self.quiet_by, lead_on=lead_on)
        self.flags: dict[str, None] = {}  # in order, each once
        self.overlays: tuple[str, ...] = ()  # that were hidden or clicked away, with what was done
        self._pool = ThreadPoolExecutor(self.settings.requisites_at_once, thread_name_prefix="browser")
        self._context = self._target = self._session = ""
        self._guard = threading.Lock()  # of the number that is under way
        self._under_way, self._last = 0, self.started
        self._committed, self._loaded, self._crashed = False, False, False
        self._memory_at = 0.0

    def run(self) -> Capture:
        """The capture with all that the browser asked for and made of it. Raises Gone, Late or CaptureTransient."""
        try:
            self._open()
            self._load()
            rendered = self._rendered()
            self._settle_requests()
            beside = (*self.capture.beside, *self.answers.exchanges())
            return replace(
                self.capture,
                exchanges=(*self.capture.exchanges, *self.answers.led_on()),
                mode="browser",
                beside=beside,
                requisites=self.answers.requisites(),
                rendered=rendered,
            )
        except BaseException:
            self.answers.stopped.set()
            self._pool.shutdown(wait=True, cancel_futures=True)
            self.answers.close()
            raise

    def close(self) -> None:
        """Close the tab and forget all that the page left in it."""
        self.answers.stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._context:
            self.pipe.call("Target.disposeBrowserContext", {"browserContextId": self._context}, timeout_s=_CALL_S)

    # ---------------------------------------------------------------- the tab
    def _open(self) -> None:
        """An empty tab in a profile of its own, with every request of it paused."""
        call = self.pipe.call
        made = call("Target.createBrowserContext", {"disposeOnDetach": True}, timeout_s=_CALL_S)
        self._context = made["browserContextId"]
        deny = {"behavior": "deny", "browserContextId": self._context, "eventsEnabled": False}
        call("Browser.setDownloadBehavior", deny, timeout_s=_CALL_S)
        tab = {"url": "about:blank", "browserContextId": self._context, "width": _WIDTH, "height": _HEIGHT}
        self._target = call("Target.createTarget", tab, timeout_s=_CALL_S)["targetId"]
        self._until(lambda: bool(self._session), time.monotonic() + _CALL_S)
        if not self._session:
            raise Late("the tab did not open")
        self._call("Page.enable")  # answered after all that was told at its attachment
        metrics = {"width": _WIDTH, "height": _HEIGHT, "deviceScaleFactor": 1, "mobile": False}
        self._call("Emulation.setDeviceMetricsOverride", metrics)

    def _call(
        self, method: str, params: Mapping[str, Any] | None = None, *, timeout_s: float = _CALL_S
    ) -> dict[str, Any]:
        return self.pipe.call(method, params, self._session, timeout_s=timeout_s)

    def on_event(self, method: str, params: Mapping[str, Any], session: str) -> None:
        """In the thread that reads: nothing here waits for the browser."""
        match method:
            case "Target.attachedToTarget":
                self._attached(params["sessionId"], params["targetInfo"])
            case "Fetch.requestPaused":
                self._paused(params, session)
            case "Page.frameNavigated" if params["frame"]["id"] == self._target:
                self._committed = params["frame"]["url"] != "about:blank"
            case "Page.loadEventFired" if session == self._session:
                self._loaded = True
            case "Page.frameStoppedLoading" if params["frameId"] == self._target:
                self._loaded = self._committed  # without a load event, where it was on its way to another page
            case "Page.javascriptDialogOpening":
                self.flags["dialog-dismissed"] = None
                self.pipe.tell("Page.handleJavaScriptDialog", {"accept": params.get("type") == "beforeunload"}, session)
            case "Inspector.targetCrashed" if session == self._session:
                self._crashed = True
            case "Browser.downloadWillBegin" | "Page.downloadWillBegin":
                self.flags["download-refused"] = None

    def _attached(self, session: str, target: Mapping[str, Any]) -> None:
        tell, kind = self.pipe.tell, target["type"]
        if target.get("browserContextId") != self._context:
            tell("Runtime.runIfWaitingForDebugger", {}, session)
            return
        if kind == "page" and target["targetId"] != self._target and (self._session or target.get("openerId")):
            self.flags["popup-closed"] = None
            tell("Target.closeTarget", {"targetId": target["targetId"]})
            return
        tell("Fetch.enable", {"patterns": [{"urlPattern": "*", "requestStage": "Request"}]}, session)
        attach = {"autoAttach": True, "waitForDebuggerOnStart": True, "flatten": True}
        tell("Target.setAutoAttach", attach, session)
        if kind in _PAGES:
            tell("Page.enable", {}, session)
            tell("Network.enable", {}, session)
            tell("Network.setBypassServiceWorker", {"bypass": True}, session)
        agent = {"userAgent": f"{self.chromium.agent} {self.settings.agent}"}
        tell("Network.setUserAgentOverride", agent, session)
        tell("Runtime.runIfWaitingForDebugger", {}, session)
        if kind == "page":
            self._session = session

    # ---------------------------------------------------------------- requests
    def _paused(self, params: Mapping[str, Any], session: str) -> None:
        url = params["request"]["url"]
        if url.startswith(("data:", "blob:", "about:")):
            self.pipe.tell("Fetch.continueRequest", {"requestId": params["requestId"]}, session)
            return
        self._count(1)
        try:
            self._pool.submit(self._answer, params, session)
        except RuntimeError:  # the visit is over
            self._count(-1)

    def _count(self, more: int) -> None:
        with self._guard:
            self._under_way += more
            self._last = time.monotonic()

    def _answer(self, params: Mapping[str, Any], session: str) -> None:
        try:
            answer = self.answers.answer(params, main_frame=self._target, loaded=self._loaded)
            if answer.error:
                refusal = {"requestId": params["requestId"], "errorReason": answer.error}
                self.pipe.tell("Fetch.failRequest", refusal, session)
            else:
                self.pipe.tell("Fetch.fulfillRequest", as_fulfilled(params["requestId"], answer), session)
        except Exception as error:  # a mistake of ours: it is told where the requests end, and nothing hangs on it
            self.flags[f"answer-failed-{type(error).__name__}"] = None
            failure = {"requestId": params["requestId"], "errorReason": "Failed"}
            self.pipe.tell("Fetch.failRequest", failure, session)
        finally:
            self._count(-1)

    def _settle_requests(self) -> None:
        """No further request is answered; those under way end by their deadline."""
        self.answers.stopped.set()
        self._pool.shutdown(wait=True, cancel_futures=True)

    # ---------------------------------------------------------------- waiting
    def _until(self, holds: Callable[[], bool], until: float) -> bool:
        """Whether it held by then. Raises Gone or CaptureTransient where it never will."""
        while not holds():
            self._check_alive()
            if time.monotonic() >= until:
                return False
            time.sleep(_LOOK_S)
        return True

    def _check_alive(self) -> None:
        if not self.chromium.running:
            raise Gone("the browser has ended")
        if self._crashed:
            raise _failed("its renderer crashed", self.capture.url, "browser-crashed")
        now = time.monotonic()
        if now - self._memory_at >= _MEMORY_S:
            self._memory_at = now
            if self.chromium.memory_mb() > self.settings.browser_memory_mb:
                raise _failed("it took too much memory", self.capture.url, "browser-memory")

    def _watched(self, future: "Future[dict[str, Any]]", until: float) -> dict[str, Any]:
        """The answer to a call that a page can hold up, while the browser is watched. Raises Late."""
        if not self._until(future.done, until):
            raise Late("no answer")
        return future.result(0)

    def _is_quiet(self) -> bool:
        still = time.monotonic() - self._last >= self.settings.browser_quiet_s
        return self._loaded and still and self._under_way <= 0

    def _load(self) -> None:
        """The page loaded and scrolled through; what is not there by then is dropped."""
        if not self._navigated():
            return
        if self.answers.left_early:
            self._load_without_scripts()
            return
        if self.settings.browser_overlays == "click":
            self._overlays("only")
        try:
            self._run(SCROLL, until=min(self.quiet_by, _in(_SCROLL_S)), waits=True)
            if not self._until(self._is_quiet, self.quiet_by):
                self._over_time()
            self._run(SETTLE, until=min(self.quiet_by, _in(_SETTLE_S)), waits=True)
        except (CallFailed, Late):
            self.flags["scroll-failed"] = None
            self._stop_loading()

    def _navigated(self) -> bool:
        """Whether the page was loaded and quiet in time."""
        self._committed = self._loaded = False
        self.pipe.begin("Page.navigate", {"url": self.capture.exchanges[0].url}, self._session)
        if self._until(self._is_quiet, self.quiet_by):
            return True
        self._over_time()
        return False

    def _over_time(self) -> None:
        self.flags["over-time"] = None
        self._stop_loading()

    def _load_without_scripts(self) -> None:
        """The page once more: a script that leads away from it ends its parsing, and the rest of it is not there."""
        self.flags["led-away-scripts-off"] = None
        self._call("Emulation.setScriptExecutionDisabled", {"value": True})
        self.answers.once_more()
        self._navigated()

    def _stop_loading(self) -> None:
        """What still loads is dropped; a script that never ends is ended, or the page could not be read."""
        self.answers.stopped.set()
        self.pipe.tell("Emulation.setScriptExecutionDisabled", {"value": True}, self._session)  # nor begins again
        self.pipe.tell("Page.stopLoading", {}, self._session)
        self.pipe.tell("Runtime.terminateExecution", {}, self._session)

    # ---------------------------------------------------------------- scripts of ours
    def _run(self, script: str, *, until: float, waits: bool = False) -> Any:
        """The value of a script, run in a world of its own. Raises CallFailed or Late."""
        begin = self.pipe.begin
        world = {"frameId": self._target, "worldName": "tearsheet", "grantUniveralAccess": False}
        context = self._watched(begin("Page.createIsolatedWorld", world, self._session), until)["executionContextId"]
        params = {"expression": script, "contextId": context, "returnByValue": True, "awaitPromise": waits}
        answer = self._watched(begin("Runtime.evaluate", params, self._session), until)
        if "exceptionDetails" in answer:
            raise CallFailed(str(answer["exceptionDetails"].get("text")))
        return answer["result"].get("value")

    def _overlays(self, how: str) -> None:
        """Hide overlays, or click them away; what was done is noted."""
        known = json.dumps([[one.name, one.boxes, one.refuse] for one in our_overlays()])
        try:
            done = self._run(FIND_OVERLAYS % (known, json.dumps(how)), until=min(self.deadline, _in(_CALL_S)))
        except (CallFailed, Late):
            self.flags["overlays-failed"] = None
            return
        self.overlays = tuple(done or ())

    # ---------------------------------------------------------------- what is kept
    def _rendered(self) -> Rendered:
        resources: list[Resource] = []
        try:
            found = self._run(DOM % self.settings.max_decoded_bytes, until=_in(_CALL_S))
            if "html" not in found:
                raise _failed(f"its DOM has {found['over']} characters", self.capture.url, "browser-dom")
            dom = found["html"].encode("utf-8", "replace")
            resources.append(_resource("dom", "text/html; charset=utf-8", dom))
            if self.settings.browser_overlays == "hide":
                self._overlays("")
            resources += self._pictures()
        except BaseException:
            for resource in resources:
                resource.body.close()
            raise
        flags = tuple(self.flags.copy())  # the thread that reads may add to them
        title = found["title"].encode("utf-8", "replace").decode()  # scripts can put half a character there
        agent = f"{self.chromium.agent} {self.settings.agent}"
        refused = self.answers.refused()
        return Rendered(self.chromium.product, agent, tuple(resources), title, flags, refused, self.overlays)

    def _pictures(self) -> Iterator[Resource]:
        """Screenshot, thumbnail and, where it is wanted, PDF; one that cannot be had is flagged."""
        try:
            height = int(self._run(SIZE, until=self._by(_CALL_S))["height"])
        except (CallFailed, Late, TypeError, ValueError):
            height = _HEIGHT
        if height > _TALLEST:
            self.flags[f"screenshot-cut-{_TALLEST}-of-{height}"] = None
        whole = {"x": 0, "y": 0, "width": _WIDTH, "height": min(height, _TALLEST), "scale": 1}
        view = {"format": "png", "clip": whole, "captureBeyondViewport": True, "optimizeForSpeed": False}
        small = {**whole, "height": _HEIGHT, "scale": _THUMBNAIL}
        thumbnail = {"format": "webp", "quality": 75, "clip": small}
        wanted = [
            ("view", "image/png", "Page.captureScreenshot", view),
            ("thumbnail", "image/webp", "Page.captureScreenshot", thumbnail),
        ]
        if self.settings.browser_pdf:
            wanted.append(("pdf", "application/pdf", "Page.printToPDF", {"printBackground": True}))
        for name, media_type, method, params in wanted:
            try:
                answer = self._watched(self.pipe.begin(method, params, self._session), self._by(_SHOT_S))
            except (CallFailed, Late):
                self.flags[f"no-{name}"] = None
                continue
            yield _resource(name, media_type, base64.b64decode(answer["data"]))

    def _by(self, most_s: float) -> float:
        """When a picture has to be there: in so long, within the time of the page but for a least of it."""
        return min(_in(most_s), max(self.deadline, _in(_LEAST_S)))


def _in(seconds: float) -> float:
    return time.monotonic() + seconds


def _resource(name: str, media_type: str, data: bytes) -> Resource:
    body = SpooledBody()
    body.write(data)
    return Resource(name, media_type, body, digest_of(data), datetime.now(UTC))


def _failed(what: str, url: str, code: str) -> CaptureTransient:
    return CaptureTransient(
        f"the browser could not show the page: {what}",
        where=url,
        remedy="Archive it with --mode requisites, or raise the limits that begin with browser_",
        code=code,
    )
