"""What provenance.json says of settings and capture, held against itself and the WARC. Old bundles lack some of it."""

import base64
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tasks.bundle.provenance import settings_digest
from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_warc import Record
from tasks.records import digest_of

__all__ = ["check_provenance"]

PLACE = "article/provenance.json"
_CHAINS = ("verified", "sent", "leaf")


def check_provenance(
    provenance: Mapping[str, Any], responses: Sequence[Record], notes: Sequence[Record], findings: Findings
) -> None:
    """Digest of the settings; exchanges as in the WARC; certificates that are what their digests say."""
    settings, digest = provenance.get("settings"), provenance.get("settings_digest")
    if digest is not None and (not isinstance(settings, dict) or settings_digest(settings) != digest):
        findings.add("derived-mismatch", PLACE, "settings_digest of the settings", digest)
    if "capture" not in provenance:
        return
    try:
        _check_capture(provenance["capture"], responses, notes, findings)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        findings.add("derived-broken", PLACE, "capture as FORMAT.md has it", repr(error))


def _check_capture(
    capture: Mapping[str, Any], responses: Sequence[Record], notes: Sequence[Record], findings: Findings
) -> None:
    stated = [(one["url"], one["address"], one["started_at"][:19] + "Z") for one in capture["exchanges"]]
    held = [(one.url, one.fields.get("warc-ip-address", ""), one.date) for one in responses]
    if stated != held:
        findings.add("derived-mismatch", PLACE, f"the exchanges of the WARC: {held}", stated)
    if requisites := capture.get("requisites"):
        missing = [(one["url"], one["reason"]) for one in requisites["missing"]]
        if len(missing) > requisites["wanted"] or len(set(missing)) != len(missing):
            findings.add("derived-mismatch", PLACE, "requisites, each missing one of them once", requisites)
    certificates = {one["digest"]: base64.b64decode(one["der"], validate=True) for one in capture["certificates"]}
    for digest, der in certificates.items():
        if digest_of(der) != digest:
            findings.add("derived-mismatch", PLACE, f"a certificate of the digest {digest}", digest_of(der))
    if not _is_robots(capture.get("robots")):
        findings.add("derived-broken", PLACE, "robots with policy, allowed and reason", capture["robots"])
    if not _is_probe(capture.get("probe"), [one.url for one in responses]):
        findings.add("derived-broken", PLACE, "probe with a url of the WARC and a likeness", capture["probe"])
    sessions = [one["tls"] for one in capture["exchanges"]]
    for session in filter(None, sessions):
        if session["chain_is"] not in _CHAINS or not set(session["chain"][1:]) <= certificates.keys():
            findings.add("derived-mismatch", PLACE, "a chain whose certificates are there", session)
    leaves = [session["chain"][0] if session else "" for session in sessions]
    if leaves != list(_leaves(notes)):
        findings.add(
            "derived-mismatch", PLACE, f"the servers' certificates as in the WARC: {list(_leaves(notes))}", leaves
        )


def _is_robots(note: object) -> bool:
    """Whether it is what was noted of robots.txt; None where nobody asked."""
    if note is None:
        return True
    kinds = {"policy": str, "allowed": bool, "reason": str}
    return isinstance(note, dict) and {name: type(value) for name, value in note.items()} == kinds


def _is_probe(note: object, held: Sequence[str]) -> bool:
    """Whether it is what was noted of a missing page, whose answer is there; None where nobody asked for one."""
    if note is None:
        return True
    if not isinstance(note, dict) or note.keys() != {"url", "likeness"} or note["url"] not in held:
        return False
    likeness = note["likeness"]
    return type(likeness) in (int, float) and 0 <= likeness <= 1


def _leaves(notes: Sequence[Record]) -> Iterator[str]:
    """The digest of the server's certificate in each metadata record; empty where there was no TLS."""
    for note in notes:
        lines = (line.partition(b":") for line in (note.text or b"").split(b"\r\n"))
        found = [
            value.strip().decode("utf-8", "replace") for name, _, value in lines if name == b"tlsCertificateDigest"
        ]
        yield found[0] if found else ""
