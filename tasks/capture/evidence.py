"""What speaks for a wall: each sign that is found, and what the page says of itself, with its weight."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from tasks.capture.facts import Facts
from tasks.capture.led import is_led_home, leads_to, target_of
from tasks.capture.signs import HEAD_CHARS, Sign, Signs, folded
from tasks.records import Capture, PageText, VerdictKind

__all__ = ["LIKE", "Evidence", "find_evidence", "weigh"]

LIKE: Final = 0.7  # likeness to its host's error page from which on a page is one
_NOTE: Final = 90  # words: with so many there is an article beside a notice about cookies or a box to log in
_BESIDE: Final = (VerdictKind.CONSENT, VerdictKind.LOGIN)  # walls whose text stands in boxes of good pages, too
_SHORT: Final = 100  # words: a page with fewer is short for an article that a paywall lets see in full
_WALLED: Final = 400  # words: with more, the article is taken to be whole, whatever stands beside it
_OFFER_CHARS: Final = 30  # of a paywall's line that is more than a link to the login
_PARTS: Final = re.compile(r"\s[|–—·•:«»/-]+\s|\s?[|·•»｜]\s?")
_CUT_END: Final = re.compile(r"(?:…|\.\.\.|\[…\]|\[\.\.\.\])\W*$")
_WHOLE_END: Final = re.compile(r"[.!?:;।۔။)\]}\"'”’»›。！？」』）*…©]\s*$|\.\s*\S{0,3}$")


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
    found = [Evidence(sign.kind, sign.reason, sign.weight) for sign in signs.on_wire if seen.came_with(sign)]
    if facts is None:
        return found
    shown = [sign for sign in signs.on_page if seen.words < sign.max_words and seen.came_with(sign) and seen.has(sign)]
    found += [Evidence(sign.kind, sign.reason, sign.weight) for sign in shown]
    if _is_whole(facts):
        found = [one for one in found if one.kind is not VerdictKind.PAYWALL]
    return [
        *found,
        *_home(capture, facts),
        *_error_page(capture),
        *_login(facts, seen.words),
        *_consent(facts),
        *_paywall(facts),
        *_bare(facts),
    ]


class _Seen:
    """One page as the signs are looked for on it; what they share is made once."""

    def __init__(self, capture: Capture, page: PageText, facts: Facts | None, signs: Signs) -> None:
        self.page, self.facts, self.signs, self.asked = capture.page, facts, signs, capture.url
        self.words = facts.words if facts else 0
        self.head = (page.text or "")[:HEAD_CHARS]
        self.target = target_of(capture.url, capture.final_url, facts.refresh if facts else "")
        self.cookies = [value.strip().lower() for value in self.page.header_values("set-cookie")]
        titles = [folded(title) for title in facts.titles] if facts else []
        parts = [folded(part) for title in (facts.titles if facts else ()) for part in _PARTS.split(title[:300])]
        self.titles, self.headings = [*titles, *parts], [folded(text) for text in facts.headings] if facts else []

    def came_with(self, sign: Sign) -> bool:
        """Whether status, headers and cookies are those of the sign."""
        if sign.status and self.page.status not in sign.status:
            return False
        if sign.header and not any(_is_value(value, sign.value) for value in self.page.header_values(sign.header)):
            return False
        return not sign.cookie or any(cookie.startswith(sign.cookie) for cookie in self.cookies)

    def has(self, sign: Sign) -> bool:
        """Whether the page shows, and redirects led to, what the sign names."""
        if (sign.to_path or sign.to_host) and not leads_to(self.asked, self.target, sign.to_path, sign.to_host):
            return False
        if sign.marker and not (self._may_mark(sign) and any(marker in self.head for marker in sign.marker)):
            return False
        return all(self._says(sign, name) for name in ("title", "heading") if getattr(sign, name))

    def _may_mark(self, sign: Sign) -> bool:
        """No firewall says that its page is an article."""
        return not (sign.kind is VerdictKind.BLOCKED and self.facts and self.facts.is_article)

    def _says(self, sign: Sign, name: str) -> bool:
        pattern = self.signs.phrases[f"{sign.reason} {name}"]
        found = [text for text in (self.titles if name == "title" else self.headings) if pattern.fullmatch(text)]
        if found and name == "heading" and sign.kind in _BESIDE and self.facts and self.words >= _NOTE:
            boxes = _boxes(self.facts)
            return any(text not in boxes for text in found)
        return bool(found)


def _boxes(facts: Facts) -> str:
    """How the boxes beside an article begin: what heads a notice about cookies says nothing of the page."""
    return "\n".join(folded(one.text) for one in facts.article.removals if one.concept != "title")


def _is_whole(facts: Facts) -> bool:
    """Whether the article has the words that its page says it has."""
    return facts.words >= _SHORT and 0 < facts.stated_words * 0.8 <= facts.words


def _is_value(value: str, wanted: tuple[str, ...]) -> bool:
    value = value.strip().lower()
    return not wanted or any(value.startswith(one[:-1]) if one.endswith("*") else value == one for one in wanted)


# ------------------------------------------------------------------ what no list can tell
def _home(capture: Capture, facts: Facts) -> Iterator[Evidence]:
    if is_led_home(capture.url, capture.final_url):
        yield Evidence(VerdictKind.SOFT404, "soft404-redirect-home", 0.3 if facts.is_article else 0.85)


def _error_page(capture: Capture) -> Iterator[Evidence]:
    if capture.probe and capture.probe.likeness >= LIKE:
        yield Evidence(VerdictKind.SOFT404, "soft404-like-error-page", 0.9)


def _login(facts: Facts, words: int) -> Iterator[Evidence]:
    if facts.password and words < 150:
        yield Evidence(VerdictKind.LOGIN, "login-password", 0.25)


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
    words, text, kind = facts.words, facts.article.text.rstrip(), VerdictKind.PAYWALL
    if _is_whole(facts):
        return
    if words >= _WALLED and not 0 < words < facts.stated_words * 0.6:
        return
    if facts.is_free is False:
        yield Evidence(kind, "paywall-json-ld", 0.3)
    elif facts.tier == "locked":
        yield Evidence(kind, "paywall-content-tier", 0.3)
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
        yield Evidence(kind, "paywall-short", 0.3, beside=True)
