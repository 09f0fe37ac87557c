"""One running Chromium: found, started without a network of its own, watched, and gone without a trace.

| where | how it runs |
| --- | --- |
| Linux, namespaces allowed | in a network namespace without any interface, in a process namespace that ends with it |
| elsewhere | with a dead proxy, no name resolution, no WebRTC outside the proxy; flags that are given in any case |

Its sandbox is on unless it runs as root, which Chromium refuses.
"""

import functools
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, cast

from tasks.capture.browser.pipe import CallFailed, Gone, Late, OnEvent, Pipe
from tasks.errors import CaptureTransient, MissingPart

if TYPE_CHECKING:
    from io import BufferedReader

__all__ = ["Chromium", "find_chromium"]

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
_START_S, _STOP_S = 30.0, 3.0
_FLAGS = (
    "--headless=new",
    "--remote-debugging-pipe",
    # no network: https://webrtc.org: the handling policy is what keeps STUN in (the older flag with "force" does not)
    "--host-resolver-rules=MAP * ~NOTFOUND",
    "--proxy-server=127.0.0.1:9",
    "--proxy-bypass-list=<-loopback>",
    "--webrtc-ip-handling-policy=disable_non_proxied_udp",
    "--dns-prefetch-disable",
    "--disable-quic",
    # nothing of its own to say or to ask
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-domain-reliability",
    "--disable-sync",
    "--disable-default-apps",
    "--disable-extensions",
    "--disable-breakpad",
    "--disable-crash-reporter",
    "--metrics-recording-only",
    "--no-first-run",
    "--no-default-browser-check",
    "--no-pings",
    "--no-service-autorun",
    "--password-store=basic",
    "--use-mock-keychain",
    # as many processes as one page needs; with no network and no secrets there is nothing to keep sites apart for
    "--disable-site-isolation-trials",
    "--renderer-process-limit=2",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--enable-features=NetworkServiceInProcess2",  # one process less: 45 MB
    "--mute-audio",
    "--hide-scrollbars",
    "--lang=en-US",
    # pages go on while nobody looks at them
    "--disable-background-timer-throttling",
    "--disable-backgrounding-occluded-windows",
    "--disable-renderer-backgrounding",
    "--disable-hang-monitor",
    "--disable-features=Translate,OptimizationHints,MediaRouter,DialMediaRouteProvider,AutofillServerCommunication,"
    "CertificateTransparencyComponentUpdater,IsolateOrigins,site-per-process,BackForwardCache,Prerender2,"
    "WebRtcHideLocalIpsWithMdns,"  # it would join a multicast group; there are no local addresses to hide
    "WebUIOmniboxPopup,WebUIOmniboxAimPopup",  # pages of its own that nobody sees: 70 MB
)
_ALONE = ("--net", "--pid", "--fork", "--kill-child", "--mount-proc")
_AS_USER = ("--user", "--map-current-user")
# The protocol's pipes are descriptors 3 and 4: the shell puts ours there and takes its own place.
_SHELL = ("sh", "-c", 'exec "$@" 3<&0 4>&1 0</dev/null 1>/dev/null', "sh")
_KEPT = ("PATH", "LANG", "LC_ALL", "TZ", "LD_LIBRARY_PATH", "FONTCONFIG_FILE", "FONTCONFIG_PATH")


def find_chromium(named: str) -> str:
    """The path of the browser: the one named in the settings, else the first in PATH. Raises MissingPart."""
    for name in (named,) if named else _NAMES:
        if found := shutil.which(name):
            return found
    raise MissingPart(
        f"{named or 'Chromium'} is not on this machine",
        where="--mode browser",
        remedy="Install it (Debian: apt install chromium), or name its path in TEARSHEET_CHROMIUM",
    )


@functools.cache
def _namespaces() -> tuple[str, ...]:
    """The command that gives a process namespaces of its own, as far as this machine allows; empty where not."""
    if not shutil.which("unshare"):
        return ()
    user = () if os.geteuid() == 0 else _AS_USER
    for wanted in ((*user, *_ALONE), (*user, "--net")):
        command = ("unshare", *wanted, "--")
        try:
            done = subprocess.run((*command, "true"), capture_output=True, timeout=10, check=False)  # noqa: S603 ours
        except (OSError, subprocess.TimeoutExpired):
            return ()
        if done.returncode == 0:
            return command
    return ()


