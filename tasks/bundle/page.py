"""The original page in a bundle of ours: the response that its article was read from, byte for byte."""

import json
import zipfile
import zlib
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from tasks.bundle.read import MAX_MEMBER, member_names, read_member
from tasks.errors import FormatError

__all__ = ["read_page_block"]

_PROVENANCE = "article/provenance.json"


def read_page_block(path: Path) -> tuple[str, bytes, str]:
    """URL and block (HTTP head and body) of the page's response; FormatError where the bundle is not one of ours.

    An imported page may be a `resource` record: its block is the body alone, its media type is given as well.
    """
    if _PROVENANCE not in member_names(path):
        raise _broken(path, f"no {_PROVENANCE}: not a bundle of Tearsheet")
    try:
        origin = json.loads(read_member(path, _PROVENANCE))["original"]
        return str(origin["url"]), *_block(path, str(origin["member"]), str(origin["record"]))
    except (ArchiveLoadFailed, zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"the page's response cannot be read: {error!r}") from None


def _block(path: Path, member: str, record_id: str) -> tuple[bytes, str]:
    with zipfile.ZipFile(path) as bundle, bundle.open(member) as warc:
        for record in ArchiveIterator(warc, no_record_parse=True):
            if record.rec_headers.get_header("WARC-Record-ID") == record_id:
                block: bytes = record.raw_stream.read(MAX_MEMBER + 1)
                if len(block) > MAX_MEMBER:
                    raise _broken(path, f"the page has more than {MAX_MEMBER} bytes")
                return block, record.rec_headers.get_header("Content-Type") if record.rec_type == "resource" else ""
    raise _broken(path, f"no record {record_id} in {member}")


def _broken(path: Path, why: str) -> FormatError:
    return FormatError(why, where=path.name, remedy="`tearsheet verify` lists every problem")
