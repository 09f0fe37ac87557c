"""A good capture that lacks requisites, or was not drawn as it should be, is partial, and says what it lacks."""

from collections.abc import Iterator

from tasks.records import Capture, Verdict, VerdictKind

__all__ = ["as_far_as_captured"]

# Flags of a rendering that may have cost a part of the page or its picture.
_LACKS = ("over-time", "scroll-failed", "no-view", "answer-failed")


def as_far_as_captured(verdict: Verdict, capture: Capture) -> Verdict:
    """The verdict, which `partial` takes the place of where it is ok and the capture is not whole."""
    reasons = tuple(_lacking(capture))
    if verdict.kind is not VerdictKind.OK or not reasons:
        return verdict
    return Verdict(VerdictKind.PARTIAL, (*verdict.reasons, *reasons), verdict.score)


def _lacking(capture: Capture) -> Iterator[str]:
    requisites = capture.requisites
    if requisites and requisites.missing:
        yield f"requisites-{100 * requisites.captured // requisites.wanted}-percent"  # never 100
    if capture.not_rendered:
        yield capture.not_rendered
    for flag in capture.rendered.flags if capture.rendered else ():
        if flag.startswith(_LACKS):
            yield f"browser-{flag}"
