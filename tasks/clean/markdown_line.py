"""One line of Markdown: words and marks so that CommonMark reads the same words and, where it can, the same marks.

A line is a list of pieces: texts as they stand on the page, edges of marks (bold, link, code), breaks, and pictures,
which are Markdown already. Marks hug their words; where CommonMark would not see a mark (`**this.**that`), it is
left out rather than shown as stars. The rules: https://spec.commonmark.org/0.31.2/#delimiter-run
"""

import re
from dataclasses import dataclass
from string import punctuation
from typing import Final
from unicodedata import category

from tasks.clean.spaces import folded

__all__ = ["BREAK", "Edge", "Mark", "Ready", "escape", "fence", "line_of"]

_SPECIAL: Final = re.compile(r"[\\`*_\[\]<>~^]|&(?=#?\w+;)")
_BACKSLASHED: Final = str.maketrans({sign: "\\" + sign for sign in "\\`*_[]<>~^"})
_ENTITY: Final = re.compile(r"&(?=#?\w+;)")
_ROW_START: Final = re.compile(r"#{1,6}(?: |$)|[+-](?: |$)|=+$|[-:| ]+$")
_NUMBER_START: Final = re.compile(r"(\d{1,9})([.)])(?= |$)")  # digits take no backslash, what follows them does
_ROW_STARTS: Final = frozenset("#+-=:|0123456789")
_TURNS: Final = 8  # a mark left out changes what stands beside others; beyond so many turns all are left out


class Ready(str):
    """Markdown that goes into a line as it is."""

    __slots__ = ()


class _Code(str):
    """The words of a code span."""

    __slots__ = ()


BREAK: Final = Ready("\n")


@dataclass(slots=True, eq=False)
class Mark:
    """One pair of marks: `**`, `*`, `~~`, "`" for code, or `[` with where the link leads."""

    sign: str
    target: str = ""
    dead: bool = False  # left out


@dataclass(slots=True, eq=False)
class Edge:
    """Where a mark opens or closes."""

    mark: Mark
    opens: bool


Piece = str | Edge


def escape(text: str) -> str:
    """Text with a backslash before all that Markdown would read as its own."""
    if not _SPECIAL.search(text):
        return text
    text = text.translate(_BACKSLASHED)  # sub would make two strings of each sign: 1 GB for 10 MB of them
    return _ENTITY.sub(r"\\&", text) if "&" in text else text


def line_of(pieces: list[Piece], *, rows: bool = True) -> list[str]:
    """The rows of a line; `rows` says that they begin where blocks begin, and must not look like other blocks."""
    if any(piece.__class__ is Edge or piece.__class__ is Ready for piece in pieces):
        found = _Line().read(pieces).rows()
    else:
        text = folded("".join(pieces))  # type: ignore[arg-type]
        found = [escape(text)] if text else []
    return [_plain(row) if row[0] in _ROW_STARTS else row for row in found] if rows else found


def _plain(row: str) -> str:
    """A row that would start a heading, a list, a table or a rule, kept from it."""
    if _ROW_START.match(row):
        return "\\" + row
    return _NUMBER_START.sub(r"\1\\\2", row, count=1) if _NUMBER_START.match(row) else row


def fence(words: str) -> str:
    """Words as a code span."""
    longest = max(map(len, re.findall("`+", words)), default=0)
    ticks = "`" * (longest + 1) if longest else "`"
    space = " " if words[0] == "`" or words[-1] == "`" else ""
    return f"{ticks}{space}{words}{space}{ticks}"


