"""One pass over the tree: elements, text nodes and blocks as flat lists in document order.

A *block* is a run of text that stands on lines of its own: it ends where a block-level tag starts or ends, and at a
double line break. Everything later (choice, soup, ledger) works on these lists and numbers; nothing asks lxml again.
"""

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import chain, islice

from lxml import etree

from tasks.clean.spaces import folded, visible_size
from tasks.clean.tags import ATOM, BLOCK, BR, LINK, MEDIA, TAGS, UNSEEN, UNSEEN_TAGS, WIDGET

__all__ = ["Page", "walk"]

_INITIAL = re.compile("drop-?_?cap|lettrine|initial", re.IGNORECASE)
_LONGEST_INITIAL = 3  # with a quotation mark
_MAY_SWALLOW = frozenset(["button"])  # the others cannot hold tags: libxml2 closes them
# The control itself comes first among these: the second one found is in it.
_NEVER_IN_CONTROLS = (
    "button",
    "main",
    "article",
    "section",
    "nav",
    "header",
    "footer",
    "form",
    "h1",
    "input",
    "textarea",
)


@dataclass(slots=True)
class Page:
    """A page as flat lists.

    Elements in document order (index n): tag, element, parent, end (first element after its subtree), line (nearest
    block-level element, itself included), classes and idents (class
    and id as written), hidden, text_start:text_end
    (its text nodes), block_start:block_end (its blocks). Number 0 is the document.
    Text nodes in document order (index i): texts, holder (element), linked (inside <a>). Texts of white space alone
    are kept only inside a block: nobody sees the others.
    Blocks (index b): starts[b]:starts[b+1] are its texts, owner (innermost block-level element), widget (a control).
    """

    tag: list[str] = field(default_factory=list)
    element: list[etree._Element] = field(default_factory=list)
    parent: list[int] = field(default_factory=list)
    end: list[int] = field(default_factory=list)
    line: list[int] = field(default_factory=list)
    classes: list[str] = field(default_factory=list)
    idents: list[str] = field(default_factory=list)
    hidden: list[bool] = field(default_factory=list)
    text_start: list[int] = field(default_factory=list)
    text_end: list[int] = field(default_factory=list)
    block_start: list[int] = field(default_factory=list)
    block_end: list[int] = field(default_factory=list)
    texts: list[str] = field(default_factory=list)
    holder: list[int] = field(default_factory=list)
    linked: list[bool] = field(default_factory=list)
    starts: list[int] = field(default_factory=list)
    owner: list[int] = field(default_factory=list)
    widget: list[bool] = field(default_factory=list)
    _sizes: list[int] = field(default_factory=list)

    @property
    def sizes(self) -> list[int]:
        """Visible characters of each text; counted when first asked for."""
        if not self._sizes:
            self._sizes = list(map(visible_size, self.texts))
        return self._sizes

    def block_text(self, block: int) -> str:
        """The text of a block, white space folded."""
        return folded("".join(self.texts[self.starts[block] : self.starts[block + 1]]))


def _is_initial(element: etree._Element, text: str, classes: str) -> bool:
    """Whether a block-level element is the first letter of a paragraph, set large."""
    if len(text) > _LONGEST_INITIAL or len(element) or not text.strip():
        return False
    return _INITIAL.search(classes) is not None


def _is_unclosed(control: etree._Element) -> bool:
    """Whether a control holds what none can: its end was overlooked, and the rest of the page fell into it.

    That is what libxml2 makes of <button><div></button>; browsers close the button.
    """
    return control.tag in _MAY_SWALLOW and next(islice(control.iter(*_NEVER_IN_CONTROLS), 1, None), None) is not None


def _seen_texts(element: etree._Element) -> Iterable[str | None]:
    """The texts of a control, in order."""
    if not len(element):
        return [element.text]
    found: list[str | None] = []
    inside = etree.iterwalk(element, events=("start", "end"))
    for event, node in inside:
        if event == "end":
            if node is not element:
                found.append(node.tail)
        elif node.tag in UNSEEN_TAGS:
            inside.skip_subtree()
        else:
            found.append(node.text)
    return found


