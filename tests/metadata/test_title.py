import pytest

from tests.metadata.pages import article, described, page, told

SITE = '<meta property="og:site_name" content="Harbour Post">'


def test_the_heading_that_the_head_repeats_is_the_title():
    head = "<title>Ferry sails again | Harbour Post</title>"
    found = described(page("<h1>Harbour Post</h1><h1>Ferry sails again</h1>", head=SITE + head))
    assert told(found.title) == ("Ferry sails again", "h1")


def test_a_heading_that_is_the_site_gives_way_to_the_head():
    found = described(page("<h1>Harbour Post</h1>", head=SITE + article(headline="Ferry sails again")))
    assert told(found.title) == ("Ferry sails again", "json-ld:headline")


def test_a_kicker_in_the_heading_is_left_off():
    head = SITE + '<meta property="og:title" content="Ferry sails again after winter">'
    found = described(page("<h1><span>Harbour news</span> Ferry sails again after winter</h1>", head=head))
    assert told(found.title) == ("Ferry sails again after winter", "meta:og:title")


@pytest.mark.parametrize(
    "title",
    ["Ferry sails again - Harbour Post", "Ferry sails again | News | Harbour Post", "Ferry sails again – harbour-post"],
)
def test_the_name_of_the_site_is_cut_off(title):
    found = described(page(head=f"{SITE}<title>{title}</title>"))
    assert found.title is not None
    assert found.title.value in ("Ferry sails again", "Ferry sails again | News")


def test_a_dash_that_belongs_to_the_title_stays():
    found = described(page(head=SITE + "<title>Ferry - back again</title>"))
    assert told(found.title) == ("Ferry - back again", "title")


def test_a_page_with_a_heading_alone_has_that_title():
    assert told(described(page("<h1>Ferry</h1>")).title) == ("Ferry", "h1")


def test_the_title_of_a_drawing_is_not_the_page_s():
    found = described("<html><head><title>Ferry</title></head><body><svg><title>Menu icon</title></svg></body></html>")
    assert told(found.title) == ("Ferry", "title")
