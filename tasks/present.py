"""How results look: one line for people on a terminal, one JSON object a line for machines, talk on stderr."""

import json
import re
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING, Any

from tasks import logs
from tasks.records import Removal

if TYPE_CHECKING:  # what is shown was made by then; `list` and `verify` need not wait for parsers
    from rich.progress import Progress

    from tasks.catalog import Entry
    from tasks.diff import Diff
    from tasks.outbox import Delivered
    from tasks.pipeline import Outcome
    from tasks.recleaning import Recleaned

__all__ = [
    "DOUBTFUL",
    "Line",
    "Talk",
    "diff_text",
    "entry_line",
    "in_quarantine",
    "ledger_lines",
    "outcome_line",
    "print_json",
    "print_lines",
    "printable",
    "pushed_line",
    "recleaned_line",
    "summary_line",
]

# Controls, which a terminal obeys, and marks that turn the writing round: a page could forge what is printed of it.
_MISSING_TOLD = 5  # requisites named in a line for people
_UNPRINTABLE = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]")


def printable(text: str) -> str:
    """`text` from a page or server, harmless on a terminal; tabs and line ends stay."""
    return _UNPRINTABLE.sub("\ufffd", text)


def print_json(value: Any) -> None:
    """One JSON object on a line of stdout, there at once for whoever reads along."""
    ascii_only = sys.stdout.encoding.lower() != "utf-8"  # JSON is UTF-8, or ASCII with escapes
    sys.stdout.write(json.dumps(value, ensure_ascii=ascii_only) + "\n")
    sys.stdout.flush()


def outcome_line(outcome: "Outcome") -> str:
    """What became of one URL: verdict, id, size of the article, or the error."""
    if outcome.error:
        return printable(f"{outcome.kind:8} {outcome.url}\n         {outcome.error}")
    verdict, ref = outcome.verdict, outcome.ref
    if verdict is None or ref is None:
        return f"failed   {outcome.url}"
    title = printable(outcome.title or outcome.final_url)
    if outcome.observation:
        seen = f"unchanged since {ref.id}  {title}\n         {outcome.observation}, {outcome.elapsed_s:.2f} s"
        return seen + _robots(outcome)
    reasons = f" ({', '.join(verdict.reasons)})" if verdict.reasons else ""
    removed = sum(outcome.removed.values())
    late = "".join(
        f"\n         {printable(str(item))}" for item in outcome.problems if item.code == "timestamp-missing"
    )
    return (
        f"{verdict.kind.value:8} {title}{reasons}\n         {ref.id}  {outcome.words:,} words kept, "
        f"{removed:,} characters removed, {ref.size:,} bytes, {outcome.elapsed_s:.2f} s\n         {ref.key}"
        f"{_drawn(outcome)}{_requisites_lines(outcome)}{_robots(outcome)}{late}"
    )


def _drawn(outcome: "Outcome") -> str:
    """Which browser drew the page, what it made, and what was not as it should be."""
    seen = outcome.rendered
    if not seen:
        return ""
    made = [_MADE[one.name] for one in seen.resources]
    refused = f"; {len(seen.refused):,} request{'s' * (len(seen.refused) != 1)} refused" if seen.refused else ""
    noted = "".join(f"; {item}" for item in (*seen.overlays, *seen.flags))
    return printable(f"\n         drawn by {seen.product}: {', '.join(made)}{refused}{noted}")


_MADE = {"dom": "DOM", "view": "screenshot", "thumbnail": "thumbnail", "pdf": "PDF"}


def _requisites_lines(outcome: "Outcome") -> str:
    """How many requisites came, and which of them did not: the first, for `--json` has them all."""
    found = outcome.requisites
    if not found or not found.wanted:
        return ""
    lines = [f"requisites: {found.captured:,} of {found.wanted:,}"]
    lines += [f"missing: {one.url} ({one.reason})" for one in found.missing[:_MISSING_TOLD]]
    if len(found.missing) > _MISSING_TOLD:
        lines.append(f"missing: {len(found.missing) - _MISSING_TOLD:,} more, see --json")
    return "".join(f"\n         {printable(line)}" for line in lines)


def _robots(outcome: "Outcome") -> str:
    return printable(f"\n         archived although {outcome.robots}") if outcome.robots else ""


def pushed_line(done: "Delivered") -> str:
    """What became of one bundle that was pushed."""
    if done.ref is None:
        return printable(f"waits    {done.path}\n         {done.error}")
    return (
        f"{'stored' if done.ref.created else 'there':8} {done.ref.id}  {done.ref.size:,} bytes\n         {done.ref.key}"
    )


def summary_line(outcomes: Counter[str], *, stopped: bool = False) -> str:
    """How many URLs ended with which verdict."""
    total = sum(outcomes.values())
    parts = ", ".join(f"{count:,} {kind}" for kind, count in sorted(outcomes.items()))
    head = f"{total:,} URL{'s' if total != 1 else ''}: {parts}" if total else "no URL"
    return head + ("; stopped before the rest" if stopped else "")


def entry_line(entry: "Entry") -> str:
    """One row of `list`; of a bundle that was taken down when and why, and nothing else; in quarantine with reasons."""
    if entry.tombstone:
        gone = entry.tombstone.replace("\n", " ")
        return printable(f"{entry.id}  taken down {gone}")
    apart = f"\n    {in_quarantine(entry)}" if entry.quarantine else ""
    title = printable(entry.title) or "–"
    return f"{entry.id}  {entry.verdict:8} {entry.words:6,} words  {title}\n    {entry.final_url}{apart}"


