"""Verification of any WACZ or WARC: every problem, in one pass, as typed records.

| level | reads | does not see |
| --- | --- | --- |
| structure | zip directory and headers, layout, names, sizes, datapackage.json with its digest, JSON shape; of a bare WARC all framing and fields | a changed byte inside any other member; digests of a bare WARC's blocks |
| fixity | and every byte: CRC-32, hashes of members, the canonical form of a bundle of ours; block and payload digests of a bare WARC | an index, page list or derived file that is wrong but hashed as it is; what is wrong in a WARC inside a WACZ |
| full | and what it means: WARC records with digests, references and revisits, index rows, pages, derived files | who holds the key of a signature, and when it was made; whether the rules removed the right text |

A signature is held against its key at every level; by a kind of key that is not known here it is `unverifiable`,
which is not sound. Notes (an older version, departures from the standard that lose nothing) leave a file sound. Codes, with their meaning and severity, stand in the table of verify_codes.py.
"""  # noqa: E501 a table's row is one line

import hashlib
import os
from collections.abc import Iterable
from io import BufferedReader
from pathlib import Path
from typing import BinaryIO

from tasks.bundle.verify_codes import CODES, Findings
from tasks.bundle.verify_derived import Derived, check_derived
from tasks.bundle.verify_fields import CrossCheck
from tasks.bundle.verify_index import Index
from tasks.bundle.verify_manifest import Beside, check_manifest
from tasks.bundle.verify_package import check_canonical, check_chain, check_fixity, check_layout, read_package
from tasks.bundle.verify_pages import check_pages
from tasks.bundle.verify_signature import Signature
from tasks.bundle.verify_warc import read_records
from tasks.bundle.verify_zip import STORED, Section, Zip, read_zip, unpack_small
from tasks.records import Digest, Problem

__all__ = ["CODES", "LEVELS", "is_sound", "manifest_problems", "read_signature", "verify_file"]

LEVELS = ("structure", "fixity", "full")


def verify_file(
    path: Path, *, level: str = "full", expected: Digest | None = None, manifest: bytes | None = None
) -> tuple[Problem, ...]:
    """Every problem of the WACZ or WARC at `path`, recognised by its first bytes, not by its name.

    `expected` is the sha256 that the whole file should have; `manifest` the one that stands beside it in a store, held
    against it in every field at every level. Raises OSError when the file cannot be opened, and ValueError for an
    unknown level; whatever the bytes are, they give problems, never an exception.
    """
    if level not in LEVELS:
        raise ValueError(f"level is {level!r}: one of {', '.join(LEVELS)}")
    findings = Findings()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        if expected is not None:
            _check_whole(file, expected, findings)
            file.seek(0)
        head = file.read(5)
        if head.startswith(b"PK"):
            _verify_wacz(file, size, level, findings, Beside(path.stem, manifest) if manifest is not None else None)
        elif head.startswith((b"\x1f\x8b", b"WARC/")) and manifest is None:
            _verify_warc(file, path.name, size, level, findings)
        else:
            findings.add("unknown-format", "@0", "a zip (PK), gzip or WARC/", head.hex() or "an empty file")
    return tuple(findings)


def read_signature(path: Path) -> Signature | None:
    """The signature in a WACZ, held against its datapackage.json; None where the file is none or has none.

    Says nothing of the members: a signature means something only for a file that verify_file finds sound.
    """
    findings = Findings()
    with path.open("rb") as file:
        size = os.fstat(file.fileno()).st_size
        archive = read_zip(file, size, findings) if file.read(2) == b"PK" else None
        if archive is None:
            return None
        package = read_package(file, archive, findings)
        return check_chain(file, archive, package, findings)


def manifest_problems(file: BinaryIO, size: int, beside: Beside) -> tuple[Problem, ...]:
    """What the manifest of a bundle says otherwise than the bundle, and why its zip cannot be read where it cannot.

    For whoever knows by its digest that the file is the one that was verified when it was stored.
    """
    findings = Findings()
    archive = read_zip(file, size, findings)
    if archive:
        check_manifest(file, archive, read_package(file, archive, findings), beside, findings)
    return tuple(findings)


def is_sound(problems: Iterable[Problem]) -> bool:
    """Whether nothing is wrong and nothing was left undecided; notes do not count."""
    return all(problem.severity == "note" for problem in problems)


def _check_whole(file: BufferedReader, expected: Digest, findings: Findings) -> None:
    found = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    if found != expected:
        findings.add("file-digest", "the whole file", expected, found)


def _verify_warc(file: BufferedReader, name: str, size: int, level: str, findings: Findings) -> None:
    links = CrossCheck(findings)
    for record in read_records(Section(file, 0, size), name, findings, digests=level != "structure"):
        links.add(record)
    links.finish()


def _verify_wacz(file: BufferedReader, size: int, level: str, findings: Findings, beside: Beside | None) -> None:
    archive = read_zip(file, size, findings)
    if archive is None:
        return
    if level != "structure":
        archive = unpack_small(file, archive)
    check_layout(archive, findings)
    package = read_package(file, archive, findings)
    if beside:
        check_manifest(file, archive, package, beside, findings)
    check_fixity(file, archive, package, findings, digests=level != "structure")
    if findings.ours and level != "structure":
        check_canonical(file, archive, package, findings)
    if level != "full":
        return
    index, kept = Index(file, archive, findings), Derived()
    _read_archive(file, archive, index, kept, findings)
    page = check_pages(file, archive, index.times, findings)
    if findings.ours:
        check_derived(file, archive, package.table, page, kept, findings)


def _read_archive(file: BufferedReader, archive: Zip, index: Index, kept: Derived, findings: Findings) -> None:
    """Every record of every WARC file, each against its index row and against the others."""
    links = CrossCheck(findings)
    for name, member in archive.members.items():
        if not name.startswith("archive/") or not name.endswith((".warc", ".warc.gz")):
            continue
        if member.method != STORED or member.start < 0:
            continue  # read_zip has said so
        section = Section(file, member.start, member.packed)
        for record in read_records(section, name.removeprefix("archive/"), findings, wanted=index.wanted):
            links.add(record)
            index.check(record)
            if findings.ours:
                kept.add(record)
    links.finish()
    index.finish()
