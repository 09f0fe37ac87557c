"""Strips clutter from the soup by rules; each tag taken out is named with the rule that took it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from bs4.element import Tag

from tasks.clean.rules import Rule, RuleSet
from tasks.clean.selector import look_at
from tasks.clean.soup import Kept
from tasks.clean.tags import BLOCK_TAGS
from tasks.clean.words import EMBED, class_mask

__all__ = ["Reason", "prune"]

_MOST: Final = 0.5  # of the article: no rule takes more, whatever it says
_DENSE_CHARS: Final = 160  # visible characters; some 30 words
_DENSE_LINKED: Final = 0.3


@dataclass(frozen=True, slots=True)
class Reason:
    """Why text is not in the article."""

    concept: str
    rule: str
    why: str
    score: float | None = None


def prune(kept: Kept, rules: RuleSet, host: str, reasons: list[Reason]) -> None:
    """Take out of the soup what the rules name; `reasons` grows by one for each tag taken out."""
    pruner = _Pruner(kept, rules, host)
    stack = [_Open(kept.soup)]
    while stack:
        place, child = next(stack[-1].children, (0, None))
        if child is None:
            stack.pop().take_out()
            continue
        if not isinstance(child, Tag):
            continue
        rule = pruner.rule_for(child)
        if rule:
            reasons.append(Reason(rule.concept, rule.id, rule.why))
            kept.give(child, len(reasons) - 1)
            stack[-1].taken.append(place)
        elif not _is_embed(child):  # what an embedded post says is a quotation: no line of it is ours to strip
            stack.append(_Open(child))


class _Open:
    """A tag whose children are being decided upon."""

    def __init__(self, tag: Tag) -> None:
        self.tag, self.taken = tag, list[int]()
        self.children = iter(list(enumerate(tag.contents)))

    def take_out(self) -> None:
        """Take the children out, the last first: without its place, each would be searched for among all."""
        for place in reversed(self.taken):
            self.tag.contents[place].extract(place)


def _is_embed(tag: Tag) -> bool:
    return tag.name == "blockquote" and bool(class_mask(" ".join(tag.get_attribute_list("class"))) & EMBED)


class _Pruner:
    """What deciding about one tag needs to know of the whole."""

    def __init__(self, kept: Kept, rules: RuleSet, host: str) -> None:
        self.kept, self.rules, self.host = kept, rules, host
        self.most = kept.chars[-1] * _MOST

    def rule_for(self, tag: Tag) -> Rule | None:
        """The first rule that names this tag and is not held back by a guard."""
        start, stop = self.kept.span(tag)
        size = self.kept.chars[stop] - self.kept.chars[start]
        if size > self.most:
            return None
        attributes = {name: value if isinstance(value, str) else " ".join(value) for name, value in tag.attrs.items()}
        found = self.rules.by_tag(look_at(tag.name, attributes), attributes, self.host)
        line = ""
        is_line = size and size <= self.rules.longest_line and tag.name in BLOCK_TAGS and not _holds_lines(tag)
        if is_line or any(rule.pattern for rule in found):
            line = " ".join(tag.get_text().split())
        if is_line and line:
            found += self.rules.by_text(line, self.host)
        for rule in found:
            if rule.compounds and rule.pattern and not (len(line) <= rule.max_chars and rule.pattern.match(line)):
                continue
            if not any(_SPARED[guard](self, tag, start, stop, line) for guard in rule.unless):
                return rule
        return None

    def dense(self, tag: Tag, start: int, stop: int, line: str) -> bool:
        """Many characters, few of them linked, in sentences; or an embedded post."""
        size = self.kept.chars[stop] - self.kept.chars[start]
        linked = self.kept.linked[stop] - self.kept.linked[start]
        if any(_is_embed(quote) for quote in tag.find_all("blockquote")):
            return True
        return size >= _DENSE_CHARS and linked <= size * _DENSE_LINKED and _sentences(tag.get_text()) >= 1

    def sentence(self, tag: Tag, start: int, stop: int, line: str) -> bool:
        """More than one sentence."""
        return _sentences(line or tag.get_text()) > 1

    def links(self, tag: Tag, start: int, stop: int, line: str) -> bool:
        """No link in it."""
        return tag.name != "a" and tag.find("a") is None

    def item(self, tag: Tag, start: int, stop: int, line: str) -> bool:
        """In a list."""
        return tag.name == "li" or tag.find_parent("li") is not None


_SPARED: Final[dict[str, Callable[[_Pruner, Tag, int, int, str], bool]]] = {
    "dense": _Pruner.dense,
    "sentence": _Pruner.sentence,
    "links": _Pruner.links,
    "item": _Pruner.item,
}


def _sentences(text: str) -> int:
    return sum(text.count(mark) for mark in (". ", "? ", "! ", "。")) + text.rstrip('"”’») ').endswith(
        (".", "!", "?", "。", "…")
    )


def _holds_lines(tag: Tag) -> bool:
    return any(isinstance(child, Tag) and child.name in BLOCK_TAGS for child in tag.descendants)
