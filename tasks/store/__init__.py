"""Where bundles live: a folder or an S3 bucket, one contract for both."""

from pathlib import Path

from tasks.errors import StoreRefused
from tasks.settings import Settings
from tasks.store.base import Store
from tasks.store.folder import FolderObjects

__all__ = ["Store", "open_store"]


def open_store(location: str, settings: Settings) -> Store:
    """The store at a folder path or `s3://bucket/prefix`; nothing is touched or contacted before its first use."""
    if location.startswith("s3://"):
        from tasks.store.s3 import S3Objects

        return Store(S3Objects(location, settings))
    if "://" in location or not location.strip():
        scheme = location.partition("://")[0]
        raise StoreRefused(
            "not a place for bundles",
            where=f"{scheme}://…" if scheme != location else repr(location),
            remedy="Name a folder or s3://bucket/prefix",
            code="location",
        )
    return Store(FolderObjects(Path(location).expanduser(), object_lock=settings.object_lock))
