"""A page that is its host's error page is found out by asking for a missing one; pages of honest hosts stay ok."""

import gzip
import json
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from warcio.archiveiterator import ArchiveIterator

from tasks.bundle.verify import is_sound, verify_file
from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_provenance import check_provenance
from tasks.capture.likeness import likeness
from tasks.capture.probe import missing_url
from tasks.many_pages import archive_pages
from tasks.pipeline import Outcome, Tools, archive_page, open_tools, provenance_of
from tasks.recleaning import Job, open_bench, reclean_bundle
from tasks.settings import config_dirs, load_settings
from tests.capture.requisites.site import Answer, Site

REASON = "soft404-like-error-page"
PAGE = "<!doctype html><html lang=en><head><title>{title}</title>{head}</head><body>{body}{foot}</body></html>"
FOOT = "<footer><a href=/>Home</a> <a href=/about>About the Courier</a> <a href=/mail>Write to us</a></footer>"
SORRY = (
    "<main><h1>Well, this is awkward</h1><p>Whatever once stood at {path} has left the building. Our archive was moved "
    "to another machine last spring, and some of its stories did not come along.</p><p>Try the search above, or write "
    "to the desk and tell us which story you had in mind; we will look for it on paper.</p></main>"
)
SHORT = (
    "<main><h1>Ferry back in service</h1><p>The ferry to the north quay runs again from this morning, the harbour "
    "office says. The new winch was tried out on Sunday without passengers.</p><p>Until the end of the month the last "
    "boat leaves at nine in the evening, and bicycles travel free of charge.</p></main>"
)
SAYS_ARTICLE = '<meta property="og:type" content="article">'


def page(body: str, *, head: str = "", foot: str = FOOT) -> Answer:
    html = PAGE.format(title="The Courier", head=head, body=body, foot=foot)
    return Answer(html.encode(), "text/html; charset=utf-8")


class Host(Site):
    """A site that answers `missing` for whatever it has not; a 302 with a location where that is a text."""

    def __init__(self, answers: dict[str, Answer], missing: Answer | str | None = None) -> None:
        super().__init__(answers)
        self.missing = missing

    def answer(self, handler: Any) -> None:
        if handler.path not in self.answers and self.missing and handler.path != "/robots.txt":
            if isinstance(self.missing, str):
                found = Answer(b"", "text/html", 302, {"Location": self.missing})
            else:
                html = self.missing.body.decode().replace("{path}", handler.path)
                found = Answer(html.encode(), self.missing.kind)
            self.answers = {**self.answers, handler.path: found}
        super().answer(handler)

    def probes(self) -> list[str]:
        return [path for path in self.paths() if "no-such-page" in path]


@contextmanager
def host(answers: dict[str, Answer], missing: Answer | str | None = None) -> Iterator[Host]:
    with Host(answers, missing) as made:
        yield made


@contextmanager
def tools_for(site: Host, folder: Path, **changes: Any) -> Iterator[Tools]:
    values = {"store": str(folder / "store"), "allow": (site.pair,), "retry_wait_s": 0.0, "mode": "page", **changes}
    with open_tools(load_settings(environ={}, **values), config_dirs(environ={})) as tools:
        yield tools


def path_of(outcome: Outcome, tools: Tools) -> Path:
    assert outcome.ref
    return Path(tools.settings.store) / outcome.ref.key


def said(outcome: Outcome) -> tuple[str, bool]:
    assert outcome.verdict
    return outcome.verdict.kind.value, REASON in outcome.verdict.reasons


def responses(bundle: Path) -> list[str]:
    with zipfile.ZipFile(bundle) as archive, archive.open("archive/data.warc.gz") as warc:
        found = [record for record in ArchiveIterator(warc) if record.rec_type == "response"]
    return [record.rec_headers.get_header("WARC-Target-URI") for record in found]


def facts_of(bundle: Path) -> dict[str, Any]:
    with zipfile.ZipFile(bundle) as archive:
        return json.loads(archive.read("article/provenance.json"))["capture"]  # type: ignore[no-any-return]


# ------------------------------------------------------------------ the verdict
def test_a_page_like_the_answer_for_a_missing_one_is_a_soft_404(tmp_path: Path) -> None:
    with host({}, page(SORRY)) as site, tools_for(site, tmp_path) as tools:
        outcome = archive_page(site.url("/2026/11/the-roof.html"), tools)
        bundle = path_of(outcome, tools)

        assert (said(outcome), outcome.good) == (("soft404", True), False)
        asked = [site.url("/2026/11/the-roof.html"), site.url("/robots.txt"), site.url(site.probes()[0])]
        assert responses(bundle) == asked
        assert is_sound(verify_file(bundle))
        assert facts_of(bundle)["probe"] == {"url": asked[-1], "likeness": 1.0}
        assert [one["url"] for one in facts_of(bundle)["exchanges"]] == asked


