"""An explanation as lines: marks for everyone, colours on top of them where there is a terminal."""

from collections.abc import Iterable, Iterator, Sequence
from itertools import chain

from tasks.clean.explain import Explanation, Fate, Span
from tasks.present import DOUBTFUL, Line, print_lines, printable

__all__ = ["chosen", "effects", "print_spans", "span_json", "total_lines"]

_MARKS = {Fate.ARTICLE: "+", Fate.CAPTION: "=", Fate.REMOVED: "-"}
_STYLES = {Fate.ARTICLE: "", Fate.CAPTION: "cyan", Fate.REMOVED: "red"}
_CLIPPED = 240  # characters of a text where it is shown as a decision, not for reading
_PATH = 60


def chosen(
    explanation: Explanation, *, by_doubt: bool, concept: str | None = None, fate: str | None = None
) -> list[Span]:
    """The spans asked for, the most doubtful first or as on the page."""
    spans: Sequence[Span] = explanation.by_doubt() if by_doubt else explanation.spans
    return [
        span
        for span in spans
        if (concept is None or span.concept == concept) and (fate is None or span.fate.value == fate)
    ]


def print_spans(spans: Iterable[Span], explanation: Explanation, *, as_decisions: bool) -> None:
    """The spans on stdout, as decisions or as text for reading, and the totals of the whole page below them."""
    lines = _decision_lines(spans) if as_decisions else (_marked(span, span.text) for span in spans)
    print_lines(chain(lines, [(("", ""),)], (((line, ""),) for line in total_lines(explanation))))


def _decision_lines(spans: Iterable[Span]) -> Iterator[Line]:
    """Each span as a decision: the beginning of its text, and below what decided and where it stands."""
    for span in spans:
        yield _marked(span, span.text if len(span.text) <= _CLIPPED else span.text[: _CLIPPED - 1] + "…")
        yield ((f"       {_where(span)}", "dim"),)


def _marked(span: Span, text: str) -> Line:
    style = _STYLES[span.fate]
    return (
        (f"{span.doubt:4.2f} ", "bold yellow" if span.doubt >= DOUBTFUL else "dim"),
        (f"{_MARKS[span.fate]} ", style),
        (f"[{span.concept}:{span.rule}] " if span.concept else "", f"bold {style}"),
        (printable(text), style),
    )


def _where(span: Span) -> str:
    """What decided, how much text it is, and where it stands."""
    parts = [span.why, f"score {span.score:.2f}", effects(span), f"{span.chars:,} characters", _short(span.path)]
    return " · ".join(part for part in parts if part)


def effects(span: Span) -> str:
    """The features that led to the score, with what each did."""
    return ", ".join(f"{name} {effect:+.1f}" for name, effect in span.leading)


def _short(path: str) -> str:
    """The last steps of a path."""
    return path if len(path) <= _PATH else "…" + path[path.find("/", len(path) - _PATH) :]


def total_lines(explanation: Explanation) -> Iterator[str]:
    """A table: characters, share, spans and highest doubt of what was kept and of each concept."""
    whole = explanation.page_chars
    yield f"{'':20} {'characters':>10} {'share':>7} {'spans':>6}  most doubtful"
    for total in explanation.totals():
        share = 100 * total.chars / whole
        yield f"{total.name:20} {total.chars:10,} {share:6.1f}% {total.spans:6,}  {total.doubt:.2f}"
    yield f"{'in all':20} {whole:10,} {'':7} {len(explanation.spans):6,}"


def span_json(span: Span) -> dict[str, object]:
    """The fields of `explain --json`."""
    return {
        "fate": span.fate.value,
        "concept": span.concept or None,
        "rule": span.rule or None,
        "why": span.why or None,
        "score": span.score,
        "doubt": span.doubt,
        "leading": [list(one) for one in span.leading],
        "path": span.path,
        "text": span.text,
        "chars": span.chars,
        "removal": span.removal,
    }
