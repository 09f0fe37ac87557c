from datetime import date

import pytest

from tasks.metadata.dates import DateReader, url_date
from tests.metadata.pages import described, page

READER = DateReader("en", date(2026, 1, 1))


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        ("2024-03-05", "2024-03-05"),
        ("2024-03-05T08:10:00+01:00", "2024-03-05T08:10:00+01:00"),
        ("2024-03-05T08:10:00.123Z", "2024-03-05T08:10:00Z"),
        ("2024-03-05 08:10:00 -0500", "2024-03-05T08:10:00-05:00"),
        ("2024-03-05T08:10", "2024-03-05T08:10:00"),
        ("2024-03-05T24:00:00Z", "2024-03-05"),
        ("20240305T081000Z", "2024-03-05T08:10:00Z"),
        ("20240305", "2024-03-05"),
        ("1709626200", "2024-03-05T08:10:00Z"),
        ("1709626200000", "2024-03-05T08:10:00Z"),
        ("Tue, 05 Mar 2024 08:10:00 GMT", "2024-03-05T08:10:00Z"),
        ("Tue, 05 Mar 2024 08:10:00 +0100", "2024-03-05T08:10:00+01:00"),
        ("March 5, 2024", "2024-03-05"),
    ],
)
def test_a_stamp_keeps_the_offset_that_the_page_gave(written, expected):
    assert READER.stamp(written) == expected


@pytest.mark.parametrize(
    "written", ["", "soon", "2024-13-05", "2024-02-30", "0000-00-00", "1066-10-14", "9" * 400, None, 7, []]
)
def test_what_is_no_date_of_a_page_gives_none(written):
    assert READER.stamp(written) == ""


@pytest.mark.parametrize(
    "written",
    [
        "5 March 2024", "March 5th, 2024", "5. März 2024", "5 mars 2024", "5 de marzo de 2024", "5 marzo 2024",
        "5 maart 2024", "5 de março de 2024", "5 marca 2024", "5 марта 2024", "5 березня 2024", "2024年3月5日",
        "2024년 3월 5일", "2024. március 5.", "5 Mart 2024", "05.03.2024", "5. 3. 2024", "5.3.24", "2024/03/05",
        "3/5/2024", "Published: Tuesday 05-Mar-2024",
    ],
)  # fmt: skip
def test_a_visible_date_is_read_in_many_languages(written):
    assert READER.visible(written) == "2024-03-05"


@pytest.mark.parametrize(
    ("language", "expected"), [("en", "2024-03-05"), ("en-GB", "2024-05-03"), ("fr", "2024-05-03")]
)
def test_the_language_says_whether_the_day_comes_first(language, expected):
    assert DateReader(language, date(2026, 1, 1)).visible("3/5/2024") == expected


def test_a_day_past_twelve_settles_the_order():
    assert READER.visible("25/3/2024") == "2024-03-25"
    assert DateReader("de", date(2026, 1, 1)).visible("3/25/2024") == "2024-03-25"


def test_a_day_after_the_capture_is_no_publication():
    body = "<h1>Harbour festival</h1><p>12 May 2031</p><p>5 March 2024</p>"
    found = described(page(body), headers={"date": "Tue, 05 Mar 2024 08:10:00 GMT"})
    assert found.published is not None
    assert found.published.value == "2024-03-05"
    unbounded = described(page(body))
    assert unbounded.published is not None
    assert unbounded.published.value == "2031-05-12"


def test_a_date_near_the_heading_comes_before_one_above_it():
    found = described(page("<p>12 May 2021</p><h1>Ferry back in service</h1><p>5 March 2024</p>"))
    assert found.published is not None
    assert (found.published.value, found.published.source) == ("2024-03-05", "text:near-heading")


def test_the_line_that_says_updated_is_the_modification():
    found = described(page("<h1>Ferry back in service</h1><p>5 March 2024</p><p>Updated: 7 March 2024</p>"))
    assert found.modified is not None
    assert (found.modified.value, found.modified.source) == ("2024-03-07", "text:updated")


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("https://a.example/2024/03/05/ferry", "2024-03-05"),
        ("https://a.example/20240305-ferry", "2024-03-05"),
        ("https://a.example/2024/13/05/ferry", ""),
        ("https://a.example/ferry-2024", ""),
    ],
)
def test_a_day_in_the_path_of_the_url_counts(url, expected):
    assert url_date(url) == expected
