"""Where bundles live: a folder or an S3 bucket, one contract for both."""

from pathlib import Path

from tasks.errors import StoreRefused
from tasks.settings import Settings
from tasks.store.base import Store
from tasks.store.folder import FolderObjects

__all__ = ["Store", "open_store", "place_of"]


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


def place_of(settings: Settings) -> str:
    """Which store the settings mean, wherever they are read: a bucket with its server, or a folder's full path."""
    if not settings.store.startswith("s3://"):
        return str(Path(settings.store).expanduser().absolute())
    from tasks.store.s3_client import server_name

    server = server_name(settings)  # the names of AWS's buckets are its own in all regions
    return f"{settings.store.rstrip('/')} at {'AWS' if server.startswith('AWS ') else server}"
