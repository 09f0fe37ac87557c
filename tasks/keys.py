"""The signing key: made on first use, kept from others, never overwritten.

| file | what |
| --- | --- |
| `signing.pem` (setting `key_file`) | the private key, PKCS#8 in PEM without a passphrase, readable by its owner only |
| `signing.public.jsonl` | one line for each key that was ever made here: `fingerprint`, `publicKey`, `since` |
| `signing-<16 hex>.pem` | a private key that `key new` took out of use; it can be deleted, the line above stays |
"""

import base64
import contextlib
import json
import os
import secrets
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tasks.bundle.sign import Signer, fingerprint_of
from tasks.errors import SettingsError, WouldOverwrite
from tasks.records import Digest
from tasks.settings import Settings
from tasks.store.disk import sync_folder

__all__ = ["Known", "export_key", "export_public", "key_path", "known_keys", "load_signer", "new_key", "signer_of"]

_MAX_BYTES = 1 << 16  # of a key file


def key_path(settings: Settings, environ: Mapping[str, str] = os.environ) -> Path:
    """Where the signing key is, or will be."""
    home = environ.get("XDG_DATA_HOME") or ""
    try:
        if settings.key_file:
            return Path(settings.key_file).expanduser()
        data = Path(home) if home.startswith("/") else Path.home() / ".local" / "share"  # relative ones do not count
    except RuntimeError:
        raise SettingsError("this user has no home folder", where="key_file", remedy="Name a file there") from None
    return data / "tearsheet" / "keys" / "signing.pem"


def signer_of(settings: Settings) -> Signer | None:
    """What signs new bundles: the key, made now where there is none; None where the settings say not to sign.

    Raises SettingsError where the key cannot be used: nothing is ever left unsigned for want of it.
    """
    if not settings.sign:
        return None
    path = key_path(settings)
    with contextlib.suppress(FileNotFoundError):
        return load_signer(path)
    _write_key(path, _generate())
    return load_signer(path)  # of two processes at once, both take the key of the first


def load_signer(path: Path) -> Signer:
    """The key in a file. FileNotFoundError, or SettingsError where others may read it or it is no key for this."""
    from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePrivateKey
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    data = _read_private(path)
    try:
        key = load_pem_private_key(data, password=None)
    except Exception as error:  # ValueError, TypeError (a passphrase), UnsupportedAlgorithm
        raise _unusable(path, f"not a private key in PEM without a passphrase: {error}") from None
    if not isinstance(key, EllipticCurvePrivateKey) or not isinstance(key.curve, SECP384R1):
        raise _unusable(path, "not a key on the curve P-384")
    return Signer(key)


def _read_private(path: Path) -> bytes:
    try:
        with path.open("rb") as file:
            mode = os.fstat(file.fileno()).st_mode
            if os.name != "nt" and mode & (stat.S_IRWXG | stat.S_IRWXO):
                what = f"others may read or change it (mode {mode & 0o777:o})"
                raise SettingsError(what, where=str(path), remedy=f"chmod 600 {path}; if others had access: key new")
            return file.read(_MAX_BYTES)
    except FileNotFoundError:
        raise
    except OSError as error:
        raise _unusable(path, f"cannot be read: {error.strerror}") from None


def _unusable(path: Path, what: str) -> SettingsError:
    remedy = "Put the right file there, name another by key_file, or set sign = false"
    return SettingsError(what, where=str(path), remedy=remedy)


# ------------------------------------------------------------------ making
def _generate() -> Signer:
    from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, generate_private_key

    return Signer(generate_private_key(SECP384R1()))


def _pem(signer: Signer) -> bytes:
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    return signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def _write_key(path: Path, signer: Signer) -> None:
    """The key in its file; where one is there already, or another process is first, that one stays."""
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with _whole_file(path, _pem(signer)) as temporary:
            try:
                os.link(temporary, path)  # unlike rename, never replaces
            except FileExistsError:
                return
        sync_folder(path.parent)
        _remember(path, signer, _now())
    except OSError as error:
        raise _unusable(path, f"the key cannot be made there: {error.strerror}") from None


