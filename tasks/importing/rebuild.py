"""From the records of another tool to a capture like ours: blocks byte for byte, what was not recorded left absent."""

from collections.abc import Iterable, Iterator
from typing import BinaryIO

from tasks.bundle.verify_block import Block
from tasks.capture.body import SpooledBody
from tasks.capture.chunks import dechunked
from tasks.capture.head import FRAMING_REMOVED, HEAD_END, Head, parse_stored_head, resource_head
from tasks.errors import FormatError
from tasks.importing.foreign import Entry, Foreign
from tasks.records import Capture, Digest, Exchange

__all__ = ["MAX_HEAD", "Originals", "rebuild_capture", "rebuild_exchange", "request_headers"]

MAX_HEAD = 1 << 20  # bytes of an HTTP head, and of a request that is kept
_PIECE = 1 << 16
RESOLVED = "revisit-resolved"  # flag: the body is that of the record which the revisit refers to


class Originals:
    """What the revisits of a file refer to."""

    def __init__(self, foreign: Foreign) -> None:
        whole = [entry for entry in foreign.entries if entry.kind != "revisit"]
        self._by_id = {entry.id: entry for entry in whole}
        self._by_key = {(entry.url, entry.stamp): entry for entry in whole}
        self._by_digest = {entry.payload_digest.lower(): entry for entry in reversed(whole) if entry.payload_digest}

    def of(self, entry: Entry) -> Entry | None:
        """The record with the payload of a revisit: the one it names, else one of the same digest; None: not here."""
        url, date = entry.refers_to_key
        stamp = "".join(filter(str.isdigit, date))[:14]
        found = self._by_id.get(entry.refers_to) or self._by_key.get((url or entry.url, stamp))
        found = found or self._by_digest.get(entry.payload_digest.lower())
        if found and entry.payload_digest and found.payload_digest:
            return found if found.payload_digest.lower() == entry.payload_digest.lower() else None
        return found


# ------------------------------------------------------------------ one capture
def rebuild_capture(foreign: Foreign, chain: Iterable[Entry], originals: Originals) -> Capture:
    """The capture of one page: redirects first, the page last; the User-Agent is that of its own request."""
    exchanges: list[Exchange] = []
    try:
        for entry in chain:
            exchanges.append(rebuild_exchange(foreign, entry, originals))
    except BaseException:
        for exchange in exchanges:
            exchange.body.close()
        raise
    headers = dict(_headers(exchanges[-1].request))
    return Capture(exchanges[0].url, tuple(exchanges), headers.get("user-agent", ""), mode="import")


def rebuild_exchange(foreign: Foreign, entry: Entry, originals: Originals) -> Exchange:
    """One exchange; its body has to be closed. FormatError where the record holds none."""
    original = originals.of(entry) if entry.kind == "revisit" else None
    if entry.kind == "revisit" and original is None:
        raise FormatError("a revisit of what is not in this file", where=entry.id, remedy="Import the whole collection")
    request = _request(foreign, entry)
    body = SpooledBody()
    try:
        raw = _read_into(body, foreign, original or entry)
        raw = _own_head(foreign, entry, raw) if original else raw
        return _exchange(entry, original, raw, body, request)
    except BaseException:
        body.close()
        raise


def request_headers(foreign: Foreign, entry: Entry) -> tuple[str, dict[str, str]]:
    """Method and headers of the request for a record; empty where none was kept."""
    request = _request(foreign, entry)
    return request.partition(b" ")[0].decode("latin-1").upper(), dict(_headers(request))


def _request(foreign: Foreign, entry: Entry) -> bytes:
    asked = foreign.requests.get(entry.number)
    if asked is None:
        return b""
    with foreign.open_block(asked) as stream:
        data = _take(stream, MAX_HEAD + 1)
    if len(data) > MAX_HEAD:
        raise FormatError(
            f"a request of more than {MAX_HEAD:,} bytes", where=asked.id, remedy="It is no page's request"
        )
    return data


