"""YAML front matter that every YAML reader takes, whatever a page puts into its title.

Each value is a JSON string, number or list, and JSON is YAML; what JSON allows in a string and YAML does not (controls,
U+2028, a byte order mark) is escaped, and half a surrogate pair, which no file can hold, becomes U+FFFD.
"""

import json
import re
from collections.abc import Iterable

__all__ = ["Value", "front_matter"]

Value = str | int | tuple[str, ...]
# Not printable by YAML 1.2, 5.1, or a line end by YAML 1.1. JSON has escaped what is below a blank.
_ESCAPED = re.compile("[\x7f-\xa0\xad\u2028\u2029\ufeff\ufffe\uffff]")
_HALF = re.compile("[\ud800-\udfff]")


def front_matter(fields: Iterable[tuple[str, Value]]) -> str:
    """The block between its two lines of dashes; names are plain words."""
    lines = "".join(f"{name}: {_value(value)}\n" for name, value in fields)
    return f"---\n{lines}---\n"


def _value(value: Value) -> str:
    if isinstance(value, int):
        return str(value)
    if isinstance(value, str):
        return _string(value)
    return f"[{', '.join(map(_string, value))}]"


def _string(text: str) -> str:
    quoted = json.dumps(_HALF.sub("\ufffd", text), ensure_ascii=False)
    return _ESCAPED.sub(lambda found: f"\\u{ord(found[0]):04x}", quoted)
