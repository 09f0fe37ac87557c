"""A real headless Chromium, driven by the DevTools protocol over a pipe: pages opened, every frame asked."""

import contextlib
import itertools
import json
import os
import queue
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

FLAGS = (
    *("--headless=new", "--remote-debugging-pipe", "--no-first-run", "--no-default-browser-check", "--disable-gpu"),
    *("--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions"),
    *("--disable-default-apps", "--disable-dev-shm-usage", "--disable-domain-reliability", "--mute-audio"),
    *(
        "--metrics-recording-only",
        "--no-pings",
        "--gaia-url=http://127.0.0.1:9",
        "--password-store=basic",
        "--use-mock-keychain",
    ),
    "--disable-features=Translate,OptimizationHints,MediaRouter,AutofillServerCommunication,NetworkTimeServiceQuerying",
)
# Chromium reads commands from descriptor 3 and writes to 4.
_PLACED = """
import os, sys
reads, writes = os.dup(int(sys.argv[1])), os.dup(int(sys.argv[2]))
os.dup2(reads, 103); os.dup2(writes, 104); os.dup2(103, 3); os.dup2(104, 4)
os.execv(sys.argv[3], sys.argv[3:])
"""
NAMES = ("chromium", "chromium-browser", "google-chrome")


def chromium_path() -> str:
    """Where Chromium is; the test skips where there is none."""
    path = os.environ.get("TEARSHEET_TEST_CHROMIUM") or next(filter(None, map(shutil.which, NAMES)), None)
    if not path:
        pytest.skip("no chromium on this machine (TEARSHEET_TEST_CHROMIUM names another one)")
    return path


class CdpError(RuntimeError):
    """What the browser answered in place of a result."""


