"""What may be fetched and what may not."""

import socket
import threading
from typing import Any

import pytest

from tasks.capture.addresses import refused_because
from tasks.capture.policy import Policy, parse_url
from tasks.errors import CaptureFailed, CaptureTransient, PermanentError, TransientError, UrlRefused

REFUSED_URLS = [
    ("", "bad-url"),
    ("example.org/page", "bad-url"),
    ("//example.org/", "bad-url"),
    ("http://", "bad-url"),
    ("http:///path", "bad-url"),
    ("http://example.org/\udcff", "bad-url"),
    ("http://example.org/?\udcff", "bad-url"),
    ("http://exa mple.org/", "bad-url"),
    ("http://example.org/a b", "bad-url"),
    ("http://example.org/\r\nX: y", "bad-url"),
    ("http://example.org\\@127.0.0.1/", "bad-url"),
    ("http://example.org:port/", "bad-url"),
    ("http://example.org:99999/", "bad-url"),
    ("http://exa%6dple.org/", "bad-url"),
    ("http://-example.org/", "bad-url"),
    ("http://example..org/", "bad-url"),
    ("http://[::1/", "bad-url"),
    ("http://[fe80::1%25eth0]/", "bad-url"),
    ("http://2130706433/", "bad-url"),
    ("http://0x7f000001/", "bad-url"),
    ("http://0177.0.0.1/", "bad-url"),
    ("http://127.1/", "bad-url"),
    ("http://example.org/" + "a" * 9000, "bad-url"),
    ("http://user@example.org/", "userinfo"),
    ("http://user:secret@example.org/", "userinfo"),
    ("file:///etc/passwd", "scheme"),
    ("ftp://example.org/", "scheme"),
    ("javascript:alert(1)", "scheme"),
    ("data:text/html,hello", "scheme"),
    ("gopher://example.org/", "scheme"),
    ("mailto:someone@example.org", "scheme"),
]

REFUSED_TARGETS = [
    ("http://example.org:22/", "port"),
    ("http://example.org:0/", "port"),
    ("http://127.0.0.1/", "address"),
    ("http://１２７.0.0.1/", "address"),
    ("http://127.0.0.1./", "address"),
    ("http://[::1]/", "address"),
    ("http://[::ffff:169.254.169.254]/latest/meta-data", "address"),
    ("http://169.254.169.254/", "address"),
    ("http://192.0.0.192/", "address"),
    ("http://168.63.129.16/", "address"),
    ("http://[fd00:ec2::254]/", "address"),
    ("http://10.1.2.3/", "address"),
    ("http://0.0.0.0/", "address"),
    ("http://localhost/", "address"),
]

# fmt: off
REFUSED_ADDRESSES = [
    "0.0.0.0", "10.0.0.1", "100.64.0.1", "100.127.255.255", "127.0.0.1", "127.255.255.254", "168.63.129.16",
    "169.254.169.254", "172.16.0.1", "172.31.255.255", "192.0.0.9", "192.0.0.192", "192.0.2.1", "192.88.99.1",
    "192.168.1.1", "198.18.0.1", "198.19.255.255", "198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255",
    "240.0.0.1", "255.255.255.255", "::", "::1", "::127.0.0.1", "::ffff:10.0.0.1", "::ffff:0:10.0.0.1",
    "64:ff9b::a00:1", "64:ff9b:1::1", "100::1", "2001::1", "2001:2::1", "2001:db8::1", "2002:7f00:1::",
    "2002:a9fe:a9fe::", "3fff::1", "4000::1", "5f00::1", "fc00::1", "fd00:ec2::254", "fe80::1", "fe80::1%eth0",
    "fec0::1", "ff02::1",
]

PUBLIC_ADDRESSES = [
    "1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255", "128.0.0.0",
    "168.63.129.17", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.167.255.255", "192.169.0.0", "198.17.255.255",
    "198.20.0.0", "223.255.255.255", "2001:200::1", "2606:4700::1111", "2a00:1450:4001::1", "::ffff:1.1.1.1",
    "64:ff9b::101:101", "2002:101:101::",
]
# fmt: on


def answering(*addresses: str) -> Any:
    """A resolver that gives these addresses for any name."""

    def resolve(host: str, port: int, family: int = 0, kind: int = 0) -> list[Any]:
        return [
            (socket.AF_INET6, kind, 6, "", (address, port, 0, 0))
            if ":" in address
            else (socket.AF_INET, kind, 6, "", (address, port))
            for address in addresses
        ]

    return resolve


def failing(error: OSError) -> Any:
    def resolve(*_: Any) -> list[Any]:
        raise error

    return resolve


