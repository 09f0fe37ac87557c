"""Strips clutter from the soup by rules; each tag taken out is named with the rule that took it."""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import Final

from bs4.element import Tag

from tasks.clean.headline import head_metas, headlines, standfirsts
from tasks.clean.phrases import fold_line
from tasks.clean.rules import Rule, RuleSet
from tasks.clean.site import SiteChoice
from tasks.clean.soup import Kept
from tasks.clean.spaces import folded
from tasks.clean.tags import BLOCK_TAGS
from tasks.clean.words import is_embed

__all__ = ["ALWAYS", "Looked", "Reason", "prune"]

ALWAYS: Final = {  # guards that hold for every rule but strip
    "half": "the rule would have taken more than half of the article",
    "post": "it is, or holds, an embedded post",
    "keep": "a keep rule of this site holds it, or something in it",
    "dense": "the element holds running prose, and the rule knows it by its names alone",
}
_MOST: Final = 0.5  # of the article: no rule takes more, whatever it says
_DENSE_CHARS: Final = 160  # visible characters; some 30 words
_DENSE_WIDE_CHARS: Final = 60  # the same in a writing that has no spaces
_DENSE_LINKED: Final = 0.3
_PARAGRAPH_CHARS: Final = 100  # of a paragraph that shows that the article goes on
_SHOWN_TEXTS: Final = 60  # text nodes of a tag that `looked` is told of
_SENTENCE_ENDS: Final = (".", "!", "?", "…", "。", "！", "？", "؟", "۔", "।")


@dataclass(frozen=True, slots=True)
class Reason:
    """Why text is not in the article."""

    concept: str
    rule: str
    why: str
    score: float | None = None


@dataclass(frozen=True, slots=True)
class Looked:
    """A rule that meant a tag, and the guard that held it back; the empty guard where it took the tag."""

    rule: Rule
    guard: str
    number: int  # the element; of a line without one of its own, that which holds it
    text: str
    chars: int


def prune(
    kept: Kept,
    rules: RuleSet,
    host: str,
    reasons: list[Reason],
    *,
    site: SiteChoice | None = None,
    looked: list[Looked] | None = None,
) -> None:
    """Take out of the soup what the rules name; `reasons` grows by one for each tag taken out.

    `looked`, where it is given, is told of each rule that meant a tag, the ones held back too.
    """
    pruner = _Pruner(kept, rules, host, site or SiteChoice(), looked)
    stack = [_Open(kept.soup)]
    while stack:
        for place, child in stack[-1].children:
            if not isinstance(child, Tag):
                continue
            rule = pruner.rule_for(child)
            if rule:
                reasons.append(Reason(rule.concept, rule.id, rule.why))
                kept.give(child, len(reasons) - 1)
                stack[-1].taken.append(place)
            # What an embedded post says is a quotation: no line of it is ours to strip.
            elif _holds_tags(child) and not _is_embed(child):
                stack.append(_Open(child))
                break
        else:
            stack.pop().take_out()


class _Open:
    """A tag whose children are being decided upon."""

    def __init__(self, tag: Tag) -> None:
        self.tag, self.taken = tag, list[int]()
        self.children = enumerate(tag.contents)

    def take_out(self) -> None:
        """Take the children out, the last first: without its place, each would be searched for among all."""
        for place in reversed(self.taken):
            self.tag.contents[place].extract(place)


def _is_embed(tag: Tag) -> bool:
    return tag.name == "blockquote" and is_embed(" ".join(tag.get_attribute_list("class")))


