"""What an audit can find: the table of codes with meaning, severity and remedy, and the record of one finding."""

from dataclasses import dataclass
from typing import Any, NamedTuple

__all__ = ["CODES", "Code", "Finding"]

_AGAIN = "tearsheet audit --level full --store {store}"
_REPAIR = f"{_AGAIN} --repair-from OTHER-STORE"
_GC = "tearsheet gc --store {store}"
_MAX_DETAIL = 300  # characters of `expected` and `found`


class Code(NamedTuple):
    """What a code means, how bad it is and what to do.

    error       something is lost, changed or contradicts itself
    unproven    this level can neither prove it nor refute it; exit 1, as for an error
    note        worth knowing, nothing that was acknowledged is touched
    """

    meaning: str
    remedy: str
    severity: str = "error"
    repairable: bool = False  # from a second store that holds the same object


CODES: dict[str, Code] = {
    # ---- bundles
    "wacz-missing": Code("the manifest is there but the bundle is gone", _REPAIR, repairable=True),
    "wacz-size": Code("the bundle has another size than its manifest says", _REPAIR, repairable=True),
    "wacz-digest": Code("the bundle's bytes are not those that were stored", _REPAIR, repairable=True),
    "wacz-unsound": Code("the bundle's bytes are those that were stored, but no bundle", "tearsheet verify {bundle}"),
    "manifest-broken": Code("the manifest is damaged", _REPAIR, repairable=True),
    "manifest-other": Code("the manifest is that of another bundle", _REPAIR, repairable=True),
    "manifest-mismatch": Code("the manifest says something else than its bundle", _REPAIR, repairable=True),
    "bundle-vanished": Code(
        "an earlier audit or event names the bundle, and nothing is there", _REPAIR, repairable=True
    ),
    "tombstone-ignored": Code("the bundle was taken down, but is still there", "tearsheet remove {bundle}"),
    "lineage-mismatch": Code("a bundle named as parent, root or previous is another one", "tearsheet verify {bundle}"),
    "lineage-missing": Code("a bundle named as parent, root or previous is not there", "nothing is lost here", "note"),
    # ---- events and sources
    "event-broken": Code("an event is damaged", _REPAIR, repairable=True),
    "source-missing": Code("the file that a bundle was imported from is gone", _REPAIR, repairable=True),
    "source-digest": Code("a source's bytes are not those that its name says", _REPAIR, repairable=True),
    # ---- the store
    "store-missing": Code("there are bundles but no v1/store.json", "put v1/store.json back from a copy"),
    "store-broken": Code("v1/store.json is damaged, or of a newer format", "put v1/store.json back from a copy"),
    "misplaced": Code("a bundle or manifest stands under another day than its id's", "move it, or delete it by hand"),
    "extra": Code("a key that belongs nowhere", "find out who put it there; delete it by hand"),
    "unreadable": Code("the server does not give the object out", _AGAIN),
    "untold-digest": Code("the server tells no digest: this level proves nothing of it", _AGAIN, "unproven"),
    "not-recorded": Code("what was read could not be noted in the store: it will be read again", _AGAIN),
    # ---- left over, harmless
    "wacz-orphan": Code("a bundle without a manifest: never acknowledged", _GC, "note"),
    "attachment-orphan": Code("an event's attachment without the event", _GC, "note"),
    "source-orphan": Code("a source that no bundle was made from", "import the file again", "note"),
    "upload-abandoned": Code("an upload that was never finished", _GC, "note"),
    "left-over": Code("a claim or a probe that its writer left behind", _GC, "note"),
    "uploads-untold": Code(
        "the server does not list unfinished uploads", "set a lifecycle rule that ends them", "note"
    ),
}


@dataclass(frozen=True, slots=True)
class Finding:
    """One finding: a code of CODES, the object's key, and the bundle where it is about one."""

    code: str
    key: str
    bundle: str = ""
    expected: str = ""
    found: str = ""
    repaired: bool = False
    repair: str = ""  # why it was not repaired, or from where it was

    @property
    def severity(self) -> str:
        """error, unproven or note."""
        return CODES[self.code].severity

    @property
    def good(self) -> bool:
        """Whether nothing needs to be done."""
        return self.repaired or self.severity == "note"

    def remedy(self, store: str) -> str:
        """What to do next, in the store at that location."""
        return CODES[self.code].remedy.format(store=store, bundle=self.bundle)

    def as_json(self, store: str) -> dict[str, Any]:
        """The fields of `audit --json`."""
        row: dict[str, Any] = {name: getattr(self, name) for name in ("code", "severity", "key", "bundle")}
        row |= {"meaning": CODES[self.code].meaning, "expected": self.expected, "found": self.found}
        return row | {"repaired": self.repaired, "repair": self.repair, "remedy": self.remedy(store)}

    def short(self) -> dict[str, str]:
        """As it is kept in a fixity event."""
        row = {"code": self.code, "key": self.key, "expected": clip(self.expected), "found": clip(self.found)}
        return {name: value for name, value in row.items() if value}

    def __str__(self) -> str:
        """One line for people."""
        detail = f": {self.expected} expected" if self.expected else ""
        detail += (f", {self.found}" if detail else f": {self.found}") if self.found else ""
        mark = "repaired" if self.repaired else self.severity
        return f"{mark:8}  {self.code}  {self.key}  {CODES[self.code].meaning}{detail}"


def clip(text: object) -> str:
    """`text` of a bounded length, on a line."""
    line = " ".join(str(text).split())
    return line if len(line) <= _MAX_DETAIL else line[:_MAX_DETAIL] + "…"