def in_quarantine(entry: "Entry") -> str:
    """That a bundle is kept apart, and why."""
    reasons = printable(", ".join(entry.reasons))
    return f"in quarantine: {reasons}" if reasons else "in quarantine"


DOUBTFUL = 0.8  # from here on a person may well decide otherwise


def ledger_lines(removals: Iterable[Removal | dict[str, Any]]) -> Iterator[str]:
    """The ledger, one removal a line: concept, characters, doubt ("?": doubtful), rule, the text's beginning."""
    for removal in removals:
        row = removal if isinstance(removal, dict) else {name: getattr(removal, name) for name in _SHOWN}
        text = row["text"] if len(row["text"]) <= 90 else row["text"][:89] + "…"
        doubt = row.get("doubt", 0.0)
        mark = "?" if doubt >= DOUBTFUL else " "
        yield f"{row['concept']:12} {row['chars']:6,} {doubt:5.2f}{mark} {row['rule']:28} {printable(text)}"


_SHOWN = ("concept", "rule", "chars", "doubt", "text")

Line = tuple[tuple[str, str], ...]  # parts of a line, each with its style on a terminal


def print_lines(lines: Iterable[Line]) -> None:
    """Lines in colour on a terminal, and as plain text elsewhere."""
    if not sys.stdout.isatty():
        sys.stdout.writelines("".join(text for text, _ in line) + "\n" for line in lines)
        return
    from rich.console import Console
    from rich.text import Text

    console = Console(highlight=False)
    for line in lines:
        console.print(Text.assemble(*line), soft_wrap=True)


# ------------------------------------------------------------------ what changed
_MARKS = {"removed": ("[-", "-]"), "added": ("{+", "+}")}  # as wdiff writes them
_COLOURS = {"removed": ("\x1b[31;9m", "\x1b[0m"), "added": ("\x1b[32m", "\x1b[0m")}  # red and struck through, green
_CONTEXT = 8  # words of what is the same that are shown on either side of a change


def recleaned_line(item: "Recleaned") -> str:
    """What became of one stored bundle under the rules of now."""
    if item.error:
        return printable(f"problem    {item.error}")
    if not item.parts:
        return f"unchanged  {item.id}"
    facts = [f"+{item.added:,} −{item.removed:,} words"] if "article" in item.parts else []
    facts += [f"changed: {', '.join(item.fields)}"] if item.fields else []
    facts += ["ledger"] if "ledger" in item.parts and not facts else []
    if item.before != item.after:
        facts.append(f"verdict {item.before} → {item.after}")
    if item.status == "worse":
        facts.append("the good one stays the one shown")
    return f"{item.status:9}  {item.id} → {item.new_id or 'not stored'}  {'; '.join(facts) or 'form of the text'}"


def diff_text(diff: "Diff", *, colour: bool) -> str:
    """What was removed and added, by word, with a little of what stands around it; one line for each line of text."""
    marks = _COLOURS if colour else _MARKS
    shown, last = [], len(diff.pieces) - 1
    for number, piece in enumerate(diff.pieces):
        if piece.kind == "same":
            shown.append(_around(printable(piece.text), first=number == 0, last=number == last))
        else:
            start, end = marks[piece.kind]
            text = printable(piece.text)
            body = text.rstrip()
            shown.append(f"{start}{body}{end}{text[len(body) :]}")
    return re.sub(r"\n{2,}", "\n", "".join(shown)).strip("\n")


def _around(text: str, *, first: bool, last: bool) -> str:
    """The ends of an unchanged stretch that touch a change, and … for the rest."""
    words = list(re.finditer(r"\S+\s*", text))
    if len(words) <= 2 * _CONTEXT + 1:
        return text
    head = "" if first else text[: words[_CONTEXT].start()]
    tail = "" if last else text[words[-_CONTEXT].start() :]
    return f"{head}… {tail}" if tail else f"{head}…"


class Talk:
    """What is said on stderr: plain lines; within `with`, on a terminal, a progress bar for more than one."""

    def __init__(self, total: int | None = None, *, doing: str = "archiving") -> None:
        self.total, self.doing = total, doing  # total None: nobody knows yet
        self.bar: Progress | None = None

    def __enter__(self) -> "Talk":
        if sys.stderr.isatty() and self.total != 1 and not logs.as_json():
            self.bar = _bar()
            self.bar.start()
            self.row = self.bar.add_task(self.doing, total=self.total)
        return self

    def __exit__(self, *exc: object) -> None:
        if self.bar:
            self.bar.stop()

    def advance(self, what: str, total: int | None = None) -> None:
        """One more URL or bundle is done, of `total` where that is known only now."""
        if self.bar:
            self.bar.update(self.row, advance=1, description=what[-50:], total=total or self.total)
        elif logs.as_json():
            logs.say("done", **{"url" if "://" in what else "id": what})

    def say(self, line: str) -> None:
        """One line for people."""
        if self.bar:
            self.bar.console.print(line, markup=False, highlight=False, soft_wrap=True)
        else:
            logs.say(line)


def _bar() -> "Progress":
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

    return Progress(
        SpinnerColumn(),
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        console=Console(stderr=True),
        transient=True,
        redirect_stdout=sys.stdout.isatty(),  # else results meant for a file or pipe would go to the terminal
    )
