import gzip
import io
import random

import pytest

from tasks.bundle.gzips import HEADER, GzipMember, gzip_bytes
from tests.bundle.samples import digest

NOISE = random.Random(1).randbytes(200_000)


def member(data: bytes, step: int, *, stored: bool) -> tuple[bytes, GzipMember]:
    out = io.BytesIO()
    made = GzipMember(out, stored=stored)
    for at in range(0, len(data), step):
        made.write(data[at : at + step])
    made.flush()
    made.close()
    return out.getvalue(), made


@pytest.mark.parametrize("stored", [True, False])
@pytest.mark.parametrize("size", [0, 1, 65534, 65535, 65536, 131070, 131071, 200_000])
def test_gzip_reads_a_member_back(size: int, stored: bool) -> None:
    data, made = member(NOISE[:size], 16384, stored=stored)
    assert gzip.decompress(data) == NOISE[:size]
    assert (made.size, made.digest) == (len(data), digest(data))


@pytest.mark.parametrize("stored", [True, False])
def test_the_bytes_do_not_depend_on_the_size_of_the_writes(stored: bool) -> None:
    text = (NOISE[:3000] + b"tide " * 2000) * 9
    assert member(text, 7, stored=stored)[0] == member(text, 100_000, stored=stored)[0]


def test_stored_blocks_cost_five_bytes_each() -> None:
    data, _ = member(NOISE[:131070], 1000, stored=True)
    assert len(data) == 131070 + 2 * 5 + 18


def test_the_header_names_neither_time_nor_system() -> None:
    assert gzip_bytes(b"x")[:10] == HEADER == bytes.fromhex("1f8b08000000000000ff")
    assert gzip_bytes(b"tide") == member(b"tide", 2, stored=False)[0]
