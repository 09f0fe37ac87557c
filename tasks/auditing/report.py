"""What an audit asks for and what it gives."""

from dataclasses import dataclass, field
from typing import Any

from tasks.auditing.codes import Finding

__all__ = ["Plan", "Report"]

MAX_KEPT = 1000  # findings that a report holds; all of them are counted, and told as they are found


@dataclass(frozen=True, slots=True)
class Plan:
    """What to read.

    | level | period_days | reads |
    | --- | --- | --- |
    | full | 30 | of every bundle and source the share that makes each read in full once in 30 days |
    | full | 0 | every bundle and source |
    | checksum, size | 0 | every manifest and event |
    """

    level: str = "full"
    period_days: int = 30
    limit: int = 0  # bundles and sources read in full at most; 0: no bound
    max_bytes: int = 0  # bytes of them; 0: no bound
    anew: bool = False  # an audit of everything that was broken off is not gone on with
    orphan_days: float = 7.0  # an upload younger than this may still be under way

    def __post_init__(self) -> None:
        if self.level not in ("size", "checksum", "full") or (self.period_days and self.level != "full"):
            raise ValueError(f"no audit has the level {self.level!r} with a period of {self.period_days} days")


@dataclass
class Report:
    """One audit."""

    store: str
    plan: Plan
    began: str = ""  # RFC 3339
    bundles: int = 0
    objects: int = 0
    due: int = 0  # bundles and sources that this audit was to look at
    read: int = 0  # that it looked at
    bytes: int = 0  # of bundles and sources that it read
    gone_on: int = 0  # that an audit which was broken off had read before
    owed: int = 0  # due and not read, because of --limit or --bytes: the next one reads them
    counts: dict[str, int] = field(default_factory=dict)  # code → findings
    bad: int = 0  # findings that are neither notes nor repaired
    repaired: int = 0
    findings: list[Finding] = field(default_factory=list)  # the first MAX_KEPT
    stopped: bool = False

    @property
    def good(self) -> bool:
        """Whether all that was looked at is well."""
        return not self.bad and not self.stopped

    def add(self, finding: Finding) -> None:
        """Count a finding."""
        self.counts[finding.code] = self.counts.get(finding.code, 0) + 1
        self.repaired += finding.repaired
        self.bad += not finding.good
        if len(self.findings) < MAX_KEPT:
            self.findings.append(finding)

    def as_json(self) -> dict[str, Any]:
        """The last line of `audit --json`."""
        names: tuple[str, ...] = (
            "store",
            "began",
            "bundles",
            "objects",
            "due",
            "read",
            "bytes",
            "gone_on",
            "owed",
            "counts",
        )
        names += ("bad", "repaired", "stopped")
        plan = {"level": self.plan.level, "period_days": self.plan.period_days}
        return {"good": self.good, **plan, **{name: getattr(self, name) for name in names}}

    def __str__(self) -> str:
        """One line for people."""
        what = {"size": "sizes of", "checksum": "recorded digests of", "full": "read in full:"}[self.plan.level]
        head = f"{what} {self.read:,} of {self.bundles:,} bundles"
        head += f", {self.bytes:,} bytes" if self.plan.level == "full" else ""
        head += f"; {self.gone_on:,} were read before the break" if self.gone_on else ""
        head += f"; {self.owed:,} owed" if self.owed else ""
        counts = ", ".join(f"{count:,} {code}" for code, count in sorted(self.counts.items()))
        tail = f"; {counts}" if counts else "; nothing found"
        tail += f"; {self.repaired:,} repaired" if self.repaired else ""
        return head + tail + ("; stopped before the rest: the same command goes on" if self.stopped else "")
