"""From a page to its article: walk, choose, build, prune, write, account for the rest."""

from collections.abc import Mapping, Sequence
from html import escape
from urllib.parse import urlsplit

from tasks.clean.as_html import as_html
from tasks.clean.as_markdown import as_markdown
from tasks.clean.as_text import as_text
from tasks.clean.clues import Clues, find_clues
from tasks.clean.content import choose, leading_of
from tasks.clean.data_body import paragraphs_of, state_body
from tasks.clean.ledger import Leading, removals
from tasks.clean.links import Links
from tasks.clean.markdown_line import line_of
from tasks.clean.maths import settle_maths
from tasks.clean.next_page import next_page
from tasks.clean.parse import Tree, parse_tree
from tasks.clean.prune import Looked, Reason, prune
from tasks.clean.rules import RuleSet
from tasks.clean.site import site_choice
from tasks.clean.soup import make_soup
from tasks.clean.walk import Page, walk
from tasks.records import Article, Removal, digest_of

__all__ = ["Cleaning", "clean_page", "clean_tree"]

_THIN = 200  # characters of article that a page must show to be asked no further
_RICH = 3  # times as much must its data hold


class Cleaning:
    """One page under cleaning; `owner` says of each text node where it went: 0 article, else an index in `reasons`."""

    def __init__(self, page: Page, *, url: str, rules: RuleSet, looked: list[Looked] | None = None) -> None:
        self.page = page
        self.rules, self.host = rules, _host(url)
        self.links = Links(page, url)
        self.reasons: list[Reason] = [Reason("", "", "")]  # number 0 is the article
        clues = find_clues(page.element[0])
        self.choice = choose(page, clues, rules.scorer)
        self.paragraphs = self._data_paragraphs(clues)  # the article, where only the page's data have it
        self.owner = [0] * len(page.texts)
        self.site = site_choice(page, rules, self.host)
        self._choose()
        self._force()
        settle_maths(page, self.owner, self.reasons)
        self.kept = make_soup(page, self.owner, self.choice.captions)
        prune(self.kept, rules, self.host, self.reasons, site=self.site, looked=looked)

    def _data_paragraphs(self, clues: Clues) -> list[str]:
        """The article of the page's data where the page shows next to nothing of it; else nothing."""
        choice = self.choice
        shown = 0
        for block, stays in enumerate(choice.kept):
            shown += len(self.page.block_text(block)) if stays else 0
            if shown >= _THIN:
                return []
        body = clues.body or state_body(self.page.element[0])
        found = paragraphs_of(body)
        if sum(map(len, found)) < _RICH * max(shown, _THIN):
            return []
        for block, stays in enumerate(choice.kept):
            if stays:  # nothing is shown twice: what the page shows goes to the ledger
                choice.kept[block], choice.concept[block] = False, "teaser"
                choice.why[block] = "the whole article stands in the page's data"
        return found

    def _choose(self) -> None:
        """Give every text of a block that the choice left out to the reason for it."""
        page, choice = self.page, self.choice
        known: dict[tuple[str, float], int] = {}
        for block, stays in enumerate(choice.kept):
            if stays:
                continue
            key = (choice.concept[block], choice.scores[block])
            code = known.get(key)
            if code is None:
                code = known[key] = len(self.reasons)
                self.reasons.append(Reason(key[0], "score", choice.why[block], key[1]))
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

    def verdict_of(self, block: int) -> tuple[float, float]:
        """Score of a block, and how near its decision was: 0 certain, 1 on the edge."""
        return self.choice.scores[block], self.choice.doubts[block]

    def leading_of(self, blocks: Sequence[int]) -> Mapping[int, Leading]:
        """The features that led to the scores of some blocks; those that have no score are left out."""
        return leading_of(self.choice, self.rules.scorer, blocks)

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
        html, markdown = as_html(self.kept, self.links), as_markdown(self.kept, self.links)
        if self.paragraphs:
            text = "\n\n".join(self.paragraphs)
            html = "\n".join(f"<p>{escape(one, quote=False)}</p>" for one in self.paragraphs)
            markdown = "\n\n".join("".join(line_of([one])) for one in self.paragraphs)
        return Article(
            html=html,
            markdown=markdown,
            text=text,
            captions=captions,
            removals=removals(self.kept, self.reasons, self.rules, self.host, self) + self.notes(),
            page_chars=sum(self.page.sizes),
            kept_chars=sum(size for size, code in zip(self.page.sizes, self.owner, strict=True) if not code),
            parser=parser,
            source="data" if self.paragraphs else "page",
            flags=flags,
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
        return Article("", "", "", (), 0, 0, parser=tree.parser, flags=tree.flags)
    return Cleaning(walk(tree.root), url=url, rules=rules).article(tree.parser, tree.flags)


def _host(url: str) -> str:
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""
