"""The library: every stage of archiving a page, importable and testable without Prefect."""

__version__ = "0.1.0"
