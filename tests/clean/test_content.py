"""The choice of the article: what makes a block part of it."""

from tasks.clean import parse_tree
from tasks.clean.content import KEEP, choose
from tasks.clean.walk import Page, walk
from tests.clean.helpers import AFTER, BEFORE, article_page

LONG = f"<p>{BEFORE}</p><p>{AFTER}</p>"


def page_of(html: str) -> Page:
    root = parse_tree(html).root
    assert root is not None
    return walk(root)


def kept(html: str) -> list[str]:
    page = page_of(html)
    return [page.block_text(block) for block, score in enumerate(choose(page).scores) if score >= KEEP]


def why(html: str, text: str) -> str:
    page = page_of(html)
    choice = choose(page)
    return next(choice.why[block] for block in range(len(page.owner)) if page.block_text(block) == text)


def test_a_block_ends_at_tags_of_its_own_line_and_at_a_double_break() -> None:
    page = page_of("<div>one <b>two</b><p>three<br>four<br><br>five</p>six</div>")
    assert [page.block_text(block) for block in range(len(page.owner))] == ["one two", "threefour", "five", "six"]


def test_prose_between_menu_and_footer_is_the_article() -> None:
    html = f"<nav><a href='/'>Home</a></nav><div>{LONG}</div><footer><p>Imprint</p></footer>"
    assert kept(html) == [BEFORE, AFTER]


def test_a_clutter_class_around_most_of_the_prose_leaves_nothing_out() -> None:
    assert kept(f"<div class='newsletter share comments'>{LONG}</div>") == [BEFORE, AFTER]


def test_prose_under_comments_beside_an_article_is_left_out() -> None:
    html = f"<article>{LONG}{LONG}</article><div id='comments'><p>{BEFORE}</p></div>"
    assert kept(html) == [BEFORE, AFTER] * 2


def test_a_headline_and_what_stands_above_it_are_left_out() -> None:
    html = article_page("").replace("<h1>", "<p>Harbour news of the week</p><h1>")
    assert "The crane" not in kept(html)
    assert why(html, "The crane").startswith("the headline")
    assert why(html, "Harbour news of the week") == "above the headline"


def test_a_heading_goes_with_what_follows_it() -> None:
    html = article_page("<h2>Kept</h2><p>Short.</p><h2>Lost</h2><ul><li><a href='/a'>A link</a></li></ul>")
    assert "Kept" in kept(html)
    assert kept(html + "<h2>Last</h2>")[-1] == BEFORE


def test_hidden_text_is_left_out_unless_it_is_all_there_is() -> None:
    assert "secret words" not in kept(article_page("<p style='display: none'>secret words</p>"))
    assert kept(f"<div hidden>{LONG}</div>") == [BEFORE, AFTER]


def test_a_short_line_after_the_last_paragraph_stays_where_it_stands_beside_paragraphs() -> None:
    assert kept(f"<div>{LONG}<p>So it goes.</p></div><div><p>Elsewhere</p></div>") == [BEFORE, AFTER, "So it goes."]


def test_an_embedded_post_keeps_its_short_and_linked_lines() -> None:
    post = "<blockquote class='twitter-tweet'><p>Gone.</p><a href='/1'>March 3</a></blockquote>"
    assert {"Gone.", "March 3"} <= set(kept(article_page(post)))
    assert "March 3" not in kept(article_page(post.replace("twitter-tweet", "").replace("blockquote", "div")))


def test_a_page_without_prose_has_no_article() -> None:
    assert kept("<ul><li><a href='/'>Home</a></li><li>News</li></ul>") == []
    assert kept("<p></p>") == []
