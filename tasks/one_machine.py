"""The whole system on one machine: a Prefect server, an S3 server and served deployments, their data in one folder.

<data>/up.lock      held by whoever runs the folder
<data>/up.json      what runs, for `up --status`
<data>/known.json   ports and credentials, which stay the same (for the user's eyes only)
<data>/env.sh       what a shell needs to reach all of it (for the user's eyes only)
<data>/prefect/     database of the Prefect server
<data>/s3/          data of the S3 server
<data>/outbox/, <data>/cache/, <data>/logs/
"""

import contextlib
import fcntl
import ipaddress
import json
import os
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import IO, Any

from tasks.errors import PermanentError, SettingsError, TransientError
from tasks.metrics import Metrics, part_samples, serving_metrics
from tasks.prefect_api import PrefectApi
from tasks.settings import config_dirs, load_settings
from tasks.store.local import LocalS3, all_ports, find_weed, free_ports, new_keys
from tasks.supervising import Part, Supervisor, stop_marked

__all__ = ["AlreadyUp", "Running", "System", "check_bind", "claimed", "make_system", "read_status", "write_private"]

LOOPBACK = "127.0.0.1"
BUCKET = "tearsheet"
WISHED = {"prefect": 4200, "metrics": 9464}  # ports taken where they are free
POLL_S = 2  # the served deployments ask so often whether a run is due; Prefect's default is 10
POLLED_S = 60.0  # they count as served when they asked within so long
AUTH = "PREFECT_SERVER_API_AUTH_STRING"


class AlreadyUp(PermanentError):
    """Another process runs the folder."""

    code = "already-up"


# ------------------------------------------------------------------ the folder
@contextlib.contextmanager
def claimed(folder: Path) -> Iterator[None]:
    """The folder is ours within the block. Raises AlreadyUp where another process has it, SettingsError for a name
    that a server reads in another way."""
    if told := [letter for letter in _ODD if letter in str(folder)]:
        what = f"a folder with {' and '.join(map(repr, told))} in its path: data would go elsewhere"
        raise SettingsError(what, where=f"--data {folder}", remedy="Choose another folder")
    folder.mkdir(parents=True, exist_ok=True)
    with _lock_file(folder) as lock:
        if not _locked(lock):
            pid = _noted(folder).get("pid", "unknown")
            remedy = "`tearsheet up --status` shows it; Ctrl-C there, or another --data"
            raise AlreadyUp(f"already up, as process {pid}", where=str(folder), remedy=remedy)
        (folder / "up.json").unlink(missing_ok=True)  # of one that was killed: nothing of it runs
        yield


_ODD = "?,"  # the URL of a SQLite database ends at ?, and `weed -dir` takes several folders, with commas between them


def _locked(lock: IO[str], wait_s: float = 0.5) -> bool:
    """Whether the lock is ours now; who only asks for the status has it for a moment."""
    until = time.monotonic() + wait_s
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= until:
                return False
            time.sleep(0.05)
        else:
            return True


def _lock_file(folder: Path) -> IO[str]:
    return (folder / "up.lock").open("a")


def read_status(folder: Path) -> dict[str, Any]:
    """What runs in the folder: `up`, and while it is, what the one who runs it noted last."""
    if not (folder / "up.lock").exists():
        return {"up": False, "data": str(folder)}
    with _lock_file(folder) as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return {**_noted(folder), "up": True, "data": str(folder)}
    return {"up": False, "data": str(folder)}


