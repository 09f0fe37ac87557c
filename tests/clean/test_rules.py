"""Rule files: what is read, what replaces what, and what each broken file is told."""

import re
import time
from pathlib import Path

import pytest

from tasks.clean import clean_page, load_rules
from tasks.clean.rules import Rule
from tasks.clean.selector import look_at, parse_selector
from tasks.errors import RuleError
from tests.clean.helpers import (
    AFTER,
    BEFORE,
    CONFIG,
    TITLE,
    URL,
    article_page,
    lines_executed,
    our_rules,
    strip_all,
)

RULE = '[[rule]]\nid = "mine"\nselector = "div.tide"\nwhy = "tides"\n'


def folder(tmp_path: Path, text: str, name: str = "rules/widget.toml") -> Path:
    path = tmp_path / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return tmp_path


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        (RULE + 'colour = "red"\n', 5, "unknown key 'colour'"),
        ("[[rule]\n", 1, "not TOML"),
        ("top = 1\n" + RULE, 1, "unknown key 'top'"),
        ('[[rule]]\nid = "mine"\nselector = "div"\n', 1, "why is missing"),
        ('[[rule]]\nselector = "div"\nwhy = "x"\n', 1, "id is missing"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\n', 1, "neither selector nor text"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\ntext = "^(a"\n', 4, "text: missing )"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\ntext = "a"\n', 4, "must start with ^"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\nselector = "div > p"\n', 4, "no part of a selector"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\nselector = "div,,p"\n', 4, "an empty selector"),
        (RULE + 'unless = ["never"]\n', 5, "unknown guard 'never'"),
        (RULE + 'max_chars = "many"\n', 5, "max_chars is not of type int"),
        (RULE + "unless = [1]\n", 5, "unless is not of type list"),
        (RULE + "\n" + RULE, 7, "stands here twice"),
        ("rule = 3\n", 1, "no list of tables"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\ntext = "^(a+)+$"\n', 4, "would never end"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\ntext = "^(?:x(?:a*b)?){2,}"\n', 4, "would never end"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\nlines = ["*"]\n', 4, "almost any line"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\n[rule.lines]\nde = "x"\n', 4, "lines is not of type list or dict"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\n[rule.lines]\nde = ["(x"]\n', 4, "bracket"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\nsame_as = "byline"\n', 4, "unknown same_as 'byline'"),
        (RULE + 'same_as = "headline"\n', 5, "same_as goes with no selector"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\nbody = "div"\n', 4, "body needs the hosts"),
        (RULE + 'strip = "p"\nsites = ["a.example"]\n', 5, "strip goes with no selector"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\nkeep = "p"\nsites = ["a"]\nunless = ["item"]\n', 4, "goes with no item"),
        ('[[rule]]\nid = "mine"\nwhy = "x"\nkeep = "p q"\nsites = ["a"]\n', 4, "no part of a selector"),
        (RULE + 'valid_until = "2027-12-31"\n', 5, "valid_until is not of type date"),
        (RULE + "valid_from = 2027-01-01\nvalid_until = 2026-01-01\n", 6, "before valid_from"),
    ],
)
def test_a_broken_file_is_refused_with_file_line_and_key(tmp_path: Path, text: str, line: int, words: str) -> None:
    with pytest.raises(RuleError, match=r"widget\.toml") as caught:
        load_rules((folder(tmp_path, text),))
    assert caught.value.where.endswith(f"widget.toml:{line}")
    assert words in caught.value.what
    assert caught.value.remedy


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    (folder(tmp_path, "") / "rules/widget.toml").write_bytes(b"\xff")
    with pytest.raises(RuleError, match="not UTF-8"):
        load_rules((tmp_path,))


def test_a_rule_of_the_user_adds_to_ours_and_changes_the_digest(tmp_path: Path) -> None:
    both = load_rules((CONFIG, folder(tmp_path, RULE)))
    assert len(both.rules) == len(our_rules().rules) + 1
    assert both.digest != our_rules().digest
    assert load_rules((CONFIG,)).digest == our_rules().digest
    page = article_page("<div class='tide'><p>High water at nine.</p></div>")
    assert "High water" in clean_page(page, url=URL, rules=our_rules()).text
    article = clean_page(page, url=URL, rules=both)
    assert "High water" not in article.text
    assert [one.why for one in article.removals if one.rule == "mine"] == ["tides"]


def test_the_same_id_replaces(tmp_path: Path) -> None:
    mine = load_rules((CONFIG, folder(tmp_path, RULE.replace('"mine"', '"promo-box"'))))
    assert len(mine.rules) == len(our_rules().rules)
    assert next(rule for rule in mine.rules if rule.id == "promo-box").selector == "div.tide"


def test_a_site_file_holds_for_its_host_and_sub_domains_alone(tmp_path: Path) -> None:
    text = RULE.replace("why", 'concept = "widget"\nwhy')
    rules = load_rules((folder(tmp_path, text, "sites/harbour.example.toml"),))
    page = article_page("<div class='tide'><p>High water at nine.</p></div>")

    def fires(host: str) -> bool:
        return "mine" in {reason.rule for reason in strip_all(page, rules, host)[1]}

    assert [fires(host) for host in ("harbour.example", "www.harbour.example", "myharbour.example", "")] == [
        True,
        True,
        False,
        False,
    ]


def test_a_pattern_whose_repeats_have_limits_is_fine(tmp_path: Path) -> None:
    text = '[[rule]]\nid = "mine"\nwhy = "x"\ntext = "^(?:[a+*]{1,3}(?:b|c)?[(+]){0,9}d+$"\n'
    assert [rule.id for rule in load_rules((folder(tmp_path, text),)).rules] == ["mine"]


def test_a_rule_with_selector_and_lines_needs_both(tmp_path: Path) -> None:
    rules = load_rules((folder(tmp_path, RULE.replace("why", 'lines = ["high water *"]\nwhy')),))

    def fires(fragment: str) -> bool:
        return "mine" in {reason.rule for reason in strip_all(article_page(fragment), rules)[1]}

    assert fires("<div class='tide'><p>High water at nine</p></div>")
    assert not fires("<div class='tide'><p>Low water at nine</p></div>")
    assert not fires("<div class='ebb'><p>High water at nine</p></div>")


def test_no_rule_of_ours_takes_running_prose_for_its_names_alone(tmp_path: Path) -> None:
    prose = f"<div class='tide'><p>{BEFORE} {AFTER}</p></div>"
    rules = load_rules((folder(tmp_path, RULE),))
    assert "mine" not in {reason.rule for reason in strip_all(article_page(prose), rules)[1]}
    site = load_rules((folder(tmp_path / "own", RULE + 'concept = "widget"\n', "sites/harbour.example.toml"),))
    assert "mine" in {reason.rule for reason in strip_all(article_page(prose), site)[1]}


@pytest.mark.parametrize(
    "prose", ["起重机已经卖掉了，没有人知道买主是谁。" * 4, "क्रेन बिक गई और किसी को पता नहीं कि किसे। " * 6]
)
def test_prose_in_writings_with_other_full_stops_is_spared_too(tmp_path: Path, prose: str) -> None:
    rules = load_rules((folder(tmp_path, RULE),))
    page = article_page(f"<div class='tide'><p>{prose}</p></div>")
    assert "mine" not in {reason.rule for reason in strip_all(page, rules)[1]}


def test_one_rule_takes_no_more_than_half_of_the_article_in_many_pieces(tmp_path: Path) -> None:
    rules = load_rules((folder(tmp_path, RULE),))
    page = article_page("".join(f"<div class='tide'><p>High water at nine in harbour {n}</p></div>" for n in range(60)))
    kept, reasons = strip_all(page, rules)
    assert 0 < len(reasons) - 1 < 60
    assert sum(not owner for owner in kept.owner) > 0


def test_a_headline_is_known_with_and_without_the_name_of_the_site() -> None:
    for line in (TITLE, f"{TITLE} | Wenmouth Courier", f"«{TITLE.upper()}»"):
        assert "title-repeat" in {reason.rule for reason in strip_all(article_page(f"<h2>{line}</h2>"), our_rules())[1]}
    for line in ("Wenmouth Courier", "The crane"):
        assert "title-repeat" not in {
            reason.rule for reason in strip_all(article_page(f"<h2>{line}</h2>"), our_rules())[1]
        }


def test_no_rule_takes_most_of_the_article() -> None:
    page = "<body><div class='newsletter'>" + article_page("").replace("html", "div") + "</div></body>"
    assert "last crane" in clean_page(page, url=URL, rules=our_rules()).text


@pytest.mark.parametrize(
    ("selector", "meets"),
    [
        ("div", True),
        ("p", False),
        (".Big-Box", True),
        (".big", False),
        ("#news-boxOne", True),
        ("~big", True),
        ("~one", True),
        ("~bi", False),
        ("div~news~big", True),
        ("div~news~small", False),
        ("[role]", True),
        ("[role=search]", True),
        ("[role=sea]", False),
        ("[role^=sea]", True),
        ("[role*=arc]", True),
        ("[lang]", False),
        ("p, [role=search]", True),
    ],
)
def test_each_part_of_the_selector_language_means_what_it_says(selector: str, meets: bool) -> None:
    attributes = {"class": "other big-box", "id": "news-boxOne", "role": "Search"}
    look = look_at("div", attributes)
    assert any(compound.holds(look, attributes) for compound in parse_selector(selector)) is meets


@pytest.mark.parametrize(
    ("guard", "taken", "spared"),
    [
        ("dense", "<p class='tide'>High water at nine.</p>", f"<p class='tide'>{BEFORE} {AFTER}</p>"),
        ("sentence", "<p class='tide'>High water at nine</p>", "<p class='tide'>It was nine. The water rose.</p>"),
        ("links", "<p class='tide'>High <a href='/t'>water</a></p>", "<p class='tide'>High water</p>"),
        ("item", "<p class='tide'>High water</p>", "<ul><li class='tide'>High water</li></ul>"),
    ],
)
def test_each_guard_spares_what_it_says(tmp_path: Path, guard: str, taken: str, spared: str) -> None:
    rules = load_rules((folder(tmp_path, RULE.replace("div.tide", ".tide") + f'unless = ["{guard}"]\n'),))
    assert "mine" in {reason.rule for reason in strip_all(article_page(taken), rules)[1]}
    assert "mine" not in {reason.rule for reason in strip_all(article_page(spared), rules)[1]}


def test_followed_spares_what_prose_stands_after(tmp_path: Path) -> None:
    rules = load_rules((folder(tmp_path, RULE + 'unless = ["followed"]\n'),))
    tide = "<div class='tide'>High water</div>"
    assert "mine" in {reason.rule for reason in strip_all(article_page("", tide), rules)[1]}
    assert "mine" not in {reason.rule for reason in strip_all(article_page(tide), rules)[1]}


def test_no_rule_reaches_into_an_embedded_post() -> None:
    post = "<blockquote class='twitter-tweet'><p>Advertisement</p></blockquote>"
    assert "Advertisement" in strip_all(article_page(post), our_rules())[0].soup.get_text()
    plain = post.replace("twitter-tweet", "")
    assert "Advertisement" not in strip_all(article_page(plain), our_rules())[0].soup.get_text()


def test_many_siblings_are_taken_out_without_a_search_for_each() -> None:
    def lines(count: int) -> int:
        page = article_page("<p>Advertisement</p>" * count)
        return lines_executed(lambda: strip_all(page, our_rules()))

    lines(10)
    assert lines(1600) < 2.2 * lines(800)  # 3.6 times once: each was looked for among all


FILLERS = [
    "a",
    "Aa",
    "a ",
    "Ab ",
    "advertisement",
    "1",
    "1 ",
    ", ",
    ". ",
    "and ",
    "e ",
    "é",
    " ",
    "-",
    "a.",
    "\u200b",
    "木",
]


@pytest.mark.parametrize("rule", [rule for rule in our_rules().rules if rule.pattern], ids=lambda rule: rule.id)
def test_no_line_makes_a_rule_try_for_long(rule: Rule) -> None:
    """Any word of the pattern, then the same over and over: author-line once took minutes for a long word after By."""
    assert rule.pattern
    for word in sorted(set(re.findall(r"[^\W\d_]{2,}", rule.text))):
        for filler in FILLERS:
            for mark in (" ", ": ", ""):
                line = (word + mark + filler * 200)[: rule.max_chars - 1] + "\u00ad"
                started = time.process_time()
                rule.pattern.match(line)
                assert time.process_time() - started < 1, line  # 0.1 ms is the slowest; the collector may run
