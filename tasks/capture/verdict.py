"""What a capture is worth, judged from what came and what was asked for."""

from typing import Final

from tasks.capture.evidence import find_evidence, weigh
from tasks.capture.facts import Facts
from tasks.capture.signs import Signs, our_signs
from tasks.records import Capture, PageText, Verdict, VerdictKind

__all__ = ["judge"]

# Flags that mean that part of the page's body is missing or cannot be read.
_CUT_FLAGS = ("bad-chunk", "short-body", "decoded-over-limit", "decode-truncated", "decode-error")
_SURE: Final = 0.5  # from here on what speaks for a wall makes the page one
_LIKELY: Final = 0.45  # enough to say what a page is that is thin anyway
_DOUBTFUL: Final = 0.5  # of a removal: it was rather near to being kept
_WALLS: Final = (VerdictKind.BLOCKED, VerdictKind.LOGIN, VerdictKind.PAYWALL)  # that an error status may be


def judge(
    capture: Capture,
    page: PageText,
    words: int | None,
    thin_words: int,
    *,
    facts: Facts | None = None,
    signs: Signs | None = None,
) -> Verdict:
    """The verdict on the page of `capture`; `words` of its clean text, None where there is no article.

    Without `facts` of the page only what came with it (status, headers, redirects) can give a wall away.

    | first that holds | verdict | reasons |
    | --- | --- | --- |
    | no success status (a `resource` record has none: fine) | error; where signs say so blocked, login, paywall | status-404, and empty-body where it is empty |
    | body truncated, broken or over a limit | cut | truncated-length, decode-truncated, … |
    | signs of a wall | blocked, login, consent, paywall, soft404 | blocked-cloudflare-challenge, login-redirect, … |
    | nothing in the body, or an unknown coding | error | empty-body, unknown-coding |
    | no HTML | ok | not-html |
    | fewer than `thin_words` words | thin, or the wall that it likely is | words-12 |
    | anything else | ok | |

    The score says how sure it is that this is the page asked for: 1 sure, below 0.5 rather not. `partial` is not told
    here: whoever fetched the requisites makes it of an `ok`.
    """  # noqa: E501 table
    exchange = capture.page
    empty = not exchange.payload_size
    cut = _cut_reasons(capture, page)
    kind, sure, reasons = weigh(find_evidence(capture, page, facts, signs or our_signs()))
    if exchange.status and not 200 <= exchange.status < 300:
        failed = (f"status-{exchange.status}", *(("empty-body",) if empty else ()), *cut)
        if kind in _WALLS and sure >= _SURE and exchange.status not in _GONE:
            return Verdict(kind, (*reasons, *failed), 0.0)
        return Verdict(VerdictKind.ERROR, failed, 0.0)
    if cut:
        return Verdict(VerdictKind.CUT, cut, 0.2)
    if kind and sure >= _SURE:
        return Verdict(kind, reasons, _score(1 - sure))
    if empty or (page.text is not None and not page.text.strip()):
        return Verdict(VerdictKind.ERROR, ("empty-body",), 0.0)
    if "unknown-coding" in page.flags:
        return Verdict(VerdictKind.ERROR, ("unknown-coding",), 0.0)
    if page.text is None:
        return Verdict(VerdictKind.OK, ("not-html",), 1.0)
    doubtful = _doubtful_words(facts)
    if (words or 0) < thin_words:
        few = (f"words-{words or 0}", *((f"doubtful-words-{doubtful}",) if doubtful >= thin_words else ()))
        if kind and sure >= _LIKELY:
            return Verdict(kind, (*reasons, *few), _score(1 - max(sure, _SURE)))
        return Verdict(VerdictKind.THIN, few, _score((words or 0) / thin_words * 0.4))
    return Verdict(VerdictKind.OK, (), _score((1 - sure) * (1 - 0.2 * doubtful / ((words or 1) + doubtful))))


_GONE: Final = (404, 410)  # what has such a status is no wall, whatever its page looks like


def _score(value: float) -> float:
    return round(min(max(value, 0.0), 1.0), 2)


def _doubtful_words(facts: Facts | None) -> int:
    """Words that cleaning took out and nearly had kept."""
    removals = facts.article.removals if facts else ()
    return sum(len(one.text.split()) for one in removals if one.doubt >= _DOUBTFUL)


def _cut_reasons(capture: Capture, page: PageText) -> tuple[str, ...]:
    exchange = capture.page
    flags = set(exchange.flags) | set(page.flags)
    closer = exchange.truncated == "unspecified" and flags.intersection(_CUT_FLAGS)  # a flag says what it was
    reasons = [f"truncated-{exchange.truncated}"] if exchange.truncated and not closer else []
    if exchange.status == 206:
        reasons.append("status-206")  # a part, though the whole was asked for
    return (*reasons, *(flag for flag in _CUT_FLAGS if flag in flags))
