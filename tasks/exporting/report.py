"""What an export gave out and what it left out."""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.errors import DiskFull, StoreRefused, TearsheetError, TransientError

__all__ = ["STOPS", "Exported", "Heard", "Report"]

STOPS = (TransientError, StoreRefused, DiskFull)  # no other bundle would fare better


@dataclass(frozen=True, slots=True)
class Exported:
    """One bundle, given out as these files or left out."""

    id: str
    files: tuple[str, ...] = ()  # below the folder
    error: TearsheetError | None = None

    def as_json(self) -> dict[str, Any]:
        """One line of `export --json`."""
        return {"id": self.id, "files": list(self.files), "error": str(self.error) if self.error else None}


Heard = Callable[[Exported], None]


@dataclass(slots=True)
class Report:
    """One export."""

    folder: Path
    bundles: int = 0
    files: int = 0
    size: int = 0
    left: list[Exported] = field(default_factory=list)

    @property
    def good(self) -> bool:
        """Whether something was given out and nothing asked for was left out."""
        return bool(self.bundles) and not self.left

    def as_json(self) -> dict[str, Any]:
        """The last line of `export --json`."""
        return {
            "folder": str(self.folder),
            "bundles": self.bundles,
            "files": self.files,
            "bytes": self.size,
            "left_out": [item.id for item in self.left],
        }
