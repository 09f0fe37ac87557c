import io
import zipfile
import zlib
from datetime import datetime
from pathlib import Path

import pytest

from tasks.bundle import wacz
from tasks.bundle.wacz import DEFLATED, STORED, WaczWriter, framing
from tasks.errors import FormatError
from tests.bundle.samples import MOMENT, digest


def written() -> tuple[bytes, WaczWriter]:
    file = io.BytesIO()
    writer = WaczWriter(file, MOMENT)
    with writer.stored("archive/a.warc.gz") as sink:
        sink.write(b"first ")
        sink.write(b"second")
    writer.add("article/long.txt", b"tide " * 100, deflate=True)
    writer.add("article/short.txt", b"x", deflate=True)
    writer.add("empty", b"")
    writer.finish()
    return file.getvalue(), writer


def test_zipfile_reads_every_member_back() -> None:
    data, _ = written()
    with zipfile.ZipFile(io.BytesIO(data)) as bundle:
        assert bundle.testzip() is None
        assert bundle.read("archive/a.warc.gz") == b"first second"
        assert bundle.read("article/long.txt") == b"tide " * 100
        assert bundle.namelist() == ["archive/a.warc.gz", "article/long.txt", "article/short.txt", "empty"]
        info = bundle.infolist()[1]
    assert info.date_time == (2026, 11, 23, 10, 54, 46)  # zip counts two-second steps
    assert (info.create_system, info.extract_version, info.flag_bits, info.extra) == (3, 20, 0, b"")
    assert info.external_attr >> 16 == 0o100644


def test_only_what_shrinks_is_deflated() -> None:
    _, writer = written()
    assert [entry.method for entry in writer.entries] == [STORED, DEFLATED, STORED, STORED]


def test_a_deflated_entry_has_the_digest_of_its_packed_bytes() -> None:
    data, writer = written()
    entry = writer.entries[1]
    start = data.index(b"article/long.txt") + len("article/long.txt")
    packed = data[start : start + entry.packed]
    assert zlib.decompress(packed, -15) == b"tide " * 100
    assert (entry.packed_sha256, entry.sha256) == (digest(packed), digest(b"tide " * 100))


def test_the_framing_is_every_byte_that_is_no_member_data() -> None:
    data, writer = written()
    parts = list(framing(writer.entries, MOMENT))
    assert all(data[offset : offset + len(wanted)] == wanted for offset, wanted in parts)
    covered = sum(len(wanted) for _, wanted in parts) + sum(entry.packed for entry in writer.entries)
    assert covered == len(data)


@pytest.mark.parametrize(("year", "found"), [(1970, 1980), (2107, 2107), (2500, 2107)])
def test_years_that_zip_cannot_hold_become_the_nearest(year: int, found: int) -> None:
    file = io.BytesIO()
    writer = WaczWriter(file, datetime(year, 5, 6, 7, 8, 9))
    writer.add("a", b"")
    writer.finish()
    with zipfile.ZipFile(file) as bundle:
        assert bundle.infolist()[0].date_time == (found, 5, 6, 7, 8, 8)


def test_a_file_too_large_for_plain_zip_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(wacz, "LIMIT", 10)
    with (tmp_path / "x").open("w+b") as file, pytest.raises(FormatError, match="over 4 GiB"):  # noqa: SIM117
        with WaczWriter(file, MOMENT).stored("a") as sink:
            sink.write(b"more than ten bytes")
