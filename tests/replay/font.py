"""A font of our own with two glyphs, a box and nothing, as a TrueType file that browsers accept."""

import struct

__all__ = ["make_font"]

_EM = 1000


def make_font(family: str) -> bytes:
    """The bytes of the font: the letter A is a box, all else is missing."""
    box = struct.pack(">hhhhh", 1, 100, 0, 900, 700) + struct.pack(">HH", 3, 0) + bytes([1, 1, 1, 1])
    box += struct.pack(">hhhh", 100, 800, 0, -800) + struct.pack(">hhhh", 0, 0, 700, 0)
    glyphs = box * 2
    tables = {
        b"OS/2": _os2(),
        b"cmap": _cmap(),
        b"glyf": glyphs,
        b"head": struct.pack(
            ">IIIIHHqqhhhhHHhhh",
            *(0x00010000, 0x00010000, 0, 0x5F0F3CF5, 0x0003, _EM, 0, 0, 100, 0, 900, 700, 0, 8, 2, 1, 0),
        ),
        b"hhea": struct.pack(
            ">IhhhHhhhhhhhhhhhH", 0x00010000, 800, -200, 0, 1000, 0, 0, 900, 1, 0, 0, 0, 0, 0, 0, 0, 2
        ),
        b"hmtx": struct.pack(">HhHh", 1000, 100, 1000, 100),
        b"loca": struct.pack(">III", 0, len(box), len(glyphs)),
        b"maxp": struct.pack(">IHHHHHHHHHHHHHH", 0x00010000, 2, 4, 1, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0, 0),
        b"name": _name(family),
        b"post": struct.pack(">IIhhIIIII", 0x00030000, 0, 0, 0, 0, 0, 0, 0, 0),
    }
    return _assembled(tables)


def _os2() -> bytes:
    start = struct.pack(">HhHHHhhhhhhhhhhh", 3, 1000, 400, 5, 0, *(100,) * 8, 100, 400, 0)
    return (
        start
        + bytes(10)
        + struct.pack(">IIII4sHHHhhhHH", 1, 0, 0, 0, b"TEST", 0x40, 65, 65, 800, -200, 0, 800, 200)
        + (struct.pack(">IIhhHHH", 1, 0, 500, 700, 0, 32, 1))
    )


def _cmap() -> bytes:
    segments = struct.pack(">HHHHHHHHHHHH", 4, 4, 1, 0, 65, 0xFFFF, 0, 65, 0xFFFF, 0x10000 - 64, 1, 0) + b"\0\0"
    body = struct.pack(">HHH", 4, len(segments) + 6, 0) + segments
    return struct.pack(">HHHHI", 0, 1, 3, 1, 12) + body


def _name(family: str) -> bytes:
    texts = {1: family, 2: "Regular", 3: family, 4: family, 6: family}
    records, data = b"", b""
    for number, text in texts.items():
        raw = text.encode("utf-16be")
        records += struct.pack(">HHHHHH", 3, 1, 0x409, number, len(raw), len(data))
        data += raw
    return struct.pack(">HHH", 0, len(texts), 6 + len(records)) + records + data


def _assembled(tables: dict[bytes, bytes]) -> bytes:
    """The tables behind their directory, each padded to four bytes, with the sums."""
    count = len(tables)
    power = 1 << (count.bit_length() - 1)
    head = struct.pack(">IHHHH", 0x00010000, count, power * 16, power.bit_length() - 1, (count - power) * 16)
    directory, data, at = b"", b"", len(head) + 16 * count
    for tag, table in sorted(tables.items()):
        padded = table + bytes(-len(table) % 4)
        directory += struct.pack(">4sIII", tag, _sum(padded), at + len(data), len(table))
        data += padded
    whole = head + directory + data
    place = whole.index(struct.pack(">I", 0x5F0F3CF5)) - 4
    adjustment = (0xB1B0AFBA - _sum(whole)) & 0xFFFFFFFF
    return whole[:place] + struct.pack(">I", adjustment) + whole[place + 4 :]


def _sum(data: bytes) -> int:
    return sum(struct.unpack(f">{len(data) // 4}I", data)) & 0xFFFFFFFF