def _noted(folder: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads((folder / "up.json").read_text())
    except (OSError, ValueError):
        return {}
    return found


def write_private(path: Path, text: str) -> None:
    """The file, for the user's eyes only, with this text: the old one or the new one, never a half."""
    temporary = path.with_name(f".{path.name}.new")
    with open(os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w", encoding="utf-8") as out:  # noqa: PTH123
        out.write(text)
    temporary.replace(path)


# ------------------------------------------------------------------ ports and keys
def _known(folder: Path, *, with_s3: bool, bind: str = LOOPBACK) -> tuple[dict[str, Any], list[str]]:
    """Ports and keys as they were, or new ones; and what had to change, for people."""
    path, told = folder / "known.json", []
    try:
        known: dict[str, Any] = json.loads(path.read_text())
    except (FileNotFoundError, ValueError):
        known = {}
    before = dict(known)
    for name, wished in WISHED.items():
        port, host = known.get(name) or wished, bind if name == "prefect" else LOOPBACK
        if not _is_free(port, host):
            if name in known:
                told.append(f"port {port} is taken by another program: {name} has a new one")
            port = _free_port(host)
        known[name] = port
    known.setdefault("keys", list(new_keys()))
    if with_s3 and not (known.get("s3") and all(map(_is_free, all_ports(known["s3"])))):
        if known.get("s3"):
            told.append("a port of the S3 server is taken by another program: it has new ones")
        known["s3"] = free_ports()
    if known != before:
        write_private(path, json.dumps(known, indent=1) + "\n")
    return known, told


def _is_free(port: int, host: str = LOOPBACK) -> bool:
    with _socket_for(host) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # as servers do: an old connection is no owner
        try:
            probe.bind((host, port))
        except OSError:
            return False
        return True


def _free_port(host: str) -> int:
    with _socket_for(host) as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _socket_for(host: str) -> socket.socket:
    return socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET)


def check_bind(address: str, environ: Mapping[str, str] = os.environ) -> None:
    """Raises SettingsError where others would reach Prefect's API without credentials."""
    try:
        loopback = ipaddress.ip_address(address).is_loopback
    except ValueError:
        raise SettingsError("not an IP address", where=f"--bind {address}", remedy="Such as 192.0.2.7") from None
    if not loopback and not environ.get(AUTH, "").partition(":")[2]:
        raise SettingsError(
            "Prefect's API would be open to everyone who reaches that address, and they could run code here",
            where=f"--bind {address}",
            remedy=f"Set {AUTH}=user:password, which the UI and clients (PREFECT_API_AUTH_STRING) then need",
        )


# ------------------------------------------------------------------ the system
@dataclass(frozen=True, slots=True)
class System:
    """What is to run, and how it is reached."""

    folder: Path
    parts: tuple[Part, ...]
    api: PrefectApi
    environ: Mapping[str, str]  # of whoever wants to use it: the lines of env.sh
    metrics_port: int
    told: tuple[str, ...]  # what is not as it was the last time

    @property
    def store(self) -> str:
        """Where bundles go."""
        return self.environ["TEARSHEET_STORE"]

    def write_env(self) -> Path:
        """The file that a shell reads to reach the system."""
        path = self.folder / "env.sh"
        write_private(path, "".join(f"export {name}={shlex.quote(value)}\n" for name, value in self.environ.items()))
        return path


def make_system(
    folder: Path, *, store: str = "", bind: str = LOOPBACK, environ: Mapping[str, str] = os.environ
) -> System:
    """The system with its data in `folder`, which is claimed; `store`: another store than an S3 server of its own.

    Raises MissingPart where that server is not installed, SettingsError where `bind` is not to be allowed.
    """
    check_bind(bind, environ)
    program = None if store else find_weed()
    left = stop_marked(folder)  # before their ports are looked at
    known, told = _known(folder, with_s3=not store, bind=bind)
    told += [f"ended {left} processes that an earlier run had left"] if left else []
    for name in ("logs", "prefect", "s3"):
        (folder / name).mkdir(mode=0o700, exist_ok=True)  # Prefect's database has its blocks with their keys
    s3 = LocalS3(folder / "s3", bucket=BUCKET, keys=(known["keys"][0], known["keys"][1]))
    s3.ports = known.get("s3", {})
    auth = environ.get(AUTH, "")
    host = LOOPBACK if ipaddress.ip_address(bind).is_unspecified else bind
    server = f"http://{f'[{host}]' if ':' in host else host}:{known['prefect']}"
    api = PrefectApi(f"{server}/api", auth)
    users = {
        "PREFECT_API_URL": api.url,
        **({"PREFECT_API_AUTH_STRING": auth} if auth else {}),
        "DO_NOT_TRACK": "1",
        "TEARSHEET_STORE": store or f"s3://{BUCKET}/archive",
        "TEARSHEET_OUTBOX": str(folder / "outbox"),
        "TEARSHEET_CACHE": str(folder / "cache"),
        **({} if store else s3.environ),
    }
    base = _base(environ, folder) | users | _origins(environ, server, known["prefect"])
    parts = [] if program is None else [_s3_part(s3, program, folder)]
    parts += [_prefect_part(bind, known["prefect"], server, base, folder, api), _served_part(base, folder, api)]
    return System(folder, tuple(parts), api, users, known["metrics"], tuple(told))


def _base(environ: Mapping[str, str], folder: Path) -> dict[str, str]:
    """The environment of the parts: the user's, but for what would lead them to another server or database."""
    kept = {name: value for name, value in environ.items() if not name.startswith(_NOT_INHERITED)}
    here = str(Path(__file__).parents[1])  # in a checkout, where the working folder had it
    home = folder / "prefect"
    return kept | {
        "PYTHONPATH": os.pathsep.join(filter(None, (here, environ.get("PYTHONPATH", "")))),
        "PREFECT_HOME": str(home),
        "PREFECT_PROFILES_PATH": str(home / "profiles.toml"),
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": f"sqlite+aiosqlite:///{home / 'prefect.db'}",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_RUNNER_POLL_FREQUENCY": environ.get("PREFECT_RUNNER_POLL_FREQUENCY", str(POLL_S)),
        **_config(),
    }


def _origins(environ: Mapping[str, str], server: str, port: int) -> dict[str, str]:
    """Which web pages may talk to Prefect's API: those of its own UI. Its default is all, with which any site that
    somebody here looks at could read the API, and have flows of its own run here."""
    if any(name in environ for name in _CORS):
        return {}
    return {_CORS[0]: f"{server},http://localhost:{port}"}


_CORS = ("PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS", "PREFECT_SERVER_CORS_ALLOWED_ORIGINS")
_NOT_INHERITED = ("PREFECT_API_", "PREFECT_HOME", "PREFECT_PROFILE", "PREFECT_SERVER_DATABASE_", "PREFECT_UI_API_URL")


def _config() -> dict[str, str]:
    """The user's configuration folder, found from any working folder."""
    dirs = config_dirs()
    return {"TEARSHEET_CONFIG": str(dirs[-1].resolve())} if len(dirs) > 1 else {}


def _s3_part(s3: LocalS3, program: Path, folder: Path) -> Part:
    return Part(
        "s3",
        s3.command(program),
        s3.server_environ,
        folder / "logs" / "s3.log",
        s3.answers,
        url=s3.endpoint,
        before=s3.sweep,
    )


def _prefect_part(bind: str, port: int, server: str, base: Mapping[str, str], folder: Path, api: PrefectApi) -> Part:
    command = [sys.executable, "-m", "prefect", "server", "start", "--host", bind, "--port", str(port)]
    return Part("prefect", command, base, folder / "logs" / "prefect.log", api.healthy, url=server)


def _served_part(base: Mapping[str, str], folder: Path, api: PrefectApi) -> Part:
    """The served deployments; they start with the server, whose start takes as long as theirs, and wait for it."""
    since = [0.0]

    def begin() -> None:
        since[0] = time.time()

    def answers() -> bool:
        try:
            polled = api.ask("/deployments/name/archive/default").get("last_polled")
        except TransientError:
            return False
        at = datetime.fromisoformat(polled).timestamp() if polled else 0.0
        return at > max(since[0], time.time() - POLLED_S)

    command = [sys.executable, "-m", "flows.cli", "serve", "--wait", "300"]
    return Part("serve", command, base, folder / "logs" / "serve.log", answers, stop_s=20, before=begin)


# ------------------------------------------------------------------ running it
class Running:
    """A system that runs in this process's care, from the main thread: run() until `stop` is set.

    `ready` is called once, when every part answers for the first time, with the seconds that took.
    """

    def __init__(self, system: System, *, say: Callable[[str], None], ready: Callable[[float], None]) -> None:
        self.system, self.say, self.told_ready = system, say, ready
        self.began, self.took_s = time.monotonic(), 0.0
        self.supervisor = Supervisor(system.folder, system.parts, say=say, changed=self._note)

    def run(self, stop: threading.Event) -> None:
        """Start everything and keep it running; all of it has ended when this returns or raises."""
        with self._metrics():
            try:
                while not stop.is_set():
                    self.supervisor.tick()
                    if not self.took_s and self.supervisor.ready:
                        self._begin()
                    stop.wait(0.1)
            finally:
                self.supervisor.stop()

    def _metrics(self) -> serving_metrics:
        """What the parts do, and what is stored: read with the environment of a user of the system."""
        os.environ |= self.system.environ  # boto3 finds its credentials there
        metrics = Metrics(load_settings(), self.system.api)
        states = self.supervisor.states
        return serving_metrics(self.system.metrics_port, lambda: (*part_samples(states()), *metrics.samples()))

    def _begin(self) -> None:
        try:
            self.system.api.watch_for_lost_runs()
        except TransientError as error:
            self.say(f"runs that are lost will not be marked: {error}")
        self.took_s = time.monotonic() - self.began
        self._note()
        self.told_ready(self.took_s)

    def _note(self) -> None:
        """Write what `up --status` reads."""
        system = self.system
        noted = {
            "pid": os.getpid(),
            "ready": self.supervisor.ready,
            "store": system.store,
            "prefect": system.api.url.removesuffix("/api"),
            "metrics": f"http://{LOOPBACK}:{system.metrics_port}/metrics",
            "parts": self.supervisor.states(),
        }
        try:
            write_private(system.folder / "up.json", json.dumps(noted, indent=1) + "\n")
        except OSError as error:  # a full disk: what runs goes on running
            self.say(f"`up --status` shows what was before: {error}")
