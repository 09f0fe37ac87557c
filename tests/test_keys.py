"""The signing key: made once, kept from others, never overwritten, and every old one stays known."""

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from tasks.bundle.sign import Signer
from tasks.errors import SettingsError, WouldOverwrite
from tasks.keys import export_key, export_public, key_path, known_keys, list_path, load_signer, new_key, signer_of
from tasks.settings import Settings, load_settings

AS_ROOT = os.geteuid() == 0


def settings_of(path: Path | str, **more: object) -> Settings:
    return load_settings(environ={}, key_file=str(path), **more)


def pem(key: ec.EllipticCurvePrivateKey, passphrase: bytes = b"") -> bytes:
    encryption = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)


def put(path: Path, data: bytes, mode: int = 0o600) -> Path:
    path.write_bytes(data)
    path.chmod(mode)
    return path


# ------------------------------------------------------------------ making
def test_the_key_is_made_on_first_use_for_the_owner_alone_and_stays(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "keys" / "signing.pem"
    first = signer_of(settings_of(path))
    made = path.read_bytes()
    again = signer_of(settings_of(path))
    assert first is not None
    assert again is not None
    assert first.fingerprint == again.fingerprint
    assert path.read_bytes() == made
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
    assert {item.name for item in path.parent.iterdir()} == {"signing.pem", "signing.public.jsonl"}


def test_nothing_is_made_where_nothing_is_signed(tmp_path: Path) -> None:
    assert signer_of(settings_of(tmp_path / "k.pem", sign=False)) is None
    assert list(tmp_path.iterdir()) == []


def test_a_wide_umask_makes_the_key_no_wider(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        signer_of(settings_of(tmp_path / "k" / "signing.pem"))
    finally:
        os.umask(old)
    assert stat.S_IMODE((tmp_path / "k" / "signing.pem").stat().st_mode) == 0o600
    assert stat.S_IMODE((tmp_path / "k").stat().st_mode) == 0o700


def test_processes_at_once_make_one_key(tmp_path: Path) -> None:
    path = tmp_path / "keys" / "signing.pem"
    code = (
        "import sys; from tasks.keys import signer_of; from tasks.settings import load_settings;"
        "sys.stdin.read(); print(signer_of(load_settings(environ={}, key_file=sys.argv[1])).fingerprint)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", code, path], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for _ in range(6)
    ]
    for process in started:
        assert process.stdin is not None
        process.stdin.close()
    found = {process.stdout.read() for process in started if process.stdout and process.wait(60) == 0}
    for process in started:
        assert process.stdout is not None
        process.stdout.close()
    assert found == {f"{load_signer(path).fingerprint}\n"}
    assert len(list_path(path).read_text().splitlines()) == 1
    assert not list(path.parent.glob(".tmp-*"))


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({"XDG_DATA_HOME": "/data"}, Path("/data/tearsheet/keys/signing.pem")),
        ({"XDG_DATA_HOME": "relative"}, Path.home() / ".local/share/tearsheet/keys/signing.pem"),
        ({}, Path.home() / ".local/share/tearsheet/keys/signing.pem"),
    ],
)
def test_where_the_key_is(environ: dict[str, str], expected: Path) -> None:
    assert key_path(load_settings(environ={}), environ) == expected
    assert key_path(settings_of("~/mine.pem"), environ) == Path.home() / "mine.pem"


def test_without_a_home_folder_the_setting_is_asked_for() -> None:
    with pytest.raises(SettingsError, match="no home folder"):
        key_path(settings_of("~no-such-user/k.pem"), {})


