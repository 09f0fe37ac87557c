"""What the words of class names and ids say about a place on the page, as bits."""

import re
from collections.abc import Iterator
from typing import Final

__all__ = [
    "AD",
    "ASIDE",
    "AUTHOR",
    "BODY",
    "CAPTION",
    "CHROME",
    "COMMENT",
    "EMBED",
    "META",
    "NEWS",
    "PAYWALL",
    "RELATED",
    "SHARE",
    "class_mask",
    "split_words",
]

BODY: Final = 1
RELATED: Final = 2
SHARE: Final = 4
NEWS: Final = 8
COMMENT: Final = 16
AUTHOR: Final = 32
META: Final = 64
CAPTION: Final = 128
CHROME: Final = 256
AD: Final = 512
ASIDE: Final = 1024
EMBED: Final = 2048
PAYWALL: Final = 4096

# Learned from the class names of some 900 pages; each word alone is a hint, never a verdict (see content.py).
_GROUPS: Final = {
    BODY: "articlebody body content copy entry longform markdown post prose richtext story storybody text wysiwyg",
    RELATED: "also carousel listing more next onward outbrain popular prev previous promoted readmore recirc "
    "recommend recommendation recommendations recommended related relateds relacionadas similar slider suggested "
    "suggestions taboola teaser teasers trending upsell mostread weiterlesen",
    SHARE: "addthis addtoany bookmark follow share sharedaddy sharebar shares sharing sns social socials "
    "teilen whatsapp",
    NEWS: "abo donate donation mailchimp membership newsletter newsletters optin promo register signup subscribe "
    "subscription subscriptions",
    COMMENT: "comment commentlist comments commento disqus discussion kommentar kommentare replies reply respond "
    "reactions komentarze comentarios",
    AUTHOR: "author authors autor bio biography byline contributor writer",
    META: "breadcrumb breadcrumbs categories category date dateline meta metadata published tag tags timestamp topics",
    CAPTION: "caption credit figcaption",
    CHROME: "breadcrumb breadcrumbs colophon consent cookie cookies copyright disclaimer footer gdpr imprint masthead "
    "menu modal nav navbar navigation overlay pager pagination popup search skip toolbar",
    AD: "ad ads advert advertisement advertising anzeige dfp gpt publicidad sponsor sponsored werbung",
    ASIDE: "aside rail secondary sidebar",
    EMBED: "bluesky embed instagram mastodon tiktok tweet",
    PAYWALL: "paywall piano regwall",
}
_WORDS: Final[dict[str, int]] = {}
for _bit, _names in _GROUPS.items():
    for _word in _names.split():
        _WORDS[_word] = _WORDS.get(_word, 0) | _bit

_TOKEN_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")
_MEMO_SIZE: Final = 50_000  # a page may hold any number of distinct names: memory must not grow with them
_MEMO_CHARS: Final = 400  # longer values are not kept: a class attribute may be as long as the page
_memo: dict[str, int] = {}


def split_words(value: str) -> list[str]:
    """Lower-case words of class tokens or an id: `td-newsletterWrap__box2` is td, newsletter, wrap, box."""
    return list(_words_of(value))


def _words_of(value: str) -> Iterator[str]:
    return (match[0].lower() for match in _TOKEN_WORDS.finditer(value))


def class_mask(value: str) -> int:
    """Bits of all words in the value of a class or id attribute."""
    mask = _memo.get(value)
    if mask is None:
        mask = 0
        for word in _words_of(value):  # no list: an attribute may be as long as the page
            mask |= _WORDS.get(word, 0)
        if len(_memo) >= _MEMO_SIZE:
            _memo.clear()
        if len(value) <= _MEMO_CHARS:
            _memo[value] = mask
    return mask
