"""A store in a bucket of any S3 server, through boto3.

boto3 (0.6 s) is imported at the first request. What servers differ in was tried out when the store was made (probe)
and stands in v1/store.json; where one cannot create conditionally we look first, which is safe since keys are named
by content; where one does not check SHA-256 we do, and send Content-MD5.
"""

import base64
import hashlib
import random
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.errors import FixityError, NotFound, StoreRefused, StoreUnavailable, TearsheetError
from tasks.records import Digest
from tasks.settings import Settings
from tasks.store.layout import BUNDLES
from tasks.store.locks import no_locks
from tasks.store.objects import Content, Listed, Stat, Version
from tasks.store.s3_client import failures, new_client, server_name
from tasks.store.s3_errors import status_of, translated
from tasks.store.s3_versions import Locks, delete_all, versions_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["S3Objects"]

R = TypeVar("R")

TRIES = 8  # requests answered with trouble, or broken
TRIES_NO_CONTACT = 3  # requests that reached nobody: an unreachable server should be said soon
FIRST_WAIT_S, LONGEST_WAIT_S = 0.1, 10.0
PIECE = 1 << 20  # bytes of a body read at once
IN_MEMORY = 8 << 20  # files up to this many bytes are sent from memory: half the CPU of a file object

_BUCKET = re.compile(r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]")
_PREFIX = re.compile(r"(?:[A-Za-z0-9._-]{1,200}(?:/|$))*")
_TYPES = {".wacz": "application/wacz", ".json": "application/json"}


