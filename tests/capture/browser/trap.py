"""A trap for packets: it listens on every address of this machine, and where it can it is the whole world.

`Trap` counts connections and datagrams that reach its port. Inside an `OwnNetwork`, which takes root and iproute2,
every address there is leads to it, and `Wire` counts each packet whatever its port and protocol.
"""

import ctypes
import os
import selectors
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Iterable
from contextlib import ExitStack

__all__ = ["OwnNetwork", "Trap", "Wire", "own_addresses"]

_CLONE_NEWNET = 0x40000000
_EVERY_PROTOCOL = 0x0003
_OUTGOING = 4  # of a packet socket's address: each packet is counted once, where it is sent
_KERNELS_OWN = frozenset({133, 134, 135, 136, 143})  # ICMPv6: looking for routers and neighbours, joining groups
_TO_THE_WORLD = """link set lo up
link add wan type veth peer name far
link set wan up
link set far up
addr add 10.1.2.3/24 dev wan
route add local 0.0.0.0/0 dev lo
route add 224.0.0.0/4 dev wan
"""
_TO_THE_WORLD_6 = """addr add fd12::3/64 dev wan nodad
route add local ::/0 dev lo
"""


def own_addresses() -> tuple[str, ...]:
    """This machine's own addresses that are not loopback, as far as a route shows them; no packet is sent."""
    found = []
    for family, far in ((socket.AF_INET, "192.0.2.200"), (socket.AF_INET6, "2001:db8::200")):
        with socket.socket(family, socket.SOCK_DGRAM) as sock:
            try:
                sock.connect((far, 9))
                found.append(sock.getsockname()[0])
            except OSError:
                continue  # this family leads nowhere
    return tuple(address for address in found if not address.startswith("127.") and address != "::1")


class Trap:
    """Listens on TCP and UDP, IPv4 and IPv6, on one port of every address, or at `only`; `seen` has what came."""

    def __init__(self, port: int = 0, only: str = "") -> None:
        kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
        self._sockets = [_socket(socket.AF_INET, kind, port, only) for kind in kinds] if only else _bound(port)
        self.port: int = self._sockets[0].getsockname()[1]
        self.seen: list[str] = []
        self._select, (self._woken, self._wake) = selectors.DefaultSelector(), socket.socketpair()
        self._select.register(self._woken, selectors.EVENT_READ)
        for sock in self._sockets:
            self._select.register(sock, selectors.EVENT_READ)
        self._thread = threading.Thread(target=self._listen, name="trap")
        self._thread.start()

    def __enter__(self) -> "Trap":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def hosts(self) -> tuple[str, ...]:
        """`host:port` of the trap by each address of this machine, IPv6 in brackets."""
        addresses = ("127.0.0.1", "::1", *own_addresses())
        return tuple(f"[{each}]:{self.port}" if ":" in each else f"{each}:{self.port}" for each in addresses)

    def close(self) -> None:
        """Nobody listens any more."""
        self._wake.send(b"x")
        self._thread.join()
        self._select.close()
        for sock in (*self._sockets, self._woken, self._wake):
            sock.close()

    def _listen(self) -> None:
        while True:
            for key, _ in self._select.select():
                sock = key.fileobj
                if sock is self._woken or not isinstance(sock, socket.socket):
                    return
                self._take(sock)

    def _take(self, sock: socket.socket) -> None:
        try:
            if sock.type == socket.SOCK_DGRAM:
                data, peer = sock.recvfrom(2048)
                self.seen.append(f"udp from {peer[0]}: {data[:40]!r}")
            else:
                connection, peer = sock.accept()
                self.seen.append(f"tcp from {peer[0]} to {connection.getsockname()[0]}")
                connection.close()
        except OSError as error:  # gone before we looked: it came all the same
            self.seen.append(f"a visit that ended at once: {error}")


def _bound(port: int) -> list[socket.socket]:
    """Sockets of both kinds and families on one port; another is tried where a chosen one is taken by someone else."""
    for _ in range(20):
        with ExitStack() as opened:
            try:
                first = opened.enter_context(_socket(socket.AF_INET, socket.SOCK_STREAM, port))
                number = first.getsockname()[1]
                sockets = [first, opened.enter_context(_socket(socket.AF_INET, socket.SOCK_DGRAM, number))]
                if socket.has_ipv6:
                    kinds = (socket.SOCK_STREAM, socket.SOCK_DGRAM)
                    sockets += [opened.enter_context(_socket(socket.AF_INET6, kind, number)) for kind in kinds]
            except OSError:
                if port:
                    raise
                continue
            opened.pop_all()
            return sockets
    raise OSError("no port is free on TCP and UDP")


