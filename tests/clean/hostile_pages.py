"""Pages made to break a cleaner, each as a function of its size: what is quadratic or recursive shows in them.

`SIZES` names the size at which issue and promises ask for linear time; the quick tests take a fraction of it, the
bench (tests/bench/hostile.py) also a half and a quarter to draw the curve.
"""

from collections.abc import Callable, Mapping
from typing import Final

from tests.clean.helpers import article_page

__all__ = ["CASES", "SIZES"]

PROSE: Final = "The board met for four hours on Tuesday and heard eleven speakers, most of them against the sale. "
MILLION: Final = 1_000_000

Make = Callable[[int], str]


def nested(tag: str, start: str = "", text: str = "") -> Make:
    """`n` open elements in one another."""
    return lambda n: article_page(f"<{tag}{start}>{text}" * n + PROSE + "deepest")


def repeated(piece: str, before: str = "", after: str = "") -> Make:
    """`n` times the same."""
    return lambda n: article_page(before + piece * n + after)


def numbered(piece: str, before: str = "", after: str = "") -> Make:
    """`n` pieces that differ in a number."""
    return lambda n: article_page(before + "".join(piece.format(k=k, prose=PROSE) for k in range(n)) + after)


def _laughs(n: int) -> str:
    """Entities of entities of entities, in a DTD and inside an SVG."""
    entities = "".join(f'<!ENTITY l{k} "{f"&l{k - 1};" * 10}">' for k in range(1, 10))
    dtd = f'<?xml version="1.0"?><!DOCTYPE html [<!ENTITY l0 "lol">{entities}]>'
    return dtd + article_page(f"<svg><text>&l9;</text></svg><p>{PROSE}&l9;</p>" * n)


def _head(inside: Callable[[int], str]) -> Make:
    return lambda n: article_page("").replace("<title>", inside(n) + "<title>", 1)


