"""The small WARC of a visit that found nothing new: what came over the wire, less the payload where a bundle has it."""

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from tasks.bundle.warc import Refers, WarcFile, about_page, warc_info, write_exchanges
from tasks.records import Capture, Digest, PageText, Verdict

__all__ = ["Observation", "pack_observation"]


class Observation(NamedTuple):
    """The WARC on disk."""

    path: Path
    sha256: Digest
    size: int


def pack_observation(
    folder: Path,
    *,
    capture: Capture,
    page: PageText,
    verdict: Verdict,
    revisits: Refers | None,
    provenance: Mapping[str, Any],
) -> Observation:
    """`<time>-observation.warc.gz` in a folder of the caller's own: records as in data.warc.gz of a bundle.

    Where the page's payload is the one that `revisits` names, a revisit record stands for its response, as it does for
    a 304. The same capture gives the same bytes.
    """
    path = folder / f"{capture.started_at:%Y%m%d%H%M%S}-observation.warc.gz"
    seed = f"{capture.started_at:%Y-%m-%dT%H:%M:%S.%fZ} {capture.url}"
    with path.open("wb") as out:
        warc = WarcFile(out, path.name, seed=seed)
        warc.start(warc_info(capture, provenance), capture.started_at)
        for _ in write_exchanges(warc, capture, about_page(page, verdict), revisits=revisits):
            pass  # it writes as it is read
    with path.open("rb") as file:
        sha256 = Digest(f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}")
    return Observation(path, sha256, path.stat().st_size)
