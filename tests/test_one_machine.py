"""The folder of `tearsheet up`: whose it is, what it remembers, and what may not be bound."""

import json
import os
import socket
from pathlib import Path

import pytest

from tasks.errors import SettingsError
from tasks.one_machine import AlreadyUp, check_bind, claimed, make_system, read_status


def test_a_folder_is_one_process_s_at_a_time(tmp_path: Path) -> None:
    assert read_status(tmp_path / "data") == {"up": False, "data": str(tmp_path / "data")}
    with claimed(tmp_path / "data"):
        with pytest.raises(AlreadyUp, match="already up"), claimed(tmp_path / "data"):
            pass
        assert read_status(tmp_path / "data")["up"]
        with claimed(tmp_path / "other"):
            pass
    assert not read_status(tmp_path / "data")["up"]
    with claimed(tmp_path / "data"):
        pass


def test_ports_and_keys_stay_the_same_and_are_for_the_user_s_eyes_only(tmp_path: Path) -> None:
    first, again = make_system(tmp_path), make_system(tmp_path)
    assert first.environ == again.environ
    assert first.metrics_port == again.metrics_port
    assert not again.told
    assert {oct(path.stat().st_mode & 0o777) for path in (tmp_path / "known.json", first.write_env())} == {"0o600"}


def test_a_port_that_another_program_has_taken_is_left_to_it_and_told(tmp_path: Path) -> None:
    first = make_system(tmp_path)
    port = json.loads((tmp_path / "known.json").read_text())["prefect"]
    with socket.socket() as taken:
        taken.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        taken.bind(("127.0.0.1", port))
        taken.listen()
        again = make_system(tmp_path)
    assert again.api.url != first.api.url
    assert str(port) in again.told[0]


def test_the_environment_of_the_parts_leads_to_no_other_server_and_phones_nobody(tmp_path: Path) -> None:
    environ = {
        "PATH": os.environ["PATH"],
        "PREFECT_API_URL": "https://api.elsewhere.example/api",
        "PREFECT_API_KEY": "secret",
        "PREFECT_SERVER_DATABASE_CONNECTION_URL": "postgresql+asyncpg://elsewhere.example/db",
    }
    system = make_system(tmp_path, environ=environ)
    served = next(part.environ for part in system.parts if part.name == "serve")
    assert "elsewhere" not in " ".join(served.values())
    assert "PREFECT_API_KEY" not in served
    assert served["PREFECT_SERVER_ANALYTICS_ENABLED"] == "false"
    assert served["DO_NOT_TRACK"] == "1"
    assert str(tmp_path) in served["PREFECT_SERVER_DATABASE_CONNECTION_URL"]
    assert {part.name: "127.0.0.1" in " ".join(part.command) for part in system.parts if part.name != "serve"} == {
        "s3": True,
        "prefect": True,
    }


def test_another_store_needs_no_server_of_our_own(tmp_path: Path) -> None:
    system = make_system(tmp_path, store="s3://elsewhere/archive")
    assert [part.name for part in system.parts] == ["prefect", "serve"]
    assert system.store == "s3://elsewhere/archive"


@pytest.mark.parametrize(
    ("address", "auth", "fine"),
    [
        ("127.0.0.1", "", True),
        ("::1", "", True),
        ("0.0.0.0", "", False),
        ("192.0.2.7", "", False),
        ("192.0.2.7", "no-colon", False),
        ("192.0.2.7", "user:password", True),
        ("localhost", "", False),
    ],
)
def test_prefect_is_never_open_to_others_without_credentials(address: str, auth: str, fine: bool) -> None:
    environ = {"PREFECT_SERVER_API_AUTH_STRING": auth} if auth else {}
    if fine:
        check_bind(address, environ)
    else:
        with pytest.raises(SettingsError):
            check_bind(address, environ)
