"""What must hold for a page whatever it is: fuzzer, hypothesis and the replayed findings all ask this."""

import json

from tasks.clean import parse_tree
from tasks.metadata import describe
from tasks.records import Metadata
from tests.clean.helpers import URL
from tests.clean.test_conservation import account

__all__ = ["wrongs"]


def wrongs(html: str) -> list[str]:
    """What is wrong with the cleaning of a page: promise 1, what cannot be written out, what runs."""
    found = account(html)
    tree = parse_tree(html)
    metadata = describe(tree.root, url=URL, headers={}) if tree.root is not None else Metadata()
    for field in (metadata.title, metadata.description, metadata.section, metadata.site):
        if field is not None and not _is_text(field.value):
            found.append(f"no text for {field.source}")
    return found


def _is_text(value: str) -> bool:
    try:
        json.dumps(value).encode()
        value.encode("utf-8")
    except (TypeError, UnicodeEncodeError):
        return False
    return True
