"""`tearsheet rules`: what is checked, tried, told and listed, and with which exit code."""

import json
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest

from tasks.clean import load_rules
from tasks.clean.rule_files import read_rules
from tasks.errors import TearsheetError
from tasks.ruling import SavedPage, check_rules, prove, saved_pages, why
from tasks.settings import load_settings
from tasks.store import open_store
from tests.bundle.samples import pack
from tests.clean.helpers import article_page

TIDE = "<div class='tide'><p>High water at nine</p></div>"
RULE = '[[rule]]\nid = "mine"\nconcept = "widget"\nselector = "div.tide"\nwhy = "tides"\n'
LANGUAGES = "en de fr es it pt nl pl sv da no fi cs tr ru uk el ja zh ko ar he vi id"
URL = "https://harbour.example/story"


def config(tmp_path: Path, files: dict[str, str]) -> Path:
    folder = tmp_path / "own"
    for name, text in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def tearsheet(*args: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
    env = {name: value for name, value in os.environ.items() if not name.startswith(("TEARSHEET_", "PREFECT_"))}
    env["PYTHONPATH"] = str(Path(__file__).parents[1])
    return subprocess.run(
        [sys.executable, "-m", "flows.cli", *args], env=env, input=stdin, capture_output=True, text=True, timeout=120
    )


def checked(tmp_path: Path, files: dict[str, str], *pages: str):  # type: ignore[no-untyped-def]
    saved = [SavedPage(str(number), URL, page) for number, page in enumerate(pages)]
    return check_rules((config(tmp_path, files),), saved, today=date(2026, 11, 24))


# ------------------------------------------------------------------ check
def test_every_broken_file_is_named_not_only_the_first(tmp_path: Path) -> None:
    found = checked(tmp_path, {"rules/a.toml": "x", "rules/b.toml": RULE + "colour = 1\n", "rules/c.toml": RULE})
    assert [problem.split("own/")[1].partition(" ")[0] for problem in found.problems] == [
        "rules/a.toml:1:",
        "rules/b.toml:6:",
    ]
    assert (found.files, found.rules) == (3, 1)


def test_an_id_that_stands_twice_is_a_problem_and_one_that_replaces_ours_a_note(tmp_path: Path) -> None:
    found = checked(tmp_path, {"rules/a.toml": RULE, "rules/b.toml": RULE})
    assert "rule mine stands in" in found.problems[0]
    ours = config(tmp_path / "ours", {"rules/a.toml": RULE})
    both = check_rules((ours, config(tmp_path / "theirs", {"rules/a.toml": RULE})), (), today=date(2026, 11, 24))
    assert both.problems == []
    assert "rule mine replaces that of" in both.notes[0]


@pytest.mark.parametrize(("day", "noted"), [("2026-11-23", True), ("2026-11-24", False)])
def test_a_rule_past_its_date_is_noted(tmp_path: Path, day: str, noted: bool) -> None:
    found = checked(tmp_path, {"rules/a.toml": RULE + f"valid_until = {day}\n"})
    assert bool(found.notes) is noted
    assert found.problems == []


@pytest.mark.parametrize(("pattern", "slow"), [("^(?:a|aa){1,90}b$", True), ("^(?:a|ab){1,9}c$", False)])
def test_a_pattern_that_takes_too_long_is_found(tmp_path: Path, pattern: str, slow: bool) -> None:
    text = f"[[rule]]\nid = 'mine'\nwhy = 'x'\ntext = '{pattern}'\n"
    found = checked(tmp_path, {"rules/a.toml": text})
    assert [problem.endswith("text takes too long on some lines") for problem in found.problems] == [True] * slow


def test_use_is_counted_by_page_and_guard(tmp_path: Path) -> None:
    others = RULE.replace("mine", "dead").replace("tide", "ebb")
    spared = RULE.replace("mine", "shy") + 'unless = ["links"]\n'
    bare = article_page("")
    found = checked(tmp_path, {"rules/a.toml": spared + others + RULE}, article_page(TIDE + TIDE), bare)
    uses = {use.rule.id: use for use in found.uses}
    assert (found.pages, uses["mine"].pages, uses["mine"].chars) == (2, 1, 30)
    assert uses["shy"].spared == {}  # mine came first and took it: a tag is asked about until a rule takes it
    assert [name for name, use in uses.items() if use.dead] == ["shy", "dead"]
    alone = checked(tmp_path / "alone", {"rules/a.toml": spared}, article_page(TIDE))
    assert alone.uses[0].spared == {"links": 1}
    assert not alone.uses[0].dead


def test_a_rule_that_comes_after_the_choice_is_not_dead(tmp_path: Path) -> None:
    page = article_page("").replace("</body>", f"<footer>{TIDE}</footer></body>")
    (use,) = checked(tmp_path, {"rules/a.toml": RULE}, page).uses
    assert (use.pages, use.left_out, use.dead) == (0, 1, False)


def test_a_body_rule_that_meets_nothing_is_counted(tmp_path: Path) -> None:
    body = '[[rule]]\nid = "body"\nwhy = "x"\nbody = "div.gone"\n'
    (use,) = checked(tmp_path, {"sites/harbour.example.toml": body}, article_page("")).uses
    assert use.unmet == 1


def test_check_reads_files_folders_and_batches(tmp_path: Path) -> None:
    own = config(tmp_path, {"sites/harbour.example.toml": RULE})
    saved = tmp_path / "saved"
    (saved / "deep").mkdir(parents=True)
    (saved / "deep" / "one.html").write_text(article_page(TIDE))
    batch = tmp_path / "pages.jsonl"
    batch.write_text(json.dumps({"id": 1, "url": URL, "html": article_page(TIDE)}) + "\n")
    done = tearsheet("rules", "check", str(saved), str(batch), "--url", URL, "--json", "--config", str(own))
    row = json.loads(done.stdout)
    assert (done.returncode, row["pages"], row["problems"]) == (0, 2, []), done.stderr
    assert [use["pages"] for use in row["uses"] if use["rule"] == "mine"] == [2]


def test_check_goes_on_after_what_cannot_be_read_and_ends_with_1(tmp_path: Path) -> None:
    (tmp_path / "one.html").write_text(article_page(TIDE))
    done = tearsheet("rules", "check", str(tmp_path / "gone.html"), str(tmp_path / "one.html"))
    assert (done.returncode, "gone.html" in done.stdout, "1 pages" in done.stdout) == (1, True, True), done.stderr


# ------------------------------------------------------------------ test
def test_examples_are_tried_with_the_rule_alone(tmp_path: Path) -> None:
    text = RULE + f'fires = ["{TIDE}", "{TIDE.replace("tide", "ebb")}"]\nspares = ["Tides are water.", "{TIDE}"]\n'
    path = config(tmp_path, {"sites/harbour.example.toml": text}) / "sites/harbour.example.toml"
    assert [(proof.kind, proof.holds) for proof in prove(read_rules(path))] == [
        ("fires", True),
        ("fires", False),
        ("spares", True),
        ("spares", False),
    ]
    done = tearsheet("rules", "test", str(path))
    assert (done.returncode, done.stdout.count("does not hold")) == (1, 2), done.stderr
    assert f"{path}:1: rule mine" in done.stdout


def test_an_example_says_which_guard_held_the_rule_back(tmp_path: Path) -> None:
    path = config(tmp_path, {"rules/a.toml": RULE + f'unless = ["links"]\nfires = ["{TIDE}"]\n'}) / "rules/a.toml"
    (proof,) = prove(read_rules(path))
    assert (proof.holds, proof.guard) == (False, "links")


@pytest.mark.parametrize("action", ["body", "strip", "keep"])
def test_examples_of_rules_that_force(tmp_path: Path, action: str) -> None:
    text = RULE.replace("selector", action) + f'fires = ["{TIDE}"]\nspares = ["{TIDE.replace("tide", "ebb")}"]\n'
    path = config(tmp_path, {"sites/harbour.example.toml": text}) / "sites/harbour.example.toml"
    assert [proof.holds for proof in prove(read_rules(path))] == [True, True]


def test_a_file_without_examples_proves_nothing(tmp_path: Path) -> None:
    path = config(tmp_path, {"rules/a.toml": RULE}) / "rules/a.toml"
    done = tearsheet("rules", "test", str(path))
    assert (done.returncode, "without fires or spares: mine" in done.stderr) == (1, True)


@pytest.mark.parametrize(("text", "status"), [(None, 1), ("x", 2)])
def test_a_file_that_is_not_there_or_broken_ends_the_command(tmp_path: Path, text: str | None, status: int) -> None:
    path = tmp_path / "a.toml"
    if text:
        path.write_text(text)
    done = tearsheet("rules", "test", str(path))
    assert (done.returncode, str(path) in done.stderr, "Traceback" in done.stderr) == (status, True, False)


# ------------------------------------------------------------------ why, list
def test_why_tells_what_fired_what_was_held_back_and_what_had_gone_before(tmp_path: Path) -> None:
    shy = RULE.replace("mine", "a-shy") + 'unless = ["links"]\n'
    rules = load_rules((config(tmp_path, {"rules/a.toml": shy + RULE}),))
    page = article_page(TIDE).replace("</body>", f"<footer>{TIDE}</footer></body>")
    found = why(SavedPage("", URL, page), rules)
    assert [(one.rule, one.fate) for one in found] == [("a-shy", "links"), ("mine", "fired"), ("mine", "left out")]
    assert found[1].path == "/html[1]/body[1]/article[1]/div[1]"
    assert (found[1].text, found[1].chars) == ("High water at nine", 15)


def test_why_tells_of_forced_elements(tmp_path: Path) -> None:
    body = RULE.replace("selector", "body")
    rules = load_rules((config(tmp_path, {"sites/harbour.example.toml": body}),))
    found = why(SavedPage("", URL, article_page(TIDE)), rules)
    assert [(one.rule, one.fate, one.text) for one in found] == [("mine", "fired", "High water at nine")]
    found = why(SavedPage("", URL, article_page("")), rules)
    assert [(one.rule, one.fate) for one in found] == [("mine", "unmet")]


def test_why_reads_stdin_and_prints_json(tmp_path: Path) -> None:
    own = config(tmp_path, {"sites/harbour.example.toml": RULE})
    done = tearsheet("rules", "why", "-", "--url", URL, "--json", "--config", str(own), stdin=article_page(TIDE))
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    assert done.returncode == 0, done.stderr
    assert {"rule": "mine", "fate": "fired", "text": "High water at nine", "chars": 15} in [
        {name: row[name] for name in ("rule", "fate", "text", "chars")} for row in rows
    ]


def test_list_names_each_rule_with_its_place(tmp_path: Path) -> None:
    own = config(tmp_path, {"rules/widget.toml": RULE})
    done = tearsheet("rules", "list", "--json", "--config", str(own))
    rows = {row["id"]: row for row in map(json.loads, done.stdout.splitlines())}
    assert (rows["mine"]["finds"], rows["mine"]["where"]) == (["selector"], f"{own}/rules/widget.toml:1")
    assert " ".join(rows["related-line"]["languages"]) == LANGUAGES


# ------------------------------------------------------------------ bundles
NAV = '[[rule]]\nid = "mine"\nconcept = "widget"\nselector = "nav"\nwhy = "x"\n'


@pytest.mark.parametrize(("dates", "meant"), [("", True), ("valid_until = 2026-11-22\n", False)])
def test_a_bundle_is_tried_with_the_rules_of_the_day_it_was_captured_on(
    tmp_path: Path, dates: str, meant: bool
) -> None:
    rules = load_rules((config(tmp_path, {"sites/news.example.toml": NAV + dates}),))
    bundle, errors = pack(tmp_path).path, list[TearsheetError]()
    (page,) = saved_pages([str(bundle)], load_settings(environ={}), broken=errors.append)
    assert (errors, page.url) == ([], "https://news.example/2026/tide")
    assert [one.rule for one in why(page, rules)] == ["mine"] * meant


def test_a_whole_store_is_checked(tmp_path: Path) -> None:
    own, store = config(tmp_path, {"sites/news.example.toml": NAV}), str(tmp_path / "store")
    for name in ("plain", "not-html"):
        bundle = pack(tmp_path, name)
        with open_store(store, load_settings(environ={})) as opened:
            opened.put_bundle(bundle)
    done = tearsheet("rules", "check", "--store", store, "--json", "--config", str(own))
    row = json.loads(done.stdout)
    assert (done.returncode, row["pages"]) == (0, 1), done.stderr  # a PDF is no page
    for target in (bundle.id, "https://news.example/2026/tide"):
        done = tearsheet("rules", "why", target, "--store", store, "--config", str(own))
        assert done.returncode == 0, done.stderr