class _Line:
    """Puts the pieces of a line together."""

    def __init__(self) -> None:
        self.out: list[Piece] = []  # words, gaps and edges
        self.gap = ""  # a blank or "\n" that stands before the next words; none at the start of the line
        self.open: list[str] = []  # signs of the open marks
        self.code: list[str] | None = None  # texts of the code span under way
        self.deep = 0  # open <code>
        self.begun = False
        self.emphasised = False

    def read(self, pieces: list[Piece]) -> "_Line":
        """Take all pieces in."""
        for piece in pieces:
            if isinstance(piece, Edge):
                self._edge(piece)
            elif self.code is not None:
                # A code span holds no breaks and no pictures.
                self.code.append(" " if piece is BREAK else "" if isinstance(piece, Ready) else piece)
            elif piece is BREAK:
                self.gap = "\n"
            elif isinstance(piece, Ready):
                self._words(piece)
            else:
                self._text(piece)
        return self

    def _text(self, text: str, *, code: bool = False) -> None:
        words = folded(text)
        if not words:
            self.gap = self.gap or (" " if text else "")
            return
        if not text.startswith(words[0]):  # text[0] of a NavigableString costs ten times as much
            self.gap = self.gap or " "
        self._words(_Code(words) if code else escape(words))
        if not text.endswith(words[-1]):
            self.gap = " "

    def _words(self, words: str) -> None:
        if self.gap and self.begun:
            at = len(self.out)
            while at and isinstance(edge := self.out[at - 1], Edge) and edge.opens:
                at -= 1
            self.out.insert(at, self.gap)
        self.gap, self.begun = "", True
        self.out.append(words)

    def _edge(self, edge: Edge) -> None:
        mark = edge.mark
        if mark.sign == "`":
            self._code(edge.opens)
        elif self.code is not None:
            mark.dead = True
        elif edge.opens:
            mark.dead = mark.sign in self.open
            if not mark.dead:
                self.open.append(mark.sign)
                self.out.append(edge)
                self.emphasised = self.emphasised or mark.sign != "["
        elif not mark.dead:
            self.open.remove(mark.sign)
            if isinstance(last := self.out[-1], Edge) and last.mark is mark:
                self.out.pop()  # nothing in it
            else:
                self.out.append(edge)

    def _code(self, opens: bool) -> None:
        self.deep += 1 if opens else -1
        if opens and self.code is None:
            self.code = []
        elif not self.deep and self.code is not None:
            text, self.code = "".join(self.code), None
            self._text(text, code=True)

    def rows(self) -> list[str]:
        """The rows, their marks settled."""
        for _ in range(_TURNS):
            if not self.emphasised or not self._drop_unseen():
                break
        else:
            for edge in self.out:
                if isinstance(edge, Edge) and edge.mark.sign != "[":
                    edge.mark.dead = True
        return "".join(self._written()).split("\n") if self.begun else []

    def _written(self) -> list[str]:
        """What stands in the line, one piece after the other."""
        out: list[str] = []
        code: list[str] = []  # two spans side by side must become one
        for piece in self.out:
            if isinstance(piece, Edge) and piece.mark.dead:
                continue
            if isinstance(piece, _Code):
                code.append(piece)
                continue
            if code:
                out.append(fence("".join(code)))
                code.clear()
            shown = _shown(piece) if isinstance(piece, Edge) else piece
            if shown[0] == "[" and out and out[-1].endswith("!"):
                out[-1] = out[-1][:-1] + "\\!"  # else it would be a picture
            out.append(shown)
        if code:
            out.append(fence("".join(code)))
        return out

    def _drop_unseen(self) -> bool:
        """Leave out marks that CommonMark would not see where they stand; whether there were any."""
        self.out = [piece for piece in self.out if not (isinstance(piece, Edge) and piece.mark.dead)]
        found, stars = False, 0  # open marks of stars
        for at, edge in enumerate(self.out):
            if not isinstance(edge, Edge) or edge.mark.sign == "[" or edge.mark.dead:
                continue
            after = self.out[at + 1] if at + 1 < len(self.out) else ""
            star = edge.mark.sign[0] == "*"
            if not edge.opens and isinstance(after, Edge) and after.opens and after.mark.sign[0] == edge.mark.sign[0]:
                after.mark.dead = found = True  # `**one***two*`: nobody could tell which closes what
            elif not self._is_seen(at, edge, inside=star and stars > 0):
                edge.mark.dead = found = True
            if star and not (edge.opens and edge.mark.dead):
                stars += 1 if edge.opens else -1
        return found

    def _is_seen(self, at: int, edge: Edge, *, inside: bool) -> bool:
        """Whether an edge opens or closes its mark; one that opens inside another must not seem to close that."""
        before, after = self._beside(at, -1, edge), self._beside(at, 1, edge)
        inner, outer = (after, before) if edge.opens else (before, after)
        if inner.isspace() or not inner:
            return False
        if inside and edge.opens and outer.strip() and (_may_be_sign(inner) or not _is_sign(outer)):
            return False
        return not _may_be_sign(inner) or not outer.strip() or _is_sign(outer)

    def _beside(self, at: int, step: int, edge: Edge) -> str:
        """The character beside a run of marks of one kind."""
        at += step
        while 0 <= at < len(self.out):
            piece = self.out[at]
            if not isinstance(piece, Edge):
                return "`" if isinstance(piece, _Code) else piece[0 if step > 0 else -1]
            if piece.mark.sign[0] != edge.mark.sign[0] and not piece.mark.dead:
                return _shown(piece)[0 if step > 0 else -1]
            at += step
        return ""


def _is_sign(char: str) -> bool:
    """Whether every reader of Markdown takes a character for punctuation."""
    return char in punctuation or category(char)[0] == "P"


def _may_be_sign(char: str) -> bool:
    """Whether some do: older ones take a symbol for a letter."""
    return char in punctuation or category(char)[0] in "PS"


def _shown(edge: Edge) -> str:
    if edge.mark.sign == "[":
        return "[" if edge.opens else f"]({edge.mark.target})"
    return edge.mark.sign
