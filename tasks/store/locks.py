"""Locks of a server on what is stored: retention until a day, and legal holds without an end."""

from collections.abc import Iterable
from datetime import UTC, datetime

from tasks.errors import StoreLocked, StoreRefused
from tasks.store.objects import Version

__all__ = ["check_unlocked", "no_locks"]


def check_unlocked(versions: Iterable[Version], where: str, *, bypass_governance: bool, now: datetime) -> None:
    """Raises StoreLocked, with the moment from which on all may be deleted, where one of the versions is locked."""
    found = tuple(versions)
    if any(version.held for version in found):
        raise StoreLocked("under a legal hold", where=where, remedy="`tearsheet hold ID off` lifts it, if you may")
    locked = [version for version in found if version.until and version.until > now]
    if bypass_governance:
        locked = [version for version in locked if version.mode != "governance"]
    if not locked:
        return
    last = max(locked, key=lambda version: version.until or now)
    strict = any(version.mode != "governance" for version in locked)
    raise StoreLocked(
        f"locked ({'compliance' if strict else 'governance'}) until {last.until:%Y-%m-%d %H:%M:%S} UTC",
        where=where,
        remedy="Nobody can delete it before" if strict else "--bypass-governance deletes it now, if you may",
    ).until_then(last.until.astimezone(UTC) if last.until else None)


def no_locks(where: str, *, remedy: str) -> StoreRefused:
    """The error for a lock or hold that is asked for where there can be none."""
    return StoreRefused("no Object Lock here", where=where, remedy=remedy, code="no-object-lock")
