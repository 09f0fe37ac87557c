"""Pages of our own, bundles of them made in each way, and traps that hear whatever leaves."""

import contextlib
import dataclasses
import socket
import struct
import threading
import zlib
from collections.abc import Iterator
from pathlib import Path

from tasks.pipeline import (
    archive_page,
    capture_stage,
    clean_stage,
    compare_stage,
    open_tools,
    pack_stage,
    store_stage,
    verify_stage,
)
from tasks.settings import Settings, config_dirs, load_settings
from tests.capture.requisites.site import Answer
from tests.replay.font import make_font

MODES = ("page", "requisites", "browser")  # of `archive`, that bundles are made in
RECORDED = "recorded"  # the page with all that its scripts ask for, by the same recorder


def png(red: int, green: int, blue: int, *, side: int = 16) -> bytes:
    """A picture of one colour."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    rows = (b"\0" + bytes((red, green, blue)) * side) * side
    head = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


PROSE = "".join(
    f"<p>On day {number} the harbour was quiet, and the keeper of the lamp wrote into the book what he had seen of the "
    "ships, the weather and the birds, as he had done on every evening of the eleven years before this one.</p>"
    for number in range(1, 6)
)
STORY = f"""<!doctype html><html lang=en><head><meta charset=utf-8><title>The keeper’s book</title>
<link rel=stylesheet href="/look/main.css"><link rel=icon href=/icon.png>
<style>.inline {{ background: url("/bg-inline.png") }}</style></head>
<body class=inline><article><h1>The keeper’s book</h1>
<img id=plain src="/one.png" alt=""><img id=set srcset="/two.png 1x, /three.png 2x" alt="">
<picture><source srcset="two.png" type=image/png><img id=picture src=/one.png alt=""></picture>
<img id=lazy data-src="/four.png" alt="">{PROSE}
<p style="background: url('/bg-attribute.png')">The <b class=own>AAA</b> stands there in a script of its own.</p>
</article><a id=other href="/elsewhere">Elsewhere</a></body></html>"""
MAIN_CSS = """@import "more.css"; /* url(never.png) */
@font-face { font-family: Own; src: url(../own.ttf) format("truetype") }
.own { font-family: Own } h1 { background-image: image-set("../bg-set.png" 1x) }"""
DRAWN = """<!doctype html><html lang=en><head><meta charset=utf-8><title>loading</title></head><body><article id=story>
<h1>Loading</h1></article><script src="/draw.js"></script></body></html>"""
DRAW_JS = """
localStorage.setItem("seen", "1"); document.cookie = "seen=1";
fetch("/story.json").then((answer) => answer.json()).then((story) => {
  document.title = story.title;
  const place = document.querySelector("#story");
  place.innerHTML = "<h1>" + story.title + "</h1>" + story.text;
  for (const url of story.pictures) { const one = new Image(); one.src = url; place.append(one); }
  const byAttribute = document.createElement("img");
  byAttribute.setAttribute("src", "./one.png");
  place.append(byAttribute);
  const request = new XMLHttpRequest();
  request.open("GET", "more.txt");
  request.onload = () => { place.append(request.responseText); document.body.dataset.drawn = "1"; };
  request.send();
});
"""


def answers(pair: str) -> dict[str, Answer]:
    """What the site of a host and port answers."""
    import json

    pictures = ["/one.png", f"http://{pair}/two.png", f"//{pair}/three.png"]
    story = {"title": "Drawn by script", "text": PROSE, "pictures": pictures}
    page = "text/html; charset=utf-8"
    colours = ("one", "two", "three", "four", "icon", "bg-inline", "bg-attribute", "bg-set", "bg-more")
    return {
        "/story": Answer(STORY.encode(), page),
        "/drawn": Answer(DRAWN.encode(), page),
        "/look/main.css": Answer(MAIN_CSS.encode(), "text/css"),
        "/look/more.css": Answer(b"article { background: url(../bg-more.png) }", "text/css"),
        "/own.ttf": Answer(make_font("Own"), "font/ttf"),
        "/draw.js": Answer(DRAW_JS.encode(), "text/javascript"),
        "/story.json": Answer(json.dumps(story).encode(), "application/json"),
        "/more.txt": Answer(b"And so it ends.", "text/plain"),
        **{f"/{name}.png": Answer(png(40 * at % 256, 90, 200)) for at, name in enumerate(colours)},
    }


def settings_for(folder: Path, *pairs: str, mode: str = "requisites") -> Settings:
    """A store and all else below `folder`; only these hosts may be asked."""
    return load_settings(
        environ={},
        store=str(folder / "store"),
        cache=str(folder / "cache"),
        outbox=str(folder / "outbox"),
        allow=pairs,
        mode=mode,
        robots_by_hand="ignore",
        host_interval_s=0.0,
    )


def bundle_of(folder: Path, url: str, *, how: str, pair: str, more: tuple[str, ...] = ()) -> Path:
    """The stored bundle of a page: archived in a mode, or recorded with `more` URLs beside the page."""
    if how != RECORDED:
        with open_tools(settings_for(folder, pair, mode=how), config_dirs(environ={})) as tools:
            outcome = archive_page(url, tools, force=True)
        assert outcome.ref, outcome
        return folder / "store" / outcome.ref.key
    with open_tools(settings_for(folder, pair), config_dirs(environ={})) as tools:
        capture = capture_stage(url, tools)
        beside = [exchange for other in more for exchange in tools.recorder.follow(other, [])]
        with contextlib.closing(dataclasses.replace(capture, beside=tuple(beside))) as whole:
            compared = compare_stage(whole, clean_stage(whole, tools), tools, True)
            bundle = pack_stage(whole, compared, tools)
            assert verify_stage(bundle) == ()
            return folder / "store" / store_stage(bundle, tools).key


_MAKERS = ("accounts.google.com", "clients2.google.com", "update.googleapis.com")


class Trap:
    """Listens on a TCP and a UDP port of loopback and says nothing; `heard` is what came."""

    def __init__(self) -> None:
        self._heard: list[str] = []
        self._tcp = socket.create_server(("127.0.0.1", 0))
        self.port = int(self._tcp.getsockname()[1])
        self.pair = f"127.0.0.1:{self.port}"
        self._udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._udp.bind(("127.0.0.1", self.port))
        self._stopped = False
        self._threads = [threading.Thread(target=listen, daemon=True) for listen in (self._hear_tcp, self._hear_udp)]

    @property
    def heard(self) -> list[str]:
        """The first line of all that came, but for what the browser asks of its maker whatever page it shows."""
        return [line for line in self._heard if not any(f"{host}{end}" in line for host in _MAKERS for end in ":/")]

    def __enter__(self) -> "Trap":
        for sock in (self._tcp, self._udp):
            sock.settimeout(0.1)
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stopped = True
        for thread in self._threads:
            thread.join()
        self._tcp.close()
        self._udp.close()

    def _hear_tcp(self) -> None:
        while not self._stopped:
            with contextlib.suppress(TimeoutError):  # nothing came meanwhile
                connection, _ = self._tcp.accept()
                self._threads.append(threading.Thread(target=self._hear_one, args=(connection,), daemon=True))
                self._threads[-1].start()

    def _hear_one(self, connection: socket.socket) -> None:
        with connection, contextlib.suppress(OSError):
            connection.settimeout(0.5)
            self._heard.append("tcp " + connection.recv(300).split(b"\r\n")[0].decode("latin-1"))

    def _hear_udp(self) -> None:
        while not self._stopped:
            with contextlib.suppress(TimeoutError):
                self._heard.append(f"udp {len(self._udp.recv(2000))} bytes")


@contextlib.contextmanager
def trap() -> Iterator[Trap]:
    """A trap for one test."""
    with Trap() as made:
        yield made


def hostile_page(pair: str, away: str) -> str:
    """A page that tries every way out: to a port of loopback that is nobody's business, and to a host elsewhere."""
    page = Path(__file__).with_name("hostile.html").read_text(encoding="utf-8")
    return page.replace("@HERE@", f"http://{pair}").replace("@THERE@", f"http://{away}")
