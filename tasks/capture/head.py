"""The head of a response, parsed without being altered: what is odd becomes a flag."""

import re
from dataclasses import dataclass

__all__ = ["FRAMING_REMOVED", "HEAD_END", "Head", "parse_head", "parse_stored_head", "resource_head"]

HEAD_END = re.compile(rb"\r?\n\r?\n")
_STATUS = re.compile(rb"HTTP/(1\.[0-9])[ \t]+([1-9][0-9]{2})(?:[ \t][^\r\n]*)?\r?\n")
_ANY_STATUS = re.compile(rb"HTTP/([0-9](?:\.[0-9])?)[ \t]+([1-9][0-9]{2})(?:[ \t][^\r\n]*)?\r?\n")
FRAMING_REMOVED = "framing-removed"  # flag: chunked by its header, but another tool stored the body without framing
_NO_BODY = frozenset({101, 204, 304})  # RFC 9112, 6.3; interim answers never come this far
_MAX_LENGTH_DIGITS = 18
_BLANK = " \t\r"  # str.strip() alone would also take a no-break space


@dataclass(frozen=True, slots=True)
class Head:
    """The status line and the headers, and what they say of the body that follows."""

    raw: bytes
    status: int
    headers: tuple[tuple[str, str], ...]  # names lower-case, folds joined
    flags: tuple[str, ...]
    chunked: bool
    length: int | None  # None: until the connection closes
    keeps_alive: bool

    @property
    def interim(self) -> bool:
        """Whether another head follows: 1xx but for 101, after which HTTP ends."""
        return 100 <= self.status < 200 and self.status != 101


def parse_head(raw: bytes) -> Head | None:
    """The head, or None where `raw` does not start with an HTTP/1 status line."""
    match = _STATUS.match(raw)
    return _parsed(raw, match) if match else None


def parse_stored_head(raw: bytes) -> Head | None:
    """The head in a record, whoever wrote it. HTTP/2 has no status line: tools that saw it make one up."""
    match = _ANY_STATUS.match(raw)
    return _parsed(raw, match) if match else None


def resource_head(media_type: str) -> Head:
    """What stands for the head that a `resource` record of another tool does not have."""
    return Head(b"", 0, (("content-type", media_type),), (), False, None, False)


def _parsed(raw: bytes, match: re.Match[bytes]) -> Head:
    status, version = int(match[2]), match[1]
    headers, flags = _parse_headers(raw[match.end() :])
    chunked, length, framing = _framing(headers, status, version)
    connection = ",".join(value for name, value in headers if name == "connection").lower()
    keeps = "keep-alive" in connection if version == b"1.0" else "close" not in connection
    known_end = chunked or length is not None
    keeps = keeps and known_end and not framing and status != 101
    return Head(raw, status, headers, flags + framing, chunked, length, keeps)


def _parse_headers(raw: bytes) -> tuple[tuple[tuple[str, str], ...], tuple[str, ...]]:
    headers: list[tuple[str, str]] = []
    flags: dict[str, None] = {}  # a set that keeps its order
    for line in raw.decode("latin-1").split("\n"):
        line = line.removesuffix("\r")
        if not line:
            continue
        if line[0] in " \t" and headers:
            flags["obs-fold"] = None
            headers[-1] = (headers[-1][0], f"{headers[-1][1]} {line.strip(_BLANK)}")
            continue
        name, colon, value = line.partition(":")
        if not colon:
            flags["header-no-colon"] = None
            continue
        if not name or " " in name or "\t" in name:
            flags["header-odd-name"] = None
        headers.append((name.strip(_BLANK).lower(), value.strip(_BLANK)))
    return tuple(headers), tuple(flags)


def _framing(
    headers: tuple[tuple[str, str], ...], status: int, version: bytes
) -> tuple[bool, int | None, tuple[str, ...]]:
    """Whether the body is chunked, its length, and flags that say why the connection cannot be trusted further."""
    if status in _NO_BODY:
        return False, 0, ()
    codings = _listed(headers, "transfer-encoding")
    lengths = dict.fromkeys(_listed(headers, "content-length"))
    if version != b"1.0" and codings and codings[-1] == "chunked":
        flags = ("length-and-chunked",) if lengths else ()
        return True, None, flags + (() if set(codings) <= {"chunked", "identity"} else ("odd-transfer-encoding",))
    if codings and codings != ["identity"]:
        return False, None, ("odd-transfer-encoding",)
    if not lengths:
        return False, None, ()
    first = next(iter(lengths))
    if len(lengths) > 1:
        return False, None, ("conflicting-length",)
    if not first.isascii() or not first.isdecimal():
        return False, None, ("odd-length",)
    return False, int(first.lstrip("0")[:_MAX_LENGTH_DIGITS] or 0), ()  # a longer one cannot be met either


def _listed(headers: tuple[tuple[str, str], ...], wanted: str) -> list[str]:
    parts = (part.strip().lower() for name, value in headers if name == wanted for part in value.split(","))
    return [part for part in parts if part]
