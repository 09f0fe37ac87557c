"""The folder of `tearsheet up`: whose it is, what it remembers, and what may not be bound."""

import json
import os
import socket
from pathlib import Path

import pytest

from tasks.errors import SettingsError
from tasks.one_machine import AlreadyUp, Running, check_bind, claimed, make_system, read_status


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


def test_what_a_killed_one_had_noted_is_not_told_of_the_next_one(tmp_path: Path) -> None:
    """Its parts are gone; `up --status` would call them all running until the new ones have started."""
    (tmp_path / "up.json").write_text('{"pid": 4, "ready": true, "parts": []}')
    with claimed(tmp_path):
        assert read_status(tmp_path) == {"up": True, "data": str(tmp_path)}


@pytest.mark.parametrize("name", ["why?", "here,there"])
def test_a_folder_whose_name_a_server_reads_in_another_way_is_refused(tmp_path: Path, name: str) -> None:
    """SQLite's URL would end at the ?, so that the database came to lie beside the folder; weed takes a list."""
    with pytest.raises(SettingsError, match="data would go elsewhere"), claimed(tmp_path / name):
        pass
    assert not (tmp_path / name).exists()


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


def test_ports_are_tried_where_they_will_be_listened_at(tmp_path: Path) -> None:
    """Free on loopback is not free everywhere; and SeaweedFS has a port that known.json does not name."""
    environ = {**os.environ, "PREFECT_SERVER_API_AUTH_STRING": "desk:secret"}
    make_system(tmp_path, bind="127.0.0.2", environ=environ)
    known = json.loads((tmp_path / "known.json").read_text())
    with socket.create_server(("127.0.0.2", known["prefect"])):
        again = make_system(tmp_path, bind="127.0.0.2", environ=environ)
    assert f"port {known['prefect']} is taken" in again.told[0]
    with socket.create_server(("127.0.0.1", known["s3"]["admin"] + 10_000)):
        again = make_system(tmp_path, bind="127.0.0.2", environ=environ)
    assert again.told == ("a port of the S3 server is taken by another program: it has new ones",)


def test_what_holds_the_data_is_for_the_user_s_eyes_only(tmp_path: Path) -> None:
    make_system(tmp_path)
    assert {oct((tmp_path / name).stat().st_mode & 0o777) for name in ("prefect", "s3", "logs")} == {"0o700"}


def test_a_status_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    said: list[str] = []
    system = make_system(tmp_path)
    (tmp_path / ".up.json.new").mkdir()  # as on a full disk: an OSError
    Running(system, say=said.append, ready=lambda took_s: None)._note()
    assert said[0].startswith("`up --status` shows what was before: ")


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


def test_pages_of_other_sites_may_not_talk_to_prefect_unless_the_user_says_so(tmp_path: Path) -> None:
    name = "PREFECT_SERVER_API_CORS_ALLOWED_ORIGINS"
    ours = make_system(tmp_path)
    port = ours.api.url.removesuffix("/api").rpartition(":")[2]
    part = next(part for part in ours.parts if part.name == "prefect")
    assert part.environ[name] == f"http://127.0.0.1:{port},http://localhost:{port}"
    wished = make_system(tmp_path, environ={**os.environ, name: "https://desk.example"})
    assert next(part for part in wished.parts if part.name == "prefect").environ[name] == "https://desk.example"


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
        ("192.0.2.7", "user:", False),
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
