"""Time stamps over signatures: asked of the server that the user names, kept as events of the store, checked offline.

A time stamp is not part of the bundle: it differs each time one asks, and the same capture has to give the same file.
It stands in an event of the kind `timestamp` whose `at` is the second in the bundle's id, so that its key begins as
the id tells. Several may stand there: of other authorities, or made anew before an algorithm grows old.
"""

import base64
import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.bundle.tokens import MAX_BYTES, Token, TokenError, new_question, read_token
from tasks.errors import FormatError, PermanentError, SettingsError, TearsheetError, TransientError
from tasks.records import Bundle, Digest, Problem
from tasks.settings import Settings
from tasks.store import Store
from tasks.store.events import Event
from tasks.store.layout import EVENTS
from tasks.store.objects import keys

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["Stamp", "load_authorities", "put_stamp", "request_stamp", "stamp_bundle", "stamps_of"]

KIND = "timestamp"
_QUESTION, _ANSWER = "application/timestamp-query", "application/timestamp-reply"


@dataclass(frozen=True, slots=True)
class Stamp:
    """A stored time stamp: the answer of an authority, not yet checked."""

    key: str  # of the event
    bundle: str
    sha256: Digest  # of the bundle
    data: bytes


# ------------------------------------------------------------------ asking
def request_stamp(signature: str, settings: Settings) -> Token:
    """A time stamp over the text of a signature, from the server of `timestamp_url`.

    What comes back answers this very question. Raises TransientError where the server does not answer, and
    PermanentError where its answer is no such time stamp.
    """
    url = settings.timestamp_url
    if not url:
        raise SettingsError(
            "no time-stamping server is named", where="timestamp_url", remedy="Set it, or give --timestamp URL"
        )
    message = signature.encode()
    question, nonce = new_question(message)
    answer = _ask(url, question, settings.timestamp_timeout_s)
    try:
        token = read_token(answer)
        token.check_over(message)
        token.check_nonce(nonce)
    except TokenError as error:
        what = f"the answer is no time stamp for this signature: {error}"
        raise PermanentError(what, where=url, remedy="See whether the URL is that of an RFC 3161 server") from None
    return token


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    """The question goes to the server that was named, and to no other."""

    def redirect_request(self, *_: Any) -> None:
        return None


def _ask(url: str, question: bytes, timeout_s: float) -> bytes:
    request = urllib.request.Request(  # noqa: S310 http or https, by the check of the setting
        url, question, {"Content-Type": _QUESTION, "Accept": _ANSWER}, method="POST"
    )
    opener = urllib.request.build_opener(_NoRedirect)
    remedy = "Try later with `tearsheet timestamp`"
    try:
        with opener.open(request, timeout=timeout_s) as answer:
            data: bytes = answer.read(MAX_BYTES + 1)
            return data
    except urllib.error.HTTPError as error:
        error.close()
        kind = TransientError if error.code >= 500 or error.code == 429 else PermanentError
        raise kind(f"the time-stamping server answers {error.code}", where=url, remedy=remedy) from None
    except (OSError, http.client.HTTPException) as error:
        raise TransientError(
            f"no time stamp: {getattr(error, 'reason', None) or error}", where=url, remedy=remedy
        ) from None


# ------------------------------------------------------------------ keeping
def put_stamp(store: Store, bundle_id: str, sha256: Digest, token: Token) -> str:
    """The key under which the time stamp of a bundle now stands; the same one again is the same event."""
    detail = {
        "sha256": sha256,
        "time": f"{token.time:%Y-%m-%dT%H:%M:%SZ}",
        "authority": token.authority,
        "response": base64.b64encode(token.data).decode(),
    }
    return store.put_event(Event(KIND, _second(bundle_id), bundle_id, detail))


def stamp_bundle(store: Store, bundle: Bundle, settings: Settings) -> tuple[Problem, ...]:
    """A stored bundle stamped where the settings name a server; what fails is a note, for the bundle itself is safe."""
    if not settings.timestamp_url:
        return ()
    try:
        if not bundle.signature:
            raise SettingsError(
                "the bundle is not signed", where="timestamp_url", remedy="A time stamp is over a signature"
            )
        put_stamp(store, bundle.id, bundle.sha256, request_stamp(bundle.signature, settings))
    except TearsheetError as error:
        return (Problem("timestamp-missing", bundle.id, settings.timestamp_url, str(error), "note"),)
    return ()


def stamps_of(store: Store, bundle_id: str) -> Iterator[Stamp]:
    """The time stamps of a bundle, by key. FormatError where one is damaged."""
    second = _second(bundle_id)
    start = f"{EVENTS}{second:%Y/%m/%d}/"
    wanted = f"{start}{second:%Y%m%d%H%M%S}-{KIND}-"
    for key in sorted(key for key in keys(store.objects, start) if key.startswith(wanted)):
        event = store.read_event(key)
        if event.bundle != bundle_id:  # of another capture of the same second
            continue
        try:
            data = base64.b64decode(event.detail["response"], validate=True)
            yield Stamp(key, bundle_id, Digest(str(event.detail["sha256"])), data)
        except (KeyError, ValueError, TypeError):
            raise FormatError("no time stamp in it", where=key, remedy="Put the event back from a copy") from None


def _second(bundle_id: str) -> datetime:
    return datetime.strptime(bundle_id[:14], "%Y%m%d%H%M%S").replace(tzinfo=UTC)


# ------------------------------------------------------------------ who counts
def load_authorities(path: str) -> list["Certificate"]:
    """The certificates in the file of `timestamp_ca`; none where no file is named."""
    from cryptography.x509 import load_pem_x509_certificates

    if not path:
        return []
    try:
        return load_pem_x509_certificates(Path(path).expanduser().read_bytes())
    except OSError as error:
        raise SettingsError(f"cannot be read: {error.strerror}", where=path, remedy="Correct timestamp_ca") from None
    except ValueError as error:
        raise SettingsError(f"no certificates in PEM: {error}", where=path, remedy="Correct timestamp_ca") from None
