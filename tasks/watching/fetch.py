"""What the URL of a source answers, whole or not at all."""

from contextlib import closing

from tasks.capture.decode import read_payload
from tasks.capture.fetch import Recorder
from tasks.errors import CaptureFailed, CaptureTransient
from tasks.pipeline import Plainly
from tasks.records import Validators
from tasks.settings import Settings
from tasks.sources import Fetched, NotModified

__all__ = ["fetch_source"]

_MAY_PASS = (429, 500, 502, 503, 504)


def fetch_source(url: str, recorder: Recorder, settings: Settings, known: Validators | None = None) -> Fetched:
    """What the URL of a source answers, with retries; with `known` only unless it is still the same (NotModified).

    CaptureTransient or CaptureFailed for anything but a whole 200. Who wrote watch.toml named the URL: robots.txt is
    asked for the pages that it lists.
    """

    def capture_stage() -> Fetched:  # of this name, so that it is tried again
        with closing(recorder.capture(url, known)) as capture:
            if capture.not_modified:
                raise NotModified(url)
            page = capture.page
            if page.status != 200 or page.truncated:
                what = f"the answer was cut ({page.truncated})" if page.truncated else f"the answer was {page.status}"
                kind = CaptureTransient if page.status in _MAY_PASS else CaptureFailed
                raise kind(what, where=url, remedy="Open it in a browser; correct watch.toml if it moved", code="feed")
            payload = read_payload(page, settings.max_decoded_bytes)
            etag, modified = page.header("etag"), page.header("last-modified")
            return Fetched(capture.final_url, payload, page.header("content-type"), etag, modified)

    return Plainly(settings)(capture_stage)
