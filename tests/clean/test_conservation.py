"""Promise 1: every text node of the page is in the article or in exactly one removal.

Of the article it is either in the text or in exactly one caption.
"""

import gzip
import hashlib
from pathlib import Path

import pytest
from lxml import etree

from tasks.clean import parse_tree
from tasks.clean.article import Cleaning
from tasks.clean.walk import walk
from tests.clean.helpers import URL, article_page, our_rules

RULES = our_rules()
# Written out on purpose, not imported: the list in the code must not be able to excuse itself.
UNSEEN_NAMES = """applet audio base canvas datalist embed head iframe link meta noframes noscript object param script
source style svg template title track video"""
UNSEEN = UNSEEN_NAMES.split()
SEEN_TEXT = etree.XPath(
    "/descendant::text()[not(" + " or ".join(f"ancestor::{tag}" for tag in UNSEEN) + ")]", smart_strings=False
)


def visible(text: str) -> str:
    return "".join(text.split())


def account(html: str) -> list[str]:
    """What does not add up on a page; empty where everything does."""
    tree = parse_tree(html)
    if tree.root is None:
        return []
    page = walk(tree.root)
    cleaning = Cleaning(page, url=URL, rules=RULES)
    article = cleaning.article(tree.parser)
    wrong = []
    expected = visible("".join(SEEN_TEXT(tree.root)))
    if visible("".join(page.texts)) != expected:
        wrong.append("the walk's texts are not the page's")
    if article.page_chars != len(expected):
        wrong.append("page_chars")
    if article.page_chars != article.kept_chars + sum(removal.chars for removal in article.removals):
        wrong.append("characters do not add up")
    told, captions = prose_and_captions(cleaning)
    if article.source == "data":
        assert told == ""  # the article is not of the page's texts: they are all in the ledger
    elif visible(article.text) != told:
        wrong.append("the plain text is not the kept texts")
    if [visible(caption) for caption in article.captions] != captions:
        wrong.append("the captions are not the kept texts of the captions")
    if article.kept_chars != len(told) + len("".join(captions)):
        wrong.append("kept_chars")
    return wrong + ledger_gaps(page.texts, cleaning.owner, article.removals)


def prose_and_captions(cleaning: Cleaning) -> tuple[str, list[str]]:
    """The kept texts as the page has them: those outside of captions, and those of each caption."""
    page, captions = cleaning.page, cleaning.kept.captions
    spans = [range(page.text_start[number], page.text_end[number]) for number in sorted(captions)]
    inside = {index for span in spans for index in span}
    assert len(inside) == sum(map(len, spans)), "a caption lies in another"
    kept = [index for index, owner in enumerate(cleaning.owner) if not owner]
    told = "".join(page.texts[index] for index in kept if index not in inside)
    of_each = ["".join(page.texts[index] for index in kept if index in span) for span in spans]
    return visible(told), [caption for one in of_each if (caption := visible(one))]


def ledger_gaps(texts: list[str], owner: list[int], removals: tuple) -> list[str]:  # type: ignore[type-arg]
    """Removals, laid one after the other over the texts that went, must cover them all with their digests."""
    index, wrong = 0, []
    for removal in removals:
        while index < len(texts) and (not owner[index] or texts[index].isspace()):
            index += 1
        taken = ""
        while index < len(texts) and owner[index] and len(visible(taken)) < removal.chars:
            taken += texts[index]
            index += 1
        if visible(taken) != visible(removal.text):
            wrong.append(f"text of {removal.path}")
        elif removal.digest != f"sha256:{hashlib.sha256(taken.encode()).hexdigest()}":
            wrong.append(f"digest of {removal.path}")
    if any(owner[rest] and not texts[rest].isspace() for rest in range(index, len(texts))):
        wrong.append("texts beyond the last removal")
    return wrong


@pytest.mark.parametrize("corpus", ["zyte", "fundus", "wcxb_article", "trafilatura", "readability"])
def test_every_text_of_every_corpus_page_is_accounted_for(shared: Path, corpus: str) -> None:
    pages = sorted((shared / "corpus" / corpus).glob("*.html.gz"))
    assert pages
    wrong = {}
    for path in pages:
        with gzip.open(path, "rb") as file:
            if found := account(file.read().decode()):
                wrong[path.name] = found
    assert wrong == {}


@pytest.mark.parametrize(
    "html",
    [
        "",
        "   \n",
        "<!-- only a comment -->",
        "just text",
        "<p>one<p>two",
        "<html><body><p>a</p></body></html><html><body><p>second document</p></body></html>",
        "<p>nul\0 inside</p>",
        "<p>soft\u00adhyphen, \u202bright to left\u202c, 日本語の文章です。</p>",
        "<button>Press <b>me</b></button><select><option>one</option></select><textarea>typed</textarea>",
        "<div>loose <span>inline <div>block</div> tail</span> end<br><br>after</div>",
        "<p>a<br>b<br><br>c<b>d<br><br>e</b></p>",
        "<table><tr><td>x<td>y<tr><td>z</table>",
        "<svg><title>unseen</title></svg><noscript><p>unseen</p></noscript><p>seen</p>",
        article_page("<p>By <b>Ann Lee</b> and <b>Tom Reed</b><br>\n<span id='more'></span><br>\nWenmouth</p>"),
        article_page("<div style='display:none'>hidden text</div><pre>  code\n    more</pre>"),
        article_page("<ul><li>one<ul><li>two</li></ul>three</li></ul>"),
        article_page("<figure><img src='a.jpg'><figcaption>The quay. <b>Photo: A. Lee</b></figcaption></figure>"),
        article_page("<p>See <img src='a.jpg'><span class='caption'>the quay</span> and <i>the crane</i> of it.</p>"),
        article_page("<p>So <math><mi>E</mi><annotation encoding='application/x-tex'>E</annotation></math> it is.</p>"),
        article_page("<p>" + "word " * 40 + "<b>bold<br><br>still bold</b> tail</p>"),
    ],
)
def test_every_text_of_an_odd_page_is_accounted_for(html: str) -> None:
    assert account(html) == []


def test_a_text_that_no_removal_names_is_found() -> None:
    texts, owner = ["kept", "lost"], [0, 1]
    assert ledger_gaps(texts, owner, ()) == ["texts beyond the last removal"]


def test_a_removal_with_another_digest_is_found() -> None:
    tree = parse_tree(article_page("<p>Advertisement</p>"))
    assert tree.root is not None
    page = walk(tree.root)
    cleaning = Cleaning(page, url=URL, rules=RULES)
    removals = cleaning.article("lxml").removals
    assert removals
    page.texts[cleaning.owner.index(next(owner for owner in cleaning.owner if owner))] += "!"
    assert ledger_gaps(page.texts, cleaning.owner, removals) != []


def test_a_caption_that_stands_in_the_text_as_well_is_found() -> None:
    figure = "<figure><img src='a.jpg'><figcaption>The quay.</figcaption></figure>"
    tree = parse_tree(article_page(figure))
    assert tree.root is not None
    cleaning = Cleaning(walk(tree.root), url=URL, rules=RULES)
    article = cleaning.article("lxml")
    told, captions = prose_and_captions(cleaning)
    assert (captions, article.captions) == (["Thequay."], ("The quay.",))
    cleaning.kept.captions.clear()
    assert prose_and_captions(cleaning)[0] != told
    assert visible(cleaning.article("lxml").text) != told
