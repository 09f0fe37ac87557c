"""Pages drawn in a real Chromium, from the URL to the bundle and back."""

import gzip
import json
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from warcio.archiveiterator import ArchiveIterator

from tasks.bundle.verify import is_sound, verify_file
from tasks.capture.browser import Browser
from tasks.demo import SITE
from tasks.errors import CaptureTransient, MissingPart
from tasks.outcome import Outcome
from tasks.pipeline import Tools, archive_page, open_tools
from tasks.records import Capture, VerdictKind
from tasks.retrieve import pull
from tasks.settings import Settings, config_dirs, load_settings
from tests.capture.requisites.site import Answer, Site

pytestmark = pytest.mark.skipif(not shutil.which("chromium"), reason="chromium is not installed")

STORY = (SITE / "library-roof.html").read_text()
TEXT = [
    "The ferry had run for ninety years before the bridge was opened on the third of May, and nobody wept for it.",
    "Its captain sold the bell to the school, where it rings at noon, and the hull went to a yard across the bay.",
    "This summer a society was founded that wants both of them back, and four hundred people came to its meeting.",
]
SHELL = """<!doctype html><html lang=en><head><title>Loading</title><link rel=stylesheet href=/a.css></head>
<body><div id=root></div><img src=/1.png alt=""><script src=/app.js></script></body></html>"""
SCRIPT = """
fetch('/story.json').then(answer => answer.json()).then(story => {
  document.title = story.title;
  document.querySelector('#root').innerHTML =
    `<article><h1>${story.title}</h1>` +
    `${story.paragraphs.map((p, n) => `<p class=line-${n}>${p}</p>`).join('')}</article>`;
});
fetch('/count', {method: 'POST', body: 'seen'}).catch(() => {});
"""
OVERLAY = '<div id=onetrust-consent-sdk style="position:fixed;inset:0;background:red"><button id={}>No</button></div>'
HTML = "text/html; charset=utf-8"
PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360f8cfc000000301010018dd8d"
    "b00000000049454e44ae426082"
)


def story(*paragraphs: str) -> Answer:
    return Answer(json.dumps({"title": "The last ferry", "paragraphs": paragraphs}).encode(), "application/json")


@pytest.fixture
def site() -> Iterator[Site]:
    answers = {
        "/": Answer(SHELL.encode(), HTML),
        "/app.js": Answer(SCRIPT.encode(), "text/javascript"),
        "/a.css": Answer(b"h1 { color: green }", "text/css"),
        "/1.png": Answer(PNG),
        "/story.json": story(*TEXT),
        "/whole": Answer(STORY.replace("</body>", "<script src=/app.js></script></body>").encode(), HTML),
        "/empty": Answer(b"<!doctype html><title>Nothing</title><p>Nothing to see.", HTML),
        "/overlay": Answer(STORY.replace("</body>", OVERLAY.format("no") + "</body>").encode(), HTML),
        "/refusable": Answer(
            STORY.replace("</body>", OVERLAY.format("onetrust-reject-all-handler") + "</body>").encode(), HTML
        ),
    }
    with Site(answers) as made:
        yield made


@pytest.fixture
def settings(site: Site, tmp_path: Path) -> Settings:
    return load_settings(
        environ={},
        store=str(tmp_path / "store"),
        cache=str(tmp_path / "cache"),
        allow=(site.pair,),
        robots_by_hand="ignore",
        mode="browser",
        browser_quiet_s=0.3,
    )


@pytest.fixture
def tools(settings: Settings) -> Iterator[Tools]:
    with open_tools(settings, config_dirs(environ={})) as made:
        yield made


def bundle_of(tools: Tools, outcome: Outcome) -> Path:
    assert outcome.ref, outcome.error
    return Path(tools.settings.store) / outcome.ref.key


def resources(bundle: Path) -> dict[str, bytes]:
    """The blocks of rendered.warc.gz by the name in their URN."""
    with zipfile.ZipFile(bundle) as archive, archive.open("archive/rendered.warc.gz") as warc:
        return {
            record.rec_headers.get_header("WARC-Target-URI").split(":")[1]: record.content_stream().read()
            for record in ArchiveIterator(warc)
            if record.rec_type == "resource"
        }


