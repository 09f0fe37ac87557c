"""Events: what happened to bundles since they were stored. Each is a small object of its own, never changed.

| kind | says |
| --- | --- |
| observation | a visit found the version `bundle` unchanged |
| late | `bundle` is committed on this day, which is not the one in its id |
| tombstone | `bundle` was taken down: by whom, why |
| lift | the tombstone of `bundle` was lifted: a copy may be stored again |
| fixity | what an audit read and found |
| repair | an object was put back from another store |
| replica | bundles and events were copied here from another store |
| gc | orphans were marked or deleted |
| hold | a legal hold on `bundle` was set or lifted |
| watch | pages that a watch run has visited: one shard of them |
| report | a watch run has ended: its sums |
| timestamp | a time-stamping authority has seen `bundle` |
"""

import hashlib
import json
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tasks.errors import FormatError
from tasks.records import BUNDLE_ID
from tasks.store.layout import EVENTS

__all__ = ["EVENT_FORMAT", "EVENT_KEY", "Event", "is_of", "manifest_put_back", "parse_event", "read_event"]

EVENT_FORMAT = "tearsheet-event/1"
EVENT_KEY = re.compile(EVENTS + r"([0-9]{4})/([0-9]{2})/([0-9]{2})/(\1\2\3[0-9]{6})-([a-z]+)-([0-9a-f]{16})\.json")
_OWN = ("format", "kind", "at", "bundle")
_KIND = re.compile(r"[a-z]+")


@dataclass(frozen=True, slots=True)
class Event:
    """One event. `at` is aware, kept in whole seconds; `detail` is JSON without names of ours."""

    kind: str
    at: datetime
    bundle: str = ""  # id of the bundle it is about; empty: of none in particular
    detail: Mapping[str, Any] = field(default_factory=dict)

    @property
    def data(self) -> bytes:
        """The event as it is stored: canonical JSON and a newline. ValueError for a kind or detail that cannot be."""
        taken = [name for name in _OWN if name in self.detail]
        if taken or not _KIND.fullmatch(self.kind):
            raise ValueError(f"no event: kind {self.kind!r}, detail has {taken}")
        at = self.at.astimezone(UTC)
        entry = {**self.detail, "format": EVENT_FORMAT, "kind": self.kind, "at": f"{at:%Y-%m-%dT%H:%M:%SZ}"}
        entry["bundle"] = self.bundle
        return json.dumps(entry, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode() + b"\n"

    @property
    def stem(self) -> str:
        """Its key without the ending: the day, the time, the kind and the first digits of its digest."""
        at, digest = self.at.astimezone(UTC), hashlib.sha256(self.data).hexdigest()[:16]
        return f"{EVENTS}{at:%Y/%m/%d}/{at:%Y%m%d%H%M%S}-{self.kind}-{digest}"

    @property
    def key(self) -> str:
        """Where it is stored; the same event has the same key."""
        return f"{self.stem}.json"


def read_event(key: str, data: bytes) -> Event:
    """The event stored under `key`. FormatError where it is not one, or its bytes are not those that the key names."""
    event, named = parse_event(key, data), EVENT_KEY.fullmatch(key)
    if not named or named[5] != event.kind or named[6] != hashlib.sha256(data).hexdigest()[:16]:
        raise _broken(key, "its bytes are not those that its key names")
    return event


def parse_event(key: str, data: bytes) -> Event:
    """The event in bytes that stand under any `key`. FormatError where they are not one."""
    try:
        entry = json.loads(data)
        bundle = entry.get("bundle", "")
        kind, at = str(entry["kind"]), datetime.strptime(entry["at"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
        raise _broken(key, "not an event") from None
    if (
        entry.get("format") != EVENT_FORMAT
        or not isinstance(bundle, str)
        or (bundle and not BUNDLE_ID.fullmatch(bundle))
    ):
        raise _broken(key, f"not of the format {EVENT_FORMAT}")
    return Event(kind, at, bundle, {name: value for name, value in entry.items() if name not in _OWN})


def is_of(key: str, kinds: Collection[str]) -> bool:
    """Whether an event of one of these kinds stands under a key."""
    named = EVENT_KEY.fullmatch(key)
    return named is not None and named[5] in kinds


def manifest_put_back(event: Event) -> str:
    """The id of the bundle whose manifest an event `repair` put back; empty for any other."""
    stem, _, kind = str(event.detail.get("key", "")).rpartition(".")
    id_ = stem.rpartition("/")[2]
    return id_ if event.kind == "repair" and kind == "json" and BUNDLE_ID.fullmatch(id_) else ""


def _broken(key: str, what: str) -> FormatError:
    return FormatError(what, where=key, remedy="It is damaged: put it back from a copy")
