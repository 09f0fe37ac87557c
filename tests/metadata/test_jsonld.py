import pytest

from tasks.metadata import describe, linked_data
from tasks.metadata.jsonld import MAX_SCRIPT, parse_json
from tests.metadata.pages import URL, article, described, linked, page, parse, told


@pytest.mark.parametrize(
    "text",
    [
        '{"a": "b"}',
        '<!-- {"a": "b"} -->',
        '//<![CDATA[\n{"a": "b"}\n//]]>',
        '/* <![CDATA[ */ {"a": "b"}; /* ]]> */',
        '{"a": "b",}',
        '{"a": "b"};',
        '\ufeff{"a": "b"}',
        "{&quot;a&quot;: &quot;b&quot;}",
    ],
)
def test_json_is_read_through_what_pages_wrap_around_it(text):
    assert parse_json(text) == {"a": "b"}


def test_control_characters_in_strings_are_passed_over():
    assert parse_json('{"a": "line\nline\x01"}') == {"a": "line\nline\x01"}


def test_objects_written_one_after_the_other_are_all_read():
    assert parse_json('{"a": 1}\n{"b": 2}') == [{"a": 1}, {"b": 2}]


@pytest.mark.parametrize("text", ["", "{", "not json", '{"a": }', "[" * 100_000, '{"a":' * 100_000])
def test_broken_json_gives_none(text):
    assert parse_json(text) is None


def test_a_broken_script_does_not_hide_a_sound_one():
    head = '<script type="application/ld+json">{"@type": "NewsArticle", "headline": </script>' + article(
        headline="Ferry"
    )
    assert told(described(page(head=head)).title) == ("Ferry", "json-ld:headline")


def test_the_article_in_a_graph_is_found_and_its_author_reference_followed():
    graph = {
        "@graph": [
            {"@type": "WebSite", "name": "Harbour Post"},
            {"@type": ["WebPage"], "name": "A page", "datePublished": "2023-01-01"},
            {
                "@type": ["Thing", "NewsArticle"],
                "headline": "Ferry",
                "author": {"@id": "#ann"},
                "datePublished": "2024-03-05",
            },
            {"@type": "Person", "@id": "#ann", "name": "Ann Lee"},
        ]
    }
    found = described(page(head=linked(graph)))
    assert told(found.title) == ("Ferry", "json-ld:headline")
    assert told(found.authors) == (("Ann Lee",), "json-ld:author")
    assert told(found.published) == ("2024-03-05", "json-ld:datePublished")
    assert told(found.site) == ("Harbour Post", "json-ld:WebSite.name")


def test_the_article_that_names_this_page_comes_before_a_teaser():
    teaser = {"@type": "NewsArticle", "headline": "Something else", "url": "https://www.harbour-post.example/else"}
    own = {"@type": "NewsArticle", "headline": "Ferry", "mainEntityOfPage": {"@id": URL}}
    assert told(described(page(head=linked(teaser, own))).title) == ("Ferry", "json-ld:headline")
    assert told(described(page(head=linked(teaser, own)), url="https://x.example/").title) == (
        "Something else",
        "json-ld:headline",
    )


def test_an_article_within_its_web_page_is_found():
    head = linked({"@type": "WebPage", "mainEntity": {"@type": "BlogPosting", "headline": "Ferry"}})
    assert told(described(page(head=head)).title) == ("Ferry", "json-ld:headline")


def test_a_script_that_is_far_too_long_is_passed_over():
    assert described(page(head=article(headline="Ferry", articleBody="x" * MAX_SCRIPT))).title is None


def test_keywords_image_and_section_are_read_in_their_many_shapes():
    found = described(
        page(
            head=article(
                keywords=["ferry", "Winter", "Ferry"],
                articleSection=["Harbour", "News"],
                image=[{"@type": "ImageObject", "url": "/a.jpg"}, "/b.jpg"],
                publisher={"name": "Harbour Post"},
                inLanguage="en_GB",
                description="A &lt;b&gt;ferry&lt;/b&gt;",
            ),
            lang="",
        )
    )
    assert told(found.tags) == (("Ferry", "Winter"), "json-ld:keywords")
    assert told(found.section) == ("Harbour", "json-ld:articleSection")
    assert told(found.image) == ("https://www.harbour-post.example/a.jpg", "json-ld:image")
    assert told(found.site) == ("Harbour Post", "json-ld:publisher.name")
    assert told(found.language) == ("en-GB", "json-ld:inLanguage")
    assert told(found.description) == ("A ferry", "json-ld:description")


def test_the_longest_body_of_an_article_is_given():
    root = parse(
        page(head=article(articleBody="Short.") + article(articleBody="A longer body.") + article(articleBody=3))
    )
    assert linked_data(root, "https://a.example/").body == "A longer body."
    assert linked_data(parse(page()), "https://a.example/").body == ""


def test_linked_data_read_before_is_not_read_again():
    root = parse(page(head=article(headline="Ferry sails again")))
    data = linked_data(root, URL)
    for script in root.iter("script"):
        script.text = ""
    found = describe(root, url=URL, headers={}, data=data)
    assert found.title is not None
    assert found.title.value == "Ferry sails again"
