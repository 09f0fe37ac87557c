"""What boto3 raises, in errors of ours: which server and key, what happened, what to do. Never a secret.

The server's own words are not repeated but for its error code: they can hold access keys and signed strings.
"""

from typing import Any

from tasks.errors import DiskFull, FixityError, NotFound, StoreRefused, StoreUnavailable, TearsheetError

__all__ = ["code_of", "status_of", "translated"]

# ---- the server's error codes, by what the user has to do
CREDENTIALS = frozenset(
    {
        "InvalidAccessKeyId",
        "SignatureDoesNotMatch",
        "AuthorizationHeaderMalformed",
        "ExpiredToken",
        "InvalidToken",
        "TokenRefreshRequired",
        "InvalidSecurity",
        "NotSignedUp",
        "Unauthorized",
        "InvalidClientTokenId",
        "UnrecognizedClientException",
    }
)
CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
REGION = frozenset({"PermanentRedirect", "TemporaryRedirect", "IllegalLocationConstraintException"})
DAMAGED = frozenset({"BadDigest", "InvalidDigest", "XAmzContentSHA256Mismatch", "XAmzContentChecksumMismatch"})
FULL = frozenset({"QuotaExceeded", "InsufficientStorage", "XMinioStorageFull"})
PASSING = frozenset(
    {
        "SlowDown",
        "SlowDownRead",
        "SlowDownWrite",
        "RequestTimeout",
        "RequestTimeTooSlow",
        "Throttling",
        "ThrottlingException",
        "TooManyRequests",
        "RequestLimitExceeded",
        "BandwidthLimitExceeded",
        "InternalError",
        "ServiceUnavailable",
        "IncompleteBody",
        "ConditionalRequestConflict",
        "OperationAborted",
    }
)
# ---- boto3's own exceptions, by class name
NO_CREDENTIALS = frozenset(
    {
        "NoCredentialsError",
        "PartialCredentialsError",
        "CredentialRetrievalError",
        "ProfileNotFound",
        "TokenRetrievalError",
        "NoAuthTokenError",
        "UnauthorizedSSOTokenError",
        "SSOTokenLoadError",
        "LoginRefreshRequired",
    }
)
NO_CONTACT = frozenset({"EndpointConnectionError", "ConnectTimeoutError", "ProxyConnectionError"})


def status_of(error: Exception) -> int:
    """The HTTP status of a refusal, 0 where the server did not answer."""
    return int(_response(error).get("ResponseMetadata", {}).get("HTTPStatusCode", 0))


def code_of(error: Exception) -> str:
    """The server's error code of a refusal, empty where the server did not answer."""
    return str(_response(error).get("Error", {}).get("Code", ""))


def translated(error: Exception, *, server: str, bucket: str, key: str) -> TearsheetError:
    """The error of ours for a botocore one; `code` tells `no-contact` from other unavailability."""
    where = f"s3://{bucket}/{key} at {server}"
    answer = _response(error)
    if answer:
        return _refusal(code_of(error), status_of(error), where, bucket)
    return _trouble(type(error).__name__, where)


def _response(error: Exception) -> dict[str, Any]:
    response = getattr(error, "response", None)
    return response if isinstance(response, dict) else {}


def _refusal(code: str, status: int, where: str, bucket: str) -> TearsheetError:
    """The error for an answer of the server."""
    said = f"the server answered {status} {code}".rstrip()
    if code == "NoSuchBucket":
        remedy = f"Create the bucket {bucket}, or correct its name in --store"
        return StoreRefused(f"no such bucket: {bucket}", where=where, remedy=remedy, code="no-bucket")
    if code in FULL or status == 507:
        return DiskFull(said, where=where, remedy="Make room in the store, then run the same again")
    if code in PASSING or status in (408, 409, 429) or (status >= 500 and status != 501):
        return StoreUnavailable(said, where=where, remedy="Run the same again later")
    if code in CLOCK:
        return StoreRefused(said, where=where, remedy="Set this machine's clock", code="clock")
    if code in REGION or status in (301, 307, 308):
        return StoreRefused(said, where=where, remedy="Set s3_region to the bucket's region", code="region")
    if code in CREDENTIALS or status == 401:
        remedy = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
        return StoreRefused(f"credentials refused ({said})", where=where, remedy=remedy, code="credentials")
    if status == 403:
        remedy = "Check the credentials, and that they may get, put and list objects there"
        return StoreRefused(f"not allowed ({said})", where=where, remedy=remedy, code="forbidden")
    if status == 400 and code in ("", "400"):  # its body, which says why, was damaged on the way
        return _senseless(said, where)
    if code in DAMAGED:
        return FixityError(f"the bytes were damaged on the way ({said})", where=where, remedy="Run the same again")
    if status == 404:
        return NotFound("no such object", where=where, remedy="`tearsheet list` shows what is there")
    return StoreRefused(said, where=where, remedy="Is this an S3 server, and does it support this request?")


def _trouble(name: str, where: str) -> TearsheetError:
    """The error for a request that got no answer."""
    if name in NO_CREDENTIALS:
        remedy = "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE"
        return StoreRefused("no usable credentials", where=where, remedy=remedy, code="credentials")
    if name == "SSLError":
        remedy = "Check the endpoint's certificate, or AWS_CA_BUNDLE"
        return StoreRefused("the TLS hand-shake failed", where=where, remedy=remedy, code="tls")
    if name == "FlexibleChecksumError":
        return FixityError("the bytes were damaged on the way", where=where, remedy="Run the same again")
    if name == "ResponseParserError":
        return _senseless("the answer makes no sense", where)
    if name in NO_CONTACT:
        remedy = "Check s3_endpoint and the network; is the server running?"
        return StoreUnavailable("no contact with the server", where=where, remedy=remedy, code="no-contact")
    return StoreUnavailable(f"no whole answer ({name})", where=where, remedy="Run the same again later")


def _senseless(what: str, where: str) -> StoreUnavailable:
    remedy = "Run the same again; if it stays, check s3_endpoint: something else than an S3 server may answer there"
    return StoreUnavailable(what, where=where, remedy=remedy, code="not-s3")
