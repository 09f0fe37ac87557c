"""Signs of walls in a user's own folder count for every command that judges a page, not for `archive` alone."""

import json
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tasks.capture.signs import load_signs, our_signs
from tasks.demo import SITE, serving
from tasks.errors import RuleError
from tasks.explaining import explain_target
from tasks.importing import PageReport, import_files
from tasks.importing import open_bench as open_import
from tasks.pipeline import archive_page, open_tools
from tasks.recleaning import Job, check_rules, open_bench, reclean_bundle
from tasks.records import VerdictKind
from tasks.settings import Settings, config_dirs, load_settings
from tests.importing.foreign_kit import Warc

OURS = config_dirs(environ={})
SIGN = """[[sign]]
id = "courier-offer"
source = "https://courier.example/help"
marker = ["<article"]
max_words = 10000
weight = 0.9
"""


@pytest.fixture
def dirs(tmp_path: Path) -> tuple[Path, ...]:
    """Our configuration, and a folder of a user's by whose signs every page with an article is a paywall."""
    folder = tmp_path / "mine"
    (folder / "verdict").mkdir(parents=True)
    (folder / "verdict" / "paywall.toml").write_text(SIGN)
    return (*OURS, folder)


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serving(SITE) as pair:
        yield pair


@pytest.fixture
def settings(site: str, tmp_path: Path) -> Settings:
    return load_settings(environ={}, store=str(tmp_path / "store"), allow=(site,), retry_wait_s=0.0)


def signs_of(settings: Settings, id_: str) -> str:
    """The digest of the signs that the bundle's provenance names."""
    (path,) = Path(settings.store).rglob(f"{id_}.wacz")
    with zipfile.ZipFile(path) as archive:
        return str(json.loads(archive.read("article/provenance.json"))["signs"])


def imported(settings: Settings, dirs: tuple[Path, ...], file: Path) -> PageReport:
    pages: list[PageReport] = []
    with open_import(settings, dirs) as bench:
        list(import_files([file], bench, heard=pages.append))
    return pages[0]


def test_import_judges_by_them(settings: Settings, dirs: tuple[Path, ...], tmp_path: Path) -> None:
    warc = Warc()
    warc.page()
    file = warc.save(tmp_path / "a.warc.gz")
    page = imported(settings, dirs, file)

    assert (page.verdict, page.reasons) == ("paywall", ("paywall-courier-offer",))
    assert signs_of(settings, page.id) == load_signs(dirs).digest != our_signs().digest
    assert imported(settings, OURS, file).verdict == "ok"


def test_cleaning_anew_judges_by_them(site: str, settings: Settings, dirs: tuple[Path, ...]) -> None:
    with open_tools(settings, OURS) as tools:
        ref = archive_page(f"http://{site}/library-roof.html", tools).ref
    assert ref
    with open_bench(Job(settings, OURS)) as bench:
        assert reclean_bundle(ref.id, bench).status == "unchanged"
    with open_bench(Job(settings, dirs)) as bench:
        found = reclean_bundle(ref.id, bench)

    assert (found.status, found.after) == ("worse", VerdictKind.PAYWALL)
    assert signs_of(settings, found.new_id) == load_signs(dirs).digest


def test_explain_judges_a_url_by_them(site: str, settings: Settings, dirs: tuple[Path, ...]) -> None:
    url = f"http://{site}/library-roof.html"
    found = explain_target(url, settings, dirs)

    assert (found.good, found.notes[1]) == (False, "verdict paywall (paywall-courier-offer)")
    assert explain_target(url, settings, OURS).good


def test_broken_signs_are_refused_before_anything_is_cleaned(settings: Settings, dirs: tuple[Path, ...]) -> None:
    (dirs[-1] / "verdict" / "paywall.toml").write_text("[[rule]]\n")
    with pytest.raises(RuleError, match="more than"):
        check_rules(Job(settings, dirs))
    with pytest.raises(RuleError, match="more than"), open_import(settings, dirs):
        pass
