"""A comparison on a terminal: in colour there, with [-removed-] and {+added+} elsewhere."""

from collections.abc import Iterator

from tasks.bundle.manifest import Manifest
from tasks.comparing import Comparison
from tasks.present import diff_text, printable

__all__ = ["comparison_lines"]


def comparison_lines(found: Comparison, *, colour: bool) -> Iterator[str]:
    """Which two, then the fields that differ, then the text around each change."""
    yield f"before  {_side(found.before)}"
    yield f"after   {_side(found.after)}"
    for item in found.fields:
        yield f"{item.name}: {diff_text(item.diff, colour=colour)}"
    yield ""
    if not found.changed:
        yield "The text is the same, word by word."
        return
    yield f"text: +{found.text.added:,} −{found.text.removed:,} words" + (", typography only" if found.alike else "")
    yield diff_text(found.text, colour=colour)


def _side(manifest: Manifest) -> str:
    at = manifest.captured_at.replace("T", " ").removesuffix("Z")
    return f"{manifest.id}  {at} UTC  {manifest.verdict.kind.value}  {printable(manifest.final_url)}"
