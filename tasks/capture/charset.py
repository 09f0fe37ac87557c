"""Which character encoding a page is in, in the order of the web's rules and with the evidence named."""

import re
from dataclasses import dataclass

import webencodings

__all__ = ["Charset", "decide_charset", "decode_text"]

_BOMS = ((b"\xef\xbb\xbf", "utf-8"), (b"\xfe\xff", "utf-16be"), (b"\xff\xfe", "utf-16le"))
_FALLBACK = "windows-1252"
_PRESCAN_BYTES = 8192  # browsers read 1024; pages with much before their meta are read right too
_DETECT_BYTES = 1 << 17
_HTTP = re.compile(r"charset\s*=\s*[\"']?([^\s;\"']+)", re.I)
_COMMENT = re.compile(rb"<!--.*?-->", re.S)
_META = re.compile(rb"<meta[^<>]+charset\s*=\s*[\"']?\s*([A-Za-z0-9_:.\-]+)", re.I)
_XML = re.compile(rb"\s*<\?xml[^>]+encoding=[\"']([A-Za-z0-9_:.\-]+)[\"']")
_MULTIBYTE = re.compile(rb"[\xc2-\xf4][\x80-\xbf]")
# The detector's names for encodings that the web knows under another label: https://encoding.spec.whatwg.org/#names
_DETECTOR_NAMES = {"cp949": "euc-kr", "uhc": "euc-kr"}


@dataclass(frozen=True, slots=True)
class Charset:
    """An encoding by its web name, and what it was known from (tasks.records.PageText.charset_source)."""

    name: str
    source: str


def decide_charset(payload: bytes, content_type: str) -> Charset:
    """The encoding of an HTML payload: BOM, HTTP, meta or XML declaration, valid UTF-8, detector, windows-1252.

    A payload that is valid multi-byte UTF-8 is UTF-8 whatever its label says; the source then ends in "-overridden".
    """
    for mark, name in _BOMS:
        if payload.startswith(mark):
            return Charset(name, "bom")
    http = _HTTP.search(content_type)
    label = _lookup(http[1]) if http else ""
    if label:
        return _unless_utf8(payload, Charset(label, "http"))
    label = _declared(payload)
    if label:
        return _unless_utf8(payload, Charset(label, "meta"))
    if _is_utf8(payload):
        return Charset("utf-8", "valid-utf-8")
    return _detected(payload)


def decode_text(payload: bytes, charset: Charset) -> tuple[str, bool]:
    """The text without its BOM, and whether every byte had a meaning; one that has none becomes U+FFFD."""
    encoding = webencodings.lookup(charset.name) or webencodings.UTF8
    if charset.source == "bom":
        payload = payload[3 if charset.name == "utf-8" else 2 :]
    try:
        return encoding.codec_info.decode(payload, "strict")[0], True
    except UnicodeDecodeError:
        return encoding.codec_info.decode(payload, "replace")[0], False


def _lookup(label: str) -> str:
    encoding = webencodings.lookup(label)
    return str(encoding.name) if encoding else ""


def _declared(payload: bytes) -> str:
    start = _COMMENT.sub(b"", payload[:_PRESCAN_BYTES])
    match = _META.search(start) or _XML.match(start)
    label = _lookup(match[1].decode("ascii")) if match else ""
    # A meta that could be read as ASCII is not in UTF-16: https://html.spec.whatwg.org/#prescan, steps for "charset"
    return {"utf-16be": "utf-8", "utf-16le": "utf-8", "x-user-defined": _FALLBACK}.get(label, label)


def _is_utf8(payload: bytes) -> bool:
    try:
        payload.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _unless_utf8(payload: bytes, charset: Charset) -> Charset:
    if charset.name != "utf-8" and _MULTIBYTE.search(payload) and _is_utf8(payload):
        return Charset("utf-8", f"{charset.source}-overridden")
    return charset


def _detected(payload: bytes) -> Charset:
    import cchardet  # seldom needed

    guess = (cchardet.detect(payload[:_DETECT_BYTES])["encoding"] or "").lower()
    label = _lookup(_DETECTOR_NAMES.get(guess, guess))
    if label and label != "utf-8":  # it is not: the payload failed that test
        return Charset(label, "detected")
    return Charset(_FALLBACK, "fallback")
