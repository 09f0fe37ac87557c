"""HTML pages that stand alone: they load nothing, run nothing, and say so by their Content-Security-Policy."""

import base64
import hashlib
import os
import re
import secrets
from collections.abc import Iterable
from html import escape
from pathlib import Path

from tasks.errors import WouldOverwrite

__all__ = ["escaped", "page_head", "save_page"]

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


def page_head(title: str, style: str) -> str:
    """Everything up to and including <body>; the policy names the one stylesheet by its hash."""
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        f'<meta http-equiv="Content-Security-Policy" content="{policy}">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        '<meta name="referrer" content="no-referrer">\n'
        f"<title>{escaped(title)}</title>\n<style>{style}</style>\n</head>\n<body>\n"
    )


def escaped(text: str) -> str:
    """Text for any place in a page: neither mark-up nor control characters."""
    return escape(_CONTROLS.sub("\ufffd", text))


def save_page(path: Path, pieces: Iterable[str], *, force: bool) -> None:
    """Write a page; the name appears when it is whole. Raises WouldOverwrite without `force`."""
    if os.path.lexists(path) and not force:
        raise WouldOverwrite("exists already", where=str(path), remedy="Name another file, or use --force")
    temporary = path.with_name(f".tmp-{secrets.token_hex(8)}")
    try:
        with temporary.open("x", encoding="utf-8", errors="backslashreplace") as out:
            out.writelines(pieces)
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)
