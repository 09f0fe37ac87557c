"""Two servers on loopback: who may ask them, what they say, and that archived content stays on the second one."""

import http.client
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tasks.errors import NotFound, PermanentError
from tasks.replay import Replaying, replaying
from tests.capture.requisites.site import Answer, Site
from tests.replay.kit import STORY, answers, bundle_of, settings_for

ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str, Path]:
    """A bundle, the URL of its page, and the folder of its store."""
    folder = tmp_path_factory.mktemp("made")
    with Site({}) as site:
        site.answers.update(answers(site.pair))
        site.answers["/story"] = Answer(
            STORY.replace("<title>The", "<title><script>alert(1)</script>The").encode("windows-1252"),
            "text/html; charset=windows-1252",
            headers={"Set-Cookie": "a=b", "Link": "</x>; rel=preload", "Content-Security-Policy": "default-src 'none'"},
        )
        return bundle_of(folder, site.url("/story"), how="requisites", pair=site.pair), site.url("/story"), folder


@pytest.fixture
def shown(made: tuple[Path, str, Path], tmp_path: Path) -> Iterator[Replaying]:
    with replaying(made[0], settings_for(tmp_path)) as replayed:
        yield replayed


def ask(
    url: str, *, method: str = "GET", headers: Mapping[str, str] | None = None
) -> tuple[int, dict[str, str], bytes]:
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=10)
    try:
        connection.request(method, parts._replace(scheme="", netloc="").geturl(), headers=dict(headers or {}))
        answer = connection.getresponse()
        return answer.status, {name.lower(): value for name, value in answer.getheaders()}, answer.read()
    finally:
        connection.close()


def test_the_page_is_on_another_origin_than_ours_in_a_sandbox_and_loads_from_there_alone(shown: Replaying) -> None:
    assert urlsplit(shown.address).netloc != urlsplit(shown.content).netloc
    status, headers, body = ask(shown.content)
    policy = headers["content-security-policy"]
    assert status == 200
    assert policy.endswith("; sandbox")
    assert "script-src 'none'" in policy
    assert set(re.findall(r"https?://\S+?(?=[ ;])", policy)) == {f"http://{urlsplit(shown.content).netloc}"}
    assert b' sandbox="allow-scripts"' in ask(shown.address)[2]
    assert b"book" in body
    assert headers["content-type"] == "text/html; charset=utf-8"
    assert "keeper’s" in body.decode()


def test_headers_of_the_archived_answer_that_do_things_are_not_given(shown: Replaying) -> None:
    _, headers, _ = ask(shown.content)
    assert {"set-cookie", "link"} & {*headers} == set()


def test_scripts_run_in_a_page_only_where_its_place_says_so_and_in_nothing_else(shown: Replaying) -> None:
    stamp = shown.content.split("/")[4]
    scripted = shown.content.replace(stamp, f"{stamp}js_")
    assert "sandbox allow-scripts" in ask(scripted)[1]["content-security-policy"]
    assert ask(scripted)[2].index(b"<script>(function replay(") < ask(scripted)[2].index(b"<meta")
    picture = scripted.replace("/story", "/one.png")
    assert ask(picture)[0] == 200
    assert ask(picture)[1]["content-security-policy"].endswith("; sandbox")


@pytest.mark.parametrize("host", ["evil.example", "localhost:@", "127.0.0.1", "127.0.0.1:1", "[::1]:@"])
def test_who_asks_for_another_host_gets_nothing_from_either_server(shown: Replaying, host: str) -> None:
    for url in (shown.address, shown.content):
        named = host.replace("@", str(urlsplit(url).port))
        status, _, body = ask(url, headers={"Host": named})
        assert (status, body) == (403, b"wrong host\n")


def test_without_the_secret_nothing_is_there(shown: Replaying) -> None:
    for url in (shown.address, shown.content):
        token = urlsplit(url).path.split("/")[1]
        for other in (url.replace(token, "x" * len(token)), url.replace(f"/{token}", ""), url.split(token)[0]):
            assert ask(other)[0] == 404
            assert "access-control-allow-origin" not in ask(other)[1]


def test_a_page_opened_by_itself_is_sent_into_the_frame(shown: Replaying) -> None:
    status, headers, _ = ask(shown.content, headers={"Sec-Fetch-Dest": "document"})
    assert status == 302
    assert headers["location"].startswith(f"http://{urlsplit(shown.address).netloc}/")
    status, _, body = ask(headers["location"])
    assert status == 200
    assert f'src="{shown.content}"'.encode() in body


def test_the_frame_says_what_it_is_and_runs_nothing_of_the_page(shown: Replaying) -> None:
    _, headers, body = ask(shown.address)
    text = body.decode()
    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "frame-ancestors 'none'" in headers["content-security-policy"]
    assert "<script" not in text
    assert all(part in text for part in (shown.id, shown.url, "verdict <strong>", "clean article", "/one.png</a>"))


def test_what_the_bundle_lacks_is_said_and_not_fetched(shown: Replaying) -> None:
    status, headers, body = ask(shown.content.replace("/story", "/<b>else"))
    assert status == 404
    assert b"Not in this bundle" in body
    assert b"<b>" not in body
    assert headers["content-security-policy"].endswith("; sandbox")


