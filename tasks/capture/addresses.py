"""Which addresses may be connected to: a table of those that are refused, with the registry that says why.

`ipaddress.is_global` is not used: it has let 192.0.0.192 (the metadata service of a cloud) pass, and it changes with
the Python version.
"""

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

__all__ = ["refused_because"]

# IANA IPv4 Special-Purpose Address Registry, https://www.iana.org/assignments/iana-ipv4-special-registry,
# IPv4 Multicast Address Space Registry, https://www.iana.org/assignments/multicast-addresses, and what clouds serve
# their metadata on.
_REFUSED_V4 = tuple(
    (ip_network(network), why)
    for network, why in (
        ("0.0.0.0/8", "this network"),
        ("10.0.0.0/8", "private"),
        ("100.64.0.0/10", "shared by carriers"),
        ("127.0.0.0/8", "loopback"),
        ("168.63.129.16/32", "cloud metadata"),  # Azure, https://learn.microsoft.com/azure/virtual-network/
        ("169.254.0.0/16", "link-local, cloud metadata"),
        ("172.16.0.0/12", "private"),
        ("192.0.0.0/24", "protocol assignments, cloud metadata"),  # 192.0.0.192 is Oracle's
        ("192.0.2.0/24", "documentation"),
        ("192.31.196.0/24", "AS112"),
        ("192.52.193.0/24", "multicast relay"),
        ("192.88.99.0/24", "6to4 relay"),
        ("192.168.0.0/16", "private"),
        ("192.175.48.0/24", "AS112"),
        ("198.18.0.0/15", "benchmarking"),
        ("198.51.100.0/24", "documentation"),
        ("203.0.113.0/24", "documentation"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved, broadcast"),
    )
)

# IANA IPv6 Special-Purpose Address Registry, https://www.iana.org/assignments/iana-ipv6-special-registry.
# The metadata service fd00:ec2::254 falls under fc00::/7. Outside 2000::/3 nothing is global unicast:
# https://www.iana.org/assignments/ipv6-address-space.
_REFUSED_V6 = tuple(
    (ip_network(network), why)
    for network, why in (
        ("::/128", "unspecified"),
        ("::1/128", "loopback"),
        ("::/96", "IPv4-compatible"),
        ("64:ff9b:1::/48", "local-use translation"),
        ("100::/64", "discard"),
        ("2001::/32", "Teredo"),
        ("2001::/23", "protocol assignments"),
        ("2001:db8::/32", "documentation"),
        ("2620:4f:8000::/48", "AS112"),
        ("3fff::/20", "documentation"),
        ("5f00::/16", "segment routing"),
        ("fc00::/7", "unique local, cloud metadata"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_GLOBAL_V6 = ip_network("2000::/3")

# Networks whose addresses carry an IPv4 address, with the bits that stand to the right of it: RFC 4291, 6052, 3056.
_EMBEDDED = (
    (ip_network("::ffff:0:0/96"), 0, "IPv4-mapped"),
    (ip_network("64:ff9b::/96"), 0, "NAT64"),
    (ip_network("2002::/16"), 80, "6to4"),
)


def refused_because(address: str) -> str:
    """Why an IP address may not be connected to, such as `loopback`; empty where it may.

    Addresses that embed an IPv4 address are judged by that one. Raises ValueError for text that is no address.
    """
    ip = ip_address(address.partition("%")[0])
    if isinstance(ip, IPv4Address):
        return next((why for network, why in _REFUSED_V4 if ip in network), "")
    return _refused_v6(ip)


def _refused_v6(ip: IPv6Address) -> str:
    for network, shift, name in _EMBEDDED:
        if ip in network:
            why = refused_because(str(IPv4Address(int(ip) >> shift & 0xFFFFFFFF)))
            return f"{name} of {why}" if why else ""
    why = next((why for network, why in _REFUSED_V6 if ip in network), "")
    return why or ("" if ip in _GLOBAL_V6 else "not global unicast")
