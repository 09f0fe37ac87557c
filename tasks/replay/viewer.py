"""The second server where the user has a copy of ReplayWeb.page: that viewer over the bundle's file.

The viewer is another maker's program under another licence: it is never part of this one. Two files of it are needed,
as its npm package has them: ui.js and sw.js. Its service worker, too, is bound by the policy that it was sent with, and
starts behind guard.js.
"""

import html
import secrets
from pathlib import Path

from tasks.errors import NotFound
from tasks.replay.holdings import Holdings
from tasks.replay.loopback import Answered, Asked, Loopback, refused

__all__ = ["Viewer", "check_viewer"]

_FILES = ("ui.js", "sw.js")
_GUARD = Path(__file__).with_name("guard.js")
_SCRIPT = "text/javascript; charset=utf-8"


def check_viewer(folder: Path) -> None:
    """Raises NotFound where a folder does not hold the viewer."""
    for name in _FILES:
        if not (folder / name).is_file():
            remedy = "Name a folder with ui.js and sw.js of ReplayWeb.page, as `npm pack replaywebpage` has them"
            raise NotFound(f"no {name} of ReplayWeb.page", where=str(folder), remedy=remedy)


class Viewer:
    """Answers for one bundle, with the viewer of a folder."""

    def __init__(self, holdings: Holdings, folder: Path, server: Loopback, frame: Loopback) -> None:
        check_viewer(folder)
        self.holdings, self.folder, self.origin, self.frame = holdings, folder, server.origin, frame.origin
        self.token = secrets.token_urlsafe(24)

    @property
    def _scripts(self) -> dict[str, Path]:
        ui, worker = (self.folder / name for name in _FILES)
        return {"ui.js": ui, "replay/ui.js": ui, "replay/sw.js": _GUARD, "replay/viewer.js": worker}

    @property
    def path(self) -> str:
        """Where the viewer is."""
        return f"/{self.token}/"

    def answer(self, asked: Asked) -> Answered:
        """Whatever a browser asks the second server."""
        path, _, _ = asked.path.partition("?")
        if not path.startswith(self.path) or asked.method == "OPTIONS":
            return refused(404, "nothing here")
        name = path.removeprefix(self.path)
        if name == "":
            if asked.header("sec-fetch-dest") == "document":
                return Answered(302, (("Location", f"{self.frame}{self.path}"),))
            return self._given("text/html; charset=utf-8", self._embedding().encode())
        if name == f"{self.holdings.id}.wacz":
            return self._given("application/wacz", self.holdings.path)
        if file := self._scripts.get(name):
            return self._given(_SCRIPT, file)
        return refused(404, "nothing here")

    def _given(self, media_type: str, body: bytes | Path) -> Answered:
        loads = f"default-src {self.origin} data: blob: 'unsafe-inline' 'unsafe-eval'"
        rules = f"{loads}; form-action {self.origin}; base-uri 'none'"
        return Answered(200, (("Content-Type", media_type), ("Content-Security-Policy", rules)), body)

    def _embedding(self) -> str:
        page = self.holdings.page
        attributes = {"source": f"{self.path}{self.holdings.id}.wacz", "url": page.url, "ts": page.stamp}
        said = " ".join(f'{name}="{html.escape(value)}"' for name, value in attributes.items())
        return (
            "<!doctype html>\n<html lang=en>\n<meta charset=utf-8>\n<title>ReplayWeb.page</title>\n"
            "<style>html, body, replay-web-page { margin: 0; height: 100%; width: 100%; display: block }</style>\n"
            '<script src="ui.js"></script>\n'
            f'<replay-web-page {said} replayBase="{self.path}replay/" embed="replay-with-info"></replay-web-page>\n'
        )
