"""Both servers over one bundle, from start to end."""

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tasks.replay.contents import Contents
from tasks.replay.frame import Frame
from tasks.replay.holdings import Holdings
from tasks.replay.loopback import Loopback
from tasks.replay.viewer import Viewer, check_viewer
from tasks.settings import Settings

__all__ = ["Replaying", "replaying"]


@dataclass(frozen=True, slots=True)
class Replaying:
    """A bundle that is being served."""

    id: str
    url: str  # of the page, as archived
    address: str  # what a browser is to open
    content: str  # the page itself on the second server, which the frame shows


@contextlib.contextmanager
def replaying(path: Path, settings: Settings, *, port: int = 0, viewer: Path | None = None) -> Iterator[Replaying]:
    """Serve the verified bundle at `path` until the end of the context: our frame on `port` (0: a free one), on another
    port what was archived, shown by ReplayWeb.page where `viewer` is a folder that holds it.

    Raises NotFound where it does not, PermanentError where the port is taken.
    """
    if viewer:
        check_viewer(viewer)
    holdings = Holdings(path, max_decoded_bytes=settings.max_decoded_bytes)
    with Loopback(port) as first, Loopback() as second:
        inner = Viewer(holdings, viewer, second, first) if viewer else Contents(holdings, second, first)
        frame = Frame(holdings, inner, second.origin)
        first.answer, second.answer = frame.answer, inner.answer
        shown = inner.path if isinstance(inner, Viewer) else inner.start.path
        yield Replaying(holdings.id, holdings.page.url, first.origin + frame.path, second.origin + shown)
