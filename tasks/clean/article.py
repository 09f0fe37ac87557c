"""From a page to its article: walk, choose, build, prune, write, account for the rest."""

from urllib.parse import urlsplit

from tasks.clean.as_html import as_html
from tasks.clean.as_markdown import as_markdown
from tasks.clean.as_text import as_text
from tasks.clean.content import KEEP, choose
from tasks.clean.ledger import removals
from tasks.clean.links import Links
from tasks.clean.maths import settle_maths
from tasks.clean.next_page import next_page
from tasks.clean.parse import Tree, parse_tree
from tasks.clean.prune import Reason, prune
from tasks.clean.rules import RuleSet
from tasks.clean.soup import make_soup
from tasks.clean.walk import Page, visible_chars, walk
from tasks.records import Article

__all__ = ["Cleaning", "clean_page", "clean_tree"]


class Cleaning:
    """One page under cleaning; `owner` says of each text node where it went: 0 article, else an index in `reasons`."""

    def __init__(self, page: Page, *, url: str, rules: RuleSet) -> None:
        self.page = page
        self.links = Links(page, url)
        self.reasons: list[Reason] = [Reason("", "", "")]  # number 0 is the article
        self.owner = [0] * len(page.texts)
        self._choose()
        settle_maths(page, self.owner, self.reasons)
        self.kept = make_soup(page, self.owner)
        self.rules, self.host = rules, _host(url)
        prune(self.kept, rules, self.host, self.reasons)

    def _choose(self) -> None:
        """Give every text of a block that the choice left out to the reason for it."""
        page, choice = self.page, choose(self.page)
        known: dict[tuple[str, str, float], int] = {}
        for block, (score, why) in enumerate(zip(choice.scores, choice.why, strict=True)):
            if score >= KEEP:
                continue
            key = (choice.concept[block], why, score)
            code = known.get(key)
            if code is None:
                code = known[key] = len(self.reasons)
                self.reasons.append(Reason(key[0], "score", why, score))
            for index in range(page.starts[block], page.starts[block + 1]):
                self.owner[index] = code

    def article(self, parser: str) -> Article:
        """What is left, in its three forms, with the ledger of what went."""
        text, captions = as_text(self.kept)
        return Article(
            html=as_html(self.kept, self.links),
            markdown=as_markdown(self.kept, self.links),
            text=text,
            captions=captions,
            removals=removals(self.kept, self.reasons, self.rules, self.host),
            page_chars=visible_chars(self.page.texts),
            kept_chars=visible_chars(text for text, code in zip(self.page.texts, self.owner, strict=True) if not code),
            parser=parser,
            next_page=next_page(self.page, self.links),
        )


def clean_page(html: str, *, url: str, rules: RuleSet, tree: Tree | None = None) -> Article:
    """The article of a decoded page; the same page, URL and rules give the same article.

    `tree` is parse_tree(html) where the caller has it already; it is not changed.
    """
    return clean_tree(tree or parse_tree(html), url=url, rules=rules)


def clean_tree(tree: Tree, *, url: str, rules: RuleSet) -> Article:
    """The article of a parsed page."""
    if tree.root is None:
        return Article("", "", "", (), 0, 0, tree.parser)
    return Cleaning(walk(tree.root), url=url, rules=rules).article(tree.parser)


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
