"""The article as Markdown (CommonMark with tables): what is text stays text, what is structure becomes syntax.

A Markdown reader shows the words of the plain text, plus captions, which are emphasised paragraphs, and the names of
embedded frames, which are links with the title "embedded".
"""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bs4.element import NavigableString, PageElement, Tag

from tasks.clean.links import Links
from tasks.clean.markdown_line import BREAK, Edge, Mark, Piece, Ready, escape, line_of
from tasks.clean.maths import has_tex
from tasks.clean.soup import Kept
from tasks.clean.tags import BLOCK_TAGS, code_language, names
from tasks.clean.walk import Page

__all__ = ["as_markdown"]

_HEADINGS: Final = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_SIGNS: Final = {"strong": "**", "b": "**", "em": "*", "i": "*", "del": "~~", "s": "~~", "strike": "~~"}
_SIGNS.update(dict.fromkeys(["code", "kbd", "samp", "tt", "annotation"], "`"))
_STRONG_LINES: Final = frozenset({"dt", "summary"})
_ONE_LINE: Final = frozenset([*_HEADINGS, *_STRONG_LINES])
_PREFIXED: Final = frozenset({"blockquote", "li"})
_LISTS: Final = frozenset({"ul", "ol", "menu"})
_ROWS: Final = frozenset({"table", "tbody", "thead", "tfoot"})
_MOST_MARKS: Final = 12  # open at once: each line begins with all of them again
_DEEPEST: Final = 12  # prefixes beyond are left out: 2,000 nested quotes must not become 2,000 marks a line
_LAID_OUT: Final = names(
    "table pre blockquote figure h1 h2 h3 h4 h5 h6"
)  # a table with these in it is no table of data
_ENTITY: Final = re.compile(r"&(?=#?\w+;)")
_ODD: Final = re.compile(r"[ ()<>\\&]")
_IN_TARGET: Final = str.maketrans({" ": "%20", "(": "%28", ")": "%29", "<": "%3C", ">": "%3E", "\\": "%5C"})


_CAPTION: Final = "caption"  # target of a mark that makes a paragraph of its own


@dataclass(slots=True)
class _Row:
    """The cells of a row, among the blocks of a table under way, and over how many rows each goes."""

    cells: list[str] = field(default_factory=list)
    spans: list[int] = field(default_factory=list)


@dataclass(slots=True)
class _Block:
    """An open block-level tag and the blocks in it so far."""

    name: str
    tag: Tag | None = None
    blocks: list[str | _Row] = field(default_factory=list)
    number: int = 0  # of the last item of a list
    items: int = 0  # how many of the blocks are items
    deep: int = 0  # open prefixes
    verbatim: bool = False  # inside <pre>
    flat: bool = False  # inside a heading or a cell: everything on one line
    is_cell: bool = False  # a cell or a row of a table of data
    laid_out: bool = False  # inside a table that is none
    row: _Row | None = None  # of a <tr>
    has_rows: bool = False
    last_list: tuple[int, str] = (-1, "")  # number of blocks after the last list, and its mark


def as_markdown(kept: Kept, links: Links) -> str:
    """What is left in the soup."""
    return _Writer(kept, links).write()


