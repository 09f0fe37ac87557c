"""One article, one history; what is newest in it; and what never comes into it."""

from datetime import UTC, datetime

import pytest

from tasks.catalog import numbered, parse_at
from tasks.errors import NotFound
from tests.catalog.kit import URL, Desk, derived, put


def kinds(desk: Desk, url: str = URL) -> list[tuple[str, str, bool]]:
    with desk.catalog() as catalog:
        return [(version.entry.id, version.kind, version.newest) for version in numbered(catalog.versions(url))]


def ids(desk: Desk, url: str = URL) -> list[str]:
    return [row[0] for row in kinds(desk, url)]


def test_versions_are_numbered_and_say_what_they_are(desk: Desk) -> None:
    first = put(desk.store, "20260301080000", "One.")
    anew = derived(desk.store, first, "One, cleaned.")
    blocked = put(desk.store, "20260302080000", "Denied.", verdict="blocked")
    second = put(desk.store, "20260303080000", "Two.")
    worse = derived(desk.store, second, "", verdict="thin")
    assert sorted(kinds(desk)) == sorted(
        [
            (first, "version", False),
            (anew, "derived", False),
            (blocked, "bad", False),
            (second, "version", True),
            (worse, "bad", False),
        ]
    )


def test_the_newest_is_good_and_not_after_the_moment_asked_for(desk: Desk) -> None:
    first = put(desk.store, "20260301080000", "One.")
    second = put(desk.store, "20260303080000", "Two.")
    put(desk.store, "20260304080000", "Denied.", verdict="blocked")
    with desk.catalog() as catalog:
        assert catalog.latest([URL]).id == catalog.find(URL) == second  # type: ignore[union-attr]
        at = parse_at("2026-03-02")
        assert catalog.latest([URL], at).id == catalog.find(URL, at) == first  # type: ignore[union-attr]
        assert catalog.latest([URL], datetime(2026, 1, 1, tzinfo=UTC)) is None
        assert catalog.latest(["https://other.example/"]) is None
        assert catalog.latest(["https://other.example/", f"{URL}?utm_source=x"]).id == second  # type: ignore[union-attr]
        with pytest.raises(NotFound, match=f"the oldest is {first}"):
            catalog.find(URL, parse_at("2026-02-01"))
        with pytest.raises(NotFound, match="no bundle of this URL"):
            catalog.find("https://other.example/")


def test_where_none_is_good_find_says_so(desk: Desk) -> None:
    bad = put(desk.store, verdict="blocked")
    with desk.catalog() as catalog, pytest.raises(NotFound, match=f"bad verdict, the newest {bad}"):
        catalog.find(URL)


def test_other_spellings_and_forms_have_the_same_history(desk: Desk) -> None:
    wanted = [
        put(desk.store, "20260301080000", "One.", url="http://www.site.example/a/the-story/?utm_source=x"),
        put(desk.store, "20260302080000", "Two.", url="https://m.site.example/a/the-story/amp"),
        put(desk.store, "20260303080000", "Three.", url="https://t.example/x", final_url="https://site.example/a/the-story"),
        put(desk.store, "20260304080000", "Four.", url="https://site.example/?p=5", canonical_url="https://site.example/a/the-story"),
    ]  # fmt: skip
    for url in ("https://site.example/a/the-story", "https://t.example/x", "https://site.example/?p=5"):
        assert ids(desk, url) == wanted, url


def test_an_article_that_moved_keeps_its_history_under_both_names(desk: Desk) -> None:
    old, new = "https://site.example/old-name", "https://site.example/new-name"
    wanted = [
        put(desk.store, "20260301080000", "One.", url=old),
        put(desk.store, "20260302080000", "Two.", url=old, final_url=new),
        put(desk.store, "20260303080000", "Three.", url=new),
    ]
    assert ids(desk, old) == ids(desk, new) == wanted


