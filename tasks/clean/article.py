"""From a page to its article: walk, choose, build, prune, write, account for the rest."""

from urllib.parse import urlsplit

from tasks.clean.as_html import as_html
from tasks.clean.as_markdown import as_markdown
from tasks.clean.as_text import as_text
from tasks.clean.content import KEEP, choose
from tasks.clean.ledger import Leading, removals
from tasks.clean.links import Links
from tasks.clean.maths import settle_maths
from tasks.clean.parse import Tree, parse_tree
from tasks.clean.prune import Looked, Reason, prune
from tasks.clean.rules import RuleSet
from tasks.clean.site import site_choice
from tasks.clean.soup import make_soup
from tasks.clean.walk import Page, visible_chars, walk
from tasks.records import Article, Removal, digest_of

__all__ = ["Cleaning", "clean_page", "clean_tree"]


class Cleaning:
    """One page under cleaning; `owner` says of each text node where it went: 0 article, else an index in `reasons`."""

    def __init__(self, page: Page, *, url: str, rules: RuleSet, looked: list[Looked] | None = None) -> None:
        self.page = page
        self.rules, self.host = rules, _host(url)
        self.links = Links(page, url)
        self.reasons: list[Reason] = [Reason("", "", "")]  # number 0 is the article
        self.choice = choose(page)
        self.owner = [0] * len(page.texts)
        self.site = site_choice(page, rules, self.host)
        self._choose()
        self._force()
        settle_maths(page, self.owner, self.reasons)
        self.kept = make_soup(page, self.owner)
        prune(self.kept, rules, self.host, self.reasons, site=self.site, looked=looked)

    def _choose(self) -> None:
        """Give every text of a block that the choice left out to the reason for it."""
        page, choice = self.page, self.choice
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

    def _force(self) -> None:
        """What the site's rules say of a text stands above the choice."""
        codes: dict[str, int] = {}
        for index, forced in enumerate(self.site.texts):
            if forced is None:
                continue
            if forced.keep:
                self.owner[index] = 0
                continue
            rule = forced.rule
            if rule.id not in codes:
                codes[rule.id] = len(self.reasons)
                self.reasons.append(Reason(rule.concept, rule.id, rule.why))
            self.owner[index] = codes[rule.id]

    def verdict_of(self, block: int) -> tuple[float, float, Leading]:
        """Score of a block, how near its decision was (0 certain, 1 on the edge), and the features that led to it."""
        score = self.choice.scores[block]
        doubt = 1 - (score - KEEP) / (1 - KEEP) if score >= KEEP else score / KEEP
        return score, round(doubt, 3), ()

    def notes(self) -> tuple[Removal, ...]:
        """Entries of the ledger that took nothing: body rules of this site that met no element of the page."""
        why = "met nothing on this page and was left out of account"
        return tuple(
            Removal("note", rule.id, f"body = {rule.body!r} {why}", path="/", text="", chars=0, digest=digest_of(b""))
            for rule in self.site.unmet
        )

    def article(self, parser: str, flags: tuple[str, ...] = ()) -> Article:
        """What is left, in its three forms, with the ledger of what went."""
        text, captions = as_text(self.kept)
        return Article(
            html=as_html(self.kept, self.links),
            markdown=as_markdown(self.kept, self.links),
            text=text,
            captions=captions,
            removals=removals(self.kept, self.reasons, self.rules, self.host, self.verdict_of) + self.notes(),
            page_chars=visible_chars(self.page.texts),
            kept_chars=visible_chars(text for text, code in zip(self.page.texts, self.owner, strict=True) if not code),
            parser=parser,
            flags=flags,
        )


def clean_page(html: str, *, url: str, rules: RuleSet, tree: Tree | None = None) -> Article:
    """The article of a decoded page; the same page, URL and rules give the same article.

    `tree` is parse_tree(html) where the caller has it already; it is not changed.
    """
    return clean_tree(tree or parse_tree(html), url=url, rules=rules)


def clean_tree(tree: Tree, *, url: str, rules: RuleSet) -> Article:
    """The article of a parsed page."""
    if tree.root is None:
        return Article("", "", "", (), 0, 0, tree.parser, tree.flags)
    return Cleaning(walk(tree.root), url=url, rules=rules).article(tree.parser, tree.flags)


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
