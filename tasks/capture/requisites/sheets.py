"""What a style sheet loads: `@import`, `url()`, `image-set()`, `@font-face`; never what a comment or a text says.

tinycss2 reads a megabyte a second, and few rules load anything: the others are left out first, by a scan that knows
where comments, strings, URLs and blocks end.
"""

import re
from collections.abc import Iterable, Iterator
from typing import Any

import tinycss2
from tinycss2.bytes import decode_stylesheet_bytes

from tasks.capture.requisites.wanted import Wanted, absolute

__all__ = ["sheet_requisites", "style_requisites"]

_SETS = ("image-set", "-webkit-image-set")
_BLOCKS = ("() block", "[] block", "{} block")
# Comment, string, unquoted URL, or what begins or ends a rule: https://www.w3.org/TR/css-syntax-3/#tokenization
_TOKEN = re.compile(
    r"""/\*.*?(?:\*/|\Z)|"(?:\\.|[^"\\\n])*["\n]?|'(?:\\.|[^'\\\n])*['\n]?"""
    r"""|\burl\(\s*(?!\s|["'])(?:\\.|[^)\\])*\)?|\\.|[{};]""",
    re.DOTALL | re.IGNORECASE,
)
_LOADING = re.compile(r"""\burl\(\s*(?:["']\s*)?(?!\s|["']|data:|\#)|@import|image-set\(|\bsrc\(""", re.IGNORECASE)
_DEEP = 40  # blocks in blocks that are followed


def sheet_requisites(sheet: bytes | str, base: str, *, charset: str = "") -> list[Wanted]:
    """What a sheet at the URL `base` loads, in its order; `charset` is what its HTTP header says."""
    text = sheet if isinstance(sheet, str) else decode_stylesheet_bytes(sheet, charset or None)[0]
    if not _LOADING.search(text):
        return []
    rules = tinycss2.parse_stylesheet(_loading_rules(text), skip_comments=True, skip_whitespace=True)
    return list(_wanted(_in_rules(rules), base))


def _loading_rules(text: str) -> str:
    """The sheet without the rules, declarations and statements that load nothing."""
    blocks: list[tuple[str, list[str]]] = [("", [])]  # those open here: what stands before its {, what is kept of it
    start = 0
    for token in _TOKEN.finditer(text):
        if token[0] not in "{};":
            continue
        said, start = text[start : token.start()], token.end()
        if token[0] == "{":
            blocks.append((said, []))
        elif token[0] == ";":
            blocks[-1][1].extend([said, ";"] if _LOADING.search(said) else ())
        else:
            _close(blocks, said)
    while len(blocks) > 1:  # the sheet ends within a block: browsers close it
        _close(blocks, text[start:], end="")
        start = len(text)
    return "".join(blocks[0][1]) + text[start:]


def _close(blocks: list[tuple[str, list[str]]], said: str, *, end: str = "}") -> None:
    """End the innermost block, of which `said` is the rest."""
    if len(blocks) > 1:
        before, kept = blocks.pop()
        if _LOADING.search(said):
            kept.append(said)
        if kept:
            blocks[-1][1].extend([before, "{", *kept, end])


def style_requisites(style: str, base: str) -> list[Wanted]:
    """What a style attribute loads."""
    if not _LOADING.search(style):
        return []
    return list(_wanted(_in_tokens(tinycss2.parse_component_value_list(style, skip_comments=True), "image", 0), base))


def _wanted(found: Iterable[tuple[str, str]], base: str) -> Iterator[Wanted]:
    for reference, kind in found:
        if url := absolute(reference, base):
            yield Wanted(url, kind, base)


def _in_rules(rules: Iterable[Any]) -> Iterator[tuple[str, str]]:
    for rule in rules:
        if rule.type == "at-rule" and rule.lower_at_keyword == "import":
            yield from _imported(rule.prelude)
        elif rule.type in ("at-rule", "qualified-rule") and rule.content:
            font = rule.type == "at-rule" and rule.lower_at_keyword == "font-face"
            yield from _in_tokens(rule.content, "font" if font else "image", 0)


def _imported(prelude: Iterable[Any]) -> Iterator[tuple[str, str]]:
    """The sheet that an @import names: its first token; conditions, which may hold url(), follow."""
    for token in prelude:
        if token.type in ("string", "url"):
            yield token.value, "style"
        elif token.type == "function" and token.lower_name in ("url", "src"):
            yield from ((inner.value, "style") for inner in token.arguments[:1] if inner.type == "string")
        elif token.type in ("whitespace", "comment"):
            continue
        return


def _in_tokens(tokens: Iterable[Any], kind: str, depth: int, *, strings: bool = False) -> Iterator[tuple[str, str]]:
    """The references in a list of tokens. `strings`: a string is one, too, as in image-set("a.png" 1x)."""
    if depth > _DEEP:
        return
    named = kind
    for token in tokens:
        if token.type == "url" or (token.type == "string" and strings):
            yield token.value, kind
        elif token.type == "at-keyword":  # a rule within @media or @supports
            named = "font" if token.lower_value == "font-face" else kind
        elif token.type == "function":
            inside = token.lower_name in _SETS or token.lower_name in ("url", "src")
            yield from _in_tokens(token.arguments, kind, depth + 1, strings=inside)
        elif token.type in _BLOCKS:
            yield from _in_tokens(token.content, named, depth + 1)
            named = kind
