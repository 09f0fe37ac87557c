"""Each rule has a page on which it fires, in each language it claims, and one that it spares."""

import tomllib
from typing import Any

import pytest

from tests.clean.helpers import PAGES, article_page, our_rules, strip_all

RULES = our_rules()
PROOFS: dict[str, dict[str, Any]] = {
    name: proof
    for path in sorted((PAGES / "rules").glob("*.toml"))
    for name, proof in tomllib.loads(path.read_text(encoding="utf-8")).items()
}


def listed(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value


def fired(proof: dict[str, Any], fragment: str) -> set[str]:
    """The rules that took something of a fragment."""
    block = fragment if fragment.startswith("<") and not fragment.startswith("<a") else f"<p>{fragment}</p>"
    page = article_page("", block) if proof.get("at_end") else article_page(block)
    return {reason.rule for reason in strip_all(page, RULES, proof.get("host", "harbour.example"))[1]} - {""}


def unproven(rule: Any, proof: dict[str, Any]) -> list[str]:
    """The languages that a rule claims and no line proves."""
    return [language for language in rule.languages if not proof.get("languages", {}).get(language)]


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.id)
def test_each_rule_fires_on_its_page_and_spares_the_other(rule) -> None:  # type: ignore[no-untyped-def]
    assert rule.id in PROOFS, f"tests/pages/rules has no page for {rule.id}"
    proof = PROOFS[rule.id]
    assert [one for one in listed(proof["fires"]) if rule.id not in fired(proof, one)] == []
    assert [one for one in listed(proof["spares"]) if rule.id in fired(proof, one)] == []


@pytest.mark.parametrize("rule", [rule for rule in RULES.rules if rule.languages], ids=lambda rule: rule.id)
def test_each_rule_fires_in_each_language_it_claims(rule) -> None:  # type: ignore[no-untyped-def]
    proof = PROOFS[rule.id]
    assert unproven(rule, proof) == []
    lines = proof["languages"]
    assert [language for language, line in lines.items() if rule.id not in fired(proof, line)] == []


def test_a_language_without_a_line_is_named() -> None:
    rule = next(rule for rule in RULES.rules if "cs" in rule.languages)
    lines = {language: "x" for language in rule.languages if language != "cs"}
    assert unproven(rule, {"languages": lines}) == ["cs"]


def test_every_proof_is_about_a_rule() -> None:
    assert set(PROOFS) <= {rule.id for rule in RULES.rules}


def test_what_one_rule_spares_no_other_takes() -> None:
    taken = {(name, one): fired(proof, one) for name, proof in PROOFS.items() for one in listed(proof["spares"])}
    assert {key: rules for key, rules in taken.items() if rules} == {}
