"""Reading an object of a bucket: resumed where it broke, within one deadline, and small ones proven."""

import time
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING

from tasks.errors import FixityError, StoreUnavailable
from tasks.store.patience import Patience
from tasks.store.s3_client import failures
from tasks.store.s3_errors import status_of
from tasks.store.s3_get import Body

if TYPE_CHECKING:
    from tasks.store.s3 import S3Objects

__all__ = ["read_pieces", "read_proven"]

_LOOKS = 2  # at a small object whose bytes were not what the server recorded: the way may have damaged them


def read_proven(objects: "S3Objects", key: str) -> bytes:
    """A small object, whole: held against the digest that the server recorded, else read twice."""
    for _ in range(_LOOKS):
        bodies = list[Body]()
        data = b"".join(read_pieces(objects, key, bodies))
        sound = bodies[0].vouches(data)
        if sound or (sound is None and data == b"".join(read_pieces(objects, key, []))):
            return data
    raise FixityError(
        "the bytes are not those that the server recorded, or differ each time",
        where=objects.where(key),
        remedy="Run the same again; if it stays, put the object back from a copy",
    )


def read_pieces(objects: "S3Objects", key: str, bodies: list[Body]) -> Iterator[bytes]:
    """The pieces of an object; `bodies` gets each answer.

    boto3 does not try a broken body again: this goes on where it broke, on the same object. The reader's own time
    between two pieces does not count.
    """
    patience, at = objects.patience(), 0
    while True:
        try:
            tag = bodies[0].tag if bodies else ""
            bodies.append(objects.attempt(patience, partial(_body, objects, key, at, tag)))
            if len(bodies) == 1:
                patience.allow(bodies[0].size or 0)
            for piece in bodies[-1].pieces():
                at += len(piece)
                handed = time.monotonic()
                yield piece
                patience.excuse(time.monotonic() - handed)
                _check_time(objects, key, patience)
                patience.gained()
            return
        except failures() as error:
            if at and status_of(error) == 416:  # there is no more, whatever length was promised
                return
            if at and status_of(error) == 412:
                what = "another object took its place while it was read"
                raise FixityError(what, where=objects.where(key), remedy="Run the same again") from None
            patience.wait(objects.translated(error, key))


def _body(objects: "S3Objects", key: str, at: int, tag: str) -> Body:
    """The body of `key` from byte `at` on, of the very object that `tag` names."""
    headers = {"range": f"bytes={at}-"} if at else {"x-amz-checksum-mode": "ENABLED"}
    if at and tag:
        headers["if-match"] = tag
    return objects.getter.get(objects.prefix + key, headers, timeout_s=objects.timeout_s())


def _check_time(objects: "S3Objects", key: str, patience: Patience) -> None:
    if patience.left_s <= 0:
        what = f"not read within store_total_s, {objects.settings.store_total_s:g} s"
        raise StoreUnavailable(what, where=objects.where(key), remedy="Raise it, or run the same again later")
