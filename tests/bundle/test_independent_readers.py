"""Other makers' tools accept our bundles: py-wacz, warcio, fastwarc, and pywb replays them byte for byte.

They run in an environment of their own (tests/readers-requirements.txt says how to make it); TEARSHEET_TEST_READERS
names its folder.
"""

import contextlib
import gzip
import http.client
import os
import shutil
import socket
import subprocess
import time
import urllib.error
import urllib.request
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.bundle.samples import SIGNER, URL, captures, pack

NAMES = tuple(captures())


@pytest.fixture(scope="module")
def readers() -> Path:
    folder = os.environ.get("TEARSHEET_TEST_READERS")
    if not folder:
        pytest.skip("TEARSHEET_TEST_READERS is not set; tests/readers-requirements.txt says how to make its folder")
    return Path(folder) / "bin"


@pytest.fixture(scope="module")
def bundles(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """The WACZ of each sample capture, by name; one of them unsigned."""
    folder = tmp_path_factory.mktemp("bundles")
    signers = {name: None if name == "gzip" else SIGNER for name in NAMES}
    return {name: pack(folder, name, signer=signers[name]).path.rename(folder / f"{name}.wacz") for name in NAMES}


def run(*command: Path | str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=cwd)


@pytest.mark.parametrize("name", NAMES)
def test_wacz_validate_accepts_the_bundle(name: str, bundles: dict[str, Path], readers: Path) -> None:
    done = run(readers / "wacz", "validate", "-f", bundles[name])
    assert "the passed WACZ is valid" in done.stdout, done.stdout + done.stderr


def test_wacz_validate_refuses_a_changed_article(bundles: dict[str, Path], readers: Path, tmp_path: Path) -> None:
    broken = tmp_path / "broken.wacz"
    with zipfile.ZipFile(bundles["plain"]) as old, zipfile.ZipFile(broken, "w") as new:
        for name in old.namelist():
            data = old.read(name)
            new.writestr(name, data.replace(b"later", b"later!") if name == "article/article.txt" else data)
    assert "the passed WACZ is invalid" in run(readers / "wacz", "validate", "-f", broken).stdout


@pytest.mark.parametrize("tool", ["warcio", "fastwarc"])
@pytest.mark.parametrize("name", NAMES)
def test_digests_hold_for_other_warc_readers(
    name: str, tool: str, bundles: dict[str, Path], readers: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(bundles[name]) as bundle:
        members = [member for member in bundle.namelist() if member.startswith("archive/")]
        for member in members:
            done = run(readers / tool, "check", bundle.extract(member, tmp_path))
            assert done.returncode == 0, done.stdout + done.stderr
            assert "fail" not in done.stdout.lower(), done.stdout


@pytest.mark.parametrize("tool", ["warcio", "fastwarc"])
def test_other_warc_readers_refuse_a_wrong_digest(
    tool: str, bundles: dict[str, Path], readers: Path, tmp_path: Path
) -> None:
    with zipfile.ZipFile(bundles["plain"]) as bundle:
        plain = gzip.decompress(bundle.read("archive/data.warc.gz")).replace(b"foretold", b"forecast")
    broken = tmp_path / "broken.warc"
    broken.write_bytes(plain)
    done = run(readers / tool, "check", broken)
    assert done.returncode != 0 or "failed" in done.stdout + done.stderr


# ------------------------------------------------------------------ signature
# An anonymous signature as a page in a browser, such as ReplayWeb.page, has to check it: by WebCrypto, as Node has it.
CHECK = """
const fs = require("fs"), {subtle} = require("crypto").webcrypto;
const {hash, signature, publicKey} = JSON.parse(fs.readFileSync(0)).signedData;
const bytes = (text) => Uint8Array.from(atob(text), (char) => char.charCodeAt(0));
const kind = {name: "ECDSA", namedCurve: "P-384"};
subtle.importKey("spki", bytes(publicKey), kind, true, ["verify"])
  .then((key) => subtle.verify({name: "ECDSA", hash: "SHA-256"}, key, bytes(signature), new TextEncoder().encode(hash)))
  .then((holds) => console.log(holds));
"""


@pytest.mark.skipif(shutil.which("node") is None, reason="no node command: its WebCrypto is that of browsers")
def test_the_crypto_of_browsers_holds_the_signature_for_genuine_and_a_changed_one_not(tmp_path: Path) -> None:
    def holds(chain: bytes) -> str:
        command = ["node", "-e", CHECK]
        return subprocess.run(command, input=chain, capture_output=True, check=True, timeout=60).stdout.decode().strip()

    for name in NAMES:
        with zipfile.ZipFile(pack(tmp_path, name, signer=SIGNER).path) as bundle:
            chain = bundle.read("datapackage-digest.json")
        assert holds(chain) == "true"
    assert holds(chain.replace(b'"hash": "sha256:', b'"hash": "sha256:0')) == "false"


# ------------------------------------------------------------------ replay
def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@contextlib.contextmanager
def wayback(readers: Path, folder: Path) -> Iterator[str]:
    """pywb over the collections in `folder`."""
    port = free_port()
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [readers / "wayback", "-p", str(port), "-b", "127.0.0.1"], cwd=folder, stdout=log, stderr=log
        )
        try:
            for _ in range(300):
                with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                    break
                assert process.poll() is None, (folder / "log").read_text()
                time.sleep(0.1)
            yield f"http://127.0.0.1:{port}"
        finally:
            process.terminate()
            process.wait(20)


class KeepRedirects(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *args: object) -> None:
        return None


def fetch(url: str) -> tuple[int, bytes]:
    """Status and body as replayed, redirects not followed; gzip as it was archived."""
    opener = urllib.request.build_opener(KeepRedirects)
    request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
    try:
        with opener.open(request, timeout=30) as answer:
            return answer.status, answer.read()
    except http.client.IncompleteRead as error:  # a body that was cut is replayed as it was cut
        return 200, error.partial
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()


def test_pywb_replays_every_payload_exactly(bundles: dict[str, Path], readers: Path, tmp_path: Path) -> None:
    for name, path in bundles.items():
        assert run(readers / "wb-manager", "init", name, cwd=tmp_path).returncode == 0
        done = run(readers / "wb-manager", "add", name, "--unpack-wacz", path, cwd=tmp_path)
        assert done.returncode == 0, done.stdout + done.stderr
    with wayback(readers, tmp_path) as base:
        for name, capture in captures().items():
            for exchange in (*capture.exchanges, *capture.beside):
                status, body = fetch(f"{base}/{name}/{exchange.started_at:%Y%m%d%H%M%S}id_/{exchange.url}")
                assert status == exchange.status, name
                assert body == payload(exchange.body.open().read(), chunked=exchange.chunked), name
        with zipfile.ZipFile(bundles["plain"]) as bundle:
            clean = bundle.read("article/article.html")
        assert fetch(f"{base}/plain/20261123105447id_/urn:article:{URL}") == (200, clean)
        assert fetch(f"{base}/plain/20261123105447id_/https://news.example/other")[0] == 404


def payload(body: bytes, *, chunked: bool) -> bytes:
    """The entity of a body of one chunk."""
    return body.split(b"\r\n", 1)[1].removesuffix(b"\r\n0\r\n\r\n") if chunked else body