def test_without_the_probe_nothing_gives_that_page_away(tmp_path: Path) -> None:
    with host({}, page(SORRY)) as site, tools_for(site, tmp_path, soft404_probe="never") as tools:
        outcome = archive_page(site.url("/2026/11/the-roof.html"), tools)

        assert said(outcome) == ("ok", False)
        assert site.probes() == []
        assert "probe" not in facts_of(path_of(outcome, tools))


def test_a_short_page_of_a_host_with_honest_errors_stays_ok(tmp_path: Path) -> None:
    with host({"/news/ferry": page(SHORT)}) as site, tools_for(site, tmp_path) as tools:
        outcome = archive_page(site.url("/news/ferry"), tools)

        assert said(outcome) == ("ok", False)
        assert len(site.probes()) == 1
        assert responses(path_of(outcome, tools)) == [site.url("/news/ferry"), site.url("/robots.txt")]


def test_a_short_page_with_the_frame_of_the_error_page_stays_ok(tmp_path: Path) -> None:
    frame = (
        "<footer>" + "<p>The Courier is printed on the north quay and read all over the island.</p>" * 4 + "</footer>"
    )
    answers = {"/news/ferry": page(SHORT, foot=frame)}
    with host(answers, page(SORRY, foot=frame)) as site, tools_for(site, tmp_path) as tools:
        outcome = archive_page(site.url("/news/ferry"), tools)

        assert said(outcome) == ("ok", False)
        assert len(site.probes()) == 1
        assert "probe" not in facts_of(path_of(outcome, tools))


def test_a_site_that_looks_at_no_end_of_an_address_keeps_its_pages(tmp_path: Path) -> None:
    """The same story is at /ferry-desk/<anything>, and says where it truly is."""
    with Host({}) as site:
        site.missing = page(SHORT, head=f'<link rel=canonical href="{site.url("/ferry-desk/ferry-back")}">')
        with tools_for(site, tmp_path) as tools:
            outcome = archive_page(site.url("/ferry-desk/ferry-back"), tools)

            assert said(outcome) == ("ok", False)
            assert len(site.probes()) == 1


def test_a_page_that_led_where_missing_ones_lead_is_a_soft_404(tmp_path: Path) -> None:
    answers = {"/front": page(SHORT * 12)}
    with host(answers, "/front") as site, tools_for(site, tmp_path) as tools:
        outcome = archive_page(site.url("/2026/11/the-roof"), tools)

        assert said(outcome) == ("soft404", True)
        assert facts_of(path_of(outcome, tools))["probe"]["likeness"] == 1.0


def test_a_page_that_moved_for_itself_stays_ok(tmp_path: Path) -> None:
    moved = Answer(b"", "text/html", 301, {"Location": "/stories/the-roof"})
    answers = {"/2026/11/the-roof": moved, "/stories/the-roof": page(SHORT)}
    with host(answers, "/front") as site, tools_for(site, tmp_path) as tools:
        site.answers["/front"] = page(SORRY)
        outcome = archive_page(site.url("/2026/11/the-roof"), tools)

        assert said(outcome) == ("ok", False)
        assert len(site.probes()) == 1


# ------------------------------------------------------------------ who is asked, and how often
@pytest.mark.parametrize(
    ("path", "answer", "when", "probed"),
    [
        ("/news/ferry", page(SHORT), "doubt", True),
        ("/news/ferry", page(SHORT, head=SAYS_ARTICLE), "doubt", False),
        ("/news/ferry", page(SHORT, head=SAYS_ARTICLE), "always", True),
        ("/news/ferry", page(SHORT * 12), "doubt", False),
        ("/news/ferry", page(SHORT * 12), "always", True),
        ("/", page(SHORT), "always", False),
        ("/news/ferry", Answer(SHORT.encode(), "text/html", 500), "always", False),
        ("/news/ferry", Answer(b"ferry", "text/plain"), "always", False),
    ],
)
def test_only_doubtful_pages_cost_a_second_request(
    path: str, answer: Answer, when: str, probed: bool, tmp_path: Path
) -> None:
    with host({path: answer}) as site, tools_for(site, tmp_path, soft404_probe=when) as tools:
        archive_page(site.url(path), tools)

        assert bool(site.probes()) == probed


def test_a_section_is_asked_once_and_each_bundle_has_the_answer(tmp_path: Path) -> None:
    with host({}, page(SORRY)) as site, tools_for(site, tmp_path) as tools:
        urls = [site.url(f"/2026/{month:02}/story-{month}") for month in range(1, 9)]
        outcomes = list(archive_pages(urls, tools))

        assert {said(outcome) for outcome in outcomes} == {("soft404", True)}
        assert len(site.probes()) == 1
        assert all(site.url(site.probes()[0]) in responses(path_of(outcome, tools)) for outcome in outcomes)
        archive_page(site.url("/sport/story"), tools)
        assert len(site.probes()) == 2


