"""datapackage.json and what hangs on it: the layout, every member's hash and size, the digest file, our byte form."""

import hashlib
import json
import zlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, BinaryIO

from tasks.bundle.jsons import json_page
from tasks.bundle.sign import VERSION as VERSION_OF_SIGNING
from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_digest import SIZES, algorithm_of, matches
from tasks.bundle.verify_signature import Signature, check_signature
from tasks.bundle.verify_zip import STORED, Member, Section, Zip, member_chunks, read_small
from tasks.bundle.wacz import Entry, framing
from tasks.records import Digest, digest_of

__all__ = ["Package", "check_canonical", "check_chain", "check_fixity", "check_layout", "read_json", "read_package"]

PACKAGE, CHAIN = "datapackage.json", "datapackage-digest.json"
OURS = "tearsheet-bundle/"  # datapackage.json says {"tearsheet": {"format": "tearsheet-bundle/1"}}
VERSION, OLDER = "1.1.1", ("1.0.0", "1.1.0")

_ENDINGS = {  # folder of WACZ: what may lie in it
    "archive": (".warc", ".warc.gz"),
    "indexes": (".cdx", ".cdxj", ".cdx.gz", ".cdxj.gz", ".idx"),
    "pages": (".jsonl", ".jsonl.gz"),
}


@dataclass(frozen=True, slots=True)
class _Resource:
    digest: str
    size: int
    packed: str = ""  # ours: digest of the deflated bytes in the zip


@dataclass(frozen=True, slots=True)
class Package:
    """datapackage.json as far as it could be read."""

    table: Mapping[str, Any] = field(default_factory=dict)
    resources: Mapping[str, _Resource] = field(default_factory=dict)  # in the order of the file


def read_json(data: bytes) -> Any:
    """The JSON in `data`; ValueError when it is none, however deep its nesting."""
    try:
        return json.loads(data)
    except RecursionError:
        raise ValueError("nested too deeply") from None


# ------------------------------------------------------------------ layout
def check_layout(archive: Zip, findings: Findings) -> None:
    """The members that WACZ asks for are there, and nothing else is in its folders."""
    names = [name for name in archive.members if not name.endswith("/")]
    for folder, endings in _ENDINGS.items():
        inside = [name for name in names if name.startswith(f"{folder}/")]
        wanted = "pages/pages.jsonl" if folder == "pages" else f"{folder}/*{endings[0]}"
        if not any(name == wanted or (folder != "pages" and name.endswith(endings)) for name in inside):
            findings.add("layout-missing", wanted)
        for name in inside:
            if name.count("/") > 1 or not name.endswith(endings):
                findings.add("layout-extra", name, f"only {', '.join(endings)} in {folder}/")
    if PACKAGE not in archive.members:
        findings.add("layout-missing", PACKAGE)


# ------------------------------------------------------------------ datapackage.json
def read_package(file: BinaryIO, archive: Zip, findings: Findings) -> Package:
    """The package; says among the findings whether the file is ours."""
    if PACKAGE not in archive.members:
        return Package()
    table = _table(file, archive.members[PACKAGE], findings)
    if table is None:
        return Package()
    mark = table.get("tearsheet")
    if isinstance(mark, dict) and str(mark.get("format", "")).startswith(OURS):
        findings.ours = True
    _check_version(table.get("wacz_version"), findings)
    listed = table.get("resources")
    if not isinstance(listed, list):
        findings.add("package-broken", PACKAGE, "a list of resources", type(listed).__name__)
        listed = []
    resources, names = {}, set()
    for number, item in enumerate(listed):
        place = f"{PACKAGE}:resources[{number}]"
        if not isinstance(item, dict) or not isinstance(item.get("path"), str):
            findings.add("package-broken", place, "an object with a path")
            continue
        name = item.get("name")
        if not isinstance(name, str) or name in names:
            findings.add("package-name", place, "a name of its own", name)
        names.add(str(name))
        if item["path"] in resources:
            findings.add("package-broken", place, "each path once", item["path"])
        resources[item["path"]] = _resource(item, place, findings)
    return Package(table, resources)


