"""Bundles replay in a real browser: by pywb, ReplayWeb.page and `tearsheet replay`. No live server is asked."""

import contextlib
import gzip
import html
import re
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tasks.replay import replaying
from tasks.replay.holdings import Holdings
from tests.bundle.test_independent_readers import run, wayback
from tests.capture.requisites.site import Answer, Site
from tests.replay.chromium import Chromium, Tab
from tests.replay.kit import MODES, RECORDED, Trap, answers, bundle_of, settings_for

VIEWERS = ("tearsheet", "replaywebpage", "pywb")
# The service worker of ReplayWeb.page now and then hangs while it starts; its users reload the page then.
AGAIN_S = {"tearsheet": 0, "replaywebpage": 10, "pywb": 0}
Shown = Callable[[str, Path, str], contextlib.AbstractContextManager[str]]


@pytest.fixture(scope="module")
def site() -> Iterator[Site]:
    """The live server: it goes on serving while its pages are replayed."""
    with Site({}) as made:
        made.answers.update(answers(made.pair))
        yield made


@pytest.fixture(scope="module")
def bundle(site: Site, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Path]:
    """The bundle of a page of the site, made once in each way."""
    made: dict[tuple[str, str], Path] = {}

    def of(path: str, how: str) -> Path:
        if (path, how) not in made:
            more = tuple(site.url(name) for name in site.answers if name not in ("/story", "/drawn"))
            folder = tmp_path_factory.mktemp("made")
            made[path, how] = bundle_of(folder, site.url(path), how=how, pair=site.pair, more=more)
        return made[path, how]

    return of


@pytest.fixture
def shown(request: pytest.FixtureRequest, tmp_path: Path) -> Shown:
    """The address at which a viewer shows a bundle's page."""

    @contextlib.contextmanager
    def by(viewer: str, path: Path, url: str) -> Iterator[str]:
        if viewer == "pywb":
            readers = request.getfixturevalue("readers")
            assert run(readers / "wb-manager", "init", "held", cwd=tmp_path).returncode == 0
            done = run(readers / "wb-manager", "add", "held", "--unpack-wacz", path, cwd=tmp_path)
            assert done.returncode == 0, done.stdout + done.stderr
            with wayback(readers, tmp_path) as base:
                yield f"{base}/held/{path.name[:14]}mp_/{url}"
        else:
            folder = request.getfixturevalue("replaywebpage") if viewer == "replaywebpage" else None
            with replaying(path, settings_for(tmp_path), viewer=folder) as replayed:
                yield replayed.address

    return by


@contextlib.contextmanager
def nothing_live(site: Site, web: Trap) -> Iterator[None]:
    """Neither the live server nor any other host is asked anything meanwhile."""
    asked, heard = len(site.asked), len(web.heard)
    yield
    assert site.paths()[asked:] == []
    assert web.heard[heard:] == []


def page_of(url: str) -> str:
    """In JavaScript: whether a frame is the archived page, with all that it loads."""
    inner = 'location.href.includes("mp_/") || self !== top'
    return f'location.href.endsWith("{url}") && ({inner}) && document.readyState === "complete"'


LOADED = """JSON.stringify([...document.images].map((one) => [one.id, one.naturalWidth]))"""


def settled(tab: Tab, url: str, condition: str) -> bool:
    """Whether a condition comes to hold in the archived page."""
    with contextlib.suppress(AssertionError):
        return bool(tab.ask("true", where=f"{page_of(url)} && ({condition})", wait_s=30))
    return False


@pytest.mark.parametrize("how", [*MODES, RECORDED])
@pytest.mark.parametrize("viewer", VIEWERS)
def test_a_static_page_replays(
    viewer: str, how: str, shown: Shown, bundle: Callable[[str, str], Path], browser: Chromium, site: Site, web: Trap
) -> None:
    url, path = site.url("/story"), bundle("/story", how)
    with (
        nothing_live(site, web),
        shown(viewer, path, url) as address,
        browser.tab(address, again_s=AGAIN_S[viewer]) as tab,
    ):
        assert tab.ask("document.title", where=page_of(url)) == "The keeper’s book"
        text = tab.ask("document.body.innerText", where=page_of(url))
        assert text.count("the keeper of the lamp") == 5
        pictures = "['plain', 'set', 'picture'].every((id) => document.getElementById(id).naturalWidth === 16)"
        fonts = "[...document.fonts].some((one) => one.family.includes('Own') && one.status === 'loaded')"
        whole = how != "page"
        assert settled(tab, url, pictures) if whole else not tab.ask(pictures, where=page_of(url)), tab.said
        assert settled(tab, url, fonts) if whole else not tab.ask(fonts, where=page_of(url)), tab.said
        if viewer == "tearsheet" and how in ("requisites", RECORDED):
            lazy = "document.getElementById('lazy').naturalWidth === 16"
            assert settled(tab, url, lazy), "what a lazy loader would show is shown without scripts"