class Chromium:
    """A running browser. `pipe` talks to it; `close` ends it with all its processes and files."""

    def __init__(self, path: str, on_event: OnEvent) -> None:
        self._folder = Path(tempfile.mkdtemp(prefix="tearsheet-chromium-"))
        self._process: subprocess.Popen[bytes] | None = None
        self._pipe: Pipe | None = None
        try:
            process = self._process = subprocess.Popen(  # noqa: S603 the browser that the user named
                (*_SHELL, *_namespaces(), path, *self._flags(), "about:blank"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                env=self._environ(),
                cwd=self._folder,
                start_new_session=True,
            )
            self._pipe = Pipe(cast("BufferedReader", process.stdout), cast("BinaryIO", process.stdin), on_event)
            version = self._pipe.call("Browser.getVersion", timeout_s=_START_S)
        except (Gone, CallFailed, Late, OSError) as error:
            self.close()
            raise CaptureTransient(
                f"the browser did not start: {error!r}",
                where=path,
                remedy="Run it by hand with --headless=new --dump-dom about:blank and see what it says; its sandbox "
                "takes user namespaces (unshare -r true)",
                code="browser-start",
            ) from None
        except BaseException:
            self.close()
            raise
        self.product, self.agent = version["product"], version["userAgent"].replace("Headless", "")

    @property
    def pipe(self) -> Pipe:
        """The way in."""
        assert self._pipe
        return self._pipe

    @property
    def alone(self) -> bool:
        """Whether it has a network namespace of its own, without any interface."""
        return bool(_namespaces())

    @property
    def running(self) -> bool:
        """Whether it has not ended by itself."""
        return self._process is not None and self._process.poll() is None

    def _flags(self) -> Iterator[str]:
        yield from _FLAGS
        yield f"--user-data-dir={self._folder / 'profile'}"
        if os.geteuid() == 0:
            yield "--no-sandbox"

    def _environ(self) -> dict[str, str]:
        """Its folder for all that it writes, and no bus to talk to."""
        home = str(self._folder)
        kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
        # Relative, for it binds a socket there: such a path may have no more than 107 characters.
        return {**kept, "HOME": home, "TMPDIR": ".", "DBUS_SESSION_BUS_ADDRESS": "disabled:"}

    def processes(self) -> list[int]:
        """The ids of all its processes; empty where the system has no /proc."""
        if self._process is None or not Path("/proc/self/stat").exists():
            return []
        parents: dict[int, list[int]] = {}
        for entry in os.scandir("/proc"):
            if entry.name.isdigit() and (parent := _parent(entry.path)):
                parents.setdefault(parent, []).append(int(entry.name))
        found, waiting = [], [self._process.pid]
        while waiting:
            found.append(waiting.pop())
            waiting += parents.get(found[-1], [])
        return found

    def memory_mb(self) -> float:
        """MB that its processes hold and share with none; 0 where the system does not tell."""
        pages = 0
        for pid in self.processes():
            try:
                resident, shared = Path(f"/proc/{pid}/statm").read_text().split()[1:3]
            except (OSError, ValueError):  # it has just ended
                continue
            pages += int(resident) - int(shared)
        return pages * os.sysconf("SC_PAGE_SIZE") / 1e6

    def kill(self) -> None:
        """End it at once."""
        if self._process is None:
            return
        for pid in reversed(self.processes()):  # where there is no process namespace a child may have left the group
            _signal(os.kill, pid)
        _signal(os.killpg, self._process.pid)

    def close(self) -> None:
        """End it, gently if that is quick; its files go with it. Twice is fine."""
        if self._process is not None:
            if self._pipe is not None and self.running:
                self._pipe.tell("Browser.close")
            try:
                self._process.wait(_STOP_S if self._pipe else 0)
            except subprocess.TimeoutExpired:
                self.kill()
            _signal(os.killpg, self._process.pid)
            self._process.wait()
            if self._pipe is not None:
                self._pipe.close()
            else:
                for file in (self._process.stdin, self._process.stdout):
                    if file:
                        file.close()
            self._process = None
        shutil.rmtree(self._folder, ignore_errors=True)


def _parent(folder: str) -> int:
    try:
        return int(Path(folder, "stat").read_bytes().rpartition(b")")[2].split()[1])
    except (OSError, ValueError, IndexError):  # it has just ended
        return 0


def _signal(send: Callable[[int, int], None], pid: int) -> None:
    try:
        send(pid, signal.SIGKILL)
    except (ProcessLookupError, PermissionError):
        return
