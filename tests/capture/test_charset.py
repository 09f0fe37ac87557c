"""Which encoding a page is read in."""

import pytest

from tasks.capture.charset import decide_charset, decode_text
from tasks.capture.decode import read_page
from tasks.capture.fetch import Recorder
from tests.hostile.tough_server import ToughServer

TEXTS = {
    "cp1252": "Der Bürgermeister größter Städte erklärte, dass die Löhne für Ärzte über die Hälfte höher würden. ",
    "iso-8859-2": "Rząd ogłosił wczoraj, że źródła łączności będą działać mimo śnieżyc i późnych powodzi w górach. ",
    "cp1251": "Правительство вчера объявило о новых мерах поддержки малого бизнеса в северных областях страны. ",
    "koi8-r": "Правительство вчера объявило о новых мерах поддержки малого бизнеса в северных областях страны. ",
    "shift_jis": "政府は昨日、新しい経済政策を発表し、来年から税率が変わると述べた。市民の反応はさまざまである。",
    "euc-jp": "政府は昨日、新しい経済政策を発表し、来年から税率が変わると述べた。市民の反応はさまざまである。",
    "gb18030": "政府昨天宣布了新的经济政策，并表示明年起税率将会调整。市民对此反应不一，专家认为影响有限。",
    "big5": "政府昨天宣布了新的經濟政策，並表示明年起稅率將會調整。市民對此反應不一，專家認為影響有限。",
    "euc-kr": "정부는 어제 새로운 경제 정책을 발표했으며 내년부터 세율이 변경될 예정이라고 밝혔다. ",
    "cp1253": "Η κυβέρνηση ανακοίνωσε χθες νέα μέτρα για την οικονομία και τις μικρές επιχειρήσεις της χώρας. ",
}


@pytest.fixture(params=["/http", "/meta", ""])
def declared(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.mark.parametrize("encoding", ["utf-8", "windows-1252", "iso-8859-15", "utf-16"])
def test_a_served_page_is_read_right(encoding: str, declared: str, server: ToughServer, recorder: Recorder) -> None:
    exchange = recorder.exchange(server.url(f"/charset/{encoding}{declared}"))
    page = read_page(exchange, 1 << 20)
    exchange.body.close()

    assert page.text is not None
    assert "Prüfung der Größe" in page.text
    assert not page.text.startswith("\ufeff")
    unsaid = {"utf-8": "valid-utf-8"}.get(encoding, "fallback")  # too short a text for the detector
    assert page.charset_source == ("bom" if encoding == "utf-16" else declared.lstrip("/") or unsaid)


@pytest.mark.parametrize("encoding", TEXTS)
def test_a_text_that_says_nothing_is_detected(encoding: str) -> None:
    text = "<html><body><p>" + TEXTS[encoding] * 8
    charset = decide_charset(text.encode(encoding), "text/html")

    assert charset.source == "detected"
    assert decode_text(text.encode(encoding), charset) == (text, True)


@pytest.mark.parametrize(
    ("payload", "content_type", "name", "source"),
    [
        (b"\xef\xbb\xbfabc", "text/html; charset=latin-1", "utf-8", "bom"),
        (b"caf\xe9", "text/html; charset=latin1", "windows-1252", "http"),
        (b"caf\xe9", 'text/html; Charset="ISO-8859-1"', "windows-1252", "http"),
        (b"caf\xc3\xa9", "text/html; charset=iso-8859-1", "utf-8", "http-overridden"),
        (b"plain", "text/html; charset=iso-8859-1", "windows-1252", "http"),
        (b"<meta charset=koi8-r>\xc1", "text/html; charset=nonsense", "koi8-r", "meta"),
        (b"<!--<meta charset=koi8-r>--><meta charset=big5>", "text/html", "big5", "meta"),
        (b"<meta http-equiv=x content='text/html; charset=gbk'>", "", "gbk", "meta"),
        (b"<meta charset=utf-16><p>caf\xc3\xa9", "", "utf-8", "meta"),
        (b"<?xml version='1.0' encoding='iso-8859-2'?>\xb1", "", "iso-8859-2", "meta"),
        (b"<p>caf\xc3\xa9", "text/html", "utf-8", "valid-utf-8"),
        (b"<p>ascii", "text/html", "utf-8", "valid-utf-8"),
    ],
)
def test_evidence_counts_in_order(payload: bytes, content_type: str, name: str, source: str) -> None:
    charset = decide_charset(payload, content_type)

    assert (charset.name, charset.source) == (name, source)


def test_bytes_without_meaning_are_flagged() -> None:
    charset = decide_charset(b"<meta charset=utf-8>caf\xe9", "")

    assert decode_text(b"<meta charset=utf-8>caf\xe9", charset) == ("<meta charset=utf-8>caf\ufffd", False)
