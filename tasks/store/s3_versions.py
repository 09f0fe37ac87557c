"""Versions and locks of objects in a bucket: deleting every version, Object Lock, legal holds.

Not every server has them: Garage answers 501 to each such request. Whether there are versions is asked anew for every
object that is deleted, since a bucket can become versioned at any time.
"""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from tasks.errors import NotFound, StoreRefused, StoreUnavailable
from tasks.store.layout import BUNDLES
from tasks.store.locks import check_unlocked, no_locks
from tasks.store.objects import Version
from tasks.store.s3_client import failures
from tasks.store.s3_errors import code_of, status_of

if TYPE_CHECKING:
    from tasks.store.s3 import S3Objects

__all__ = ["Locks", "capabilities", "delete_all", "versions_of"]

R = TypeVar("R")
ROUNDS = 3  # of deleting all versions there are; more only if somebody writes new ones meanwhile
_UNKNOWN = (405, 501)  # what servers answer to requests that they do not know
_UNKNOWN_CODES = ("NotImplemented", "MethodNotAllowed")


class Locks:
    """Object Lock of a bucket: what new bundles are locked with, by the settings, and whether it has any."""

    def __init__(self, objects: "S3Objects") -> None:
        self.objects = objects
        self.found: bool | None = None  # as the store's file says, or as asked; None: not known yet

    def there(self) -> bool:
        """Whether the bucket has Object Lock. What the store's file denies is asked again, once: it may be new."""
        if not self.found:
            self.found = has_object_lock(self.objects)
        return self.found

    def check(self) -> None:
        """Raises StoreRefused where the settings ask for locks and the bucket has none."""
        if self.objects.settings.object_lock and not self.there():
            raise no_locks(
                self.objects.location,
                remedy="Nothing was stored. Make a bucket with Object Lock enabled, or set object_lock to empty",
            )

    def wanted(self, key: str) -> dict[str, Any]:
        """What a PUT of `key` says of its lock: WACZ and manifest have one, events and what is derived never."""
        settings = self.objects.settings
        if not settings.object_lock or not key.startswith(BUNDLES):
            return {}
        until = datetime.now(UTC) + timedelta(days=settings.retention_days)
        return {"ObjectLockMode": settings.object_lock.upper(), "ObjectLockRetainUntilDate": until}


def capabilities(objects: "S3Objects") -> dict[str, bool]:
    """Whether the bucket keeps versions and whether it has Object Lock, for store.json."""
    answer: Any = None
    try:
        answer = _known(objects, "", lambda: objects.client.get_bucket_versioning(Bucket=objects.bucket))
    except StoreRefused:  # who may not ask can still store
        pass
    try:
        lockable = has_object_lock(objects)
    except StoreRefused:
        lockable = False
    return {"versioning": bool(answer) and answer.get("Status") == "Enabled", "object_lock": lockable}


def has_object_lock(objects: "S3Objects") -> bool:
    """Whether the bucket was made with Object Lock. StoreRefused for who may not ask."""
    asking = partial(objects.client.get_object_lock_configuration, Bucket=objects.bucket)
    try:
        answer: Any = _known(objects, "", asking)
    except NotFound:  # a bucket without
        return False
    return bool(answer) and answer.get("ObjectLockConfiguration", {}).get("ObjectLockEnabled") == "Enabled"


def versions_of(objects: "S3Objects", key: str) -> tuple[Version, ...]:
    """See Objects."""
    found = _listed(objects, key)
    if found is None:
        return (Version(""),) if objects.is_there(key) else ()
    return tuple(version if version.marker else _with_lock(objects, key, version) for version in found)


def delete_all(objects: "S3Objects", key: str, *, bypass_governance: bool) -> None:
    """See Objects. Raises StoreUnavailable where somebody keeps writing the key anew."""
    for number in range(ROUNDS):
        found = _listed(objects, key)
        if found is None or (not found and not number and objects.is_there(key)):  # a server without versions
            return _delete(objects, key, Version(""), bypass_governance=False)
        if not found:
            return None
        for version in found:
            _delete(objects, key, version, bypass_governance=bypass_governance)
    where = f"{objects.location}{key} at {objects.server}"
    raise StoreUnavailable("it comes back while it is deleted", where=where, remedy="Run the same again later")


def _delete(objects: "S3Objects", key: str, version: Version, *, bypass_governance: bool) -> None:
    extra: dict[str, Any] = {"VersionId": version.id} if version.id else {}
    if bypass_governance:
        extra["BypassGovernanceRetention"] = True
    delete = partial(objects.client.delete_object, Bucket=objects.bucket, Key=objects.prefix + key, **extra)
    try:
        objects.request(key, delete)
    except NotFound:
        pass
    except StoreRefused as error:  # a lock is told as a mere 403, like a missing permission
        if version.id and not version.marker:
            locked = _with_lock(objects, key, version)
            check_unlocked((locked,), error.where, bypass_governance=bypass_governance, now=datetime.now(UTC))
        raise


def _listed(objects: "S3Objects", key: str) -> list[Version] | None:
    """Every version of just this key without its locks, the latest last; None where the server keeps none."""
    found = []
    for entry, marker in _entries(objects, objects.prefix + key):
        if entry is None:
            return None
        if entry["Key"] == objects.prefix + key:  # the listing has every key that starts like it
            found.append(Version(entry["VersionId"], bool(entry.get("IsLatest")), marker))
    return sorted(found, key=lambda version: version.latest)


def _entries(objects: "S3Objects", place: str) -> Iterator[tuple[dict[str, Any] | None, bool]]:
    more: dict[str, Any] = {}
    while True:
        listing = partial(objects.client.list_object_versions, Bucket=objects.bucket, Prefix=place, **more)
        page: Any = _known(objects, place.removeprefix(objects.prefix), listing)
        if page is None:
            yield None, False
            return
        yield from ((entry, False) for entry in page.get("Versions", ()))
        yield from ((entry, True) for entry in page.get("DeleteMarkers", ()))
        if not page.get("IsTruncated"):
            return
        more = {"KeyMarker": page["NextKeyMarker"], "VersionIdMarker": page.get("NextVersionIdMarker", "")}


def _with_lock(objects: "S3Objects", key: str, version: Version) -> Version:
    place: dict[str, Any] = {"Bucket": objects.bucket, "Key": objects.prefix + key, "VersionId": version.id}
    try:
        head = objects.request(key, lambda: objects.client.head_object(**place))
    except NotFound:  # deleted since it was listed
        return version
    mode, held = str(head.get("ObjectLockMode", "")).lower(), head.get("ObjectLockLegalHoldStatus") == "ON"
    return replace(version, mode=mode, until=head.get("ObjectLockRetainUntilDate"), held=held)


def _known(objects: "S3Objects", key: str, request: Callable[[], R]) -> R | None:
    """The answer to `request`; None where the server does not know such requests."""

    def asking() -> R | None:
        try:
            return request()
        except failures() as error:
            if status_of(error) in _UNKNOWN or code_of(error) in _UNKNOWN_CODES:
                return None
            raise

    return objects.request(key, asking)
