import pytest

from tasks.records import Sourced
from tests.metadata.pages import URL, article, described, page, told


@pytest.mark.parametrize(
    ("head", "headers", "expected"),
    [
        (
            '<link rel="canonical" href="../ferry">',
            {},
            ("https://www.harbour-post.example/news/ferry", "link:canonical"),
        ),
        (
            '<base href="https://b.example/x/"><link rel="canonical" href="y">',
            {},
            ("https://b.example/x/y", "link:canonical"),
        ),
        ("", {"link": '<https://b.example/y>; rel="canonical"'}, ("https://b.example/y", "header:link")),
        ('<meta property="og:url" content="//b.example/z">', {}, ("https://b.example/z", "meta:og:url")),
        (
            article(mainEntityOfPage={"@id": "https://b.example/w"}),
            {},
            ("https://b.example/w", "json-ld:mainEntityOfPage"),
        ),
    ],
)
def test_the_canonical_url_is_absolute_whatever_says_it(head, headers, expected):
    assert told(described(page(head=head), headers=headers).canonical_url) == expected


@pytest.mark.parametrize("href", ["javascript:alert(1)", "mailto:a@b.example", "http://[", "https://", ""])
def test_what_is_no_web_address_is_no_canonical_url(href):
    assert described(page(head=f'<link rel="canonical" href="{href}">')).canonical_url in (
        None,
        Sourced(URL, "link:canonical"),
    )


def test_tags_are_split_and_kept_once():
    found = described(page(head='<meta name="keywords" content="ferry, winter ,Ferry,, harbour; quay">'))
    assert told(found.tags) == (("Ferry", "winter", "harbour; quay"), "meta:keywords")


def test_tag_links_are_the_last_source():
    found = described(page('<a rel="tag" href="/t/ferry">ferry</a><a rel="tag" href="/t/quay">quay</a>'))
    assert told(found.tags) == (("ferry", "quay"), "rel:tag")


def test_a_meta_image_comes_before_a_linked_one():
    head = '<link rel="image_src" href="/b.jpg"><meta name="twitter:image" content="/a.jpg">'
    assert told(described(page(head=head)).image) == ("https://www.harbour-post.example/a.jpg", "meta:twitter:image")
