"""What signature and time stamps of a bundle prove, to someone who trusts certain keys and authorities; and what not.

| seen | proves | does not prove |
| --- | --- | --- |
| signature by a known key | nothing has changed since who holds that key signed | when; that the page was so |
| signature by an unknown key | nothing has changed since someone signed | who: anyone can make a key |
| signature of a domain | nothing has changed since the holder of its certificate signed | when it did |
| time stamp by a known authority | the signature, and so the bundle, was there at that time | that the page was so |
| none | nothing beyond the digests: who changes the file can write these anew | |
"""

import re
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from tasks.bundle.manifest import read_manifest
from tasks.bundle.sign import fingerprint_of, spki
from tasks.bundle.tokens import MAX_BYTES, Token, TokenError, UnknownAuthority, read_token
from tasks.bundle.verify import CODES, read_signature
from tasks.bundle.verify_signature import Signature
from tasks.errors import FixityError, NotFound, SettingsError, TearsheetError
from tasks.keys import key_path, known_keys
from tasks.records import BUNDLE_ID, Digest, Problem
from tasks.settings import Settings
from tasks.store import Store
from tasks.timestamps import load_authorities, put_stamp, request_stamp, stamps_of

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["Proof", "StampSeen", "Trust", "prove_file", "prove_stored", "stamp_stored", "trust_of"]

_FINGERPRINT = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class Trust:
    """Whose signatures and time stamps count."""

    own: frozenset[Digest]  # fingerprints of the keys made here
    others: frozenset[Digest]
    authorities: "tuple[Certificate, ...]"
    required: bool  # a bundle without a genuine signature by one of these keys has a problem


def trust_of(settings: Settings, *, trusted: Iterable[str] = (), required: bool = False) -> Trust:
    """Trust by the settings and, beyond them, by `trusted`: fingerprints, or files with public keys in PEM."""
    own = frozenset(known.fingerprint for known in known_keys(key_path(settings)))
    others = frozenset(Digest(name) for name in settings.trusted_keys) | {_fingerprint(name) for name in trusted}
    authorities = tuple(load_authorities(settings.timestamp_ca))
    return Trust(own, others, authorities, required or settings.require_signature)


def _fingerprint(name: str) -> Digest:
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if _FINGERPRINT.fullmatch(name):
        return Digest(name)
    remedy = "Give sha256: and 64 digits, or a file with a public key in PEM"
    try:
        return fingerprint_of(spki(load_pem_public_key(Path(name).read_bytes())))
    except OSError as error:
        raise SettingsError(f"no fingerprint, and no file: {error.strerror}", where=name, remedy=remedy) from None
    except Exception as error:  # ValueError, UnsupportedAlgorithm
        raise SettingsError(f"no public key in PEM: {error}", where=name, remedy=remedy) from None


# ------------------------------------------------------------------ what was found
@dataclass(frozen=True, slots=True)
class StampSeen:
    """A time stamp over the signature."""

    where: str
    time: datetime
    authority: str
    known: bool  # by an authority of `timestamp_ca`


