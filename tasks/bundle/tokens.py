"""RFC 3161 time stamps: the question to an authority, and its answer checked without any network.

An answer proves that the authority saw the digest of some bytes at a time. Bytes here are the text of a signature.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.x509 import Certificate

__all__ = ["MAX_BYTES", "Token", "TokenError", "UnknownAuthority", "new_question", "read_token"]

MAX_BYTES = 1 << 17  # of an answer; those of known authorities have 1,000 to 8,000
_DIGESTS = {  # https://www.iana.org/assignments/hash-function-text-names/
    "2.16.840.1.101.3.4.2.1": "sha256",
    "2.16.840.1.101.3.4.2.2": "sha384",
    "2.16.840.1.101.3.4.2.3": "sha512",
}


_NO_WAY_UP = (  # X509_verify_cert_error_string(3)
    *("unable to get local issuer certificate", "unable to get issuer certificate"),
    *("self-signed certificate", "self-signed certificate in certificate chain"),
)


class TokenError(ValueError):
    """Not an answer of an authority, or not the one wanted; the text says in what."""


class UnknownAuthority(TokenError):
    """Signed by someone, but by no authority that was named."""


@dataclass(frozen=True, slots=True)
class Token:
    """A granted answer."""

    data: bytes  # the whole answer, TimeStampResp in DER: what `openssl ts -verify -in` reads
    time: datetime  # aware UTC
    authority: str  # subject of the signer's certificate; empty where the answer does not bring it
    parsed: Any

    def check_over(self, message: bytes) -> None:
        """TokenError unless it is over these bytes."""
        imprint = self.parsed.tst_info.message_imprint
        algorithm = _DIGESTS.get(imprint.hash_algorithm.dotted_string)
        if algorithm is None:
            raise TokenError(f"a digest of kind {imprint.hash_algorithm.dotted_string}")
        if imprint.message != hashlib.new(algorithm, message, usedforsecurity=False).digest():
            raise TokenError("it is over something else")

    def check_nonce(self, nonce: int | None) -> None:
        """TokenError unless it answers the question with this nonce."""
        if self.parsed.tst_info.nonce != nonce:
            raise TokenError("it answers another question (nonce)")

    def check_signed(self, roots: "Sequence[Certificate]", *, signer: "Certificate | None" = None) -> None:
        """TokenError unless an authority below one of `roots` signed it with a certificate valid at its time.

        UnknownAuthority where only the way to a root is missing: someone signed it, whoever that is.
        """
        from rfc3161_client import VerificationError, VerifierBuilder

        verifier = VerifierBuilder(roots=list(roots), tsa_certificate=signer).build()
        imprint = self.parsed.tst_info.message_imprint.message  # check_over looks at it
        try:
            verifier.verify(self.parsed, imprint)
        except (VerificationError, ValueError) as error:
            reason = _first_reason(error)
            kind = UnknownAuthority if reason in _NO_WAY_UP else TokenError
            raise kind(reason) from None


def _first_reason(error: Exception) -> str:
    """The reason inside OpenSSL's stack of errors."""
    text = str(error)
    _, found, rest = text.partition("Verify error: ")
    return rest.split('"')[0] if found else text.split(": ErrorStack")[0]


def read_token(data: bytes) -> Token:
    """The answer in `data`. TokenError where it is none, or a refusal."""
    from cryptography.x509 import load_der_x509_certificate
    from rfc3161_client import decode_timestamp_response

    if len(data) > MAX_BYTES:
        raise TokenError(f"more than {MAX_BYTES} bytes")
    try:
        parsed = decode_timestamp_response(data)
        if parsed.status != 0:
            raise TokenError(f"refused, status {parsed.status}: {' '.join(parsed.status_string)[:200]}")
        signers = {(one.issuer, one.serial_number) for one in parsed.signed_data.signer_infos}
        brought = [load_der_x509_certificate(one) for one in parsed.signed_data.certificates]
        names = [one.subject.rfc4514_string() for one in brought if (one.issuer, one.serial_number) in signers]
        return Token(data, parsed.tst_info.gen_time, next(iter(names), ""), parsed)
    except TokenError:
        raise
    except Exception as error:  # hostile DER: the parsers raise ValueError, and what they did not foresee
        raise TokenError(f"not a time stamp: {error}") from None


def new_question(message: bytes) -> tuple[bytes, int | None]:
    """The question to send for `message` (DER), and its nonce."""
    from rfc3161_client import HashAlgorithm, TimestampRequestBuilder

    request = TimestampRequestBuilder().data(message).hash_algorithm(HashAlgorithm.SHA256).build()
    return request.as_bytes(), request.nonce