def walk(root: etree._Element) -> Page:
    """The page below `root` and its siblings, without recursion: any depth, linear time.

    One long loop on purpose: it runs once for each node of the page, and calls would double its cost.
    """
    page = Page()
    tags, elements, parents, ends, lines = page.tag, page.element, page.parent, page.end, page.line
    hiddens, text_start, text_end = page.hidden, page.text_start, page.text_end
    classes, idents = page.classes, page.idents
    block_start, block_end, texts, holder, linked = (
        page.block_start,
        page.block_end,
        page.texts,
        page.holder,
        page.linked,
    )
    starts, owner, widget = page.starts, page.owner, page.widget
    flags_of = TAGS.get
    text: str | None
    opened = 0  # first text of the block under way

    def close(line: int, control: bool) -> None:
        nonlocal opened
        starts.append(opened)
        owner.append(line)
        widget.append(control)
        opened = len(texts)

    # Number 0 is the document itself: it holds the root and whatever libxml2 left beside it.
    tags.append("#document")
    elements.append(root)
    parents.append(-1)
    for numbers in (ends, lines, text_start, text_end, block_start, block_end):
        numbers.append(0)
    hiddens.append(False)
    classes.append("")
    idents.append("")
    current = line = number = 0
    in_link = in_hidden = False
    broken = False  # the last thing in the block under way was a <br>
    block_level = True
    element = root
    stack: list[tuple[Iterator[etree._Element], int, int, bool, bool, bool, etree._Element]] = []
    children: Iterator[etree._Element] = iter(chain((root,), root.itersiblings()))
    while True:
        for child in children:
            tag = child.tag
            flags = flags_of(tag, 0) if tag.__class__ is str else UNSEEN | ATOM
            if flags & WIDGET and len(child) and _is_unclosed(child):
                tag, flags = "div", BLOCK
            if flags & ATOM:
                if flags & WIDGET:
                    if len(texts) > opened:
                        close(line, False)
                    for text in _seen_texts(child):
                        if text and not text.isspace():
                            texts.append(text)
                            holder.append(current)
                            linked.append(False)
                    if len(texts) > opened:
                        close(line, True)
                elif flags & MEDIA:
                    number += 1
                    tags.append(tag)
                    elements.append(child)
                    parents.append(current)
                    ends.append(number + 1)
                    lines.append(line)
                    hiddens.append(in_hidden)
                    classes.append("")
                    idents.append("")
                    text_start.append(len(texts))
                    text_end.append(len(texts))
                    block_start.append(len(starts))
                    block_end.append(len(starts))
                text = child.tail
                if text and (len(texts) > opened or not text.isspace()):
                    texts.append(text)
                    holder.append(current)
                    linked.append(in_link)
                    broken = broken and text.isspace()
                continue
            number += 1
            child_link, child_hidden = in_link, in_hidden
            get = child.get  # four look-ups cost less than a list of all attributes, and stay linear in their number
            name = get("class") or ""
            ident = get("id") or ""
            style = get("style")
            if style and "none" in style and "display:none" in style.replace(" ", "").lower():
                child_hidden = True
            hidden = get("hidden")
            if hidden is not None and hidden != "until-found":
                child_hidden = True
            text = child.text
            if flags & BLOCK and name and text and _is_initial(child, text, name):
                flags ^= BLOCK  # a drop cap belongs to the word after it, whatever tag it has
            if flags & BLOCK:
                if len(texts) > opened:
                    close(line, False)
                child_line, broken = number, False
            else:
                child_line = line
                if flags & LINK:
                    child_link = True
                elif flags & BR and len(texts) > opened:
                    if broken:
                        close(line, False)
                    broken = not broken
            tags.append(tag)
            elements.append(child)
            parents.append(current)
            ends.append(number + 1)
            lines.append(child_line)
            classes.append(name)
            idents.append(ident)
            hiddens.append(child_hidden)
            text_start.append(len(texts))
            text_end.append(0)
            block_start.append(len(starts))
            block_end.append(0)
            if text and (len(texts) > opened or not text.isspace()):
                texts.append(text)
                holder.append(number)
                linked.append(child_link)
                broken = broken and text.isspace()
            if len(child):
                stack.append((children, current, line, in_link, in_hidden, block_level, element))
                children, current, line, element = iter(child), number, child_line, child
                in_link, in_hidden, block_level = child_link, child_hidden, bool(flags & BLOCK)
                break
            if flags & BLOCK and len(texts) > opened:
                close(number, False)
            text_end[number], block_end[number] = len(texts), len(starts)
            text = child.tail
            if text and (len(texts) > opened or not text.isspace()):
                texts.append(text)
                holder.append(current)
                linked.append(in_link)
                broken = broken and text.isspace()
        else:
            if block_level and len(texts) > opened:
                close(line, False)
            text_end[current], block_end[current], ends[current] = len(texts), len(starts), number + 1
            if not stack:
                break
            text = element.tail
            children, current, line, in_link, in_hidden, block_level, element = stack.pop()
            if text and (len(texts) > opened or not text.isspace()):
                texts.append(text)
                holder.append(current)
                linked.append(in_link)
                broken = broken and text.isspace()
    starts.append(len(texts))
    return page
