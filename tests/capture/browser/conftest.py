"""A network, a trap in it, servers of hostile pages and one browser; the tests of a module share them."""

import socket
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tasks.capture.browser import Browser, find_chromium
from tasks.capture.fetch import Recorder
from tasks.errors import MissingPart
from tasks.records import Capture
from tasks.settings import Settings, load_settings
from tests.capture.browser.hostile_pages import cases
from tests.capture.browser.trap import OwnNetwork, Trap, Wire
from tests.hostile.tough_server import ToughServer

LIMITS: dict[str, Any] = {
    "browser_page_s": 5.0,
    "browser_quiet_s": 0.2,
    "browser_requests": 60,
    "browser_bytes": 4 << 20,
    "browser_memory_mb": 1200,
    "connect_timeout_s": 2.0,
    "idle_timeout_s": 2.0,
    "total_timeout_s": 3.0,
    "max_body_bytes": 4 << 20,
    "max_decoded_bytes": 8 << 20,
    "requisite_bytes": 2 << 20,
}
AFTER_THE_LIMIT_S = 20.0  # for DOM and pictures of a page that used up its time, and for a browser that has to be ended


def nobody_knows(host: str, port: int, family: int = 0, kind: int = 0, *_: Any) -> list[Any]:
    """A resolver that asks nobody: localhost is this machine, and there is nothing else."""
    if host == "localhost":
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]
    raise socket.gaierror(socket.EAI_NONAME, "no such host")


@dataclass
class World:
    """What the pages of a module find around them."""

    trap: Trap
    wire: Wire | None  # None: not root, and so not in a network of its own
    server: ToughServer
    other: ToughServer
    folder: Path  # temporary files go there
    aims: tuple[str, ...]  # `host:port` of what the pages try to reach
    settings: Settings
    kept: list[Capture] = field(default_factory=list)  # what a test was given; closed after it

    @property
    def seen(self) -> list[str]:
        """Every packet that nobody should have sent."""
        return [*self.trap.seen, *(self.wire.seen if self.wire else ())]

    def forget(self) -> None:
        """What was seen so far belongs to a test that has failed for it."""
        for counter in (self.trap, self.wire):
            if counter:
                counter.seen.clear()

    def visit(self, browser: Browser, path: str, resolver: Any = nobody_knows, **changes: Any) -> Capture:
        """One page, fetched and shown."""
        with Recorder(self.settings_with(**changes), resolver=resolver) as recorder:
            self.kept.append(recorder.capture(self.server.url(path)))
            self.kept.append(browser.visit(self.kept[-1], recorder))
            return self.kept[-1]

    def give_back(self) -> None:
        """Close every capture so far."""
        while self.kept:
            self.kept.pop().close()

    def settings_with(self, **changes: Any) -> Settings:
        allow = (self.server.pair, self.other.pair)
        return load_settings(environ={}, allow=allow, **(LIMITS | changes))


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    """A network of its own where root makes one, and the trap by all its addresses; else loopback and the trap."""
    try:
        find_chromium("")
    except MissingPart as missing:
        pytest.skip(str(missing))
    folder = tmp_path_factory.mktemp("temporary")
    with ExitStack() as stack:
        patch = stack.enter_context(pytest.MonkeyPatch.context())
        patch.setattr(tempfile, "tempdir", str(folder))
        alone = not OwnNetwork.why_not()
        if alone:
            stack.enter_context(OwnNetwork())
        yield stack.enter_context(made_world(folder, alone=alone))


@contextmanager
def made_world(folder: Path, *, alone: bool) -> Iterator[World]:
    """The world in whatever network the calling thread is in; `alone`: it is an OwnNetwork."""
    with ExitStack() as stack:
        trap = stack.enter_context(Trap())
        far = ("10.1.2.3", "[fd12::3]", "169.254.169.254", "[fd00:ec2::254]") if alone else ()
        aims = (*trap.hosts, *(f"{host}:80" for host in far), *((f"8.8.8.8:{trap.port}",) if alone else ()))
        pages = cases(lambda: aims, lambda: other.pair)
        server, other = (stack.enter_context(ToughServer(cases=pages)) for _ in range(2))
        wire = stack.enter_context(Wire({("127.0.0.1", each.port) for each in (server, other)})) if alone else None
        world = World(trap, wire, server, other, folder, aims, load_settings(environ={}))
        world.settings = world.settings_with()
        yield world


@pytest.fixture
def at(world: World) -> Iterator[World]:
    """The world, for one test: nothing was sent so far, and what it was given is closed after it."""
    world.forget()
    yield world
    world.give_back()


@pytest.fixture(scope="module")
def browser(world: World) -> Iterator[Browser]:
    with Browser(world.settings) as browser:
        yield browser


def text_of(seen: Capture, name: str = "dom") -> str:
    """What a resource of the rendered page holds, as text; empty where there is none."""
    resource = seen.rendered.resource(name) if seen.rendered else None
    return resource.body.open().read().decode("utf-8", "replace") if resource else ""


def bytes_of(seen: Capture, name: str) -> bytes:
    resource = seen.rendered.resource(name) if seen.rendered else None
    return resource.body.open().read() if resource else b""
