"""Processes that are kept running: started, watched, started again when they end, and stopped by their ids.

Each part ends when the supervisor ends, however it ends (on Linux). What a part leaves behind, such as the processes of
runs that it had started, carries the mark of the supervisor's folder in its environment and is ended with it.
"""

import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tasks.store.local import ending_with_us

__all__ = ["MARK", "Part", "Supervisor", "marked_processes", "stop_marked"]

MARK = "_TEARSHEET_UP"  # environment variable of every process below a supervisor; its value is the supervisor's folder
FIRST_WAIT_S = 0.5  # before a part that ended is started again; doubled each time
LONGEST_WAIT_S = 30.0
WELL_S = 60.0  # a part that ran so long starts at the first wait again
CHECK_S = 5.0  # between two looks at a part that answers
HUNG_S = 90.0  # a part that did not answer for so long is killed, and started again
STARTS_S = 120.0  # the same for one that has not answered yet
LOG_BYTES = 32 << 20  # of one log; then it becomes <name>.1


@dataclass(frozen=True, slots=True)
class Part:
    """One process that is to run."""

    name: str
    command: Sequence[str]
    environ: Mapping[str, str]
    log: Path
    answers: Callable[[], bool]  # whether it does what it is there for; takes a few seconds at most
    url: str = ""
    needs: tuple[str, ...] = ()  # parts that must answer before it is started
    stop_s: float = 10.0  # from being asked to end to being killed
    before: Callable[[], None] = lambda: None  # done before each start


@dataclass(slots=True)
class _Watched:
    """A part as it runs just now."""

    part: Part
    process: subprocess.Popen[bytes] | None = None
    well: bool = False  # it answered when it was asked last
    starts: int = 0
    started: float = 0.0
    answered: float = 0.0  # when it answered last, 0: not since its start
    asked: float = 0.0
    not_before: float = 0.0
    wait_s: float = FIRST_WAIT_S
    why: str = ""  # how it ended last

    @property
    def state(self) -> str:
        """running, starting, silent (it answered and does so no longer) or waiting."""
        if self.process is None:
            return "waiting"
        if self.well:
            return "running"
        return "silent" if self.answered else "starting"

    def as_json(self) -> dict[str, Any]:
        """What `up --status` shows. Metrics ask from another thread: the process may be gone between two looks."""
        part, process = self.part, self.process
        return {
            "name": part.name,
            "state": self.state,
            "pid": process.pid if process else None,
            "restarts": max(0, self.starts - 1),
            "ended": self.why or None,
            "url": part.url or None,
            "log": str(part.log),
        }