# Name → the page of a size, and the size asked for.
_TABLE: Final[Mapping[str, tuple[Make, int]]] = {
    # Depth
    "nested div": (nested("div"), 100_000),
    "nested div with text": (lambda n: article_page("".join(f"<div>{k} words" for k in range(n)) + PROSE), 100_000),
    "nested div of 250": (lambda n: article_page(("<div>words " * 250 + PROSE + "</div>" * 250) * n), 400),
    "nested table": (nested("table", text="<tr><td>"), 100_000),
    "nested ul": (nested("ul", text="<li>item "), 100_000),
    "nested blockquote": (nested("blockquote", text="<p>quoted words "), 100_000),
    "nested font": (nested("font", " color=red"), 100_000),
    "nested a": (nested("a", " href=/x"), 100_000),
    "nested svg": (nested("svg"), 100_000),
    "nested math": (nested("math", text="<mrow>"), 100_000),
    "nested button": (nested("button", text="press"), 100_000),
    "buttons left open": (repeated("<button><div><div>press</button>"), 100_000),
    "nested b, stray ends": (lambda n: article_page("<b>" * n + PROSE + "</i>" * n), 100_000),
    "nested b below the limit, stray ends": (lambda n: article_page("<b>" * 240 + PROSE + "</i>" * n), MILLION),
    "misnested marks": (repeated("<b><i><p>x</b></i>"), 100_000),
    "misnested marks, never closed": (repeated("<b><a><i><u><p>x</b>"), 50_000),
    "formatting reopened": (repeated("<p><b><i><u><s>word"), 50_000),
    "open tables": (repeated("<table><tr><td>", after=PROSE), 50_000),
    "unclosed everything": (repeated("<div><ul><li><table><td><p><b><a href=x>word <select><option>"), 20_000),
    # Width
    "links in a paragraph": (repeated("<a href='/x'>link</a> word ", "<p>"), 50_000),
    "links, each another": (numbered("<a href='/{k}'>link {k}</a> word ", "<p>"), 50_000),
    "items": (repeated("<li><a href='/x'>item</a></li>", "<ul>"), 50_000),
    "breaks": (repeated("text<br>", "<p>"), 200_000),
    "double breaks": (repeated("text<br><br>", "<p>"), 100_000),
    "paragraphs": (repeated("<p>x</p>"), 100_000),
    "long paragraphs": (repeated(f"<p>{PROSE}</p>"), 100_000),
    "paragraphs between clutter": (repeated(f"<p>{PROSE}</p><p>Advertisement</p>"), 30_000),
    "headings": (repeated(f"<h2>A heading</h2><p>{PROSE}</p>"), 30_000),
    "first headings": (repeated(f"<h1>A heading</h1><p>{PROSE}</p>"), 30_000),
    "classes": (numbered("<p class='c{k}x newsletter-{k}'>{prose}</p>"), 50_000),
    "identities": (numbered("<div id='author-{k}'>By Ann {k}</div>"), 50_000),
    "buttons": (repeated("<button>press</button>"), 100_000),
    "frames": (repeated("<iframe src='https://www.youtube.com/embed/x'></iframe>"), 50_000),
    "pictures": (numbered("<figure><img src='/{k}.png' alt='{k}'><figcaption>{k}</figcaption></figure>"), 30_000),
    "pictures and names": (numbered("<img src='/{k}.png'><p class=caption>Photo {k}</p>"), 30_000),
    "pictures in a figure": (repeated("<b><img src='/a.png'></b>", "<figure>", "<i>words</i></figure>"), 30_000),
    "notes": (numbered("<p id=n{k}>words <a href='#n{k}'>{k}</a> more words</p>"), 30_000),
    "formulas": (repeated("<p>words <math><mi>x</mi></math> words $x$</p>"), 30_000),
    "rows": (repeated("<tr><td>one<td>two words<td>3</tr>", "<table>"), 30_000),
    "cells": (repeated("<td>x", "<table><tr>"), 100_000),
    "definitions": (repeated("<dt>term<dd>what it is", "<dl>"), 50_000),
    "items of nested lists": (repeated("<li>one<ul><li>two</ul>", "<ol>"), 50_000),
    "embedded posts": (repeated(f"<blockquote class='twitter-tweet'><p>{PROSE}</p></blockquote>"), 20_000),
    "second documents": (repeated("</body></html><html><body><p>words and more words"), 50_000),
    "scripts": (repeated("<script>x</script>"), 100_000),
    "comments": (repeated("<!-- c -->word "), 100_000),
    "times": (repeated("<time datetime='2024-03-05'>5 March 2024</time> "), 50_000),
    "microdata": (repeated("<span itemprop='author'>By Ann Lee</span> "), 50_000),
    # Long values
    "one text": (repeated("words and ", "<p>"), MILLION),
    "one word": (repeated("w" * 100, "<p>"), 100_000),
    "one word in a title": (_head(lambda n: f"<title>{'w' * n}</title>"), 10 * MILLION),
    "less-than signs": (repeated("<", "<p>"), 10 * MILLION),
    "less-than signs and blanks": (repeated("< ", "<p>"), 5 * MILLION),
    "ampersands": (repeated("&", "<p>"), 10 * MILLION),
    "entities": (repeated("&eacute;&#233;", "<p>"), 500_000),
    "broken entities": (repeated("&bogus &#xZ; &#99999999999; &amp &#0;", "<p>"), 200_000),
    "entity laughs": (_laughs, 1_000),
    "NULs": (repeated("wor\0ds\0 ", "<p>"), MILLION),
    "NULs in tags": (repeated("<p\0 a\0='\0'>words</p\0>"), 200_000),
    "control characters": (repeated("a\x01\x0b\x1b\x7f\x85\ufffe ", "<p>"), MILLION),
    "null widths": (repeated("a\u200b\u200c\u200d\u2060\ufeff\u00ad", "<p>"), MILLION),
    "direction marks": (repeated("\u202e\u202da\u202c\u200f ", "<p>"), MILLION),
    "combining marks": (repeated("\u0301", "<p>a"), 5 * MILLION),
    "ideographs": (repeated("木", "<p>"), 3 * MILLION),
    "surrogates": (repeated("\ud800\udc00x ", "<p>"), MILLION),
    "white space": (repeated(" ", "<p>a", "b"), 10 * MILLION),
    "line ends": (repeated("\n", "<p>a", "b"), 10 * MILLION),
    "lines of code": (repeated("x = 1 \n", "<pre>"), MILLION),
    "stars": (repeated("*", "<p>"), 5 * MILLION),
    "backticks": (repeated("`", "<pre>"), 5 * MILLION),
    "pipes in a cell": (repeated("|", "<table><tr><td>"), 5 * MILLION),
    "sentences": (repeated("A. b? C! ", "<p>"), MILLION),
    "unclosed comment": (repeated("x", "<!-- "), 10 * MILLION),
    "comment ends": (repeated("<!--> --!> ", "<p>"), MILLION),
    "open CDATA": (repeated("<![CDATA[ ", "<p>"), MILLION),
    "open instructions": (repeated("<?x ", "<p>"), MILLION),
    "open declarations": (repeated("<!x ", "<p>"), MILLION),
    "end tags": (repeated("</p>"), MILLION),
    "open end tags": (repeated("</p "), MILLION),
    "open tags": (repeated("<p a "), 500_000),
    "open quotes": (repeated("<p a='"), 500_000),
    "one script": (repeated("var x = '<p>'; ", "<script>"), 500_000),
    # Attributes
    "attributes of one element": (lambda n: article_page(f"<p {' '.join(f'a{k}=1' for k in range(n))}>x</p>"), MILLION),
    "attributes without value": (lambda n: article_page(f"<p {' '.join(f'a{k}' for k in range(n))}>x</p>"), MILLION),
    "attributes with tags in them": (
        lambda n: article_page("<p " + " ".join(f'a{k}="<p>>"' for k in range(n)) + ">x</p>"),
        300_000,
    ),
    "attributes, one of them quoting": (
        lambda n: article_page("<p a='>' " + " ".join(f"a{k}" for k in range(n)) + ">x</p>"),
        300_000,
    ),
    "attributes of the same name": (repeated("a=1 ", "<p ", ">x</p>"), MILLION),
    "attributes over many elements": (
        lambda n: article_page(f"<p {' '.join(f'a{k}=1' for k in range(100))}>x</p>" * n),
        10_000,
    ),
    "900 attributes an element": (
        lambda n: article_page(f"<p {' '.join(f'a{k}=1' for k in range(900))}>x</p>" * n),
        1_000,
    ),
    "one class": (repeated("share-", "<div class='", f"'><p>{PROSE * 3}</p></div>"), 1_700_000),
    "classes of one element": (numbered("share-{k} ", "<div class='", f"'><p>{PROSE * 3}</p></div>"), 500_000),
    "one style": (repeated("a:b;none;", "<div style='", f"'><p>{PROSE * 3}</p></div>"), MILLION),
    "one address": (repeated("%20../", "<p><a href='", f"'>{PROSE * 3}</a></p>"), MILLION),
    "one alt": (repeated("words ", "<p><img src=/x alt='", f"'>{PROSE * 3}</p>"), MILLION),
    "one srcset": (repeated("/a.png 1x, ", "<p><img srcset='", f"'>{PROSE * 3}</p>"), MILLION),
    "one meta": (_head(lambda n: f"<meta name=author content='{'by ' * n}'>"), 3 * MILLION),
    "metas": (_head(lambda n: "<meta name=author content='by Ann'><meta property='og:title' content='x'>" * n), 50_000),
    "linked data": (_head(lambda n: f'<script type="application/ld+json">{{"a":"{"x" * n}"}}</script>'), 10 * MILLION),
    "linked data, small pieces": (
        _head(lambda n: '<script type="application/ld+json">{"@type":"NewsArticle","headline":"x"}</script>' * n),
        30_000,
    ),
    "linked data, deep": (_head(lambda n: f'<script type="application/ld+json">{"[" * n}</script>'), 5 * MILLION),
    "bases": (_head(lambda n: "<base href='https://other.example/'>" * n), 100_000),
    "one name": (lambda n: article_page(f"<{'x' * n}>words"), 5 * MILLION),
    "names": (numbered("<x{k}>word</x{k}>"), 50_000),
    "names, never closed": (numbered("<x{k}>word"), 50_000),
}

CASES: Final[Mapping[str, Make]] = {name: make for name, (make, _) in _TABLE.items()}
SIZES: Final[Mapping[str, int]] = {name: size for name, (_, size) in _TABLE.items()}
