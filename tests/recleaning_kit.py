"""Stores with cleaned pages, and rules that change what cleaning gives."""

from pathlib import Path
from typing import Any

from tasks.bundle.pack import pack_bundle
from tasks.clean import RuleSet, load_rules
from tasks.pipeline import provenance_of
from tasks.reading import read_capture
from tasks.recleaning import Job
from tasks.records import Bundle, Capture
from tasks.settings import Settings, config_dirs, load_settings
from tests.bundle.samples import AGENT, exchange

TIDE = "The tide came in on Tuesday, later than the harbour board had foretold, and nobody on the quay was surprised. "
OFFER = "Fresh herring is sold at the red hut from six."
PAGE = (
    "<!doctype html><html lang=en><head><title>The tide {number}</title>"
    "<meta property=og:site_name content='Harbour News'></head><body><nav><a href=/>Home</a></nav><article>"
    "<h1>The tide {number}</h1><p>{tide}{tide}</p><p class=hut-offer>{offer}</p><p>{tide}It left before noon.</p>"
    "</article></body></html>"
)
RULE = """
[[rule]]
id = "hut-offer"
selector = ".hut-offer"
why = "sells herring"
"""
STRICT = 500  # thin_words: more than any page of ours has


def html(number: int = 1) -> bytes:
    return PAGE.format(number=number, tide=TIDE, offer=OFFER).encode()


def capture(body: bytes, number: int = 1, **more: Any) -> Capture:
    """One visit; each number is a page of its own, a second after the one before; 1 is at MOMENT."""
    url = more.pop("url", f"https://news.example/tide/{number}")
    return Capture(url, (exchange(body, url=url, after_s=float(number - 1), **more),), AGENT)


def settings_of(store: str, **more: Any) -> Settings:
    return load_settings(environ={}, store=store, **more)


def with_rules(folder: Path, rules: str) -> tuple[Path, ...]:
    """Our configuration, and a folder of a user's that adds these rules."""
    (folder / "rules").mkdir(parents=True, exist_ok=True)
    (folder / "rules" / "promo.toml").write_text(rules)
    return (*config_dirs(environ={}), folder)


def packed(folder: Path, visit: Capture, job: Job, *, rules: RuleSet | None = None, **more: Any) -> Bundle:
    """The bundle of a capture as `archive` would pack it; `more` replaces what was read of it."""
    rules = rules or load_rules(job.dirs)
    reading = read_capture(visit, job.settings, rules)
    values: dict[str, Any] = {
        "capture": visit,
        "page": reading.page,
        "verdict": reading.verdict,
        "article": reading.article,
        "metadata": reading.metadata,
        "provenance": provenance_of(job.settings, rules),
    }
    return pack_bundle(folder, **(values | more))


def job_for(store: str, *, dirs: tuple[Path, ...] | None = None, thin_words: int | None = None, **more: Any) -> Job:
    return Job(settings_of(store, thin_words=thin_words), dirs or config_dirs(environ={}), **more)
