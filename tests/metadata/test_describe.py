from dataclasses import fields

from lxml import etree

from tasks.metadata import describe
from tasks.records import Metadata, Sourced
from tests.metadata.pages import URL, article, described, page, parse, told

FULL = page(
    """<h1>Ferry back in service after the winter</h1>
       <p class="byline">By Ann Lee and Omar Haddad</p><p>The ferry sails again.</p>""",
    head="""<title>Ferry back in service after the winter | Harbour Post</title>
       <meta property="og:site_name" content="Harbour Post">
       <meta property="og:title" content="Ferry back in service after the winter - Harbour Post">
       <meta property="og:description" content="The ferry sails again &amp;amp; on time.">
       <meta property="article:published_time" content="2024-03-05T08:10:00+01:00">
       <meta property="article:modified_time" content="2024-03-06T09:00:00Z">
       <meta property="article:section" content="Harbour">
       <meta property="article:tag" content="Ferries"><meta property="article:tag" content="Winter">
       <meta property="og:image" content="/img/ferry.jpg">
       <link rel="canonical" href="/news/ferry">""",
)


def test_every_field_comes_with_its_source():
    found = described(FULL)
    assert {name.name: told(getattr(found, name.name)) for name in fields(found)} == {
        "title": ("Ferry back in service after the winter", "h1"),
        "authors": (("Ann Lee", "Omar Haddad"), "byline:class"),
        "published": ("2024-03-05T08:10:00+01:00", "meta:article:published_time"),
        "modified": ("2024-03-06T09:00:00Z", "meta:article:modified_time"),
        "site": ("Harbour Post", "meta:og:site_name"),
        "canonical_url": ("https://www.harbour-post.example/news/ferry", "link:canonical"),
        "language": ("en", "html:lang"),
        "description": ("The ferry sails again & on time.", "meta:og:description"),
        "section": ("Harbour", "meta:article:section"),
        "tags": (("Ferries", "Winter"), "meta:article:tag"),
        "image": ("https://www.harbour-post.example/img/ferry.jpg", "meta:og:image"),
    }


def test_an_empty_page_has_nothing_but_its_host():
    assert described("<html></html>") == Metadata(site=Sourced("harbour-post.example", "url"))


def test_the_tree_is_left_as_it_was():
    root = parse(FULL)
    before = etree.tostring(root)
    describe(root, url=URL, headers={})
    assert etree.tostring(root) == before


def test_the_same_page_gives_the_same_answer_twice():
    assert described(FULL) == described(FULL)


def test_what_hangs_beside_the_root_is_read_too():
    html = page("<p>one</p>") + page(head=article(headline="Beside the root"))
    assert [beside.tag for beside in parse(html).itersiblings()] == ["html"]
    found = described(html)
    assert told(found.title) == ("Beside the root", "json-ld:headline")


def test_linked_data_comes_before_meta_elements():
    head = (
        article(author={"name": "Ann Lee"}, datePublished="2024-03-05") + '<meta name="author" content="Omar Haddad">'
    )
    found = described(page(head=head))
    assert told(found.authors) == (("Ann Lee",), "json-ld:author")
    assert told(found.published) == ("2024-03-05", "json-ld:datePublished")


def test_microdata_is_read():
    found = described(
        page(
            """<article itemscope><h1>Ferry</h1>
            <span itemprop="author" itemscope><b itemprop="name">Ann Lee</b>, harbour desk</span>
            <time itemprop="datePublished" datetime="2024-03-05T08:10+01:00">Tuesday</time>
            <meta itemprop="dateModified" content="2024-03-07"></article>"""
        )
    )
    assert told(found.authors) == (("Ann Lee",), "microdata:author")
    assert told(found.published) == ("2024-03-05T08:10:00+01:00", "microdata:datePublished")
    assert told(found.modified) == ("2024-03-07", "meta:datemodified")


def test_the_language_may_come_from_the_header_alone():
    found = described("<html><body><p>x</p></body></html>", headers={"Content-Language": "de-AT, en"})
    assert told(found.language) == ("de-AT", "header:content-language")


def test_what_is_no_language_tag_is_none():
    assert described('<html lang="{{ lang }}"><p>x</p></html>').language is None
