"""The offline demo: a sample article on loopback, archived into a real local S3, verified and pulled back."""

import contextlib
import os
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from tasks.catalog import locate
from tasks.errors import FixityError
from tasks.pipeline import Outcome, archive_page, open_tools
from tasks.retrieve import Pulled, pull
from tasks.settings import Settings
from tasks.store import open_store
from tasks.store.local import LocalS3

__all__ = ["Demonstrated", "run_demo"]

SITE = Path(__file__).parent / "demo_site"  # pages of our own writing
BUCKET = "tearsheet-demo"


@dataclass(frozen=True, slots=True)
class Demonstrated:
    """What the demo did: the outcome of archiving and the copy that came back."""

    outcome: Outcome
    pulled: Pulled
    location: str


class _Quiet(SimpleHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    extensions_map = {**SimpleHTTPRequestHandler.extensions_map, ".html": "text/html; charset=utf-8"}  # noqa: RUF012

    def log_message(self, *args: Any) -> None:
        """Say nothing."""


@contextlib.contextmanager
def serving(folder: Path) -> Iterator[str]:
    """A loopback web server over `folder`; gives its host:port."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(folder)))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextlib.contextmanager
def _environment(names: Mapping[str, str]) -> Iterator[None]:
    """The process's environment with `names` set, as boto3 reads credentials; put back afterwards."""
    before = {name: os.environ.get(name) for name in names}
    os.environ.update(names)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


def run_demo(
    settings: Settings, rule_dirs: tuple[Path, ...], dest: Path, *, say: Callable[[str], None] = lambda line: None
) -> Demonstrated:
    """Archive the sample article into a local S3 server and pull it back below `dest`.

    Raises MissingPart where the local S3 server is not installed, FixityError where the copy is not sound.
    """
    with tempfile.TemporaryDirectory(prefix="tearsheet-demo-") as data, serving(SITE) as pair:
        say("starting a local S3 server (SeaweedFS)")
        with LocalS3(Path(data), bucket=BUCKET) as s3, _environment(s3.environ):
            settings = replace(
                settings, store=f"s3://{BUCKET}/demo", s3_endpoint=s3.endpoint, allow=(*settings.allow, pair)
            )
            url = f"http://{pair}/library-roof.html"
            say(f"archiving {url} into {settings.store}")
            with open_tools(settings, rule_dirs) as tools:
                outcome = archive_page(url, tools)
            if outcome.error:
                raise outcome.error
            say("pulling it back")
            with open_store(settings.store, settings) as store:
                pulled = pull(store, locate(store, settings, url), dest, force=True)
    if outcome.ref is None or pulled.id != outcome.ref.id:
        raise FixityError("another bundle came back", where=url, remedy="Report this")
    return Demonstrated(outcome, pulled, settings.store)
