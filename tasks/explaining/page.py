"""An explanation as one HTML page: the text in the order of the page, what went struck through and labelled.

The page loads nothing and runs nothing, and says so by its Content-Security-Policy: style-src names the one stylesheet
by its hash. All text is a stranger's: every value goes through `_e`. Paragraphs take the direction of their own text
(dir=auto does not look into <bdi>, so that labels, which are <bdi>, do not count).
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path
from typing import Final

from tasks import __version__, standalone
from tasks.clean.explain import Explanation, Fate, Span
from tasks.explaining.lines import effects
from tasks.present import DOUBTFUL
from tasks.standalone import escaped as _e

__all__ = ["page_pieces", "save_page"]

INDEXED: Final = 20  # decisions in the index of the most doubtful
_SHOWN: Final = 140  # characters of a text in the index
_OWN: Final = ' dir="auto"'  # the direction of the text itself
_MANY, _BRIEF = 4, 60  # a box of more texts than so many, of fewer characters each, is set as one paragraph
_STYLE: Final = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_SHAPES: Final = {"li": "item", "dd": "item", "dt": "item", "blockquote": "quote"}  # else a plain paragraph
_HEADINGS: Final = frozenset({"h1", "h2", "h3", "h4", "h5", "h6"})


def save_page(path: Path, explanation: Explanation, *, source: str, notes: Sequence[str], force: bool) -> None:
    """Write the page; the name appears when it is whole. Raises WouldOverwrite without `force`."""
    standalone.save_page(path, page_pieces(explanation, source=source, notes=notes), force=force)


def page_pieces(explanation: Explanation, *, source: str, notes: Sequence[str] = ()) -> Iterator[str]:
    """The page piece by piece."""
    ordered = sorted(enumerate(explanation.spans), key=lambda item: -item[1].doubt)[:INDEXED]
    title = explanation.title or source
    yield standalone.page_head(f"{title} – explained", _STYLE)
    yield f'<header>\n<h1 dir="auto">{_e(title)}</h1>\n'
    addresses = dict.fromkeys(value for value in (source, explanation.url) if value)
    yield from (f"<p><bdi>{_e(line)}</bdi></p>\n" for line in (*addresses, *notes))
    yield "</header>\n"
    yield from _summary(explanation)
    yield from _index(ordered)
    yield '<section>\n<h2>The page, text by text</h2>\n<div class="text">\n'
    yield from _text(explanation.spans, {number for number, _ in ordered})
    yield (
        "</div>\n</section>\n<footer>Struck through: not in the article. Doubt: 0.00 certain, 1.00 on the edge of the "
        f"other fate. Made by tearsheet {__version__}.</footer>\n</body>\n</html>\n"
    )


# ------------------------------------------------------------------ summary, index
def _summary(explanation: Explanation) -> Iterator[str]:
    whole = explanation.page_chars
    yield (
        "<section>\n<h2>What became of it</h2>\n<table>\n"
        "<tr><th>concept<th>characters<th>share<th><th>texts<th>most doubtful</tr>\n"
    )
    for total in explanation.totals():
        share = total.chars / whole
        yield (
            f'<tr class="{total.fate.value}"><td>{_e(total.name)}<td>{total.chars:,}<td>{share:.1%}'
            f'<td><meter value="{share:.4f}">{share:.1%}</meter><td>{total.spans:,}<td>{_doubt(total.doubt)}</tr>\n'
        )
    yield f"<tr><td>in all<td>{whole:,}<td><td><td>{len(explanation.spans):,}<td></tr>\n</table>\n</section>\n"


def _index(ordered: Iterable[tuple[int, Span]]) -> Iterator[str]:
    yield "<section>\n<h2>The most doubtful decisions</h2>\n<nav><ol>\n"
    for number, span in ordered:
        text = span.text if len(span.text) <= _SHOWN else span.text[: _SHOWN - 1] + "…"
        shown = f"<del>{_e(text)}</del>" if span.fate is Fate.REMOVED else _e(text)
        yield (
            f'<li>{_doubt(span.doubt)} <a href="#t{number}"><bdi>{shown}</bdi></a> {_label(span)}'
            f'<span class="path">{_e(span.path)}</span></li>\n'
        )
    yield "</ol></nav>\n</section>\n"


def _doubt(doubt: float) -> str:
    """A number on a ground that is the stronger the nearer the decision was."""
    step = 4 if doubt >= 0.95 else 3 if doubt >= DOUBTFUL else 2 if doubt >= 0.5 else 1 if doubt >= 0.25 else 0
    return f'<bdi class="doubt d{step}">{doubt:.2f}</bdi>'


def _label(span: Span) -> str:
    """Who decided: the concept with its rule, or the score with the features that led to it."""
    score = f"score {span.score:.2f}"
    if led := effects(span):
        score += f": {led}"
    if span.fate is not Fate.REMOVED:
        kept = "kept" if span.fate is Fate.ARTICLE else "kept as caption"
        return f'<bdi dir="ltr" class="label kept"><b>{kept}</b> · {_e(score)}</bdi>'
    by = score if span.rule == "score" else f"{span.rule} · {score}"
    why = f" · {span.why}" if span.why else ""
    return f'<bdi dir="ltr" class="label"><b>{_e(span.concept)}</b> · {_e(by)}{_e(why)}</bdi>'


# ------------------------------------------------------------------ the text
def _text(spans: Sequence[Span], indexed: set[int]) -> Iterator[str]:
    """Paragraph by paragraph; blocks that went whole and together stand in one box."""
    numbered = enumerate(spans)
    blocks = [list(block) for _, block in groupby(numbered, key=lambda item: item[1].block)]
    for line, group in groupby(blocks, key=_whole_removal):
        together = list(group)
        if line is None:
            yield from (_paragraph(block, indexed, labelled=True) for block in together)
            continue
        gone = [span for block in together for _, span in block]
        most = max(gone, key=lambda span: span.doubt)
        yield f'<div class="gone"><div class="head">{_doubt(most.doubt)} {_label(most)}</div>\n'
        run = len(gone) > _MANY and sum(len(span.text) for span in gone) < _BRIEF * len(gone)
        yield '<div class="run" dir="auto">\n' if run else "<div>\n"
        yield from (_paragraph(block, indexed, direction="" if run else _OWN) for block in together)
        yield "</div></div>\n"


def _whole_removal(block: list[tuple[int, Span]]) -> int | None:
    """The line of the ledger that a block went to as a whole; None where part of it was kept or went otherwise."""
    first = block[0][1].removal
    return first if all(span.removal == first for _, span in block) else None


def _paragraph(
    block: list[tuple[int, Span]], indexed: set[int], *, labelled: bool = False, direction: str = _OWN
) -> str:
    tag = block[0][1].path.rpartition("/")[2].partition("[")[0]
    parts: list[str] = []
    for number, span in block:
        text = _e(span.text)
        if span.fate is Fate.REMOVED:
            text = f"<del>{text}</del>" + (f" {_label(span)} {_doubt(span.doubt)}" if labelled else "")
        else:
            text = f"<i>{text}</i>" if span.fate is Fate.CAPTION else text
        if span.fate is not Fate.REMOVED and span.doubt >= DOUBTFUL:
            text += f" {_label(span)} {_doubt(span.doubt)}"
        anchor = f'<span id="t{number}">{text}</span>' if number in indexed else text
        parts.append(("" if span.glued or not parts else " ") + anchor)
    name = "h3" if tag in _HEADINGS else "p"
    shape = f' class="{_SHAPES[tag]}"' if tag in _SHAPES else ""
    return f"<{name}{direction}{shape}>{''.join(parts)}</{name}>\n"
