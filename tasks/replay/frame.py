"""Our page around what was archived: what it is, of when, what it is worth, and what else the bundle holds.

It runs no script, and its policy lets nothing be framed but the second server.
"""

import base64
import hashlib
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tasks.replay.contents import Contents
from tasks.replay.holdings import Held, Holdings
from tasks.replay.loopback import Answered, Asked, refused
from tasks.replay.places import Place, read_place
from tasks.replay.viewer import Viewer
from tasks.standalone import escaped

__all__ = ["Frame"]

_STYLE = Path(__file__).with_name("frame.css").read_text(encoding="utf-8")
_STYLE_DIGEST = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
# What was made of the page, in this order.
_MADE = {"dom": "page as drawn", "view": "screenshot", "pdf": "PDF", "article": "clean article"}
_LISTED = 2000  # lines of the index that are shown
_GOOD = ("ok", "partial")


@dataclass(frozen=True, slots=True)
class Frame:
    """Answers of the first server."""

    holdings: Holdings
    inner: Contents | Viewer
    content_origin: str

    @property
    def path(self) -> str:
        """Where the page is: the same secret as on the second server."""
        return f"/{self.inner.token}/"

    def answer(self, asked: Asked) -> Answered:
        """The page; with the path of a place of the second server, the page around that."""
        if asked.method == "OPTIONS" or not asked.path.startswith(self.path):
            return refused(404, "nothing here")
        place = read_place(asked.path)
        if asked.path != self.path and (place is None or not secrets.compare_digest(place.token, self.inner.token)):
            return refused(404, "nothing here")
        headers = (
            ("Content-Type", "text/html; charset=utf-8"),
            ("Content-Security-Policy", self._policy()),
            ("Referrer-Policy", "no-referrer"),
            ("X-Content-Type-Options", "nosniff"),
            ("Cross-Origin-Opener-Policy", "same-origin"),
        )
        return Answered(200, headers, "".join(self._page(place)).encode("utf-8", "replace"))

    def _policy(self) -> str:
        return (
            f"default-src 'none'; style-src 'sha256-{_STYLE_DIGEST}'; frame-src {self.content_origin}; "
            "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
        )

    def _page(self, place: Place | None) -> Iterator[str]:
        about = self.holdings.about
        title = _said(about, "title") or self.holdings.page.url
        yield '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        yield f"<title>{escaped(title)} – archived</title>\n<style>{_STYLE}</style>\n</head>\n<body>\n<header>\n"
        yield f'<h1 dir="auto">{escaped(title)}</h1>\n'
        yield f"<p>{_moment(self.holdings.page)}: <bdi>{escaped(self.holdings.page.url)}</bdi></p>\n"
        yield f"<p>{_verdict(about)} · {escaped(self.holdings.id)}</p>\n"
        if isinstance(self.inner, Contents):
            yield from self._links(self.inner)
            source, sandbox = (place or self.inner.start).path, "allow-scripts"
        else:
            source, sandbox = self.inner.path, "allow-scripts allow-same-origin allow-forms"
        yield "</header>\n"
        yield f'<iframe name="capture" title="archived page" sandbox="{sandbox}" referrerpolicy="no-referrer" '
        yield f'src="{escaped(self.content_origin + source)}"></iframe>\n</body>\n</html>\n'

    def _links(self, inner: Contents) -> Iterator[str]:
        page, rows = self.holdings.page, self.holdings.rows
        yield "<nav>"
        for kind, name in _MADE.items():
            made = self.holdings.find(f"urn:{kind}:{page.url}", page.stamp)
            yield self._link(inner.place(made), name) if made else ""
        yield self._link(inner.place(page), "page without scripts")
        yield self._link(inner.place(page, scripts=True), "page with scripts")
        yield f"</nav>\n<details><summary>{len(rows)} records</summary>\n<ul>\n"
        for row in rows[:_LISTED]:
            yield f"<li>{escaped(row.status)} {escaped(row.mime)} {self._link(inner.place(row), row.url)}</li>\n"
        yield f"</ul>{'' if len(rows) <= _LISTED else '<p>and more</p>'}</details>\n"

    def _link(self, place: Place, text: str) -> str:
        return f'<a target="capture" href="{escaped(self.content_origin + place.path)}">{escaped(text)}</a> '


def _moment(page: Held) -> str:
    return f"Archived {page.date:%Y-%m-%d %H:%M:%S} UTC"


def _said(about: dict[str, Any], name: str) -> str:
    return str((about.get(name) or {}).get("value") or "")


def _verdict(about: dict[str, Any]) -> str:
    verdict = about["verdict"]
    kind = str(verdict["kind"])
    reasons = ", ".join(map(str, verdict["reasons"]))
    mark = "" if kind in _GOOD else ' class="bad"'
    return f"verdict <strong{mark}>{escaped(kind)}</strong>{f' ({escaped(reasons)})' if reasons else ''}"
