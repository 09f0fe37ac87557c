"""The signature in datapackage-digest.json, of either shape that wacz-auth 0.1.0 knows.

An anonymous one is held against the public key beside it. One of a domain against its certificate, the certificate
against the authorities that this machine knows, and the time stamp against the signature. Neither says by itself that
the signer is to be trusted: which key or domain it was is in the `Signature` that comes back.
"""

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from tasks.bundle.sign import HALF, ORDER, fingerprint_of, spki
from tasks.bundle.tokens import TokenError, read_token
from tasks.bundle.verify_codes import Findings
from tasks.records import Digest

__all__ = ["Signature", "check_signature"]

PLACE = "datapackage-digest.json:signedData"
_COMMON = {"hash", "created", "software", "version", "signature"}
_ANONYMOUS = _COMMON | {"publicKey"}
_DOMAIN = _COMMON | {"domain", "domainCert", "timeSignature", "timestampCert"}
_MAY_ADD = {"crossSignedCert"}
_MAX_TEXT = 1 << 17  # characters of one value; the longest known, a chain of certificates, has 6,000
_NEAR = timedelta(minutes=10)  # wacz-auth: so near the time stamp must be to `created`


@dataclass(frozen=True, slots=True)
class Signature:
    """What a signature was found to be."""

    kind: str  # anonymous or domain
    genuine: bool  # it is the signature of this bundle by the key or certificate that it brings
    text: str = ""  # as it stands in the file: what a time stamp is over
    fingerprint: Digest | None = None  # of the public key
    domain: str = ""
    stamped_at: datetime | None = None  # by the time stamp that a domain's signature brings
    authority: str = ""  # who gave that time stamp


class _Wrong(Exception):
    """A finding that ends the check: code, what was expected, what was found."""

    def __init__(self, code: str, where: str, expected: object, found: object = "") -> None:
        super().__init__(code)
        self.code, self.where, self.expected, self.found = code, where, expected, found


def check_signature(signed: object, digest: str, package: Mapping[str, Any], findings: Findings) -> Signature | None:
    """Everything that is wrong with `signedData`; None where it is not one at all. Never raises."""
    if not isinstance(signed, dict):
        findings.add("signature-broken", PLACE, "an object", type(signed).__name__)
        return None
    kind = "domain" if "domain" in signed or "domainCert" in signed else "anonymous"
    try:
        _check_shape(signed, _DOMAIN if kind == "domain" else _ANONYMOUS, findings)
        if signed["hash"] != digest:
            raise _Wrong("signature-wrong", "hash", digest, signed["hash"])
        if signed["created"] != package.get("created"):
            raise _Wrong("signature-wrong", "created", package.get("created"), signed["created"])
        return _check_domain(signed, findings) if kind == "domain" else _check_anonymous(signed, findings)
    except _Wrong as wrong:
        findings.add(wrong.code, f"{PLACE}.{wrong.where}".rstrip("."), wrong.expected, wrong.found)
    except Exception as error:  # hostile keys and certificates: their parsers raise what no one foresaw
        findings.add("signature-broken", PLACE, "keys and certificates that can be read", repr(error))
    text = signed.get("signature")
    return Signature(kind, False, text if isinstance(text, str) and len(text) <= _MAX_TEXT else "")


def _check_shape(signed: Mapping[str, Any], names: set[str], findings: Findings) -> None:
    """All values are short texts; a property too many or too few that nothing hangs on is only odd."""
    for name, value in signed.items():
        if not isinstance(value, str) or len(value) > _MAX_TEXT:
            raise _Wrong("signature-broken", str(name)[:40], f"a text of at most {_MAX_TEXT} characters", type(value))
    missing, extra = names - set(signed), set(signed) - names - _MAY_ADD
    if needed := missing - {"version", "software"}:
        raise _Wrong("signature-broken", "", ", ".join(sorted(names)), f"without {', '.join(sorted(needed))}")
    if missing or extra:
        findings.add("signature-form", PLACE, ", ".join(sorted(names)), ", ".join(sorted(signed)))


