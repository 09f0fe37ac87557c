"""A good capture that lacks requisites is partial, and says how much of them it has."""

from tasks.records import Requisites, Verdict, VerdictKind

__all__ = ["with_requisites"]


def with_requisites(verdict: Verdict, requisites: Requisites | None) -> Verdict:
    """The verdict, which `partial` with a percentage takes the place of where it is ok and some are missing."""
    if verdict.kind is not VerdictKind.OK or not requisites or not requisites.missing:
        return verdict
    percent = 100 * requisites.captured // requisites.wanted  # never 100
    return Verdict(VerdictKind.PARTIAL, (*verdict.reasons, f"requisites-{percent}-percent"), verdict.score)
