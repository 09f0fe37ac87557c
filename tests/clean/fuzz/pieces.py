"""Pieces of markup that have broken cleaners, and pages made of them."""

from typing import Final

from hypothesis import strategies as st

__all__ = ["PIECES", "page_of_bytes", "pages"]

_TAGS: Final = [
    "a",
    "abbr",
    "article",
    "aside",
    "b",
    "blockquote",
    "body",
    "br",
    "button",
    "center",
    "code",
    "dd",
    "del",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "font",
    "footer",
    "form",
    "frameset",
    "h1",
    "h2",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "iframe",
    "img",
    "input",
    "label",
    "li",
    "main",
    "math",
    "menu",
    "meta",
    "nav",
    "noscript",
    "object",
    "ol",
    "option",
    "p",
    "picture",
    "plaintext",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "script",
    "section",
    "select",
    "small",
    "span",
    "strong",
    "style",
    "sub",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "u",
    "ul",
    "video",
    "x-y",
]
_CLASSES: Final = [
    "share",
    "newsletter",
    "related",
    "comments",
    "ad",
    "paywall",
    "byline",
    "sidebar",
    "footer",
    "caption",
    "promo",
    "twitter-tweet",
    "article-body",
    "author-box",
]
_TEXTS: Final = [
    "Advertisement",
    "Read more",
    "Share this article",
    "By Ann Lee",
    "5 March 2024",
    "Sign up for our newsletter",
    "Photograph: Bo Ek",
    "The council met on Tuesday and heard from eleven speakers, most of whom were against the sale of the quay. ",
    "It was decided, after four hours and two votes, that the crane would stay where it had stood since 1931. ",
    " ",
    "\n",
    "x",
    "\u00ad\u200b\u2060",
    "\u202e\u200f",
    "\0",
    "\x01\x0b\x85",
    "\ud800",
    "\ufffe",
    "日本語の文章です。",
    "&amp;",
    "&#0;",
    "&#xd800;",
    "&#x110000;",
    "&bogus",
    "&",
    "<",
    "<<>",
    "</",
    "]]>",
    "--",
]
_ODD: Final = [
    "<!--",
    "-->",
    "--!>",
    "<!-->",
    "<![CDATA[",
    "<!doctype html>",
    "<!DOCTYPE x [<!ENTITY a 'b'>]>",
    "<?php ",
    "?>",
    "</>",
    "</ x>",
    "<p",
    "<p a='",
    '<p a="',
    "'",
    '"',
    ">",
    "/>",
    "<svg><path/></svg>",
    "<svg><foreignObject><p>",
    "<math><mi>x</mi></math>",
    "<table><tr><td>a<table>",
    "<a href='http://[bad'>",
    "<a href='javascript:x'>",
    "<img src='/a.png' alt='A &quot; b'>",
    "<img src=data:x>",
    "<base href='//'>",
    "<base href='http://[x'>",
    "<iframe src='https://www.youtube.com/embed/x'></iframe>",
    "<p hidden>",
    "<div style='display: none'>",
    "<br><br>",
    "<ol start=99999999999>",
    "<td colspan=9>",
    "<meta charset=utf-16>",
    "<meta property='og:title' content='\"'>",
    "<time datetime='2024-13-45'>",
    "<h1 itemprop=headline>",
    "<span itemprop=author>",
    '<script type="application/ld+json">{"@type":"NewsArticle","headline":["a"],"author":{"name":[1]}}</script>',
    "<script>'</p>'</script>",
    "<html lang='x'><body class=y>",
    "</body></html>",
    "<div>" * 60,
    "</div>" * 60,
    "<b><i>" * 40,
    "<blockquote><ul><li>" * 30,
    "<p" + "".join(f" a{number}" for number in range(1100)) + ">",
]
PIECES: Final = [
    *_TEXTS,
    *_ODD,
    *(f"<{tag}>" for tag in _TAGS),
    *(f"</{tag}>" for tag in _TAGS),
    *(f"<{tag} class='{name}'>" for tag in ("div", "p", "ul", "a", "blockquote") for name in _CLASSES),
]


def page_of_bytes(data: bytes) -> str:
    """The page that the bytes spell: one picks a piece, 255 gives the next four as text."""
    parts, at = [], 0
    while at < len(data) and len(parts) < 400:
        number = data[at]
        at += 1
        if number == 255:
            parts.append(data[at : at + 4].decode("latin-1"))
            at += 4
        else:
            parts.append(PIECES[number * len(PIECES) // 255])
    return "".join(parts)


def pages() -> st.SearchStrategy[str]:
    """Strategies of hypothesis for nasty pages: pieces in any order, trees that are well nested, any text."""
    piece = st.one_of(st.sampled_from(PIECES), st.sampled_from(_TEXTS), st.text(max_size=8))
    soup = st.lists(piece, max_size=60).map("".join)
    tree = st.recursive(
        st.sampled_from(_TEXTS),
        lambda inner: st.tuples(
            st.sampled_from(_TAGS), st.sampled_from(["", *_CLASSES]), st.lists(inner, max_size=4)
        ).map(lambda made: f"<{made[0]} class='{made[1]}'>{''.join(made[2])}</{made[0]}>"),
        max_leaves=30,
    )
    deep = st.tuples(st.sampled_from(_TAGS), st.integers(200, 400), soup).map(
        lambda made: f"<{made[0]}>x" * made[1] + made[2]
    )
    return st.one_of(soup, tree, deep, st.text(max_size=200))
