"""Digests as archives write them: any label, hex, Base32 or Base64."""

import base64
import binascii
import re

__all__ = ["SIZES", "algorithm_of", "matches", "parse_digest", "parse_digests"]

SIZES = {"md5": 16, "sha1": 20, "sha256": 32, "sha384": 48, "sha512": 64}  # algorithm: bytes of a digest
_OURS = re.compile(r"sha256:([0-9a-f]{64})")
_FORM = re.compile(r"[A-Za-z0-9+/_-]+={0,6}")


def algorithm_of(text: str) -> str:
    """The label of a digest as hashlib names it: `sha-256:…` gives sha256; empty without a label."""
    if text.startswith("sha256:"):
        return "sha256"
    label, colon, _ = text.partition(":")
    return label.strip().lower().replace("-", "") if colon else ""


def parse_digest(text: str) -> tuple[str, bytes] | None:
    """Algorithm and bytes of a labelled digest such as `sha1:3I42H3S6…` or `sha-256:9f86…`; None when unknown.

    Values may be hex, Base32 or Base64 (either alphabet): warc-specifications#48 and #80.
    """
    if ours := _OURS.fullmatch(text):  # by far the most frequent
        return "sha256", bytes.fromhex(ours[1])
    algorithm, value = algorithm_of(text), text.partition(":")[2]
    if algorithm not in SIZES:
        return None
    raw = _decode(value.strip(), SIZES[algorithm])
    return (algorithm, raw) if raw else None


def parse_digests(text: str) -> tuple[tuple[str, bytes], ...]:
    """Every reading of a digest that may lack its label, as in older indexes; empty when there is none."""
    if ":" in text:
        one = parse_digest(text)
        return (one,) if one else ()
    readings = ((name, _decode(text.strip(), size)) for name, size in SIZES.items())
    return tuple((name, raw) for name, raw in readings if raw)


def _decode(value: str, size: int) -> bytes | None:
    if not value.isascii() or not _FORM.fullmatch(value):
        return None
    try:
        if len(value) == size * 2:
            return bytes.fromhex(value)
        if len(value.rstrip("=")) == (size * 8 + 4) // 5:
            bare = value.rstrip("=").upper()
            raw = base64.b32decode(bare + "=" * (-len(bare) % 8))
        else:
            bare = value.rstrip("=").replace("-", "+").replace("_", "/")
            raw = base64.b64decode(bare + "=" * (-len(bare) % 4), validate=True)
    except (ValueError, binascii.Error):
        return None
    return raw if len(raw) == size else None


def matches(text: str, found: dict[str, bytes]) -> bool | None:
    """Whether digest `text` equals one of `found` (algorithm: bytes); None when it cannot be said."""
    readings = parse_digests(text)
    known = [(name, raw) for name, raw in readings if name in found]
    return any(found[name] == raw for name, raw in known) if known else None
