"""A comparison as one HTML page: both captures with their digests, the fields, and the whole text with its changes.

All text is a stranger's: every value goes through `escaped`. Paragraphs take the direction of their own text.
"""

import re
from collections.abc import Iterable, Iterator
from itertools import zip_longest
from pathlib import Path

from tasks import __version__
from tasks.bundle.manifest import Manifest
from tasks.comparing import Comparison
from tasks.diff import Diff, Piece
from tasks.standalone import escaped, page_head

__all__ = ["comparison_page"]

_STYLE = Path(__file__).with_name("page.css").read_text(encoding="utf-8")
_TAGS = {"added": "ins", "removed": "del"}


def comparison_page(found: Comparison, *, verified: bool) -> Iterator[str]:
    """The page piece by piece; `verified`: both bundles were read in full and are sound."""
    title = found.after.metadata.title.value if found.after.metadata.title else found.after.final_url
    yield page_head(f"{title} – what changed", _STYLE)
    yield f'<header>\n<h1 dir="auto">{escaped(title)}</h1>\n</header>\n'
    yield from _sides(found, verified)
    yield from _fields(found)
    added, removed = f"{found.text.added:,}", f"{found.text.removed:,}"
    yield f"<section>\n<h2>Text</h2>\n<p class=sum><ins>+{added}</ins> <del>−{removed}</del> words{_note(found)}</p>\n"
    yield '<div class="text">\n'
    yield from _paragraphs(found.text.pieces)
    yield f"</div>\n</section>\n<footer>Made by tearsheet {escaped(__version__)}.</footer>\n</body>\n</html>\n"


def _note(found: Comparison) -> str:
    if not found.changed:
        return ": the same, word by word"
    return ": white space and typography only" if found.alike else ""


def _sides(found: Comparison, verified: bool) -> Iterator[str]:
    yield "<section>\n<h2>The two captures</h2>\n<table>\n<tr><th><th>before<th>after</tr>\n"
    after = _row(found.after)
    for name, value in _row(found.before).items():
        yield f"<tr><th>{name}<td><bdi>{escaped(value)}</bdi><td><bdi>{escaped(after[name])}</bdi></tr>\n"
    proof = "Both bundles were read in full and verify." if verified else (
        "Text and metadata are those of the manifests; the bundles were not read (`--full` does)."
    )  # fmt: skip
    yield f"</table>\n<p>{proof}</p>\n</section>\n"


def _row(manifest: Manifest) -> dict[str, str]:
    return {
        "bundle": manifest.id,
        "captured": manifest.captured_at,
        "URL": manifest.final_url,
        "verdict": manifest.verdict.kind.value,
        "words": f"{manifest.words:,}",
        "bundle’s digest": manifest.sha256,
        "text’s digest": manifest.text_sha256,
    }


def _fields(found: Comparison) -> Iterator[str]:
    if not found.fields:
        return
    yield "<section>\n<h2>Metadata</h2>\n<table>\n"
    for item in found.fields:
        yield f'<tr><th>{item.name}<td dir="auto">{_inline(item.diff)}</tr>\n'
    yield "</table>\n</section>\n"


def _inline(diff: Diff) -> str:
    return "".join(_marked(piece.kind, piece.text) for piece in diff.pieces)


def _marked(kind: str, text: str) -> str:
    """A stretch of one line."""
    tag = _TAGS.get(kind)
    return f"<{tag}>{escaped(text)}</{tag}>" if tag and text else escaped(text)


def _paragraphs(pieces: Iterable[Piece]) -> Iterator[str]:
    """The text, a paragraph for each of its lines; a change over several lines is marked in each, and what was put in
    place of the end of a line stands in the same one."""
    line: list[str] = []
    every = list(pieces)
    for piece, after in zip_longest(every, every[1:]):
        replaced = piece.kind == "removed" and after and after.kind == "added"
        text = piece.text.rstrip("\n") + " " if replaced and piece.text.endswith("\n") else piece.text
        for part in re.split(r"(\n+)", text):
            if part.startswith("\n"):
                yield from _paragraph(line)
                line = []
            elif part:
                line.append(_marked(piece.kind, part))
    yield from _paragraph(line)


def _paragraph(line: list[str]) -> Iterator[str]:
    if line:
        yield f'<p dir="auto">{"".join(line)}</p>\n'
