"""Cleaning anew within the history of an article: a derived bundle stands where its capture stood."""

from pathlib import Path

from tasks.bundle.manifest import Manifest, read_manifest
from tasks.recleaning import Job, open_bench, reclean_bundle
from tests import history_kit
from tests.recleaning_kit import OFFER, RULE, settings_of, with_rules


def recleaned_after(names: list[str], folder: Path, rules: str = RULE) -> tuple[Manifest, Manifest]:
    """The manifests of the last visit's bundle, and of the one that newer rules derived from it."""
    store = str(folder / "store")
    with history_kit.tools_of(store) as tools:
        for minute, name in enumerate(names):
            text = history_kit.TEXTS[name]
            body = history_kit.html(f"{text}</p><p class=hut-offer>{OFFER}</p><p>{text}")
            outcome = history_kit.archived(history_kit.visit(body, minute), tools)
        assert outcome.ref
        before = read_manifest(tools.store.read_manifest(outcome.ref.id))
    job = Job(settings_of(store), with_rules(folder / "config", rules))
    with open_bench(job) as bench:
        done = reclean_bundle(before.id, bench)
        assert done.error is None, done.error
        assert done.new_id
        return before, read_manifest(bench.store.read_manifest(done.new_id))


def test_a_derived_bundle_follows_the_version_that_its_capture_did(tmp_path: Path) -> None:
    before, after = recleaned_after(["A", "B"], tmp_path)
    assert before.previous
    assert after.previous == before.previous


def test_a_capture_found_thinner_than_a_version_stays_so_when_cleaned_anew(tmp_path: Path) -> None:
    """Else it would become the newest good version by the back door."""
    before, after = recleaned_after(["A", "thin"], tmp_path)
    assert (before.verdict.kind, after.verdict.kind) == ("thin", "thin")
    assert after.verdict.reasons[0].rpartition("-of-")[2] == before.verdict.reasons[0].rpartition("-of-")[2]
    assert after.words < before.words
