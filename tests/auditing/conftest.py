"""Stores of both kinds."""

from tests.store.conftest import location, opened

__all__ = ["location", "opened"]
