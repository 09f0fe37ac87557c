"""A real time-stamping authority on loopback: OpenSSL's, behind a few lines of HTTP, with a CA of its own."""

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from tempfile import NamedTemporaryFile
from typing import Any

__all__ = ["Authority", "make_authority", "served"]

_EXTENSIONS = (
    "extendedKeyUsage=critical,timeStamping\nbasicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\n"
)
_CONFIG = """[tsa]
default_tsa = desk
[desk]
serial = ./serial
signer_cert = ./tsa.pem
signer_key = ./tsa.key
signer_digest = sha256
default_policy = 1.2.3.4.1
digests = sha256, sha512
accuracy = secs:1
ordering = yes
ess_cert_id_alg = sha256
"""


@dataclass
class Authority:
    """Its files, and what it does with the questions that come: answers, or `broken` in the ways named below."""

    folder: Path
    name: str
    broken: str = ""  # status-500, hang, junk, other (stamps something else), cut, redirect, huge
    asked: list[bytes] = field(default_factory=list)
    url: str = ""

    @property
    def ca(self) -> Path:
        return self.folder / "ca.pem"

    def answer(self, question: bytes) -> bytes:
        """The answer of `openssl ts`."""
        with NamedTemporaryFile(dir=self.folder) as asked, NamedTemporaryFile(dir=self.folder) as answered:
            Path(asked.name).write_bytes(question)
            self.openssl("ts", "-reply", "-config", "ts.cnf", "-queryfile", asked.name, "-out", answered.name)
            return Path(answered.name).read_bytes()

    def openssl(self, *arguments: str) -> str:
        done = subprocess.run(("openssl", *arguments), cwd=self.folder, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
        return done.stdout


def make_authority(folder: Path, name: str = "Test") -> Authority:
    """Root, signer and configuration in `folder`."""
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority(folder, name)
    curve = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes")
    authority.openssl(
        *("req", "-x509", *curve, "-keyout", "ca.key", "-out", "ca.pem", "-days", "3", "-subj", f"/CN={name} CA")
    )
    authority.openssl("req", *curve, "-keyout", "tsa.key", "-out", "tsa.csr", "-subj", f"/CN={name} TSA")
    (folder / "extensions").write_text(_EXTENSIONS)
    (folder / "ts.cnf").write_text(_CONFIG)
    (folder / "serial").write_text("01\n")
    signing = ("-CA", "ca.pem", "-CAkey", "ca.key", "-CAcreateserial", "-days", "2", "-extfile", "extensions")
    authority.openssl("x509", "-req", "-in", "tsa.csr", *signing, "-out", "tsa.pem")
    return authority


@contextlib.contextmanager
def served(authority: Authority) -> Iterator[Authority]:
    """The authority, answering under `url` until the end of the block."""
    over, one_at_a_time = threading.Event(), threading.Lock()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            question = self.rfile.read(int(self.headers["Content-Length"]))
            authority.asked.append(question)
            assert self.headers["Content-Type"] == "application/timestamp-query"
            if authority.broken == "hang":
                over.wait(30)
                return
            if authority.broken == "redirect":
                self.send_response(302)
                self.send_header("Location", f"{authority.url}elsewhere")
                self.end_headers()
                return
            with one_at_a_time:  # openssl keeps the serial number in a file
                data = authority.answer(question if authority.broken != "other" else other_question(authority))
            data = {"junk": b"<html>", "cut": data[:-20], "huge": bytes(1 << 20)}.get(authority.broken, data)
            self.send_response(503 if authority.broken == "status-500" else 200)
            self.send_header("Content-Type", "application/timestamp-reply")
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            with contextlib.suppress(OSError):  # who asked may have had enough
                self.wfile.write(data)

        def log_message(self, *_: Any) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        authority.url = f"http://127.0.0.1:{server.server_address[1]}/"
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield authority
        finally:
            over.set()
            server.shutdown()
            thread.join()


def other_question(authority: Authority) -> bytes:
    """A question about something else."""
    out = authority.folder / "other.tsq"
    authority.openssl("ts", "-query", "-digest", "ab" * 32, "-sha256", "-cert", "-out", str(out))
    return out.read_bytes()
