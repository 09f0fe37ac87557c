"""Each rule has a page on which it fires and one that it spares."""

import tomllib

import pytest

from tests.clean.helpers import PAGES, article_page, our_rules, strip_all

RULES = our_rules()
PROOFS = {
    name: proof
    for path in sorted((PAGES / "rules").glob("*.toml"))
    for name, proof in tomllib.loads(path.read_text(encoding="utf-8")).items()
}


def fired(fragment: str, host: str) -> set[str]:
    return {reason.rule for reason in strip_all(article_page(fragment), RULES, host)[1]}


@pytest.mark.parametrize("rule", RULES.rules, ids=lambda rule: rule.id)
def test_each_rule_fires_on_its_page_and_spares_the_other(rule) -> None:  # type: ignore[no-untyped-def]
    assert rule.id in PROOFS, f"tests/pages/rules has no page for {rule.id}"
    proof = PROOFS[rule.id]
    host = proof.get("host", "harbour.example")
    assert rule.id in fired(proof["fires"], host)
    assert rule.id not in fired(proof["spares"], host)


def test_every_proof_is_about_a_rule() -> None:
    assert set(PROOFS) <= {rule.id for rule in RULES.rules}


def test_what_one_rule_spares_no_other_takes() -> None:
    taken = {name: fired(proof["spares"], "harbour.example") - {""} for name, proof in PROOFS.items()}
    assert {name: rules for name, rules in taken.items() if rules} == {}