class S3Objects:
    """Objects below a prefix of a bucket; one client, made at the first request and shared by all threads."""

    def __init__(self, location: str, settings: Settings, *, sleep: Callable[[float], None] = time.sleep) -> None:
        self.bucket, self.prefix = _split(location)
        self.location = f"s3://{self.bucket}/{self.prefix}"
        self.settings, self.sleep = settings, sleep
        self.server = server_name(settings)
        self.conditional = self.digests = self.returned = True
        self.locks = Locks(self)
        self._client: S3Client | None = None
        self._lock = threading.Lock()

    # ---------------------------------------------------------------- the contract
    def create(self, key: str, content: Content) -> bool:
        """See Objects. A 412 on our own retry (its first reply was lost) reads as False: the caller compares."""
        if key.startswith(BUNDLES):
            self.locks.check()
        if not self.conditional and self.is_there(key):
            return False
        if not self.digests:
            _check_local(content)
        return self.put_once(key, content, conditional=self.conditional, digests=self.digests)

    def read(self, key: str) -> Iterator[bytes]:
        """See Objects. boto3 does not try a broken body again; this goes on where it broke, on the same object."""
        started, at, tag, trouble = time.monotonic(), 0, "", 0
        while True:
            body, tag = self._body(key, at, tag)
            try:
                with body:
                    while piece := body.read(PIECE):
                        yield piece
                        at += len(piece)
                return
            except failures() as error:
                trouble += 1
                ours = self._translated(error, key)
                self._wait_or_raise(ours, trouble, started)

    def listing(self, prefix: str) -> Iterator[Listed]:
        """See Objects."""
        token: dict[str, Any] = {}
        while True:
            try:
                page = self.request(prefix, partial(self._page, prefix, token))
            except NotFound as error:
                raise self._no_place(error) from None
            for entry in page.get("Contents", ()):
                yield Listed(entry["Key"][len(self.prefix) :], entry["Size"], entry.get("LastModified"))
            if not page.get("IsTruncated"):
                return
            token = {"ContinuationToken": page["NextContinuationToken"]}

    def stat(self, key: str) -> Stat:
        """See Objects."""
        place: dict[str, Any] = {"Bucket": self.bucket, "Key": self.prefix + key}
        head = self.request(key, lambda: self.client.head_object(ChecksumMode="ENABLED", **place))
        return Stat(head["ContentLength"], _recorded(head.get("ChecksumSHA256", "")))

    def delete(self, key: str, *, bypass_governance: bool = False) -> None:
        """See Objects; three requests."""
        delete_all(self, key, bypass_governance=bypass_governance)

    def versions(self, key: str) -> tuple[Version, ...]:
        """See Objects; a request, and one more for each version."""
        return versions_of(self, key)

    def hold(self, key: str, on: bool) -> None:
        """See Objects."""
        if not self.locks.there():
            raise no_locks(self.location, remedy="Legal holds need a bucket that was made with Object Lock enabled")
        place: dict[str, Any] = {"Bucket": self.bucket, "Key": self.prefix + key}
        place["LegalHold"] = {"Status": "ON" if on else "OFF"}
        self.request(key, lambda: self.client.put_object_legal_hold(**place))

    def adopt(self, capabilities: dict[str, Any]) -> None:
        """See Objects."""
        self.conditional = capabilities.get("create_only") == "native"
        self.digests = capabilities.get("sha256") == "checked"
        self.locks.found = capabilities.get("object_lock")

    def probe(self, folder: str) -> dict[str, Any]:
        """See Objects; a dozen small requests. StoreRefused where the settings ask for locks that the bucket lacks."""
        from tasks.store.s3_probe import probe

        self.locks.check()
        return probe(self, folder)

    def close(self) -> None:
        """See Objects."""
        with self._lock:
            if self._client is not None:
                self._client.close()
                self._client = None

    # ---------------------------------------------------------------- requests
    def put_once(self, key: str, content: Content, *, conditional: bool, digests: bool) -> bool:
        """True when the PUT went through; False when the server says that an object stands there."""
        try:
            self.request(key, lambda: self._put(key, content, conditional=conditional, digests=digests))
        except _StandsThere:
            return False
        except NotFound as error:
            raise self._no_place(error) from None
        return True

    @property
    def client(self) -> "S3Client":
        """The one client; made on first use."""
        if self._client is None:
            with self._lock:
                if self._client is None:
                    self._client = new_client(self.settings)
        return self._client

    def _put(self, key: str, content: Content, *, conditional: bool, digests: bool) -> None:
        """One PUT; raises _StandsThere for 412, and for 409 when there is an object now."""
        extra: dict[str, Any] = {"IfNoneMatch": "*"} if conditional else {}
        if digests:
            extra["ChecksumSHA256"] = base64.b64encode(bytes.fromhex(content.sha256.removeprefix("sha256:"))).decode()
        else:
            extra["ContentMD5"] = _md5(content)
        extra |= self.locks.wanted(key)
        place: dict[str, Any] = {"Bucket": self.bucket, "Key": self.prefix + key, "ContentType": _type(key)}
        try:
            if isinstance(content.source, Path) and content.size > IN_MEMORY:
                with content.source.open("rb") as body:
                    self.client.put_object(Body=body, **place, **extra)
            else:
                self.client.put_object(Body=content.read_bytes(), **place, **extra)
        except failures() as error:
            status = status_of(error)
            if status == 412 or (status == 409 and self.is_there(key)):
                raise _StandsThere from None
            raise

    def is_there(self, key: str) -> bool:
        """Whether an object stands under the key."""
        try:
            self.request(key, lambda: self.client.head_object(Bucket=self.bucket, Key=self.prefix + key))
        except NotFound:
            return False
        return True

    def _body(self, key: str, at: int, tag: str) -> tuple[Any, str]:
        """The body of `key` from byte `at` on, and the tag that names this very object."""
        extra: dict[str, Any] = {"Range": f"bytes={at}-"} if at else {}
        if at and tag:
            extra["IfMatch"] = tag
        elif not at and self.returned and key.endswith(".json"):
            extra["ChecksumMode"] = "ENABLED"  # nothing else tells that a manifest changed on the way
        answer = self.request(key, lambda: self.client.get_object(Bucket=self.bucket, Key=self.prefix + key, **extra))
        return answer["Body"], tag or answer.get("ETag", "")

    def _page(self, prefix: str, token: dict[str, Any]) -> Any:
        return self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix + prefix, **token)

    # ---------------------------------------------------------------- trouble
    def request(self, key: str, request: Callable[[], R]) -> R:
        """The answer to `request`; its last error after TRIES, or when store_total_s is over."""
        started, trouble = time.monotonic(), 0
        while True:
            try:
                return request()
            except failures() as error:
                trouble += 1
                self._wait_or_raise(self._translated(error, key), trouble, started)

    def _wait_or_raise(self, error: TearsheetError, trouble: int, started: float) -> None:
        """Sleep before the next try (exponential, full jitter), or raise `error` when there is none."""
        tries = TRIES_NO_CONTACT if error.code == "no-contact" else TRIES
        wait = random.uniform(0, min(LONGEST_WAIT_S, FIRST_WAIT_S * 2**trouble))  # noqa: S311 jitter, no secret
        late = time.monotonic() + wait - started > self.settings.store_total_s
        if not isinstance(error, StoreUnavailable) or trouble >= tries or late:
            raise error
        self.sleep(wait)

    def _translated(self, error: Exception, key: str) -> TearsheetError:
        return translated(error, server=self.server, bucket=self.bucket, key=self.prefix + key)

    def _no_place(self, error: NotFound) -> StoreRefused:
        """A 404 that is not about an object."""
        remedy = "Check s3_endpoint and the bucket: something else may answer there"
        return StoreRefused("the server knows no such bucket", where=error.where, remedy=remedy, code="no-bucket")