@pytest.mark.parametrize("how", [RECORDED, "browser"])
@pytest.mark.parametrize("viewer", VIEWERS)
def test_a_page_drawn_by_scripts_replays(
    viewer: str, how: str, shown: Shown, bundle: Callable[[str, str], Path], browser: Chromium, site: Site, web: Trap
) -> None:
    url, path = site.url("/drawn"), bundle("/drawn", how)
    with nothing_live(site, web), shown(viewer, path, url) as address:
        addresses = [address] if viewer != "tearsheet" or how == "browser" else []
        if viewer == "tearsheet":  # as the link "page with scripts" does
            addresses.append(re.sub(r"/$", f"/{path.name[:14]}js_/{url}", address))
        for one in addresses:
            with browser.tab(one, again_s=AGAIN_S[viewer]) as tab:
                check_drawn(tab, url)


def check_drawn(tab: Tab, url: str) -> None:
    assert settled(tab, url, "document.body.dataset.drawn === '1'"), tab.said
    assert tab.ask("document.title", where=page_of(url)) == "Drawn by script"
    text = tab.ask("document.body.innerText", where=page_of(url))
    assert text.count("the keeper of the lamp") == 5
    assert text.rstrip().endswith("And so it ends.")
    pictures = "document.images.length === 4 && [...document.images].every((one) => one.naturalWidth === 16)"
    assert settled(tab, url, pictures), tab.ask(LOADED, where=page_of(url))


# Three of the shared corpus, of three languages; their pictures and sheets are on hosts that are not asked here.
CORPUS = ("at_ORF_2024_11_22", "ca_GlobalNews_2026_05_24", "au_WestAustralian_2024_11_26")


@pytest.fixture(scope="module")
def corpus(shared: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, str]]:
    """The bundle of a page of the corpus as it was served here, and the URL that it had."""
    made: dict[str, tuple[Path, str]] = {}

    def of(name: str) -> tuple[Path, str]:
        if name not in made:
            page = gzip.decompress((shared / "corpus" / "fundus" / f"{name}.html.gz").read_bytes())
            with Site({"/page": Answer(page, "text/html; charset=utf-8")}) as site:
                url = site.url("/page")
                made[name] = bundle_of(tmp_path_factory.mktemp("corpus"), url, how="page", pair=site.pair), url
        return made[name]

    return of


@pytest.mark.parametrize("name", CORPUS)
@pytest.mark.parametrize("viewer", VIEWERS)
def test_a_page_of_the_corpus_replays_with_its_title_and_text(
    viewer: str, name: str, shown: Shown, corpus: Callable[[str], tuple[Path, str]], browser: Chromium, web: Trap
) -> None:
    path, url = corpus(name)
    with zipfile.ZipFile(path) as bundle:
        article = bundle.read("article/article.txt").decode()
        title = re.search(r"<title[^>]*>(.*?)</title>", bundle_page(path), re.DOTALL | re.IGNORECASE)
    longest = sorted(article.split("\n"), key=len)[-3:]
    heard = len(web.heard)
    with shown(viewer, path, url) as address, browser.tab(address, again_s=AGAIN_S[viewer]) as tab:
        there = page_of(url).replace('document.readyState === "complete"', 'document.readyState !== "loading"')
        assert title
        assert folded(tab.ask("document.title", where=there)) == folded(html.unescape(title[1]))
        text = folded(tab.ask("document.body.textContent", where=there))
        assert [line for line in longest if folded(line) not in text] == []
    assert web.heard[heard:] == []


def bundle_page(path: Path) -> str:
    """The page of a bundle, as text."""
    holdings = Holdings(path, max_decoded_bytes=1 << 28)
    return holdings.read(holdings.page).payload.decode()


def folded(text: str) -> str:
    return re.sub(r"\s+", "", text)
