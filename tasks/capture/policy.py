"""What may be fetched: http and https, named ports, and no address of this machine or its network.

A pair `host:port` in `allow`, as the URL has them, is exempt from the port rule and from the address table.
"""

import re
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from ipaddress import AddressValueError, IPv4Address, IPv6Address
from typing import Any
from urllib.parse import SplitResult, quote, urlsplit

from tasks.capture.addresses import refused_because
from tasks.errors import CaptureFailed, CaptureTransient, TearsheetError, UrlRefused

__all__ = ["Policy", "Resolver", "Target", "parse_url"]

# The signature of socket.getaddrinfo: (host, port, family, type) → its five-tuples.
Resolver = Callable[..., list[Any]]

_DEFAULT_PORTS = {"http": 80, "https": 443}
_MAX_URL_CHARS = 8192
# Browsers drop or rewrite these: what would be fetched is unclear. Surrogates stand for bytes that are no UTF-8.
_FORBIDDEN = re.compile(r"[\x00-\x20\x7f\\\ud800-\udfff]")
_HOST = re.compile(
    r"(?=.{1,253}$)[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?(?:\.[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?)*"
)
# What stays as it is in path and query: https://url.spec.whatwg.org/#path-percent-encode-set and the query's.
_PATH_SAFE = "/%:@!$&'()*+,;=~-._[]|^"
_QUERY_SAFE = "/%:@!$&()*+,;=~-._?[]|^`{}"
_NO_SUCH_HOST = {code for code in (socket.EAI_NONAME, getattr(socket, "EAI_NODATA", None)) if code is not None}


@dataclass(frozen=True, slots=True)
class Target:
    """A URL taken apart for a request; `url` is its normal form, without the fragment."""

    scheme: str
    host: str  # ASCII, lower-case, no trailing dot, IPv6 without brackets
    port: int
    path: str  # percent-encoded, with the query

    @property
    def pair(self) -> str:
        """`host:port` as `allow` names it, IPv6 in brackets."""
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def authority(self) -> str:
        """The Host header: the port only where it is not the scheme's own."""
        return self.pair.rpartition(":")[0] if self.port == _DEFAULT_PORTS[self.scheme] else self.pair

    @property
    def origin(self) -> str:
        """Scheme and authority, such as `https://example.org`."""
        return f"{self.scheme}://{self.authority}"

    @property
    def url(self) -> str:
        """The URL in its normal form."""
        return self.origin + self.path


def parse_url(url: str) -> Target:
    """The parts of an absolute http or https URL.

    Raises UrlRefused with code bad-url, scheme or userinfo. Hosts that a resolver would read as a number in disguise
    (decimal, octal, hexadecimal, short) are refused; other hosts outside ASCII become IDNA.
    """
    if len(url) > _MAX_URL_CHARS or _FORBIDDEN.search(url):
        raise _not_a_url(url, "it is too long, or holds a space, a control character or a backslash")
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError as error:
        raise _not_a_url(url, str(error)) from None
    _check_scheme(url, parts)
    scheme = parts.scheme
    path = quote(parts.path or "/", safe=_PATH_SAFE)
    query = f"?{quote(parts.query, safe=_QUERY_SAFE)}" if parts.query else ""
    return Target(scheme, _normal_host(host, url), _DEFAULT_PORTS[scheme] if port is None else port, path + query)


def _check_scheme(url: str, parts: SplitResult) -> None:
    if not parts.scheme or (parts.scheme in _DEFAULT_PORTS and not parts.netloc):
        raise _not_a_url(url, "it names no scheme and host")
    if parts.scheme not in _DEFAULT_PORTS:
        raise UrlRefused(
            f"scheme {parts.scheme!r} is refused", where=url, remedy="Only http and https are archived", code="scheme"
        )
    if parts.username is not None or parts.password is not None:
        raise UrlRefused(
            "the URL holds a user name or password",
            where=f"{parts.scheme}://…@{parts.hostname}",
            remedy="Leave it out: an archive would publish it",
            code="userinfo",
        )


def _normal_host(host: str, url: str) -> str:
    if ":" in host or url.partition("://")[2].startswith("["):
        if "%" in host:
            raise _not_a_url(url, "its address names a zone of this machine")
        try:
            return IPv6Address(host).compressed
        except AddressValueError as error:
            raise _not_a_url(url, str(error)) from None
    name = host.removesuffix(".")
    if not name.isascii():
        name = _idna(name, url)
    if not _HOST.fullmatch(name):
        raise _not_a_url(url, f"{host!r} is no host name")
    last = name.rpartition(".")[2]
    if last.isdecimal() or last.startswith("0x"):  # https://url.spec.whatwg.org/#ends-in-a-number-checker
        try:
            return str(IPv4Address(name))
        except AddressValueError:
            raise _not_a_url(url, f"{host!r} is an address in disguise; write it as four decimal numbers") from None
    return name


