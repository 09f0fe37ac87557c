"""The ways in which bundles and manifests hold text: canonical JSON and clean UTF-8, the same on every machine."""

import json
from typing import Any

__all__ = ["json_line", "json_page", "utf8"]

_LINE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, separators=(",", ":"), allow_nan=False)
_PAGE = json.JSONEncoder(ensure_ascii=False, sort_keys=True, indent=2, allow_nan=False)


def json_line(value: Any) -> bytes:
    """Canonical JSON on one line: keys sorted, no blanks, UTF-8; half a surrogate pair stays an escape."""
    return _LINE.encode(value).encode("utf-8", "backslashreplace")


def json_page(value: Any) -> bytes:
    """The same JSON indented by two, for people; ends with a newline."""
    return _PAGE.encode(value).encode("utf-8", "backslashreplace") + b"\n"


def utf8(text: str) -> bytes:
    """`text` as UTF-8; half a surrogate pair, which UTF-8 cannot hold, becomes U+FFFD."""
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").encode("utf-8")
