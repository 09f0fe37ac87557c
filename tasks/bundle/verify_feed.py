"""The bytes of a WARC as a reader takes them: gzip member by gzip member, or a plain file from record to record."""

import hashlib
import re
import zlib
from collections.abc import Callable, Iterator

from tasks.bundle.verify_codes import Findings
from tasks.bundle.verify_zip import Section

__all__ = ["Feed", "gzip_members", "plain_records"]

MAX_HEADER = 1 << 20  # bytes of a WARC header
_HEADER_END = re.compile(rb"\n\r*\n")  # lenient: parse_fields reports line ends other than CR LF


class Feed:
    """Bytes from `pull`, which gives b"" at the end; those of a plain WARC are hashed as they are taken."""

    def __init__(self, pull: Callable[[], bytes], offset: int, member: "_GzipMember | None" = None) -> None:
        self._pull, self.offset, self.member = pull, offset, member
        self.data = b""
        self.taken = 0
        self.lost = False  # a problem was found, and where the next record starts has to be searched
        self.sha256 = hashlib.sha256()

    def more(self) -> bool:
        """Read on; False at the end."""
        data = self._pull()
        self.data += data
        return bool(data)

    def take(self, count: int) -> bytes:
        """The next bytes, at most `count`; empty at the end."""
        if not self.data and count:
            self.more()
        piece, self.data = self.data[:count], self.data[count:]
        self.taken += len(piece)
        if not self.member:
            self.sha256.update(piece)
        return piece

    def peek(self, count: int) -> bytes:
        """The next bytes without taking them."""
        while len(self.data) < count and self.more():
            pass
        return self.data[:count]

    def header(self) -> bytes | None:
        """Everything up to and including the empty line; None when there is none within 1 MiB."""
        at = 0
        while True:
            if end := _HEADER_END.search(self.data, at):
                return self.take(end.end())
            at = max(0, len(self.data) - 3)
            if len(self.data) > MAX_HEADER or not self.more():
                return None


def plain_records(section: Section, first: bytes, name: str, findings: Findings) -> Iterator[Feed]:
    """One feed for each record of an uncompressed WARC; the reader leaves it at the record's end."""
    ahead = [first]
    feed = Feed(lambda: ahead.pop() if ahead else section.read(), 0)
    while feed.peek(1) and not findings.full:
        feed.offset, feed.taken, feed.sha256 = feed.offset + feed.taken, 0, hashlib.sha256()
        feed.lost = False
        yield feed
        if feed.lost or not feed.taken:
            _skip_to_record(feed)


def _skip_to_record(feed: Feed) -> None:
    if feed.taken and feed.peek(5) == b"WARC/":
        return
    while True:
        at = feed.data.find(b"\nWARC/")
        if at >= 0:
            feed.take(at + 1)
            return
        feed.take(max(0, len(feed.data) - 5))
        if not feed.more():
            feed.take(len(feed.data))
            return


def gzip_members(section: Section, first: bytes, name: str, findings: Findings) -> Iterator[Feed]:
    """One feed for each gzip member; what the reader left in it is drained, so that the CRC is checked."""
    member = _GzipMember(section, first, 0)
    while True:
        feed = Feed(member.pull, member.offset, member)
        yield feed
        member.drain()
        if member.broken:
            findings.add("gzip-broken", f"{name}@{member.offset}", "a whole gzip member", member.broken)
            return
        if findings.full or not (rest := member.rest()):
            return
        member = _GzipMember(section, rest, member.offset + member.length)


class _GzipMember:
    """One gzip member, decompressed at most 256 KiB at a time; `broken` says why it could not go on."""

    def __init__(self, section: Section, ahead: bytes, offset: int) -> None:
        self._section, self._ahead, self.offset = section, ahead, offset
        self._unpack = zlib.decompressobj(31)
        self._sha256 = hashlib.sha256()
        self.length = 0
        self.broken = ""

    def pull(self) -> bytes:
        """The next decompressed bytes; empty at the end, and where the member is broken."""
        while not self._unpack.eof and not self.broken:
            data = self._ahead or self._section.read()
            if not data:
                self.broken = "the file ends within the member"
                break
            try:
                out = self._unpack.decompress(data, 1 << 18)
            except zlib.error as error:
                self.broken = str(error)
                break
            self._ahead = self._unpack.unused_data or self._unpack.unconsumed_tail
            used = data[: len(data) - len(self._ahead)]
            self.length += len(used)
            self._sha256.update(used)
            if out:
                return out
        return b""

    @property
    def sha256(self) -> str:
        """Of the compressed bytes, once the end was reached."""
        return self._sha256.hexdigest()

    def drain(self) -> None:
        """Go to the end of a member that the reader gave up; one that goes on for long is broken."""
        if self.pull() and self.pull():
            self.broken = "far more data than one record has"

    def rest(self) -> bytes:
        """The bytes behind this member that were read already, or the next ones."""
        return self._ahead or self._section.read()