class Chromium:
    """A context manager: afterwards no process and no file of it is left."""

    def __init__(self, *flags: str) -> None:
        sandbox = () if os.getuid() else ("--no-sandbox",)
        self._profile = tempfile.mkdtemp(prefix="replay-chromium-")
        command = [chromium_path(), *FLAGS, *sandbox, *flags, f"--user-data-dir={self._profile}", "about:blank"]
        theirs_in, ours_out = os.pipe()
        ours_in, theirs_out = os.pipe()
        self._process = subprocess.Popen(
            [sys.executable, "-c", _PLACED, str(theirs_in), str(theirs_out), *command],
            pass_fds=(theirs_in, theirs_out),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._out = os.fdopen(ours_out, "wb", 0)
        self._in = os.fdopen(ours_in, "rb")
        self._numbers, self._answers = itertools.count(1), dict[int, queue.SimpleQueue[Any]]()
        self.heard: list[tuple[str, str, dict[str, Any]]] = []  # session, event, its parameters
        self.hears: list[Callable[[str, str, dict[str, Any]], None]] = []
        self._lock = threading.Lock()
        self._reader = threading.Thread(target=self._read, daemon=True)

    def __enter__(self) -> "Chromium":
        self._reader.start()
        return self

    def __exit__(self, *_: object) -> None:
        with contextlib.suppress(CdpError, OSError, queue.Empty):
            self.send("Browser.close", wait_s=5)
        with contextlib.suppress(subprocess.TimeoutExpired):
            self._process.wait(10)
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(10)
        self._reader.join(10)
        self._out.close()
        self._in.close()
        shutil.rmtree(self._profile, ignore_errors=True)

    def _read(self) -> None:
        data = b""
        while piece := os.read(self._in.fileno(), 1 << 16):
            *messages, data = (data + piece).split(b"\0")
            for message in messages:
                self._take(json.loads(message))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            if waiting := self._answers.pop(message["id"], None):
                waiting.put(message)
            return
        session = message.get("sessionId", "")
        self.heard.append((session, message["method"], message["params"]))
        for hear in tuple(self.hears):
            hear(session, message["method"], message["params"])

    def post(self, method: str, session: str = "", **params: Any) -> queue.SimpleQueue[Any]:
        """A command sent; its answer comes into the queue."""
        number, waiting = next(self._numbers), queue.SimpleQueue[Any]()
        self._answers[number] = waiting
        message = {"id": number, "method": method, "params": params} | ({"sessionId": session} if session else {})
        with self._lock:
            self._out.write(json.dumps(message).encode() + b"\0")
        return waiting

    def send(self, method: str, session: str = "", *, wait_s: float = 30, **params: Any) -> dict[str, Any]:
        """A command's result; CdpError where it has none."""
        answer = self.post(method, session, **params).get(timeout=wait_s)
        if "error" in answer:
            raise CdpError(f"{method}: {answer['error']['message']}")
        result: dict[str, Any] = answer["result"]
        return result

    @contextlib.contextmanager
    def tab(self, url: str, *, again_s: float = 0) -> Iterator["Tab"]:
        """A new tab in a context of its own, where `url` was opened; opened again where a wait took `again_s`."""
        context = self.send("Target.createBrowserContext", disposeOnDetach=True)["browserContextId"]
        target = self.send("Target.createTarget", url="about:blank", browserContextId=context, width=1200, height=900)
        session = self.send("Target.attachToTarget", targetId=target["targetId"], flatten=True)["sessionId"]
        tab = Tab(self, session)
        try:
            tab.again = (url, again_s) if again_s else None
            tab.goto(url)
            yield tab
        finally:
            self.hears.remove(tab.hear)
            self.send("Target.disposeBrowserContext", browserContextId=context)


class Tab:
    """A page with all frames and workers in it; `requests` has the URL of each request that any of them made."""

    def __init__(self, browser: Chromium, session: str) -> None:
        self.browser, self.session = browser, session
        self.sessions = {session}
        self.again: tuple[str, float] | None = None
        self.contexts: dict[tuple[str, int], str] = {}  # session and number → frame
        self.requests: list[str] = []
        self.said: list[str] = []  # on consoles, and by the browser
        browser.hears.append(self.hear)
        self._attach(session)

    def _attach(self, session: str) -> None:
        """Listen to a frame or worker, and to what it starts."""
        post = self.browser.post
        post("Network.enable", session)
        post("Log.enable", session)
        post("Runtime.enable", session)
        post("Target.setAutoAttach", session, autoAttach=True, waitForDebuggerOnStart=False, flatten=True)

    def hear(self, session: str, event: str, params: dict[str, Any]) -> None:
        """One event, in the thread that reads."""
        if session not in self.sessions:
            return
        if event == "Target.attachedToTarget":
            self.sessions.add(params["sessionId"])
            self._attach(params["sessionId"])
        elif event == "Network.requestWillBeSent":
            self.requests.append(params["request"]["url"])
        elif event == "Runtime.executionContextCreated":
            context = params["context"]
            self.contexts[session, context["id"]] = context.get("auxData", {}).get("frameId", "")
        elif event == "Runtime.executionContextDestroyed":
            self.contexts.pop((session, params["executionContextId"]), None)
        elif event == "Log.entryAdded":
            self.said.append(params["entry"]["text"])
        elif event == "Runtime.consoleAPICalled":
            self.said.append(str([one.get("value", one.get("description")) for one in params["args"]]))

    def goto(self, url: str) -> None:
        """Open a URL in this tab."""
        found = self.browser.send("Page.navigate", self.session, url=url)
        assert not found.get("errorText"), found

    def ask(self, expression: str, *, where: str = "true", wait_s: float = 40) -> Any:
        """The value of an expression in the first frame where `where` is true; waits until there is one."""
        until, started = time.monotonic() + wait_s, time.monotonic()
        while True:
            for session, number in tuple(self.contexts):
                if self._value(where, session, number) is True:
                    return self._value(expression, session, number)
            if time.monotonic() > until:
                frames = [self._value("location.href", *one) for one in tuple(self.contexts)]
                raise AssertionError(f"in no frame {where}; frames: {frames}; said: {self.said[-20:]}")
            if self.again and time.monotonic() > started + self.again[1]:
                started = time.monotonic()
                self.goto(self.again[0])
            time.sleep(0.1)

    def _value(self, expression: str, session: str, number: int) -> Any:
        with contextlib.suppress(CdpError, queue.Empty):  # a frame that has gone meanwhile
            result = self.browser.send(
                "Runtime.evaluate", session, wait_s=5, expression=expression, contextId=number, returnByValue=True
            )["result"]
            return result.get("value")
        return None

    def shot(self, path: Path) -> None:
        """What the tab shows, as a PNG file."""
        import base64

        path.write_bytes(base64.b64decode(self.browser.send("Page.captureScreenshot", self.session)["data"]))