def _table(file: BinaryIO, member: Member, findings: Findings) -> dict[str, Any] | None:
    try:
        table = read_json(read_small(file, member))
    except (ValueError, EOFError, zlib.error) as error:
        findings.add("package-broken", member.name, "JSON", error)
        return None
    if not isinstance(table, dict):
        findings.add("package-broken", member.name, "an object", type(table).__name__)
        return None
    return table


def _check_version(version: object, findings: Findings) -> None:
    if version in OLDER:
        findings.add("package-old-version", PACKAGE, VERSION, version)
    elif version != VERSION:
        findings.add("package-version", PACKAGE, f"wacz_version {VERSION}", version)


def _resource(item: Mapping[str, Any], place: str, findings: Findings) -> _Resource:
    """Hash and size; WACZ 1.0.0 held them in `stats`, the algorithm in `hashing`."""
    digest, size = item.get("hash"), item.get("bytes")
    if isinstance(item.get("stats"), dict):
        digest, size = f"{item.get('hashing')}:{item['stats'].get('hash')}", item["stats"].get("bytes")
    if not isinstance(digest, str) or type(size) is not int:
        findings.add("package-broken", place, "hash and bytes", f"{digest}, {size}")
        digest, size = "", -1
    stored = item.get("stored")
    packed = stored.get("hash", "") if isinstance(stored, dict) else ""
    return _Resource(digest, size, packed if isinstance(packed, str) else "")


# ------------------------------------------------------------------ members
def check_fixity(file: BinaryIO, archive: Zip, package: Package, findings: Findings, *, digests: bool) -> None:
    """Members and resources are the same set, and each member is what its resource says; then the digest file.

    With `digests` false the data of members are not read: names and sizes only.
    """
    for path in package.resources:
        if path not in archive.members:
            findings.add("member-missing", path, "a member", "none")
    for name, member in archive.members.items():
        resource = package.resources.get(name)
        if resource is None and name not in (PACKAGE, CHAIN) and not name.endswith("/"):
            findings.add("member-unlisted", name, f"a resource of {PACKAGE}", "none")
        if resource is not None and resource.size not in (member.size, -1):
            findings.add("member-bytes", name, resource.size, member.size)
        if digests and member.start >= 0 and not member.flags & 1 and member.method in (0, 8):
            _check_data(file, member, resource, findings)
    check_chain(file, archive, package, findings)


def _check_data(file: BinaryIO, member: Member, resource: _Resource | None, findings: Findings) -> None:
    algorithm = algorithm_of(resource.digest) if resource else ""
    digest = hashlib.new(algorithm if algorithm in SIZES else "sha256", usedforsecurity=False)
    crc = size = 0
    try:
        for chunk in member_chunks(file, member):
            crc, size = zlib.crc32(chunk, crc), size + len(chunk)
            digest.update(chunk)
    except (zlib.error, EOFError) as error:
        findings.add("zip-data", member.name, f"{member.size} bytes", error)
        return
    if size != member.size:
        findings.add("zip-data", member.name, f"{member.size} bytes", f"{size} or more")
    if crc != member.crc:
        findings.add("zip-crc", member.name, f"{member.crc:08x}", f"{crc:08x}")
    if resource is None or not resource.digest:
        return
    if algorithm not in SIZES:
        findings.add("digest-unknown", member.name, "sha256:…", resource.digest)
    elif not matches(resource.digest, {algorithm: digest.digest()}):
        findings.add("member-hash", member.name, resource.digest, f"{algorithm}:{digest.hexdigest()}")


def check_chain(file: BinaryIO, archive: Zip, package: Package, findings: Findings) -> Signature | None:
    """datapackage-digest.json holds the hash of datapackage.json, and perhaps a signature of that hash.

    Gives the signature, which is genuine only where the hash is right, too.
    """
    if PACKAGE not in archive.members:
        return None
    if CHAIN not in archive.members:
        findings.add("package-no-digest", CHAIN, "a digest of datapackage.json", "none")
        return None
    table = _table(file, archive.members[CHAIN], findings)
    if table is None:
        return None
    text = table.get("hash")
    if table.get("path") != PACKAGE or not isinstance(text, str):
        findings.add("package-broken", CHAIN, f"path {PACKAGE} and its hash", f"{table.get('path')}, {text}")
        return None
    right = _check_hash(file, archive.members[PACKAGE], text, findings)
    if "signedData" not in table:
        return None
    found = check_signature(table["signedData"], text, package.table, findings)
    return found if right or found is None else replace(found, genuine=False)


