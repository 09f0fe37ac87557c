"""What became of the files that were to be taken in, and of their pages."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tasks.errors import TearsheetError
from tasks.importing.choose import Left
from tasks.records import Problem

__all__ = ["FileReport", "Heard", "PageReport"]


@dataclass(frozen=True, slots=True)
class PageReport:
    """What became of one page, or of one bundle of ours."""

    file: str
    url: str
    captured_at: str
    why: str = ""  # listed, navigation, html; bundle: one of ours, stored as it is
    record: str = ""  # WARC-Record-ID of the page
    id: str = ""  # empty with --dry-run, and where it failed
    created: bool = False  # False: the very same bundle was there already
    verdict: str = ""
    reasons: tuple[str, ...] = ()
    title: str = ""
    words: int = 0
    error: TearsheetError | None = None

    def as_json(self) -> dict[str, Any]:
        """One line of `import --json`."""
        return {
            "kind": "page",
            "file": self.file,
            "url": self.url,
            "captured_at": self.captured_at,
            "why": self.why,
            "record": self.record or None,
            "id": self.id or None,
            "created": self.created,
            "verdict": self.verdict or None,
            "reasons": list(self.reasons),
            "title": self.title or None,
            "words": self.words,
            "error": str(self.error) if self.error else None,
        }


@dataclass(slots=True)
class FileReport:
    """What became of one file."""

    file: str
    sha256: str = ""
    size: int = 0
    format: str = ""
    software: str = ""
    source: str = ""  # key of the file as it was kept; empty where it was not
    pages: int = 0  # taken, or with --dry-run to be taken
    failed: int = 0  # pages that could not be taken
    left: list[Left] = field(default_factory=list)
    reasons: Mapping[str, int] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()  # errors: refused; others: told
    error: TearsheetError | None = None

    @property
    def good(self) -> bool:
        """Whether everything that had to be taken was."""
        return self.error is None and not self.failed

    def as_json(self) -> dict[str, Any]:
        """The last line of a file in `import --json`."""
        return {
            "kind": "file",
            "file": self.file,
            "sha256": self.sha256 or None,
            "bytes": self.size,
            "format": self.format or None,
            "software": self.software or None,
            "source": self.source or None,
            "pages": self.pages,
            "failed": self.failed,
            "left": dict(sorted(self.reasons.items())),
            "left_pages": [{"url": item.url, "at": item.stamp, "reason": item.reason} for item in self.left],
            "problems": [str(problem) for problem in self.problems if problem.severity != "note"],
            "error": str(self.error) if self.error else None,
        }


Heard = Callable[[PageReport], None]  # told of each page as it is done