def provenance_of(bundle: Path) -> dict[str, Any]:
    table: dict[str, Any] = json.loads(zipfile.ZipFile(bundle).read("article/provenance.json"))
    return table


def test_what_a_script_draws_is_the_article_and_all_that_was_asked_for_is_in_the_bundle(
    tools: Tools, site: Site
) -> None:
    outcome = archive_page(site.url("/"), tools)

    assert (outcome.kind, outcome.source, outcome.title) == ("ok", "dom", "The last ferry")
    assert all(paragraph in outcome.text for paragraph in TEXT)
    bundle = bundle_of(tools, outcome)
    assert is_sound(verify_file(bundle))
    found = resources(bundle)
    assert list(found) == ["dom", "view", "thumbnail"]
    assert TEXT[0].encode() in found["dom"]
    assert (found["view"][:4], found["thumbnail"][8:12]) == (b"\x89PNG", b"WEBP")
    capture = provenance_of(bundle)["capture"]
    asked = {one["url"].removeprefix(site.url("")) for one in capture["exchanges"]}
    assert asked >= {"/", "/a.css", "/1.png", "/app.js", "/story.json"}
    assert capture["rendered"]["refused"] == [{"url": site.url("/count"), "reason": "method-post"}]
    assert "/count" not in site.paths()
    assert site.paths().count("/") == 1


def test_the_article_is_read_from_the_html_where_the_dom_has_no_more_of_it(tools: Tools, site: Site) -> None:
    outcome = archive_page(site.url("/whole"), tools)
    assert (outcome.kind, outcome.mode, outcome.source) == ("ok", "browser", "page")


def test_auto_draws_only_what_has_scripts_and_no_article(settings: Settings, site: Site) -> None:
    with open_tools(replace(settings, mode="auto"), config_dirs(environ={})) as tools:
        assert archive_page(site.url("/whole"), tools).mode == "requisites"
        assert archive_page(site.url("/empty"), tools).kind == "thin"
        assert tools.browser
        assert tools.browser.processes() == []  # nothing was drawn so far
        drawn = archive_page(site.url("/"), tools)
    assert (drawn.kind, drawn.mode, drawn.source) == ("ok", "browser", "dom")


def test_the_same_html_that_draws_another_text_is_a_new_version(tools: Tools, site: Site) -> None:
    first = archive_page(site.url("/"), tools)
    again = archive_page(site.url("/"), tools)
    site.answers["/story.json"] = story(
        *TEXT, "The bell has come back since, and rings on Sundays beside the new pier."
    )
    changed = archive_page(site.url("/"), tools)

    assert (first.kind, again.kind, changed.kind) == ("ok", "unchanged", "ok")
    assert (first.version, again.version, changed.version) == (1, 1, 2)
    seen = Path(tools.settings.store) / again.observation.replace(".json", ".warc.gz")
    with seen.open("rb") as warc:
        kept = {record.rec_headers.get_header("WARC-Target-URI") for record in ArchiveIterator(warc)}
    assert site.url("/story.json") in kept  # what its text came from, not its pictures
    assert site.url("/1.png") not in kept


def test_a_changed_screenshot_or_dom_is_found_with_all_hashes_right(tools: Tools, site: Site, tmp_path: Path) -> None:
    from tests.bundle.forge import codes, members, rewrite

    bundle = bundle_of(tools, archive_page(site.url("/"), tools))
    provenance = members(bundle)["article/provenance.json"]
    for old, new in (
        (b"urn:view:", b"urn:dome:"),
        (b'"refused": [', b'"refused": "["+['),
        (b'"media_type": "image/png"', b'"media_type": "image/gif"'),
    ):
        forged = rewrite(bundle, tmp_path / "forged.wacz", {"article/provenance.json": provenance.replace(old, new)})
        assert codes(forged) & {"derived-mismatch", "derived-broken"}, old
    metadata = members(bundle)["article/metadata.json"]
    forged = rewrite(
        bundle,
        tmp_path / "forged.wacz",
        {"article/metadata.json": metadata.replace(b'"source": "dom"', b'"source": "page"')},
    )
    assert "derived-mismatch" in codes(forged)


