"""GET of an object with botocore's signer and connections, past its client: the same request in half the CPU.

The client resolves endpoint rules, runs some forty hooks and parses every header for each call; a GET needs a signature
and a stream. What may be about the region or the endpoint is asked again through the client, which knows.
"""

import base64
import contextlib
import hashlib
import re
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["Body", "Getter"]

PIECE = 1 << 20  # bytes of a body read at once, at most
_FOR_THE_CLIENT = (301, 302, 307, 308, 400)  # another region or endpoint
_CODE = re.compile(rb"<Code>([A-Za-z0-9]{1,60})</Code>")


class Body:
    """The bytes of an answer, once, in pieces as they arrive; an answer that ends early raises what botocore would."""

    def __init__(self, raw: Any, headers: Mapping[str, str]) -> None:
        self.raw, self.headers = raw, headers
        length = headers.get("content-length", "")
        self.size = int(length) if length.isdigit() else None
        self.tag = headers.get("etag", "")

    def pieces(self) -> Iterator[bytes]:
        """Each as soon as it is there, so that whoever watches the clock hears of a server that trickles."""
        from botocore.exceptions import IncompleteReadError, ReadTimeoutError, ResponseStreamingError
        from urllib3.exceptions import HTTPError
        from urllib3.exceptions import ReadTimeoutError as SocketTimeout

        came = 0
        try:
            with contextlib.closing(self.raw):
                while piece := self.raw.read1(PIECE):
                    came += len(piece)
                    yield piece
        except SocketTimeout as error:
            raise ReadTimeoutError(endpoint_url="", error=error) from error
        except (HTTPError, OSError, ValueError) as error:
            raise ResponseStreamingError(error=error) from error
        if self.size is not None and came != self.size:
            raise IncompleteReadError(actual_bytes=came, expected_bytes=self.size)

    def vouches(self, data: bytes) -> bool | None:
        """Whether the whole object is `data` by what the server recorded of it; None where it recorded nothing."""
        checksum = self.headers.get("x-amz-checksum-sha256", "")
        if checksum and "-" not in checksum:
            return base64.b64encode(hashlib.sha256(data).digest()).decode() == checksum
        # Of an object that went up in one piece the tag is the MD5, on most servers; where it is not, it says nothing.
        return True if self.tag.strip('"') == hashlib.md5(data, usedforsecurity=False).hexdigest() else None


class Getter:
    """GET for one bucket through the connections of a client. Thread-safe."""

    def __init__(self, client: "S3Client", bucket: str) -> None:
        self.client: Any = client
        self.bucket = bucket
        url = self.client.generate_presigned_url("get_object", Params={"Bucket": bucket, "Key": "k"})
        self.base = url.partition("?")[0].removesuffix("k")  # as the rules for endpoints have it
        # Not public, but unchanged for ten years; without them every GET goes through the client.
        self.session: Any = getattr(getattr(client, "_endpoint", None), "http_session", None)
        self.signer: Any = getattr(client, "_request_signer", None)

    def get(self, key: str, headers: Mapping[str, str], *, timeout_s: float) -> Body:
        """The answer to a GET of `key`, its body not yet read. Raises what the client raises."""
        answer = self._directly(key, headers, timeout_s) if self.session and self.signer else None
        return answer or self._through_client(key, headers)

    def _directly(self, key: str, headers: Mapping[str, str], timeout_s: float) -> Body | None:
        """None for an answer that the client may make something of; ClientError for other refusals."""
        from botocore.awsrequest import AWSRequest

        sent = {"User-Agent": self.client.meta.config.user_agent, **headers}
        request = AWSRequest("GET", self.base + quote(key), headers=sent, stream_output=True)
        request.context = {"read_timeout": timeout_s}
        auth = self.signer.get_auth("s3", self.client.meta.region_name, "s3v4")
        auth.add_auth(request)
        answer = self.session.send(request.prepare())
        if answer.status_code in _FOR_THE_CLIENT:
            answer.raw.close()
            return None
        if answer.status_code not in (200, 206):
            raise _refused(answer)
        return Body(answer.raw, {name.lower(): value for name, value in answer.headers.items()})

    def _through_client(self, key: str, headers: Mapping[str, str]) -> Body:
        names = {"range": "Range", "if-match": "IfMatch", "x-amz-checksum-mode": "ChecksumMode"}
        extra = {names[name]: value for name, value in headers.items()}
        answer = self.client.get_object(Bucket=self.bucket, Key=key, **extra)
        return Body(answer["Body"]._raw_stream, answer["ResponseMetadata"]["HTTPHeaders"])


def _refused(answer: Any) -> Exception:
    """What the client would raise for such an answer."""
    from botocore.exceptions import ClientError

    code = _CODE.search(answer.raw.read(1 << 16))
    answer.raw.close()
    said = code[1].decode() if code else str(answer.status_code)
    response: Any = {"Error": {"Code": said}, "ResponseMetadata": {"HTTPStatusCode": answer.status_code}}
    return ClientError(response, "GetObject")
