"""What goes to stdout and what to stderr."""

import os
import pty
import subprocess
import sys

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
