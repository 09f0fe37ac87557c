"""The words that class names and ids are made of."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import Final

__all__ = ["is_embed", "split_words"]

_EMBEDS: Final = frozenset({"bluesky", "embed", "instagram", "mastodon", "tiktok", "tweet"})
_TOKEN_WORDS = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def split_words(value: str) -> list[str]:
    """Lower-case words of class tokens or an id: `td-newsletterWrap__box2` is td, newsletter, wrap, box."""
    return list(_words_of(value))


def _words_of(value: str) -> Iterator[str]:
    return (match[0].lower() for match in _TOKEN_WORDS.finditer(value))


@lru_cache(maxsize=1000)
def is_embed(classes: str) -> bool:
    """Whether a <blockquote> with these classes is a post of another site."""
    return not _EMBEDS.isdisjoint(split_words(classes))
