"""What rules do on pages: which fire, which are held back and by what, which are dead; and whether their examples hold.

Used by `tearsheet rules`; nothing here decides anything about an article.
"""

import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, Final

from tasks.catalog import entries, is_id, locate
from tasks.clean import RuleSet, parse_tree
from tasks.clean.article import Cleaning
from tasks.clean.ledger import Paths
from tasks.clean.prune import Looked, Reason, prune
from tasks.clean.rule_files import read_rules, rule_files
from tasks.clean.rules import Rule
from tasks.clean.soup import make_soup
from tasks.clean.walk import walk
from tasks.cleaning import read_batch, read_html
from tasks.errors import NotFound, RuleError, TearsheetError
from tasks.explaining import read_bundle_page, rules_for
from tasks.retrieve import fetched
from tasks.settings import Settings
from tasks.store import Store, open_store

__all__ = [
    "Checked",
    "Fired",
    "Proof",
    "SavedPage",
    "Use",
    "as_json",
    "check_rules",
    "chosen_rules",
    "prove",
    "read_files",
    "saved_pages",
    "why",
]

Broken = Callable[[TearsheetError], None]


# ------------------------------------------------------------------ pages
@dataclass(frozen=True, slots=True)
class SavedPage:
    """A page to try rules on."""

    name: str
    url: str
    html: str
    bundle: Path | None = None  # where its name tells the day it was captured on


def saved_pages(
    targets: Sequence[str], settings: Settings, *, url: str = "", stored: bool = False, broken: Broken
) -> Iterator[SavedPage]:
    """The pages of HTML files, folders of them, .jsonl batches, bundles (files or ids) and stored URLs, in order.

    `stored`, without targets: every bundle of the store. What cannot be read goes to `broken`.
    """
    for target in targets:
        try:
            yield from _of_target(target, settings, url)
        except TearsheetError as error:
            broken(error)
    if stored and not targets:
        with open_store(settings.store, settings) as store:
            for entry in entries(store, broken=broken):
                try:
                    yield from _of_bundle(entry.id, store, settings)
                except TearsheetError as error:
                    broken(error)


def _of_target(target: str, settings: Settings, url: str) -> Iterator[SavedPage]:
    path = Path(target)
    if is_id(target) or "://" in target:
        with open_store(settings.store, settings) as store:
            yield from _of_bundle(locate(store, settings, target), store, settings)
    elif path.is_dir():
        for file in sorted(path.rglob("*")):
            if file.suffix.lower() in (".html", ".htm", ".wacz"):
                yield from _of_target(str(file), settings, url)
    elif path.suffix.lower() == ".wacz":
        yield from _of_wacz(path, settings)
    elif path.suffix.lower() == ".jsonl":
        for row in read_batch(target):
            yield SavedPage(str(row["id"]), row.get("url") or url, row["html"])
    else:
        yield SavedPage(target, url, read_html(target))


def _of_bundle(id_: str, store: Store, settings: Settings) -> Iterator[SavedPage]:
    with fetched(store, id_) as path:
        yield from _of_wacz(path, settings, manifest=store.read_manifest(id_))


def _of_wacz(path: Path, settings: Settings, *, manifest: bytes | None = None) -> Iterator[SavedPage]:
    url, page = read_bundle_page(path, settings, manifest=manifest)
    if page.text is not None:  # a PDF or a picture has no rules to try
        yield SavedPage(path.name.removesuffix(".wacz"), url, page.text, path)