@pytest.mark.parametrize(("url", "code"), REFUSED_URLS)
def test_what_is_no_archivable_url_is_refused_with_its_reason(url: str, code: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        parse_url(url)

    assert caught.value.code == code
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(("url", "code"), REFUSED_TARGETS)
def test_ports_and_addresses_of_this_network_are_refused(url: str, code: str) -> None:
    with pytest.raises(UrlRefused) as caught:
        Policy(resolver=answering("127.0.0.1")).addresses(parse_url(url), 1)

    assert caught.value.code == code
    assert "TEARSHEET_ALLOW" in caught.value.remedy


@pytest.mark.parametrize("address", REFUSED_ADDRESSES)
def test_special_addresses_are_in_the_table(address: str) -> None:
    assert refused_because(address)


@pytest.mark.parametrize("address", PUBLIC_ADDRESSES)
def test_public_addresses_beside_the_special_ones_may_be_reached(address: str) -> None:
    assert not refused_because(address)


@pytest.mark.parametrize(
    ("url", "normal"),
    [
        ("http://Example.ORG", "http://example.org/"),
        ("http://example.org:80/a?b#c", "http://example.org/a?b"),
        ("https://example.org.:443/", "https://example.org/"),
        ("https://example.org:8443/", "https://example.org:8443/"),
        ("http://bücher.example/straße?q=ü", "http://xn--bcher-kva.example/stra%C3%9Fe?q=%C3%BC"),
        ("http://example.org/a%20b/%C3%BC?x=[1]|2", "http://example.org/a%20b/%C3%BC?x=[1]|2"),
        ("http://[2001:DB8:0::1]/", "http://[2001:db8::1]/"),
        ("http://a_b.example/'x\"", "http://a_b.example/'x%22"),
    ],
)
def test_a_url_has_one_normal_form(url: str, normal: str) -> None:
    assert parse_url(url).url == normal


def test_every_dns_answer_must_pass() -> None:
    target = parse_url("http://example.org/")
    found = Policy(resolver=answering("1.1.1.1", "2606:4700::1111")).addresses(target, 1)

    assert [address[0] for _family, address in found] == ["1.1.1.1", "2606:4700::1111"]
    with pytest.raises(UrlRefused, match=r"example\.org \(10\.0\.0\.1\) is refused: private"):
        Policy(resolver=answering("1.1.1.1", "10.0.0.1")).addresses(target, 1)


def test_an_allowed_pair_is_exempt_by_host_and_port_alone() -> None:
    policy = Policy(("Site.example:8080", "[::1]:81"), resolver=answering("10.0.0.1"))

    assert policy.addresses(parse_url("http://site.example:8080/"), 1)
    assert policy.addresses(parse_url("http://[0::1]:81/"), 1)
    for url, code in (
        ("http://site.example/", "address"),  # the pair names another port
        ("http://site.example:8081/", "port"),
        ("http://other.example/", "address"),
        ("http://10.0.0.1:8080/", "port"),  # the same address under another name
    ):
        with pytest.raises(UrlRefused) as caught:
            policy.addresses(parse_url(url), 1)
        assert caught.value.code == code


def test_an_address_in_the_url_is_not_given_to_the_resolver() -> None:
    policy = Policy(resolver=answering("10.0.0.1"))

    assert [address[0] for _family, address in policy.addresses(parse_url("http://1.1.1.1/"), 1)] == ["1.1.1.1"]


@pytest.mark.parametrize(
    ("error", "kind", "code"),
    [
        (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), PermanentError, "dns"),
        (socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution"), TransientError, "dns"),
        (OSError("no network"), TransientError, "dns"),
        (UnicodeError("label too long"), PermanentError, "dns"),
    ],
)
def test_a_name_that_does_not_resolve_is_named(error: OSError, kind: type[Exception], code: str) -> None:
    with pytest.raises((CaptureFailed, CaptureTransient), match=r"nowhere\.example") as caught:
        Policy(resolver=failing(error)).addresses(parse_url("http://nowhere.example/"), 1)

    assert isinstance(caught.value, kind)
    assert caught.value.code == code


def test_a_name_without_addresses_does_not_exist() -> None:
    with pytest.raises(CaptureFailed, match="no such host"):
        Policy(resolver=answering()).addresses(parse_url("http://nowhere.example/"), 1)


def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    done = threading.Event()

    def hang(*_: Any) -> list[Any]:
        done.wait(30)
        return []

    with pytest.raises(CaptureTransient) as caught:
        Policy(resolver=hang).addresses(parse_url("http://slow.example/"), 0.05)
    done.set()

    assert caught.value.code == "dns-timeout"
