"""Lists and tables of URLs, in the encodings that people save them in."""

import os

import pytest

from tasks.errors import FormatError
from tasks.sources import Fetched
from tasks.sources.lists import parse_csv, parse_list


def table(text: str | bytes) -> Fetched:
    return Fetched("urls.csv", text.encode() if isinstance(text, str) else text)


def test_a_list_is_one_url_a_line_with_comments() -> None:
    text = "\ufeffhttps://a.example/1\r\n\r\n# all\n https://a.example/2#frag  # why\nhttps://a.example/1\n"
    assert [(one.url, one.why) for one in parse_list(table(text)).found] == [
        ("https://a.example/1", "named in the list"),
        ("https://a.example/2#frag", "named in the list"),
        ("https://a.example/1", "named in the list"),
    ]


def test_a_line_that_is_no_url_is_passed_over_with_its_number() -> None:
    read = parse_list(table("https://a.example/1\nftp://a.example/2\nhttp://[x\nwords\n"))
    assert len(read.found) == 1
    assert [(one.url, one.why, why) for one, why in read.passed_over] == [
        ("ftp://a.example/2", "line 2 of the list", "no http or https URL"),
        ("http://[x", "line 3 of the list", "no http or https URL"),
        ("words", "line 4 of the list", "no http or https URL"),
    ]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_a_list_is_read_in_any_usual_encoding(encoding: str) -> None:
    assert parse_list(table("https://a.example/café\n".encode(encoding))).urls == ("https://a.example/café",)


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
@pytest.mark.parametrize("encoding", ["utf-8-sig", "utf-16", "cp1252"])
def test_the_column_of_a_table_is_found_whatever_parts_it(delimiter: str, encoding: str) -> None:
    rows = [["title", "URL"], ['"a, b; c"', "https://a.example/1"], ["é", ""], ["", ""], ["x", "no url"], ["short"]]
    text = "\r\n".join(delimiter.join(row) for row in rows)
    read = parse_csv(table(text.encode(encoding)), "url")
    assert [(one.url, one.why) for one in read.found] == [("https://a.example/1", "named in the table")]
    assert [(one.why, why) for one, why in read.passed_over] == [
        ("line 3 of the table", "nothing in column url"),
        ("line 5 of the table", "no http or https URL"),
        ("line 6 of the table", "nothing in column url"),
    ]


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "address\nhttps://a.example/\n"])
def test_a_column_that_is_not_there_is_answered_with_those_that_are(text: str) -> None:
    with pytest.raises(FormatError, match=r"no column 'url'. Set `column` to one of: (none|a, b|address)"):
        parse_csv(table(text), "url")


def test_names_of_columns_are_harmless_on_a_terminal() -> None:
    with pytest.raises(FormatError) as caught:
        parse_csv(table("a\x1b[31m,b\n"), "url")
    assert "one of: a\ufffd\ufffd31m, b" in str(caught.value)


def test_a_file_that_is_no_table_is_refused() -> None:
    with pytest.raises(FormatError, match=r"urls.csv:\d+: no CSV: field larger"):
        parse_csv(table('url\n"' + "x" * 10_000_000), "url")


def test_ten_megabytes_of_garbage_name_no_url() -> None:
    assert parse_list(table(os.urandom(10_000_000))).found == ()