def _headers(request: bytes) -> Iterator[tuple[str, str]]:
    for line in request.split(b"\r\n\r\n")[0].decode("latin-1").split("\n")[1:]:
        name, colon, value = line.partition(":")
        if colon:
            yield name.strip().lower(), value.strip()


# ------------------------------------------------------------------ blocks
def _read_into(body: SpooledBody, foreign: Foreign, entry: Entry) -> bytes:
    """The HTTP head of a block; its body goes into `body`. A resource has no head."""
    with foreign.open_block(entry) as stream:
        raw, rest = (b"", b"") if entry.kind == "resource" else _split(stream)
        body.write(rest)
        for piece in _pieces(stream):
            body.write(piece)
    return raw


def _own_head(foreign: Foreign, entry: Entry, original: bytes) -> bytes:
    """The head that a revisit itself has, where the body fits under it; else its original's."""
    with foreign.open_block(entry) as stream:
        own, _ = _split(stream)
    heads = parse_stored_head(own), parse_stored_head(original)
    framing = [_framing(head) for head in heads if head]
    return own if len(framing) == 2 and framing[0] == framing[1] else original


def _framing(head: Head) -> tuple[bool, list[str]]:
    return head.chunked, [value.lower() for name, value in head.headers if name == "content-encoding"]


def _split(stream: BinaryIO) -> tuple[bytes, bytes]:
    """Head and what was read of the body."""
    data = b""
    for piece in _pieces(stream):
        start = max(0, len(data) - 3)
        data += piece
        if end := HEAD_END.search(data, start):
            return data[: end.end()], data[end.end() :]
        if len(data) > MAX_HEAD:
            raise FormatError(f"an HTTP head of more than {MAX_HEAD:,} bytes", remedy="It is no page")
    return data, b""


def _pieces(stream: BinaryIO) -> Iterator[bytes]:
    while piece := stream.read(_PIECE):
        yield piece


def _take(stream: BinaryIO, size: int) -> bytes:
    data = b""
    while len(data) < size and (more := stream.read(size - len(data))):
        data += more
    return data


def _exchange(entry: Entry, original: Entry | None, raw: bytes, body: SpooledBody, request: bytes) -> Exchange:
    head = parse_stored_head(raw) if raw else resource_head(entry.content_type)
    if head is None:
        raise FormatError("the block is no HTTP answer", where=entry.id, remedy="`tearsheet verify` lists problems")
    block = Block("response" if raw else "", ("sha256",), ("sha256",))
    block.feed(raw)
    with body.open() as reader:
        for piece in _pieces(reader):
            block.feed(piece)
    block.finish()
    if block.chunked:
        block.chunked.finish()
    chunked = block.chunked is not None and not block.chunked.foreign
    truncated = (original or entry).truncated
    return Exchange(
        url=entry.url,
        started_at=entry.date,
        request=request,
        response_head=raw,
        body=body,
        status=head.status,
        headers=head.headers,
        ip=entry.ip,
        block_digest=_digest(block.block_digests),
        payload_digest=_digest(block.payload_digests),
        payload_size=_dechunked_size(body) if chunked else body.size,
        chunked=chunked,
        truncated=truncated,
        flags=tuple(_flags(head, block, body, truncated, resolved=original is not None)),
        first_byte_s=None,
        elapsed_s=None,
    )


def _digest(found: dict[str, bytes]) -> Digest:
    return Digest(f"sha256:{found['sha256'].hex()}")


def _dechunked_size(body: SpooledBody) -> int:
    with body.open() as reader:
        return sum(map(len, dechunked(_pieces(reader))))


def _flags(head: Head, block: Block, body: SpooledBody, truncated: str, *, resolved: bool) -> Iterator[str]:
    """What is odd about the exchange, for the record and for the verdict."""
    yield from head.flags
    if head.chunked and block.chunked and block.chunked.foreign:
        yield FRAMING_REMOVED
    elif block.chunked and block.chunked.error:
        yield "bad-chunk"
    coded = any(name == "content-encoding" for name, _ in head.headers)  # a tool that decodes leaves the old length
    if head.length is not None and not head.chunked and not coded and not truncated and body.size < head.length:
        yield "short-body"
    if resolved:
        yield RESOLVED
