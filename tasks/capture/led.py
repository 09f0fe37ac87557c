"""Where redirects led: to a login, a consent page, home, or simply to the page under another address."""

import re
from collections.abc import Sequence
from urllib.parse import SplitResult, urljoin, urlsplit

__all__ = ["is_home", "is_led_home", "leads_to", "of_one_site", "target_of"]

_HOME_SEGMENT = re.compile(r"(?:index|default|home)(?:\.[a-z]{3,5})?|[a-z]{2}(?:[-_][a-z]{2})?")
_EXTENSION = re.compile(r"\.[a-z]{3,5}$")


def target_of(asked: str, final: str, refresh: str) -> str:
    """The address that the page sent us, or sends a browser, on to; the empty string where it is the one asked for."""
    try:
        target = urljoin(final, refresh) if refresh else final
        one, two = urlsplit(asked), urlsplit(target)
    except ValueError:
        return ""
    same = _site(one) == _site(two) and one.path.rstrip("/") == two.path.rstrip("/")
    return "" if same else target


def leads_to(asked: str, target: str, paths: Sequence[str], hosts: Sequence[str]) -> bool:
    """Whether the target is, and the address asked for is not, one with such a path segment, host, or label of it."""
    return bool(target) and _is_such(target, paths, hosts) and not _is_such(asked, paths, hosts)


def _is_such(url: str, paths: Sequence[str], hosts: Sequence[str]) -> bool:
    parts = urlsplit(url)
    if any(segment in paths for segment in _segments(parts)):
        return True
    host = (parts.hostname or "").lower()
    first = host.partition(".")[0]
    return any(first == name if "." not in name else host == name or host.endswith(f".{name}") for name in hosts)


def is_led_home(asked: str, final: str) -> bool:
    """Whether a redirect led from a page to the home page of the same site: what was asked for is gone."""
    try:
        one, two = urlsplit(asked), urlsplit(final)
    except ValueError:
        return False
    at_home = not _inner(two) and not two.query
    return at_home and bool(_inner(one)) and _site(one) == _site(two)


def is_home(url: str) -> bool:
    """Whether this is the address of a home page, in whatever language."""
    try:
        return not _inner(urlsplit(url))
    except ValueError:
        return False


def of_one_site(url: str, other: str) -> bool:
    """Whether both are on one host, `www`, mobile and AMP hosts taken for the same."""
    try:
        return _site(urlsplit(url)) == _site(urlsplit(other))
    except ValueError:
        return False


def _inner(parts: SplitResult) -> list[str]:
    """Path segments other than those of a home page in some language."""
    return [segment for segment in _segments(parts) if not _HOME_SEGMENT.fullmatch(segment)]


def _segments(parts: SplitResult) -> list[str]:
    return [_EXTENSION.sub("", segment) for segment in parts.path.lower().split("/") if segment]


def _site(parts: SplitResult) -> str:
    return re.sub(r"^(?:www\d?|m|mobile|amp)\.", "", (parts.hostname or "").lower())