def _socket(family: socket.AddressFamily, kind: socket.SocketKind, port: int, host: str = "") -> socket.socket:
    sock = socket.socket(family, kind)
    try:
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        if kind == socket.SOCK_STREAM:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((host, port))  # none: every address
        if kind == socket.SOCK_STREAM:
            sock.listen(128)
    except OSError:
        sock.close()
        raise
    return sock


# ------------------------------------------------------------------ a network of one's own
class OwnNetwork:
    """The calling thread, and what it starts from now on, in a network where every address is this machine.

    Nothing sent in there leaves it. Other threads stay where they are; __exit__ leads back.
    """

    def __init__(self) -> None:
        self._libc, self._before = ctypes.CDLL(None, use_errno=True), -1

    @staticmethod
    def why_not() -> str:
        """Why there can be none, or an empty text."""
        if not sys.platform.startswith("linux") or os.geteuid() != 0:
            return "a network of one's own takes root on Linux"
        if not shutil.which("ip"):
            return "a network of one's own takes iproute2"
        return "" if _permitted() else "this machine lets nobody make a network namespace or a veth pair"

    def __enter__(self) -> "OwnNetwork":
        self._before = os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
        self._call("unshare", _CLONE_NEWNET)
        try:
            for version, lines in (("-4", _TO_THE_WORLD), ("-6", _TO_THE_WORLD_6)):
                subprocess.run(["ip", version, "-batch", "-"], input=lines, text=True, check=True)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self._call("setns", self._before, _CLONE_NEWNET)
        os.close(self._before)

    def _call(self, name: str, *arguments: int) -> None:
        if getattr(self._libc, name)(*arguments):
            number = ctypes.get_errno()
            raise OSError(number, f"{name}: {os.strerror(number)}")


def _permitted() -> bool:
    trial = "ip link add wan type veth peer name far"
    return subprocess.run(["unshare", "-n", "sh", "-c", trial], capture_output=True).returncode == 0


class Wire:
    """Counts every packet of the calling thread's network but TCP that `expected` (address, port) has an end of."""

    def __init__(self, expected: Iterable[tuple[str, int]] = ()) -> None:
        self.expected, self.seen = set(expected), list[str]()
        self._sock = socket.socket(socket.AF_PACKET, socket.SOCK_DGRAM, socket.htons(_EVERY_PROTOCOL))
        self._sock.settimeout(0.05)
        self._closing = threading.Event()
        self._thread = threading.Thread(target=self._watch, name="wire")
        self._thread.start()

    def __enter__(self) -> "Wire":
        return self

    def __exit__(self, *_: object) -> None:
        self._closing.set()
        self._thread.join()
        self._sock.close()

    def _watch(self) -> None:
        while not self._closing.is_set():
            try:
                packet, (device, _, kind, *_rest) = self._sock.recvfrom(256)
            except TimeoutError:
                continue
            what = self._named(packet) if kind == _OUTGOING else ""
            if what:
                self.seen.append(f"{device}: {what}")

    def _named(self, packet: bytes) -> str:
        """What the packet is, or an empty text where it is expected or the kernel's own."""
        if packet[0] >> 4 == 4:
            protocol, at, family, ends = packet[9], (packet[0] & 15) * 4, socket.AF_INET, (packet[12:16], packet[16:20])
        elif packet[0] >> 4 == 6:
            protocol, at, family, ends = packet[6], 40, socket.AF_INET6, (packet[8:24], packet[24:40])
            if protocol == 0:  # options before it
                protocol, at = packet[40], 48 + packet[41] * 8
            if protocol == socket.IPPROTO_ICMPV6 and packet[at] in _KERNELS_OWN:
                return ""
        else:
            return f"not IP: {packet[:20].hex()}"
        hosts = [socket.inet_ntop(family, end) for end in ends]
        ports = [int.from_bytes(packet[at + skip : at + skip + 2], "big") for skip in (0, 2)]
        if protocol == socket.IPPROTO_TCP and self.expected & set(zip(hosts, ports, strict=True)):
            return ""
        return f"protocol {protocol} from {hosts[0]}:{ports[0]} to {hosts[1]}:{ports[1]}"
