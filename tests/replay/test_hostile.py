"""Whatever an archived page tries while it is replayed, nothing leaves: not to the web, not to this machine."""

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.replay import replaying
from tests.capture.requisites.site import Answer, Site
from tests.replay.chromium import Chromium
from tests.replay.kit import Trap, bundle_of, hostile_page, settings_for, trap


@pytest.fixture
def browser(web: Trap) -> Iterator[Chromium]:
    """One of its own for each of these pages, which leave much behind."""
    with Chromium(f"--proxy-server=http://{web.pair}") as started:
        yield started


@pytest.fixture
def near() -> Iterator[Trap]:
    """A service of this machine that is nobody's business."""
    with trap() as made:
        yield made


@pytest.fixture
def hostile(near: Trap, tmp_path: Path) -> tuple[Path, str]:
    with Site({}) as site:
        page = hostile_page(near.pair, "away.example")
        site.answers["/hostile"] = Answer(page.encode(), "text/html; charset=utf-8")
        return bundle_of(tmp_path, site.url("/hostile"), how="page", pair=site.pair), site.url("/hostile")


@pytest.mark.parametrize("scripts", ["", "js_"], ids=["without-scripts", "with-scripts"])
def test_nothing_leaves_a_hostile_page(
    scripts: str, hostile: tuple[Path, str], near: Trap, web: Trap, browser: Chromium, tmp_path: Path
) -> None:
    path, url = hostile
    heard = len(web.heard)
    with replaying(path, settings_for(tmp_path)) as shown:
        address = re.sub(r"/$", f"/{path.name[:14]}{scripts}/{url}", shown.address)
        with browser.tab(address) as tab:
            time.sleep(11)  # the page has given up by then
            print([text for text in tab.said if "tried" in text], near.heard)
            assert tab.ask("location.href", where="self === top && document.title.endsWith('archived')") == address
    assert near.heard == []
    assert web.heard[heard:] == []


def test_the_traps_hear_the_same_page_where_nobody_keeps_it_in(near: Trap, web: Trap, browser: Chromium) -> None:
    heard = len(web.heard)
    with (
        Site(
            {"/hostile": Answer(hostile_page(near.pair, "away.example").encode(), "text/html; charset=utf-8")}
        ) as site,
        browser.tab(site.url("/hostile")),
    ):
        until = time.monotonic() + 30
        while not {"udp 20 bytes", "udp 1250 bytes"} <= {*near.heard}:  # STUN, QUIC
            assert time.monotonic() < until, near.heard
            time.sleep(0.2)
    assert {line.split("?")[0].split(" ")[2] for line in near.heard if line.startswith("tcp GET")} >= {
        "/fetch",
        "/a.css",
    }
    assert any("away.example" in line for line in web.heard[heard:])


SMALL = """<!doctype html><title>Small</title><p>Some text</p><script>
var port = "@PORT@", said = [];
function attempt(name, what) { try { what(); said.push(name); } catch (error) { said.push(name + " refused"); } }
attempt("fetch", function () { fetch("http://127.0.0.1:" + port + "/fetch").catch(function () {}); });
attempt("image", function () { new Image().src = "http://away.example/image"; });
attempt("socket", function () { new WebSocket("ws://127.0.0.1:" + port + "/socket"); });
attempt("rtc", function () { var peer = new RTCPeerConnection({ iceServers: [{ urls: "stun:127.0.0.1:" + port }] });
  peer.createDataChannel("x"); peer.createOffer().then(function (offer) { peer.setLocalDescription(offer); }); });
document.title = "Tried " + said.join(", ");
</script>"""


def test_in_the_viewer_of_another_maker_what_pages_try_does_not_leave_either(
    near: Trap, web: Trap, browser: Chromium, replaywebpage: Path, tmp_path: Path
) -> None:
    """Its own rewriting does most of it; WebRTC, which it lets through, is taken out by ours."""
    heard = len(web.heard)
    with Site({}) as site:
        site.answers["/small"] = Answer(SMALL.replace("@PORT@", str(near.port)).encode(), "text/html; charset=utf-8")
        url = site.url("/small")
        path = bundle_of(tmp_path, url, how="page", pair=site.pair)
        with (
            replaying(path, settings_for(tmp_path), viewer=replaywebpage) as shown,
            browser.tab(shown.address, again_s=10) as tab,
        ):
            there = f"location.href.endsWith('{url}') && document.title.startsWith('Tried')"
            assert tab.ask("document.title", where=there, wait_s=40) == "Tried fetch, image, socket, rtc refused"
            time.sleep(4)
    assert near.heard == []
    assert web.heard[heard:] == []