@contextlib.contextmanager
def _whole_file(path: Path, data: bytes) -> Iterator[Path]:
    """The bytes, on disk and for the owner only, under a name beside `path` that is gone afterwards."""
    temporary = path.with_name(f".tmp-{secrets.token_hex(8)}")
    handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        yield temporary
    finally:
        temporary.unlink(missing_ok=True)


def new_key(path: Path) -> tuple[Signer, Path | None]:
    """A new key in place of the one in use, and where that one is now; its public part stays in the list."""
    try:
        old: Signer | None = load_signer(path)
    except FileNotFoundError:
        old = None
    signer, kept = _generate(), None
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if old:
            if old.fingerprint not in {known.fingerprint for known in _listed(path)}:
                _remember(path, old, "")
            kept = path.with_name(f"{path.stem}-{old.fingerprint.removeprefix('sha256:')[:16]}{path.suffix}")
            with contextlib.suppress(FileExistsError):  # left by a call that broke off
                os.link(path, kept)
        _remember(path, signer, _now())
        with _whole_file(path, _pem(signer)) as temporary:
            temporary.replace(path)
        sync_folder(path.parent)
    except OSError as error:
        raise _unusable(path, f"no new key can be made: {error.strerror}") from None
    return signer, kept


def export_key(path: Path, target: Path) -> None:
    """A copy of the private key, for a backup: for the owner only. WouldOverwrite where the target is there."""
    _write_export(target, _pem(load_signer(path)), 0o600)


def export_public(path: Path, target: Path) -> None:
    """The public key in PEM: what others need to check who signed."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    key = load_signer(path).key.public_key()
    _write_export(target, key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo), 0o644)


def _write_export(target: Path, data: bytes, mode: int) -> None:
    try:
        handle = os.open(target, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
    except FileExistsError:
        raise WouldOverwrite("the file is there", where=str(target), remedy="Name another file") from None
    with os.fdopen(handle, "wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


# ------------------------------------------------------------------ the list
@dataclass(frozen=True, slots=True)
class Known:
    """A public key that was made here."""

    fingerprint: Digest
    public_key: str
    since: str  # RFC 3339, UTC; empty where a key came from elsewhere


def list_path(path: Path) -> Path:
    """The list of public keys beside a key file."""
    return path.with_name(f"{path.stem}.public.jsonl")


def known_keys(path: Path) -> tuple[Known, ...]:
    """Every key ever in use here, the one in use last; empty where there is none."""
    listed = _listed(path)
    try:
        now = load_signer(path)
    except FileNotFoundError:
        return listed
    in_use = [known for known in listed if known.fingerprint == now.fingerprint]
    current = in_use[0] if in_use else Known(now.fingerprint, now.public_key, "")
    return (*(known for known in listed if known.fingerprint != now.fingerprint), current)


def _listed(path: Path) -> tuple[Known, ...]:
    """The lines of the list, each key once; a fingerprint is always made from its key, never believed."""
    where = list_path(path)
    try:
        lines = where.read_text(encoding="utf-8").splitlines()
        rows: list[dict[str, Any]] = [json.loads(line) for line in lines]
        found = [_known(row) for row in rows]
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise _unusable(where, f"cannot be read: {error.strerror}") from None
    except (ValueError, KeyError, TypeError):
        raise SettingsError("not a list of public keys", where=str(where), remedy="Put back its backup") from None
    return tuple({known.fingerprint: known for known in reversed(found)}.values())[::-1]


def _known(row: dict[str, Any]) -> Known:
    public_key = row["publicKey"]
    return Known(fingerprint_of(base64.b64decode(public_key, validate=True)), public_key, str(row["since"]))


def _remember(path: Path, signer: Signer, since: str) -> None:
    """One more line in the list; `since` is empty where nobody knows."""
    row = {"fingerprint": signer.fingerprint, "publicKey": signer.public_key, "since": since}
    handle = os.open(list_path(path), os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(handle, "wb") as file:
        file.write(json.dumps(row, sort_keys=True).encode() + b"\n")
        file.flush()
        os.fsync(file.fileno())


def _now() -> str:
    return f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
