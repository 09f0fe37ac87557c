"""The chunk framing of HTTP/1.1 (RFC 9112, 7.1), taken apart as bytes arrive."""

import re
from collections.abc import Iterable, Iterator

__all__ = ["Dechunker", "dechunked", "is_framed"]

_MAX_LINE = 16384  # bytes of one size line or trailer line
_MAX_TRAILERS = 65536
_SIZE_LINE = re.compile(rb"[ \t]*[0-9A-Fa-f]{1,16}[ \t]*(;[^\n]*)?\r?\n|[0-9A-Fa-f]*[ \t]*(;[^\n]*)?\r?\Z")
_HEX = frozenset(b"0123456789abcdefABCDEF")


class Dechunker:
    """Reads chunk framing bit by bit: `feed` bytes, take `payload`, watch `done` and `broken`."""

    def __init__(self) -> None:
        self.payload: list[bytes] = []  # pieces of the last feed
        self.done = False
        self.broken = False
        self._expect = "size"  # size, data, end (of the chunk's data), trailer
        self._left = 0
        self._line = b""
        self._trailers = 0

    def feed(self, data: bytes) -> int:
        """How many bytes of `data` belong to the message; fewer than all only when it is done or broken."""
        self.payload = []
        at = 0
        while at < len(data) and not self.done and not self.broken:
            at = self._take_data(data, at) if self._expect == "data" else self._take_line(data, at)
        return at

    def _take_data(self, data: bytes, at: int) -> int:
        piece = data[at : at + self._left]
        self.payload.append(piece)
        self._left -= len(piece)
        if not self._left:
            self._expect = "end"
        return at + len(piece)

    def _take_line(self, data: bytes, at: int) -> int:
        end = data.find(b"\n", at)
        if end < 0:
            self._line += data[at:]
            self.broken = len(self._line) > _MAX_LINE
            return len(data)
        line = (self._line + data[at:end]).removesuffix(b"\r")
        self._line = b""
        if self._expect == "size":
            self._read_size(line)
        elif self._expect == "end":
            self.broken = bool(line)
            self._expect = "size"
        else:
            self._trailers += len(line)
            self.broken = self._trailers > _MAX_TRAILERS
            self.done = not line
        return end + 1

    def _read_size(self, line: bytes) -> None:
        digits = line.partition(b";")[0].strip()
        if not digits or len(digits) > 16 or not _HEX.issuperset(digits):
            self.broken = True
            return
        self._left = int(digits, 16)
        self._expect = "data" if self._left else "trailer"


def is_framed(start: bytes) -> bool:
    """Whether a body that starts so has chunk framing; a tool that took it off may have left the header standing."""
    return bool(_SIZE_LINE.match(start))


def dechunked(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The payload within chunk framing, up to its end or to where the framing breaks."""
    framing = Dechunker()
    for piece in pieces:
        framing.feed(piece)
        yield from framing.payload
        if framing.done or framing.broken:
            return
