"""The lake over every backend of the store."""

import pytest

pytest.importorskip("pyarrow", reason="the extra `lake` is not installed")

from tests.store.conftest import location, opened  # noqa: E402

__all__ = ["location", "opened"]