# ------------------------------------------------------------------ refusing
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o602, 0o610, 0o777])
def test_a_key_that_others_may_reach_is_refused_and_left_alone(tmp_path: Path, mode: int) -> None:
    path = put(tmp_path / "k.pem", pem(ec.generate_private_key(ec.SECP384R1())), mode)
    with pytest.raises(SettingsError, match="chmod 600"):
        signer_of(settings_of(path))
    assert stat.S_IMODE(path.stat().st_mode) == mode


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"no key",
        pem(ec.generate_private_key(ec.SECP256R1())),
        pem(ec.generate_private_key(ec.SECP384R1()), b"secret"),
        pem(ec.generate_private_key(ec.SECP384R1()))[:-60],
    ],
)
def test_what_is_no_key_for_this_is_refused_and_never_overwritten(tmp_path: Path, data: bytes) -> None:
    path = put(tmp_path / "k.pem", data)
    for use in (lambda: signer_of(settings_of(path)), lambda: new_key(path), lambda: known_keys(path)):
        with pytest.raises(SettingsError):
            use()
    assert path.read_bytes() == data


def test_a_place_where_no_key_can_be_made_is_said(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file" / "k.pem", tmp_path):
        with pytest.raises(SettingsError, match="sign = false"):
            signer_of(settings_of(path))


# ------------------------------------------------------------------ changing, backing up
def test_a_new_key_leaves_the_old_one_known_and_kept(tmp_path: Path) -> None:
    path = tmp_path / "signing.pem"
    first = signer_of(settings_of(path))
    assert first is not None
    old = path.read_bytes()
    second, kept = new_key(path)
    third, _ = new_key(path)
    assert kept == tmp_path / f"signing-{first.fingerprint[7:23]}.pem"
    assert kept.read_bytes() == old
    assert [known.fingerprint for known in known_keys(path)] == [
        first.fingerprint,
        second.fingerprint,
        third.fingerprint,
    ]
    assert all(known.since.endswith("Z") for known in known_keys(path))
    assert load_signer(path).fingerprint == third.fingerprint
    assert stat.S_IMODE(path.stat().st_mode) == stat.S_IMODE(kept.stat().st_mode) == 0o600


def test_a_key_that_was_brought_is_in_use_and_stays_known_when_a_new_one_comes(tmp_path: Path) -> None:
    path = put(tmp_path / "k.pem", pem(ec.generate_private_key(ec.SECP384R1())))
    (known,) = known_keys(path)
    assert known.since == ""
    new_key(path)
    assert next(item.fingerprint for item in known_keys(path)) == known.fingerprint


def test_no_key_is_no_known_key(tmp_path: Path) -> None:
    assert known_keys(tmp_path / "k.pem") == ()


def test_a_damaged_list_is_said_and_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    signer_of(settings_of(path))
    for text in ("nothing\n", "[]\n", '{"publicKey": "?", "since": ""}\n', '{"fingerprint": "sha256:00"}\n'):
        list_path(path).write_text(text)
        with pytest.raises(SettingsError, match="list of public keys"):
            known_keys(path)


def test_a_fingerprint_in_the_list_that_is_not_the_keys_is_not_believed(tmp_path: Path) -> None:
    path = tmp_path / "k.pem"
    signer = signer_of(settings_of(path))
    assert signer is not None
    text = list_path(path).read_text()
    list_path(path).write_text(text.replace(signer.fingerprint, "sha256:" + "0" * 64))
    assert [known.fingerprint for known in known_keys(path)] == [signer.fingerprint]


def test_a_backup_is_the_key_for_the_owner_alone_and_replaces_nothing(tmp_path: Path) -> None:
    path, backup, public = tmp_path / "k.pem", tmp_path / "backup.pem", tmp_path / "pub.pem"
    signer = signer_of(settings_of(path))
    assert isinstance(signer, Signer)
    export_key(path, backup)
    export_public(path, public)
    assert load_signer(backup).fingerprint == signer.fingerprint
    assert stat.S_IMODE(backup.stat().st_mode) == 0o600
    assert b"PRIVATE" not in public.read_bytes()
    for export in (export_key, export_public):
        with pytest.raises(WouldOverwrite):
            export(path, backup)
    with pytest.raises(FileNotFoundError):
        export_key(tmp_path / "none.pem", tmp_path / "x.pem")
