"""Two captures side by side: which two, what differs, and how it is shown."""

import json
import re
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from lxml import html as lxml_html

from flows.cli import main
from tasks.catalog import open_catalog
from tasks.comparing import Comparison, chosen_ids, compare_bundles
from tasks.comparing.lines import comparison_lines
from tasks.comparing.page import comparison_page
from tasks.errors import FormatError, NotFound
from tasks.pipeline import Tools
from tasks.standalone import save_page
from tasks.store.layout import manifest_key
from tests.history_kit import PAGE_URL, TEXTS, archived, html, tools_of, visit

OTHER = "https://news.example/2026/ferry"


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[Tools]:
    with tools_of(str(tmp_path / "store")) as made:
        yield made


def stored(tools: Tools, text: str, minute: int, **more: Any) -> str:
    url = more.pop("url", PAGE_URL)
    outcome = archived(visit(html(text, **more), minute, url=url), tools)
    assert outcome.ref
    return outcome.ref.id


@pytest.fixture
def ids(tools: Tools) -> tuple[str, str, str]:
    """Three versions, a minute apart, and a bad capture after them."""
    author = "<meta name=author content='{}'><meta property=article:section content=Harbour>"
    made = [
        stored(tools, "A", 0, more=author.format("Ada Byron")),
        stored(tools, "B", 1, more=author.format("Ada Byron")),
        stored(tools, TEXTS["B"].replace("nobody", "everybody"), 2, title="The ferry", more=author.format("K. Čapek")),
    ]
    archived(visit(html("A"), 3, status="404 Not Found"), tools)
    return made[0], made[1], made[2]


def chosen(tools: Tools, *targets: str, since: datetime | None = None, at: datetime | None = None) -> tuple[str, str]:
    with open_catalog(tools.store, tools.settings) as catalog:
        return chosen_ids(tools.store, catalog, targets, since=since, at=at)


def minute(number: int) -> datetime:
    return datetime(2026, 11, 23, 10, 54 + number, 59, tzinfo=UTC)


# ------------------------------------------------------------------ which two
def test_a_url_means_its_last_two_good_versions(tools: Tools, ids: tuple[str, ...]) -> None:
    assert chosen(tools, PAGE_URL) == (ids[1], ids[2])
    assert chosen(tools, PAGE_URL, at=minute(1)) == (ids[0], ids[1])


def test_from_and_at_choose_the_moments(tools: Tools, ids: tuple[str, ...]) -> None:
    assert chosen(tools, PAGE_URL, since=minute(0)) == (ids[0], ids[2])
    assert chosen(tools, PAGE_URL, since=minute(0), at=minute(1)) == (ids[0], ids[1])


def test_an_id_means_it_and_the_one_it_follows(tools: Tools, ids: tuple[str, ...]) -> None:
    assert chosen(tools, ids[1]) == (ids[0], ids[1])


def test_two_targets_are_taken_in_their_order(tools: Tools, ids: tuple[str, ...]) -> None:
    other = stored(tools, "C", 4, url=OTHER)
    assert chosen(tools, ids[2], ids[0]) == (ids[2], ids[0])
    assert chosen(tools, PAGE_URL, OTHER) == (ids[2], other)


@pytest.mark.parametrize("target", ["first", OTHER, "https://news.example/nowhere"])
def test_where_there_are_no_two_it_says_so(tools: Tools, ids: tuple[str, ...], target: str) -> None:
    stored(tools, "C", 4, url=OTHER)
    with pytest.raises(NotFound):
        chosen(tools, ids[0] if target == "first" else target)


# ------------------------------------------------------------------ what differs
def compared(tools: Tools, before: str, after: str) -> Comparison:
    return compare_bundles(tools.store, before, after)


def test_fields_and_words_that_differ_are_named(tools: Tools, ids: tuple[str, ...]) -> None:
    found = compared(tools, ids[1], ids[2])
    assert {item.name: (item.before, item.after) for item in found.fields} == {
        "title": ("The crane", "The ferry"),
        "authors": ("Ada Byron", "K. Čapek"),
    }
    assert (found.changed, found.alike, found.text.added, found.text.removed) == (True, False, 8, 8)


def test_a_bundle_beside_itself_differs_in_nothing(tools: Tools, ids: tuple[str, ...]) -> None:
    found = compared(tools, ids[0], ids[0])
    assert (found.fields, found.changed, found.alike) == ((), False, True)
    assert list(comparison_lines(found, colour=False))[-1] == "The text is the same, word by word."


def test_typography_alone_is_said_to_be_that(tools: Tools) -> None:
    first = stored(tools, TEXTS["A"].replace("nobody", "'nobody'"), 0)
    outcome = archived(visit(html(TEXTS["A"].replace("nobody", "\u2018nobody\u2019")), 1), tools, force=True)
    assert outcome.ref
    found = compared(tools, first, outcome.ref.id)
    assert (found.changed, found.alike) == (True, True)
    assert any("typography only" in line for line in comparison_lines(found, colour=False))


def test_a_verdict_that_differs_is_named(tools: Tools) -> None:
    first = stored(tools, "A", 0)
    gone = archived(visit(html("A"), 1, status="404 Not Found"), tools)
    assert gone.ref
    assert [(item.name, item.after) for item in compared(tools, first, gone.ref.id).fields] == [
        ("verdict", "error (status-404)")
    ]


