"""Signatures of other tools with one thing changed: each is found for what it is, and nothing raises."""

import json
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tasks.bundle.verify import read_signature, verify_file
from tests.bundle.forge import members

CHAIN = "datapackage-digest.json"
DOMAIN, STAGING, ANONYMOUS = "pywacz-valid-signed-1.wacz", "pywacz-invalid-signed-1.wacz", "awp-example.wacz"


def signed_data(path: Path) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(members(path)[CHAIN])["signedData"]
    return data


def changed(source: Path, target: Path, change: Callable[[dict[str, Any]], object]) -> Path:
    """The file with its signedData changed."""
    table = json.loads(members(source)[CHAIN])
    change(table["signedData"])
    with zipfile.ZipFile(source) as old, zipfile.ZipFile(target, "w") as new:
        for item in old.infolist():
            new.writestr(item, json.dumps(table) if item.filename == CHAIN else old.read(item))
    return target


def errors(path: Path) -> set[str]:
    return {item.code for item in verify_file(path, level="structure") if item.severity == "error"}


def test_what_is_read_of_a_domain_and_of_a_key(shared: Path) -> None:
    found = read_signature(shared / "interop" / DOMAIN)
    assert found is not None
    assert (found.kind, found.genuine, found.domain) == ("domain", True, "btrix-sign-test.webrecorder.net")
    assert str(found.stamped_at) == "2022-01-18 19:00:12+00:00"
    assert "www.freetsa.org" in found.authority
    anonymous = read_signature(shared / "interop" / ANONYMOUS)
    assert anonymous is not None
    assert (anonymous.kind, anonymous.genuine) == ("anonymous", True)
    staging = read_signature(shared / "interop" / STAGING)
    assert staging is not None
    assert not staging.genuine


def of(path: Path, name: str) -> Callable[[dict[str, Any]], object]:
    """The value that another file has for a name."""
    value = signed_data(path)[name]
    return lambda signed: signed.update({name: value})


FLAWS: list[tuple[str, dict[str, Any]]] = [
    ("signature-wrong", {"created": "2022-01-18T19:00:13Z"}),
    ("signature-certificate", {"domain": "webrecorder.net"}),
    ("signature-certificate", {"domain": "*"}),
    ("signature-certificate", {"domain": "ä" * 300}),
    ("signature-broken", {"domainCert": ""}),
    ("signature-broken", {"domainCert": "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}),
    ("signature-broken", {"timestampCert": "none"}),
    ("signature-broken", {"signature": "AAAA="}),
    ("signature-wrong", {"signature": "AAAA"}),
    ("signature-broken", {"timeSignature": "?"}),
    ("timestamp-wrong", {"timeSignature": "AAAA"}),
    ("signature-broken", {"crossSignedCert": "none"}),
    ("signature-broken", {"domain": 7}),
]


@pytest.mark.parametrize(("code", "values"), FLAWS)
def test_each_flaw_of_a_domains_signature_is_found(
    shared: Path, tmp_path: Path, code: str, values: dict[str, Any]
) -> None:
    path = changed(shared / "interop" / DOMAIN, tmp_path / "x.wacz", lambda signed: signed.update(values))
    assert errors(path) == {code}


@pytest.mark.parametrize("name", ["domainCert", "timeSignature", "timestampCert", "signature"])
def test_a_part_of_another_signature_does_not_pass(shared: Path, tmp_path: Path, name: str) -> None:
    path = changed(shared / "interop" / DOMAIN, tmp_path / "x.wacz", of(shared / "interop" / STAGING, name))
    expected = {"domainCert": "signature-wrong", "timeSignature": "timestamp-wrong", "signature": "signature-wrong"}
    assert errors(path) == ({expected[name]} if name in expected else set())  # both have the same authority of time


def test_each_changed_character_of_a_domains_signature_gives_problems_or_none_but_no_error_of_ours(
    shared: Path, tmp_path: Path
) -> None:
    signed = signed_data(shared / "interop" / DOMAIN)
    missed = []
    for name in ("signature", "timeSignature", "domainCert", "timestampCert"):
        for at in range(0, len(signed[name]), 29):
            text = signed[name]
            new = text[:at] + ("B" if text[at] != "B" else "C") + text[at + 1 :]
            path = changed(
                shared / "interop" / DOMAIN,
                tmp_path / "x.wacz",
                lambda data, name=name, new=new: data.update({name: new}),
            )
            if not errors(path):
                missed.append(name)
    # Of the certificates only those of the way to a known authority count; the rest of the text is not needed.
    assert not {"signature", "timeSignature"} & set(missed)