def _check_hash(file: BinaryIO, member: Member, text: str, findings: Findings) -> bool:
    algorithm = algorithm_of(text)
    if algorithm not in SIZES:
        findings.add("digest-unknown", CHAIN, "sha256:…", text)
        return False
    try:
        data = read_small(file, member)
    except (EOFError, zlib.error):
        return False  # read_package has said so
    found = hashlib.new(algorithm, data, usedforsecurity=False).digest()
    if matches(text, {algorithm: found}):
        return True
    findings.add("package-digest", CHAIN, text, f"{algorithm}:{found.hex()}")
    return False


# ------------------------------------------------------------------ our own form
def check_canonical(file: BinaryIO, archive: Zip, package: Package, findings: Findings) -> None:
    """A bundle of ours is, outside its members' data, byte for byte what tasks/bundle/wacz.py writes.

    Headers of a zip and datapackage-digest.json have no digest of their own; and several deflate streams give the
    same data, so that the digest of the packed bytes is compared as well.
    """
    members = list(archive.members.values())
    names = [*package.resources, PACKAGE, CHAIN]
    if (found := [member.name for member in members]) != names:
        findings.add("zip-not-canonical", "order of members", ", ".join(names), ", ".join(found))
        return
    try:
        moment = datetime.strptime(str(package.table.get("created")), "%Y-%m-%dT%H:%M:%SZ")
        blank = Digest("")
        entries = [Entry(item.name, item.method, item.crc, item.packed, item.size, blank, blank) for item in members]
        parts = list(framing(entries, moment))
    except (ValueError, OverflowError) as error:
        findings.add("zip-not-canonical", PACKAGE, "a time in `created`, ASCII names", error)
        return
    for offset, wanted in parts:
        if Section(file, offset, len(wanted)).read(len(wanted)) != wanted:
            findings.add("zip-not-canonical", f"@{offset}", f"{len(wanted)} bytes as Tearsheet writes them", "others")
    if (end := parts[-1][0] + len(parts[-1][1])) != archive.size:
        findings.add("zip-not-canonical", "the whole file", f"{end} bytes", archive.size)
    for member in members:
        if member.method != STORED:
            _check_packed(file, member, package.resources.get(member.name), findings)
    _check_digest_file(file, archive, package, findings)


def _check_packed(file: BinaryIO, member: Member, resource: _Resource | None, findings: Findings) -> None:
    digest, section = hashlib.sha256(), Section(file, member.start, member.packed)
    while chunk := section.read():
        digest.update(chunk)
    wanted = resource.packed if resource else ""
    if wanted != f"sha256:{digest.hexdigest()}":
        findings.add("zip-not-canonical", member.name, wanted or "stored", f"sha256:{digest.hexdigest()} (packed)")


def _check_digest_file(file: BinaryIO, archive: Zip, package: Package, findings: Findings) -> None:
    """Its one byte form, signed or not; signature and key are held against each other by check_signature."""
    try:
        data, chain = (read_small(file, archive.members[name]) for name in (PACKAGE, CHAIN))
        table = read_json(chain)
    except (ValueError, EOFError, zlib.error):
        return  # check_fixity has said so
    wanted: dict[str, Any] = {"path": PACKAGE, "hash": digest_of(data)}
    if isinstance(table, dict) and isinstance(signed := table.get("signedData"), dict):
        wanted["signedData"] = {
            "hash": wanted["hash"],
            "created": package.table.get("created"),
            "software": package.table.get("software"),
            "version": VERSION_OF_SIGNING,
            "signature": str(signed.get("signature")),
            "publicKey": str(signed.get("publicKey")),
        }
    if chain != json_page(wanted):
        findings.add("zip-not-canonical", CHAIN, "path, hash and signature as Tearsheet writes them", "others")
