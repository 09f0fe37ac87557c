"""The article as Markdown (CommonMark with tables): what is text stays text, what is structure becomes syntax."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final

from bs4.element import NavigableString, PageElement, Tag

from tasks.clean.embeds import embed_name
from tasks.clean.links import Links
from tasks.clean.spaces import folded
from tasks.clean.tags import BLOCK_TAGS

__all__ = ["as_markdown"]

_HEADINGS: Final = {f"h{level}": "#" * level + " " for level in range(1, 7)}
_MARKS: Final = {"strong": "**", "b": "**", "em": "*", "i": "*", "del": "~~", "s": "~~"}
_ESCAPED: Final = str.maketrans({char: "\\" + char for char in "\\`*_[]<>"})
_LINE_START: Final = re.compile(r"^(#{1,6}(?= )|[+-](?= )|[=-]+$)", re.MULTILINE)
_NUMBER_START: Final = re.compile(r"^(\d+)(?=[.)] )", re.MULTILINE)  # digits take no backslash, what follows them does
_BREAK: Final = "\0"  # a <br>; pages hold no NUL, see parse.py
_PREFIXED: Final = frozenset({"blockquote", "li", "dd"})
_DEEPEST: Final = 12  # prefixes beyond are left out: 2,000 nested quotes must not become 2,000 marks a line


@dataclass(slots=True)
class _Frame:
    """An open tag: its blocks so far and the line under way."""

    name: str
    children: Iterator[PageElement]
    tag: Tag | None = None
    blocks: list[str] = field(default_factory=list)
    line: list[str] = field(default_factory=list)
    rows: list[list[str]] = field(default_factory=list)  # of a table
    number: int = 0  # of the last item of a list
    deep: int = 0  # open prefixes
    verbatim: bool = False  # inside <pre>


def as_markdown(soup: Tag, links: Links) -> str:
    """What is left in the soup."""
    top = _Frame("", iter(soup.contents))
    stack = [top]
    while True:
        frame = stack[-1]
        child = next(frame.children, None)
        if child is None:
            if frame.name in BLOCK_TAGS or frame.blocks or not frame.name:
                _flush(frame)
            stack.pop()
            if not stack:
                return "\n\n".join(frame.blocks)
            _leave(frame, stack[-1], links)
        elif isinstance(child, Tag):
            _enter(child, frame, stack, links)
        elif isinstance(child, NavigableString):
            frame.line.append(child if frame.verbatim or frame.name == "code" else child.translate(_ESCAPED))


def _enter(child: Tag, frame: _Frame, stack: list[_Frame], links: Links) -> None:
    name = child.name
    if name == "br":
        frame.line.append("\n" if frame.verbatim else _BREAK)
    elif name == "img":
        frame.line.append(_picture(child, links))
    elif name == "iframe":
        address = links.frame({key: str(value) for key, value in child.attrs.items()})
        if shown := embed_name(address):
            _flush(frame)
            frame.blocks.append(f"[{shown}]({_target(address)})")
    elif name == "hr":
        _flush(frame)
        frame.blocks.append("---")
    else:
        if name in BLOCK_TAGS:
            _flush(frame)
        opened = _Frame(name, iter(child.contents), child, deep=frame.deep + (name in _PREFIXED))
        opened.verbatim = frame.verbatim or name == "pre"
        if name == "ol":
            start = str(child.get("start", "1"))
            opened.number = int(start) - 1 if start.isdigit() and len(start) < 10 else 0
        stack.append(opened)


def _flush(frame: _Frame) -> None:
    """The line under way becomes a block."""
    if not frame.line:
        return
    text = "".join(frame.line)
    frame.line.clear()
    if frame.verbatim:
        frame.blocks.append(text)
        return
    rows = [row for part in text.split(_BREAK) if (row := folded(part))]
    if rows:
        text = "  \n".join(rows)
        frame.blocks.append(_plain(text) if frame.name not in _HEADINGS else " ".join(rows))


def _plain(text: str) -> str:
    """Lines that would start a heading, a list or a rule, kept from it."""
    return _NUMBER_START.sub(r"\1\\", _LINE_START.sub(r"\\\1", text))


def _leave(frame: _Frame, parent: _Frame, links: Links) -> None:
    """Hand the blocks of a closed tag to its parent, in the tag's syntax."""
    name, blocks = frame.name, frame.blocks
    if name not in BLOCK_TAGS:
        _leave_inline(frame, parent, links)
    elif name in _HEADINGS:
        parent.blocks += [_HEADINGS[name] + block for block in blocks]
    elif name == "pre":
        parent.blocks += _fenced(blocks)
    elif name == "dd" and blocks and parent.name == "dl" and parent.blocks:
        parent.blocks[-1] += "\n" + _prefixed("\n\n".join(blocks), ":   ", "    ")
    elif name == "blockquote" and frame.deep <= _DEEPEST:
        parent.blocks += [_prefixed("\n\n".join(blocks), "> ", "> ")] if blocks else []
    elif name == "li" and frame.deep <= _DEEPEST:
        parent.number += 1
        mark = f"{parent.number}. " if parent.name == "ol" else "- "
        parent.blocks += [_prefixed(_item(blocks), mark, " " * len(mark))] if blocks else []
    elif name in ("ul", "ol", "menu"):
        parent.blocks += ["\n".join(blocks)] if blocks else []
    elif name in ("td", "th"):
        parent.blocks.append(" ".join(" ".join(blocks).replace("\n", " ").replace("|", "\\|").split()))
    elif name == "tr":
        parent.rows.append(blocks)
    elif name in ("tbody", "thead", "tfoot"):
        parent.rows += frame.rows
        parent.blocks += blocks
    elif name == "table":
        parent.blocks += blocks + _table(frame.rows)
    else:
        parent.blocks += blocks


