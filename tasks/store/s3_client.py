"""The boto3 client, set up so that it works with every S3 server known to us. boto3 is imported on use: 0.6 s."""

import io
import os
from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from tasks import __version__
from tasks.errors import StoreRefused
from tasks.settings import Settings
from tasks.store.s3_errors import translated

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

__all__ = ["failures", "new_client", "parser_error", "server_name"]

_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_CONNECT_S = 5.0


def new_client(settings: Settings, *, timeout_s: Callable[[], float] | None = None) -> "S3Client":
    """A client for the server that the settings name; any number of threads may share it.

    `timeout_s` says, for each request, in its thread, how long the server may be silent.
    Raises StoreRefused for an endpoint that is no URL, or a profile that does not exist.
    """
    import boto3
    from botocore.config import Config
    from botocore.exceptions import BotoCoreError

    loopback = urlsplit(settings.s3_endpoint).hostname in _LOOPBACK
    config = Config(
        signature_version="s3v4",
        s3={"addressing_style": "virtual" if settings.s3_addressing == "virtual" else "path"},
        request_checksum_calculation="when_required",  # else an aws-chunked CRC trailer, which R2 and others refuse
        response_checksum_validation="when_required",  # bodies are held against their sha256 by the caller
        retries={"mode": "standard", "total_max_attempts": 1},  # the caller tries again, within store_total_s
        connect_timeout=min(_CONNECT_S, settings.store_timeout_s),
        read_timeout=settings.store_timeout_s,
        max_pool_connections=max(16, settings.workers + 8),
        tcp_keepalive=True,
        user_agent=f"Tearsheet/{__version__}",  # boto3's own is composed anew for each request: 5 % of a call
        parameter_validation=False,  # every parameter is ours
        proxies={} if loopback else None,  # None: those of the environment
    )
    try:
        client = boto3.session.Session().client(
            "s3", endpoint_url=settings.s3_endpoint or None, region_name=_region(settings), config=config
        )
    except BotoCoreError as error:
        raise translated(error, server=server_name(settings), bucket="", key="") from error
    except ValueError as error:  # botocore's word for an endpoint that is no URL
        remedy = "Write it like https://s3.example.org"
        where = f"s3_endpoint {server_name(settings)}"
        raise StoreRefused("not the URL of a server", where=where, remedy=remedy, code="endpoint") from error
    client.meta.events.register("before-sign.s3.PutObject", _send_at_once)
    if timeout_s:
        client.meta.events.register("before-sign.s3", partial(_set_timeout, timeout_s))
    return client


def failures() -> tuple[type[Exception], ...]:
    """What a request can raise; translated() makes errors of ours of them."""
    from botocore.exceptions import BotoCoreError, ClientError

    return BotoCoreError, ClientError, parser_error()


def parser_error() -> type[Exception]:
    """What an answer raises that makes no sense; one of failures()."""
    from botocore.parsers import ResponseParserError

    return ResponseParserError


def server_name(settings: Settings) -> str:
    """The server for messages: without the user and password that a URL can hold."""
    environ = os.environ
    endpoint = settings.s3_endpoint or environ.get("AWS_ENDPOINT_URL_S3") or environ.get("AWS_ENDPOINT_URL")
    if not endpoint:
        return f"AWS {_region(settings)}"
    scheme, _, rest = endpoint.rpartition("://")
    host = rest.partition("/")[0].rpartition("@")[2]
    return f"{scheme}://{host}" if scheme else host


def _region(settings: Settings) -> str:
    environ = os.environ
    return settings.s3_region or environ.get("AWS_REGION") or environ.get("AWS_DEFAULT_REGION") or "us-east-1"


def _set_timeout(timeout_s: Callable[[], float], request: Any, **_: Any) -> None:
    """How long this request may be silent; botocore before 1.43 keeps to the client's read_timeout instead."""
    if hasattr(request, "context"):
        request.context["read_timeout"] = timeout_s()


def _send_at_once(request: Any, **_: Any) -> None:
    """Small bodies go without boto3's `Expect: 100-continue`, which costs a round trip each."""
    if isinstance(request.data, io.BytesIO):  # what boto3 makes of bytes
        del request.headers["Expect"]
