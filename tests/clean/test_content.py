"""The choice of the article: what makes a block part of it."""

from tasks.clean import parse_tree
from tasks.clean.clues import find_clues
from tasks.clean.content import Choice, choose
from tasks.clean.walk import Page, walk
from tests.clean.helpers import AFTER, BEFORE, article_page, our_rules

LONG = f"<p>{BEFORE}</p><p>{AFTER}</p>"


def page_of(html: str) -> Page:
    root = parse_tree(html).root
    assert root is not None
    return walk(root)


def chosen(html: str) -> tuple[Page, Choice]:
    page = page_of(html)
    return page, choose(page, find_clues(page.element[0]), our_rules().scorer)


def kept(html: str) -> list[str]:
    page, choice = chosen(html)
    return [page.block_text(block) for block, stays in enumerate(choice.kept) if stays]


def concept(html: str, text: str) -> str:
    page, choice = chosen(html)
    return next(choice.concept[block] for block in range(len(page.owner)) if page.block_text(block) == text)


def test_a_block_ends_at_tags_of_its_own_line_and_at_a_double_break() -> None:
    page = page_of("<div>one <b>two</b><p>three<br>four<br><br>five</p>six</div>")
    assert [page.block_text(block) for block in range(len(page.owner))] == ["one two", "threefour", "five", "six"]


def test_prose_between_menu_and_footer_is_the_article() -> None:
    html = f"<nav><a href='/'>Home</a></nav><div>{LONG}</div><footer><p>Imprint</p></footer>"
    assert kept(html) == [BEFORE, AFTER]
    assert concept(html, "Home") == concept(html, "Imprint") == "navigation"


def test_a_clutter_class_around_most_of_the_prose_leaves_nothing_out() -> None:
    assert kept(f"<div class='newsletter-story'>{LONG}{LONG}</div>") == [BEFORE, AFTER] * 2


def test_a_headline_is_left_out_for_the_metadata_have_it() -> None:
    html = article_page("")
    assert "The crane" not in kept(html)
    assert concept(html, "The crane") == "title"


def test_what_is_left_out_is_called_by_the_names_around_it() -> None:
    html = article_page("") + "<div class='related-stories'><ul><li><a href='/a'>Ferry fares rise</a></li></ul></div>"
    assert concept(html, "Ferry fares rise") == "related"


def test_a_heading_with_its_section_stays() -> None:
    assert "What comes next" in kept(article_page(f"<h2>What comes next</h2><p>{AFTER}</p>"))


def test_an_embedded_post_keeps_its_short_and_linked_lines() -> None:
    post = "<blockquote class='twitter-tweet'><p>Gone.</p><a href='/1'>March 3</a></blockquote>"
    assert {"Gone.", "March 3"} <= set(kept(article_page(post)))


def test_a_table_of_data_stays_or_goes_as_one() -> None:
    cells = "".join(f"<tr><td>{name}</td><td>{cost} million</td></tr>" for name, cost in (("Hall", 4), ("Slip", 1)))
    texts = {"Hall", "4 million", "Slip", "1 million"}
    inside = texts & set(kept(article_page(f"<table>{cells}</table>")))
    outside = texts & set(kept(article_page("") + f"<footer><table>{cells}</table></footer>"))
    assert inside == texts
    assert outside == set()


def test_marks_without_words_go_with_what_stands_around_them() -> None:
    assert "* * *" in kept(article_page("<p>* * *</p>"))
    assert "* * *" not in kept(article_page("") + "<footer><p>News</p><p>* * *</p><p>Sport</p></footer>")


def test_a_button_whose_end_was_overlooked_takes_no_page_with_it() -> None:
    """libxml2 puts all of the page that follows into the button; browsers close it."""
    html = f"<header><button><div><div></button></header><main>{LONG}</main><button>Back to top</button>"
    assert kept(html) == [BEFORE, AFTER]
    assert concept(html, "Back to top") == "widget"


def test_a_button_with_blocks_inside_is_a_control_all_the_same() -> None:
    html = article_page(f"<button><div><p>{BEFORE}</p><span>Read on</span></div></button>")
    assert kept(html).count(BEFORE) == kept(article_page("")).count(BEFORE)
    assert concept(html, f"{BEFORE}Read on") == "widget"


def test_a_control_is_never_article() -> None:
    html = article_page("<button>Read it all aloud to me, please, from the start to the very end of the story</button>")
    assert [text for text in kept(html) if text.startswith("Read it all")] == []


def test_a_page_without_words_has_no_article() -> None:
    assert kept("<p></p>") == kept("<p>***</p>") == []
