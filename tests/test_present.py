"""What goes to stdout and what to stderr."""

import os
import pty
import subprocess
import sys
from dataclasses import replace

from tasks.present import ledger_lines
from tests.bundle.samples import article

LINES = """
from tasks.present import print_lines
print_lines([(("0.9 ", "bold yellow"), ("- [b]gone[/b]", "red"))])
"""
TALK = """
from tasks.present import Talk, print_json
with Talk({total}) as talk:
    talk.say("said [b]")
    print_json({{"a": 1}})
    print("result")
    talk.advance("https://a.example/page")
"""


def run(total: int | None) -> tuple[str, str]:
    """Stdout, a pipe, and stderr, a terminal."""
    terminal, end = pty.openpty()
    try:
        command, env = [sys.executable, "-c", TALK.format(total=total)], os.environ | {"TERM": "xterm"}
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=end, env=env)
        assert done.returncode == 0
        return done.stdout.decode(), os.read(terminal, 1 << 16).decode()
    finally:
        os.close(terminal)
        os.close(end)


def test_results_reach_a_pipe_while_the_bar_is_on_the_terminal() -> None:
    """A progress bar captures stdout to print above itself: right on a terminal, wrong for a file."""
    stdout, stderr = run(3)
    assert stdout == '{"a": 1}\nresult\n'
    assert "said [b]" in stderr
    assert "1/3" in stderr


def test_one_url_needs_no_bar() -> None:
    stdout, stderr = run(1)
    assert (stdout, stderr.strip()) == ('{"a": 1}\nresult\n', "said [b]")


def test_lines_are_coloured_on_a_terminal_alone() -> None:
    terminal, end = pty.openpty()
    env = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    command = [sys.executable, "-c", LINES]
    try:
        assert subprocess.run(command, stdout=end, env=env | {"TERM": "xterm"}).returncode == 0
        shown = os.read(terminal, 1 << 16).decode()
    finally:
        os.close(terminal)
        os.close(end)
    plain = subprocess.run(command, capture_output=True, text=True, env=env).stdout

    assert plain == "0.9 - [b]gone[/b]\n"
    assert "\x1b[31m- [b]gone[/b]" in shown


def test_the_most_doubtful_removals_are_marked_and_old_ledgers_have_no_doubt() -> None:
    first, second = article().removals
    rows = [
        replace(first, doubt=0.8),
        replace(second, doubt=0.79),
        {"concept": "ads", "chars": 1, "rule": "r", "text": ""},
    ]
    assert [line.split()[2] for line in ledger_lines(rows)] == ["0.80?", "0.79", "0.00"]
