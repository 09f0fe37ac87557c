"""Consent overlays by their markup, as config/overlays.toml lists them."""

import functools
from dataclasses import dataclass

from tasks.errors import SettingsError
from tasks.settings import config_dirs, read_toml

__all__ = ["Overlay", "our_overlays"]

_KEYS = {"boxes", "refuse", "source"}


@dataclass(frozen=True, slots=True)
class Overlay:
    """One vendor's overlay: selectors of its boxes, and of the buttons that refuse or close it."""

    name: str
    boxes: tuple[str, ...]
    refuse: tuple[str, ...]


@functools.cache
def our_overlays() -> tuple[Overlay, ...]:
    """Those of the program. Raises SettingsError with file and name for an entry that is none."""
    path = config_dirs()[0] / "overlays.toml"
    found = []
    for name, entry in read_toml(path)[0].items():
        if not isinstance(entry, dict) or set(entry) != _KEYS or not entry["boxes"]:
            raise SettingsError(f"{name} is no overlay", where=str(path), remedy="Give boxes, refuse and source")
        found.append(Overlay(name, tuple(entry["boxes"]), tuple(entry["refuse"])))
    return tuple(found)
