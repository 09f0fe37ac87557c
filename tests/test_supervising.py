"""Parts of a system are started, watched, started again and stopped; real processes, none outlives its test."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.supervising import HUNG_S, Part, Supervisor, marked_processes, rotate, stop_marked

SLEEP = (sys.executable, "-S", "-c", "import time; time.sleep(60)")
STUBBORN = (sys.executable, "-S", "-c", "import signal,time; signal.signal(15, signal.SIG_IGN); time.sleep(60)")
# Starts a process in a session of its own, as Prefect does for each run, and ends at once.
PARENT = (
    sys.executable,
    "-c",
    f"import subprocess; subprocess.Popen({SLEEP!r}, start_new_session=True)",
)


@pytest.fixture
def supervise(tmp_path: Path) -> Iterator[Callable[..., Supervisor]]:
    """supervise(name=command, …) gives a supervisor of such parts."""
    made: list[Supervisor] = []

    def make(said: list[str] | None = None, needs: tuple[str, ...] = (), **commands: tuple[str, ...]) -> Supervisor:
        parts = [
            Part(
                name,
                command,
                dict(os.environ),
                tmp_path / f"{name}.log",
                lambda: True,
                needs=needs * bool(at),
                stop_s=1,
            )
            for at, (name, command) in enumerate(commands.items())
        ]
        made.append(Supervisor(tmp_path, parts, say=(said if said is not None else []).append))
        return made[-1]

    yield make
    for one in made:
        one.stop()


def until(supervisor: Supervisor, ready: Callable[[], bool], timeout_s: float = 20) -> None:
    """Tick until `ready`."""
    deadline = time.monotonic() + timeout_s
    while not ready():
        assert time.monotonic() < deadline, supervisor.states()
        supervisor.tick()
        time.sleep(0.02)


def pid_of(supervisor: Supervisor, name: str) -> int:
    return next(int(state["pid"] or 0) for state in supervisor.states() if state["name"] == name)


def test_a_part_that_is_killed_is_started_again_and_its_end_is_told(supervise: Callable[..., Supervisor]) -> None:
    said: list[str] = []
    supervisor = supervise(said, one=SLEEP, two=SLEEP)
    until(supervisor, lambda: supervisor.ready)
    first, other = pid_of(supervisor, "one"), pid_of(supervisor, "two")
    os.kill(first, signal.SIGKILL)
    until(supervisor, lambda: not supervisor.ready)
    until(supervisor, lambda: supervisor.ready)

    assert pid_of(supervisor, "one") != first
    assert pid_of(supervisor, "two") == other
    assert supervisor.states()[0]["restarts"] == 1
    assert "one ended (killed by SIGKILL); started again in 0.5 s" in said[0]


def test_a_part_that_ends_at_once_is_waited_for_longer_each_time(supervise: Callable[..., Supervisor]) -> None:
    said: list[str] = []
    supervisor = supervise(said, broken=(sys.executable, "-S", "-c", "raise SystemExit(3)"))
    until(supervisor, lambda: sum("ended" in line for line in said) == 3)
    waits = [line.partition(" again in ")[2].partition(" ")[0] for line in said if "ended" in line]
    assert waits == ["0.5", "1", "2"]
    assert "exit 3" in said[0]
    assert not supervisor.ready


def test_a_part_that_cannot_be_started_is_tried_again_and_the_others_go_on(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    """No room for its log, say, or no memory for a process."""
    said: list[str] = []
    (tmp_path / "one.log").mkdir()
    supervisor = supervise(said, one=SLEEP, two=SLEEP)
    until(supervisor, lambda: bool(pid_of(supervisor, "two")))
    assert said[0].startswith("one ended (not started: ")
    (tmp_path / "one.log").rmdir()
    until(supervisor, lambda: supervisor.ready)


def test_a_signal_without_a_name_ends_a_part_and_not_us(supervise: Callable[..., Supervisor]) -> None:
    said: list[str] = []
    supervisor = supervise(said, one=SLEEP)
    until(supervisor, lambda: supervisor.ready)
    os.kill(pid_of(supervisor, "one"), signal.SIGRTMIN + 1)
    until(supervisor, lambda: bool(said))
    assert f"killed by signal {signal.SIGRTMIN + 1}" in said[0]


def test_a_log_that_cannot_be_put_aside_stays(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.supervising.LOG_BYTES", 3)
    log = tmp_path / "one.log"
    log.write_text("1234")
    (tmp_path / "one.log.1").mkdir()  # as on a full disk: an OSError
    rotate(log)
    assert log.read_text() == "1234"
    (tmp_path / "one.log.1").rmdir()
    rotate(log)
    assert (log.read_text(), (tmp_path / "one.log.1").read_text()) == ("", "1234")


def test_a_part_that_answers_no_longer_is_killed_and_started_again(tmp_path: Path) -> None:
    now, answers, said = [1000.0], [True], list[str]()
    part = Part("one", SLEEP, dict(os.environ), tmp_path / "log", lambda: answers[0])
    supervisor = Supervisor(tmp_path, [part], say=said.append, clock=lambda: now[0])
    try:
        until(supervisor, lambda: supervisor.ready)
        first, answers[0], now[0] = pid_of(supervisor, "one"), False, 1010.0
        supervisor.tick()
        assert supervisor.states()[0]["state"] == "silent"
        assert pid_of(supervisor, "one") == first  # slow, perhaps: it gets its time
        now[0] = 1010.0 + HUNG_S
        until(supervisor, lambda: not pid_of(supervisor, "one"))
        assert said[0] == "one does not answer: killed"
        now[0], answers[0] = now[0] + 1, True
        until(supervisor, lambda: supervisor.ready)
        assert pid_of(supervisor, "one") != first
    finally:
        supervisor.stop()


def test_a_part_waits_for_what_it_needs(supervise: Callable[..., Supervisor]) -> None:
    supervisor = supervise(needs=("first",), first=SLEEP, second=SLEEP)
    supervisor.tick()
    assert pid_of(supervisor, "first")
    assert not pid_of(supervisor, "second")
    until(supervisor, lambda: supervisor.ready)


def test_stopping_ends_what_does_not_want_to_and_what_a_part_left_behind(
    supervise: Callable[..., Supervisor], tmp_path: Path
) -> None:
    supervisor = supervise(stubborn=STUBBORN, parent=PARENT)
    until(supervisor, lambda: len(marked_processes(tmp_path)) >= 3)
    supervisor.stop()
    assert marked_processes(tmp_path) == []


def test_processes_of_another_folder_are_let_be(supervise: Callable[..., Supervisor], tmp_path: Path) -> None:
    supervisor = supervise(one=SLEEP)
    until(supervisor, lambda: supervisor.ready)
    assert stop_marked(tmp_path / "other") == 0
    assert pid_of(supervisor, "one") in marked_processes(tmp_path)


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_parts_end_with_a_supervisor_that_is_killed(tmp_path: Path) -> None:
    script = (
        "import os,sys,time;from pathlib import Path;from tasks.supervising import Part,Supervisor;"
        f"s=Supervisor(Path(sys.argv[1]),[Part('one',{SLEEP!r},dict(os.environ),Path(sys.argv[1])/'log',lambda:True)]);"
        "s.tick();print('up',flush=True);time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, cwd=Path(__file__).parents[1]) as starter:
        assert starter.stdout
        starter.stdout.readline()
        assert marked_processes(tmp_path)
        starter.kill()
    deadline = time.monotonic() + 15
    while marked_processes(tmp_path):
        assert time.monotonic() < deadline
        time.sleep(0.05)
