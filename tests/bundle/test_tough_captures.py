"""Whatever a server answers, its bundle is sound, here and for other makers' readers, and holds the bytes exactly."""

import contextlib
import gzip
import os
import subprocess
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.bundle.verify import is_sound, verify_file
from tasks.capture.decode import read_page
from tasks.capture.fetch import Recorder
from tasks.capture.verdict import judge
from tasks.errors import TearsheetError
from tasks.records import Bundle, Capture
from tasks.settings import load_settings
from tests.bundle.samples import pack
from tests.hostile.cases import CASES
from tests.hostile.tough_server import ToughServer

# Answers that only differ in how long one waits for them, or never end with a capture.
SKIPPED = {"stall", "slow-header", "answers-late", "number", "redirect-loop", "redirect-to", "robots.txt", "charset"}
ARGUMENT = {"big": "/3", "redirect": "/2"}


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, tuple[Capture, Bundle]]]:
    """Capture and bundle of every answer that can be captured, by path."""
    with contextlib.ExitStack() as stack:
        server = stack.enter_context(ToughServer())
        limits = {"allow": (server.pair,), "idle_timeout_s": 0.5, "total_timeout_s": 1.5}
        settings = load_settings(environ={}, max_body_bytes=1 << 20, max_decoded_bytes=8 << 20, **limits)
        recorder = stack.enter_context(Recorder(settings))
        made = {}
        for name in sorted(set(CASES) - SKIPPED):
            with contextlib.suppress(TearsheetError):
                capture = recorder.capture(server.url(f"/{name}{ARGUMENT.get(name, '')}"))
                stack.callback(capture.close)
                page = read_page(capture.page, settings.max_decoded_bytes)
                verdict = judge(capture, page, 30 if page.text else None, settings.thin_words)
                folder = tmp_path_factory.mktemp("tough")
                more = {"article": None} if page.text is None else {}
                made[name] = (capture, pack(folder, capture=capture, page=page, verdict=verdict, **more))
        yield made


def test_every_capture_gives_a_sound_bundle(packed: dict[str, tuple[Capture, Bundle]]) -> None:
    problems = {name: verify_file(bundle.path) for name, (_, bundle) in packed.items()}
    assert len(packed) > 35
    assert not [(name, found) for name, found in problems.items() if not is_sound(found)]


def test_every_byte_of_the_wire_is_in_the_warc(packed: dict[str, tuple[Capture, Bundle]]) -> None:
    for name, (capture, bundle) in packed.items():
        with zipfile.ZipFile(bundle.path) as file:
            warc = gzip.decompress(file.read("archive/data.warc.gz"))
        for exchange in capture.exchanges:
            with exchange.body.open() as body:
                block = exchange.response_head + body.read()
            assert b"\r\n\r\n" + block + b"\r\n\r\nWARC/1.1\r\n" in warc, name


def test_other_readers_accept_every_warc(packed: dict[str, tuple[Capture, Bundle]], tmp_path: Path) -> None:
    readers = os.environ.get("TEARSHEET_TEST_READERS")
    if not readers:
        pytest.skip("TEARSHEET_TEST_READERS is not set; tests/readers-requirements.txt says how to make its folder")
    together = tmp_path / "all.warc.gz"
    with together.open("wb") as warc:
        for _, bundle in packed.values():
            with zipfile.ZipFile(bundle.path) as file:
                warc.write(file.read("archive/data.warc.gz"))
    for tool in ("warcio", "fastwarc"):
        done = subprocess.run([f"{readers}/bin/{tool}", "check", together], capture_output=True, text=True, timeout=120)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "fail" not in done.stdout.lower(), done.stdout
