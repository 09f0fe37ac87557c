"""The Chrome DevTools Protocol over a pair of pipes: messages are JSON with a zero byte behind each.

No TCP port is opened, so nobody else on this machine can steer the browser. https://chromedevtools.github.io/
"""

import json
import queue
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from concurrent.futures import TimeoutError as Late
from io import BufferedReader
from typing import Any, BinaryIO

__all__ = ["CallFailed", "Gone", "Late", "Pipe"]

_PIECE_BYTES = 1 << 18
_END = b""  # nothing more is to be written
_MOST_BYTES = 1 << 29  # of one message; a browser that sends more is not to be trusted with our memory

# Method, parameters, session (empty: the browser's own).
OnEvent = Callable[[str, Mapping[str, Any], str], None]


class CallFailed(Exception):
    """The browser answered a call with an error."""


class Gone(Exception):
    """The browser has closed the pipe: it has ended."""


class Pipe:
    """Calls into a browser and events out of it; safe in threads. Events are told in the thread that reads.

    Nobody waits for a browser that takes nothing in: another thread writes, and calls have their time.
    """

    def __init__(self, reader: BufferedReader, writer: BinaryIO, on_event: OnEvent) -> None:
        self._reader, self._writer, self._on_event = reader, writer, on_event
        self._guard, self._to_write = threading.Lock(), queue.SimpleQueue[bytes]()
        self._waiting: dict[int, Future[dict[str, Any]]] = {}
        self._count, self._ended = 0, False
        targets = {"cdp-read": self._read, "cdp-write": self._write}
        self._threads = [threading.Thread(target=each, name=name, daemon=True) for name, each in targets.items()]
        for thread in self._threads:
            thread.start()

    def begin(self, method: str, params: Mapping[str, Any] | None = None, session: str = "") -> Future[dict[str, Any]]:
        """A call whose answer is waited for elsewhere; the future raises CallFailed or Gone."""
        future: Future[dict[str, Any]] = Future()
        with self._guard:
            if self._ended:
                raise Gone(method)
            self._count += 1
            number = self._count
            self._waiting[number] = future
        self._send(number, method, params, session)
        return future

    def call(
        self, method: str, params: Mapping[str, Any] | None = None, session: str = "", *, timeout_s: float
    ) -> dict[str, Any]:
        """The answer to a call. Raises CallFailed, Gone, or Late after `timeout_s`."""
        return self.begin(method, params, session).result(timeout_s)

    def tell(self, method: str, params: Mapping[str, Any] | None = None, session: str = "") -> None:
        """A call whose answer is of no interest; one that the browser cannot hear any more is dropped."""
        with self._guard:
            if self._ended:
                return
            self._count += 1
            number = self._count
        self._send(number, method, params, session)

    def close(self) -> None:
        """Returns when both threads have ended; the browser must have ended before."""
        self._to_write.put(_END)
        for thread in self._threads:
            thread.join()
        for file in (self._reader, self._writer):
            try:
                file.close()
            except OSError:  # what was still to be written: nobody reads it any more
                pass

    def _send(self, number: int, method: str, params: Mapping[str, Any] | None, session: str) -> None:
        message: dict[str, Any] = {"id": number, "method": method, "params": params or {}}
        if session:
            message["sessionId"] = session
        self._to_write.put(json.dumps(message).encode() + b"\0")

    # ---------------------------------------------------------------- the writing thread
    def _write(self) -> None:
        try:
            while data := self._to_write.get():
                self._writer.write(data)
                self._writer.flush()
        except (OSError, ValueError):
            return  # it has ended; so says the thread that reads

    # ---------------------------------------------------------------- the reading thread
    def _read(self) -> None:
        try:
            self._read_messages()
        finally:
            with self._guard:
                self._ended = True
                waiting, self._waiting = self._waiting, {}
            for future in waiting.values():
                future.set_exception(Gone("the browser has ended"))

    def _read_messages(self) -> None:
        kept = bytearray()
        while data := self._next():
            begun = len(kept)
            kept += data
            end = kept.find(b"\0", begun)
            if end < 0:
                if len(kept) > _MOST_BYTES:
                    return
                continue
            start = 0
            while end >= 0:
                self._take(kept[start:end])
                start = end + 1
                end = kept.find(b"\0", start)
            del kept[:start]

    def _next(self) -> bytes:
        try:
            return self._reader.read1(_PIECE_BYTES)
        except (OSError, ValueError):
            return b""

    def _take(self, data: bytearray) -> None:
        try:
            message = json.loads(data)
        except ValueError:  # lone surrogates and the like never come; what is no JSON is nobody's answer
            return
        if "id" not in message:
            self._on_event(message.get("method", ""), message.get("params", {}), message.get("sessionId", ""))
            return
        with self._guard:
            future = self._waiting.pop(message["id"], None)
        if future is None:
            return
        if "error" in message:
            future.set_exception(CallFailed(str(message["error"].get("message", message["error"]))))
        else:
            future.set_result(message.get("result", {}))
