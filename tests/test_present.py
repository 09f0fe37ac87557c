"""What goes to stdout and what to stderr."""

import os
import pty
import subprocess
import sys
from dataclasses import replace

from tasks.diff import diff_texts
from tasks.errors import FixityError
from tasks.present import diff_text, ledger_lines, recleaned_line
from tasks.recleaning import Recleaned
from tasks.records import VerdictKind
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


def test_a_diff_is_marked_like_wdiff_or_coloured_and_shows_a_little_around() -> None:
    filler = " ".join(f"w{number}" for number in range(100))
    diff = diff_texts(
        f"{filler}\n\nIt came late.\n\n{filler} end\n", f"{filler}\n\nIt came \x1b[2Jearly.\n\n{filler}\n"
    )
    plain, coloured = diff_text(diff, colour=False), diff_text(diff, colour=True)
    assert plain == (
        "… w94 w95 w96 w97 w98 w99\nIt came [-late.-]\n{+\ufffd[2Jearly.+}\n"
        "w0 w1 w2 w3 w4 w5 w6 w7 … w92 w93 w94 w95 w96 w97 w98 w99\n[-end-]"
    )
    assert "\x1b[31;9mlate.\x1b[0m" in coloured
    assert "\x1b[2J" not in coloured


def test_a_cleaned_bundle_is_told_on_one_line() -> None:
    ok, thin = VerdictKind.OK, VerdictKind.THIN
    error = FixityError("it does not verify", where="store x")
    lines = [
        recleaned_line(Recleaned("a", before=ok, after=ok)),
        recleaned_line(
            Recleaned("a", new_id="b", parts=("article",), fields=("title",), removed=9, before=ok, after=ok)
        ),
        recleaned_line(Recleaned("a", parts=("ledger",), before=ok, after=ok)),
        recleaned_line(Recleaned("a", new_id="b", parts=("article",), removed=9, before=ok, after=thin)),
        recleaned_line(Recleaned("a", error=error)),
    ]
    assert lines == [
        "unchanged  a",
        "changed    a → b  +0 −9 words; changed: title",
        "changed    a → not stored  ledger",
        "worse      a → b  +0 −9 words; verdict ok → thin; the good one stays the one shown",
        "problem    store x: it does not verify",
    ]
