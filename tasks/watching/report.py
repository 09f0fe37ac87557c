"""What one run did: the truth per URL, in the store, for people and for the run after it.

An event `watch` holds the pages of one shard, an event `report` the sums of the run, what is due next, and alarms.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from statistics import median
from typing import Any

from tasks.pipeline import MASKED, Outcome
from tasks.records import Validators
from tasks.store.events import Event
from tasks.turns import host_of
from tasks.watching.alarms import Alarm
from tasks.watching.due import FAILED
from tasks.watching.plan import Plan
from tasks.watching.state import REPORT, WATCH

__all__ = ["Report", "pages_event", "report_event"]

_SLOWEST = 5  # hosts named


@dataclass(frozen=True, slots=True)
class Report:
    """What one run did."""

    source: str
    run: str  # its id: when it began, yyyymmddhhmmss
    plan: Plan
    outcomes: tuple[Outcome, ...]  # without their texts
    passed_over: int = 0  # URLs that the source names and that are not wanted: `watch preview` shows why
    notes: tuple[str, ...] = ()  # of discovering: a feed that has not changed, …
    validators: Validators | None = None  # what the next run may ask the source with
    asked_as: str = ""  # digest of what decides which pages of the source are wanted
    share: tuple[int, int] = (0, 1)  # of the hosts: number, of how many
    alarms: tuple[Alarm, ...] = ()
    next_due_at: float | None = None  # seconds since the epoch; None: nothing is due
    stopped: bool = False  # before all that was due

    @property
    def archived(self) -> int:
        """Pages stored with a good verdict, or found unchanged."""
        return sum(outcome.good for outcome in self.outcomes)

    @property
    def failed(self) -> tuple[Outcome, ...]:
        """What was not stored, or stored with a bad verdict."""
        return tuple(outcome for outcome in self.outcomes if not outcome.good)

    @property
    def good(self) -> bool:
        """Whether everything due was archived well."""
        return not self.failed and not self.stopped

    @property
    def barred(self) -> int:
        """Pages that robots.txt has kept us from."""
        tried = {outcome.url for outcome in self.outcomes}
        return sum(url not in tried for url, _ in self.plan.disallowed)

    @property
    def kinds(self) -> Mapping[str, int]:
        """Pages by what became of them: new, changed, unchanged, failed, or the bad verdict."""
        return dict(sorted(Counter(map(_fate, self.outcomes)).items()))

    def __str__(self) -> str:
        """One line for people."""
        plan, kinds = self.plan, self.kinds
        told = ", ".join(f"{kinds[kind]} {kind}" for kind in ("new", "changed", "unchanged") if kind in kinds)
        alarms = f", {len(self.alarms)} alarm{'s' * (len(self.alarms) != 1)}" if self.alarms else ""
        return (
            f"{self.source}: {plan.found} found, {plan.held} held, {self.archived} archived"
            f"{f' ({told})' if told else ''}, {len(self.failed)} failed, "
            f"{len(plan.disallowed)} disallowed by robots.txt, {plan.left} left over{alarms}"
            f"{', stopped' if self.stopped else ''}"
        )

    def as_json(self) -> dict[str, Any]:
        """The report's fields, with one object for each page tried."""
        return {**self.sums(), "pages": [outcome.as_json() for outcome in self.outcomes]}

    def sums(self) -> dict[str, Any]:
        """The report without its pages."""
        return {
            "source": self.source,
            "run": self.run,
            "found": self.plan.found,
            "held": self.plan.held,
            "archived": self.archived,
            "failed": len(self.failed),
            "kinds": self.kinds,
            "disallowed": [{"url": url, "reason": reason} for url, reason in self.plan.disallowed],
            "unread": len(self.plan.unread),
            "barred": self.barred,
            "left": self.plan.left,
            "passed_over": self.passed_over,
            "bytes": sum(outcome.ref.size for outcome in self.outcomes if outcome.ref and outcome.ref.created),
            "slowest": [{"host": host, "seconds": seconds} for host, seconds in self.slowest()],
            "page_seconds": self.page_seconds(),
            "next_due_at": _moment(self.next_due_at) if self.next_due_at is not None else None,
            "notes": list(self.notes),
            "validators": asdict(self.validators) if self.validators else None,
            "asked_as": self.asked_as,
            "share": list(self.share),
            "alarms": [{"code": alarm.code, "what": alarm.what} for alarm in self.alarms],
            "stopped": self.stopped,
        }

    def page_seconds(self) -> dict[str, float]:
        """How long a page took from its turn to the stored bundle; empty where none was tried."""
        times = sorted(outcome.elapsed_s for outcome in self.outcomes)
        if not times:
            return {}
        tenth = times[min(len(times) - 1, len(times) * 9 // 10)]
        return {"median": round(median(times), 3), "p90": round(tenth, 3), "longest": round(times[-1], 3)}

    def slowest(self) -> list[tuple[str, float]]:
        """The hosts whose pages took longest, with the median seconds of a page."""
        by_host: dict[str, list[float]] = {}
        for outcome in self.outcomes:
            by_host.setdefault(host_of(outcome.url), []).append(outcome.elapsed_s)
        found = ((host, round(median(times), 3)) for host, times in by_host.items())
        return sorted(found, key=lambda pair: -pair[1])[:_SLOWEST]


def _fate(outcome: Outcome) -> str:
    if outcome.error or not outcome.verdict:
        return "waiting" if outcome.waiting else FAILED
    if outcome.observation:
        return "unchanged"
    if not outcome.good:
        return outcome.verdict.kind.value
    return "changed" if outcome.version and outcome.version > 1 else "new"


# ------------------------------------------------------------------ events
def pages_event(source: str, run: str, outcomes: Iterable[Outcome], now: datetime) -> Event:
    """The event that tells of the pages of one shard."""
    rows = [dict(_row(outcome, now)) for outcome in outcomes if MASKED not in outcome.url]
    return Event(WATCH, now, detail={"source": source, "run": run, "pages": rows})


def _row(outcome: Outcome, now: datetime) -> Iterator[tuple[str, Any]]:
    """The fields of one page; what says nothing is left out."""
    yield "url", outcome.url
    yield "at", now.isoformat(timespec="milliseconds")
    kind = outcome.kind
    yield "kind", FAILED if kind == "waiting" else kind
    fields: dict[str, Any] = {
        "id": outcome.ref.id if outcome.ref else "",
        "version": outcome.version,
        "words": outcome.words,
        "bytes": outcome.ref.size if outcome.ref and outcome.ref.created else 0,
        "change": outcome.change,
        "why": _why(outcome),
    }
    yield from ((name, value) for name, value in fields.items() if value)


def _why(outcome: Outcome) -> str:
    if outcome.error:
        return f"{outcome.error.code}: {outcome.error}"
    return ", ".join(outcome.verdict.reasons) if outcome.verdict else ""


def report_event(report: Report, facts: Mapping[str, Any], now: datetime) -> Event:
    """The event that tells of a run; `facts` are what later runs are held against (tasks/watching/alarms.py)."""
    return Event(REPORT, now, detail={**report.sums(), "facts": dict(facts)})


def _moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="seconds")