@dataclass(frozen=True, slots=True)
class Proof:
    """What signature and time stamps were found to be."""

    signature: Signature | None
    by: str = ""  # own, trusted or unknown: whose key it was
    stamps: tuple[StampSeen, ...] = ()
    problems: tuple[Problem, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """The fields `signature` and `timestamps` of `verify --json`."""
        found = self.signature
        signature = found and {
            "kind": found.kind,
            "genuine": found.genuine,
            "by": self.by or None,
            "fingerprint": found.fingerprint,
            "domain": found.domain or None,
        }
        stamps = [
            {"time": f"{one.time:%Y-%m-%dT%H:%M:%SZ}", "authority": one.authority, "known": one.known}
            for one in self.stamps
        ]
        return {"signature": signature, "timestamps": stamps}

    def lines(self) -> tuple[str, ...]:
        """What is proven and what is not, for people."""
        return (_signature_line(self), *(_stamp_line(one) for one in self.stamps))


def _signature_line(proof: Proof) -> str:
    found = proof.signature
    if found is None:
        return "signature: none. The digests show damage, not a change by someone who wrote them anew"
    if not found.genuine:
        return "signature: NOT genuine. It proves nothing"
    if found.kind == "domain":
        return (
            f"signature: genuine, by {found.domain}. Proves that nothing has changed since who held its certificate "
            "signed; not when, unless you trust who stamped the time"
        )
    whose = {"own": "by a key of yours", "trusted": "by a key you trust"}.get(proof.by, "by an unknown key")
    shows = "not when, nor that the page was so" if proof.by != "unknown" else "not who: anyone can make a key"
    since = "Proves that nothing has changed since it was signed"
    return f"signature: genuine, {whose} ({found.fingerprint}). {since}; {shows}"


def _stamp_line(stamp: StampSeen) -> str:
    time, authority = f"{stamp.time:%Y-%m-%d %H:%M:%S}Z", stamp.authority or "someone"
    if not stamp.known:
        return f"time stamp: {time} by {authority}, whom timestamp_ca does not name: no proof"
    return f"time stamp: the signature was there at {time}, says {authority}"


# ------------------------------------------------------------------ looking
def prove_file(path: Path, trust: Trust) -> Proof:
    """What a file proves, with the time stamps beside it, `<id>.tsr` or `<id>-<16 hex>.tsr` as `pull` writes them."""
    name = re.compile(re.escape(path.name.removesuffix(".wacz")) + r"(-[0-9a-f]{16})?\.tsr")
    beside = sorted(one for one in path.parent.iterdir() if name.fullmatch(one.name) and one.is_file())
    return _prove(path, trust, [(one.name, _start_of(one)) for one in beside])


def _start_of(path: Path) -> bytes:
    """Enough of a file to see that it is too long."""
    with path.open("rb") as file:
        return file.read(MAX_BYTES + 1)


def prove_stored(store: Store, id_: str, path: Path, trust: Trust) -> Proof:
    """What a stored bundle proves, its copy at `path`, with the time stamps in the store."""
    try:
        answers = [(stamp.key, stamp.data) for stamp in stamps_of(store, id_)]
    except TearsheetError as error:
        found = _prove(path, trust, [])
        broken = _problem("timestamp-wrong", "events of the store", "time stamps that can be read", str(error))
        return Proof(found.signature, found.by, (), (*found.problems, broken))
    return _prove(path, trust, answers)


def _prove(path: Path, trust: Trust, answers: list[tuple[str, bytes]]) -> Proof:
    signature = read_signature(path)
    by = _whose(signature, trust)
    problems = [] if not trust.required or by in ("own", "trusted") else [_required(signature)]
    stamps = []
    for where, data in answers:
        stamp, problem = _stamp(where, data, signature, trust)
        stamps += [stamp] if stamp else []
        problems += [problem] if problem else []
    return Proof(signature, by, tuple(stamps), tuple(problems))


def _whose(signature: Signature | None, trust: Trust) -> str:
    """own, trusted or unknown; empty where nothing genuine is there."""
    if signature is None or not signature.genuine:
        return ""
    if signature.fingerprint in trust.own:
        return "own"
    return "trusted" if signature.fingerprint in trust.others else "unknown"


def _required(signature: Signature | None) -> Problem:
    found = "none" if signature is None else f"one by {signature.fingerprint}" if signature.genuine else "none genuine"
    return _problem("signature-required", "datapackage-digest.json", "a genuine signature by a known key", found)


def _stamp(
    where: str, data: bytes, signature: Signature | None, trust: Trust
) -> tuple[StampSeen | None, Problem | None]:
    """The time stamp as far as it can be seen, and what is wrong with it."""
    expected = "a time stamp over the signature"
    try:
        token = read_token(data)
        token.check_over(signature.text.encode("utf-8", "surrogatepass") if signature else b"")
        seen = StampSeen(where, token.time, token.authority, known=bool(trust.authorities))
        if trust.authorities:
            token.check_signed(trust.authorities)
            return seen, None
    except UnknownAuthority:
        seen = StampSeen(where, token.time, token.authority, known=False)
    except TokenError as error:
        return None, _problem("timestamp-wrong", where, expected, str(error))
    return seen, _problem(
        "timestamp-unknown", where, "an authority that timestamp_ca names", seen.authority or "another"
    )


def _problem(code: str, place: str, expected: str, found: str) -> Problem:
    return Problem(code, place, expected, found[:300], CODES[code].severity)


# ------------------------------------------------------------------ adding
def stamp_stored(store: Store, id_: str, settings: Settings, *, again: bool = False) -> Token | None:
    """A time stamp over the signature of a stored bundle, kept beside it; None where it has one and not `again`.

    Raises FixityError where the bundle or its signature is not as it should be, and what request_stamp raises.
    """
    if not BUNDLE_ID.fullmatch(id_):
        raise NotFound("not the id of a bundle", where=id_, remedy="`tearsheet list` shows them")
    manifest = store.read_manifest(id_)
    if not again and any(stamps_of(store, id_)):
        return None
    with tempfile.TemporaryDirectory(prefix="tearsheet-") as folder:
        signature = read_signature(store.fetch_bundle(id_, Path(folder)))
    if signature is None or not signature.genuine:
        what = "it is not signed" if signature is None else "its signature is not genuine"
        raise FixityError(what, where=id_, remedy="A time stamp is over a signature: nothing was asked for")
    token = request_stamp(signature.text, settings)
    put_stamp(store, id_, read_manifest(manifest).sha256, token)
    return token
