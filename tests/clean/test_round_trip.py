"""A CommonMark reader shows the words of the plain text: over all page cases, made-up soups and the corpora."""

import gzip
from html.parser import HTMLParser
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from tasks.clean import parse_tree
from tasks.clean.article import Cleaning
from tasks.clean.as_markdown import as_markdown
from tasks.clean.as_text import as_text
from tasks.clean.links import Links
from tasks.clean.soup import make_soup
from tasks.clean.tags import BLOCK_TAGS
from tasks.clean.walk import Page, walk
from tests.clean.helpers import PAGES, URL, article_page, our_rules

RULES = our_rules()
# CommonMark with GitHub's tables and struck-through words; nested as deep as we write.
READER = MarkdownIt("commonmark", {"maxNesting": 200}).enable(["table", "strikethrough"])
CASES = sorted(PAGES.glob("*/page.html"))


class Words(HTMLParser):
    """The words that a browser would show of rendered Markdown; names of embedded frames are not the page's."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.parts: list[str] = []
        self.embedded = False
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.embedded = ("title", "embedded") in attrs
        self.parts.append("\n" if tag in BLOCK_TAGS or tag == "br" else "")

    def handle_endtag(self, tag: str) -> None:
        self.embedded = False
        self.parts.append("\n" if tag in BLOCK_TAGS else "")

    def handle_data(self, data: str) -> None:
        self.parts.append("" if self.embedded else data)


def rendered(markdown: str) -> list[str]:
    return "".join(Words(READER.render(markdown)).parts).split()


def differs(page: Page, owner: list[int]) -> str:
    """Where a reader of the Markdown reads something else; empty where it does not."""
    kept = make_soup(page, owner)
    shown = rendered(as_markdown(kept, Links(page, URL)))
    captions = bool(kept.captions)
    kept.captions.clear()  # the Markdown has captions in their places: so must what it is held against
    text = as_text(kept)[0].split()
    if captions:  # a caption in the middle of a line parts its words
        return "" if "".join(shown) == "".join(text) else "other characters"
    for at, (one, other) in enumerate(zip(shown, text, strict=False)):
        if one != other:
            return f"{shown[max(at - 2, 0) : at + 3]} for {text[max(at - 2, 0) : at + 3]}"
    return "" if len(shown) == len(text) else f"{len(shown)} words for {len(text)}"


def whole(html: str) -> Page:
    root = parse_tree(html).root
    assert root is not None
    return walk(root)


@pytest.mark.parametrize("case", CASES, ids=lambda path: path.parent.name)
def test_the_markdown_of_a_page_case_reads_as_its_text(case: Path) -> None:
    page = whole(case.read_text(encoding="utf-8"))
    assert differs(page, Cleaning(page, url=URL, rules=RULES).owner) == ""


@pytest.mark.parametrize("corpus", ["zyte", "fundus", "wcxb_article", "trafilatura", "readability"])
def test_the_markdown_of_corpus_pages_reads_as_their_text(shared: Path, corpus: str) -> None:
    wrong = {}
    paths = sorted((shared / "corpus" / corpus).glob("*.html.gz"))[:80]
    assert paths
    for path in paths:
        with gzip.open(path, "rb") as file:
            page = whole(file.read().decode())
        if found := differs(page, Cleaning(page, url=URL, rules=RULES).owner):
            wrong[path.name] = found
    assert wrong == {}


TRAPS = [
    "# no heading",
    "- no item",
    "+ no item",
    "* no item",
    "1. no item",
    "2) no item",
    "===",
    "---",
    "-- | --",
    "| a | b |",
    "> no quote",
    "```",
    "~~~ x",
    "~~no~~",
    "**no**",
    "_no_ snake_case",
    "`no`",
    "a\\b \\* c",
    "[no](https://x.example)",
    "[^1] and [x]: y",
    "![no](x)",
    "wow!",
    "<b>no</b> <https://x.example>",
    "<!-- no -->",
    "&amp; &#42; &copy; & x",
    "https://x.example/a_b_c",
    "a  b\tc",
    "tail  ",
    "C#",
    "end #",
    "$x_1^2$",
    "«quoted»",
    "“quoted.”",
    "これは。",
    "word",
    "…",
    ".",
    "x ",
    " y",
    "    indented",
    ": colon",
    "Schiff\u00adfahrt",
]
INLINE = ["b", "strong", "i", "em", "s", "code", "a href='/x_(y)?a=1&amp;copy=2'", "span", "sub", "u"]
BLOCKS = ["p", "div", "h2", "h3", "blockquote", "ul", "ol", "ol start=7", "li", "pre", "dl", "dt", "dd", "figure"]
BLOCKS += ["figcaption", "table", "tr", "td", "th colspan=2", "td rowspan=2", "details", "summary", "caption"]
EMPTY = ["<br>", "<br><br>", "<hr>", "<img src='/p.jpg' alt='a *b* ]'>", "<iframe src='https://youtu.be/x'></iframe>"]


def written(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;")


def element(name: str, inside: list[str]) -> str:
    return f"<{name}>{''.join(inside)}</{name.split()[0]}>"


WORDS = st.sampled_from(TRAPS) | st.text(alphabet="ab *_`~[]()<>!#-+=.:|&;1\\\u00a0\u3002\u201c", max_size=12)
LINE = st.recursive(
    WORDS.map(written) | st.sampled_from(EMPTY),
    lambda inner: st.builds(element, st.sampled_from(INLINE), st.lists(inner, max_size=4)),
    max_leaves=8,
)
SOUP = st.recursive(
    LINE,
    lambda inner: st.builds(element, st.sampled_from(BLOCKS + INLINE[:3]), st.lists(inner, max_size=5)),
    max_leaves=25,
)


@settings(max_examples=400, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
@given(st.lists(SOUP, min_size=1, max_size=5).map("".join))
def test_the_markdown_of_any_soup_reads_as_its_text(html: str) -> None:
    page = whole(f"<div>{html}</div>")
    assert differs(page, [0] * len(page.texts)) == ""


@pytest.mark.parametrize("text", TRAPS)
@pytest.mark.parametrize(
    "around", ["{}", "<b>{}</b>x", "x<i>{}</i>y", "<code>{}</code>", "<a href='/x'>{}</a>", "{}<br>{}"]
)
@pytest.mark.parametrize("block", ["p", "h2", "li", "dt", "blockquote", "td", "pre"])
def test_text_that_looks_like_markdown_stays_text(text: str, around: str, block: str) -> None:
    cell = element(block, [around.replace("{}", written(text))])
    html = f"<table><tr>{cell}<td>2</td></tr><tr><td>3</td></tr></table>" if block == "td" else f"<div>{cell}</div>"
    page = whole(html)
    assert differs(page, [0] * len(page.texts)) == ""


def test_markdown_that_reads_as_something_else_is_found() -> None:
    assert rendered("a \\*b\\* &amp; [c](/d)") == ["a", "*b*", "&", "c"]
    assert rendered("a *b*") != ["a", "*b*"]
    assert rendered('[YouTube](/x "embedded") a') == ["a"]


@pytest.mark.parametrize(
    ("inside", "markdown"),
    [
        ("<p><b>One</b>, <i>two</i> and <b><i>three</i></b>.</p>", "**One**, *two* and ***three***."),
        ("<p>a<b> spaced </b>b</p>", "a **spaced** b"),
        ("<p>See<b>this.</b>That is all.</p>", "Seethis.That is all."),
        ("<p><b>one</b><b>two</b></p>", "**one**two"),
        ("<p><em>a <em>b</em> c</em></p>", "*a b c*"),
        ("<p><a href='/x'><b>bold</b> link</a>!</p>", "[**bold** link](https://harbour.example/x)!"),
        ("<p>wow!<a href='/x'>link</a></p>", "wow\\![link](https://harbour.example/x)"),
        ("<p><code>a`b <b>c</b></code></p>", "``a`b c``"),
        ("<b><div>one</div><div>two</div></b>", "**one**\n\n**two**"),
        ("<p>one<br>two</p>", "one  \ntwo"),
        ("<ul><li>a</li></ul><ul><li>b</li></ul>", "- a\n\n* b"),
        ("<ol start=3><li>a<ol start=2><li>b</li></ol></li></ol>", "3. a\n\n   2. b"),
        ("<h2>In C#</h2>", "## In C\\#"),
    ],
)
def test_marks_are_written_where_they_can_be_read(inside: str, markdown: str) -> None:
    page = whole(f"<div>{inside}</div>")
    kept = make_soup(page, [0] * len(page.texts))
    assert as_markdown(kept, Links(page, URL)) == markdown


def test_the_article_of_a_page_has_the_marks(tmp_path: Path) -> None:
    page = whole(article_page("<p>A <b>bold</b> word in a paragraph of some length, so that it stays where it is.</p>"))
    cleaning = Cleaning(page, url=URL, rules=RULES)
    assert "A **bold** word" in cleaning.article("lxml").markdown


def test_open_marks_do_not_multiply_with_the_lines_in_them() -> None:
    """1,500 nested <b> around 2,000 lines once gave each line all the marks anew."""
    page = whole("<b><i>" * 750 + "<div>x</div>" * 2000)
    kept = make_soup(page, [0] * len(page.texts))
    markdown = as_markdown(kept, Links(page, URL))
    assert rendered(markdown) == ["x"] * 2000
    assert len(markdown) < 2000 * 12


def test_code_spans_side_by_side_become_one() -> None:
    page = whole("<p>" + "<code>a</code>" * 5000)
    kept = make_soup(page, [0] * len(page.texts))
    assert as_markdown(kept, Links(page, URL)) == f"`{'a' * 5000}`"
