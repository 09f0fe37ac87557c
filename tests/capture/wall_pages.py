"""Pages of walls/*.toml, and captures made of them without a network."""

import hashlib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path
from typing import Any

from tasks.reading import read_capture
from tasks.records import Capture, Digest, Exchange, Verdict
from tasks.settings import load_settings
from tests.bundle.samples import MemoryBody
from tests.clean.helpers import our_rules

__all__ = ["WallPage", "a_capture", "verdict_of", "wall_pages"]

FOLDER = Path(__file__).with_name("walls")
# Paragraphs that pages name instead of writing them out: {tide} in html.
FILLERS = tomllib.loads((FOLDER / "fillers.toml").read_text(encoding="utf-8"))


@dataclass(frozen=True)
class WallPage:
    """One case: what was asked for, what came, and what must be said of it."""

    name: str
    expected: str
    capture: Capture
    vendor: str = ""
    reason: str = ""  # one that must be among the reasons


def digest(data: bytes) -> Digest:
    return Digest(f"sha256:{hashlib.sha256(data).hexdigest()}")


def a_capture(
    url: str, *, html: str, status: int = 200, headers: Iterable[tuple[str, str]] = (), final_url: str = ""
) -> Capture:
    """A capture that ended with this page; where `final_url` is another one, by a redirect."""
    hops = [_exchange(url, 302, (("location", final_url),), b"")] if final_url and final_url != url else []
    named = tuple((name.lower(), value) for name, value in headers)
    if not any(name == "content-type" for name, _ in named):
        named = (("content-type", "text/html; charset=utf-8"), *named)
    return Capture(url, (*hops, _exchange(final_url or url, status, named, html.encode())), "Tearsheet")


def _exchange(url: str, status: int, headers: tuple[tuple[str, str], ...], body: bytes) -> Exchange:
    head = f"HTTP/1.1 {status} X\r\n".encode()
    return Exchange(
        url=url,
        started_at=datetime(2026, 11, 23, 10, 54, 47, tzinfo=UTC),
        request=b"GET / HTTP/1.1\r\n\r\n",
        response_head=head,
        body=MemoryBody(body),
        status=status,
        headers=headers,
        ip="192.0.2.1",
        block_digest=digest(head + body),
        payload_digest=digest(body),
        payload_size=len(body),
    )


def wall_pages(*, good: bool) -> Iterator[WallPage]:
    """The pages of good.toml, or of all the others."""
    for path in sorted(FOLDER.glob("*.toml")):
        if path.stem != "fillers" and (path.stem == "good") is good:
            for case in tomllib.loads(path.read_text(encoding="utf-8"))["page"]:
                yield _page(path.stem, case)


def _page(stem: str, case: Mapping[str, Any]) -> WallPage:
    html = case["html"]
    for name, text in FILLERS.items():
        html = html.replace(f"{{{name}}}", text)
    html = html.replace("{pad}", "/* " + "x" * 110_000 + " */")
    url = case.get("url", "https://courier.example/2026/11/the-tide-that-came-late")
    capture = a_capture(
        url,
        html=html,
        status=case.get("status", 200),
        headers=tuple((name, value) for name, value in case.get("headers", {}).items()),
        final_url=case.get("final_url", ""),
    )
    expected = case.get("verdict", "ok" if stem == "good" else stem)
    return WallPage(f"{stem}/{case['name']}", expected, capture, case.get("vendor", ""), case.get("reason", ""))


@lru_cache(maxsize=1)
def _settings() -> Any:
    return load_settings(environ={})


def verdict_of(page: WallPage) -> Verdict:
    """The verdict as `archive` gives it."""
    return read_capture(page.capture, _settings(), our_rules()).verdict