class _Writer:
    """Goes through the soup with a stack of its own: any depth."""

    def __init__(self, kept: Kept, links: Links) -> None:
        self.kept, self.links = kept, links
        self.line: list[Piece] = []  # the line under way
        self.marks: list[Mark] = []  # open in it
        self.top = _Block("")
        self.open = [self.top]
        # Open tags: children to come, the block or the mark that it opened.
        self.stack: list[tuple[Iterator[PageElement], _Block | None, Mark | None]] = []

    def write(self) -> str:
        """The whole text."""
        stack, push = self.stack, self.line.append
        stack.append((iter(self.kept.soup.contents), None, None))
        while stack:
            children, block, mark = stack[-1]
            for child in children:
                if isinstance(child, Tag):
                    if self._enter(child):
                        break
                elif isinstance(child, NavigableString):
                    push(child)
            else:
                stack.pop()
                if mark:
                    self._close(mark)
                if block:
                    self._leave(block)
        self._flush()
        return "\n\n".join(_strings(self.top))

    def _enter(self, tag: Tag) -> bool:
        """Whether there is something in it to go through."""
        name = tag.name
        if name in BLOCK_TAGS and name != "hr":
            if self.line:
                self._flush()
            if name == "p" and len(tag.contents) == 1 and self._paragraph(tag):
                return False
            block = self._block(tag)
            self.open.append(block)
            mark = None
            if self.kept.captions and self.kept.is_caption(tag):
                mark = self._mark("*", _CAPTION)
            elif name in _STRONG_LINES:
                mark = self._mark("**")
            self.stack.append((iter(tag.contents), block, mark))
            return True
        if name == "br":
            self.line.append(BREAK)
        elif name == "img":
            if picture := self._picture(tag):
                self.line.append(Ready(picture))
        elif name == "iframe":
            self._frame(tag)
        elif name == "hr":
            self._flush()
            self.open[-1].blocks += ["***"] if self._is_free() else []
        elif name == "math" and tag.get("display") == "block" and has_tex(tag) and self._is_free():
            self._flush()
            self.open[-1].blocks += _fenced([tag.get_text()], "math")
        else:
            self.stack.append((iter(tag.contents), None, self._inline(tag)))
            return True
        return False

    def _block(self, tag: Tag) -> _Block:
        outer, name = self.open[-1], tag.name
        block = _Block(name, tag, deep=outer.deep + (name in _PREFIXED))
        block.is_cell = _is_cell(name, outer)
        block.flat = outer.flat or (name in _ONE_LINE and not outer.verbatim) or block.is_cell
        block.verbatim = not block.flat and (outer.verbatim or name == "pre")
        block.laid_out = _is_laid_out(self.kept.page, tag.sourcepos or 0) if name == "table" else outer.laid_out
        if name == "ol":
            start = str(tag.get("start", "1"))
            block.number = int(start) - 1 if start.isascii() and start.isdigit() and len(start) < 10 else 0
        return block

    def _paragraph(self, tag: Tag) -> bool:
        """Write a <p> that holds one text and stands in nothing special, as most do; whether it is one."""
        text, outer = tag.contents[0], self.open[-1]
        if self.marks or outer.flat or outer.verbatim or not isinstance(text, NavigableString):
            return False
        if self.kept.captions and self.kept.is_caption(tag):
            return False
        outer.blocks += line_of([text])
        return True

    def _is_free(self) -> bool:
        """Whether a block may stand here."""
        return not (self.open[-1].flat or self.open[-1].verbatim)

    def _inline(self, tag: Tag) -> Mark | None:
        if self.kept.captions and self.kept.is_caption(tag):
            self._flush()
            return self._mark("*", _CAPTION)
        if tag.name == "a":
            address = self.links.absolute(str(tag.get("href") or ""))
            return self._mark("[", _target(address)) if address else None
        sign = _SIGNS.get(tag.name)
        return self._mark(sign) if sign else None

    def _mark(self, sign: str, target: str = "") -> Mark | None:
        if len(self.marks) >= _MOST_MARKS:
            return None
        mark = Mark(sign, target)
        self.marks.append(mark)
        self.line.append(Edge(mark, opens=True))
        return mark

    def _close(self, mark: Mark) -> None:
        # A line that ended inside the mark began again with another of its kind: the innermost is meant.
        self.line.append(Edge(self.marks.pop(), opens=False))
        if mark.target == _CAPTION:
            self._flush()

    def _flush(self) -> None:
        """The line under way becomes a block; marks that are open go on in the next."""
        block = self.open[-1]
        pieces = self.line[:]
        self.line.clear()
        if self.marks:
            pieces += [Edge(mark, opens=False) for mark in reversed(self.marks)]
            self.marks = [Mark(mark.sign, mark.target) for mark in self.marks]
            self.line += [Edge(mark, opens=True) for mark in self.marks]
        if block.verbatim:
            block.blocks.append(
                "".join(piece for piece in pieces if isinstance(piece, NavigableString) or piece is BREAK)
            )
        elif rows := line_of(pieces, rows=not block.flat):
            block.blocks.append(("<br>" if block.flat else "  \n").join(rows))

    def _leave(self, block: _Block) -> None:
        """Hand the blocks of a closed tag to the one around it, in the tag's syntax."""
        if self.line:
            self._flush()
        self.open.pop()
        outer, name = self.open[-1], block.name
        if name in _ROWS and outer.name in _ROWS:
            outer.blocks += block.blocks
            outer.has_rows = outer.has_rows or block.has_rows
        elif block.is_cell:
            self._cell(block, outer)
        elif blocks := _strings(block):
            self._hand_over(block, blocks, outer)

    def _cell(self, block: _Block, outer: _Block) -> None:
        """A row, or a cell of one, also where it is empty: what follows must stay in its column."""
        if block.name == "tr":
            outer.blocks.append(block.row or _Row())
            outer.has_rows = True
            return
        row = outer.row = outer.row or _Row()
        wide = _number(block.tag, "colspan")
        row.cells += ["<br>".join(_strings(block)).replace("|", "\\|"), *[""] * (wide - 1)]
        row.spans += [_number(block.tag, "rowspan")] * wide

    def _hand_over(self, block: _Block, blocks: list[str], outer: _Block) -> None:
        name = block.name
        if outer.flat or outer.verbatim:
            outer.blocks += blocks
        elif name in _HEADINGS:
            outer.blocks.append(_HEADINGS[name] + _heading(blocks))
        elif name == "pre":
            outer.blocks += _fenced(blocks, _language(block.tag))
        elif name in _STRONG_LINES:
            outer.blocks.append(" ".join(blocks).replace("<br>", " "))
        elif name == "blockquote" and block.deep <= _DEEPEST:
            outer.blocks.append(_prefixed("\n\n".join(blocks), "> ", "> "))
        elif name == "li" and block.deep <= _DEEPEST:
            _item(blocks, outer)
        elif name in _LISTS and block.items:
            _list(block, blocks, outer)
        else:
            outer.blocks += blocks

    def _picture(self, tag: Tag) -> str:
        address = self.links.picture(tag.attrs)
        alt = escape(" ".join(str(tag.get("alt") or "").split()))
        return f"![{alt}]({_target(address)})" if address else ""

    def _frame(self, tag: Tag) -> None:
        address, name = self.links.frame(tag.attrs)
        if name and not any(mark.sign == "[" for mark in self.marks):  # links hold no links
            self.line.append(Ready(f'[{escape(name)}]({_target(address)} "embedded")'))


