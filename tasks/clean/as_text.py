"""The article as plain text: exactly the characters of its text nodes, an empty line between blocks.

Captions are no part of the text: they are given beside it.
"""

from collections.abc import Iterator
from typing import Final

from bs4.element import NavigableString, PageElement, Tag

from tasks.clean.soup import Kept
from tasks.clean.spaces import folded
from tasks.clean.tags import BLOCK_TAGS

__all__ = ["as_text"]

_TIGHT: Final = frozenset(["li", "dt", "dd", "tr"])  # follow one another without an empty line
_GAPS: Final = {name: "\t" if name in ("td", "th") else "\n" if name in _TIGHT else "\n\n" for name in BLOCK_TAGS}


def as_text(kept: Kept) -> tuple[str, tuple[str, ...]]:
    """The text of what is left in the soup, and its captions. Nothing is added or lost but white space."""
    text = _Writer()
    writer, captions = text, list[str]()
    stack: list[tuple[str, Iterator[PageElement]]] = [("", iter(kept.soup.contents))]
    outside = 0  # how deep the stack was where a caption began
    while stack:
        name, children = stack[-1]
        for child in children:
            if isinstance(child, Tag):
                if child.name == "br":
                    writer.line.append("\n")
                    continue
                if kept.captions and not outside and kept.is_caption(child):
                    text.edge("\n\n")
                    writer, outside = _Writer(), len(stack)
                writer.enter(child.name)
                stack.append((child.name, iter(child.contents)))
                break
            if isinstance(child, NavigableString):
                writer.line.append(child if writer.verbatim else _one_line(child))
        else:
            stack.pop()
            writer.leave(name)
            if outside and len(stack) == outside:
                captions.append(writer.text())
                writer, outside = text, 0
    return text.text(), tuple(caption for caption in captions if caption)


def _one_line(text: str) -> str:
    return text.replace("\n", " ").replace("\r", " ") if "\n" in text or "\r" in text else text


class _Writer:
    """Collects the line under way and puts it out where a block starts or ends."""

    def __init__(self) -> None:
        self.out: list[str] = []
        self.line: list[str] = []
        self.verbatim = 0  # open <pre>
        self.gap = ""  # what separates the next line from the one before

    def enter(self, name: str) -> None:
        """A tag opens."""
        if gap := _GAPS.get(name):
            self.edge(gap)
            self.verbatim += name == "pre"

    def leave(self, name: str) -> None:
        """A tag closes."""
        if gap := _GAPS.get(name):
            self.edge(gap)
            self.verbatim -= name == "pre"

    def edge(self, gap: str) -> None:
        """A line ends; of the gaps asked for the widest wins, and cells of a row stay on its line."""
        if self.line:
            self.flush()
        self.gap = max(gap, self.gap)  # a tab sorts before a line feed, and one line feed before two

    def text(self) -> str:
        """All of it."""
        self.flush()
        return "".join(self.out)

    def flush(self) -> None:
        """Put the line out, where it holds anything to see."""
        text = "".join(self.line)
        self.line.clear()
        if self.verbatim:
            text = "\n".join(row.rstrip() for row in text.strip("\n").split("\n"))
        elif "\n" in text:
            text = "\n".join(row for part in text.split("\n") if (row := folded(part)))
        else:
            text = folded(text)
        if text and not text.isspace():
            self.out += [self.gap or "\n", text] if self.out else [text]
            self.gap = ""