class _Pruner:
    """What deciding about one tag needs to know of the whole."""

    def __init__(
        self, kept: Kept, rules: RuleSet, host: str, site: SiteChoice, looked: list[Looked] | None = None
    ) -> None:
        self.kept, self.rules, self.host, self.site, self.looked = kept, rules, host, site, looked
        self.most = kept.chars[-1] * _MOST
        self.taken: Counter[str] = Counter()  # characters, by rule
        self.standfirsts_seen: set[str] = set()

    def rule_for(self, tag: Tag) -> Rule | None:
        """The first rule that names this tag and is not held back by a guard."""
        size = self._size(tag)
        if size > self.most and self.looked is None:  # no guard needs asking, and most of what is so large is nested
            return None
        attributes: dict[str, str] = tag.attrs  # type: ignore[assignment] # soup.py makes no lists of classes
        found = self.rules.by_tag(tag.name, attributes, self.host)
        line = ""
        is_line = size and size <= self.longest_line and tag.name in BLOCK_TAGS and not _holds_lines(tag)
        if is_line or any(rule.pattern or rule.phrases for rule in found):
            line = folded(self.kept.text(tag))
        if is_line and line:
            words = fold_line(line)
            found += self.rules.by_text(line, self.host, words=words)
            found += self._repeated(words)
        for rule in found:
            if rule.compounds and not rule.words_hold(line):
                continue
            guard = self._guard(rule, tag, line)
            if self.looked is not None:
                self.looked.append(Looked(rule, guard, self.kept.elements(tag)[0], line or self._beginning(tag), size))
            if not guard:
                self.taken[rule.id] += size
                return rule
        return None

    def _size(self, tag: Tag) -> int:
        start, stop = self.kept.span(tag)
        return self.kept.chars[stop] - self.kept.chars[start]

    def _beginning(self, tag: Tag) -> str:
        """Enough of the text of a large tag to know it by; tags may be nested by the thousand."""
        start, stop = self.kept.span(tag)
        return " ".join(" ".join(self.kept.page.texts[start : min(stop, start + _SHOWN_TEXTS)]).split())

    def _guard(self, rule: Rule, tag: Tag, line: str) -> str:
        """The name of what holds the rule back from this tag, or the empty string."""
        if self.site.held and self.site.holds(*self.kept.elements(tag)):
            return "keep"
        if rule.strip:
            return ""
        if self.taken[rule.id] + self._size(tag) > self.most:
            return "half"
        if not line and any(_is_embed(quote) for quote in tag.find_all("blockquote")):
            return "post"
        by_name_alone = rule.compounds and not (rule.text or rule.lines or rule.sites)
        if by_name_alone and self.dense(tag, line):
            return "dense"
        return next((guard for guard in rule.unless if _SPARED[guard](self, tag, line)), "")

    @cached_property
    def longest_line(self) -> int:
        """Characters of the longest line that any rule could know."""
        texts = (*self.headlines, *self.standfirsts)
        return max(self.rules.longest_line, max(map(len, texts), default=0) + 8)

    @cached_property
    def headlines(self) -> frozenset[str]:
        """See headline.py; nothing where no rule asks."""
        asked = any(rule.same_as == "headline" for rule in self.rules.repeats)
        return headlines(self.kept.page, self.metas) if asked else frozenset()

    @cached_property
    def standfirsts(self) -> frozenset[str]:
        """See headline.py; nothing where no rule asks."""
        asked = any(rule.same_as == "standfirst" for rule in self.rules.repeats)
        return standfirsts(self.metas) if asked else frozenset()

    @cached_property
    def metas(self) -> list[tuple[str, str]]:
        """See headline.py."""
        return head_metas(self.kept.page)

    def _repeated(self, words: str) -> list[Rule]:
        """The rules with same_as that mean a line of these words."""
        same = "headline" if words in self.headlines else ""
        if words in self.standfirsts:
            same = "standfirst" if words in self.standfirsts_seen else same
            self.standfirsts_seen.add(words)
        if not same:
            return []
        return [rule for rule in self.rules.repeats if rule.same_as == same and rule.for_host(self.host)]

    # ---------------------------------------------------------------- guards, see GUARDS in rules.py
    def dense(self, tag: Tag, line: str) -> bool:
        """Many characters, few of them linked, in sentences."""
        start, stop = self.kept.span(tag)
        size, linked = self._size(tag), self.kept.linked[stop] - self.kept.linked[start]
        if size < _DENSE_WIDE_CHARS or linked > size * _DENSE_LINKED:
            return False
        text = line or tag.get_text()
        return size >= (_DENSE_WIDE_CHARS if _is_wide(text) else _DENSE_CHARS) and _sentences(text) >= 1

    def sentence(self, tag: Tag, line: str) -> bool:
        """More than one sentence."""
        return _sentences(line or tag.get_text()) > 1

    def links(self, tag: Tag, line: str) -> bool:
        """No link in it."""
        return tag.name != "a" and tag.find("a") is None and tag.find_parent("a") is None

    def item(self, tag: Tag, line: str) -> bool:
        """In a list."""
        return tag.name == "li" or tag.find_parent("li") is not None

    def followed(self, tag: Tag, line: str) -> bool:
        """Prose after it."""
        return self.kept.span(tag)[1] <= self.last_prose

    @cached_property
    def last_prose(self) -> int:
        """The first text of the last paragraph of running prose; -1 where there is none."""
        page, chars, linked = self.kept.page, self.kept.chars, self.kept.linked
        for block in range(len(page.owner) - 1, -1, -1):
            start, stop = page.starts[block], page.starts[block + 1]
            size = chars[stop] - chars[start]
            if size < _DENSE_WIDE_CHARS or linked[stop] - linked[start] > size * _DENSE_LINKED:
                continue
            text = page.block_text(block)
            if size >= (_DENSE_WIDE_CHARS if _is_wide(text) else _PARAGRAPH_CHARS) and _sentences(text):
                return start
        return -1


_SPARED: Final[dict[str, Callable[[_Pruner, Tag, str], bool]]] = {
    "dense": _Pruner.dense,
    "sentence": _Pruner.sentence,
    "links": _Pruner.links,
    "item": _Pruner.item,
    "followed": _Pruner.followed,
}


def _is_wide(text: str) -> bool:
    """Whether most of a text is in a writing without spaces: Chinese, Japanese."""
    return not text.isascii() and sum("\u3040" <= letter <= "\u9fff" for letter in text) * 2 > len(text)


def _sentences(text: str) -> int:
    text = text.rstrip('"”’»」) ')
    inner = sum(text.count(mark, 0, -1) for mark in (". ", "? ", "! ", "。", "！", "？", "؟ ", "۔ ", "। "))
    return inner + text.endswith(_SENTENCE_ENDS)


def _holds_tags(tag: Tag) -> bool:
    return Tag in map(type, tag.contents)


def _holds_lines(tag: Tag) -> bool:
    return _holds_tags(tag) and any(isinstance(child, Tag) and child.name in BLOCK_TAGS for child in tag.descendants)
