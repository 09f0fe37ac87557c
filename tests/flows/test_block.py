"""Credentials from a block: what is said where they cannot be had. With a real block: test_with_server.py."""

import os
import sys

import pytest

from tasks.errors import MissingPart, SettingsError
from tasks.settings import load_settings
from tasks.steps import _take, with_block


def test_where_the_extra_is_missing_the_remedy_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_aws", None)
    with pytest.raises(MissingPart, match=r"pip install 'tearsheet\[prefect-aws\]'"):
        with_block(load_settings(s3_block="aws-credentials/archive"))


@pytest.mark.parametrize("name", ["archive", "aws-credentials/", "gcp-credentials/archive", "aws-credentials/A b"])
def test_a_name_that_can_be_no_block_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="aws-credentials/<name>"):
        load_settings(s3_block=name)


def test_nothing_of_the_machine_s_own_is_mixed_with_a_key_of_the_block(monkeypatch: pytest.MonkeyPatch) -> None:
    """The session token of a machine's role belongs to another key: with both, S3 refuses every request."""
    found = dict.fromkeys(("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"), "")
    for name in found:
        monkeypatch.setenv(name, "machine")
    _take(found)  # a block without a key
    assert {os.environ[name] for name in found} == {"machine"}
    _take(found | {"AWS_ACCESS_KEY_ID": "key", "AWS_SECRET_ACCESS_KEY": "secret"})
    assert {name: os.environ.get(name) for name in found} == {
        "AWS_ACCESS_KEY_ID": "key",
        "AWS_SECRET_ACCESS_KEY": "secret",
        "AWS_SESSION_TOKEN": None,
        "AWS_PROFILE": None,
    }
