"""Rules of a host: body, strip and keep stand above every score, dates say for which captures, and none is lost."""

from datetime import date
from pathlib import Path

import pytest

from tasks.clean import RuleSet, clean_page, load_rules
from tests.clean.helpers import AFTER, BEFORE, CONFIG

URL = "https://www.harbour.example/news/crane.html"
PAGE = (
    "<html><body><nav><a href='/'>Home</a></nav>"
    f"<article><h1>The crane</h1><p>{BEFORE}</p><p>{AFTER}</p><p>{BEFORE}</p></article>"
    "<div class='tides'><p>High water <b class='hour'>at nine</b></p><p class='promo-note'>Advertisement</p>"
    "<p hidden>Low water at three</p><button>More</button></div>"
    "<footer>The Harbour Post</footer></body></html>"
)


def rules_of(tmp_path: Path, *tables: str, host: str = "harbour.example") -> RuleSet:
    path = tmp_path / "sites" / f"{host}.toml"
    path.parent.mkdir(exist_ok=True)
    path.write_text("\n".join(f'[[rule]]\nwhy = "ours"\n{table}' for table in tables), encoding="utf-8")
    return load_rules((CONFIG, tmp_path))


def test_the_body_is_what_the_rule_says_and_all_else_carries_its_id(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, 'id = "body"\nbody = "div.tides"')
    article = clean_page(PAGE, url=URL, rules=rules)
    assert article.text == "High water at nine"
    taken = {one.text: one.rule for one in article.removals}
    assert taken["Advertisement"] == "ads-label"  # rules still clean what the body holds
    assert taken["The Harbour Post"] == "body"
    assert {rule for text, rule in taken.items() if BEFORE in text} == {"body"}
    assert article.page_chars == article.kept_chars + sum(one.chars for one in article.removals)


def test_controls_and_hidden_text_do_not_come_back_with_the_body(tmp_path: Path) -> None:
    article = clean_page(PAGE, url=URL, rules=rules_of(tmp_path, 'id = "body"\nbody = "div.tides"'))
    assert "Low water" not in article.text
    assert "More" not in article.text


def test_strip_takes_prose_and_part_of_a_line(tmp_path: Path) -> None:
    rules = rules_of(
        tmp_path,
        'id = "body"\nbody = "div.tides"',
        'id = "hours"\nconcept = "widget"\nstrip = "b.hour"',
    )
    article = clean_page(PAGE, url=URL, rules=rules)
    assert article.text.splitlines()[0] == "High water"
    assert [(one.concept, one.text) for one in article.removals if one.rule == "hours"] == [("widget", "at nine")]
    whole = rules_of(tmp_path, 'id = "all"\nconcept = "widget"\nstrip = "article"')
    assert BEFORE not in clean_page(PAGE, url=URL, rules=whole).text


def test_keep_holds_against_score_and_rule(tmp_path: Path) -> None:
    plain = clean_page(PAGE, url=URL, rules=load_rules((CONFIG,)))
    assert "High water" not in plain.text
    kept = clean_page(PAGE, url=URL, rules=rules_of(tmp_path, 'id = "tides"\nkeep = "div.tides"'))
    assert BEFORE in kept.text
    assert "High water at nine" in kept.text
    assert "Advertisement" in kept.text


def test_the_innermost_element_decides(tmp_path: Path) -> None:
    page = PAGE.replace("<b class='hour'>", "<b class='hour'><i class='mark'>").replace("</b>", "</i></b>")
    rules = rules_of(
        tmp_path,
        'id = "tides"\nkeep = "div.tides"',
        'id = "hours"\nconcept = "widget"\nstrip = "b.hour"',
        'id = "marks"\nkeep = "i.mark"',
    )
    assert "High water at nine" in clean_page(page, url=URL, rules=rules).text
    both = rules_of(
        tmp_path,
        'id = "k"\nkeep = "b.hour"',
        'id = "s"\nconcept = "widget"\nstrip = "b"',
        'id = "b"\nbody = "div.tides"',
    )
    assert clean_page(PAGE, url=URL, rules=both).text.splitlines()[0] == "High water"


def test_a_stripped_picture_goes_too(tmp_path: Path) -> None:
    page = PAGE.replace(f"<p>{AFTER}</p>", f"<p>{AFTER}</p><figure class='sponsor'><img src='/a.png'></figure>")
    assert "<img" in clean_page(page, url=URL, rules=load_rules((CONFIG,))).html
    rules = rules_of(tmp_path, 'id = "s"\nconcept = "ads"\nstrip = "figure.sponsor"')
    assert "<img" not in clean_page(page, url=URL, rules=rules).html


def test_a_body_rule_that_meets_nothing_is_left_out_and_noted(tmp_path: Path) -> None:
    plain = clean_page(PAGE, url=URL, rules=load_rules((CONFIG,)))
    article = clean_page(PAGE, url=URL, rules=rules_of(tmp_path, 'id = "body"\nbody = "div.gone"'))
    assert article.text == plain.text
    (note,) = [one for one in article.removals if one.rule == "body"]
    assert (note.concept, note.chars) == ("note", 0)
    assert "div.gone" in note.why


def test_the_first_body_rule_that_meets_something_counts_and_nothing_is_noted(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, 'id = "a-old"\nbody = "div.gone"', 'id = "b-new"\nbody = "div.tides"')
    article = clean_page(PAGE, url=URL, rules=rules)
    assert article.text == "High water at nine"
    assert not [one for one in article.removals if one.concept == "note"]


def test_other_hosts_are_left_alone(tmp_path: Path) -> None:
    rules = rules_of(tmp_path, 'id = "body"\nbody = "div.tides"')
    for url in ("https://myharbour.example/", "", "https://[broken"):
        assert BEFORE in clean_page(PAGE, url=url, rules=rules).text


@pytest.mark.parametrize(
    ("day", "text"), [("2024-12-31", "old"), ("2025-01-01", "both"), ("2025-06-30", "both"), ("2025-07-01", "new")]
)
def test_old_captures_are_read_with_old_rules(tmp_path: Path, day: str, text: str) -> None:
    page = "<body><div class='old'>old</div><div class='new'>new</div></body>"
    rules = rules_of(
        tmp_path,
        'id = "old"\nkeep = ".old"\nvalid_until = 2025-06-30',
        'id = "new"\nkeep = ".new"\nvalid_from = 2025-01-01',
    )
    found = clean_page(page, url=URL, rules=rules.on(date.fromisoformat(day))).text.split()
    assert found == (["old", "new"] if text == "both" else [text])
    assert clean_page(page, url=URL, rules=rules).text.split() == ["old", "new"]


def test_rules_without_dates_are_the_same_on_any_day() -> None:
    rules = load_rules((CONFIG,))
    assert rules.on(date(1999, 1, 1)) is rules


def test_the_example_of_the_readme_can_be_read(tmp_path: Path) -> None:
    text = (CONFIG / "sites" / "README.md").read_text(encoding="utf-8").split("```toml\n")[1].split("```")[0]
    (tmp_path / "sites").mkdir()
    (tmp_path / "sites" / "harbour.example.toml").write_text(text, encoding="utf-8")
    assert [rule.action for rule in load_rules((tmp_path,)).rules] == ["keep", "body", "strip"]
