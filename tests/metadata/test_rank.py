from tasks.metadata.rank import MAX_RIVALS, NOBODY, best, gather, load_weights, sourced
from tasks.records import Sourced
from tests.metadata.pages import article, described, linked, page

WEIGHTS = {"from h1": 1.0, "from title": 2.0, NOBODY: 0.5}


def test_the_choice_with_the_greater_sum_of_weights_wins_and_the_other_is_its_rival():
    choices = gather([("a", "A", "h1"), ("b", "B", "title")])
    assert best(choices.values(), WEIGHTS) == Sourced("B", "title", (Sourced("A", "h1"),))


def test_sources_that_agree_are_one_choice_in_the_spelling_of_the_first():
    choices = gather([("a", "A", "h1"), ("b", "B", "title"), ("a", "a", "title")])
    assert best(choices.values(), WEIGHTS) == Sourced("A", "h1", (Sourced("B", "title"),))


def test_of_equals_the_first_wins():
    choices = gather([("a", "A", "x"), ("b", "B", "y")])
    assert best(choices.values(), {}) == Sourced("A", "x", (Sourced("B", "y"),))


def test_a_choice_below_the_weight_of_nobody_is_none():
    assert best(gather([("a", "A", "unheard of")]).values(), WEIGHTS) is None
    assert best(gather([("a", "A", "h1")]).values(), WEIGHTS) == Sourced("A", "h1")


def test_what_follows_a_plus_is_for_the_trait_alone():
    (choice,) = gather([("a", "A", "byline+later")]).values()
    assert (choice.source, choice.traits) == ("byline", {"from byline+later"})


def test_rivals_are_few_and_each_value_is_there_once():
    found = sourced((str(number // 2), f"source {number}") for number in range(100))
    assert found is not None
    assert (found.value, found.source) == ("0", "source 0")
    assert [(rival.value, rival.source) for rival in found.rivals] == [
        ("1", "source 2"), ("2", "source 4"), ("3", "source 6"), ("4", "source 8"), ("5", "source 10"),
    ]  # fmt: skip
    assert len(found.rivals) == MAX_RIVALS


def test_every_weighed_field_has_weights_and_their_traits_are_traits_of_pages():
    weights = load_weights()
    assert sorted(weights) == ["authors", "published", "title"]
    assert {"from h1", "the only h1"} <= set(weights["title"])
    assert {"from byline", NOBODY} <= set(weights["authors"])
    assert {"from url", "the earliest"} <= set(weights["published"])


def test_fields_keep_what_lost_with_its_source():
    head = (
        '<meta property="og:site_name" content="Harbour Post"><meta name="description" content="One.">'
        '<meta property="og:description" content="Two."><meta name="author" content="Omar Haddad">'
        + article(author="Ann Lee", datePublished="2024-03-05", headline="Ferry sails again")
        + linked({"@type": "WebSite", "name": "Harbour Post Online"})
    )
    found = described(page("<h1>Ferry sails again after the winter</h1><p>7 March 2024</p>", head=head))
    assert found.description == Sourced("Two.", "meta:og:description", (Sourced("One.", "meta:description"),))
    assert found.site is not None
    assert Sourced("Harbour Post Online", "json-ld:WebSite.name") in found.site.rivals
    assert found.authors == Sourced(("Ann Lee",), "json-ld:author", (Sourced(("Omar Haddad",), "meta:author"),))
    assert found.title is not None
    assert {found.title.value, *(rival.value for rival in found.title.rivals)} == {
        "Ferry sails again", "Ferry sails again after the winter",
    }  # fmt: skip
    assert found.published == Sourced(
        "2024-03-05", "json-ld:datePublished", (Sourced("2024-03-07", "text:near-heading"),)
    )


def test_a_page_that_names_nobody_has_no_authors():
    assert described(page("<h1>Ferry</h1><p>7 March 2024</p><p>About us</p>")).authors is None