# ------------------------------------------------------------------ one page
@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that meant something on a page: what became of it, where, and the text."""

    rule: str
    fate: str  # "fired"; the guard that held it back; "left out" where the choice had taken the text before; "unmet"
    path: str
    text: str
    chars: int


def why(page: SavedPage, rules: RuleSet) -> list[Fired]:
    """Every rule that looked at something on the page, in the order of the page."""
    rules = rules_for(rules, page.bundle) if page.bundle else rules
    root = parse_tree(page.html).root
    if root is None:
        return []
    walked, looked = walk(root), list[Looked]()
    cleaning = Cleaning(walked, url=page.url, rules=rules, looked=looked)
    paths = Paths(walked)
    seen = {(one.rule.id, one.number) for one in looked}
    whole: list[Looked] = []
    prune(make_soup(walked, [0] * len(walked.texts)), rules, cleaning.host, [Reason("", "", "")], looked=whole)
    rows = [(one.number, one, one.guard or "fired") for one in looked]
    whole = [one for one in whole if not one.guard and not one.rule.strip and (one.rule.id, one.number) not in seen]
    rows += [(one.number, one, "left out") for one in whole]
    found = [Fired(one.rule.id, fate, paths.path(number), one.text, one.chars) for number, one, fate in _sorted(rows)]
    return [*_forced(cleaning, paths), *found]


def _sorted(rows: list[tuple[int, Looked, str]]) -> list[tuple[int, Looked, str]]:
    return sorted(rows, key=lambda row: row[0])


def _forced(cleaning: Cleaning, paths: Paths) -> list[Fired]:
    """What body, strip and keep did: one row a rule and element's parent, and body rules that met nothing."""
    page, rows = cleaning.page, dict[tuple[str, int], list[str]]()
    for index, forced in enumerate(cleaning.site.texts):
        if forced and (forced.keep or not forced.rule.body):
            rows.setdefault((forced.rule.id, page.line[page.holder[index]]), []).append(page.texts[index])
    found = []
    for (rule, number), texts in rows.items():
        text = " ".join("".join(texts).split())
        if text:
            found.append(Fired(rule, "fired", paths.path(number), text, len("".join(text.split()))))
    return found + [Fired(rule.id, "unmet", "/", "", 0) for rule in cleaning.site.unmet]


# ------------------------------------------------------------------ check
@dataclass(slots=True)
class Use:
    """What one rule did over a set of pages."""

    rule: Rule
    pages: int = 0
    chars: int = 0
    left_out: int = 0  # pages where it would have taken what the choice had left out before
    unmet: int = 0  # pages of its site on which a body rule met nothing
    spared: Counter[str] = field(default_factory=Counter)  # guard → times

    @property
    def dead(self) -> bool:
        """Whether nothing on any page meant it."""
        return not (self.pages or self.left_out or self.spared)


@dataclass(slots=True)
class Checked:
    """What `rules check` found."""

    files: int
    rules: int
    problems: list[str]  # broken files, ids that stand twice, patterns that take too long
    notes: list[str]  # rules that replace others, or are out of date
    pages: int = 0
    uses: list[Use] = field(default_factory=list)


def check_rules(dirs: Sequence[Path], pages: Iterable[SavedPage], *, today: date) -> Checked:
    """What can be said of the rule files below `dirs`, the weakest folder first, and of their use on pages."""
    rules, problems, notes, files = read_files(dirs)
    problems += [f"{rule.where}: rule {rule.id}: text takes too long on some lines" for rule in slow_rules(rules)]
    for rule in rules:
        if rule.valid_until and rule.valid_until < today.isoformat():
            notes.append(f"{rule.where}: rule {rule.id} is for captures up to {rule.valid_until}")
    checked = Checked(files, len(rules), problems, notes)
    uses = {rule.id: Use(rule) for rule in rules}
    ruleset = RuleSet(rules)
    for page in pages:
        checked.pages += 1
        _count(why(page, ruleset), uses)
    checked.uses = list(uses.values()) if checked.pages else []
    return checked


def _count(found: list[Fired], uses: dict[str, Use]) -> None:
    for rule in {one.rule for one in found}:
        use, mine = uses[rule], [one for one in found if one.rule == rule]
        fired = [one.chars for one in mine if one.fate == "fired"]
        use.pages += bool(fired)
        use.chars += sum(fired)
        use.left_out += any(one.fate == "left out" for one in mine)
        use.unmet += any(one.fate == "unmet" for one in mine)
        use.spared.update(one.fate for one in mine if one.fate not in ("fired", "left out", "unmet"))


def read_files(dirs: Sequence[Path]) -> tuple[list[Rule], list[str], list[str], int]:
    """The rules of all files that can be read, problems, notes, and the number of files."""
    rules: dict[str, Rule] = {}
    problems, notes, files = list[str](), list[str](), 0
    for folder in dirs:
        here: dict[str, Rule] = {}
        for path in rule_files(folder):
            files += 1
            try:
                found = read_rules(path)
            except RuleError as error:
                problems.append(str(error))
                continue
            for rule in found:
                if rule.id in here:
                    problems.append(f"{rule.where}: rule {rule.id} stands in {here[rule.id].where} too")
                elif rule.id in rules:
                    notes.append(f"{rule.where}: rule {rule.id} replaces that of {rules[rule.id].where}")
                here[rule.id] = rule
        rules |= here
    return list(rules.values()), problems, notes, files


