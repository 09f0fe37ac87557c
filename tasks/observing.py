"""A visit that found nothing new, kept as an event with a small WARC beside it; no bundle."""

import tempfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from tasks.bundle.manifest import Manifest
from tasks.bundle.observation import Observation, pack_observation
from tasks.bundle.verify import is_sound, verify_file
from tasks.bundle.warc import Refers
from tasks.errors import FixityError
from tasks.records import Capture
from tasks.store import Store
from tasks.store.events import Event
from tasks.store.objects import Content
from tasks.versioning import NOT_MODIFIED, SAME_PAYLOAD, Compared, Version, changed_fields

__all__ = ["observe"]


def observe(
    capture: Capture,
    compared: Compared,
    version: Version,
    *,
    store: Store,
    workspace: Path,
    provenance: Mapping[str, Any],
) -> str:
    """The key of the event, stored with its WARC: `compared` found the capture to be just this version."""
    capture = _without_pictures(capture)
    with tempfile.TemporaryDirectory(dir=workspace) as folder:
        warc = pack_observation(
            Path(folder),
            capture=capture,
            page=compared.reading.page,
            verdict=compared.reading.verdict,
            revisits=_refers(version.manifest, compared.why),
            provenance=provenance,
        )
        _check_sound(warc)
        event = _event(capture, compared, version, warc)
        return store.put_event(event, Content(warc.path, warc.sha256, warc.size))


def _without_pictures(capture: Capture) -> Capture:
    """Of what a browser asked for only what the page's text may have come from: the version has the rest."""
    if not capture.rendered:
        return capture
    kept = (one for one in capture.beside if not one.header("content-type").lower().startswith(_LOOKS))
    return replace(capture, beside=tuple(kept))


_LOOKS = ("image/", "video/", "audio/", "font/", "text/css", "application/font", "application/vnd.ms-fontobject")


def _refers(manifest: Manifest, why: str) -> Refers | None:
    """The record of the version that has the payload; None where the visit brought one of its own."""
    original = manifest.original
    if original is None or why not in (SAME_PAYLOAD, NOT_MODIFIED):
        return None
    container = f"{manifest.id}.wacz"
    return Refers(original.record, original.url, original.date, container, not_modified=why == NOT_MODIFIED)


def _check_sound(warc: Observation) -> None:
    problems = verify_file(warc.path)
    if not is_sound(problems):
        raise FixityError(
            "the record of the visit does not verify and was not stored: " + "; ".join(map(str, problems[:3])),
            where=warc.path.name,
            remedy="Archive the page again; if it happens again, report it with the problems listed",
        )


def _event(capture: Capture, compared: Compared, version: Version, warc: Observation) -> Event:
    tried = compared.tried
    return Event(
        "observation",
        capture.started_at,
        version.manifest.id,
        {
            "url": capture.url,
            "final_url": capture.final_url,
            "status": capture.page.status,
            "why": compared.why,
            "verdict": compared.reading.verdict.kind.value,
            "changed": list(changed_fields(compared.reading, version)),
            "warc": {"sha256": warc.sha256, "bytes": warc.size},
            **({"requisites": {"wanted": tried.wanted, "captured": tried.captured}} if tried else {}),
        },
    )