def test_cleaning_anew_takes_over_what_the_browser_made(tools: Tools, site: Site, tmp_path: Path) -> None:
    outcome = archive_page(site.url("/"), tools)
    rules = tmp_path / "config" / "rules"
    rules.mkdir(parents=True)
    (rules / "mine.toml").write_text(
        '[[rule]]\nid = "mine-last"\nconcept = "promo"\nselector = ".line-2"\nwhy = "a test"\n'
    )
    done = tearsheet("reclean", str(outcome.ref and outcome.ref.id), "--json", tools=tools, config=rules.parent)
    assert done.returncode == 0, done.stderr + done.stdout
    new = json.loads(done.stdout.splitlines()[0])["new_id"]
    derived = next(Path(tools.settings.store).glob(f"v1/bundles/*/*/*/{new}.wacz"))

    assert is_sound(verify_file(derived))
    assert resources(derived) == resources(bundle_of(tools, outcome))
    assert json.loads(zipfile.ZipFile(derived).read("article/metadata.json"))["source"] == "dom"
    explained = tearsheet("explain", new, tools=tools)
    assert "ferry" in explained.stdout, explained.stderr


def tearsheet(*args: str, tools: Tools, config: Path | None = None, **env: str) -> subprocess.CompletedProcess[str]:
    settings = tools.settings
    named = {"TEARSHEET_CONFIG": str(config)} if config else {}
    environ = {**os.environ, "TEARSHEET_STORE": settings.store, "TEARSHEET_ALLOW": settings.allow[0], **named, **env}
    command = [sys.executable, "-m", "flows.cli", *args]
    return subprocess.run(command, env=environ, capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("path", "how", "done"),
    [
        ("/overlay", "keep", ()),
        ("/overlay", "hide", ("onetrust-hidden",)),
        ("/overlay", "click", ()),
        ("/refusable", "click", ("onetrust-clicked",)),
        ("/whole", "hide", ()),
    ],
)
def test_consent_overlays_are_touched_only_as_the_settings_say_and_that_is_recorded(
    settings: Settings, site: Site, path: str, how: str, done: tuple[str, ...]
) -> None:
    with open_tools(replace(settings, browser_overlays=how), config_dirs(environ={})) as tools:
        outcome = archive_page(site.url(path), tools)
        found = resources(bundle_of(tools, outcome))
    assert outcome.rendered
    assert outcome.rendered.overlays == done
    if path != "/whole":
        assert b"onetrust-consent-sdk" in found["dom"]
        assert (b"display: none" in found["dom"]) is False  # the DOM is kept as it was


@pytest.mark.parametrize("code", ["browser-crashed", "browser-hung"])
def test_a_page_that_no_browser_can_show_is_kept_and_says_so(
    tools: Tools, site: Site, monkeypatch: pytest.MonkeyPatch, code: str
) -> None:
    def fails(self: Browser, capture: Capture, recorder: object, *, lead_on: bool) -> Capture:
        raise CaptureTransient("it did not", where=capture.url, code=code)

    monkeypatch.setattr(Browser, "visit", fails)
    outcome = archive_page(site.url("/whole"), tools)

    assert outcome.verdict
    assert outcome.verdict.kind is VerdictKind.PARTIAL
    assert code in outcome.verdict.reasons
    assert outcome.mode == "requisites"
    bundle = bundle_of(tools, outcome)
    assert is_sound(verify_file(bundle))
    assert provenance_of(bundle)["capture"]["not_rendered"] == code


def test_without_a_browser_the_mode_is_refused_before_anything_is_fetched(settings: Settings, site: Site) -> None:
    missing = replace(settings, chromium="no-such-browser")
    with pytest.raises(MissingPart, match="no-such-browser"), open_tools(missing, config_dirs(environ={})):
        pass
    with open_tools(replace(missing, mode="auto"), config_dirs(environ={})) as tools:
        outcome = archive_page(site.url("/"), tools)
    assert outcome.kind == "thin"
    assert outcome.ref


