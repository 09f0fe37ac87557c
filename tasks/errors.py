"""Every error of ours.

TearsheetError
├── TransientError          the same call may succeed later: retry
│   ├── CaptureTransient      DNS, connect, TLS hand-shake reset, no answer in time
│   └── StoreUnavailable      the store did not answer, or asked us to slow down
└── PermanentError          the same call fails again: stop, and say what to do
    ├── UrlRefused            not a URL, or one the policy refuses (scheme, port, address)
    ├── CaptureFailed         the server answered nothing that can be archived
    ├── SettingsError         a settings or watch file is broken (file, line, key)
    ├── RuleError             a rule file is broken (file, line, key)
    ├── FormatError           a file is not what it claims to be
    ├── FixityError           bytes differ from their digest
    ├── StoreRefused          credentials, bucket or permission
    ├── StoreLocked           a retention lock or legal hold forbids deleting
    ├── StoreConflict         other content already stands under an immutable key
    ├── NotFound              no bundle of that id or URL in the store
    │   └── StoreTombstoned     it was taken down
    ├── WouldOverwrite        the target of a pull exists already
    ├── Thinner               a capture has lost most of the words of the version before
    ├── DiskFull              no room left on the device
    └── MissingPart           an optional part (extra) is not installed

Whether a caller should retry is a property of the class. Misuse of the API is ValueError or TypeError, not ours.
Every message says what, where, and what to do next; the parts are fields as well.
"""

from datetime import datetime
from typing import Any

__all__ = [
    "CaptureFailed",
    "CaptureTransient",
    "DiskFull",
    "FixityError",
    "FormatError",
    "MissingPart",
    "NotFound",
    "PermanentError",
    "RuleError",
    "SettingsError",
    "StoreConflict",
    "StoreLocked",
    "StoreRefused",
    "StoreTombstoned",
    "StoreUnavailable",
    "TearsheetError",
    "Thinner",
    "TransientError",
    "UrlRefused",
    "WouldOverwrite",
]


class TearsheetError(Exception):
    """What happened (`what`), where (`where`) and what to do next (`remedy`); `code` is stable for machines."""

    code = "error"

    def __init__(self, what: str, *, where: str = "", remedy: str = "", code: str = "") -> None:
        self.what, self.where, self.remedy = what, where, remedy
        self.code = code or type(self).code
        message = f"{where}: {what}" if where else what
        super().__init__(f"{message}. {remedy}" if remedy else message)

    def __reduce__(self) -> tuple[Any, ...]:
        return _rebuild, (type(self), self.what, self.where, self.remedy, self.code)


def _rebuild(kind: type[TearsheetError], what: str, where: str, remedy: str, code: str) -> TearsheetError:
    return kind(what, where=where, remedy=remedy, code=code)


class TransientError(TearsheetError):
    """The same call may succeed later: a caller may retry."""

    @property
    def passes_soon(self) -> bool:
        """Whether a second try within seconds is worth it: not where nobody was asked, for a reason that stands."""
        return self.code not in ("host-down", "host-wait", "robots", "stopped")


class PermanentError(TearsheetError):
    """The same call fails again: a caller should stop."""


class CaptureTransient(TransientError):
    """The page could not be fetched now.

    `code` is dns, dns-timeout, connect, connect-timeout, no-response, header-truncated or timeout; or, where nobody was
    asked, host-down, host-wait, robots or stopped.
    """

    code = "no-response"


class StoreUnavailable(TransientError):
    """The store did not answer, or answered that it is overloaded."""

    code = "store-unavailable"


class UrlRefused(PermanentError):
    """Not a URL, or one that the policy refuses; `code` is bad-url, scheme, port, userinfo, address."""

    code = "bad-url"


class CaptureFailed(PermanentError):
    """No archivable answer; `code` is not-http, tls, header-too-large, redirect-loop, too-many-redirects, …"""

    code = "capture-failed"


class SettingsError(PermanentError):
    """A settings or watch file is broken; `where` is file:line, `what` names the key."""

    code = "settings"


class RuleError(PermanentError):
    """A rule file is broken; `where` is file:line, `what` names the rule and the key."""

    code = "rule"


class FormatError(PermanentError):
    """A file is not what it claims to be."""

    code = "format"


class FixityError(PermanentError):
    """Bytes differ from their digest; `what` holds both digests."""

    code = "fixity"


class StoreRefused(PermanentError):
    """The store refuses us: credentials, bucket, permission; `code` is credentials, no-bucket, forbidden."""

    code = "store-refused"


class StoreLocked(PermanentError):
    """A lock of the server forbids deleting, `until` then; None: until a legal hold is lifted. Nothing was deleted."""

    code = "locked"

    until: datetime | None = None

    def until_then(self, until: datetime | None) -> "StoreLocked":
        """This error with its moment."""
        self.until = until
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        return (*super().__reduce__(), {"until": self.until})


class StoreConflict(PermanentError):
    """Other content already stands under an immutable key. Nothing was overwritten."""

    code = "conflict"


class NotFound(PermanentError):
    """The store holds no such bundle."""

    code = "not-found"


class StoreTombstoned(NotFound):
    """The bundle was taken down; `what` says when, by whom and why."""

    code = "tombstoned"


class WouldOverwrite(PermanentError):
    """The target exists already and --force was not given."""

    code = "exists"


class Thinner(PermanentError):
    """A capture that waited has lost most of the words of its latest version; `what` has both numbers and the id."""

    code = "thin"


class DiskFull(PermanentError):
    """No room left on the device; what was half written is gone again."""

    code = "disk-full"


class MissingPart(PermanentError):
    """An optional part is not installed; the remedy names the extra."""

    code = "missing-part"
