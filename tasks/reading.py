"""One page read: its article and its metadata, from one parse."""

from collections.abc import Iterable
from dataclasses import dataclass

from tasks.capture.facts import Facts, read_facts
from tasks.clean import RuleSet, clean_page, parse_tree
from tasks.metadata import LinkedData, describe, linked_data
from tasks.records import Article, Metadata, PageText, Verdict

__all__ = ["Reading", "read_article", "read_whole"]


@dataclass(frozen=True, slots=True)
class Reading:
    """What the page says: its text, article, metadata and what the capture is worth."""

    page: PageText
    article: Article | None
    metadata: Metadata
    verdict: Verdict
    facts: Facts | None = None  # of the page; None where it is no HTML, or was not read now


def read_article(
    html: str, *, url: str, rules: RuleSet, headers: Iterable[tuple[str, str]] = ()
) -> tuple[Article, Metadata]:
    """Article and metadata of one page, parsed once."""
    article, metadata, _ = read_whole(html, url=url, rules=rules, headers=headers)
    return article, metadata


def read_whole(
    html: str, *, url: str, rules: RuleSet, headers: Iterable[tuple[str, str]] = ()
) -> tuple[Article, Metadata, Facts]:
    """Article, metadata, and what tells the page from a wall, parsed once."""
    tree = parse_tree(html)
    root, data, metadata = tree.root, LinkedData(), Metadata()
    if root is not None:
        data = linked_data(root, url)
        metadata = describe(root, url=url, headers=dict(headers), data=data)
    article = clean_page(html, url=url, rules=rules, tree=tree)
    return article, metadata, read_facts(root, article, data.articles)
