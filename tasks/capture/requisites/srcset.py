"""The candidates of a `srcset`: https://html.spec.whatwg.org/#parse-a-srcset-attribute."""

__all__ = ["parse_srcset"]

_SPACE = " \t\n\f\r"


def parse_srcset(text: str) -> tuple[str, ...]:
    """The URLs in order, whatever their descriptors are worth.

    A comma belongs to a URL unless it ends it, so that `data:image/png;base64,AA 2x, b.jpg` has two candidates.
    """
    found, at = [], 0
    while at < len(text):
        while at < len(text) and text[at] in _SPACE + ",":
            at += 1
        start = at
        while at < len(text) and text[at] not in _SPACE:
            at += 1
        url = text[start:at]
        if url.endswith(","):
            url = url.rstrip(",")
        else:
            at = _after_descriptors(text, at)
        if url:
            found.append(url)
    return tuple(found)


def _after_descriptors(text: str, at: int) -> int:
    """Where the next candidate begins: behind the next comma that is not in parentheses."""
    inside = False
    while at < len(text):
        char = text[at]
        at += 1
        if char == "," and not inside:
            break
        inside = (inside or char == "(") and char != ")"
    return at