# ------------------------------------------------------------------ anonymous
def _check_anonymous(signed: Mapping[str, str], findings: Findings) -> Signature:
    """ECDSA, P-384, SHA-256; r and s as they are, not in DER."""
    from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature

    raw = _decoded(signed["signature"], "signature")
    if len(raw) != 2 * HALF:
        raise _Wrong("signature-broken", "signature", f"{2 * HALF} bytes, r and s", f"{len(raw)} bytes")
    r, s = int.from_bytes(raw[:HALF]), int.from_bytes(raw[HALF:])
    if not (0 < r < ORDER and 0 < s < ORDER):
        raise _Wrong("signature-broken", "signature", "r and s from 1 to the order of P-384", "outside")
    der = _decoded(signed["publicKey"], "publicKey")
    key = _p384(der)
    if not _holds(key, encode_dss_signature(r, s), signed["hash"]):
        raise _Wrong(
            "signature-wrong", "signature", f"the signature of {signed['hash']} by the key beside it", "another"
        )
    shortest = spki(key)
    if findings.ours and (s > ORDER // 2 or shortest != der):
        findings.add("signature-form", PLACE, "the smaller s, the key in its shortest form", "another form")
    return Signature("anonymous", True, signed["signature"], fingerprint_of(shortest))


def _decoded(text: str, where: str) -> bytes:
    try:
        data = base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        data = b""
    if not data or base64.b64encode(data).decode() != text:
        raise _Wrong("signature-broken", where, "Base64", text[:80])
    return data


def _p384(der: bytes) -> Any:
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.asymmetric.ec import SECP384R1, EllipticCurvePublicKey
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    try:
        key = load_der_public_key(der)
    except (ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise _Wrong("signature-broken", "publicKey", "a public key (SubjectPublicKeyInfo, DER)", error) from None
    if not isinstance(key, EllipticCurvePublicKey) or not isinstance(key.curve, SECP384R1):
        found = key.curve.name if isinstance(key, EllipticCurvePublicKey) else type(key).__name__
        raise _Wrong("signature-unverified", "publicKey", "a key on P-384", found)
    return key


def _holds(key: Any, der: bytes, text: str) -> bool:
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
    from cryptography.hazmat.primitives.hashes import SHA256

    try:
        key.verify(der, text.encode("utf-8", "surrogatepass"), ECDSA(SHA256()))
    except InvalidSignature:
        return False
    return True


# ------------------------------------------------------------------ of a domain
def _check_domain(signed: Mapping[str, str], findings: Findings) -> Signature:
    """Signature by the certificate, time stamp over the signature, certificate valid then for that domain."""
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePublicKey

    chain = _certificates(signed["domainCert"], "domainCert")
    key = chain[0].public_key()
    if not isinstance(key, EllipticCurvePublicKey):
        raise _Wrong("signature-unverified", "domainCert", "a key for ECDSA", type(key).__name__)
    if not _holds(key, _decoded(signed["signature"], "signature"), signed["hash"]):
        raise _Wrong("signature-wrong", "signature", f"the signature of {signed['hash']} by the certificate", "another")
    stamped_at, authority = _stamp(signed)
    _check_created(signed["created"], stamped_at)
    crossed = _certificates(signed["crossSignedCert"], "crossSignedCert") if signed.get("crossSignedCert") else []
    _check_chain(chain, crossed, signed["domain"], stamped_at)
    found = f"{signed['domain']}, time stamp of {stamped_at:%Y-%m-%dT%H:%M:%SZ} by {authority}"
    findings.add("signature-domain", PLACE, "an authority of time that is known here", found)
    fingerprint = fingerprint_of(spki(key))
    return Signature("domain", True, signed["signature"], fingerprint, signed["domain"], stamped_at, authority)


def _stamp(signed: Mapping[str, str]) -> tuple[datetime, str]:
    """When the time stamp says that the signature was there, and who says so."""
    certificates = _certificates(signed["timestampCert"], "timestampCert")
    try:
        token = read_token(_decoded(signed["timeSignature"], "timeSignature"))
        token.check_over(signed["signature"].encode())
        token.check_signed(certificates[1:] or certificates, signer=certificates[0])
    except TokenError as error:
        raise _Wrong("timestamp-wrong", "timeSignature", "a time stamp over the signature", error) from None
    return token.time, token.authority or certificates[0].subject.rfc4514_string()


def _check_created(created: str, stamped_at: datetime) -> None:
    try:
        moment = datetime.fromisoformat(created)
    except ValueError:
        raise _Wrong("signature-broken", "created", "a time", created) from None
    moment = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    if abs(moment - stamped_at) > _NEAR:
        raise _Wrong("timestamp-wrong", "created", f"within ten minutes of the time stamp, {stamped_at}", created)


def _certificates(text: str, where: str) -> list[Any]:
    from cryptography.x509 import load_pem_x509_certificates

    try:
        return load_pem_x509_certificates(text.encode("utf-8", "surrogatepass"))
    except ValueError as error:
        raise _Wrong("signature-broken", where, "certificates in PEM", error) from None


def _check_chain(chain: list[Any], crossed: list[Any], domain: str, moment: datetime) -> None:
    """An authority that this machine knows issued the certificate for the domain, and it was valid at that moment."""
    from cryptography.x509 import DNSName
    from cryptography.x509.verification import PolicyBuilder, Store, VerificationError

    expected = f"a certificate for {domain} by an authority known here, valid at {moment:%Y-%m-%dT%H:%M:%SZ}"
    known = _known_issuers([*chain, *crossed])
    if not known:
        issuer = (crossed or chain)[-1].issuer.rfc4514_string()
        raise _Wrong("signature-certificate", "domainCert", expected, f"one below {issuer}, which is not known")
    try:
        verifier = PolicyBuilder().store(Store(known)).time(moment).build_server_verifier(DNSName(domain))
        verifier.verify(chain[0], [*chain[1:], *crossed])
    except (VerificationError, ValueError) as error:
        raise _Wrong("signature-certificate", "domainCert", expected, error) from None


def _known_issuers(chain: list[Any]) -> list[Any]:
    """Those of the public authorities (Mozilla's list, by certifi) that a certificate of the chain names as issuer."""
    import certifi
    from cryptography.x509 import load_der_x509_certificate

    names = {one.issuer.public_bytes() for one in chain}
    blocks = certifi.contents().split("-----BEGIN CERTIFICATE-----")[1:]
    known = (base64.b64decode(block.split("-----END")[0]) for block in blocks)
    # Only these are parsed: of the whole list some have serial numbers that the parser warns of.
    return [load_der_x509_certificate(der) for der in known if any(name in der for name in names)]
