"""A style sheet with other URLs; every other character stays."""

import re
from collections.abc import Callable

from tinycss2.bytes import decode_stylesheet_bytes

__all__ = ["mapped_sheet", "sheet_text"]

# A comment, an @import by a string, an image-set (which may name pictures by strings), url(), or a string. What begins
# as a string or url() is one, closed or not: to look again and again for an end that never comes would take for ever.
_STRING = r"""(?:"(?:\\.|[^"\\\n])*+"?|'(?:\\.|[^'\\\n])*+'?)"""
_HEX = r"\\[0-9A-Fa-f]{1,6}[ \t\n\r\f]?"
_PART = re.compile(
    rf"""/\*.*?(?:\*/|\Z)
    |(?P<import>@import\s*+){_STRING}
    |(?P<set>(?:-webkit-)?image-set\()(?P<options>(?:[^()"']|{_STRING}|\((?:[^()"']|{_STRING})*+\))*+)\)
    |(?P<url>\burl\(\s*+)(?P<said>{_STRING}|(?:{_HEX}|\\.|[^)\\"'\s])*+)(?P<end>\s*+(?:\)|\Z)|(?P<bad>[^)]*+\)?))
    |{_STRING}""",
    re.DOTALL | re.IGNORECASE | re.VERBOSE,
)
_OPTION = re.compile(rf"type\(\s*+{_STRING}\s*+\)|{_PART.pattern}", re.DOTALL | re.IGNORECASE | re.VERBOSE)
_ESCAPE = re.compile(r"\\(?:([0-9A-Fa-f]{1,6})(?:\r\n|[ \t\n\r\f])?|(\n)|(.))", re.DOTALL)
_QUOTES = "\"'"


def sheet_text(data: bytes, content_type: str) -> str:
    """A sheet as text, by its byte order mark, the HTTP header, or its @charset."""
    said = re.search(r"charset\s*=\s*[\"']?([^\s;\"']+)", content_type, re.IGNORECASE)
    return str(decode_stylesheet_bytes(data, said[1] if said else None)[0])


def mapped_sheet(text: str, mapped: Callable[[str], str]) -> str:
    """The sheet, each reference in it as `mapped` gives it."""

    def part(match: re.Match[str]) -> str:
        if match["import"]:
            return match["import"] + _quoted(match[0][len(match["import"]) :], mapped)
        if match["set"]:
            return match["set"] + _OPTION.sub(option, match["options"]) + ")"
        if match["url"]:
            bad = match["bad"] is not None and match["said"][:1] not in _QUOTES  # no URL to browsers, either
            return match[0] if bad else match["url"] + _quoted(match["said"], mapped) + match["end"]
        return match[0]

    def option(match: re.Match[str]) -> str:
        return _quoted(match[0], mapped) if match[0][0] in _QUOTES else part(match)

    return _PART.sub(part, text)


def _quoted(said: str, mapped: Callable[[str], str]) -> str:
    """A reference in quotes or not, mapped, in double quotes."""
    quoted = said[:1] in _QUOTES
    inner = _ESCAPE.sub(_character, said[1:-1] if quoted else said)
    if not inner or (quoted and said[-1] != said[0]):  # never closed
        return said
    text = mapped(inner)
    if text == inner:
        return said
    return '"' + re.sub(r'[\\"\n]', lambda match: f"\\{ord(match[0]):x} ", text) + '"'


def _character(match: re.Match[str]) -> str:
    if match[1]:
        code = int(match[1], 16)
        return chr(code) if 0 < code < 0x110000 and not 0xD800 <= code < 0xE000 else "\ufffd"
    return match[3] or ""
