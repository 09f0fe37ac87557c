"""The second server: what was archived, at its place, with references that lead to other places there.

Every answer has the policy that keeps a page in: a sandbox without an origin, so without storage, cookies and service
workers, and no load from anywhere but this server. A page may be seen within our frame alone, whose own policy keeps it
from going elsewhere; who opens it by itself is sent to the frame.
"""

import html
import json
import re
import secrets
from pathlib import Path
from typing import Final
from urllib.parse import quote, urljoin, urlsplit

from tasks.capture.charset import decide_charset, decode_text
from tasks.replay.holdings import Held, Holdings, Kept
from tasks.replay.html import replayed_page
from tasks.replay.loopback import Answered, Asked, Loopback, refused
from tasks.replay.places import Place, read_place
from tasks.replay.sheets import mapped_sheet, sheet_text

__all__ = ["Contents", "policy"]

_CLIENT = re.sub(r"^\s*//.*\n", "", Path(__file__).with_name("client.js").read_text(encoding="utf-8"), flags=re.M)
_HTML = frozenset({"text/html", "application/xhtml+xml"})
_HTML_STARTS: Final = (b"<!doctype html", b"<html", b"<head", b"<body", b"<!--")
_OF_URN = re.compile(r"urn:[A-Za-z0-9_-]+:(https?://.*)", re.DOTALL)
# A browser that had drawn the page showed none of these.
_DRAWN = "<style>noscript { display: none !important }</style>"
_KEPT_STATUSES = range(200, 600)


def policy(origin: str, *, scripts: bool) -> str:
    """The Content-Security-Policy of archived content that `origin` serves."""
    loads = f"default-src {origin} data: blob: 'unsafe-inline'"
    within = f"frame-src {origin}; object-src {origin}; form-action 'none'; base-uri 'none'"
    if not scripts:
        return f"{loads}; script-src 'none'; worker-src 'none'; connect-src 'none'; {within}; sandbox"
    runs = "'unsafe-eval' 'wasm-unsafe-eval'"
    # No policy keeps WebRTC in: client.js takes it out of each document, of those too that scripts make up as text.
    made_up = "require-trusted-types-for 'script'; trusted-types default"
    return f"{loads} {runs}; connect-src {origin}; {within}; {made_up}; sandbox allow-scripts"


