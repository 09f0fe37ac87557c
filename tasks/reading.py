"""One page read: its article and its metadata, from one parse; and what a whole capture says, with its verdict."""

from collections.abc import Iterable
from dataclasses import dataclass, replace

from tasks.capture.decode import read_page
from tasks.capture.facts import Facts, read_facts
from tasks.capture.partial import as_far_as_captured
from tasks.capture.signs import Signs
from tasks.capture.verdict import judge
from tasks.clean import RuleSet, clean_page, parse_tree
from tasks.metadata import LinkedData, describe, linked_data
from tasks.records import Article, Capture, Metadata, PageText, Verdict
from tasks.settings import Settings

__all__ = ["Reading", "read_article", "read_capture", "read_whole"]


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


# ------------------------------------------------------------------ a capture
def read_capture(capture: Capture, settings: Settings, rules: RuleSet, signs: Signs | None = None) -> Reading:
    """What the page of a capture says, with these rules and signs of walls (None: those of the program).

    Where a browser has drawn it and its DOM has more article than the HTML, what the DOM says.
    """
    page = read_page(capture.page, settings.max_decoded_bytes)
    reading = _read(capture, page, settings, rules, signs)
    dom = capture.rendered.resource("dom") if capture.rendered else None
    if dom and page.text is not None:
        with dom.body.open() as body:
            drawn = PageText(page.media_type, body.read().decode("utf-8", "replace"), "utf-8", "http", page.flags)
        of_dom = _read(capture, drawn, settings, rules, signs)
        if _has_more(of_dom.article, reading.article):
            article = replace(of_dom.article, source="dom") if of_dom.article else None
            reading = replace(of_dom, page=page, article=article)
    return replace(reading, verdict=as_far_as_captured(reading.verdict, capture))


def _read(capture: Capture, page: PageText, settings: Settings, rules: RuleSet, signs: Signs | None) -> Reading:
    article, metadata, facts = None, Metadata(), None
    if page.text is not None:
        rules = rules.on(capture.page.started_at.date())
        headers = capture.page.headers
        article, metadata, facts = read_whole(page.text, url=capture.final_url, rules=rules, headers=headers)
    words = facts.words if facts else None
    verdict = judge(capture, page, words, settings.thin_words, facts=facts, signs=signs)
    return Reading(page, article, metadata, verdict, facts)


def _has_more(drawn: Article | None, sent: Article | None) -> bool:
    """Whether the DOM has more article: what the server sent is kept to unless it lacks a twentieth, and five words."""
    words = sent.words if sent else 0
    return drawn is not None and drawn.words > words + max(5, words // 20)
