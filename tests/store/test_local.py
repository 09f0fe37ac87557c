"""The local S3 server: it starts, keeps to loopback, keeps what it has, and ends."""

import importlib.metadata
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tasks.errors import MissingPart, StoreUnavailable
from tasks.settings import load_settings
from tasks.store import local, open_store
from tasks.store.local import LocalS3, find_weed
from tests.store.kit import make_bundle

ROOT = Path(__file__).parents[2]


def listening(pid: int) -> set[str]:
    """Addresses, in the kernel's hexadecimal, on which the process listens."""
    sockets = {str(link.readlink()) for link in Path(f"/proc/{pid}/fd").iterdir() if link.is_symlink()}
    found = set()
    for table in ("tcp", "tcp6"):
        for row in Path(f"/proc/{pid}/net/{table}").read_text().splitlines()[1:]:
            cells = row.split()
            if cells[3] == "0A" and f"socket:[{cells[9]}]" in sockets:
                found.add(cells[1].rpartition(":")[0])
    return found


def wait_gone(pid: int, port: int) -> bool:
    until = time.monotonic() + 15
    while time.monotonic() < until:
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) and not Path(f"/proc/{pid}").exists():
                return True
        time.sleep(0.05)
    return False


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_it_listens_on_loopback_only(local_s3: LocalS3) -> None:
    assert listening(local_s3.pid) == {"0100007F"}


def test_what_it_holds_survives_a_restart(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    bundle, server = make_bundle(tmp_path), LocalS3(tmp_path / "server", bucket="kept")
    for again in (False, True):
        with server:
            for name, value in server.environ.items():
                monkeypatch.setenv(name, value)
            with open_store("s3://kept/x", load_settings()) as store:
                assert store.put_bundle(bundle).created is not again
            pid, port = server.pid, server.ports["s3"]
        assert wait_gone(pid, port)
        assert not list(Path("/tmp").glob(f"seaweedfs-*-{port}.sock"))
        assert not list(Path("/tmp").glob(f"weed.*.{pid}"))
    server.stop()  # twice is fine


@pytest.mark.skipif(sys.platform != "linux", reason="needs prctl")
def test_it_ends_with_the_process_that_started_it(tmp_path: Path) -> None:
    script = (
        "import sys,time;from pathlib import Path;from tasks.store.local import LocalS3;"
        "s=LocalS3(Path(sys.argv[1])).start();print(s.pid,s.ports['s3'],flush=True);time.sleep(60)"
    )
    command = [sys.executable, "-c", script, str(tmp_path / "server")]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT) as starter:
        assert starter.stdout is not None
        pid, port = map(int, starter.stdout.readline().split())
        starter.send_signal(signal.SIGKILL)

    assert wait_gone(pid, port)


def test_a_server_that_does_not_start_is_said_with_its_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "weed"
    program.write_text("#!/bin/sh\necho port taken by someone\nexit 1\n")
    program.chmod(0o755)
    monkeypatch.setattr(local, "find_weed", lambda: program)

    server = LocalS3(tmp_path / "server")
    with pytest.raises(StoreUnavailable, match="port taken by someone"):
        server.start()
    assert server.pid == 0


def test_a_missing_seaweedfs_is_said_with_the_extra_to_install(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    assert find_weed().name.startswith("weed")
    monkeypatch.setattr(importlib.metadata, "files", missing)
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(MissingPart, match=r"tearsheet\[local-s3\]"):
        find_weed()


def test_telemetry_is_off_and_secrets_stay_out_of_the_command_line(local_s3: LocalS3) -> None:
    command = Path(f"/proc/{local_s3.pid}/cmdline").read_bytes().decode()
    environment = Path(f"/proc/{local_s3.pid}/environ").read_bytes().decode()

    assert "-master.telemetry=false" in command
    assert local_s3.secret_key not in command
    assert "SENTRY" not in environment