_TIMEOUT_S: Final = 2.0  # for one pattern on all its lines, start of the program included; a sound one takes .01
_TRY: Final = """
import re, sys
pattern = re.compile(sys.argv[1], re.IGNORECASE)
letters = sorted({letter for letter in sys.argv[1] if letter.isalnum()} | set("a 1"))[:40]
for piece in [*letters, *(one + other for one in letters[:6] for other in letters[:6])]:
    for tail in ("!", "\\x00", ""):
        pattern.match((piece * 300)[:299] + tail)
        literal = re.sub(r"[^\\w ]", "", sys.argv[1])[:20]
        pattern.match((literal + piece * 300)[:299] + tail)
"""


def slow_rules(rules: Iterable[Rule]) -> list[Rule]:
    """The rules whose pattern does not get through lines of 300 characters made of its own letters."""
    return [rule for rule in rules if rule.text and _takes_too_long(rule.text)]


def _takes_too_long(pattern: str) -> bool:
    """In a process of its own: a pattern under way cannot be stopped."""
    try:
        subprocess.run([sys.executable, "-I", "-c", _TRY, pattern], timeout=_TIMEOUT_S, check=False)  # noqa: S603 ours
    except subprocess.TimeoutExpired:
        return True
    return False


# ------------------------------------------------------------------ examples
@dataclass(frozen=True, slots=True)
class Proof:
    """One example of a rule, and whether it holds."""

    rule: str
    where: str
    kind: str  # fires or spares
    fragment: str
    holds: bool
    guard: str = ""  # what held the rule back, where it should have fired


_BEFORE: Final = (
    "The harbour of Wenmouth lost its last crane on Monday. It had stood on the east quay since 1931, and most people "
    "in the town could not remember a time without it."
)
_AFTER: Final = (
    "What comes in its place is not decided. The board speaks of a market hall, the boatmen of a slipway, and the "
    "council of a car park with two hundred places."
)


def prove(rules: Iterable[Rule]) -> list[Proof]:
    """Each example of each rule, tried on an article around it, the rule alone in force."""
    return [
        _proof(rule, kind, fragment)
        for rule in rules
        for kind, fragments in (("fires", rule.fires), ("spares", rule.spares))
        for fragment in fragments
    ]


def _proof(rule: Rule, kind: str, fragment: str) -> Proof:
    host = rule.sites[0] if rule.sites else "site.example"
    found = why(SavedPage("", f"https://{host}/", _example(rule, fragment)), RuleSet([rule]))
    fired = any(one.fate in ("fired", "left out") for one in found)
    guards = [one.fate for one in found if one.fate not in ("fired", "left out")]
    return Proof(rule.id, rule.where, kind, fragment, fired == (kind == "fires"), guards[0] if guards else "")


def _example(rule: Rule, fragment: str) -> str:
    """The fragment between paragraphs; after them where the rule minds what follows, alone where it names the body."""
    block = fragment if fragment.lstrip().startswith("<") else f"<p>{fragment}</p>"
    before, after = f"<p>{_BEFORE}</p><p>{_AFTER}</p>", f"<p>{_AFTER}</p><p>{_BEFORE}</p>"
    inside = before + after + block if "followed" in rule.unless else before + block + after
    return f"<html><body><article><h1>The crane</h1>{inside}</article></body></html>"


def as_json(value: Fired | Proof) -> dict[str, Any]:
    """The fields of a row, for machines."""
    return {name: getattr(value, name) for name in value.__slots__}


def chosen_rules(name: str, dirs: Sequence[Path]) -> list[Rule]:
    """The rules of a file, or for "all" those in force; NotFound where there is no such file."""
    if name != "all":
        if not Path(name).is_file():
            raise NotFound("no such rule file", where=name, remedy="Name a .toml file, or all")
        return read_rules(Path(name))
    rules: dict[str, Rule] = {}
    for folder in dirs:
        for path in rule_files(folder):
            rules |= {rule.id: rule for rule in read_rules(path)}
    return list(rules.values())
