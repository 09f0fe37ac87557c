"""What a capture is worth, judged from what came and what was asked for."""

from tasks.records import Capture, PageText, Verdict, VerdictKind

__all__ = ["judge"]

# Flags that mean that part of the page's body is missing or cannot be read.
_CUT_FLAGS = ("bad-chunk", "short-body", "decoded-over-limit", "decode-truncated", "decode-error")


def judge(capture: Capture, page: PageText, words: int | None, thin_words: int) -> Verdict:
    """The verdict on the page of `capture`; `words` of its clean text, None where there is no article.

    | first that holds | verdict | reasons |
    | --- | --- | --- |
    | no success status (a `resource` record has none: fine) | error | status-404, and empty-body where it is empty |
    | body truncated, broken or over a limit | cut | truncated-length, decode-truncated, … |
    | nothing in the body, or an unknown coding | error | empty-body, unknown-coding |
    | no HTML | ok | not-html |
    | fewer than `thin_words` words | thin | words-12 |
    | anything else | ok | |
    """
    exchange = capture.page
    empty = not exchange.payload_size
    cut = _cut_reasons(capture, page)
    if exchange.status and not 200 <= exchange.status < 300:
        return Verdict(VerdictKind.ERROR, (f"status-{exchange.status}", *(("empty-body",) if empty else ()), *cut))
    if cut:
        return Verdict(VerdictKind.CUT, cut)
    if empty or (page.text is not None and not page.text.strip()):
        return Verdict(VerdictKind.ERROR, ("empty-body",))
    if "unknown-coding" in page.flags:
        return Verdict(VerdictKind.ERROR, ("unknown-coding",))
    if page.text is None:
        return Verdict(VerdictKind.OK, ("not-html",))
    if (words or 0) < thin_words:
        return Verdict(VerdictKind.THIN, (f"words-{words or 0}",))
    return Verdict(VerdictKind.OK)


def _cut_reasons(capture: Capture, page: PageText) -> tuple[str, ...]:
    exchange = capture.page
    flags = set(exchange.flags) | set(page.flags)
    closer = exchange.truncated == "unspecified" and flags.intersection(_CUT_FLAGS)  # a flag says what it was
    reasons = [f"truncated-{exchange.truncated}"] if exchange.truncated and not closer else []
    if exchange.status == 206:
        reasons.append("status-206")  # a part, though the whole was asked for
    return (*reasons, *(flag for flag in _CUT_FLAGS if flag in flags))
