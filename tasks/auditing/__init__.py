"""Audits of a store: whether what was acknowledged is all there and unchanged, and what should not be there.

| level | reads | does not see |
| --- | --- | --- |
| size | one listing, every manifest and event | a changed byte of a bundle or source that kept its size |
| checksum | and asks the server for the digest of each bundle and source | what happened to the bytes since the server recorded it; anything where the server records none, which is told as `untold-digest` |
| full | and every byte of bundles and sources; each manifest against its bundle | whether a bundle was right when it was stored (`tearsheet verify` tells); that one went as a whole before any audit read it |

A rolling audit (a period) reads in full only its share, with the events whose turn it is, but looks at the whole listing.
What was read is kept as `fixity` events in the store: history.py. Codes of findings: codes.py.
"""  # noqa: E501 a table's row is one line

from tasks.auditing.bundles import LEVELS, Checked
from tasks.auditing.codes import CODES, Finding
from tasks.auditing.report import Plan, Report
from tasks.auditing.run import Reading, Turn, audit_store, check_turns

__all__ = [
    "CODES",
    "LEVELS",
    "Checked",
    "Finding",
    "Plan",
    "Reading",
    "Report",
    "Turn",
    "audit_store",
    "check_turns",
]