def test_a_damaged_manifest_is_named(tools: Tools, ids: tuple[str, ...], tmp_path: Path) -> None:
    path = tmp_path / "store" / manifest_key(ids[0])
    path.chmod(0o644)
    path.write_text("{}")
    with pytest.raises(FormatError, match=ids[0]):
        compared(tools, ids[0], ids[1])


# ------------------------------------------------------------------ how it is shown
def test_changes_are_marked_as_wdiff_does_or_in_colour(tools: Tools, ids: tuple[str, ...]) -> None:
    found = compared(tools, ids[1], ids[2])
    plain = "\n".join(comparison_lines(found, colour=False))
    assert "title: The [-crane-]{+ferry+}" in plain
    assert "[-nobody-] {+everybody+}" in plain
    coloured = "\n".join(comparison_lines(found, colour=True))
    assert "\x1b[31;9mnobody\x1b[0m" in coloured
    assert "\x1b[32meverybody\x1b[0m" in coloured


def test_what_a_page_says_cannot_act_on_a_terminal(tools: Tools) -> None:
    first = stored(tools, "A", 0)
    second = stored(tools, "B", 1, title="\u202e&#155;2J evil")
    assert not re.search(
        r"[\x80-\x9f\u202e]", "\n".join(comparison_lines(compared(tools, first, second), colour=False))
    )


def page(found: Comparison, *, verified: bool = False) -> str:
    return "".join(comparison_page(found, verified=verified))


def test_the_page_has_both_captures_and_every_word(tools: Tools, ids: tuple[str, ...]) -> None:
    found = compared(tools, ids[1], ids[2])
    document = lxml_html.fromstring(page(found))
    whole = document.text_content()
    for manifest in (found.before, found.after):
        assert manifest.id in whole
        assert manifest.sha256 in whole
        assert manifest.captured_at in whole
    (text,) = document.find_class("text")
    new = "".join(text.xpath(".//text()[not(ancestor::del)]"))
    old = "".join(text.xpath(".//text()[not(ancestor::ins)]"))
    assert new.split() == found.after.text.split()
    assert old.split() == found.before.text.split()


def test_the_page_loads_and_runs_nothing(tools: Tools) -> None:
    evil = "</p><script>alert(1)</script><img src=x onerror=alert(1)>&lt;script&gt;alert(2)&lt;/script&gt; <p>"
    first = stored(tools, "A", 0)
    second = stored(tools, TEXTS["B"] + evil + TEXTS["C"], 1, title="<b>&lt;img src=x&gt;")
    document = lxml_html.fromstring(page(compared(tools, first, second)))
    tags = {element.tag for element in document.iter() if isinstance(element.tag, str)}
    assert not tags & {"script", "img", "iframe", "link", "object", "a", "form"}
    assert not [name for element in document.iter() for name in element.attrib if name.startswith("on")]
    (policy,) = document.xpath("//meta[@http-equiv='Content-Security-Policy']/@content")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")


@pytest.mark.parametrize("verified", [True, False])
def test_the_page_says_whether_the_bundles_were_verified(tools: Tools, ids: tuple[str, ...], verified: bool) -> None:
    said = page(compared(tools, ids[0], ids[1]), verified=verified)
    assert ("Both bundles were read in full and verify." in said) == verified


def test_a_file_is_not_written_over(tmp_path: Path) -> None:
    target = tmp_path / "x.html"
    save_page(target, ["a"], force=False)
    with pytest.raises(Exception, match="exists already"):
        save_page(target, ["b"], force=False)
    save_page(target, ["c"], force=True)
    assert target.read_text() == "c"
    assert [path.name for path in tmp_path.iterdir()] == ["x.html"]


# ------------------------------------------------------------------ the command
def run(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *args: str) -> tuple[int, str, str]:
    monkeypatch.setattr("sys.argv", ["tearsheet", "diff", *args])
    with pytest.raises(SystemExit) as ended:
        main()
    said = capsys.readouterr()
    return int(ended.value.code or 0), said.out, said.err


def test_the_command_ends_well_when_they_differ(
    tools: Tools,
    ids: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    store, out = str(tmp_path / "store"), tmp_path / "changes.html"
    status, said, _ = run(capsys, monkeypatch, PAGE_URL, "--store", store, "--json", "--full", "--html", str(out))
    row = json.loads(said)
    assert status == 0
    assert (row["before"]["id"], row["after"]["id"], row["verified"], row["changed"]) == (ids[1], ids[2], True, True)
    assert [item["name"] for item in row["fields"]] == ["title", "authors"]
    assert "Both bundles were read in full" in out.read_text()
    assert run(capsys, monkeypatch, PAGE_URL, "--store", store, "--html", str(out))[0] == 1
    assert run(capsys, monkeypatch, ids[0], ids[0], "--store", store)[0] == 0


@pytest.mark.parametrize("args", [["a", "b", "c"], ["20261123105447-" + "0" * 16, "--from", "2026-01-01"], []])
def test_misuse_is_misuse(
    args: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(capsys, monkeypatch, *args, "--store", str(tmp_path / "store"))[0] == 2


def test_full_refuses_a_damaged_bundle_and_without_it_nothing_of_it_is_read(
    tools: Tools,
    ids: tuple[str, ...],
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    path = next((tmp_path / "store").glob(f"v1/bundles/*/*/*/{ids[1]}.wacz"))
    path.chmod(0o644)
    path.write_bytes(path.read_bytes()[:-1] + b"x")
    store = str(tmp_path / "store")
    assert run(capsys, monkeypatch, PAGE_URL, "--store", store)[0] == 0
    assert run(capsys, monkeypatch, PAGE_URL, "--store", store, "--full")[0] == 1
