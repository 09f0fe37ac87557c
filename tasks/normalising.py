"""Text with what readers do not see as a change taken out: the form in which two versions of an article are compared.

Never stored and never shown: only whether two texts are the same in it counts.
"""

import re
import unicodedata

__all__ = ["normalised"]

# Signs that are not seen: soft hyphen, joiners and marks of direction, variation selectors, byte order mark.
# https://www.unicode.org/Public/UCD/latest/ucd/DerivedCoreProperties.txt, Default_Ignorable_Code_Point, less fillers
# and tags, which stand for something.
_UNSEEN = (0xAD, 0x34F, 0x61C, 0x180E, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070))
_UNSEEN += (*range(0xFE00, 0xFE10), 0xFEFF)
# Signs that typesetters and content systems put for one another.
_ALIKE = {
    "'": "\u2018\u2019\u201a\u201b\u02bc\u2032\u2039\u203a\uff07`\u00b4",
    '"': "\u201c\u201d\u201e\u201f\u2033\u00ab\u00bb\uff02",
    "-": "\u2010\u2011\u2012\u2013\u2014\u2015\u2212\ufe58\ufe63\uff0d",
    "...": "\u2026",
}
_TABLE = dict.fromkeys(_UNSEEN, "") | {ord(sign): plain for plain, signs in _ALIKE.items() for sign in signs}
_DASHES, _BLANKS = re.compile("--+"), re.compile(r"\s+")


def normalised(text: str) -> str:
    """`text` in NFC, white space folded to single blanks, without unseen signs, each quote, dash and ellipsis plain.

    Twice gives the same as once.
    """
    text = unicodedata.normalize("NFC", unicodedata.normalize("NFC", text).translate(_TABLE))
    return _BLANKS.sub(" ", _DASHES.sub("-", text)).strip()
