"""How stages stand in Prefect."""

import inspect
from pathlib import Path
from typing import Any

import pytest

from tasks import pipeline, recleaning, watching


@pytest.fixture(scope="module")
def steps(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The module, imported with a Prefect home of its own, for importing Prefect reads the user's."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PREFECT_HOME", str(tmp_path_factory.mktemp("home")))
        from tasks import steps

        return steps


def test_every_stage_has_a_step_and_every_step_a_stage(steps: Any) -> None:
    from flows import audit, publish

    stages = {name for name, _ in inspect.getmembers(pipeline, inspect.isfunction) if name.endswith("_stage")}
    stages |= {"discover_stage", "plan_stage", "archive_shard", "reclean_shard", "audit_stage"}
    stages |= {"publish_stage", "prune_stage", "audit_shard"}
    assert all(any(hasattr(part, name) for part in (pipeline, watching, recleaning, audit, publish)) for name in stages)
    assert set(steps.STEPS) == stages


def test_only_stages_that_talk_to_someone_else_are_tried_again(steps: Any) -> None:
    retried = {stage for stage, step in steps.STEPS.items() if step.retried}
    assert retried == {*pipeline.RETRIED, "plan_stage", "audit_stage", "audit_shard", "publish_stage", "prune_stage"}


@pytest.mark.parametrize(
    ("text", "shown"),
    [("plain", "`plain`"), ("a`b<b>", "`a'b<b>`"), ("two\n# lines", "`two # lines`"), ("`` ` ``", "`'' ' ''`")],
)
def test_text_of_a_page_cannot_be_markup_in_an_artifact(steps: Any, text: str, shown: str) -> None:
    assert steps.code(text) == shown


def test_a_store_is_made_absolute_unless_it_is_so(steps: Any) -> None:
    absolute = steps.absolute_store
    assert absolute("s3://bucket/prefix") == "s3://bucket/prefix"
    assert absolute("/srv/archive") == "/srv/archive"
    assert absolute("archive/") == str(Path.cwd() / "archive")
    assert absolute("~/archive") == str(Path.home() / "archive")  # as every other command reads it