def _leave_inline(frame: _Frame, parent: _Frame, links: Links) -> None:
    """Marks around the words of an inline tag; where blocks stand in it, they go on without marks."""
    if frame.blocks:
        _flush(parent)
        parent.blocks += frame.blocks
        return
    text = "".join(frame.line)
    words = text.strip()
    if not words or frame.tag is None or frame.verbatim:
        parent.line.append(text)
        return
    before, after = text[: len(text) - len(text.lstrip())], text[len(text.rstrip()) :]
    parent.line.append(f"{before}{_marked(frame.tag, words, links)}{after}")


def _marked(tag: Tag, words: str, links: Links) -> str:
    if tag.name == "a":
        address = links.absolute(str(tag.get("href") or ""))
        return f"[{words}]({_target(address)})" if address else words
    if tag.name == "code":
        fence = "``" if "`" in words else "`"
        return f"{fence}{words}{fence}"
    mark = _MARKS.get(tag.name, "") if _BREAK not in words else ""
    return f"{mark}{words}{mark}"


def _picture(tag: Tag, links: Links) -> str:
    attributes = {name: value if isinstance(value, str) else " ".join(value) for name, value in tag.attrs.items()}
    address = links.picture(attributes)
    alt = " ".join(attributes.get("alt", "").split()).translate(_ESCAPED)
    return f"![{alt}]({_target(address)})" if address else ""


def _target(address: str) -> str:
    return address.replace(" ", "%20").replace("(", "%28").replace(")", "%29").replace("<", "%3C").replace(">", "%3E")


def _prefixed(text: str, first: str, rest: str) -> str:
    lines = text.split("\n")
    return "\n".join([first + lines[0], *((rest + line).rstrip() if line else rest.rstrip() for line in lines[1:])])


def _fenced(blocks: list[str]) -> list[str]:
    text = "\n".join(blocks).strip("\n")
    longest = max((len(run) for run in re.findall(r"`{3,}", text)), default=2)
    fence = "`" * (longest + 1)
    return [f"{fence}\n{text}\n{fence}"] if text.strip() else []


def _table(rows: list[list[str]]) -> list[str]:
    rows = [row for row in rows if any(row)]
    if not rows:
        return []
    width = max(len(row) for row in rows)
    if width == 1 or width * len(rows) > 4 * sum(len(row) for row in rows):  # laid out, not tabulated
        return [cell for row in rows for cell in row if cell]
    lines = ["| " + " | ".join(row + [""] * (width - len(row))) + " |" for row in rows]
    return ["\n".join([lines[0], "|" + " --- |" * width, *lines[1:]])]


def _item(blocks: list[str]) -> str:
    """The blocks of a list item; a list follows its line without an empty one."""
    out = blocks[0]
    for block in blocks[1:]:
        out += ("\n" if re.match(r"(- |\d+\. )", block) else "\n\n") + block
    return out
