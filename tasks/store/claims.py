"""Claims: how a writer and gc settle which of them an orphan belongs to.

An orphan is what was stored before the object that commits it, whose writer then died. A writer that comes back would
use it, gc would delete it. Both first create the same small object beside it, and creating is exclusive: only one of
them goes on. So gc never takes the data from under a manifest that is just being written, however the two are timed
and whichever of them dies. Claims are needed only where data were there already and their commit was not.
"""

import json

from tasks.errors import NotFound, StoreUnavailable
from tasks.store.layout import claim_key
from tasks.store.objects import Content, Objects

__all__ = ["WRITER", "claim", "holder", "keep_for_writer", "release"]

WRITER = "writer"  # all writers of one key write the same bytes, so they share a claim; each run of gc has its own


def claim(objects: Objects, key: str, who: str) -> bool:
    """Whether `key` is held by `who` now."""
    content = Content.of_bytes(json.dumps({"by": who}).encode() + b"\n")
    while not objects.create(claim_key(key), content):
        if found := holder(objects, key):
            return found == who
    return True


def keep_for_writer(objects: Objects, key: str, where: str) -> None:
    """No gc deletes `key` from now on; StoreUnavailable where one is about to."""
    if not claim(objects, key, WRITER):
        raise StoreUnavailable(
            "gc is deleting what an earlier try left there",
            where=where,
            remedy="Run the same again; if it stays, a gc was broken off: run `tearsheet gc --apply`",
            code="under-deletion",
        )


def holder(objects: Objects, key: str) -> str:
    """Who holds `key`; the empty string where nobody does."""
    try:
        found = json.loads(b"".join(objects.read(claim_key(key))))
    except NotFound:
        return ""
    except ValueError:
        found = None
    return str(found.get("by")) if isinstance(found, dict) else "unknown"


def release(objects: Objects, key: str) -> None:
    """Nobody holds `key` any more."""
    objects.delete(claim_key(key))
