"""What goes in and out of the readers of sources: an answer, and the URLs it names with the reason for each."""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

from tasks.records import Validators

__all__ = ["Discovery", "Fetch", "Fetched", "Found", "NotModified", "Remembered"]

_SENT_BACK = re.compile(r"[\x21-\x7e][\x20-\x7e]{0,1023}")  # what can stand in a request


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a source's URL answered, content coding removed."""

    url: str  # after redirects: relative links count from here
    payload: bytes
    content_type: str = ""
    etag: str = ""
    last_modified: str = ""

    @property
    def validators(self) -> Validators | None:
        """What to send next time, so that an unchanged source is answered with 304; None where none was given."""
        etag, modified = (text if _SENT_BACK.fullmatch(text) else "" for text in (self.etag, self.last_modified))
        return Validators(self.url, etag, modified) if etag or modified else None


Fetch = Callable[[str], Fetched]
"""Gets a URL. May raise NotModified where it sent validators, and whatever else it likes: discover lets it through."""


class NotModified(Exception):
    """The source answered 304: it names what it named last time. Whoever sent the validators has that (Remembered)."""

    def __init__(self, url: str) -> None:
        self.url = url
        super().__init__(url)


@dataclass(frozen=True, slots=True)
class Found:
    """One URL that a source names; `why` it is taken for an article, such as `entry of the feed`."""

    url: str
    why: str
    title: str = ""
    published: datetime | None = None  # aware; midnight UTC where only the day is known


@dataclass(frozen=True, slots=True)
class Discovery:
    """What a source names now, each URL once, and what of it was passed over and why."""

    found: tuple[Found, ...] = ()
    passed_over: tuple[tuple[Found, str], ...] = ()  # with the reason
    notes: tuple[str, ...] = ()  # what else there is to know: files left unread, markup that had to be mended
    validators: Validators | None = None  # None too where several files were read: one tells nothing of the others

    @property
    def urls(self) -> tuple[str, ...]:
        """The URLs to archive, in the source's order."""
        return tuple(one.url for one in self.found)

    @property
    def remembered(self) -> "Remembered | None":
        """What to keep until the next visit; None where the source cannot be asked conditionally."""
        return Remembered(self.validators, self.found) if self.validators else None


@dataclass(frozen=True, slots=True)
class Remembered:
    """What a caller keeps of a source between two visits, wherever it likes.

    It sends `validators` next time; where `discover` then raises NotModified, the source names `found` as before.
    """

    validators: Validators
    found: tuple[Found, ...] = field(default=())