class _StandsThere(Exception):
    """An object stands under the key already."""


# -------------------------------------------------------------------- small parts
def _split(location: str) -> tuple[str, str]:
    """Bucket and prefix (empty, or ending in a slash) of an s3:// URL."""
    bucket, _, prefix = location.removeprefix("s3://").partition("/")
    prefix = prefix.strip("/")
    parts_fine = all(part not in (".", "..") for part in prefix.split("/"))
    if not _BUCKET.fullmatch(bucket) or not _PREFIX.fullmatch(prefix) or not parts_fine or len(prefix) > 800:
        raise StoreRefused(
            "not a bucket with a prefix",  # the text itself may hold a password
            where="s3://…",
            remedy="Write s3://bucket/prefix, the prefix of letters, digits, '.', '_', '-' and '/'",
            code="location",
        )
    return bucket, f"{prefix}/" if prefix else ""


def _recorded(checksum: str) -> Digest | None:
    """The digest in a checksum header; None where it is absent or of the parts of an upload ("…-3")."""
    try:
        raw = base64.b64decode(checksum, validate=True)
    except ValueError:
        return None
    return Digest(f"sha256:{raw.hex()}") if len(raw) == 32 else None


def _type(key: str) -> str:
    return _TYPES.get(Path(key).suffix, "application/octet-stream")


def _md5(content: Content) -> str:
    digest = hashlib.md5(usedforsecurity=False)
    _feed(digest, content)
    return base64.b64encode(digest.digest()).decode()


def _check_local(content: Content) -> None:
    """Raise FixityError unless the local bytes have their digest: this server would not notice."""
    digest = hashlib.sha256()
    _feed(digest, content)
    if f"sha256:{digest.hexdigest()}" != content.sha256:
        raise FixityError(
            f"the bytes to store are sha256:{digest.hexdigest()}, {content.sha256} was meant",
            where=str(content.source) if isinstance(content.source, Path) else "manifest",
            remedy="Nothing was stored: pack the bundle again",
        )


def _feed(digest: Any, content: Content) -> None:
    if isinstance(content.source, bytes):
        digest.update(content.source)
        return
    with content.source.open("rb") as source:
        while piece := source.read(PIECE):
            digest.update(piece)