def test_what_was_forgotten_is_asked_for_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tasks.capture.probe._MOST_KEPT", 1)
    with host({}, page(SORRY)) as site, tools_for(site, tmp_path) as tools:
        outcomes = [archive_page(site.url(f"/{section}/roof"), tools) for section in ("a", "a", "b", "a")]

        assert {said(outcome) for outcome in outcomes} == {("soft404", True)}
        assert len(site.probes()) == 3


def test_what_robots_txt_bars_is_not_asked_for(tmp_path: Path) -> None:
    barred = Answer(b"User-agent: *\nDisallow: /news/no-such-page", "text/plain")
    with host({"/robots.txt": barred}, page(SORRY)) as site, tools_for(site, tmp_path) as tools:
        assert said(archive_page(site.url("/news/the-roof"), tools)) == ("ok", False)
        assert site.probes() == []
    with (
        host({"/robots.txt": barred}, page(SORRY)) as site,
        tools_for(site, tmp_path, robots_by_hand="ignore") as tools,
    ):
        assert said(archive_page(site.url("/news/the-ridge"), tools)) == ("soft404", True)


# ------------------------------------------------------------------ what is kept of it
def test_cleaning_anew_does_not_forget_the_error_page(tmp_path: Path) -> None:
    with host({}, page(SORRY)) as site, tools_for(site, tmp_path) as tools:
        outcome = archive_page(site.url("/2026/11/the-roof"), tools)
        assert outcome.ref
        with open_bench(Job(tools.settings, config_dirs(environ={}))) as bench:
            assert reclean_bundle(outcome.ref.id, bench).status == "unchanged"


def test_a_note_of_a_probe_that_is_not_in_the_warc_is_found_out(tmp_path: Path) -> None:
    with host({}, page(SORRY)) as site, tools_for(site, tmp_path) as tools:
        bundle = path_of(archive_page(site.url("/2026/11/the-roof"), tools), tools)

    def found(**changes: Any) -> bool:
        facts, findings = facts_of(bundle), Findings()
        facts["exchanges"] = []
        facts["probe"] = changes or facts["probe"]
        check_provenance({"capture": facts}, (), (), findings)
        return any(problem.expected.startswith("probe") for problem in findings)

    assert found()
    assert found(url="https://courier.example/x", likeness=0.9)
    with zipfile.ZipFile(bundle) as archive:
        assert b"no-such-page" in gzip.decompress(archive.read("indexes/index.cdx.gz"))


def test_the_setting_is_named_among_those_that_decide_a_bundle(tmp_path: Path) -> None:
    with host({}) as site, tools_for(site, tmp_path, soft404_probe="always") as tools:
        assert provenance_of(tools.settings, tools.rules)["settings"]["soft404_probe"] == "always"


# ------------------------------------------------------------------ addresses and likeness
@pytest.mark.parametrize(
    ("url", "pattern"),
    [
        ("https://a.example/2026/11/23/crane-4711.html?page=2", "/1901/01/01/no-such-page-#.html"),
        ("https://a.example/news/story/", "/news/no-such-page-#/"),
        ("https://a.example/12345/slug", "/#/no-such-page-#"),
        ("https://a.example/article/991234", "/article/#"),
        ("https://a.example/story.php?id=7", "/no-such-page-#.php"),
        ("https://a.example", "/no-such-page-#"),
    ],
)
def test_the_missing_page_has_an_address_of_the_same_form(url: str, pattern: str) -> None:
    missing = missing_url(url)
    number = missing.partition("?")[0].rstrip("/")
    digits = max((part for part in number.replace(".", "-").replace("/", "-").split("-") if part.isdigit()), key=len)

    assert missing == f"https://a.example{pattern.replace('#', digits)}"
    assert len(digits) == 13


def test_pages_of_one_section_have_one_missing_page_and_other_hosts_another() -> None:
    one, two = missing_url("https://a.example/2026/11/23/a.html"), missing_url("https://a.example/2025/01/02/b.html")

    assert one == two
    assert missing_url("https://b.example/2026/11/23/a.html").rpartition("/")[2] != one.rpartition("/")[2]


@pytest.mark.parametrize(
    ("text", "other", "least", "most"),
    [
        ("we are sorry there is no page the roof here", "we are sorry there is no page a crane here", 1.0, 1.0),
        ("the ferry runs again from this morning on", "we are sorry there is no such page here", 0.0, 0.0),
        ("gone for good", "gone for good", 0.0, 0.0),
        ("ページが見つかりません", "ページが見つかりません", 1.0, 1.0),
    ],
)
def test_texts_are_as_alike_as_their_runs_of_words(text: str, other: str, least: float, most: float) -> None:
    assert least <= likeness(text, "https://a.example/the-roof", other, "https://a.example/a-crane") <= most
