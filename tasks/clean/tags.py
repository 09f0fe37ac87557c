"""HTML tags by what they mean for reading a page."""

import re
from typing import Final

__all__ = [
    "ATOM",
    "BLOCK",
    "BLOCK_TAGS",
    "BR",
    "HEAD_TAGS",
    "LINK",
    "MEDIA",
    "MEDIA_TAGS",
    "TAGS",
    "UNSEEN",
    "UNSEEN_TAGS",
    "VOID_TAGS",
    "WIDGET",
    "code_language",
    "names",
]

# One flag each; the walk looks a tag up once and tests bits.
BLOCK: Final = 1  # starts a line of its own
LINK: Final = 2
BR: Final = 4
UNSEEN: Final = 8  # its text is never shown as text; not part of the ledger's promise
WIDGET: Final = 16  # a control: its text is a label, never prose
MEDIA: Final = 32  # shows something without text
ATOM: Final = 64  # kept or dropped as one thing, its insides are not walked


def names(listed: str) -> frozenset[str]:
    """The names in a text, parted by white space."""
    return frozenset(listed.split())


BLOCK_TAGS: Final = names(
    "address article aside blockquote body center dd details dialog div dl dt fieldset figcaption figure "
    "footer form h1 h2 h3 h4 h5 h6 header hgroup hr html legend li main menu nav ol p pre search section "
    "summary table caption tbody td tfoot th thead tr ul"
)
# Text inside these is program text, a fallback for old browsers, or belongs to the window, not to the page.
UNSEEN_TAGS: Final = names(
    "applet audio base canvas datalist embed head iframe link meta noframes noscript object param script "
    "source style svg template title track video"
)
WIDGET_TAGS: Final = frozenset(["button", "input", "optgroup", "option", "select", "textarea"])
# The last two lines: elements of AMP pages and of players that load on a click, see embeds.py.
MEDIA_TAGS: Final = names(
    "audio embed iframe img object video "
    "amp-facebook amp-iframe amp-img amp-instagram amp-reddit amp-tiktok amp-twitter amp-vimeo amp-youtube "
    "lite-vimeo lite-youtube"
)
# What may stand in a head: https://html.spec.whatwg.org/multipage/parsing.html#parsing-main-inhead
HEAD_TAGS: Final = names("base basefont bgsound link meta noframes noscript script style template title")
VOID_TAGS: Final = names("area base br col embed hr img input link meta param source track wbr")


def _flags(tag: str) -> int:
    flags = BLOCK if tag in BLOCK_TAGS else 0
    flags |= (UNSEEN | ATOM) if tag in UNSEEN_TAGS else 0
    flags |= (WIDGET | ATOM) if tag in WIDGET_TAGS else 0
    flags |= MEDIA if tag in MEDIA_TAGS else 0
    return flags | {"a": LINK, "br": BR}.get(tag, 0)


TAGS: Final = {tag: _flags(tag) for tag in BLOCK_TAGS | UNSEEN_TAGS | WIDGET_TAGS | MEDIA_TAGS | {"a", "br"}}


_LANGUAGE: Final = re.compile(r"(?:^|\s)(?:language-|lang-|highlight-source-|brush:\s*)([\w+#.-]{1,30})")


def code_language(classes: str) -> str:
    """The programming language that class names tell: `language-python hljs` is python."""
    found = _LANGUAGE.search(classes) if classes else None
    return found[1] if found else ""
