"""Explanations of files, stored bundles and URLs, and how they look: with real captures, bundles and stores."""

import base64
import hashlib
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from lxml import html as lxml_html

from tasks.clean import load_rules
from tasks.clean.explain import Explanation, Fate, explain_page
from tasks.demo import SITE, serving
from tasks.errors import FixityError, FormatError, NotFound, UrlRefused, WouldOverwrite
from tasks.explaining import Explained, explain_target, ledger_difference
from tasks.explaining.lines import chosen, span_json, total_lines
from tasks.explaining.page import page_pieces, save_page
from tasks.pipeline import archive_page, open_tools
from tasks.settings import Settings, config_dirs, load_settings
from tests.bundle.forge import rewrite
from tests.bundle.samples import captures, pack
from tests.clean.helpers import URL, article_page, lines_executed, our_rules
from tests.hostile.tough_server import ToughServer

DIRS = config_dirs(environ={})
PAGE = SITE / "library-roof.html"
RULES = our_rules()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    with serving(SITE) as pair:
        yield pair


@pytest.fixture
def settings(site: str, tmp_path: Path) -> Settings:
    return load_settings(environ={}, store=str(tmp_path / "store"), allow=(site,), retry_wait_s=0.0)


@pytest.fixture
def id_(site: str, settings: Settings) -> str:
    """A page of the demo, archived as ever."""
    with open_tools(settings, DIRS) as tools:
        ref = archive_page(f"http://{site}/{PAGE.name}", tools).ref
    assert ref
    return ref.id


def explain(target: str, settings: Settings, **more: object) -> Explained:
    return explain_target(target, settings, DIRS, **more)  # type: ignore[arg-type]


def texts(found: Explained) -> list[tuple[str, str, str]]:
    return [(span.fate.value, span.concept, span.text) for span in found.explanation.spans]


# ------------------------------------------------------------------ where a page comes from
def test_a_file_a_bundle_an_id_and_a_url_give_one_explanation(site: str, settings: Settings, id_: str) -> None:
    url = f"http://{site}/{PAGE.name}"
    (bundle,) = Path(settings.store).glob("v1/bundles/*/*/*/*.wacz")
    file = explain(str(PAGE), settings, url=url)
    assert len(texts(file)) > 20
    assert texts(file) == texts(explain(id_, settings)) == texts(explain(str(bundle), settings))
    assert texts(file) == texts(explain(url, settings)) == texts(explain(url, settings, stored=True))


def test_each_source_says_what_it_is(site: str, settings: Settings, id_: str) -> None:
    url = f"http://{site}/{PAGE.name}"
    assert explain(str(PAGE), settings).notes == ()
    assert (explain(id_, settings).source, explain(url, settings, stored=True).source) == (id_, id_)
    assert explain(id_, settings).notes == ("cleaned with the rules in force now",)
    assert explain(url, settings).notes == ("captured just now, not stored",)


def test_a_url_is_captured_and_nothing_is_stored(site: str, settings: Settings) -> None:
    assert explain(f"http://{site}/{PAGE.name}", settings).good
    assert not Path(settings.store).exists()


@pytest.mark.parametrize("name", ["plain", "chunked", "gzip", "chunked-gzip", "redirect", "error"])
def test_the_page_of_a_bundle_is_read_as_it_was_captured(tmp_path: Path, settings: Settings, name: str) -> None:
    spans = explain(str(pack(tmp_path, name).path), settings).explanation.spans
    wanted = "gone" if name == "error" else "The tide came in — later than foretold."
    assert wanted in [span.text for span in spans]
    assert captures()[name].final_url == explain(str(pack(tmp_path, name).path), settings).explanation.url


