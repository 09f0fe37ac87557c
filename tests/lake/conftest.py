"""The lake over every backend of the store."""

from tests.store.conftest import location, opened

__all__ = ["location", "opened"]
