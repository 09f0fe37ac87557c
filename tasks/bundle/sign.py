"""Signatures of bundles: the anonymous form of WACZ signing (wacz-auth 0.1.0), as ReplayWeb.page checks it.

What is signed is the text of `hash` in datapackage-digest.json, `sha256:…`: ECDSA over P-384 with SHA-256, the nonce
by RFC 6979, so that the same bundle and key always give the same signature. It is written as r and s, 48 bytes each, in
Base64; the public key as SubjectPublicKeyInfo (DER) in Base64. Of the two forms a signature has, (r, s) and (r, n - s),
the one with the smaller s is written.
"""

import base64
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from tasks.errors import MissingPart
from tasks.records import Digest, digest_of

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ec import EllipticCurvePrivateKey

__all__ = ["HALF", "ORDER", "VERSION", "Signer", "fingerprint_of", "signed_data", "spki"]

VERSION = "0.1.0"  # of wacz-auth
HALF = 48  # bytes of r and of s
# Order of the group: SEC 2 version 2.0, section 2.5.1 (secp384r1).
ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFC7634D81F4372DDF581A0DB248B0A77AECEC196ACCC52973


@dataclass(frozen=True, slots=True)
class Signer:
    """A private key on P-384."""

    key: "EllipticCurvePrivateKey"

    @property
    def public_key(self) -> str:
        """The public key as it stands in bundles."""
        return base64.b64encode(spki(self.key.public_key())).decode()

    @property
    def fingerprint(self) -> Digest:
        """The digest of the public key (DER): short enough to be published and compared."""
        return fingerprint_of(spki(self.key.public_key()))

    def sign(self, text: str) -> str:
        """The signature of `text`, the same every time."""
        from cryptography.exceptions import UnsupportedAlgorithm
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
        from cryptography.hazmat.primitives.hashes import SHA256

        try:
            made = self.key.sign(text.encode(), ECDSA(SHA256(), deterministic_signing=True))
        except UnsupportedAlgorithm as error:  # never fall back to random nonces: the same bundle would differ
            what = f"this cryptography package cannot sign by RFC 6979: {error}"
            raise MissingPart(what, remedy="Install its wheel (OpenSSL 3.2 or later), or set sign = false") from None
        r, s = decode_dss_signature(made)
        s = min(s, ORDER - s)
        return base64.b64encode(r.to_bytes(HALF) + s.to_bytes(HALF)).decode()


def signed_data(signer: Signer, *, digest: Digest, created: str, software: str) -> dict[str, Any]:
    """`signedData` of datapackage-digest.json; wacz-auth allows no other properties."""
    return {
        "hash": digest,
        "created": created,
        "software": software,
        "version": VERSION,
        "signature": signer.sign(digest),
        "publicKey": signer.public_key,
    }


def spki(public_key: Any) -> bytes:
    """A public key as SubjectPublicKeyInfo, DER."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    data: bytes = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return data


def fingerprint_of(der: bytes) -> Digest:
    """The fingerprint of a public key in SubjectPublicKeyInfo form: the digest of those bytes."""
    return digest_of(der)
