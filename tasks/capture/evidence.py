"""What speaks for a wall: each sign that is found, and what the page says of itself, with its weight."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.capture.facts import Facts
from tasks.capture.led import is_led_home, leads_to, target_of
from tasks.capture.signs import HEAD_CHARS, Sign, Signs, folded
from tasks.records import Capture, PageText, VerdictKind

__all__ = ["Evidence", "find_evidence", "weigh"]

_SHORT: Final = 100  # words: a page with fewer is short for an article that a paywall lets see in full
_WALLED: Final = 400  # words: with more, the article is taken to be whole, whatever stands beside it
_OFFER_CHARS: Final = 30  # of a paywall's line that is more than a link to the login
_PARTS: Final = re.compile(r"\s[|–—·•:«»/-]+\s|\s?[|·•»]\s?|:\s")
_CUT_END: Final = re.compile(r"(?:…|\.\.\.|\[…\]|\[\.\.\.\])\W*$")
_WHOLE_END: Final = re.compile(r"[.!?:;)\]}\"'”’»›。！？」』）*…©]\s*$|\.\s*\S{0,3}$")


@dataclass(frozen=True, slots=True)
class Evidence:
    """One thing that speaks for a kind of wall; `beside` is only read together with something else of the kind."""

    kind: VerdictKind
    reason: str
    weight: float
    beside: bool = False


def weigh(found: list[Evidence]) -> tuple[VerdictKind | None, float, tuple[str, ...]]:
    """The kind of wall that most speaks for, how sure that is (0 to 1), and the reasons, the heaviest first."""
    best: tuple[VerdictKind | None, float, tuple[str, ...]] = (None, 0.0, ())
    for kind in (VerdictKind.BLOCKED, VerdictKind.LOGIN, VerdictKind.CONSENT, VerdictKind.PAYWALL, VerdictKind.SOFT404):
        of_kind = sorted((one for one in found if one.kind is kind), key=lambda one: -one.weight)
        if all(one.beside for one in of_kind):
            continue
        doubt = 1.0
        for one in of_kind:
            doubt *= 1 - one.weight
        if 1 - doubt > best[1]:
            best = (kind, 1 - doubt, tuple(one.reason for one in of_kind if one.reason))
    return best


def find_evidence(capture: Capture, page: PageText, facts: Facts | None, signs: Signs) -> list[Evidence]:
    """All that speaks for a wall. Without `facts` headers, cookies and status alone are read."""
    seen = _Seen(capture, page, facts, signs)
    found = [Evidence(sign.kind, sign.reason, sign.weight) for sign in signs.all if seen.has(sign)]
    if facts is None:
        return found
    return [
        *found,
        *_home(capture, facts),
        *_login(facts, seen.words),
        *_consent(facts),
        *_paywall(facts),
        *_bare(facts),
    ]


class _Seen:
    """One page as the signs are looked for on it; what they share is made once."""

    def __init__(self, capture: Capture, page: PageText, facts: Facts | None, signs: Signs) -> None:
        self.page, self.facts, self.signs, self.asked = capture.page, facts, signs, capture.url
        self.words = facts.article.words if facts else 0
        self.head = (page.text or "")[:HEAD_CHARS]
        self.target = target_of(capture.url, capture.final_url, facts.refresh if facts else "")
        self.cookies = [value.strip().lower() for value in self.page.header_values("set-cookie")]
        titles = [folded(title) for title in facts.titles] if facts else []
        parts = [folded(part) for title in (facts.titles if facts else ()) for part in _PARTS.split(title[:300])]
        self.texts = {"title": [*titles, *parts], "heading": [folded(text) for text in facts.headings] if facts else []}

    def has(self, sign: Sign) -> bool:
        """Whether all that the sign names is there."""
        if sign.status and self.page.status not in sign.status:
            return False
        if sign.header and not any(_is_value(value, sign.value) for value in self.page.header_values(sign.header)):
            return False
        if sign.cookie and not any(cookie.startswith(sign.cookie) for cookie in self.cookies):
            return False
        if sign.on_wire:
            return True
        if self.facts is None or self.words >= sign.max_words:
            return False
        if (sign.to_path or sign.to_host) and not leads_to(self.asked, self.target, sign.to_path, sign.to_host):
            return False
        if sign.marker and not any(marker in self.head for marker in sign.marker):
            return False
        return all(self._says(sign, name) for name in ("title", "heading") if getattr(sign, name))

    def _says(self, sign: Sign, name: str) -> bool:
        pattern = self.signs.phrases[f"{sign.reason} {name}"]
        return any(pattern.fullmatch(text) for text in self.texts[name])


def _is_value(value: str, wanted: tuple[str, ...]) -> bool:
    value = value.strip().lower()
    return not wanted or any(value.startswith(one[:-1]) if one.endswith("*") else value == one for one in wanted)


# ------------------------------------------------------------------ what no list can tell
def _home(capture: Capture, facts: Facts) -> Iterator[Evidence]:
    if is_led_home(capture.url, capture.final_url):
        yield Evidence(VerdictKind.SOFT404, "soft404-redirect-home", 0.3 if facts.is_article else 0.85)


def _login(facts: Facts, words: int) -> Iterator[Evidence]:
    if facts.password and words < 150:
        yield Evidence(VerdictKind.LOGIN, "login-password", 0.35)


def _consent(facts: Facts) -> Iterator[Evidence]:
    taken = sum(one.chars for one in facts.article.removals if one.concept == "consent")
    if taken > 300 and taken > facts.article.kept_chars:
        yield Evidence(VerdictKind.CONSENT, "consent-most-text", 0.3, beside=True)


def _bare(facts: Facts) -> Iterator[Evidence]:
    """A page that does not say it is an article is the sooner none."""
    if not facts.is_article:
        for kind in (VerdictKind.LOGIN, VerdictKind.CONSENT, VerdictKind.SOFT404):
            yield Evidence(kind, "", 0.25, beside=True)


def _paywall(facts: Facts) -> Iterator[Evidence]:
    """A page that is not free, or shows an offer, and has too little article or ends in the middle."""
    words, text, kind = facts.article.words, facts.article.text.rstrip(), VerdictKind.PAYWALL
    if words >= _WALLED and not 0 < words < facts.stated_words * 0.6:
        return
    if facts.is_free is False:
        yield Evidence(kind, "paywall-json-ld", 0.4)
    elif facts.tier == "locked":
        yield Evidence(kind, "paywall-content-tier", 0.4)
    if facts.is_free is not True and any(
        one.concept == "paywall" and len(one.text) >= _OFFER_CHARS for one in facts.article.removals
    ):
        yield Evidence(kind, "paywall-offer", 0.25)
    if _CUT_END.search(text[-20:]):
        yield Evidence(kind, "paywall-ends-in-dots", 0.3, beside=True)
    elif text and not _WHOLE_END.search(text[-8:]):
        yield Evidence(kind, "paywall-ends-in-the-middle", 0.2, beside=True)
    if words < facts.stated_words * 0.6:
        yield Evidence(kind, "paywall-words-missing", 0.5, beside=True)
    elif words < _SHORT:
        yield Evidence(kind, "paywall-short", 0.2, beside=True)
