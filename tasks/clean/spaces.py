"""White space folded and counted, piece by piece: a list of all words of a text takes ten times its memory."""

from typing import Final

__all__ = ["folded", "visible_size"]

_PIECE: Final = 1 << 16  # characters


def folded(text: str) -> str:
    """The text with single blanks for all white space, none at its ends."""
    if len(text) <= _PIECE:
        return " ".join(text.split())
    parts: list[str] = []
    parted = False
    for start in range(0, len(text), _PIECE):
        piece = text[start : start + _PIECE]
        words = " ".join(piece.split())
        if words:
            if parts and (parted or piece[0].isspace()):
                parts.append(" ")
            parts.append(words)
        parted = piece[-1].isspace()
    return "".join(parts)


def visible_size(text: str) -> int:
    """How many characters other than white space."""
    if len(text) <= _PIECE:
        return len("".join(text.split()))
    return sum(len("".join(text[start : start + _PIECE].split())) for start in range(0, len(text), _PIECE))
