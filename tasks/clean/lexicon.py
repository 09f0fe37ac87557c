"""Words that tell what a line or a place is for: of short lines by concept, of class names and ids by kind.

Neither list decides anything: they are features, and what they are worth was learned (see scorer.py).
"""

import re
from collections.abc import Iterable
from typing import Final

__all__ = ["PLACE_GROUPS", "TAG_NUMBER", "class_tokens", "place_bits"]

# Starts of the words of class names and ids, by the kind of place; a $ ends a whole word.
_PLACES: Final = {
    "body": "articlebody prose richtext markdown paragraph wysiwyg bodytext maincontent storybody postbody postcontent "
    "entrycontent rte$ body$ text$ copy$ longform",
    "post": "article artikel articulo story post entry content main contenu contenido inhalt nota noticia blog news "
    "single hentry longread",
    "related": "relat recommend more most popular trend teaser also$ next prev similar latest recirc outbrain taboola "
    "suggest onward card$ cards$ grid carousel slider swiper promo upsell featured listing archive feed$ readmore "
    "verwandt aside empfehl mehr list$ loop tile mostread weiterles",
    "share": "share sharing social facebook twitter follow addthis addtoany sns whatsapp pinterest icon teilen",
    "news": "newsletter subscri signup optin paywall regist login mailing cta donat banner abo$ premium piano regwall "
    "support member mailchimp",
    "comment": "comment disqus respon reply replies discuss kommentar feedback rating review reaction koment coment",
    "author": "author byline bio$ bios$ biograph writer contributor avatar profile vcard autor",
    "meta": "meta date time publish tag$ tags$ categor breadcrumb label kicker eyebrow info credit source topic "
    "keyword badge dateline posted",
    "caption": "caption figcaption figure image photo gallery media img video thumb picture player audio podcast "
    "legende bild foto",
    "nav": "nav menu toolbar pagin pager skip jump search toc$ tab$ tabs$ subnav sitemap accordion dropdown",
    "ads": "ad$ ads$ advert sponsor dfp gpt anzeige publici werbung commercial partner affiliate adslot adunit "
    "promoted reklam",
    "side": "side rail widget column secondary complement module box panel popup modal overlay sticky drawer tooltip "
    "dialog infobox factbox callout embed",
    "foot": "foot copyright legal disclaim imprint impressum bottom colophon privacy cookie consent gdpr terms "
    "onetrust didomi",
    "head": "head top masthead logo brand hero title headline subtitle deck$ dek$ lead$ lede intro summary standfirst "
    "excerpt abstract subhead chapo teasertext vorspann ingress",
    "hidden": "hidden sr$ only$ visually screen offscreen collaps print none$ hide invisible",
}
PLACE_GROUPS: Final = tuple(_PLACES)
_WHOLE: Final[dict[str, int]] = {}
_START: Final[dict[str, int]] = {}
for _bit, _listed in enumerate(_PLACES.values()):
    for _word in _listed.split():
        _table = _WHOLE if _word.endswith("$") else _START
        _word = _word.rstrip("$")
        _table[_word] = _table.get(_word, 0) | 1 << _bit
_HEAD: Final = min(map(len, _START))
_STARTS: Final[dict[str, list[tuple[str, int]]]] = {}  # by their first letters
for _word, _bits in _START.items():
    _STARTS.setdefault(_word[:_HEAD], []).append((_word, _bits))

_CLASS_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])")
_SHORT: Final = frozenset({"ad", "by", "sr"})

_TAGS: Final = (
    "p div li h1 h2 h3 h4 h5 h6 td th blockquote figcaption pre dd dt section article main aside nav header footer "
    "form figure ul ol table tr tbody details summary dl address body caption center"
)
TAG_NUMBER: Final = {tag: number for number, tag in enumerate(_TAGS.split())}


def class_tokens(value: str) -> tuple[str, ...]:
    """Lower-case words of class names and ids, and pairs of neighbours inside one name; each once."""
    found: dict[str, None] = {}
    for name in value.split():
        before = ""
        for word in map(str.lower, _CLASS_WORD.findall(name)):
            size = len(word)
            if 2 < size < 25 or word in _SHORT:
                found[word] = None
            if before and 2 < len(before) + size < 25:
                found[before + word] = None
            before = word
    return tuple(found)


def place_bits(tokens: Iterable[str]) -> int:
    """The kinds of place that words of class names tell of, as bits of PLACE_GROUPS."""
    bits = 0
    for token in tokens:
        bits |= _WHOLE.get(token, 0)
        for start, more in _STARTS.get(token[:_HEAD], ()):
            if token.startswith(start):
                bits |= more
    return bits
