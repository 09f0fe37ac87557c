"""The trap itself: it counts what is sent to it, or the tests that rest on it prove nothing."""

import socket
import time

import pytest

from tests.capture.browser.trap import OwnNetwork, Trap, Wire, own_addresses

BOTH = [(socket.AF_INET, "127.0.0.1"), (socket.AF_INET6, "::1")]


@pytest.fixture
def network():
    why_not = OwnNetwork.why_not()
    if why_not:
        pytest.skip(why_not)
    with OwnNetwork() as network:
        yield network


def counted(counter, number, within_s=2.0):
    ends = time.monotonic() + within_s
    while len(counter.seen) < number and time.monotonic() < ends:
        time.sleep(0.01)
    return len(counter.seen)


@pytest.mark.parametrize(("family", "host"), BOTH)
def test_a_trap_counts_connections_and_datagrams(family, host):
    with Trap() as trap:
        socket.create_connection((host, trap.port), 2).close()
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            sock.sendto(b"who is there", (host, trap.port))

        assert counted(trap, 2) == 2
        assert sorted(each[:3] for each in trap.seen) == ["tcp", "udp"]


def test_a_trap_counts_what_comes_by_the_machines_own_addresses():
    addresses = own_addresses()
    if not addresses:
        pytest.skip("this machine has no address but loopback")
    with Trap() as trap:
        for address in addresses:
            socket.create_connection((address, trap.port), 2).close()

        assert counted(trap, len(addresses)) == len(addresses)
        assert len(trap.hosts) == len(addresses) + 2


def test_a_trap_nobody_speaks_to_counts_nothing():
    with Trap() as trap:
        assert counted(trap, 1, within_s=0.2) == 0


@pytest.mark.parametrize("host", ["169.254.169.254", "fd00:ec2::254", "8.8.8.8", "2606:4700::1111", "10.1.2.3"])
def test_in_a_network_of_ones_own_every_address_is_the_trap(network, host):
    with Trap(80) as trap, Wire() as wire:
        socket.create_connection((host, 80), 2).close()

        assert counted(trap, 1) == 1
        assert counted(wire, 3) >= 3


@pytest.mark.parametrize("host", ["8.8.8.8", "2606:4700::1111", "224.0.0.251", "ff02::fb%wan"])
def test_a_wire_counts_datagrams_to_any_port_and_to_groups(network, host):
    family, _, _, _, address = socket.getaddrinfo(host, 5353, type=socket.SOCK_DGRAM)[0]
    with Wire() as wire, socket.socket(family, socket.SOCK_DGRAM) as sock:
        if family == socket.AF_INET6 and host.startswith("ff"):
            wait_for_an_address(sock, address)
        sock.sendto(b"x", address)

        assert counted(wire, 1) >= 1


def wait_for_an_address(sock, address):
    """A link-local address takes the kernel a second or two."""
    for _ in range(100):
        try:
            sock.connect(address)
            break
        except OSError:
            time.sleep(0.05)


def test_a_wire_leaves_out_what_is_expected_and_nothing_else(network):
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        with Wire({("127.0.0.1", port)}) as wire:
            socket.create_connection(("127.0.0.1", port), 2).close()
            assert counted(wire, 1, within_s=0.3) == 0

            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
                sock.sendto(b"x", ("127.0.0.1", port))
            assert counted(wire, 1) >= 1


def test_a_network_of_ones_own_is_left_again():
    why_not = OwnNetwork.why_not()
    if why_not:
        pytest.skip(why_not)
    before = own_addresses()
    with OwnNetwork():
        assert own_addresses() != before
    assert own_addresses() == before