def test_rules_in_force_now_may_differ_from_those_of_the_bundle(settings: Settings, id_: str, tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    (tmp_path / "rules" / "promo.toml").write_text('[[rule]]\nid = "my-quote"\nselector = "blockquote"\nwhy = "mine"\n')
    found = explain_target(id_, settings, (*DIRS, tmp_path))
    assert found.notes[1].startswith("the ledger in the bundle differs: 0 of its ")
    assert found.notes[1].endswith(" removals are not made now, 1 are new")
    assert [span.text for span in found.explanation.spans if span.rule == "my-quote"]


def test_ledgers_are_compared_by_what_went_and_why() -> None:
    removals = explain_page(PAGE.read_text(), url=URL, rules=RULES).removals
    rows = [{"path": one.path, "digest": one.digest, "concept": one.concept, "rule": one.rule} for one in removals]
    assert ledger_difference(rows, [replace(one, doubt=0.123) for one in removals]) == ""
    assert ledger_difference(rows[1:], removals) == f"0 of its {len(rows) - 1} removals are not made now, 1 are new"
    assert ledger_difference([rows[0] | {"rule": "x"}, *rows[1:]], removals).endswith("not made now, 1 are new")


# ------------------------------------------------------------------ what cannot be explained
def test_a_damaged_and_a_foreign_bundle_are_refused(tmp_path: Path, settings: Settings) -> None:
    path = pack(tmp_path).path
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    (tmp_path / "damaged.wacz").write_bytes(data)
    with pytest.raises(FixityError, match=r"damaged\.wacz"):
        explain(str(tmp_path / "damaged.wacz"), settings)
    foreign = rewrite(
        path, tmp_path / "foreign.bin", {"article/provenance.json": None}, lambda table: table.pop("tearsheet")
    )
    with pytest.raises(FormatError, match="not a bundle of Tearsheet"):
        explain(str(foreign), settings)


def test_a_manifest_that_says_something_else_is_refused(settings: Settings, id_: str) -> None:
    (manifest,) = Path(settings.store).glob("v1/bundles/*/*/*/*.json")
    manifest.write_bytes(manifest.read_bytes().replace(b"Town library", b"Town bakery "))
    with pytest.raises(FixityError, match="manifest-mismatch"):
        explain(id_, settings)


def test_a_page_that_is_no_html_is_named(tmp_path: Path, settings: Settings) -> None:
    with pytest.raises(FormatError, match="application/pdf"):
        explain(str(pack(tmp_path, "not-html").path), settings)


@pytest.mark.parametrize("target", ["no-such-file.html", "x" * 5000, "a\0b", "20260101000000-0123456789abcdef"])
def test_what_is_nowhere_is_named(target: str, settings: Settings) -> None:
    with pytest.raises(NotFound):
        explain(target, settings)


def test_a_url_keeps_to_the_policy(settings: Settings) -> None:
    for url in ("http://127.0.0.1:1/", "http://169.254.169.254/latest/", "ftp://a.example/", "http://u:p@a.example/"):
        with pytest.raises(UrlRefused):
            explain(url, settings)


def test_a_bad_answer_is_explained_and_called_bad(tmp_path: Path) -> None:
    with ToughServer() as tough:
        settings = load_settings(environ={}, store=str(tmp_path / "store"), allow=(tough.pair,))
        found = explain(tough.url("/404"), settings)
    assert not found.good
    assert "verdict error (status-404)" in found.notes


# ------------------------------------------------------------------ on a terminal
def explained(html: str) -> Explanation:
    return explain_page(html, url=URL, rules=RULES)


def test_filters_leave_only_what_was_asked_for() -> None:
    whole = explained(PAGE.read_text())
    assert {span.concept for span in chosen(whole, by_doubt=True, concept="promo")} == {"promo"}
    assert {span.fate for span in chosen(whole, by_doubt=False, fate="article")} == {Fate.ARTICLE}
    assert chosen(whole, by_doubt=False) == list(whole.spans) != chosen(whole, by_doubt=True)
    assert chosen(whole, by_doubt=True, concept="promo", fate="article") == []


def test_totals_add_up_to_the_page() -> None:
    whole = explained(PAGE.read_text())
    rows = [line.split() for line in total_lines(whole)][1:]
    numbers = [int(row[-4 if row[-3].endswith("%") else -2].replace(",", "")) for row in rows]
    assert rows[0][0] == "article"
    assert sum(numbers[:-1]) == numbers[-1] == whole.page_chars


def test_a_page_without_text_has_totals_of_nothing() -> None:
    assert [line.split() for line in total_lines(explained(""))][1:] == [["in", "all", "0", "0"]]


def test_json_has_every_field_and_null_for_what_was_kept() -> None:
    kept = next(span_json(span) for span in explained(article_page("")).spans if span.fate is Fate.ARTICLE)
    wanted = "fate concept rule why score doubt leading path text chars removal"
    assert set(kept) == set(wanted.split())
    assert (kept["concept"], kept["rule"], kept["removal"]) == (None, None, None)


# ------------------------------------------------------------------ as a page
ATTACKS = [
    "</style></script><script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "'><svg/onload=alert(1)>",
    "<a href=javascript:alert(1)>x</a>",
    "<!--", "-->", "]]>", "&lt;script&gt;alert(1)&lt;/script&gt;", "\x00<script\x00>", "<base href=//evil.example>",
]  # fmt: skip


def as_page(explanation: Explanation, **more: str) -> str:
    return "".join(page_pieces(explanation, source=more.get("source", "a file")))


def forbidden(document: str) -> list[str]:
    """What a page that loads and runs nothing must not have."""
    root = lxml_html.document_fromstring(document)
    allowed = {"name", "content", "charset", "http-equiv", "lang", "class", "dir", "id", "href", "value"}
    found = [f"<{tag.tag}>" for tag in root.iter() if tag.tag in ("script", "img", "svg", "base", "link", "iframe")]
    for tag in root.iter(lxml_html.etree.Element):
        found += [f"{tag.tag} {name}" for name in tag.attrib if name not in allowed]
        found += [value for name, value in tag.attrib.items() if name == "href" and not re.fullmatch(r"#t\d+", value)]
    return found


@pytest.mark.parametrize("attack", ATTACKS)
def test_no_text_of_a_page_acts_in_the_explanation(attack: str) -> None:
    escaped = attack.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;").replace('"', "&quot;")
    page = article_page(f"<p>{escaped}</p><p class='newsletter'>{escaped}</p><p>{attack}</p>")
    page = page.replace("<title>The crane", f"<title>{escaped}")
    document = as_page(explained(page), source=attack)
    assert forbidden(document) == []
    assert document.count("<style>") == document.count("</style>") == 1


def test_rules_and_leading_features_do_not_act_either(tmp_path: Path) -> None:
    (tmp_path / "rules").mkdir()
    rule = '[[rule]]\nid = "<script>"\nselector = "p"\nconcept = "<b onclick=x>"\nwhy = "</bdi><script>"\n'
    (tmp_path / "rules" / "a.toml").write_text(rule)
    whole = explain_page(article_page("<p>Short line here</p>"), url="javascript:x", rules=load_rules((tmp_path,)))
    assert {span.rule for span in whole.spans} >= {"<script>"}
    spans = tuple(replace(span, leading=(("<img src=x>", 1.0),), doubt=0.9) for span in whole.spans)
    assert forbidden(as_page(replace(whole, spans=spans))) == []


@pytest.mark.parametrize("bad", ["<script>x</script>", "<p onclick=x>", "<a href='javascript:x'>y</a>", "<img src=x>"])
def test_what_acts_in_a_page_is_seen(bad: str) -> None:
    assert forbidden(f"<html><body><p>text</p>{bad}</body></html>")


def test_the_policy_names_the_stylesheet_by_its_hash_and_nothing_else() -> None:
    document = as_page(explained(article_page("")))
    (style,) = re.findall(r"<style>(.*?)</style>", document, re.S)
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    policy = f"default-src &#x27;none&#x27;; style-src 'sha256-{digest}'".replace("&#x27;", "'")
    assert f'content="{policy}; base-uri' in document
    assert "url(" not in style
    assert "@import" not in style


def test_every_text_stands_in_the_page_once_and_what_went_is_struck_through() -> None:
    whole = explained(PAGE.read_text())
    body = lxml_html.document_fromstring(as_page(whole)).find_class("text")[0]
    for label in list(body.iter("bdi")):
        label.drop_tree()
    assert "".join(body.text_content().split()) == "".join("".join(s.text for s in whole.spans).split())
    gone = "".join("".join(tag.text_content() for tag in body.iter("del")).split())
    assert gone == "".join("".join(s.text for s in whole.spans if s.fate is Fate.REMOVED).split())


def test_the_index_names_the_most_doubtful_and_leads_to_them() -> None:
    whole = explained(PAGE.read_text())
    root = lxml_html.document_fromstring(as_page(whole))
    links = [link.get("href") for link in root.xpath("//nav//a")]
    assert len(links) == 20
    shown = [" ".join(root.get_element_by_id(link[1:]).text_content().split()) for link in links]
    assert all(text.startswith(span.text) for text, span in zip(shown, whole.by_doubt(), strict=False))


def test_a_box_holds_what_went_together_and_a_line_in_part_does_not() -> None:
    menu = "<nav><ul>" + "<li><a href=/>Item</a></li>" * 9 + "</ul></nav>"
    document = as_page(explained(menu + article_page("")))
    boxes = lxml_html.document_fromstring(document).find_class("gone")
    assert [len(box.xpath(".//del")) for box in boxes] == [9, 1]
    assert [len(box.find_class("run")) for box in boxes] == [1, 0]


def test_writing_from_right_to_left_keeps_its_direction() -> None:
    document = as_page(explained("<p>" + "مرحبا بالعالم الواسع. " * 20 + "</p>"))
    assert '<p dir="auto">' in document


def test_a_file_is_replaced_only_by_force_and_never_half(tmp_path: Path) -> None:
    out, whole = tmp_path / "why.html", explained(article_page(""))
    save_page(out, whole, source="\udcff", notes=("a note",), force=False)
    first = out.read_bytes()
    with pytest.raises(WouldOverwrite, match="--force"):
        save_page(out, whole, source="b", notes=(), force=False)
    assert out.read_bytes() == first
    save_page(out, whole, source="b", notes=(), force=True)
    assert out.read_bytes() != first
    assert [path.name for path in tmp_path.iterdir()] == ["why.html"]


@pytest.mark.parametrize("one", ["<p>Menu", "<b>x</b>", "<p>a<br>b"])
def test_work_grows_with_the_text_and_no_faster(one: str) -> None:
    def spent(size: int) -> int:
        page = explained(article_page(one * (size // len(one))))
        return lines_executed(lambda: list(page_pieces(page, source="a")))

    small, large = spent(6_000), spent(30_000)
    assert 0 < small <= large < 6 * small  # one line of text is one piece, however long


def test_ten_megabytes_of_text_are_explained() -> None:
    prose = "<p>" + "The board met for four hours on Tuesday. " * 40
    whole = explained(article_page(prose * (10_000_000 // len(prose))))
    assert 9_000_000 < sum(map(len, page_pieces(whole, source="a"))) < 12_000_000
