"""What is said on stderr, for people and for machines."""

import json
from collections.abc import Iterator

import pytest

from tasks import logs
from tasks.present import Talk


@pytest.fixture(autouse=True)
def chosen_anew() -> Iterator[None]:
    logs.choose()
    yield
    logs.choose()


@pytest.mark.parametrize(("log_format", "json_lines"), [("", False), ("text", False), ("json", True), ("auto", True)])
def test_lines_are_for_people_unless_json_is_asked_for(
    log_format: str, json_lines: bool, capsys: pytest.CaptureFixture[str]
) -> None:
    logs.choose(log_format)
    Talk().say("delivering")
    said = capsys.readouterr().err
    assert (said == "delivering\n") is not json_lines
    assert not json_lines or json.loads(said)["message"] == "delivering"


def test_the_setting_asks_for_json(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("TEARSHEET_LOG_FORMAT", "json")
    logs.say("broken", level="error", code="settings")
    row = json.loads(capsys.readouterr().err)
    assert (row["level"], row["message"], row["code"]) == ("error", "broken", "settings")
    assert row["time"].endswith("Z")


def test_a_line_tells_what_it_is_about_and_the_next_one_no_longer(capsys: pytest.CaptureFixture[str]) -> None:
    logs.choose("json")
    with logs.about(run="4f", source="courier", url=""):
        logs.say("one")
        with logs.about(url="https://a.example/"):
            Talk(total=2).advance("https://a.example/")
    logs.say("two\nlines")
    one, done, two = map(json.loads, capsys.readouterr().err.splitlines())
    assert (one["run"], one["source"], "url" in one) == ("4f", "courier", False)
    assert (done["message"], done["url"], done["run"]) == ("done", "https://a.example/", "4f")
    assert two["message"] == "two\nlines"
    assert "run" not in two
