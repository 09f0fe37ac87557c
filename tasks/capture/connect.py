"""Connections: opened to a checked address only, and kept for the next exchange with the same server."""

import errno
import select
import socket
import threading
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from tasks.capture.policy import Policy, Target
from tasks.errors import CaptureFailed, CaptureTransient, TearsheetError
from tasks.records import Tls, digest_of

if TYPE_CHECKING:
    import ssl

__all__ = ["Connection", "Pool", "TlsContext", "open_connection"]

_ADDRESSES_TRIED = 6
_IDLE_S = 15.0  # shorter than the keep-alive time of common servers
_DER = 2  # ssl's private ENCODING_DER
_KEPT = 64  # connections at rest, all hosts together


@dataclass(slots=True)
class Connection:
    """An open connection and where it leads."""

    sock: socket.socket
    ip: str
    tls: Tls | None = None
    rested_at: float = 0.0
    used: bool = False

    def quiet(self) -> bool:
        """Whether nothing has arrived since the last answer: neither an end nor bytes that belong to no request."""
        poll = select.poll()
        poll.register(self.sock, select.POLLIN)
        return not poll.poll(0)


class TlsContext:
    """One verifying context, made at the first https URL: loading the certificates takes 20 ms."""

    def __init__(self, context: "ssl.SSLContext | None" = None) -> None:
        self._context, self._lock = context, threading.Lock()

    def wrap(self, sock: socket.socket, host: str) -> tuple["ssl.SSLSocket", Tls]:
        """The socket after the hand-shake, and its session; the certificate is always verified."""
        with self._lock:
            if self._context is None:
                self._context = _default_context()
        wrapped = self._context.wrap_socket(sock, server_hostname=host)
        certificate = wrapped.getpeercert(binary_form=True) or b""
        cipher = wrapped.cipher()
        chain, chain_is = _chain(wrapped, certificate)
        return wrapped, Tls(
            wrapped.version() or "", cipher[0] if cipher else "", digest_of(certificate), chain, chain_is
        )


def _chain(wrapped: "ssl.SSLSocket", certificate: bytes) -> tuple[tuple[bytes, ...], str]:
    """The chain of certificates (DER) and what it is; the server's own alone where Python does not give more.

    Python 3.13 has methods for it; before, the object inside the socket does, without a promise to stay.
    """
    inner = getattr(wrapped, "_sslobj", None)
    for name, kind in (("get_verified_chain", "verified"), ("get_unverified_chain", "sent")):
        give = getattr(wrapped, name, None) or getattr(inner, name, None)
        try:
            given = give() if give else None
            found = tuple(one if isinstance(one, bytes) else one.public_bytes(_DER) for one in given or ())
        except (TypeError, AttributeError, ValueError, OSError):
            continue
        if found and found[0] == certificate:
            return found, kind
    return (certificate,), "leaf"


def _default_context() -> "ssl.SSLContext":
    import ssl

    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])  # HTTP/2 has no messages that a WARC could keep byte for byte
    return context


def open_connection(target: Target, policy: Policy, tls: TlsContext, timeout_s: float) -> Connection:
    """A connection to the first address of `target` that answers; the name is resolved and checked here, once.

    DNS may take `timeout_s`, then connection and TLS hand-shake together as long again.
    Raises UrlRefused, CaptureTransient (dns, connect, connect-timeout) or CaptureFailed (dns, connect, tls).
    """
    addresses = policy.addresses(target, timeout_s)[:_ADDRESSES_TRIED]
    deadline = time.monotonic() + timeout_s
    error: TearsheetError | None = None
    for index, (family, address) in enumerate(addresses):
        share = (deadline - time.monotonic()) / (len(addresses) - index)  # one dead address leaves time for the next
        if share <= 0:
            break
        try:
            return _connect(target, family, address, tls, share)
        except OSError as reason:
            error = _connect_error(target, str(address[0]), reason)
    raise error or _timed_out(target)


def _connect(target: Target, family: int, address: tuple[Any, ...], tls: TlsContext, timeout_s: float) -> Connection:
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.settimeout(timeout_s)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.connect(address)
        ip = str(sock.getpeername()[0])
        if target.scheme == "http":
            return Connection(sock, ip)
        wrapped, session = tls.wrap(sock, target.host)
        return Connection(wrapped, ip, session)
    except BaseException:
        sock.close()
        raise


def _connect_error(target: Target, ip: str, error: OSError) -> TearsheetError:
    import ssl

    if isinstance(error, TimeoutError):
        return _timed_out(target)
    if isinstance(error, ssl.SSLCertVerificationError):
        what = f"the certificate of {target.host} cannot be trusted: {error.verify_message}"
        return CaptureFailed(what, where=target.url, remedy="Such a page is not archived over TLS", code="tls")
    if isinstance(error, ssl.SSLError) and not isinstance(error, ssl.SSLEOFError):
        what = f"no TLS session with {target.host}: {error.reason or error}"
        return CaptureFailed(
            what, where=target.url, remedy="See whether the site speaks https on this port", code="tls"
        )
    if error.errno == errno.ECONNREFUSED:
        what = f"{target.pair} ({ip}) refused the connection"
    else:
        what = f"no connection to {target.pair} ({ip}): {error.strerror or error}"
    return CaptureTransient(what, where=target.url, remedy="See whether the site is up, then try again", code="connect")


def _timed_out(target: Target) -> CaptureTransient:
    what = f"no connection to {target.pair} in time"
    return CaptureTransient(
        what, where=target.url, remedy="Try later, or raise connect_timeout_s", code="connect-timeout"
    )


@dataclass(slots=True)
class Pool:
    """Connections at rest, by server. A lock guards it; a connection is in the pool or with one exchange."""

    _resting: list[tuple[str, Connection]] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def take(self, origin: str) -> Connection | None:
        """A connection to `origin` that is still usable, or None."""
        while (connection := self._pop(origin)) is not None:
            if time.monotonic() - connection.rested_at < _IDLE_S and connection.quiet():
                return connection
            connection.sock.close()
        return None

    def _pop(self, origin: str) -> Connection | None:
        with self._lock:
            for index in range(len(self._resting) - 1, -1, -1):
                if self._resting[index][0] == origin:
                    return self._resting.pop(index)[1]
        return None

    def give(self, origin: str, connection: Connection) -> None:
        """`connection` kept for the next exchange; the oldest one goes when there are too many."""
        connection.rested_at, connection.used = time.monotonic(), True
        with self._lock:
            self._resting.append((origin, connection))
            surplus = self._resting.pop(0)[1] if len(self._resting) > _KEPT or self._closed else None
        if surplus:
            surplus.sock.close()

    def close(self) -> None:
        """Every connection closed, and those that come back later too."""
        with self._lock:
            self._closed = True
            resting, self._resting = self._resting, []
        for _origin, connection in resting:
            connection.sock.close()
