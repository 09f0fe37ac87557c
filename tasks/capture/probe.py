"""What a host answers for a page that is certainly missing: by that its error pages are known that answer 200."""

import dataclasses
import hashlib
import re
import threading
from itertools import pairwise
from typing import Final
from urllib.parse import SplitResult, urlsplit, urlunsplit

from tasks.capture.body import KeptBody
from tasks.capture.fetch import Recorder
from tasks.capture.policy import parse_url
from tasks.capture.robots import Robots
from tasks.errors import TearsheetError
from tasks.records import Capture, Exchange

__all__ = ["ErrorPages", "missing_url"]

_MAX_BYTES: Final = 2 * 1024 * 1024  # of an error page; a larger one is no short page's like
_MOST_KEPT: Final = 500  # answers; of a section forgotten since it is asked again
_NAME: Final = "no-such-page"
_EXTENSION: Final = re.compile(r"\.[A-Za-z]{2,5}$")
_DIGITS: Final = re.compile(r"[0-9]+")
_YEAR: Final = re.compile(r"(?:19|20)[0-9]{2}")


class ErrorPages:
    """The error pages of the hosts met so far, each asked for once a section; one may serve many threads."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._known: dict[str, Capture | None] = {}
        self._locks: dict[str, threading.Lock] = {}
        self._guard = threading.Lock()

    def ask(self, url: str, robots: Robots | None = None) -> Capture | None:
        """What answers, with success, for a missing page beside `url`; its bodies are shared.

        None where the host says honestly that there is none, gave no whole answer, or robots.txt bars the way.
        """
        missing = missing_url(url)
        try:
            parse_url(missing)
            if robots and robots.policy != "ignore" and not robots.allows(missing).allowed:
                return None
        except TearsheetError:  # a refused address: nothing is asked there
            return None
        with self._guard:
            lock = self._locks.setdefault(missing, threading.Lock())
        with lock:  # so that many pages of one section ask once
            with self._guard:
                if missing in self._known:
                    return self._known[missing]
            found = self._fetch(missing)
            self._remember(missing, found)
            return found

    def _remember(self, missing: str, found: Capture | None) -> None:
        """Keep it in mind, and forget the oldest where there are too many."""
        with self._guard:
            self._known[missing] = found
            while len(self._known) > _MOST_KEPT:
                del self._known[next(iter(self._known))]

    def _fetch(self, url: str) -> Capture | None:
        try:
            self._recorder.hosts.page(parse_url(url))
            exchanges = self._recorder.follow(url, max_body_bytes=_MAX_BYTES)
        except TearsheetError:  # no answer tells nothing of the page
            return None
        kept = [_kept(exchange) for exchange in exchanges]
        for at, (before, after) in enumerate(pairwise(kept), 1):
            kept[at] = dataclasses.replace(after, via=before.url)
        if kept[-1].status != 200 or kept[-1].truncated:
            return None
        return Capture(url, tuple(kept), self._recorder.settings.agent)


def _kept(exchange: Exchange) -> Exchange:
    """The exchange with its body in memory."""
    with exchange.body.open() as body:
        data = body.read()
    exchange.body.close()
    return dataclasses.replace(exchange, body=KeptBody(data))


# ------------------------------------------------------------------ its address
def missing_url(url: str) -> str:
    """A URL of the same form in the same section that no site has a page at; the same for all pages of the section.

    Numbers in the path are others there, since many sites look at the number alone: dates are all one, of long ago.

    >>> missing_url("https://courier.example/2026/11/23/crane-4711.html?page=2")
    'https://courier.example/1901/01/01/no-such-page-4034521907474.html'
    """
    parts = urlsplit(url)
    *folders, name = (parts.path or "/").split("/")
    slash = "/" if not name and folders[-1:] != [""] else ""
    if slash:
        *folders, name = folders
    number = _number(parts, folders)
    folders = [_moved(folder, number) for folder in folders]
    extension = _EXTENSION.search(name)
    last = number if name.isdigit() else f"{_NAME}-{number}"
    path = "/".join([*folders, last + (extension[0] if extension else "") + slash])
    return urlunsplit((parts.scheme, parts.netloc, path, "", ""))


def _number(parts: SplitResult, folders: list[str]) -> str:
    """Thirteen digits, the same for a host and section whatever numbers its path has."""
    section = _DIGITS.sub("0", "/".join(folders))
    digest = hashlib.sha256(f"{parts.scheme}://{parts.netloc}{section}".encode()).digest()
    return str(10**12 + int.from_bytes(digest[:8], "big") % (9 * 10**12))


def _moved(folder: str, number: str) -> str:
    """A folder of the path with another number in it."""
    if folder.isdigit() and len(folder) <= 2:
        return "01"
    if _YEAR.fullmatch(folder):
        return "1901"
    return _DIGITS.sub(lambda found: number if len(found[0]) > 2 else found[0], folder)
