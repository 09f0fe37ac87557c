"""A few of the kill runs of tests/bench/kills.py: nothing acknowledged is lost, changed or unlisted."""

import random
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from tasks.settings import load_settings
from tasks.store import open_store
from tasks.store.local import LocalS3
from tests.bench.kills import bundle_number, environment, judge, kill_client, kill_server
from tests.store.kit import DAY

BAD = ("lost", "changed", "unlisted", "not_converged")


@pytest.mark.parametrize("kill", [kill_client, kill_server])
def test_what_was_acknowledged_survives_a_kill(
    tmp_path: Path, kill: Callable[[Path, random.Random], Counter[str]]
) -> None:
    found = kill(tmp_path, random.Random(7))

    assert found["acknowledged"] > 0
    assert {name: found[name] for name in BAD} == dict.fromkeys(BAD, 0)


def test_the_judge_finds_what_is_lost_changed_or_unlisted(tmp_path: Path) -> None:
    with LocalS3(tmp_path / "s3", bucket="kills") as s3, environment(s3):
        bundles = [bundle_number(tmp_path / "work", number) for number in range(3)]
        with open_store("s3://kills/x", load_settings()) as store:
            store.put_bundle(bundles[0], today=DAY)
            store.put_bundle(bundles[1], today=DAY)
            store.objects.delete(next(store.objects.listing("v1/bundles/")).key.rpartition(".")[0] + ".wacz")
        found = judge(tmp_path, {bundle.id for bundle in bundles})

    assert (found["lost"], found["unlisted"], found["exact"]) == (2, 1, 1)
