"""What a source would give, without archiving: its URLs, taken or passed over and why, and which the store holds."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tasks.capture.fetch import Recorder
from tasks.capture.hosts import Hosts
from tasks.catalog import Heard, identity, open_catalog, stop_at
from tasks.settings import Settings
from tasks.sources import Discovery, Fetched, Source, discover, kind_of
from tasks.store import open_store
from tasks.watching import fetch_source, held_urls

__all__ = ["Preview", "preview_source", "source_at"]


@dataclass(frozen=True, slots=True)
class Preview:
    """A source's URLs of now."""

    source: Source
    discovery: Discovery
    held: frozenset[str]  # of the URLs taken, those that a run would leave be because the store has them

    @property
    def due(self) -> int:
        """URLs that a run would archive, its limit apart."""
        return len(self.discovery.found) - len(self.held)

    def as_rows(self) -> list[dict[str, Any]]:
        """One object for each URL, those taken first."""
        named = [(one, "") for one in self.discovery.found] + list(self.discovery.passed_over)
        return [
            {
                "url": one.url,
                "taken": not reason,
                "why": reason or one.why,
                "held": one.url in self.held,
                "title": one.title,
                "published": f"{one.published:%Y-%m-%dT%H:%M:%SZ}" if one.published else None,
            }
            for one, reason in named
        ]


def preview_source(
    source: Source | str, settings: Settings, *, heard: Heard, now: Callable[[], datetime] = lambda: datetime.now(UTC)
) -> Preview:
    """What `source`, or the feed, sitemap, list or page at a URL, names now. Only the source itself is fetched.

    Raises what discover raises, CaptureTransient and CaptureFailed for a source that does not answer, and errors of
    the store.
    """
    with Recorder(settings, hosts=Hosts(settings, say=heard.say)) as recorder:
        answers: dict[str, Fetched] = {}

        def fetch(url: str) -> Fetched:
            if url not in answers:
                answers[url] = fetch_source(url, recorder, settings)
            return answers[url]

        chosen = source_at(source, fetch(source)) if isinstance(source, str) else source
        discovery = discover(chosen, fetch, now())
    return Preview(chosen, discovery, _held(discovery, settings, heard))


def source_at(url: str, answer: Fetched) -> Source:
    """A source for what answered at `url`, of the kind that it looks like."""
    return Source(name="preview", kind=kind_of(answer), at=url, where=url)


def _held(discovery: Discovery, settings: Settings, heard: Heard) -> frozenset[str]:
    with (
        open_store(settings.store, settings) as store,
        open_catalog(store, settings, heard=replace(heard, broken=stop_at)) as catalog,
    ):
        attempts = settings.attempts
        return frozenset(url for url in discovery.urls if identity(url) in held_urls(catalog.answering(url), attempts))