def test_a_reference_without_a_place_is_told_by_the_page_that_made_it(shown: Replaying) -> None:
    origin = f"http://{urlsplit(shown.content).netloc}"
    status, headers, _ = ask(f"{origin}/one.png", headers={"Referer": shown.content})
    assert (status, headers["location"]) == (307, urlsplit(shown.content).path.replace("/story", "/one.png"))
    assert ask(f"{origin}/one.png", headers={"Referer": shown.content.replace(origin, "http://evil.example")})[0] == 404


def test_ranges_and_heads_are_answered(shown: Replaying) -> None:
    picture = shown.content.replace("/story", "/one.png")
    whole = ask(picture)[2]
    assert ask(picture, headers={"Range": "bytes=1-3"})[::2] == (206, whole[1:4])
    assert ask(picture, headers={"Range": "bytes=-4"})[::2] == (206, whole[-4:])
    assert ask(picture, headers={"Range": f"bytes={len(whole)}-"})[0] == 416
    status, headers, body = ask(picture, method="HEAD")
    assert (status, headers["content-length"], body) == (200, str(len(whole)), b"")
    assert ask(picture, method="POST")[0] == 501


def test_a_redirect_leads_to_the_place_of_its_target(tmp_path: Path) -> None:
    with Site({"/new": Answer(STORY.encode(), "text/html")}) as site:
        site.answers["/old"] = Answer(b"", "text/html", 301, {"Location": site.url("/new")})
        path = bundle_of(tmp_path, site.url("/old"), how="page", pair=site.pair)
        with replaying(path, settings_for(tmp_path)) as shown:
            assert shown.url == site.url("/new")
            status, headers, _ = ask(shown.content.replace("/new", "/old"))
            assert (status, headers["location"]) == (301, urlsplit(shown.content).path)


def test_a_port_that_is_taken_is_named(made: tuple[Path, str, Path], tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        with (
            pytest.raises(PermanentError, match=f"port {port}: cannot listen"),
            replaying(made[0], settings_for(tmp_path), port=port),
        ):
            pass


def test_a_folder_without_the_viewer_is_named(made: tuple[Path, str, Path], tmp_path: Path) -> None:
    (tmp_path / "ui.js").touch()
    with (
        pytest.raises(NotFound, match=r"no sw\.js of ReplayWeb\.page"),
        replaying(made[0], settings_for(tmp_path), viewer=tmp_path),
    ):
        pass


def test_the_viewer_is_served_beside_the_bundle_with_ranges(made: tuple[Path, str, Path], tmp_path: Path) -> None:
    for name in ("ui.js", "sw.js", "secret.txt"):
        (tmp_path / name).write_text(f"// {name}")
    with replaying(made[0], settings_for(tmp_path), viewer=tmp_path) as shown:
        status, headers, body = ask(shown.content)
        assert status == 200
        assert f'url="{made[1]}"'.encode() in body
        assert "connect-src" not in headers["content-security-policy"]  # so default-src holds: this server alone
        assert headers["content-security-policy"].startswith(f"default-src http://{urlsplit(shown.content).netloc} ")
        assert ask(f"{shown.content}replay/viewer.js")[2] == b"// sw.js"
        assert b'importScripts("viewer.js")' in ask(f"{shown.content}replay/sw.js")[2]
        assert ask(f"{shown.content}{shown.id}.wacz", headers={"Range": "bytes=0-3"})[2] == b"PK\x03\x04"
        for name in ("secret.txt", "replay/secret.txt", "replay/../secret.txt", "..%2fsecret.txt", "replay/"):
            assert ask(f"{shown.content}{name}")[0] == 404


# ------------------------------------------------------------------ the command
def command(made: tuple[Path, str, Path], *args: str) -> list[str]:
    return [sys.executable, "-m", "flows.cli", "replay", made[1], "--store", str(made[2] / "store"), "--no-open", *args]


def environment(tmp_path: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith("TEARSHEET_")}
    return kept | {"XDG_CACHE_HOME": str(tmp_path / "cache"), "PYTHONPATH": str(ROOT)}


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGTERM])
def test_the_command_serves_the_newest_bundle_until_it_is_stopped(
    made: tuple[Path, str, Path], tmp_path: Path, how: signal.Signals
) -> None:
    with subprocess.Popen(
        command(made, "--json"), env=environment(tmp_path), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE
    ) as process:
        try:
            assert process.stdout
            row = json.loads(process.stdout.readline())
            assert row["url"] == made[1]
            assert ask(row["content"])[0] == 200
            process.send_signal(how)
            assert process.wait(20) == 0
        finally:
            process.kill()
    with pytest.raises(OSError):
        ask(row["content"])


def test_a_bundle_that_is_not_sound_is_not_shown(made: tuple[Path, str, Path], tmp_path: Path) -> None:
    copy = tmp_path / "store"
    shutil.copytree(made[2] / "store", copy)
    (bundle,) = copy.rglob("*.wacz")
    data = bytearray(bundle.read_bytes())
    data[len(data) // 2] ^= 1
    bundle.chmod(0o644)
    bundle.write_bytes(data)
    done = subprocess.run(
        command((bundle, made[1], tmp_path)),
        env=environment(tmp_path),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stdout == ""
    assert "sha256:" in done.stderr
