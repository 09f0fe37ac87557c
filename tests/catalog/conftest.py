"""Fixtures of the catalog's tests."""

from tests.catalog.kit import desk

__all__ = ["desk"]
