"""The chain of certificates and the clock, as a capture has them."""

import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cryptography.x509 import load_pem_x509_certificates

from tasks.bundle.provenance import capture_facts
from tasks.capture.clock import read_clock
from tasks.capture.connect import _chain
from tasks.capture.fetch import Recorder
from tasks.settings import load_settings
from tests.hostile.tough_server import ToughServer

NEW = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A root, one below it, and below that a server: root.pem, and server.pem with key and both lower certificates."""
    if shutil.which("openssl") is None:
        pytest.skip("no openssl command to make certificates with")
    folder = tmp_path_factory.mktemp("pki")

    def openssl(*arguments: str) -> None:
        subprocess.run(("openssl", *arguments), cwd=folder, check=True, capture_output=True)

    usage = "keyUsage=critical,keyCertSign,cRLSign"  # without it Python 3.13 trusts no authority
    openssl("req", "-x509", *NEW, "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=Root", "-addext", usage)
    below = {"middle": f"basicConstraints=critical,CA:TRUE\n{usage}", "leaf": "subjectAltName=DNS:tough.example"}
    for name, above in (("middle", "root"), ("leaf", "middle")):
        (folder / f"{name}.ext").write_text(below[name] + "\n")
        openssl("req", *NEW[:-2], "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}")
        signing = ("-CA", f"{above}.pem", "-CAkey", f"{above}.key", "-CAcreateserial", "-days", "2")
        openssl("x509", "-req", "-in", f"{name}.csr", *signing, "-extfile", f"{name}.ext", "-out", f"{name}.pem")
    parts = [folder / name for name in ("leaf.key", "leaf.pem", "middle.pem")]
    (folder / "server.pem").write_bytes(b"".join(part.read_bytes() for part in parts))
    return folder


@pytest.fixture
def tough(authority: Path) -> Iterator[ToughServer]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(authority / "server.pem")
    with ToughServer(context) as server:
        yield server


def to_loopback(_host: str, port: int, *_: Any, **__: Any) -> list[Any]:
    return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", port))]


def common_names(chain: tuple[bytes, ...]) -> list[str]:
    pem = "".join(map(ssl.DER_cert_to_PEM_cert, chain)).encode()
    return [one.subject.rfc4514_string() for one in load_pem_x509_certificates(pem)]


def test_the_verified_chain_is_kept_up_to_the_root_for_every_exchange(authority: Path, tough: ToughServer) -> None:
    pair = f"tough.example:{tough.port}"
    trusting = ssl.create_default_context(cafile=str(authority / "root.pem"))
    settings = load_settings(environ={}, allow=(pair,))
    with Recorder(settings, resolver=to_loopback, ssl_context=trusting) as recorder:
        capture = recorder.capture(f"https://{pair}/redirect/1")
    assert len(capture.exchanges) == 2
    for exchange in capture.exchanges:
        assert exchange.tls is not None
        assert exchange.tls.chain_is == "verified"
        assert common_names(exchange.tls.chain) == ["CN=leaf", "CN=middle", "CN=Root"]
    facts = capture_facts(capture)
    assert len(facts["certificates"]) == 3
    assert facts["exchanges"][0]["tls"]["chain"] == [one["digest"] for one in facts["certificates"]]
    assert all(-1000 < one["drift_ms"] < 1000 for one in facts["exchanges"])
    assert capture.clock == read_clock()
    capture.close()


class _Socket:
    """A socket that gives as much as some Python does."""

    def __init__(self, **methods: Callable[[], Any]) -> None:
        self.__dict__.update(methods)


def _raise() -> Any:
    raise ValueError("no chain")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (_Socket(get_verified_chain=lambda: [b"leaf", b"root"]), ((b"leaf", b"root"), "verified")),
        (_Socket(get_verified_chain=_raise, get_unverified_chain=lambda: [b"leaf"]), ((b"leaf",), "sent")),
        (_Socket(get_verified_chain=lambda: None, get_unverified_chain=list), ((b"leaf",), "leaf")),
        (_Socket(get_verified_chain=lambda: [b"another"]), ((b"leaf",), "leaf")),
        (_Socket(), ((b"leaf",), "leaf")),
        (_Socket(_sslobj=_Socket(get_verified_chain=lambda: [b"leaf", 7])), ((b"leaf",), "leaf")),
    ],
)
def test_where_python_gives_no_chain_the_servers_own_certificate_is_kept(given: Any, expected: Any) -> None:
    assert _chain(given, b"leaf") == expected


def test_the_clock_names_its_source() -> None:
    clock = read_clock()
    assert clock.source
    assert clock.synchronized in (True, False, None)


def test_the_wall_clock_is_read_at_both_ends(authority: Path, tough: ToughServer) -> None:
    moments = iter([datetime(2026, 1, 1, tzinfo=UTC), datetime(2026, 1, 1, 0, 5, tzinfo=UTC)])
    pair = f"tough.example:{tough.port}"
    trusting = ssl.create_default_context(cafile=str(authority / "root.pem"))
    settings = load_settings(environ={}, allow=(pair,))
    with Recorder(settings, resolver=to_loopback, ssl_context=trusting, clock=lambda: next(moments)) as recorder:
        capture = recorder.capture(f"https://{pair}/plain")
    drift = capture_facts(capture)["exchanges"][0]["drift_ms"]
    assert 299_000 < drift <= 300_000  # someone set the clock by five minutes
    capture.close()
