"""What became of one URL that was to be archived."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.errors import TearsheetError
from tasks.records import BundleRef, Problem, Rendered, Requisites, Verdict, VerdictKind

__all__ = ["Outcome"]


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one URL."""

    url: str
    final_url: str = ""
    verdict: Verdict | None = None
    ref: BundleRef | None = None  # of the bundle stored, or of the one that was found unchanged
    version: int | None = None  # its number among the versions of its article; None: it is none
    observation: str = ""  # key of the event of a visit that found nothing new
    waiting: str = ""  # path of the bundle, which waits in the outbox; `error` says why
    robots: str = ""  # why robots.txt would not have the page archived; empty: it does not say so
    title: str = ""
    words: int = 0
    text: str = ""
    mode: str = ""  # how it was captured; empty where nothing was
    source: str = ""  # what the article was read from: page, data or dom
    requisites: Requisites | None = None  # None: none were looked for
    rendered: Rendered | None = None  # its bodies are closed
    removed: Mapping[str, int] = field(default_factory=dict)  # concept → characters
    problems: tuple[Problem, ...] = ()
    elapsed_s: float = 0.0
    error: TearsheetError | None = None

    @property
    def good(self) -> bool:
        """Whether the page is stored with a good verdict."""
        return self.ref is not None and self.verdict is not None and self.verdict.good

    @property
    def partial(self) -> bool:
        """Whether the page is good, but requisites are missing."""
        return self.verdict is not None and self.verdict.kind is VerdictKind.PARTIAL

    @property
    def kind(self) -> str:
        """One word: the verdict, unchanged, waiting, or failed."""
        if self.waiting:
            return "waiting"
        if self.error or not self.verdict:
            return "failed"
        return "unchanged" if self.observation else self.verdict.kind.value

    def as_json(self) -> dict[str, Any]:
        """The fields of `archive --json`; `requisites` and `rendered` are null where there are none."""
        ref, verdict, error = self.ref, self.verdict, self.error
        return {
            "url": self.url,
            "final_url": self.final_url or None,
            "verdict": verdict.kind.value if verdict else "error",
            "reasons": list(verdict.reasons) if verdict else [error.code if error else "unknown"],
            "score": verdict.score if verdict else None,
            "id": ref.id if ref else None,
            "version": self.version,
            "created": bool(ref and ref.created),
            "observation": self.observation or None,
            "waiting": self.waiting or None,
            "robots": self.robots or None,
            "title": self.title or None,
            "words": self.words,
            "removed_chars": sum(self.removed.values()),
            "mode": self.mode or None,
            "source": self.source or None,
            "requisites": _requisites_json(self.requisites) if self.requisites else None,
            "rendered": _rendered_json(self.rendered) if self.rendered else None,
            "bytes": ref.size if ref else 0,
            "key": ref.key if ref else None,
            "elapsed_s": round(self.elapsed_s, 3),
            "problems": [str(problem) for problem in self.problems],
            "error": str(error) if error else None,
        }


def _requisites_json(found: Requisites) -> dict[str, Any]:
    missing = [{"url": one.url, "reason": one.reason} for one in found.missing]
    return {"wanted": found.wanted, "captured": found.captured, "missing": missing}


def _rendered_json(seen: Rendered) -> dict[str, Any]:
    refused = [{"url": one.url, "reason": one.reason} for one in seen.refused]
    return {
        "product": seen.product,
        "resources": [one.name for one in seen.resources],
        "flags": list(seen.flags),
        "overlays": list(seen.overlays),
        "refused": refused,
    }
