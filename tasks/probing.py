"""Whether a page is its host's error page: what makes one doubtful, and how it is held against a missing page."""

from typing import Final
from urllib.parse import urlsplit

from tasks.capture.evidence import LIKE
from tasks.capture.led import is_home, of_one_site, target_of
from tasks.capture.likeness import LEAST_WORDS, likeness
from tasks.reading import Reading
from tasks.records import Capture, ProbeNote, VerdictKind

__all__ = ["asked_beside", "held_against", "is_doubtful"]

_SHORT: Final = 250  # words: error pages have fewer


def is_doubtful(capture: Capture, reading: Reading, when: str) -> bool:
    """Whether a page shall be held against its host's error page; `when` is never, doubt or always."""
    facts, kind = reading.facts, reading.verdict.kind
    if when == "never" or facts is None or capture.page.status != 200 or is_home(capture.url):
        return False
    if kind not in (VerdictKind.OK, VerdictKind.THIN):
        return False
    led = bool(target_of(capture.url, capture.final_url, ""))
    if facts.words < LEAST_WORDS and not led:  # nothing to compare
        return False
    return when == "always" or (not facts.is_article and (facts.words < _SHORT or led))


def asked_beside(capture: Capture) -> str:
    """The address beside which a missing page is asked for: of the site that answered, as it was asked."""
    return capture.url if of_one_site(capture.url, capture.final_url) else capture.final_url


def held_against(capture: Capture, reading: Reading, answer: Capture, error_page: Reading) -> ProbeNote | None:
    """How much the page is like what came for a missing one; None where it is not, or is the same whatever is asked.

    A site that ignores the end of an address gives the page itself for the missing one, and names its true address.
    """
    if _is_led_alike(capture, answer):
        return ProbeNote(answer.url, 1.0)
    named = error_page.metadata.canonical_url
    addresses = (answer.final_url, *((named.value,) if named else ()))
    if any(not target_of(capture.final_url, address, "") for address in addresses):
        return None
    if reading.article is None or error_page.article is None:
        return None
    share = likeness(reading.article.text, capture.url, error_page.article.text, answer.url)
    return ProbeNote(answer.url, round(share, 2)) if share >= LIKE else None


def _is_led_alike(capture: Capture, answer: Capture) -> bool:
    """Whether redirects led both from where they were asked for to one address: not to the page under another name."""
    if not target_of(capture.url, capture.final_url, "") or answer.final_url != capture.final_url:
        return False
    folder = urlsplit(capture.url).path.rstrip("/").rpartition("/")[0]
    return not (folder and urlsplit(capture.final_url).path.rstrip("/").startswith(f"{folder}/"))