def _idna(name: str, url: str) -> str:
    import idna  # only a few URLs need its tables

    try:
        return idna.encode(name, uts46=True).decode("ascii")
    except UnicodeError as error:  # idna.IDNAError is one
        raise _not_a_url(url, f"host: {error}") from None


def _not_a_url(url: str, why: str) -> UrlRefused:
    shown = url if len(url) <= 200 else url[:200] + "…"
    return UrlRefused(f"not a URL that can be archived: {why}", where=repr(shown), remedy="Write https://host/path")


class Policy:
    """The rules for one recorder: which ports, which pairs are exempt, and how names are resolved."""

    def __init__(
        self,
        allow: tuple[str, ...] = (),
        ports: frozenset[int] = frozenset({80, 443}),
        resolver: Resolver = socket.getaddrinfo,
    ) -> None:
        self.allow, self.ports, self.resolver = frozenset(_normal_pair(pair) for pair in allow), ports, resolver

    def check_port(self, target: Target) -> None:
        """Nothing, or UrlRefused with code port."""
        if target.port not in self.ports and target.pair not in self.allow:
            raise UrlRefused(
                f"port {target.port} is refused",
                where=target.url,
                remedy=f"Add it to `ports` in settings.toml, or {target.pair} to TEARSHEET_ALLOW",
                code="port",
            )

    def addresses(self, target: Target, timeout_s: float) -> tuple[tuple[int, tuple[Any, ...]], ...]:
        """Where to connect, in the resolver's order: (address family, socket address), each one checked.

        Every answer must pass, or none is used. Raises UrlRefused (port, address), CaptureFailed (dns: no such host)
        or CaptureTransient (dns, dns-timeout).
        """
        self.check_port(target)
        found = _literal(target) or self._resolve(target, timeout_s)
        if target.pair not in self.allow:
            for _family, address in found:
                why = refused_because(str(address[0]))
                if why:
                    raise _address_refused(target, str(address[0]), why)
        return found

    def _resolve(self, target: Target, timeout_s: float) -> tuple[tuple[int, tuple[Any, ...]], ...]:
        answer: list[Any] = []
        thread = threading.Thread(target=self._ask, args=(target, answer), daemon=True, name="resolver")
        thread.start()  # getaddrinfo knows no deadline, and a daemon never keeps the program from ending
        thread.join(timeout_s)
        if not answer:
            raise CaptureTransient(
                f"no answer from DNS within {timeout_s:.0f} s",
                where=target.host,
                remedy="Try later",
                code="dns-timeout",
            )
        if isinstance(answer[0], OSError):
            raise _dns_error(target, answer[0])
        if not answer[0]:
            raise _dns_error(target, socket.gaierror(socket.EAI_NONAME, "no address"))
        return tuple((item[0], item[4]) for item in answer[0])

    def _ask(self, target: Target, answer: list[Any]) -> None:
        try:
            answer.append(self.resolver(target.host, target.port, 0, socket.SOCK_STREAM))
        except UnicodeError:  # getaddrinfo's own codec, for names its IDNA cannot take
            answer.append(socket.gaierror(socket.EAI_NONAME, "not a name that DNS can hold"))
        except OSError as error:
            answer.append(error)


def _normal_pair(pair: str) -> str:
    host, _, port = pair.strip().lower().rpartition(":")
    if host.startswith("["):
        host = f"[{IPv6Address(host[1:-1]).compressed}]"
    return f"{host.removesuffix('.')}:{port}"


def _literal(target: Target) -> tuple[tuple[int, tuple[Any, ...]], ...]:
    if ":" in target.host:
        return ((socket.AF_INET6, (target.host, target.port, 0, 0)),)
    if target.host.replace(".", "").isdecimal():  # parse_url let only a dotted quad through
        return ((socket.AF_INET, (target.host, target.port)),)
    return ()


def _address_refused(target: Target, address: str, why: str) -> UrlRefused:
    shown = address if address == target.host else f"{target.host} ({address})"
    return UrlRefused(
        f"{shown} is refused: {why}",
        where=target.url,
        remedy=f"If you mean to archive from there, add {target.pair} to TEARSHEET_ALLOW",
        code="address",
    )


def _dns_error(target: Target, error: OSError) -> TearsheetError:
    if isinstance(error, socket.gaierror) and error.errno in _NO_SUCH_HOST:
        return CaptureFailed(f"no such host {target.host}", where=target.url, remedy="Check the spelling", code="dns")
    return CaptureTransient(f"DNS: {error.strerror or error}", where=target.url, remedy="Try later", code="dns")
