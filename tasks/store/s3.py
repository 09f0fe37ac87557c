"""A store in a bucket of any S3 server, through boto3.

boto3 (0.6 s) is imported at the first request. What servers differ in was tried out when the store was made (probe)
and stands in v1/store.json; where one cannot create conditionally we look first, which is safe since keys are named
by content; where one does not check SHA-256 we do, and send Content-MD5.
"""

import base64
import contextlib
import re
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.errors import NotFound, StoreRefused, TearsheetError
from tasks.records import Digest
from tasks.settings import Settings
from tasks.store.layout import BUNDLES
from tasks.store.locks import no_locks
from tasks.store.objects import Content, Listed, Stat, Upload, Version
from tasks.store.patience import Patience
from tasks.store.s3_client import failures, new_client, parser_error, server_name
from tasks.store.s3_errors import status_of, translated
from tasks.store.s3_get import Getter
from tasks.store.s3_read import read_pieces, read_proven
from tasks.store.s3_sent import check_local, md5, opened
from tasks.store.s3_versions import Locks, delete_all, versions_of

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["S3Objects"]

R = TypeVar("R")

_LOOKS = 2  # at a small object whose bytes were not what the server recorded: the way may have damaged them
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
        self.conditional = self.digests = True
        self.locks = Locks(self)
        self._client: S3Client | None = None
        self._getter: Getter | None = None
        self._lock = threading.Lock()
        self._turn = threading.local()  # .patience: of the request that this thread is at

    # ---------------------------------------------------------------- the contract
    def create(self, key: str, content: Content) -> bool:
        """See Objects. A 412 on our own retry (its first reply was lost) reads as False: the caller compares."""
        if key.startswith(BUNDLES):
            self.locks.check()
        if not self.conditional and self.is_there(key):
            return False
        if not self.digests:
            check_local(content)
        return self.put_once(key, content, conditional=self.conditional, digests=self.digests)

    def read(self, key: str) -> Iterator[bytes]:
        """See Objects. JSON, whose digest nobody else knows, comes in one piece that was proven."""
        if key.endswith(".json"):
            yield read_proven(self, key)
        else:
            yield from read_pieces(self, key, [])

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

    def replace(self, key: str, content: Content) -> None:
        """See Objects."""
        if not self.digests:
            check_local(content)
        self.put_once(key, content, conditional=False, digests=self.digests)

    def uploads(self) -> Iterator[Upload]:
        """See Objects."""
        place: dict[str, Any] = {"Bucket": self.bucket, "Prefix": f"{self.prefix}v1/"}
        marks: dict[str, Any] = {}
        while True:
            page = self.request("v1/", partial(self.client.list_multipart_uploads, **place, **marks))
            for entry in page.get("Uploads", ()):
                yield Upload(entry["Key"][len(self.prefix) :], entry["UploadId"], entry.get("Initiated"))
            if not page.get("IsTruncated"):
                return
            marks = {"KeyMarker": page["NextKeyMarker"], "UploadIdMarker": page["NextUploadIdMarker"]}

    def abort(self, upload: Upload) -> None:
        """See Objects."""
        place: dict[str, Any] = {"Bucket": self.bucket, "Key": self.prefix + upload.key, "UploadId": upload.id}
        with contextlib.suppress(NotFound):
            self.request(upload.key, lambda: self.client.abort_multipart_upload(**place))

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
                self._client = self._getter = None

    # ---------------------------------------------------------------- requests
    def put_once(self, key: str, content: Content, *, conditional: bool, digests: bool) -> bool:
        """True when the PUT went through; False when the server says that an object stands there."""
        try:
            put = partial(self._put, key, content, conditional=conditional, digests=digests)
            self.request(key, put, size=content.size)
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
                    self._client = new_client(self.settings, timeout_s=self.timeout_s)
        return self._client

    @property
    def getter(self) -> Getter:
        """What GETs are made with."""
        if self._getter is None:
            self._getter = Getter(self.client, self.bucket)
        return self._getter

    def _put(self, key: str, content: Content, *, conditional: bool, digests: bool) -> None:
        """One PUT; raises _StandsThere for 412, and for 409 when there is an object now."""
        extra: dict[str, Any] = {"IfNoneMatch": "*"} if conditional else {}
        if digests:
            extra["ChecksumSHA256"] = base64.b64encode(bytes.fromhex(content.sha256.removeprefix("sha256:"))).decode()
        else:
            extra["ContentMD5"] = md5(content)
        extra |= self.locks.wanted(key)
        place: dict[str, Any] = {"Bucket": self.bucket, "Key": self.prefix + key, "ContentType": _type(key)}
        try:
            with opened(content, self._turn.patience) as body:
                self.client.put_object(Body=body, **place, **extra)
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

    def _page(self, prefix: str, token: dict[str, Any]) -> Any:
        """One page of a listing; ResponseParserError for one that contradicts itself, as damaged XML does."""
        page = self.client.list_objects_v2(Bucket=self.bucket, Prefix=self.prefix + prefix, **token)
        entries = page.get("Contents", ())
        named = all(entry.get("Key", "").startswith(self.prefix + prefix) and "Size" in entry for entry in entries)
        complete = page.get("KeyCount", len(entries)) == len(entries)
        if not named or not complete or bool(page.get("IsTruncated")) != ("NextContinuationToken" in page):
            raise parser_error()("a listing that contradicts itself")
        return page

    # ---------------------------------------------------------------- trouble
    def request(self, key: str, request: Callable[[], R], *, size: int = 0) -> R:
        """The answer to `request`, which moves `size` bytes; its last error when patience is over."""
        patience = self.patience()
        patience.allow(size)
        while True:
            try:
                return self.attempt(patience, request)
            except failures() as error:
                patience.wait(self.translated(error, key))

    def patience(self) -> Patience:
        """That of a request which begins now."""
        return Patience(self.settings.store_total_s, sleep=self.sleep)

    def attempt(self, patience: Patience, request: Callable[[], R]) -> R:
        """One try; the client asks timeout_s how long it may be silent. Damaged answers raise ResponseParserError."""
        before = getattr(self._turn, "patience", None)
        self._turn.patience = patience
        try:
            return request()
        except (ValueError, KeyError, OverflowError) as error:  # of botocore, over a number or time that is none
            raise parser_error()(f"{type(error).__name__} in an answer") from error
        finally:
            self._turn.patience = before

    def timeout_s(self) -> float:
        """How long the server may be silent in this try: store_timeout_s, or what is left of the whole time."""
        patience = getattr(self._turn, "patience", None)
        left_s = patience.left_s if patience else self.settings.store_timeout_s
        return max(0.01, min(self.settings.store_timeout_s, left_s))

    def where(self, key: str) -> str:
        """Server, bucket and key, for messages."""
        return f"s3://{self.bucket}/{self.prefix}{key} at {self.server}"

    def translated(self, error: Exception, key: str) -> TearsheetError:
        """The error of ours for one of failures()."""
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
