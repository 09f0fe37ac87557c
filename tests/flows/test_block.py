"""Credentials from a block: what is said where they cannot be had. With a real block: test_with_server.py."""

import sys

import pytest

from tasks.errors import MissingPart, SettingsError
from tasks.settings import load_settings
from tasks.steps import with_block


def test_where_the_extra_is_missing_the_remedy_names_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "prefect_aws", None)
    with pytest.raises(MissingPart, match=r"pip install 'tearsheet\[prefect-aws\]'"):
        with_block(load_settings(s3_block="aws-credentials/archive"))


@pytest.mark.parametrize("name", ["archive", "aws-credentials/", "gcp-credentials/archive", "aws-credentials/A b"])
def test_a_name_that_can_be_no_block_is_refused(name: str) -> None:
    with pytest.raises(SettingsError, match="aws-credentials/<name>"):
        load_settings(s3_block=name)
