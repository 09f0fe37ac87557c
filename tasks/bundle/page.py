"""What the article in a bundle of ours was read from: the page's response, byte for byte, or the DOM of a browser."""

import json
import zipfile
import zlib
from pathlib import Path

from warcio.archiveiterator import ArchiveIterator
from warcio.exceptions import ArchiveLoadFailed

from tasks.bundle.read import MAX_MEMBER, member_names, read_member
from tasks.bundle.rendered import RENDERED
from tasks.errors import FormatError

__all__ = ["read_page_block"]

_PROVENANCE, _METADATA = "article/provenance.json", "article/metadata.json"


def read_page_block(path: Path) -> tuple[str, bytes, str]:
    """URL and block (HTTP head and body) of the page's response; FormatError where the bundle is not one of ours.

    A DOM, and perhaps an imported page, is a `resource` record: its block is the body alone, its media type is given
    as well.
    """
    if _PROVENANCE not in member_names(path):
        raise _broken(path, f"no {_PROVENANCE}: not a bundle of Tearsheet")
    try:
        origin = json.loads(read_member(path, _PROVENANCE))["original"]
        if json.loads(read_member(path, _METADATA)).get("source") == "dom":
            return str(origin["url"]), *_block(path, f"archive/{RENDERED}", f"urn:dom:{origin['url']}")
        return str(origin["url"]), *_block(path, str(origin["member"]), str(origin["record"]))
    except (ArchiveLoadFailed, zipfile.BadZipFile, zlib.error, EOFError, KeyError, TypeError, ValueError) as error:
        raise _broken(path, f"the page's response cannot be read: {error!r}") from None


def _block(path: Path, member: str, wanted: str) -> tuple[bytes, str]:
    """Block and, of a resource, media type of the record that has this id or target URI."""
    with zipfile.ZipFile(path) as bundle, bundle.open(member) as warc:
        for record in ArchiveIterator(warc, no_record_parse=True):
            if wanted in map(record.rec_headers.get_header, ("WARC-Record-ID", "WARC-Target-URI")):
                block: bytes = record.raw_stream.read(MAX_MEMBER + 1)
                if len(block) > MAX_MEMBER:
                    raise _broken(path, f"the page has more than {MAX_MEMBER} bytes")
                return block, record.rec_headers.get_header("Content-Type") if record.rec_type == "resource" else ""
    raise _broken(path, f"no record {wanted} in {member}")


def _broken(path: Path, why: str) -> FormatError:
    return FormatError(why, where=path.name, remedy="`tearsheet verify` lists every problem")
