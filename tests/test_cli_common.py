"""Lines of stdin: as they come, whatever they are cut into."""

import io
import os

from flows.cli_common import lines_of


def test_lines_are_given_as_they_come_and_none_is_waited_for() -> None:
    reading, writing = os.pipe()
    with os.fdopen(reading, encoding="utf-8") as file, os.fdopen(writing, "wb", buffering=0) as end:
        lines = lines_of(file)
        assert next(lines) is None
        end.write("one\r\ntwo\rthr\u00e9".encode()[:-1])  # in the midst of a character
        assert [next(lines), next(lines), next(lines)] == ["one", "two", None]
        end.write("thr\u00e9".encode()[-1:] + b"e\n\nend")
        assert [next(lines), next(lines), next(lines)] == ["thr\u00e9e", "", None]
        end.close()
        assert list(lines) == ["end"]


def test_bytes_that_are_no_text_end_nothing() -> None:
    reading, writing = os.pipe()
    with os.fdopen(writing, "wb") as end:
        end.write(b"https://a.example/\xff\nhttps://a.example/2")
    with os.fdopen(reading, encoding="utf-8", errors="surrogateescape") as file:
        assert list(lines_of(file)) == ["https://a.example/\udcff", "https://a.example/2"]


def test_where_there_is_no_file_all_lines_are_there() -> None:
    assert list(lines_of(io.StringIO("one\ntwo"))) == ["one\n", "two"]
    assert list(lines_of(None)) == []
