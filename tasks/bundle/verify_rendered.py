"""What a browser made of the page: the records are those that provenance.json names, no more and no fewer."""

from collections.abc import Mapping, Sequence
from typing import Any

from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_digest import matches
from tasks.bundle.verify_warc import Record

__all__ = ["check_rendered"]

_PLACE = "article/provenance.json"
_NAMES = ("dom", "view", "thumbnail", "pdf")
_LISTS = ("flags", "overlays", "refused", "resources")


def check_rendered(provenance: Mapping[str, Any], records: Sequence[Record], findings: Findings) -> None:
    """Each record against what `capture.rendered` says of it."""
    capture = provenance.get("capture")
    noted = capture.get("rendered") if isinstance(capture, dict) else None
    if noted is None:
        for record in records:
            findings.add("derived-mismatch", record.place, f"`rendered` in {_PLACE}", "none")
        return
    try:
        _check(noted, records, findings)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        findings.add("derived-broken", _PLACE, "capture.rendered as FORMAT.md has it", repr(error))


def _check(noted: Mapping[str, Any], records: Sequence[Record], findings: Findings) -> None:
    if not all(isinstance(noted[name], list) for name in _LISTS) or not isinstance(noted["agent"], str):
        raise TypeError("flags, overlays, refused and resources are lists")
    stated = noted["resources"]
    found = [record.url for record in records]
    if found != (wanted := [one["url"] for one in stated]):
        findings.add("derived-mismatch", _PLACE, f"the resources of rendered.warc.gz: {found}", wanted)
        return
    for record, one in zip(records, stated, strict=True):
        name = record.url.split(":")[1] if record.url.count(":") > 1 else ""
        if name not in _NAMES or not record.url.startswith("urn:"):
            findings.add("derived-mismatch", record.place, f"urn: and one of {', '.join(_NAMES)}", record.url)
        for field_name, own in (("media_type", record.fields.get("content-type")), ("date", record.date)):
            if one[field_name] != own:
                findings.add("derived-mismatch", record.place, f"{field_name} {one[field_name]}", own)
        size = record.fields.get("content-length")
        if str(one["bytes"]) != size or matches(str(one["digest"]), record.block) is not True:
            findings.add("derived-mismatch", record.place, f"{one['bytes']} bytes of {one['digest']}", f"{size}")
