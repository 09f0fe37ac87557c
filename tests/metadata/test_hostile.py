"""Nothing on a page makes `describe` fail, whatever types and sizes it finds where strings are expected."""

import json
from time import process_time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.metadata import describe
from tests.metadata.pages import described, linked, page, parse

NAMES = st.sampled_from(
    [
        "@type",
        "@graph",
        "@id",
        "headline",
        "name",
        "author",
        "creator",
        "publisher",
        "datePublished",
        "dateModified",
        "dateCreated",
        "mainEntityOfPage",
        "url",
        "keywords",
        "image",
        "articleSection",
        "description",
        "inLanguage",
        "mainEntity",
        "hasPart",
        "itemListElement",
    ]
)
LEAVES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=20),
    st.sampled_from(
        ["NewsArticle", "WebPage", "Person", "#a", "http://[", "2024-03-05", "\ud800", "99999999999", "By By By"]
    ),
)
VALUES = st.recursive(
    LEAVES,
    lambda inner: st.one_of(st.lists(inner, max_size=4), st.dictionaries(NAMES, inner, max_size=6)),
    max_leaves=25,
)


@settings(max_examples=200, deadline=None)
@given(VALUES)
def test_linked_data_of_any_shape_is_survived(value):
    found = described(page(head=linked({"@type": "NewsArticle", "author": value, "headline": value}, value)))
    json.dumps(found.title.value if found.title else None).encode()
    for field in (found.title, found.description, found.section):
        assert field is None or field.value.encode("utf-8")


@settings(max_examples=200, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            ["author", "og:title", "og:url", "og:image", "date", "article:published_time", "keywords", "og:locale"]
        ),
        st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\x00"), max_size=200),
    ),
    st.text(max_size=60),
)
def test_meta_elements_and_headers_of_any_text_are_survived(metas, header):
    tree = parse(page("<h1>x</h1>", head="".join(f'<meta name="{name}">' for name in metas)))
    for element in tree.iter("meta"):
        value = metas[element.get("name")]
        element.set("content", "".join(char for char in value if char.isprintable()))
    describe(tree, url="https://a.example/", headers={"link": header, "date": header, "content-language": header})


@pytest.mark.parametrize(
    "html",
    [
        page(head='<script type="application/ld+json">' + "[" * 200_000 + "</script>"),
        page(head='<script type="application/ld+json">' + '{"@graph":' * 40_000 + "</script>"),
        page(head='<script type="application/ld+json">' + "," * 400_000 + "</script>"),
        page(head='<meta name="author" content="' + "by " * 300_000 + '">'),
        page(head='<meta property="og:title" content="' + " | " * 300_000 + '">'),
        page(head="<title>" + " - x" * 100_000 + "</title>"),
        page('<div class="author ' + "a" * 1_000_000 + '">x</div>'),
        page('<div itemprop="' + "author " * 50_000 + '">x</div>'),
        page('<div class="author">' * 3_000 + "x"),
        page("<time>" * 3_000 + "x"),
        page('<time itemprop="datePublished">' * 3_000),
        page("<h1>" * 3_000 + "x"),
        page("<h1>x</h1>" + "<p>By </p>" * 20_000),
        page("<h1>x</h1>" + "<p>1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1.1</p>" * 2_000),
        page('<p itemprop="author">' * 2_000 + "x"),
        page(head='<meta property="og:title" content="x">' * 50_000),
        page(head="".join(f'<meta name="n{n}" content="{n}">' for n in range(50_000))),
        page("<h1>x</h1>" + "<span title='2024'>2024-13-45 31.02.2024 99/99/9999</span>" * 5_000),
        page("<h1>x</h1>" + "".join(f"<a rel='author' href='/author/{n}'>A B{n}</a>" for n in range(5_000))),
        page("<h1>x</h1><p>By</p>" * 5_000),
        page("<h1>x</h1><p>A B | C D | 5 March 2024 | " + "E F | " * 20_000 + "</p>"),
    ],
)
def test_huge_and_deep_pages_are_survived(html):
    assert described(html).site is not None


@pytest.mark.parametrize("url", ["", "x", "http://[", "https://a.example:99999/", "https://\ud800.example/"])
def test_a_url_that_is_none_is_survived(url):
    described(page('<link rel="canonical" href="/x"><h1>x</h1>'), url=url)


def test_references_that_go_in_circles_end():
    people = [{"@type": "Person", "@id": f"#{n}", "name": [{"@id": f"#{(n + 1) % 5}"}] * 50} for n in range(5)]
    head = linked({"@graph": [{"@type": "NewsArticle", "author": [{"@id": "#0"}] * 50}, *people]})
    assert described(page(head=head)).authors is None


@pytest.mark.parametrize(
    "piece",
    [
        '<meta property="article:published_time" content="2024-03-05">',
        '<p class="byline">By Ann Lee</p><time datetime="2024-03-05">5 March</time>',
        "<h1>Ferry - sails | again</h1>",
        '<div class="author"><a rel="author" href="/author/x">Ann Lee</a>',
    ],
)
def test_time_grows_with_the_page_and_no_faster(piece):
    def seconds(times: int) -> float:
        root = parse(page(piece * times))
        begun = process_time()
        describe(root, url="https://a.example/", headers={})
        return process_time() - begun

    seconds(500)  # what is read once
    small, large = min(seconds(2_000) for _ in range(3)), min(seconds(16_000) for _ in range(2))
    assert large < 8 * 4 * (small + 0.005)  # a square would take 64 times as long, and far more than a few milliseconds


def test_text_with_surrogates_is_written_as_utf_8():
    head = linked({"@type": "NewsArticle", "headline": "a \ud83d b", "author": "Ann \udc00 Lee", "keywords": "\ud800"})
    found = described(page(head=head))
    for name in ("title", "authors", "tags"):
        field = getattr(found, name)
        for one in (field, *field.rivals) if field else ():
            json.dumps([one.value, one.source], ensure_ascii=False).encode("utf-8")
