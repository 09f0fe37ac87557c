"""A tough server and recorders that may talk to it."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tasks.capture.fetch import Recorder
from tasks.settings import Settings, load_settings
from tests.hostile.tough_server import ToughServer


@pytest.fixture(scope="session")
def server() -> Iterator[ToughServer]:
    with ToughServer() as tough:
        yield tough


@pytest.fixture
def settings(server: ToughServer) -> Callable[..., Settings]:
    """Settings with limits that tests can wait for; keywords replace them."""

    def make(**changes: Any) -> Settings:
        limits: dict[str, Any] = {
            "allow": (server.pair,),
            "connect_timeout_s": 5.0,
            "idle_timeout_s": 0.6,
            "total_timeout_s": 2.0,
            "max_body_bytes": 1 << 20,
            "max_decoded_bytes": 8 << 20,
        }
        return load_settings(environ={}, **(limits | changes))

    return make


@pytest.fixture
def recorder(settings: Callable[..., Settings]) -> Iterator[Recorder]:
    with Recorder(settings()) as made:
        yield made
