"""What is said on stderr, for people and for machines."""

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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


@pytest.mark.parametrize("command", [["clean", "thin.html"], ["watch", "list"], ["verify", "none.wacz"]])
def test_every_command_keeps_to_json(tmp_path: Path, command: list[str]) -> None:
    (tmp_path / "thin.html").write_text("<p>Short.")
    done = tearsheet("--log-format", "json", *command, folder=tmp_path)
    assert [json.loads(line)["level"] for line in done.stderr.splitlines()]


def test_a_mistake_of_ours_is_one_json_line_with_its_traceback(tmp_path: Path) -> None:
    broken = "import flows.cli as cli\ncli.load_settings = lambda *_, **__: 1 // 0\ncli.main()"
    done = tearsheet("--log-format", "json", "clean", "x.html", folder=tmp_path, code=broken)
    row = json.loads(done.stderr)
    assert (done.returncode, row["level"], row["message"][:17]) == (1, "critical", "ZeroDivisionError")
    assert "Traceback" in row["traceback"]
    assert "Traceback" in tearsheet("clean", "x.html", folder=tmp_path, code=broken).stderr.splitlines()[0]


def test_a_line_that_cannot_be_written_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    with open("/dev/full", "w") as full:  # noqa: PTH123
        monkeypatch.setattr(sys, "stderr", full)
        logs.say("there is no room for this")
        monkeypatch.undo()
        with contextlib.suppress(OSError):
            full.close()


def test_what_is_started_writes_as_was_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TEARSHEET_LOG_FORMAT", "text")
    logs.hand_on()
    assert os.environ["TEARSHEET_LOG_FORMAT"] == "text"
    logs.choose("json")
    logs.hand_on()
    assert os.environ["TEARSHEET_LOG_FORMAT"] == "json"


def tearsheet(*args: str, folder: Path, code: str = "") -> "subprocess.CompletedProcess[str]":
    """The command, in a process of its own."""
    environ = {name: value for name, value in os.environ.items() if not name.startswith("TEARSHEET_")}
    environ["PYTHONPATH"] = str(Path(__file__).parents[1])
    start = ["-c", code] if code else ["-m", "flows.cli"]
    return subprocess.run(
        [sys.executable, "-W", "ignore", *start, *args],
        env=environ,
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=60,
    )
