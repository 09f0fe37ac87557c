"""Digests of a record's block and payload, taken while the block streams by; the HTTP message inside is understood."""

import hashlib
import re
from collections.abc import Iterable

__all__ = ["NO_HEAD_END", "Block", "Chunked"]

NO_HEAD_END = "the head does not end in an empty line"
MAX_LINE = 16384  # bytes of a chunk size line
MAX_HEAD = 1 << 20  # bytes of an HTTP head
_UNFRAMED = ("204", "304")  # answers that have no body, whatever their headers say (RFC 9112, 6.3)
_STATUS = re.compile(rb"HTTP/\d(?:\.\d)?[ \t]+(\d{3})(?:[ \t\r\n]|$)")
_SIZE_BEGUN = re.compile(rb"[0-9A-Fa-f]*[ \t]*(;.*)?\r?")
_REQUEST = re.compile(rb"[!-~]+ \S.*")
_HEAD_END = re.compile(rb"\n\r*\n")


class Block:
    """One block: feed its bytes, call `finish`, then read what was found."""

    def __init__(self, kind: str, block_algorithms: Iterable[str], payload_algorithms: Iterable[str]) -> None:
        """`kind` is "response" or "request" for an HTTP message, "" where the payload is the block itself."""
        self.kind = kind
        self.size = 0
        self.payload_size = 0  # of the body as it stands in the block
        self.headers: dict[str, str] = {}  # names lower-case, the last value
        self.status = ""
        self.http = ""  # what is wrong with the HTTP head
        self.chunked: Chunked | None = None
        self._block = [hashlib.new(name, usedforsecurity=False) for name in block_algorithms]
        self._raw = [hashlib.new(name, usedforsecurity=False) for name in payload_algorithms]
        self._body = self._raw
        self._head: bytearray | None = bytearray() if kind else None

    def feed(self, data: bytes) -> None:
        """The next bytes of the block."""
        self.size += len(data)
        for digest in self._block:
            digest.update(data)
        if self._head is None:
            self._feed_body(data)
            return
        self._head += data
        end = _HEAD_END.search(self._head)
        if end or len(self._head) > MAX_HEAD:
            split = end.end() if end else len(self._head)
            head, body = bytes(self._head[:split]), bytes(self._head[split:])
            self._head = None
            self._read_head(head, ended=bool(end))
            self._feed_body(body)

    def _feed_body(self, data: bytes) -> None:
        self.payload_size += len(data)
        for digest in self._raw:
            digest.update(data)
        if self.chunked:
            for piece in self.chunked.feed(data):
                for digest in self._body:
                    digest.update(piece)

    def finish(self) -> None:
        """The block is complete."""
        if self._head is not None:
            self._read_head(bytes(self._head), ended=False)
            self._head = None

    def _read_head(self, head: bytes, *, ended: bool) -> None:
        first = head.split(b"\n", 1)[0].rstrip(b"\r")
        if self.kind == "response":
            status = _STATUS.match(head)
            self.status = status[1].decode() if status else ""
            self.http = "" if status else f"status line {first[:80]!r}"
        elif not _REQUEST.match(first):
            self.http = f"request line {first[:80]!r}"
        if not ended and not self.http:
            self.http = NO_HEAD_END
        self._read_headers(head.decode("latin-1").split("\n")[1:])
        codings = [
            part.strip() for part in self.headers.get("transfer-encoding", "").lower().split(",") if part.strip()
        ]
        bodiless = head.startswith(b"HTTP/1.0") or self.status in _UNFRAMED
        if self.kind == "response" and codings[-1:] == ["chunked"] and not bodiless:
            self.chunked = Chunked()
            self._body = [hashlib.new(digest.name, usedforsecurity=False) for digest in self._raw]

    def _read_headers(self, lines: list[str]) -> None:
        """The last value of each header, folds joined; Transfer-Encoding is a list and adds up."""
        last = ""
        for line in lines:
            name, colon, value = line.partition(":")
            if line[:1] in (" ", "\t") and last:
                self.headers[last] += " " + line.strip()
            elif colon:
                last = name.strip().lower()
                before = self.headers.get(last, "") + "," if last == "transfer-encoding" else ""
                self.headers[last] = before + value.strip()

    @property
    def block_digests(self) -> dict[str, bytes]:
        """Algorithm: digest of the whole block."""
        return {digest.name: digest.digest() for digest in self._block}

    @property
    def raw_digests(self) -> dict[str, bytes]:
        """Algorithm: digest of the body as it stands in the block, chunk framing and all."""
        return {digest.name: digest.digest() for digest in self._raw}

    @property
    def payload_digests(self) -> dict[str, bytes]:
        """Algorithm: digest of the payload, chunk framing removed, content coding kept (warc-specifications#22)."""
        unframed = self.chunked is not None and self.chunked.foreign  # the body as it stands is the payload
        return {digest.name: digest.digest() for digest in (self._raw if unframed else self._body)}


class Chunked:
    """Takes the chunk framing off a body, piece by piece (RFC 9112 section 7.1)."""

    def __init__(self) -> None:
        self.error = ""  # what is wrong with the framing
        self.done = False
        self.foreign = False  # the very first line is no chunk size: the framing was taken off before
        self._line = b""
        self._left = 0  # bytes of the chunk still to come
        self._state = "size"
        self._first = True

    def feed(self, data: bytes) -> Iterable[bytes]:
        """The payload bytes within `data`; one pass, however small the chunks are."""
        at = 0
        while at < len(data) and not self.error:
            if self._state == "data":
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                if not self._left:
                    self._state = "end"
                yield piece
                continue
            if self.done:
                self.error = "bytes behind the last chunk"
                return
            end = data.find(b"\n", at)
            self._line += data[at : end if end >= 0 else len(data)]
            at = end + 1 if end >= 0 else len(data)
            if end >= 0:
                self._read_line(self._line.removesuffix(b"\r"))
                self._line = b""
            elif len(self._line) > MAX_LINE:
                self._fail(f"a chunk size line of more than {MAX_LINE} bytes")

    def _read_line(self, line: bytes) -> None:
        if self._state == "trailer":
            self.done = not line
        elif self._state == "end":
            if line:
                self._fail(f"{line[:20]!r} where a chunk should end")
            self._state = "size"
        else:
            size = line.split(b";")[0].strip()
            if not re.fullmatch(rb"[0-9A-Fa-f]{1,16}", size):
                self._fail(f"chunk size {line[:20]!r}")
                return
            self._left = int(size, 16)
            self._state = "data" if self._left else "trailer"
            self._first = False

    def _fail(self, what: str) -> None:
        self.error = what
        self.foreign = self._first

    def finish(self) -> None:
        """The body is complete: a framing that has not ended is an error."""
        if not self.done and not self.error:
            self.error = "no last chunk"
            self.foreign = self._first and not _SIZE_BEGUN.fullmatch(self._line)
