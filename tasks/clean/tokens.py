"""HTML cut into tags and comments by patterns in which nothing is ever tried twice: linear whatever the page holds.

For pages on which libxml2 is not linear, or stops (parse.py). The tokens are those of
https://html.spec.whatwg.org/multipage/parsing.html#tokenization: quotes count only after `=`, and an attribute may
hold `<` and `>`.
"""

import re
from typing import Final

__all__ = ["ATTRIBUTE", "MOST_ATTRIBUTES", "ONE_TAG", "RAW_TAGS", "TOKEN", "TOO_MANY", "raw_end"]

MOST_ATTRIBUTES: Final = 1000  # of one element; no element of 1,609 pages had a quarter of it

# Possessive throughout (++, *+, ?+): a pattern that gives nothing back cannot be made to try again.
_ATTRIBUTE: Final = r"""[\s/]*+[^\s/>][^\s/>=]*+(?:\s*+=\s*+(?:"[^"]*+"?+|'[^']*+'?+|[^\s>"'][^\s>]*+)?+)?+"""
_COMMENT: Final = r"!--(?:-?+>|[^-]*+(?:-(?!-!?>)[^-]*+)*+(?:--!?>)?+)"
_BOGUS: Final = r"[!?][^>]*+>?+|/(?:>|[^A-Za-z>][^>]*+>?+)"
# What these hold is text up to their own end tag, whatever it looks like.
RAW_TAGS: Final = ("iframe", "noembed", "noframes", "script", "style", "textarea", "title", "xmp")
_FEW: Final = rf"(?:{_ATTRIBUTE}){{0,{MOST_ATTRIBUTES}}}+"
_REST: Final = rf"(?:{_ATTRIBUTE})*+"
_RAW: Final = rf"(?P<raw>(?i:{'|'.join(RAW_TAGS)}))(?=[\s/>]){_FEW}(?P<more_raw>{_REST})[\s/]*+(?<!/)>"
_RAW_TEXT: Final = r"[^<]*+(?:<(?!/(?i:(?P=raw))[\s/>])[^<]*+)*+"

ATTRIBUTE: Final = re.compile(
    r"""[\s/]*+([^\s/>][^\s/>=]*+)(?:\s*+=\s*+(?:"([^"]*+)"?+|'([^']*+)'?+|([^\s>"'][^\s>]*+))?+)?+"""
)
# Groups: the slash of an end tag, name, attributes, a slash before the end, the end. Comments have no name.
TOKEN: Final = re.compile(
    rf"<(?:{_COMMENT}|{_BOGUS}|(/?+)([A-Za-z][^\s/>]*+)((?:{_ATTRIBUTE})*+)\s*+(/?+)[\s/]*+(>?+))", re.DOTALL
)
# The next two are of bytes. ONE_TAG matches wherever a tag starts; `more` is what stands beyond MOST_ATTRIBUTES.
ONE_TAG: Final = re.compile(rf"<[A-Za-z][^\s/>]*+{_FEW}(?P<more>{_REST})".encode())
# `more` or `more_raw` is what stands beyond the first MOST_ATTRIBUTES. Script text and comments are passed by.
TOO_MANY: Final = re.compile(
    rf"<(?:{_COMMENT}|{_BOGUS}|{_RAW}{_RAW_TEXT}|[A-Za-z][^\s/>]*+{_FEW}(?P<more>{_REST})[\s/]*+>?+)".encode(),
    re.DOTALL,
)


def raw_end(name: str) -> re.Pattern[str]:
    """Finds the end tag of a raw element."""
    return _RAW_ENDS[name]


_RAW_ENDS: Final = {name: re.compile(rf"</{name}(?=[\s/>])", re.IGNORECASE) for name in RAW_TAGS}
