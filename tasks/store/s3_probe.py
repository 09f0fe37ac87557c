"""What an S3 server can do, tried out on it once, when a store is made."""

from typing import TYPE_CHECKING, Any

from tasks.errors import FixityError, StoreRefused, TearsheetError
from tasks.records import Digest
from tasks.store.objects import Content, keys
from tasks.store.s3_versions import capabilities

if TYPE_CHECKING:
    from tasks.store.s3 import S3Objects

__all__ = ["probe"]

_ONE, _OTHER = Content.of_bytes(b"tearsheet probe: one\n"), Content.of_bytes(b"tearsheet probe: other\n")
_WRONG = Content(b"tearsheet probe: damaged\n", Digest("sha256:" + "00" * 32), 25)


def probe(objects: "S3Objects", folder: str) -> dict[str, Any]:
    """Capabilities for store.json:

    create_only   native | emulated (we look first)
    sha256        checked | ignored | refused (then we check, and send Content-MD5)
    sha256_back   whether HEAD tells the digest
    list_order    bytewise | other
    versioning    whether the bucket keeps old versions
    object_lock   whether the bucket has Object Lock
    """
    first, second = f"{folder}/a-1", f"{folder}/a/1"  # bytewise in this order; by directories the other way round
    conditional, digests = _accepted(objects, first)
    try:
        native = conditional and not _created(objects, first, _OTHER, conditional=True, digests=digests)
        sha256 = "refused"
        if digests:
            sha256 = "ignored" if _created(objects, second, _WRONG, conditional=False, digests=True) else "checked"
        _created(objects, second, _OTHER, conditional=False, digests=digests)
        return {
            "create_only": "native" if native else "emulated",
            "sha256": sha256,
            "sha256_back": digests and _tells_digest(objects, second),
            "list_order": "bytewise" if list(keys(objects, f"{folder}/")) == [first, second] else "other",
            **capabilities(objects),
        }
    finally:
        _clear(objects, first, second)


def _accepted(objects: "S3Objects", key: str) -> tuple[bool, bool]:
    """Whether conditions and sha256 headers are accepted: the first pair that a PUT goes through with."""
    for conditional, digests in ((True, True), (True, False), (False, True)):
        try:
            objects.put_once(key, _ONE, conditional=conditional, digests=digests)
        except StoreRefused as error:
            if error.code != StoreRefused.code:  # credentials, bucket, permission: not about the headers
                raise
        else:
            return conditional, digests
    objects.put_once(key, _ONE, conditional=False, digests=False)
    return False, False


def _created(objects: "S3Objects", key: str, content: Content, *, conditional: bool, digests: bool) -> bool:
    try:
        return objects.put_once(key, content, conditional=conditional, digests=digests)
    except FixityError:
        return False


def _tells_digest(objects: "S3Objects", key: str) -> bool:
    head = objects.request(
        key, lambda: objects.client.head_object(Bucket=objects.bucket, Key=objects.prefix + key, ChecksumMode="ENABLED")
    )
    return bool(head.get("ChecksumSHA256"))


def _clear(objects: "S3Objects", *keys: str) -> None:
    for key in keys:
        try:
            objects.delete(key)
        except TearsheetError:
            pass  # a bucket may forbid deleting; two tiny objects below v1/probe/ do no harm
