"""What is known of the processes that a browser is made of, from /proc."""

import os
import time
from pathlib import Path

__all__ = [
    "below",
    "command_line",
    "gone",
    "is_chromium",
    "is_renderer",
    "memory_mb",
    "network_of",
    "open_files",
    "packets_sent",
    "seccomp_of",
    "zombies",
]


def _names(folder: str) -> list[str]:
    return [path.name for path in Path(folder).iterdir()]


def _stat(pid: int) -> tuple[str, int] | None:
    """State and parent of a process; None where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return fields[0], int(fields[1])


def below(pid: int | None = None) -> list[int]:
    """Every process that descends from `pid`, by default this one's; zombies are among them."""
    parents = {int(name): stat[1] for name in _names("/proc") if name.isdigit() and (stat := _stat(int(name)))}
    found, todo = list[int](), [os.getpid() if pid is None else pid]
    while todo:
        parent = todo.pop()
        children = [child for child, of in parents.items() if of == parent]
        found += children
        todo += children
    return sorted(found)


def zombies(within_s: float = 3.0) -> list[int]:
    """Children of this process, and theirs, that ended and that nobody asked for in so long."""
    ends = time.monotonic() + within_s
    while (left := [pid for pid in below() if (stat := _stat(pid)) and stat[0] == "Z"]) and time.monotonic() < ends:
        time.sleep(0.05)
    return left


def gone(pids: list[int], within_s: float = 5.0) -> list[int]:
    """Those of the processes that are still there after so long."""
    ends = time.monotonic() + within_s
    while (left := [pid for pid in pids if _stat(pid)]) and time.monotonic() < ends:
        time.sleep(0.05)
    return left


def command_line(pid: int) -> list[str]:
    """The arguments a process was started with; none where it is gone."""
    try:
        text = Path(f"/proc/{pid}/cmdline").read_text(encoding="utf-8", errors="replace")
    except (FileNotFoundError, ProcessLookupError):
        return []
    return text.replace("\0", " ").split()  # Chromium writes its own title there, with spaces


def network_of(pid: int | str = "thread-self") -> str:
    """The name of the network namespace that a process, or this thread, is in; empty where it is gone."""
    try:
        return str(Path(f"/proc/{pid}/ns/net").readlink())
    except (FileNotFoundError, ProcessLookupError):
        return ""


def packets_sent(pid: int) -> dict[str, int]:
    """The packets that each device of a process's network has sent."""
    lines = Path(f"/proc/{pid}/net/dev").read_text(encoding="utf-8").splitlines()[2:]
    return {name.strip(): int(rest.split()[9]) for name, _, rest in (line.partition(":") for line in lines)}


def memory_mb(pids: list[int]) -> float:
    """The proportional set size (PSS) of all of them."""
    total = 0
    for pid in pids:
        try:
            text = Path(f"/proc/{pid}/smaps_rollup").read_text(encoding="utf-8")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
        total += sum(int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:"))
    return total / 1024


def open_files() -> int:
    """How many descriptors this process holds."""
    return len(_names("/proc/self/fd"))


def is_chromium(pid: int) -> bool:
    """Whether a process is one of Chromium's own, and not what started it."""
    try:
        return "chrom" in Path(f"/proc/{pid}/comm").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False


def is_renderer(pid: int) -> bool:
    """Whether a process of Chromium draws pages."""
    return "--type=renderer" in command_line(pid)


def seccomp_of(pid: int) -> int:
    """How a process's system calls are filtered: 0 not at all, 2 by a filter."""
    return int(_status(pid, "Seccomp"))


def _status(pid: int, key: str) -> str:
    lines = Path(f"/proc/{pid}/status").read_text(encoding="utf-8").splitlines()
    return next(line.partition(":")[2].strip() for line in lines if line.startswith(f"{key}:"))
