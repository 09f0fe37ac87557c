"""Signs of walls: data from <folder>/verdict/*.toml that say how firewalls, paywalls, … give themselves away.

config/verdict/README.md describes the files; tasks/capture/verdict.py weighs what they find.
"""

import hashlib
import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

from tasks.errors import RuleError
from tasks.records import Digest, VerdictKind
from tasks.settings import config_dirs, read_toml

__all__ = ["HEAD_CHARS", "KINDS", "Sign", "Signs", "folded", "load_signs", "our_signs"]

HEAD_CHARS: Final = 80_000  # so much of the HTML is looked through for markers
KINDS: Final = ("blocked", "consent", "login", "paywall", "soft404")
_TEXTS: Final = ("marker", "title", "heading", "to_path", "to_host")
_LISTS: Final = ("value", "cookie", *_TEXTS)
_BLANKS: Final = re.compile(r"\s+")


@dataclass(frozen=True, slots=True)
class Sign:
    """One thing that gives a wall away; all its keys must hold, of a list one entry."""

    kind: VerdictKind
    id: str
    source: str
    weight: float
    header: str = ""
    value: tuple[str, ...] = ()
    cookie: tuple[str, ...] = ()
    status: tuple[int, ...] = ()
    marker: tuple[str, ...] = ()
    title: tuple[str, ...] = ()
    heading: tuple[str, ...] = ()
    to_path: tuple[str, ...] = ()
    to_host: tuple[str, ...] = ()
    max_words: int = 250

    @property
    def reason(self) -> str:
        """The reason that a verdict gives."""
        return f"{self.kind.value}-{self.id}"

    @property
    def on_wire(self) -> bool:
        """Whether headers, cookies and status alone decide: then the words of the page do not matter."""
        return not any(getattr(self, name) for name in _TEXTS)


class Signs:
    """The signs in force; `digest` changes with any of them."""

    def __init__(self, signs: Iterable[Sign]) -> None:
        self.all = tuple(sorted(signs, key=lambda sign: (sign.kind, sign.id)))
        self.on_wire = tuple(sign for sign in self.all if sign.on_wire)
        self.on_page = tuple(sign for sign in self.all if not sign.on_wire)
        table = [[getattr(sign, item.name) for item in fields(Sign)] for sign in self.all]
        self.digest = Digest(f"sha256:{hashlib.sha256(json.dumps(table).encode()).hexdigest()}")
        self.phrases: Mapping[str, re.Pattern[str]] = {
            f"{sign.reason} {name}": _pattern(getattr(sign, name))
            for sign in self.all
            for name in ("title", "heading")
            if getattr(sign, name)
        }


def folded(text: str) -> str:
    """A title or heading as phrases are compared with it: one line, lower case, plain apostrophes, no end mark."""
    return _BLANKS.sub(" ", text[:300]).replace("’", "'").casefold().strip(" .!…?:")


def _pattern(phrases: Sequence[str]) -> re.Pattern[str]:
    return re.compile("|".join(".*".join(map(re.escape, folded(phrase).split("*"))) for phrase in phrases))


@lru_cache(maxsize=1)
def our_signs() -> Signs:
    """The signs that came with the program."""
    return load_signs(config_dirs(environ={})[:1])


def load_signs(dirs: Iterable[Path]) -> Signs:
    """All signs below `dirs`, the weakest folder first: a later sign of the same kind and id replaces an earlier one.

    Raises RuleError with file, line and key.
    """
    found: dict[str, Sign] = {}
    for folder in dirs:
        for path in sorted(folder.glob("verdict/*.toml")):
            found |= {sign.reason: sign for sign in _read(path)}
    return Signs(found.values())


def _read(path: Path) -> list[Sign]:
    table, text = read_toml(path, RuleError)
    if path.stem not in KINDS:
        raise RuleError("no verdict of this name", where=f"{path}:1", remedy=f"Name it {', '.join(KINDS)} (.toml)")
    given = table.get("sign", [])
    if set(table) - {"sign"} or not isinstance(given, list) or not all(isinstance(one, dict) for one in given):
        raise RuleError("more than [[sign]] tables", where=f"{path}:1", remedy="Write [[sign]] tables only")
    heads = [match.start() for match in re.finditer(r"^\s*\[\[\s*sign\s*\]\]", text, re.MULTILINE)]
    lines = [text.count("\n", 0, start) + 1 for start in heads]
    signs = []
    for number, values in enumerate(given):
        where = f"{path}:{lines[number] if number < len(lines) else 1}"
        signs.append(_sign(VerdictKind(path.stem), values, where))
    if twice := {sign.id for sign in signs if sum(sign.id == other.id for other in signs) > 1}:
        raise RuleError(f"sign {min(twice)!r} stands here twice", where=f"{path}:1", remedy="Give one another id")
    return signs


def _sign(kind: VerdictKind, values: Mapping[str, Any], where: str) -> Sign:
    name = values.get("id") or "without id"
    known = {item.name for item in fields(Sign)} - {"kind"}
    for key, value in values.items():
        if key not in known:
            raise RuleError(f"sign {name}: unknown key {key!r}", where=where, remedy=f"Known are {', '.join(known)}")
        if not _fits(key, value):
            raise RuleError(f"sign {name}: {key} is not of its type", where=where, remedy=_HELP)
    for key in ("id", "source", "weight"):
        if not values.get(key):
            raise RuleError(f"sign {name}: {key} is missing", where=where, remedy=f"Add {key} = …")
    if not set(values) & {"header", "cookie", "status", *_TEXTS}:
        raise RuleError(f"sign {name}: nothing to be found", where=where, remedy="Add header, status, marker, title, …")
    lists = {key: tuple(value) for key, value in values.items() if isinstance(value, list)}
    return Sign(kind=kind, **{**values, **lists, "weight": float(values["weight"])})


_HELP: Final = "config/verdict/README.md says what each key is"


def _fits(key: str, value: Any) -> bool:
    if key == "weight":
        return type(value) in (int, float) and 0 < value <= 1
    if key == "max_words":
        return type(value) is int and value > 0
    if key == "status":
        return isinstance(value, list) and bool(value) and all(type(one) is int for one in value)
    if key in _LISTS:
        return isinstance(value, list) and bool(value) and all(isinstance(one, str) and one.strip() for one in value)
    return isinstance(value, str)