def test_a_wall_is_not_drawn(tools: Tools, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    site.answers["/wall"] = Answer(b"<html><title>No</title><script src=/app.js></script>", HTML, 403)
    outcome = archive_page(site.url("/wall"), tools)
    assert not outcome.good
    assert outcome.rendered is None
    assert "/app.js" not in site.paths()


LEAVES = "<script>location.href = '/whole'</script>"


def test_a_page_without_an_article_is_followed_where_its_script_leads(tools: Tools, site: Site) -> None:
    site.answers["/stub"] = Answer(f"<!doctype html><title>Moved</title>{LEAVES}<p>Wait.".encode(), HTML)
    outcome = archive_page(site.url("/stub"), tools)
    assert (outcome.kind, outcome.final_url) == ("ok", site.url("/whole"))
    assert "librarians" in outcome.text
    assert is_sound(verify_file(bundle_of(tools, outcome)))


def test_a_page_with_an_article_is_never_left(tools: Tools, site: Site) -> None:
    """Its script would end the parsing: what stands behind it is seen without scripts."""
    site.answers["/leaves"] = Answer(STORY.replace("<body", f"{LEAVES}<body").encode(), HTML)
    outcome = archive_page(site.url("/leaves"), tools)
    assert outcome.final_url == site.url("/leaves")
    assert outcome.rendered
    assert outcome.rendered.flags == ("led-away-scripts-off",)
    assert [(one.url, one.reason) for one in outcome.rendered.refused] == [(site.url("/whole"), "another-page")]
    assert b"librarians" in resources(bundle_of(tools, outcome))["dom"]
    assert "/whole" not in site.paths()


def test_a_page_that_leads_round_in_a_circle_ends(tools: Tools, site: Site) -> None:
    site.answers["/a"] = Answer(b"<!doctype html><title>a</title><script>location.href = '/b'</script>", HTML)
    site.answers["/b"] = Answer(b"<!doctype html><title>b</title><script>location.href = '/a'</script>", HTML)
    outcome = archive_page(site.url("/a"), tools)
    assert outcome.kind == "thin"
    assert site.paths().count("/a") == site.paths().count("/b") == 1


def test_what_the_page_got_cut_is_named_although_the_wire_has_it_whole(settings: Settings, site: Site) -> None:
    big = gzip.compress(b"// " + b"x" * 400_000)
    site.answers["/big.js"] = Answer(big, "text/javascript", headers={"Content-Encoding": "gzip"})
    site.answers["/cut"] = Answer(STORY.replace("</body>", "<script src=/big.js></script></body>").encode(), HTML)
    with open_tools(replace(settings, requisite_bytes=100_000), config_dirs(environ={})) as tools:
        outcome = archive_page(site.url("/cut"), tools)
    assert outcome.requisites
    assert [(one.url, one.reason) for one in outcome.requisites.missing] == [
        (site.url("/big.js"), "decoded-over-limit")
    ]
    with open_tools(settings, config_dirs(environ={})) as tools:
        whole = archive_page(site.url("/cut"), tools, force=True)
    assert whole.requisites
    assert whole.requisites.missing == ()


def test_a_pulled_copy_has_the_pictures_as_files_and_not_the_dom(tools: Tools, site: Site, tmp_path: Path) -> None:
    outcome = archive_page(site.url("/"), tools)
    assert outcome.ref
    pulled = pull(tools.store, outcome.ref.id, tmp_path / "out")
    found = resources(bundle_of(tools, outcome))
    assert (pulled.folder / "screenshot.png").read_bytes() == found["view"]
    assert (pulled.folder / "thumbnail.webp").read_bytes() == found["thumbnail"]
    assert not [path for path in pulled.files if found["dom"] == path.read_bytes()]


def test_the_command_line_names_screenshot_and_what_was_refused(tools: Tools, site: Site) -> None:
    done = tearsheet("archive", site.url("/"), "--mode", "browser", tools=tools)
    assert done.returncode == 0, done.stderr
    assert "drawn by Chrome/" in done.stdout
    assert "1 request refused" in done.stdout
    named = tearsheet("archive", site.url("/"), "--mode", "browser", tools=tools, TEARSHEET_CHROMIUM="/no/such")
    assert named.returncode == 1
    assert "apt install chromium" in named.stderr
