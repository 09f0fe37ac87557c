"""One page read: its article and its metadata, from one parse."""

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.clean import RuleSet, clean_page, parse_tree
from tasks.metadata import describe
from tasks.records import Article, Metadata, PageText, Verdict

__all__ = ["Reading", "read_article"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the page says: its text, article, metadata and what the capture is worth."""

    page: PageText
    article: Article | None
    metadata: Metadata
    verdict: Verdict


def read_article(
    html: str, *, url: str, rules: RuleSet, headers: Iterable[tuple[str, str]] = ()
) -> tuple[Article, Metadata]:
    """Article and metadata of one page, parsed once."""
    tree = parse_tree(html)
    metadata = describe(tree.root, url=url, headers=dict(headers)) if tree.root is not None else Metadata()
    return clean_page(html, url=url, rules=rules, tree=tree), metadata
