"""A page whose text changes from visit to visit, archived by the real stages; only the visits are made up."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from tasks.pipeline import Outcome, Tools, archive_page, capture_stage, open_tools
from tasks.records import Capture
from tasks.settings import config_dirs, load_settings
from tests.bundle.samples import AGENT, exchange

R = TypeVar("R")
PAGE_URL = "https://news.example/2026/crane"
TEXTS = {
    name: " ".join(
        f"The harbour board said on {day} that its {thing} number {number} would be mended before winter, and nobody "
        "in the room asked what that was going to cost the town."
        for number in range(1, 9)
    )
    for name, day, thing in (("A", "Monday", "crane"), ("B", "Tuesday", "ferry"), ("C", "Friday", "lock"))
}
TEXTS["thin"] = "The harbour board met again. " * 8
PAGE = (
    "<!doctype html><html lang=en><head><title>{title}</title><meta name=token content='{token}'>{more}</head><body>"
    "<nav><a href=/>Home</a></nav><article><h1>{title}</h1><p>{text}</p></article></body></html>"
)


def html(text: str, *, token: str = "", title: str = "The crane", more: str = "") -> bytes:
    return PAGE.format(title=title, token=token, text=TEXTS.get(text, text), more=more).encode()


def visit(body: bytes, minute: int, *, url: str = PAGE_URL, **more: Any) -> Capture:
    """A capture so many minutes after MOMENT."""
    return Capture(url, (exchange(body, url=url, after_s=60.0 * minute, **more),), AGENT)


@contextmanager
def tools_of(location: str, **settings: Any) -> Iterator[Tools]:
    made = load_settings(**{"store": location, "retry_wait_s": 0.0, "soft404_probe": "never"} | settings)
    with open_tools(made, config_dirs(environ={})) as tools:
        yield tools


def archived(capture: Capture, tools: Tools, **more: Any) -> Outcome:
    """The outcome of a visit that went so; every stage behind it is the real one."""

    def run(stage: Callable[..., R], *args: Any) -> R:
        return capture if stage is capture_stage else stage(*args)  # type: ignore[return-value]

    return archive_page(capture.url, tools, run=run, **more)


def attachment(store: Path, key: str) -> Path:
    """The WARC beside an event in a folder store."""
    return store / f"{key.removesuffix('.json')}.warc.gz"
