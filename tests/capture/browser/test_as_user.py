"""The browser as an ordinary user runs it: sandbox on, and no network, whether namespaces are allowed or not."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.capture.browser.trap import OwnNetwork, Wire

ROOT = Path(__file__).parents[3]
NOBODY = 65534
NAMES = (
    "plain",
    "webrtc-stun-and-turn",
    "webrtc-to-a-peer",
    "websocket",
    "services-of-the-browser",
    "another-site-inside",
)
TRY = "import tasks.capture.browser, tests.capture.browser.conftest"


def as_nobody(home: Path) -> list[str]:
    """The command before which another one is run by an ordinary user; empty where this is one."""
    if os.geteuid() != 0:
        return []
    if not shutil.which("setpriv"):
        pytest.skip("to become an ordinary user takes setpriv")
    os.chown(home, NOBODY, NOBODY)
    return ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups", "--"]


@pytest.fixture
def home() -> Iterator[Path]:
    """A folder that an ordinary user may write: pytest's are closed to others."""
    folder = Path(tempfile.mkdtemp(prefix="tearsheet-nobody-"))
    yield folder
    shutil.rmtree(folder)


def run(home: Path, *arguments: str) -> list[dict]:
    """The lines that as_user prints, run by an ordinary user with a Python that one may run."""
    before = as_nobody(home)
    environ = {"HOME": str(home), "TMPDIR": str(home), "PATH": os.environ["PATH"], "LANG": "C.UTF-8"}
    environ |= {"PYTHONPATH": f"{ROOT}:{sysconfig.get_path('purelib')}", "PYTHONDONTWRITEBYTECODE": "1"}
    for python in (sys.executable, f"/usr/bin/python3.{sys.version_info.minor}"):
        kwargs = {"env": environ, "cwd": ROOT, "capture_output": True, "text": True}
        try:
            if subprocess.run([*before, python, "-c", TRY], **kwargs).returncode == 0:
                break
        except FileNotFoundError:
            continue
    else:
        pytest.skip("no Python here that an ordinary user may run with what this project needs")
    done = subprocess.run([*before, python, "-m", "tests.capture.browser.as_user", *arguments], timeout=120, **kwargs)
    assert done.returncode == 0, done.stderr
    return [json.loads(line) for line in done.stdout.splitlines()]


@pytest.fixture
def wire():
    """Where root makes a network of its own, a count of all packets; None elsewhere."""
    if OwnNetwork.why_not():
        yield None
        return
    with OwnNetwork(), Wire() as wire:
        yield wire


def check(lines: list[dict], wire: Wire | None) -> dict:
    *pages, looked, after = lines
    assert [page["name"] for page in pages if page.get("mark")] == list(NAMES), pages
    assert looked["user"] != 0
    assert looked["lines"]
    assert not any("--no-sandbox" in line for line in looked["lines"])
    assert set(looked["seccomp"]) == {2}  # a filter: the sandbox of the renderers
    assert after == {"left": [], "seen": []}
    if wire:
        between_us = {port for each in wire.seen for port in each.split(" to 127.0.0.1:")[1:]}
        assert [each for each in wire.seen if "127.0.0.1" not in each] == []
        assert between_us  # our own visits were counted
    return looked


def test_an_ordinary_user_has_sandbox_and_a_network_namespace(home, wire):
    looked = check(run(home, *NAMES), wire)

    if looked["own_network"] in looked["networks"]:
        pytest.skip("this machine gives ordinary users no network namespace")
    assert len(looked["networks"]) == 1


def test_an_ordinary_user_without_network_namespaces_has_the_flags_and_the_sandbox(home, wire):
    looked = check(run(home, "without-networks", *NAMES), wire)

    assert looked["networks"] == [looked["own_network"]]
    assert all("--proxy-server=127.0.0.1:9" in line for line in looked["lines"])


def test_without_any_namespace_the_browser_does_not_run_unguarded(home):
    """Its sandbox takes them: it does not start, and that is said."""
    page, looked, after = run(home, "without-unshare", "plain")

    assert "the browser did not start" in page["error"]
    assert looked["lines"] == []
    assert after == {"left": [], "seen": []}