class Contents:
    """Answers for one bundle."""

    def __init__(self, holdings: Holdings, server: Loopback, frame: Loopback) -> None:
        self.holdings, self.origin, self.frame = holdings, server.origin, frame.origin
        self.token = secrets.token_urlsafe(24)

    @property
    def start(self) -> Place:
        """What is shown first, without scripts: the page as a browser drew it, where one did, else as it came."""
        page = self.holdings.page
        drawn = self.holdings.find(f"urn:dom:{page.url}", page.stamp)
        return self.place(drawn or page)

    def place(self, row: Held, *, scripts: bool = False) -> Place:
        """Where a line of the index is."""
        return Place(self.token, row.stamp, scripts, row.url)

    def answer(self, asked: Asked) -> Answered:
        """Whatever a browser asks the second server."""
        place = read_place(asked.path)
        if place is None or not secrets.compare_digest(place.token, self.token):
            return self._astray(asked)
        if asked.method == "OPTIONS":
            return Answered(204, self._shared(asked))
        if asked.header("sec-fetch-dest") == "document":  # by itself nothing would keep it from going elsewhere
            return Answered(302, (("Location", self.frame + place.path), *self._shared(asked)))
        found = self.holdings.find(place.url, place.stamp)
        if found is None:
            return self._absent(asked, place)
        if not _same(found.url, place.url):  # relative references are relative to the URL that was archived
            return Answered(307, (("Location", place.at(found.url).path), *self._shared(asked)))
        return self._kept(asked, place.at(found.url), self.holdings.read(found))

    def _kept(self, asked: Asked, place: Place, kept: Kept) -> Answered:
        status = kept.status if kept.status in _KEPT_STATUSES else 200
        scripts = place.scripts and _is_page(kept)  # client.js can be put before the scripts of a page alone
        headers = [*self._shared(asked), ("Content-Security-Policy", policy(self.origin, scripts=scripts))]
        if 300 <= status < 400 and kept.header("location"):
            location = kept.header("location").encode("latin-1").decode("utf-8", "replace")
            return Answered(status, (*headers, ("Location", place.mapped(location, place.url))))
        said = kept.header("content-type")
        body = self._page(place, kept) or self._sheet(asked, place, kept)
        if body is not None:
            said = "text/html; charset=utf-8" if _is_page(kept) else "text/css; charset=utf-8"
        return Answered(status, (*headers, *((("Content-Type", said),) if said else ())), body or kept.payload)

    def _page(self, place: Place, kept: Kept) -> bytes | None:
        if not _is_page(kept):
            return None
        text, _ = decode_text(kept.payload, decide_charset(kept.payload, kept.header("content-type")))
        of_urn = _OF_URN.fullmatch(kept.url)  # what was made of a page has the page's references
        place = place.at(of_urn[1]) if of_urn else place
        first = f"<script>{self._client(place)}</script>" if place.scripts else _DRAWN if of_urn else ""
        return replayed_page(text, place, held=self._holds, insert=first).encode("utf-8", "replace")

    def _client(self, place: Place) -> str:
        arguments = f"{json.dumps(place.prefix)}, {json.dumps(place.url)}".replace("<", "\\u003c")
        return f"{_CLIENT.strip()}({arguments});"

    def _sheet(self, asked: Asked, place: Place, kept: Kept) -> bytes | None:
        media_type = _media_type(kept)
        if media_type != "text/css" and not (asked.header("sec-fetch-dest") == "style" and not media_type):
            return None
        text = sheet_text(kept.payload, kept.header("content-type"))
        return mapped_sheet(text, lambda reference: place.mapped(reference, kept.url)).encode("utf-8", "replace")

    def _holds(self, url: str) -> bool:
        found = self.holdings.find(url, self.holdings.page.stamp)
        return found is not None and found.status == "200"

    def _absent(self, asked: Asked, place: Place) -> Answered:
        text = "<!doctype html><meta charset=utf-8><title>Not in this bundle</title><p>Not in this bundle: {}"
        body = text.format(html.escape(place.url)).encode("utf-8", "replace")
        headers = (("Content-Type", "text/html; charset=utf-8"), *self._shared(asked))
        return Answered(404, (*headers, ("Content-Security-Policy", policy(self.origin, scripts=False))), body)

    def _astray(self, asked: Asked) -> Answered:
        """A path without a place: a reference that a script made up, if one of our pages made it."""
        referer = urlsplit(asked.header("referer"))
        from_ = read_place(referer.path + (f"?{referer.query}" if referer.query else ""))
        if from_ is None or f"{referer.scheme}://{referer.netloc}" != self.origin or from_.token != self.token:
            return refused(404, "nothing here")
        inside = asked.path.removeprefix(f"/{self.token}/")
        url = urljoin(from_.url, inside if inside != asked.path else asked.path)
        return Answered(307, (("Location", from_.at(url).path), *self._shared(asked)))

    def _shared(self, asked: Asked) -> tuple[tuple[str, str], ...]:
        """Who knows the token may read: pages in a sandbox have no origin that could be named instead."""
        return (
            ("Access-Control-Allow-Origin", asked.header("origin") or "*"),
            ("Access-Control-Allow-Credentials", "true"),
            ("Access-Control-Allow-Headers", asked.header("access-control-request-headers") or "*"),
            ("Access-Control-Expose-Headers", "*"),
            (
                "Referrer-Policy",
                "unsafe-url",
            ),  # its way back is how references of scripts are told; it leads nowhere else
        )


def _same(held: str, asked: str) -> bool:
    return quote(held, safe="%/:?#[]@!$&'()*+,;=~") == quote(asked, safe="%/:?#[]@!$&'()*+,;=~")


def _media_type(kept: Kept) -> str:
    return kept.header("content-type").partition(";")[0].strip().lower()


def _is_page(kept: Kept) -> bool:
    media_type = _media_type(kept)
    return media_type in _HTML or (
        media_type in ("", "*/*", "unknown/unknown") and kept.payload.lstrip()[:20].lower().startswith(_HTML_STARTS)
    )
