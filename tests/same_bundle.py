"""Packs the demo's page as if captured at one fixed moment and prints the bundle's id: a run must not change it."""

import tempfile
from datetime import UTC, datetime
from pathlib import Path

from tasks.capture.fetch import Recorder
from tasks.catalog import open_catalog
from tasks.clean import load_rules
from tasks.demo import SITE
from tasks.outbox import Outbox
from tasks.pipeline import Tools, clean_stage, compare_stage, pack_stage
from tasks.records import Capture, Exchange
from tasks.settings import config_dirs, load_settings
from tasks.store import open_store
from tasks.versioning import History
from tests.bundle.samples import MemoryBody, digest

html = (SITE / "library-roof.html").read_bytes()
head = b"HTTP/1.1 200 OK\r\nContent-Type: text/html; charset=utf-8\r\nContent-Length: %d\r\n\r\n" % len(html)
exchange = Exchange(
    url="http://news.example/library-roof.html",
    started_at=datetime(2026, 3, 14, 7, 30, tzinfo=UTC),
    request=b"GET /library-roof.html HTTP/1.1\r\nHost: news.example\r\n\r\n",
    response_head=head,
    body=MemoryBody(html),
    status=200,
    headers=(("content-type", "text/html; charset=utf-8"), ("content-length", str(len(html)))),
    ip="192.0.2.1",
    block_digest=digest(head + html),
    payload_digest=digest(html),
    payload_size=len(html),
)
capture = Capture(exchange.url, (exchange,), "Tearsheet")
settings = load_settings(environ={})
with tempfile.TemporaryDirectory() as folder, Recorder(settings) as recorder:
    store = open_store(folder, settings)
    tools = Tools(
        settings,
        recorder,
        load_rules(config_dirs(environ={})),
        store,
        Path(folder),
        History(store, lambda: open_catalog(store, settings)),
        Outbox(settings),
    )
    compared = compare_stage(capture, clean_stage(capture, tools), tools, False)
    print(pack_stage(capture, compared, tools).sha256)
