import pytest

from tasks.metadata.authors import split_names
from tests.metadata.pages import article, described, page, told


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Ann Lee", ["Ann Lee"]),
        ("By Ann Lee and Omar Haddad", ["Ann Lee", "Omar Haddad"]),
        ("Von Anna Groß, Jörg Meier", ["Anna Groß", "Jörg Meier"]),
        ("Ann Lee, MD, PhD", ["Ann Lee"]),
        ("Ann Lee (Berlin)", ["Ann Lee"]),
        ("Ann Lee; Omar Haddad | Harbour Correspondent", ["Ann Lee", "Omar Haddad"]),
        ("Ann Lee &amp; Omar Haddad", ["Ann Lee", "Omar Haddad"]),
        ("admin", []),
        ("https://www.facebook.com/harbourpost", []),
        ("page.head.extra.author", []),
        ("Dec. 19", []),
        ("{{ author }}", []),
        ("", []),
    ],
)
def test_an_author_text_is_split_into_clean_names(written, expected):
    assert split_names(written) == expected


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("Written by: Ann Lee | 5 March 2024", ["Ann Lee"]),
        ("By Ann Lee on March 5, 2024", ["Ann Lee"]),
        ("Von Anna Groß, 5. März 2024", ["Anna Groß"]),
        ("Par Anne Martin – Mis à jour le 5 mars", ["Anne Martin"]),
        ("by the harbour", []),
    ],
)
def test_a_visible_byline_is_cut_down_to_its_names(written, expected):
    assert split_names(written, visible=True) == expected


@pytest.mark.parametrize(
    ("body", "source"),
    [
        ('<h1>Ferry sails again</h1><p>By <a rel="author" href="/ann">Ann Lee</a></p>', "rel:author"),
        ('<h1>Ferry sails again</h1><div class="post-author">Ann Lee</div>', "byline:class"),
        ('<h1>Ferry sails again</h1><div class="author"><b>Ann Lee</b><i>Harbour reporter</i></div>', "byline:class"),
        ("<h1>Ferry sails again</h1><p>By Ann Lee</p>", "byline"),
        ("<h1>Ferry sails again</h1><p>By <b>Ann Lee</b></p>", "byline"),
        ("<h1>Ferry sails again</h1><p><i>Author:</i> <b>Ann Lee</b></p>", "byline"),
        ('<h1>Ferry sails again</h1><a href="/authors/ann">Ann Lee</a>', "byline:link"),
    ],
)
def test_a_visible_byline_is_found(body, source):
    assert told(described(page(body)).authors) == (("Ann Lee",), source)


def test_the_author_of_a_comment_is_not_the_author():
    body = '<h1>Ferry sails again</h1><p>Text.</p><div class="comment-author">Omar Haddad</div>'
    assert described(page(body)).authors is None


def test_the_house_is_no_author_where_a_person_is_shown():
    head = '<meta property="og:site_name" content="Harbour Post Online">' + article(author="Harbour Post Online")
    body = '<h1>Ferry sails again</h1><p class="byline">By Ann Lee</p>'
    assert told(described(page(body, head=head)).authors) == (("Ann Lee",), "byline:class")
    assert described(page(head=head)).authors is None


def test_several_authors_are_kept_in_order_each_once():
    head = article(author=[{"name": "Ann Lee"}, {"name": "Omar Haddad"}, "Ann Lee", {"name": None}])
    assert told(described(page(head=head)).authors) == (("Ann Lee", "Omar Haddad"), "json-ld:author")


def test_the_card_that_says_written_by_names_the_author():
    head = '<meta name="twitter:label1" content="Written by"><meta name="twitter:data1" content="Ann Lee">'
    assert told(described(page(head=head)).authors) == (("Ann Lee",), "meta:twitter:data1")
    assert described(page(head=head.replace("Written by", "Reading time"))).authors is None


def test_a_line_below_the_article_counts_where_it_says_written_by():
    story = "<h1>Ferry sails again</h1>" + "<p>The ferry sails again, and many people went to see it.</p>" * 40
    assert told(described(page(story + "<p>Written by Ann Lee</p>")).authors) == (("Ann Lee",), "byline:below")
    assert described(page(story + "<p>By Ann Lee</p>")).authors is None
