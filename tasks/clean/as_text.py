"""The article as plain text: exactly the characters of its text nodes, an empty line between blocks."""

from typing import Final

from bs4.element import NavigableString, Tag

from tasks.clean.spaces import folded
from tasks.clean.tags import BLOCK_TAGS

__all__ = ["as_text"]

_TIGHT: Final = frozenset(["li", "dt", "dd", "tr"])  # follow one another without an empty line
_CELLS: Final = frozenset({"td", "th"})


def as_text(soup: Tag) -> str:
    """The text of what is left in the soup. Nothing is added but white space, nothing lost but white space."""
    writer = _Writer()
    stack = [("", iter(soup.contents))]
    while stack:
        name, children = stack[-1]
        child = next(children, None)
        if child is None:
            stack.pop()
            writer.leave(name)
        elif isinstance(child, Tag):
            if child.name == "br":
                writer.line.append("\n")
            else:
                writer.enter(child.name)
                stack.append((child.name, iter(child.contents)))
        elif isinstance(child, NavigableString):
            writer.line.append(child if writer.verbatim else _one_line(child))
    writer.flush()
    return "".join(writer.out)


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
        if name in BLOCK_TAGS:
            self.flush()
            self.separate("\t" if name in _CELLS else "\n" if name in _TIGHT else "\n\n", name)
            self.verbatim += name == "pre"

    def leave(self, name: str) -> None:
        """A tag closes."""
        if name in BLOCK_TAGS:
            self.flush()
            self.verbatim -= name == "pre"
            self.separate("\t" if name in _CELLS else "\n" if name in _TIGHT else "\n\n", name)

    def separate(self, gap: str, name: str) -> None:
        """The widest gap asked for wins; cells of a row stay on its line."""
        order = ("", "\t", "\n", "\n\n")
        if order.index(gap) > order.index(self.gap):
            self.gap = gap

    def flush(self) -> None:
        """Put the line out, where it holds anything to see."""
        text = "".join(self.line)
        self.line.clear()
        if self.verbatim:
            text = "\n".join(row.rstrip() for row in text.strip("\n").split("\n"))
        else:
            text = "\n".join(row for part in text.split("\n") if (row := folded(part)))
        if text.strip():
            if self.out:
                self.out.append(self.gap or "\n")
            self.out.append(text)
            self.gap = ""