def test_a_url_that_leads_elsewhere_each_day_joins_no_two_articles(desk: Desk) -> None:
    latest, a, b = (f"https://site.example/{name}" for name in ("latest", "story-a", "story-b"))
    first = put(desk.store, "20260301080000", "A.", url=latest, final_url=a)
    second = put(desk.store, "20260302080000", "B.", url=latest, final_url=b)
    own = put(desk.store, "20260303080000", "A again.", url=a)
    assert ids(desk, latest) == [first, second]
    assert ids(desk, a) == [first, own]
    assert ids(desk, b) == [second]


def test_stories_that_all_end_at_the_home_page_stay_apart(desk: Desk) -> None:
    home, a, b = (f"https://site.example/{name}" for name in ("", "news/story-a", "news/story-b"))
    first = put(desk.store, "20260301080000", "A.", url=a)
    gone = put(desk.store, "20260302080000", "Home.", url=a, final_url=home)
    other = put(desk.store, "20260302080001", "Home.", url=b, final_url=home)
    front = put(desk.store, "20260303080000", "Home.", url=home)
    assert ids(desk, a) == [first, gone]
    assert ids(desk, b) == [other]
    assert ids(desk, home) == [gone, other, front]


def test_stories_that_all_claim_the_home_page_stay_apart(desk: Desk) -> None:
    home = "https://site.example/"
    a = put(desk.store, "20260301080000", "A.", url=f"{home}?p=1", canonical_url=home)
    b = put(desk.store, "20260301080001", "B.", url=f"{home}?p=2", canonical_url=home)
    c = put(desk.store, "20260301080002", "C.", url=f"{home}story-c", canonical_url="https://other.example/story-c")
    assert [ids(desk, f"{home}?p=1"), ids(desk, f"{home}?p=2"), ids(desk, f"{home}story-c")] == [[a], [b], [c]]
    assert ids(desk, home) == ids(desk, "https://other.example/story-c") == []


def test_a_long_history_is_whole(desk: Desk) -> None:
    wanted = [put(desk.store, f"2026{m:02}{d:02}080000", f"{m}/{d}") for m in range(1, 11) for d in range(1, 26)]
    wanted += [
        put(desk.store, f"20251{m}{d:02}080000", f"{m}/{d}", url=f"https://s.example/{m}-{d}", final_url=URL)
        for m in range(3)
        for d in range(1, 29)
    ]
    assert len(ids(desk)) == len(wanted)


# ------------------------------------------------------------------ lists
def test_lists_are_filtered(desk: Desk) -> None:
    a = put(desk.store, "20260301080000", "A.", url="https://www.courier.example/a", language="en-GB",
            section="Local News", authors=["Ada Byron"])  # fmt: skip
    b = put(
        desk.store, "20260302080000", "B.", url="https://sport.courier.example/b", language="de", authors=["K. Čapek"]
    )
    c = put(desk.store, "20260303080000", "C.", url="https://notcourier.example/c", verdict="blocked")
    d = derived(desk.store, a, "A anew.", url="https://www.courier.example/a", section="Local News",
                authors=["Ada Byron"], language="en-GB")  # fmt: skip
    from datetime import date

    assert desk.ids() == [d, b, c]
    assert sorted(desk.ids(every=True)) == sorted([a, d, b, c])
    assert desk.ids(host="courier.example") == [d, b]
    assert desk.ids(host="sport.courier.example") == [b]
    assert desk.ids(section="local") == desk.ids(author="byron") == desk.ids(language="en") == [d]
    assert desk.ids(author="Capek") == desk.ids(language="de") == [b]
    assert desk.ids(since=date(2026, 3, 2)) == [b, c]
    assert desk.ids(until=date(2026, 3, 2)) == [d, b]
    assert desk.ids(verdict="blocked") == [c]
    assert desk.ids(limit=2) == [b, c]
    assert desk.ids(limit=2, host="courier.example", until=date(2026, 3, 1)) == [d]
    assert desk.ids(host="%", limit=1) == desk.ids(author="'") == []