def _is_cell(name: str, outer: _Block) -> bool:
    """Whether a tag in `outer` is a row or a cell of a table of data; elsewhere these tags mean nothing."""
    if name == "tr":
        return outer.name in _ROWS and not (outer.laid_out or outer.flat or outer.verbatim)
    return name in ("td", "th") and outer.is_cell


def _strings(block: _Block) -> list[str]:
    """The blocks, rows made tables."""
    if not block.has_rows:
        return block.blocks  # type: ignore[return-value]
    found: list[str] = []
    rows: list[_Row] = []
    for one in block.blocks:
        if isinstance(one, _Row):
            rows.append(one)
        else:
            found += [*_table(rows), one]
            rows = []
    return found + _table(rows)


def _table(rows: list[_Row]) -> list[str]:
    """A table; the first row is its head, whatever the page calls it: Markdown knows no table without."""
    grid, above = [], list[int]()  # rows that the cells of each column still go down
    for row in rows:
        cells, spans = iter(row.cells), iter(row.spans)
        filled: list[str] = []
        down: list[int] = []
        while (cell := next(cells, None)) is not None:
            while len(filled) < len(above) and above[len(filled)] > 1:
                down.append(above[len(filled)] - 1)
                filled.append("")
            filled.append(cell)
            down.append(next(spans))
        grid.append(filled)
        above = down
    if not any(cell for row in grid for cell in row):
        return []
    width = max(map(len, grid))
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in grid]
    return ["\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])]


def _number(tag: Tag | None, name: str) -> int:
    """A span as the page gives it: 1 to 99, more is no table any more."""
    value = str(tag.get(name) or "") if tag is not None else ""
    return min(max(int(value), 1), 99) if value.isascii() and value.isdigit() and len(value) < 6 else 1


def _is_laid_out(page: Page, table: int) -> bool:
    """Whether a table only places things: it holds what no cell can, or has one column.

    Asked of the page's lists: bs4's find() goes down to the last descendant first, which is quadratic in nested tables.
    """
    widest = cells = 0
    for number in range(table + 1, page.end[table]):
        tag = page.tag[number]
        if tag in _LAID_OUT:
            return True
        cells = 0 if tag == "tr" else cells + (tag in ("td", "th"))
        widest = max(widest, cells)
    return widest < 2


def _heading(blocks: list[str]) -> str:
    text = " ".join(blocks).replace("<br>", " ")
    return re.sub(r"(#+)$", r"\\\1", text)  # else the last signs would close the heading


def _item(blocks: list[str], outer: _Block) -> None:
    """An item: a list in it follows its line without an empty one, where Markdown allows that."""
    outer.number += 1
    outer.items += 1
    mark = f"{outer.number}. " if outer.name == "ol" else "- "
    text = blocks[0]
    for block in blocks[1:]:
        text += ("\n" if block.startswith(("- ", "1. ")) else "\n\n") + block
    outer.blocks.append(_prefixed(text, mark, " " * len(mark)))


def _list(block: _Block, blocks: list[str], outer: _Block) -> None:
    """A list; right after another of its kind its marks are others, or the two would be one."""
    kind = "ol" if block.name == "ol" else "ul"
    text = ("\n" if block.items == len(blocks) else "\n\n").join(blocks)
    if outer.last_list == (len(outer.blocks), kind):
        text = (
            re.sub(r"^(\d+)\. ", r"\1) ", text, flags=re.MULTILINE)
            if kind == "ol"
            else re.sub(r"^- ", "* ", text, flags=re.MULTILINE)
        )
        kind = ""
    outer.blocks.append(text)
    outer.last_list = (len(outer.blocks), kind)


def _prefixed(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *(rest + line if line else rest.rstrip() for line in lines[1:])])


def _language(pre: Tag | None) -> str:
    """The language that <pre> or the <code> in it names."""
    inside = [child for child in pre.contents if isinstance(child, Tag) and child.name == "code"] if pre else []
    return next((name for tag in (*inside, pre) if tag and (name := code_language(str(tag.get("class") or "")))), "")


def _fenced(blocks: list[str], language: str) -> list[str]:
    text = "\n".join(blocks).strip("\n")
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    ticks = "`" * (longest + 1)
    return [f"{ticks}{language}\n{text}\n{ticks}"] if text.strip() else []


def _target(address: str) -> str:
    if _ODD.search(address):  # seldom, and translate costs more than the rest of a link
        address = _ENTITY.sub("&amp;", address.translate(_IN_TARGET))
    return address