@dataclass(slots=True)
class Supervisor:
    """Keeps parts running. Call tick() in a loop, from the main thread, and stop() in the end.

    `changed` is called whenever states() gives something new; `say` gets lines for people.
    """

    folder: Path
    parts: Sequence[Part]
    say: Callable[[str], None] = lambda line: None
    changed: Callable[[], None] = lambda: None
    clock: Callable[[], float] = time.monotonic
    watched: dict[str, _Watched] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.watched = {part.name: _Watched(part) for part in self.parts}

    @property
    def ready(self) -> bool:
        """Whether every part answers."""
        return all(one.well for one in self.watched.values())

    def states(self) -> list[dict[str, Any]]:
        """Each part with its state, process id and number of restarts."""
        return [one.as_json() for one in self.watched.values()]

    def tick(self) -> None:
        """Look once after every part."""
        before = self.states()
        for one in self.watched.values():
            if one.process is not None and one.process.poll() is not None:
                self._ended(one, _why(one.process.returncode))
            elif one.process is None:
                self._start_if_due(one)
            else:
                self._look_at(one)
        if self.states() != before:
            self.changed()

    def stop(self) -> None:
        """End all parts, the last first: each is asked, and killed when it takes too long; then what they left."""
        for one in reversed(self.watched.values()):
            process, one.process, one.well = one.process, None, False
            if process is None:
                continue
            process.terminate()
            try:
                process.wait(one.part.stop_s)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        stop_marked(self.folder)
        self.changed()

    # ---------------------------------------------------------------- one part
    def _start_if_due(self, one: _Watched) -> None:
        if self.clock() < one.not_before or not all(self.watched[name].well for name in one.part.needs):
            return
        one.starts += 1
        one.started, one.asked, one.answered = self.clock(), 0.0, 0.0
        try:
            one.part.before()
            one.process = self._process_of(one.part)
        except OSError as error:  # no room for its log, no memory for a process: the others go on
            self._ended(one, f"not started: {error}")

    def _process_of(self, part: Part) -> subprocess.Popen[bytes]:
        rotate(part.log)
        with part.log.open("ab") as log:
            return subprocess.Popen(  # noqa: S603 our own command lines
                ending_with_us(part.command),
                env={**part.environ, MARK: str(self.folder)},
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us: we stop them in order
            )

    def _ended(self, one: _Watched, why: str) -> None:
        """It ended, which it should not: another start is due after a while."""
        now, one.why = self.clock(), why
        if now - one.started >= WELL_S:
            one.wait_s = FIRST_WAIT_S
        one.not_before, one.process, one.well = now + one.wait_s, None, False
        self.say(f"{one.part.name} ended ({one.why}); started again in {one.wait_s:g} s. Its log: {one.part.log}")
        one.wait_s = min(one.wait_s * 2, LONGEST_WAIT_S)

    def _look_at(self, one: _Watched) -> None:
        now = self.clock()
        if now - one.asked < (CHECK_S if one.well else 0.2):
            return
        one.well = one.part.answers()
        one.asked = now = self.clock()
        if one.well:
            if not one.answered and one.starts > 1:
                self.say(f"{one.part.name} runs again, as process {one.process.pid if one.process else 0}")
            one.answered = now
            rotate(one.part.log)
        elif now - (one.answered or one.started) > (HUNG_S if one.answered else STARTS_S) and one.process:
            self.say(f"{one.part.name} does not answer: killed")
            one.process.kill()


def _why(code: int) -> str:
    if code >= 0:
        return f"exit {code}"
    with contextlib.suppress(ValueError):  # real-time signals have numbers alone
        return f"killed by {signal.Signals(-code).name}"
    return f"killed by signal {-code}"


def rotate(log: Path) -> None:
    """Put a log that has grown large aside. Who writes it appends, so it may be emptied under the writer.

    Where there is no room for the copy, as on a full disk, it stays as it is until the next look.
    """
    with contextlib.suppress(OSError):
        if log.stat().st_size > LOG_BYTES:
            shutil.copyfile(log, log.with_name(f"{log.name}.1"))
            os.truncate(log, 0)


# ------------------------------------------------------------------ what is left
def marked_processes(folder: Path) -> list[int]:
    """The processes that carry the mark of `folder`, ours alone; none where the system has no /proc."""
    wanted, found = f"{MARK}={folder}".encode(), []
    for entry in Path("/proc").glob("[0-9]*") if sys.platform == "linux" else ():
        with contextlib.suppress(OSError):  # it ended, or is another user's
            if int(entry.name) != os.getpid() and wanted in (entry / "environ").read_bytes().split(b"\0"):
                found.append(int(entry.name))
    return found


def stop_marked(folder: Path, wait_s: float = 10.0) -> int:
    """End what carries the mark of `folder`: asked first, killed after `wait_s`; how many there were."""
    count, until = 0, time.monotonic() + wait_s
    for way in (signal.SIGTERM, signal.SIGKILL):
        pids = marked_processes(folder)
        count = max(count, len(pids))
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, way)
        while marked_processes(folder) and time.monotonic() < until:
            time.sleep(0.05)
        until = time.monotonic() + 2
    return count
